//! `scheduler`, and its talk with a service manager.

use std::time::Duration;

use sd_notify::NotifyState;

use super::args::SchedulerArgs;
use super::output::Output;
use super::signals;
use crate::core::model::{counted, visible};
use crate::core::plan::Outcome;
use crate::ops::{self, Beat, Context, Error, Scheduler, SchedulerOptions, Upcoming, Why};
use crate::render::{Column, table};

pub(super) fn run(
    context: &Context,
    args: &SchedulerArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    if let Some(count) = args.list {
        return list(context, count, output);
    }
    let options = SchedulerOptions {
        interval: args.go_on.then(|| args.interval.into()),
        grace: args.grace.into(),
        // Half of what the service manager waits for, as sd_watchdog_enabled(3) advises.
        beat: sd_notify::watchdog_enabled().map(|longest| longest / 2),
    };
    let scheduler = Scheduler::new(context, options);
    let waker = scheduler.waker();
    let stop = signals::listen(move || waker.wake())?;
    let mut manager = ServiceManager::default();
    scheduler.run(&stop, &mut |beat| manager.tell(beat))
}

/// What a service manager was told already.
#[derive(Default)]
struct ServiceManager {
    is_ready: bool,
    is_stopping: bool,
}

impl ServiceManager {
    /// Says how the scheduler is, sd_notify(3). Without a service manager nobody hears it.
    fn tell(&mut self, beat: &Beat) {
        let status = match beat {
            Beat::Working { running, waiting } => {
                format!("{} at work, {waiting} waiting", counted(*running, "backup"))
            }
            Beat::Stopping { running } => {
                format!("stopping, {} at work", counted(*running, "backup"))
            }
        };
        let mut states = vec![NotifyState::Watchdog, NotifyState::Status(&status)];
        if !self.is_ready {
            states.push(NotifyState::Ready);
            self.is_ready = true;
        }
        if matches!(beat, Beat::Stopping { .. }) && !self.is_stopping {
            states.push(NotifyState::Stopping);
            self.is_stopping = true;
        }
        if let Err(error) = sd_notify::notify(&states) {
            tracing::warn!("the service manager cannot be told: {error}");
        }
    }
}

fn list(context: &Context, count: usize, output: &Output) -> Result<Outcome, Error> {
    let runs = ops::upcoming(context, count)?;
    output.data(&runs, |style| {
        if runs.is_empty() {
            return "Nothing is scheduled: no host that is active and not paused has a schedule.\n"
                .to_owned();
        }
        let columns = [
            Column("STARTS", false),
            Column("HOST", false),
            Column("WHY", false),
            Column("LINE", false),
            Column("ZONE", false),
            Column("JITTER", true),
            Column("PRUNE", false),
        ];
        table(&columns, &runs.iter().map(cells).collect::<Vec<_>>(), style)
    });
    Ok(Outcome::Done)
}

fn cells(run: &Upcoming) -> Vec<String> {
    let why = match (run.why, &run.schedule, run.retry_of) {
        (Why::Retry, _, Some(of)) => format!("retry of run {of}"),
        (Why::Retry, ..) => "retry".to_owned(),
        (Why::Overdue, ..) => "overdue".to_owned(),
        (Why::Scheduled, Some(name), _) => name.to_string(),
        (Why::Scheduled, None, _) => "scheduled".to_owned(),
    };
    let jitter = Duration::from_secs(run.jitter_seconds);
    vec![
        run.local.replacen('T', " ", 1),
        run.host.to_string(),
        why,
        run.cron
            .as_ref()
            .map_or("-".to_owned(), |cron| visible(cron.as_str())),
        run.timezone.name().to_owned(),
        format!("{}:{:02}", jitter.as_secs() / 60, jitter.as_secs() % 60),
        if run.prune { "yes" } else { "no" }.to_owned(),
    ]
}
