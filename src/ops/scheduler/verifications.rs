//! Verifications that are due: one at a time, beside backups, and with what they leave of the processor.

use super::super::{Context, Error, Stop, VerifyRequest, clock, sentence, verify};
use crate::core::model::{HostName, Percent, SqlHost, Timestamp};
use crate::store::Inspected;

/// Verifies every host whose time has come, the one that has waited longest first, until `stop` asks for an end.
pub(super) fn verify_due(context: &Context, stop: &Stop) {
    // Of this thread and those it starts alone; whoever may not lower it goes on as it is.
    let _ = rustix::process::setpriority_process(None, 19);
    let due = match due(context, clock::now()) {
        Ok(due) => due,
        Err(error) => {
            tracing::error!("what is to be verified: {}", sentence(&error));
            return;
        }
    };
    for (host, sample) in due {
        if stop.is_asked() {
            return;
        }
        tracing::info!(%host, "verification begins");
        let done = verify(
            context,
            &VerifyRequest {
                host: host.clone(),
                snapshot: None,
                sample,
                bytes_per_second: None,
                stop,
                progress: &|_, _, _, _| {},
            },
        );
        match done {
            Ok(report) if report.damage.is_empty() => {
                tracing::info!(%host, "{}", report.sentence());
            }
            Ok(report) => tracing::error!(%host, "{}", report.sentence()),
            Err(error) => tracing::error!(%host, "not verified: {}", sentence(&error)),
        }
    }
}

fn due(context: &Context, now: Timestamp) -> Result<Vec<(HostName, Option<Percent>)>, Error> {
    let state = context.store.load_state()?;
    let global = state.settings();
    let me = context.me(&global)?;
    let inspected = context.store.inspected()?;
    let mut due: Vec<(Timestamp, &SqlHost)> = state
        .hosts
        .iter()
        // What others have is on their roots.
        .filter(|host| global.home(host.settings.server.as_ref()) == me.as_ref())
        .filter_map(|host| Some((due_at(host, inspected.get(&host.id))?, host)))
        .filter(|(at, _)| *at <= now)
        .collect();
    due.sort_by(|a, b| (a.0, &a.1.name).cmp(&(b.0, &b.1.name)));
    Ok(due
        .into_iter()
        .map(|(_, host)| (host.name.clone(), host.settings.verify.sample))
        .collect())
}

/// When a host is to be verified: at once if it never was.
fn due_at(host: &SqlHost, inspected: Option<&Inspected>) -> Option<Timestamp> {
    let every = host.settings.verify.every?;
    let is_active = host.retired.is_none() && !host.is_paused();
    let last = inspected.and_then(|found| found.verified_at);
    is_active.then(|| last.map_or(Timestamp::from_millis(0), |last| last.plus(every)))
}
