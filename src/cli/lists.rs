//! Lists: tables for people, JSON for programs.

use super::args::{DiscoverArgs, LimitArg, ListArgs, SnapshotsArgs};
use super::output::Output;
use crate::core::model::{ByteCount, Timestamp, visible};
use crate::core::plan::Outcome;
use crate::ops::{self, Context, Error, HistoryRow, HostRow, PlanRow, RunRow, SnapshotRow};
use crate::render::{Column, table};

/// Times in tables are UTC to the second: the day's work of reading lists is comparing them.
pub(super) fn moment(time: Timestamp) -> String {
    time.utc().format("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn limit(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

pub(super) fn hosts(context: &Context, output: &Output) -> Result<Outcome, Error> {
    let rows = ops::host_rows(context)?;
    output.data(&rows, |style| {
        let cells = |r: &HostRow| {
            let retention = match (&r.retention, r.approved) {
                (None, _) => "keeps all".to_owned(),
                (Some(words), true) => words.clone(),
                (Some(words), false) => format!("{words} (not approved)"),
            };
            vec![
                r.host.to_string(),
                r.address.clone(),
                r.managed_by.to_owned(),
                r.state.to_owned(),
                retention,
                r.schedules.join("; "),
                r.snapshots.to_string(),
                r.newest.map_or("never".to_owned(), moment),
            ]
        };
        let columns = [
            Column("HOST", false),
            Column("ADDRESS", false),
            Column("BY", false),
            Column("STATE", false),
            Column("RETENTION", false),
            Column("SCHEDULE", false),
            Column("SNAPSHOTS", true),
            Column("NEWEST", false),
        ];
        table(&columns, &rows.iter().map(cells).collect::<Vec<_>>(), style)
    });
    Ok(Outcome::Done)
}

pub(super) fn snapshots(
    context: &Context,
    args: &SnapshotsArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let rows = ops::snapshot_rows(context, args.host.as_ref(), args.all)?;
    output.data(&rows, |style| {
        // A name of ours tells its start; those of the older service need not.
        let tells_start = rows.iter().all(|r| r.name.time().is_some());
        let cells = |r: &SnapshotRow| {
            let s = r;
            let mut notes: Vec<String> = Vec::new();
            if let Some(hold) = &s.hold {
                let until = hold.until.map(|until| format!(" until {}", moment(until)));
                let until = until.unwrap_or_default();
                notes.push(format!("held by {}{until}: {}", hold.by, hold.reason));
            }
            if s.suspect {
                notes.push("suspect".to_owned());
            }
            if let Some(verified) = &s.verified {
                notes.push(format!("verified {}", moment(verified.at)));
            }
            notes.extend(damaged(s));
            if let Some(plan) = r.plan {
                notes.push(format!("plan {plan}"));
            }
            let mut cells = vec![
                r.host.to_string(),
                s.name.to_string(),
                s.kind.to_string(),
                s.status.to_string(),
                s.files.map_or("?".to_owned(), |n| n.to_string()),
                s.bytes.map_or("?".to_owned(), |n| ByteCount(n).to_string()),
                s.base.as_ref().map_or("-".to_owned(), ToString::to_string),
                notes.join("; "),
            ];
            if !tells_start {
                cells.insert(4, moment(s.started_at));
            }
            cells
        };
        let mut columns = vec![
            Column("HOST", false),
            Column("SNAPSHOT", false),
            Column("KIND", false),
            Column("STATUS", false),
            Column("FILES", true),
            Column("SIZE", true),
            Column("BASE", false),
            Column("NOTES", false),
        ];
        if !tells_start {
            columns.insert(4, Column("STARTED", false));
        }
        table(&columns, &rows.iter().map(cells).collect::<Vec<_>>(), style)
    });
    Ok(Outcome::Done)
}

/// What is damaged of a snapshot, and where it is whole.
fn damaged(snapshot: &SnapshotRow) -> Option<String> {
    let told = snapshot.damage.iter().map(|damage| {
        let whole = match &damage.intact {
            Some(intact) => format!(", a whole copy, maybe of another version, is in {intact}"),
            None if damage.problem.loses_content() => ", no whole copy is known".to_owned(),
            None => String::new(),
        };
        let place = damage.problem.place(&damage.path);
        format!("{} ({}{whole})", visible(&place), damage.problem)
    });
    let mut told: Vec<String> = told.collect();
    let more = snapshot.damaged.saturating_sub(told.len());
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    (!told.is_empty()).then(|| format!("damaged: {}", told.join(", ")))
}

/// What came of a run, or how far it is, and what becomes of it.
fn told(run: &RunRow) -> String {
    let mut parts = vec![run.message.clone()];
    if run.finished_at.is_none() {
        parts.push(format!(
            "{} so far, last sign of life {}",
            ByteCount(run.bytes.unwrap_or_default()),
            moment(run.heartbeat_at)
        ));
        parts.extend(
            run.cancel_by
                .iter()
                .map(|by| format!("{by} wants it to stop")),
        );
    }
    if let Some(schedule) = run.schedule {
        parts.extend((schedule.attempt > 1).then(|| format!("attempt {}", schedule.attempt)));
        parts.extend(
            schedule
                .retry_at
                .map(|at| format!("tried again {}", moment(at))),
        );
    }
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

pub(super) fn runs(context: &Context, args: &ListArgs, output: &Output) -> Result<Outcome, Error> {
    let runs = ops::run_rows(context, args.host.as_ref(), limit(args.limit.limit))?;
    output.data(&runs, |style| {
        let cells = |r: &RunRow| {
            let until = r.finished_at.unwrap_or(r.heartbeat_at);
            let seconds = (until.millis() - r.started_at.millis()).max(0) / 1000;
            let sign = if r.finished_at.is_some() { "" } else { "…" };
            vec![
                r.id.to_string(),
                r.host.to_string(),
                r.kind.to_string(),
                r.status.to_string(),
                moment(r.started_at),
                format!("{seconds}s{sign}"),
                told(r),
            ]
        };
        let columns = [
            Column("RUN", true),
            Column("HOST", false),
            Column("KIND", false),
            Column("STATUS", false),
            Column("STARTED", false),
            Column("TOOK", true),
            Column("MESSAGE", false),
        ];
        table(&columns, &runs.iter().map(cells).collect::<Vec<_>>(), style)
    });
    Ok(Outcome::Done)
}

pub(super) fn plans(context: &Context, args: &LimitArg, output: &Output) -> Result<Outcome, Error> {
    let rows = ops::plan_rows(context, limit(args.limit))?;
    output.data(&rows, |style| {
        let cells = |p: &PlanRow| {
            vec![
                p.plan.to_string(),
                p.kind.to_owned(),
                moment(p.created_at),
                p.actor.clone(),
                p.serial.to_string(),
                p.fingerprint.short().to_owned(),
                p.deletions.to_string(),
                p.revision.clone().unwrap_or_default(),
            ]
        };
        let columns = [
            Column("PLAN", true),
            Column("FOR", false),
            Column("CREATED", false),
            Column("BY", false),
            Column("SERIAL", true),
            Column("FINGERPRINT", false),
            Column("DELETES", true),
            Column("REVISION", false),
        ];
        table(&columns, &rows.iter().map(cells).collect::<Vec<_>>(), style)
    });
    if !rows.is_empty() {
        output.say("Look at one with: pobsync show-plan N");
    }
    Ok(Outcome::Done)
}

pub(super) fn history(
    context: &Context,
    args: &LimitArg,
    output: &Output,
) -> Result<Outcome, Error> {
    let rows = ops::history_rows(context, limit(args.limit))?;
    output.data(&rows, |style| {
        let cells = |e: &HistoryRow| {
            let serial = if e.serial_before == e.serial_after {
                e.serial_after.to_string()
            } else {
                format!("{} -> {}", e.serial_before, e.serial_after)
            };
            vec![moment(e.at), e.actor.clone(), serial, e.summary.clone()]
        };
        let columns = [
            Column("WHEN", false),
            Column("WHO", false),
            Column("SERIAL", false),
            Column("WHAT", false),
        ];
        table(&columns, &rows.iter().map(cells).collect::<Vec<_>>(), style)
    });
    Ok(Outcome::Done)
}

pub(super) fn discover(
    context: &Context,
    args: &DiscoverArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let found = ops::discover(context, args.host.as_ref())?;
    output.data(&found, |style| {
        let mut text = String::new();
        let cells = |r: &ops::HostDiscovery| {
            vec![
                r.host.to_string(),
                r.new.to_string(),
                r.changed.to_string(),
                r.unchanged.to_string(),
                r.linked.to_string(),
                r.missing.to_string(),
            ]
        };
        let columns = [
            Column("HOST", false),
            Column("NEW", true),
            Column("CHANGED", true),
            Column("KNOWN", true),
            Column("BASES LINKED", true),
            Column("MISSING", true),
        ];
        text.push_str(&table(
            &columns,
            &found.iter().map(cells).collect::<Vec<_>>(),
            style,
        ));
        for (host, directory) in found
            .iter()
            .filter_map(|r| Some((&r.host, r.given.as_ref()?)))
        {
            text.push_str(&format!(
                "~ {host}: its snapshots lie in {directory}, which is its directory from now on\n"
            ));
        }
        for (host, problem) in found
            .iter()
            .flat_map(|r| r.problems.iter().map(move |p| (&r.host, p)))
        {
            text.push_str(&format!("! {host}: {}\n", visible(problem)));
        }
        text
    });
    let has_problems = found.iter().any(|r| !r.problems.is_empty());
    Ok(if has_problems {
        Outcome::PartlyDone
    } else {
        Outcome::Done
    })
}
