//! `backup HOST…`.

use serde::Serialize;

use super::args::BackupArgs;
use super::output::Output;
use super::prune::{self, Pruned};
use super::{report, signals};
use crate::core::model::{ByteCount, HostName, RunId, SnapshotKind, SnapshotName, visible};
use crate::core::plan::{Outcome, Refusal};
use crate::ops::{self, BackupReport, BackupRequest, Context, Error, Stop, backup_line};

#[derive(Serialize)]
struct Told {
    host: HostName,
    outcome: Outcome,
    run: Option<RunId>,
    snapshot: Option<SnapshotName>,
    /// Why the snapshot is suspect, if it is.
    suspect: Option<String>,
    message: String,
    warnings: Vec<String>,
    /// What came of the prune, where one was asked for and the backup succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned: Option<Pruned>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refusals: Vec<Refusal>,
}

/// What `--dry-run` says of one host.
#[derive(Serialize)]
struct Planned {
    host: HostName,
    command: String,
}

pub(super) fn run(context: &Context, args: &BackupArgs, output: &Output) -> Result<Outcome, Error> {
    if args.dry_run {
        let facts = context.own_facts_about(|host| args.hosts.contains(&host.name))?;
        let planned: Vec<Planned> = args
            .hosts
            .iter()
            .map(|host| {
                let command = ops::dry_run(context, &facts, host)?;
                let host = host.clone();
                Ok(Planned { host, command })
            })
            .collect::<Result<_, Error>>()?;
        output.data(&planned, |_| {
            planned.iter().map(|p| format!("{}\n", p.command)).collect()
        });
        return Ok(Outcome::Done);
    }
    let stop = signals::listen(|| {})?;
    let mut told = Vec::new();
    for host in &args.hosts {
        if stop.is_asked() {
            break;
        }
        told.push(one(context, args, host, &stop, output));
    }
    let outcome = Outcome::worst(told.iter().map(|t| t.outcome));
    if output.is_json() {
        output.data(&told, |_| String::new());
    }
    Ok(if stop.is_asked() && outcome == Outcome::Done {
        Outcome::Failed
    } else {
        outcome
    })
}

/// One host; an error of one does not stop the next.
fn one(
    context: &Context,
    args: &BackupArgs,
    host: &HostName,
    stop: &Stop,
    output: &Output,
) -> Told {
    let bar = output.spinner(host);
    let request = BackupRequest {
        host: host.clone(),
        kind: if args.scheduled {
            SnapshotKind::Scheduled
        } else {
            SnapshotKind::Manual
        },
        prune: args.prune,
        claimed: None,
        stop,
        progress: &mut |seen| bar.set_message(format!("{} {}", host, ByteCount(seen.bytes))),
    };
    let done = ops::backup(context, request);
    bar.finish_and_clear();
    match done {
        Ok(done) => {
            tell(&done, output);
            Told {
                host: host.clone(),
                outcome: done.outcome(),
                run: Some(done.run),
                snapshot: Some(done.snapshot.clone()),
                suspect: done.suspect.clone(),
                message: visible(&done.message),
                warnings: done.warnings.iter().map(|w| visible(w)).collect(),
                pruned: done.pruned.as_ref().map(|done| Pruned::of(host, done)),
                refusals: Vec::new(),
            }
        }
        Err(error) => {
            tell_error(output, &error);
            Told {
                host: host.clone(),
                outcome: error.outcome(),
                run: None,
                snapshot: None,
                suspect: None,
                message: visible(&report::chain(&error)),
                warnings: Vec::new(),
                pruned: None,
                refusals: error.refusals().to_vec(),
            }
        }
    }
}

fn tell(done: &BackupReport, output: &Output) {
    if done.is_complete() {
        output.text(&format!("{}\n", backup_line(done)));
    } else {
        // Said however quiet it is to be: the exit code alone does not tell which host it was.
        Output::warn(&format!(
            "error: backup of {} {} (run {}): {}",
            done.host,
            done.status,
            done.run,
            visible(&done.message)
        ));
    }
    for warning in &done.warnings {
        output.say(&format!("  note: {}", visible(warning)));
    }
    match &done.pruned {
        None => {}
        Some(Ok(pruned)) => prune::tell(pruned, output),
        Some(Err(error)) => {
            output.say("The backup stands; the prune did not begin:");
            tell_error(output, error);
        }
    }
}

/// Programs are told of every host in one document, at the end.
fn tell_error(output: &Output, error: &Error) {
    if !output.is_json() {
        report::error_for_people(output, error);
    }
}
