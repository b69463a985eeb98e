//! `pause`, `resume`, `cancel`, `logs`.

use serde::Serialize;

use super::args::{LogsArgs, PauseArgs, RunArg};
use super::output::{Output, print};
use super::signals;
use crate::core::model::{HostName, RunId, RunStatus, visible};
use crate::core::plan::Outcome;
use crate::ops::{self, Context, Error, LogOf};

#[derive(Serialize)]
struct OfHost<'a> {
    outcome: Outcome,
    host: &'a HostName,
}

#[derive(Serialize)]
struct OfRun {
    outcome: Outcome,
    run: RunId,
}

#[derive(Serialize)]
struct LogDocument {
    run: RunId,
    host: HostName,
    status: RunStatus,
    message: String,
    lines: Vec<String>,
}

fn changed(changed: bool) -> Outcome {
    if changed {
        Outcome::Done
    } else {
        Outcome::NoChanges
    }
}

pub(super) fn pause(
    context: &Context,
    args: &PauseArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let host = &args.host;
    let is_new = ops::pause(context, host, args.reason.clone())?;
    let outcome = changed(is_new);
    output.data(&OfHost { outcome, host }, |_| {
        if is_new {
            format!("Paused {host}: no runs, nothing pruned, until: pobsync resume {host}\n")
        } else {
            format!("Nothing changes: {host} is paused already.\n")
        }
    });
    Ok(outcome)
}

pub(super) fn resume(
    context: &Context,
    host: &HostName,
    output: &Output,
) -> Result<Outcome, Error> {
    let was_paused = ops::resume(context, host)?;
    let outcome = changed(was_paused);
    output.data(&OfHost { outcome, host }, |_| {
        if was_paused {
            format!("Resumed {host}: it runs again at its next scheduled time.\n")
        } else {
            format!("Nothing changes: {host} is not paused.\n")
        }
    });
    Ok(outcome)
}

pub(super) fn cancel(context: &Context, args: &RunArg, output: &Output) -> Result<Outcome, Error> {
    ops::cancel(context, args.run)?;
    let told = OfRun {
        outcome: Outcome::Done,
        run: args.run,
    };
    output.data(&told, |_| {
        format!(
            "Run {} is asked to stop; pobsync runs tells when it has.\n",
            args.run
        )
    });
    Ok(Outcome::Done)
}

pub(super) fn logs(context: &Context, args: &LogsArgs, output: &Output) -> Result<Outcome, Error> {
    // What is all digits is a run: a host of such a name is asked for by its run.
    let of = match args.of.parse() {
        Ok(run) => LogOf::Run(RunId(run)),
        Err(_) => LogOf::Host(args.of.parse()?),
    };
    let stop = args.follow.then(|| signals::listen(|| {})).transpose()?;
    let mut lines = Vec::new();
    // A host may send anything: nothing of it reaches the terminal unescaped.
    let mut each = |line: &str| {
        if output.is_json() {
            lines.push(visible(line));
        } else {
            print(&format!("{}\n", visible(line)));
        }
    };
    let record = ops::read_log(context, &of, stop.as_deref(), &mut each)?;
    let run = record.run;
    if output.is_json() {
        let document = LogDocument {
            run: run.id,
            host: run.host,
            status: run.status,
            message: visible(&run.message),
            lines,
        };
        output.data(&document, |_| String::new());
    } else {
        let message = if run.message.is_empty() {
            String::new()
        } else {
            format!(": {}", visible(&run.message))
        };
        output.say(&format!(
            "run {} of {} {}{message}",
            run.id, run.host, run.status
        ));
    }
    Ok(Outcome::Done)
}
