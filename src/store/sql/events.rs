//! Events: what has ended and was not told yet, and what is raised of it.

use crate::core::model::{HostId, RunId, RunKind, SnapshotId, Timestamp, Topic};
use crate::store::session::{Row, Session, all, args, first};
use crate::store::{EndedRun, NewEvent, Raising, StoreError};

use super::reader::Reader;
use super::runs;

pub(super) fn ended_runs(
    session: &mut dyn Session,
    quiet_attempts: u32,
    limit: u32,
) -> Result<Vec<EndedRun>, StoreError> {
    let mut found = all(
        session,
        &format!(
            "SELECT {}, s.kind, s.suspect, p.kind {} LEFT JOIN plans p ON p.id = r.plan_id \
             WHERE r.id IN (SELECT MIN(e.id) FROM runs e \
             WHERE e.told = 0 AND e.status <> 'running' AND (e.retry_at IS NULL OR e.attempt > ? \
             OR EXISTS (SELECT 1 FROM runs l WHERE l.host_id = e.host_id AND l.kind = 'backup' \
             AND l.id > e.id)) GROUP BY e.host_id) \
             ORDER BY r.id LIMIT ?",
            runs::COLUMNS,
            runs::TABLES
        ),
        args![quiet_attempts, limit],
        read_ended,
    )?;
    for ended in &mut found {
        let run = &ended.record.run;
        ended.last_well = last_well(session, ended.record.host, run.kind, run.id)?;
        ended.trouble_since = trouble_since(session, ended.record.host, run.kind)?;
    }
    Ok(found)
}

fn read_ended(row: &dyn Row) -> Result<EndedRun, StoreError> {
    let mut row = Reader::new(row, "runs");
    let record = runs::read_from(&mut row)?;
    let snapshot_kind = row.opt_parse("snapshot kind")?;
    let is_suspect = row.opt_int("suspect")? == Some(1);
    let suspect = record.snapshot_id.filter(|_: &SnapshotId| is_suspect);
    Ok(EndedRun {
        record,
        snapshot_kind,
        suspect,
        plan_kind: row.opt_parse("plan kind")?,
        last_well: None,
        trouble_since: None,
    })
}

fn last_well(
    session: &mut dyn Session,
    host: HostId,
    kind: RunKind,
    before: RunId,
) -> Result<Option<RunId>, StoreError> {
    first(
        session,
        "SELECT id FROM runs WHERE host_id = ? AND kind = ? AND id < ? AND status = 'complete' \
         ORDER BY id DESC LIMIT 1",
        args![host, kind.as_str(), before],
        |row| Reader::new(row, "runs").int("id").map(RunId),
    )
}

fn trouble_since(
    session: &mut dyn Session,
    host: HostId,
    kind: RunKind,
) -> Result<Option<Timestamp>, StoreError> {
    let topic = match kind {
        RunKind::Backup => Topic::Backup,
        RunKind::Prune => Topic::Prune,
        RunKind::Verify => Topic::Verify,
        RunKind::Discovery => return Ok(None),
    };
    first(
        session,
        "SELECT id, at FROM events WHERE host_id = ? AND topic = ? \
         AND kind IN ('failure', 'stale') AND id > COALESCE((SELECT MAX(r.id) FROM events r \
         WHERE r.host_id = ? AND r.topic = ? AND r.kind = 'recovery'), 0) \
         ORDER BY id LIMIT 1",
        args![host, topic.as_str(), host, topic.as_str()],
        |row| {
            let mut row = Reader::new(row, "events");
            row.int("id")?;
            row.time("at")
        },
    )
}

pub(super) fn raise(
    session: &mut dyn Session,
    new: &[NewEvent],
    told: &[RunId],
    at: Timestamp,
) -> Result<Raising, StoreError> {
    let mut raising = Raising::default();
    for event in new {
        raise_one(session, event, at, &mut raising)?;
    }
    for run in told {
        session.execute(
            "UPDATE runs SET told = 1 WHERE id = ? AND status <> 'running'",
            args![*run],
        )?;
    }
    Ok(raising)
}

fn raise_one(
    session: &mut dyn Session,
    event: &NewEvent,
    at: Timestamp,
    raising: &mut Raising,
) -> Result<(), StoreError> {
    let known = first(
        session,
        "SELECT id FROM events WHERE event_key = ?",
        args![event.key.as_str()],
        |row| Reader::new(row, "events").int("id"),
    )?;
    let id = match known {
        Some(id) => id,
        None if event.recipients.is_empty() && !event.is_kept => return Ok(()),
        None => {
            raising.events += 1;
            session.insert(
                "INSERT INTO events (event_key, uid, kind, topic, host_id, at, summary, body) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                args![
                    event.key.as_str(),
                    event.uid.as_str(),
                    event.kind.as_str(),
                    event.topic.as_str(),
                    event.host,
                    event.at,
                    event.summary.as_str(),
                    event.body.as_str(),
                ],
            )?
        }
    };
    for (receiver, target) in &event.recipients {
        let is_there = first(
            session,
            "SELECT id FROM deliveries WHERE event_id = ? AND receiver = ? AND target = ?",
            args![id, receiver.as_str(), target.as_str()],
            |_| Ok(()),
        )?;
        if is_there.is_some() {
            continue;
        }
        raising.deliveries += 1;
        session.insert(
            "INSERT INTO deliveries (event_id, host_key, receiver, target, status, attempts, \
             raised_at, next_at, last_error) VALUES (?, ?, ?, ?, 'waiting', 0, ?, ?, '')",
            args![
                id,
                event.host.map_or(0, |host| host.0),
                receiver.as_str(),
                target.as_str(),
                at,
                at,
            ],
        )?;
    }
    Ok(())
}

pub(super) fn forget(session: &mut dyn Session, before: Timestamp) -> Result<usize, StoreError> {
    let settled = all(
        session,
        "SELECT e.id FROM events e WHERE e.kind IN ('success', 'test') AND e.at < ? \
         AND NOT EXISTS (SELECT 1 FROM deliveries d \
         WHERE d.event_id = e.id AND d.status <> 'delivered')",
        args![before],
        |row| Reader::new(row, "events").int("id"),
    )?;
    for event in &settled {
        session.execute("DELETE FROM deliveries WHERE event_id = ?", args![*event])?;
        session.execute("DELETE FROM events WHERE id = ?", args![*event])?;
    }
    Ok(settled.len())
}
