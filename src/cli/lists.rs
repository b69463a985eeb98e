//! Lists: tables for people, JSON for programs.

use serde::Serialize;

use super::args::{DiscoverArgs, LimitArg, ListArgs, SnapshotsArgs};
use super::output::Output;
use crate::core::model::{ByteCount, HostName, Snapshot, SnapshotStatus, Timestamp};
use crate::core::plan::Outcome;
use crate::ops::{self, Context, Error};
use crate::render::{Column, policy_words, table};
use crate::store::{RunFilter, RunRecord, RunSchedule, SnapshotFilter};

/// Times in tables are UTC to the second: the day's work of reading lists is comparing them.
pub(super) fn moment(time: Timestamp) -> String {
    time.utc().format("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn limit(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[derive(Serialize)]
struct HostRow {
    host: HostName,
    directory: HostName,
    address: String,
    managed_by: &'static str,
    state: &'static str,
    retention: Option<String>,
    approved: bool,
    schedules: Vec<String>,
    snapshots: usize,
    newest: Option<Timestamp>,
}

pub(super) fn hosts(context: &Context, output: &Output) -> Result<Outcome, Error> {
    let facts = context.facts()?;
    let row = |host: &crate::core::model::SqlHost| {
        let snapshots = facts.snapshots.get(&host.id).map_or(&[][..], Vec::as_slice);
        let complete = || {
            snapshots
                .iter()
                .filter(|s| s.status == SnapshotStatus::Complete)
        };
        let policy = host.settings.retention.as_ref();
        HostRow {
            host: host.name.clone(),
            directory: host.directory.clone(),
            address: host.settings.address.to_string(),
            managed_by: host.managed_by.as_str(),
            state: match (&host.retired, host.is_paused()) {
                (Some(_), _) => "retired",
                (None, true) => "paused",
                (None, false) => "active",
            },
            retention: policy.map(policy_words),
            approved: policy
                .is_some_and(|p| host.approved_policy.as_ref() == Some(&p.fingerprint())),
            schedules: host
                .settings
                .schedules
                .iter()
                .map(|s| s.cron.to_string())
                .collect(),
            snapshots: complete().count(),
            newest: complete().map(|s| s.started_at).max(),
        }
    };
    let rows: Vec<HostRow> = facts.state.hosts.iter().map(row).collect();
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

#[derive(Serialize)]
struct SnapshotRow {
    host: HostName,
    #[serde(flatten)]
    snapshot: Snapshot,
    plan: Option<crate::core::model::PlanId>,
}

pub(super) fn snapshots(
    context: &Context,
    args: &SnapshotsArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let facts = context.facts_about(|_| false)?;
    let host = args
        .host
        .as_ref()
        .map(|name| facts.host(name))
        .transpose()?;
    let filter = SnapshotFilter {
        host: host.map(|h| h.id),
        with_deleted: args.all,
        ..SnapshotFilter::default()
    };
    let names: std::collections::BTreeMap<_, _> =
        facts.state.hosts.iter().map(|h| (h.id, &h.name)).collect();
    let rows: Vec<SnapshotRow> = context
        .store
        .snapshots(&filter)?
        .into_iter()
        .filter(|record| args.all || record.snapshot.status.is_on_disk())
        .filter_map(|record| {
            let host = (*names.get(&record.host)?).clone();
            Some(SnapshotRow {
                host,
                plan: record.plan,
                snapshot: record.snapshot,
            })
        })
        .collect();
    output.data(&rows, |style| {
        // A name of ours tells its start; those of the older service need not.
        let tells_start = rows.iter().all(|r| r.snapshot.name.time().is_some());
        let cells = |r: &SnapshotRow| {
            let s = &r.snapshot;
            let mut notes: Vec<String> = Vec::new();
            if let Some(hold) = &s.hold {
                notes.push(format!("held by {}: {}", hold.by, hold.reason));
            }
            if s.suspect {
                notes.push("suspect".to_owned());
            }
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

#[derive(Serialize)]
struct RunRow {
    #[serde(flatten)]
    run: crate::core::model::Run,
    heartbeat_at: Timestamp,
    bytes: Option<u64>,
    cancel_by: Option<String>,
    schedule: Option<RunSchedule>,
}

impl From<RunRecord> for RunRow {
    fn from(record: RunRecord) -> Self {
        Self {
            run: record.run,
            heartbeat_at: record.heartbeat_at,
            bytes: record.bytes,
            cancel_by: record.cancel_by,
            schedule: record.schedule,
        }
    }
}

impl RunRow {
    /// What came of it, or how far it is, and what becomes of it.
    fn told(&self) -> String {
        let mut parts = vec![self.run.message.clone()];
        if self.run.finished_at.is_none() {
            parts.push(format!(
                "{} so far, last sign of life {}",
                ByteCount(self.bytes.unwrap_or_default()),
                moment(self.heartbeat_at)
            ));
            parts.extend(
                self.cancel_by
                    .iter()
                    .map(|by| format!("{by} wants it to stop")),
            );
        }
        if let Some(schedule) = self.schedule {
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
}

pub(super) fn runs(context: &Context, args: &ListArgs, output: &Output) -> Result<Outcome, Error> {
    let facts = context.facts_about(|_| false)?;
    let host = args
        .host
        .as_ref()
        .map(|name| facts.host(name))
        .transpose()?;
    let filter = RunFilter {
        host: host.map(|h| h.id),
        ..RunFilter::default()
    };
    let runs: Vec<RunRow> = context
        .store
        .runs(&filter, limit(args.limit.limit))?
        .into_iter()
        .map(RunRow::from)
        .collect();
    output.data(&runs, |style| {
        let cells = |row: &RunRow| {
            let r = &row.run;
            let until = r.finished_at.unwrap_or(row.heartbeat_at);
            let seconds = (until.millis() - r.started_at.millis()).max(0) / 1000;
            let sign = if r.finished_at.is_some() { "" } else { "…" };
            vec![
                r.id.to_string(),
                r.host.to_string(),
                r.kind.to_string(),
                r.status.to_string(),
                moment(r.started_at),
                format!("{seconds}s{sign}"),
                row.told(),
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

#[derive(Serialize)]
struct PlanRow {
    plan: crate::core::model::PlanId,
    created_at: Timestamp,
    actor: String,
    kind: &'static str,
    serial: crate::core::model::Serial,
    fingerprint: crate::core::model::Fingerprint,
    deletions_fingerprint: crate::core::model::Fingerprint,
    revision: Option<String>,
    deletions: u64,
}

pub(super) fn plans(context: &Context, args: &LimitArg, output: &Output) -> Result<Outcome, Error> {
    let rows: Vec<PlanRow> = context
        .store
        .plans(limit(args.limit))?
        .into_iter()
        .map(|p| PlanRow {
            plan: p.id,
            created_at: p.created_at,
            actor: p.actor,
            kind: p.kind.as_str(),
            serial: p.serial,
            fingerprint: p.fingerprint,
            deletions_fingerprint: p.deletions_fingerprint,
            revision: p.revision,
            deletions: p.deletions,
        })
        .collect();
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

#[derive(Serialize)]
struct HistoryRow {
    at: Timestamp,
    actor: String,
    summary: String,
    serial_before: crate::core::model::Serial,
    serial_after: crate::core::model::Serial,
}

pub(super) fn history(
    context: &Context,
    args: &LimitArg,
    output: &Output,
) -> Result<Outcome, Error> {
    let rows: Vec<HistoryRow> = context
        .store
        .history(limit(args.limit))?
        .into_iter()
        .map(|e| HistoryRow {
            at: e.at,
            actor: e.actor,
            summary: e.summary,
            serial_before: e.serial_before,
            serial_after: e.serial_after,
        })
        .collect();
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
        for (host, problem) in found
            .iter()
            .flat_map(|r| r.problems.iter().map(move |p| (&r.host, p)))
        {
            text.push_str(&format!(
                "! {host}: {}\n",
                crate::core::model::visible(problem)
            ));
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
