//! Snapshots: pulls that begin and end, lists, holds and suspect marks.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::json;

use crate::core::model::{
    Hold, HostId, PlanId, RootId, RunStatus, Snapshot, SnapshotId, SnapshotKind, SnapshotName,
    SnapshotStatus, Timestamp,
};
use crate::store::session::{Row, Session, Val, all, args, first};
use crate::store::{NewSnapshot, SnapshotEnd, SnapshotFilter, SnapshotRecord, StoreError};

use super::reader::Reader;
use super::{host_status, leases, meta, roots, runs};

/// A snapshot is live while a run that has not ended makes it.
const SELECT: &str = "SELECT s.id, s.host_id, s.root_id, s.kind, s.name, s.status, s.started_at, \
     s.finished_at, s.base_name, s.base_id, s.bytes, s.files, s.bytes_transferred, s.rsync_exit, \
     s.suspect, s.hold_by, s.hold_reason, s.hold_since, s.hold_until, s.plan_id, s.deleted_at, \
     s.id IN (SELECT r.snapshot_id FROM runs r \
     WHERE r.status = 'running' AND r.snapshot_id IS NOT NULL) FROM snapshots s";

const ORDER: &str = "ORDER BY s.host_id, s.started_at, s.name, s.kind";

pub(super) fn list(
    session: &mut dyn Session,
    filter: &SnapshotFilter,
) -> Result<Vec<SnapshotRecord>, StoreError> {
    let (mut conditions, args) = conditions(filter);
    if !filter.with_deleted {
        conditions.push("s.status <> 'deleted'");
    }
    let conditions = conditions.join(" AND ");
    all(
        session,
        &format!("{SELECT} WHERE {conditions} {ORDER}"),
        &args,
        read,
    )
}

/// One page of a list, the row that is newest first.
pub(in crate::store) fn before(
    session: &mut dyn Session,
    filter: &SnapshotFilter,
    before: Option<SnapshotId>,
    limit: u32,
) -> Result<Vec<SnapshotRecord>, StoreError> {
    let (mut conditions, mut args) = conditions(filter);
    if !filter.with_deleted {
        conditions.push("s.status NOT IN ('deleted', 'missing')");
    }
    if let Some(before) = before {
        conditions.push("s.id < ?");
        args.push(Val::from(before));
    }
    args.push(Val::from(limit));
    let conditions = conditions.join(" AND ");
    all(
        session,
        &format!("{SELECT} WHERE {conditions} ORDER BY s.id DESC LIMIT ?"),
        &args,
        read,
    )
}

/// What `filter` narrows, but for deleted ones.
fn conditions(filter: &SnapshotFilter) -> (Vec<&'static str>, Vec<Val<'_>>) {
    let mut conditions = vec!["1 = 1"];
    let mut args = Vec::new();
    if let Some(host) = filter.host {
        conditions.push("s.host_id = ?");
        args.push(Val::from(host));
    }
    if let Some(root) = &filter.root {
        conditions.push("s.root_id = ?");
        args.push(Val::from(root.as_str()));
    }
    if let Some(kind) = filter.kind {
        conditions.push("s.kind = ?");
        args.push(Val::from(kind.as_str()));
    }
    (conditions, args)
}

/// The snapshots of all hosts in one statement, which goes through the table as it lies: an index by root, or an order,
/// would cost more than the reading. Rows are nearly in order as they come.
///
/// Of a million rows each column that is asked for is time: who makes or holds a snapshot is asked apart, since nearly all
/// are neither made nor held.
pub(in crate::store) fn by_host(
    session: &mut dyn Session,
    root: Option<&RootId>,
) -> Result<BTreeMap<HostId, Vec<Snapshot>>, StoreError> {
    // The sign keeps SQLite from the index; elsewhere it means nothing.
    let on_root = root.map_or("", |_| "AND +s.root_id = ?");
    let args: Vec<Val<'_>> = root.iter().map(|root| Val::from(root.as_str())).collect();
    let mut hosts = with_room(session, root)?;
    let live = live(session)?;
    let mut held = HashMap::new();
    session.query(
        &format!("{LEAN} WHERE s.status <> 'deleted' {on_root}"),
        &args,
        &mut |row| {
            let (host, snapshot, is_held) = read_lean(row, &live)?;
            if is_held {
                held.insert(snapshot.id, host);
            }
            hosts.entry(host).or_default().push(snapshot);
            Ok(())
        },
    )?;
    if !held.is_empty() {
        read_holds(session, &held, &mut hosts)?;
    }
    for snapshots in hosts.values_mut() {
        snapshots.sort_by(|a, b| {
            (a.started_at, &a.name, a.kind.as_str()).cmp(&(b.started_at, &b.name, b.kind.as_str()))
        });
    }
    Ok(hosts.into_iter().collect())
}

const LEAN: &str = "SELECT s.id, s.host_id, s.kind, s.name, s.status, s.started_at, s.finished_at, \
     s.base_name, s.bytes, s.files, s.suspect, s.hold_since IS NOT NULL FROM snapshots s";

/// A snapshot as a plan asks for it, with its host; and whether it is held, or was.
fn read_lean(
    row: &dyn Row,
    live: &HashSet<SnapshotId>,
) -> Result<(HostId, Snapshot, bool), StoreError> {
    let mut row = Reader::new(row, "snapshots");
    let id = SnapshotId(row.int("id")?);
    let host = HostId(row.int("host_id")?);
    let snapshot = Snapshot {
        id,
        kind: row.parse("kind")?,
        name: row.parse("name")?,
        status: row.parse("status")?,
        started_at: row.time("started_at")?,
        finished_at: row.opt_time("finished_at")?,
        base: row.opt_parse("base_name")?,
        bytes: row.opt_size("bytes")?,
        files: row.opt_size("files")?,
        suspect: row.flag("suspect")?,
        hold: None,
        live: live.contains(&id),
    };
    let is_held = row.flag("hold_since")?;
    Ok((host, snapshot, is_held))
}

/// Snapshots that a run which has not ended makes.
fn live(session: &mut dyn Session) -> Result<HashSet<SnapshotId>, StoreError> {
    let made = all(
        session,
        "SELECT r.snapshot_id FROM runs r WHERE r.status = 'running' AND r.snapshot_id IS NOT NULL",
        &[],
        |row| Reader::new(row, "runs").int("snapshot_id").map(SnapshotId),
    )?;
    Ok(made.into_iter().collect())
}

/// Adds the holds on the snapshots `held`.
fn read_holds(
    session: &mut dyn Session,
    held: &HashMap<SnapshotId, HostId>,
    hosts: &mut HashMap<HostId, Vec<Snapshot>>,
) -> Result<(), StoreError> {
    let mut holds = HashMap::new();
    session.query(
        "SELECT s.id, s.hold_by, s.hold_reason, s.hold_since, s.hold_until FROM snapshots s \
         WHERE s.hold_since IS NOT NULL",
        &[],
        &mut |row| {
            let mut row = Reader::new(row, "snapshots");
            let id = SnapshotId(row.int("id")?);
            if held.contains_key(&id) {
                holds.insert(id, read_hold(&mut row)?);
            }
            Ok(())
        },
    )?;
    let with_some: HashSet<&HostId> = held.values().collect();
    for host in with_some {
        for snapshot in hosts.get_mut(host).into_iter().flatten() {
            snapshot.hold = holds.remove(&snapshot.id).flatten();
        }
    }
    Ok(())
}

/// Lists with the room that each host needs: snapshots lie in the table as nights went by, and ten thousand lists that grow
/// at once are copied again and again. The rows are counted in an index, in its order: any other would sort them all.
fn with_room(
    session: &mut dyn Session,
    root: Option<&RootId>,
) -> Result<HashMap<HostId, Vec<Snapshot>>, StoreError> {
    let Some(root) = root else {
        return Ok(HashMap::new());
    };
    let mut counts: HashMap<HostId, u64> = HashMap::new();
    session.query(
        "SELECT host_id, COUNT(*) FROM snapshots WHERE root_id = ? AND status <> 'deleted' \
         GROUP BY status, host_id",
        args![root.as_str()],
        &mut |row| {
            let mut row = Reader::new(row, "snapshots");
            let host = HostId(row.int("host_id")?);
            *counts.entry(host).or_default() += row.opt_size("count")?.unwrap_or(0);
            Ok(())
        },
    )?;
    let room = |count| Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    Ok(counts
        .into_iter()
        .map(|(host, count)| (host, room(count)))
        .collect())
}

pub(super) fn deleting(
    session: &mut dyn Session,
    host: HostId,
) -> Result<Vec<SnapshotRecord>, StoreError> {
    all(
        session,
        &format!("{SELECT} WHERE s.host_id = ? AND s.status = 'deleting' {ORDER}"),
        args![host],
        read,
    )
}

/// What a plan listed for deletion, as it is now.
pub(super) fn listed_by(
    session: &mut dyn Session,
    plan: PlanId,
) -> Result<Vec<SnapshotRecord>, StoreError> {
    all(
        session,
        &format!(
            "{SELECT} WHERE s.id IN (SELECT d.snapshot_id FROM plan_deletions d WHERE d.plan_id = ?) {ORDER}"
        ),
        args![plan],
        read,
    )
}

pub(super) fn find(
    session: &mut dyn Session,
    host: HostId,
    root: &RootId,
    kind: SnapshotKind,
    name: &SnapshotName,
) -> Result<Option<SnapshotRecord>, StoreError> {
    first(
        session,
        &format!("{SELECT} WHERE s.host_id = ? AND s.root_id = ? AND s.name = ? AND s.kind = ?"),
        args![host, root.as_str(), name.as_str(), kind.as_str()],
        read,
    )
}

pub(super) fn get(
    session: &mut dyn Session,
    id: SnapshotId,
) -> Result<Option<SnapshotRecord>, StoreError> {
    first(
        session,
        &format!("{SELECT} WHERE s.id = ?"),
        args![id],
        read,
    )
}

pub(super) fn begin(
    session: &mut dyn Session,
    new: &NewSnapshot,
) -> Result<SnapshotId, StoreError> {
    let (host, status) = runs::host_and_status(session, new.run)?;
    if status != RunStatus::Running {
        return Err(StoreError::RunIs {
            run: new.run.to_string(),
            from: status,
            to: RunStatus::Running,
        });
    }
    leases::run_must_hold(session, new.run, host)?;
    roots::must_be_known(session, &new.root)?;
    let base_id = base_row(session, host, &new.root, new.kind, new.base.as_ref())?;
    let id = session.insert(
        "INSERT INTO snapshots (host_id, root_id, kind, name, status, started_at, base_name, \
         base_id, suspect) VALUES (?, ?, ?, ?, 'running', ?, ?, ?, 0)",
        args![
            host,
            new.root.as_str(),
            new.kind.as_str(),
            new.name.as_str(),
            new.started_at,
            new.base.as_ref().map(SnapshotName::as_str),
            base_id,
        ],
    )?;
    session.execute(
        "UPDATE runs SET snapshot_id = ? WHERE id = ?",
        args![id, new.run],
    )?;
    Ok(SnapshotId(id))
}

pub(super) fn finish(session: &mut dyn Session, end: &SnapshotEnd) -> Result<(), StoreError> {
    let record = must_exist(session, end.snapshot)?;
    if record.snapshot.status != SnapshotStatus::Running {
        return Err(is(&record));
    }
    let base_id = base_row(
        session,
        record.host,
        &record.root,
        record.snapshot.kind,
        end.base.as_ref(),
    )?;
    session.execute(
        "UPDATE snapshots SET status = ?, finished_at = ?, base_name = ?, base_id = ?, bytes = ?, \
         files = ?, bytes_transferred = ?, rsync_exit = ?, suspect = ? \
         WHERE id = ? AND status = 'running'",
        args![
            SnapshotStatus::from(end.settled).as_str(),
            end.finished_at,
            end.base.as_ref().map(SnapshotName::as_str),
            base_id,
            end.bytes,
            end.files,
            end.bytes_transferred,
            end.rsync_exit,
            end.suspect,
            end.snapshot,
        ],
    )?;
    host_status::due(session, record.host)
}

pub(super) fn hold(
    session: &mut dyn Session,
    id: SnapshotId,
    hold: &Hold,
) -> Result<(), StoreError> {
    let met = session.execute(
        "UPDATE snapshots SET hold_by = ?, hold_reason = ?, hold_since = ?, hold_until = ? \
         WHERE id = ? AND status IN ('running', 'complete', 'partial', 'failed')",
        args![
            hold.by.as_str(),
            hold.reason.as_str(),
            hold.since,
            hold.until,
            id,
        ],
    )?;
    let record = must_exist(session, id)?;
    if met == 0 {
        return Err(is(&record));
    }
    meta::record_aside(
        session,
        &hold.by,
        hold.since,
        format!("hold {}", record.snapshot.name),
        &json!({
            "host": record.host,
            "snapshot": record.snapshot.name,
            "reason": hold.reason,
            "until": hold.until,
        }),
    )
}

pub(super) fn unhold(
    session: &mut dyn Session,
    id: SnapshotId,
    actor: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let record = must_exist(session, id)?;
    let Some(hold) = record.snapshot.hold else {
        return Ok(false);
    };
    session.execute(
        "UPDATE snapshots SET hold_by = NULL, hold_reason = NULL, hold_since = NULL, \
         hold_until = NULL WHERE id = ?",
        args![id],
    )?;
    meta::record_aside(
        session,
        actor,
        at,
        format!("unhold {}", record.snapshot.name),
        &json!({ "host": record.host, "snapshot": record.snapshot.name, "hold": hold }),
    )?;
    Ok(true)
}

pub(super) fn acknowledge(
    session: &mut dyn Session,
    host: HostId,
    actor: &str,
    at: Timestamp,
) -> Result<Vec<SnapshotId>, StoreError> {
    let suspects = all(
        session,
        "SELECT id FROM snapshots WHERE host_id = ? AND suspect = 1 ORDER BY id",
        args![host],
        |row| Reader::new(row, "snapshots").int("id").map(SnapshotId),
    )?;
    if suspects.is_empty() {
        return Ok(suspects);
    }
    session.execute(
        "UPDATE snapshots SET suspect = 0 WHERE host_id = ? AND suspect = 1",
        args![host],
    )?;
    host_status::due(session, host)?;
    meta::record_aside(
        session,
        actor,
        at,
        format!("acknowledge {} suspect snapshots", suspects.len()),
        &json!({ "host": host, "snapshots": suspects }),
    )?;
    Ok(suspects)
}

/// Says that the host of a snapshot has changed.
pub(super) fn host_is_due(session: &mut dyn Session, id: SnapshotId) -> Result<(), StoreError> {
    session.execute(
        "UPDATE host_status SET due = 1 \
         WHERE host_id = (SELECT s.host_id FROM snapshots s WHERE s.id = ?)",
        args![id],
    )?;
    Ok(())
}

/// The row of a base: names are unique within a kind only, so the kind of the child comes first.
fn base_row(
    session: &mut dyn Session,
    host: HostId,
    root: &RootId,
    kind: SnapshotKind,
    base: Option<&SnapshotName>,
) -> Result<Option<SnapshotId>, StoreError> {
    let Some(base) = base else {
        return Ok(None);
    };
    first(
        session,
        "SELECT id FROM snapshots WHERE host_id = ? AND root_id = ? AND name = ? \
         ORDER BY kind = ? DESC LIMIT 1",
        args![host, root.as_str(), base.as_str(), kind.as_str()],
        |row| Reader::new(row, "snapshots").int("id").map(SnapshotId),
    )
}

fn must_exist(session: &mut dyn Session, id: SnapshotId) -> Result<SnapshotRecord, StoreError> {
    get(session, id)?.ok_or_else(|| StoreError::Unknown {
        what: "snapshot",
        id: id.to_string(),
    })
}

fn is(record: &SnapshotRecord) -> StoreError {
    StoreError::SnapshotIs {
        name: record.snapshot.name.to_string(),
        status: record.snapshot.status,
    }
}

fn read(row: &dyn Row) -> Result<SnapshotRecord, StoreError> {
    let mut row = Reader::new(row, "snapshots");
    let id = SnapshotId(row.int("id")?);
    let host = HostId(row.int("host_id")?);
    let root = row.parse("root_id")?;
    let kind = row.parse("kind")?;
    let name = row.parse("name")?;
    let status = row.parse("status")?;
    let started_at = row.time("started_at")?;
    let finished_at = row.opt_time("finished_at")?;
    let base = row.opt_parse("base_name")?;
    let base_id = row.opt_int("base_id")?.map(SnapshotId);
    let bytes = row.opt_size("bytes")?;
    let files = row.opt_size("files")?;
    let bytes_transferred = row.opt_size("bytes_transferred")?;
    let rsync_exit = row.opt_i32("rsync_exit")?;
    let suspect = row.flag("suspect")?;
    let hold = read_hold(&mut row)?;
    let plan = row.opt_int("plan_id")?.map(PlanId);
    let deleted_at = row.opt_time("deleted_at")?;
    let live = row.flag("live")?;
    Ok(SnapshotRecord {
        host,
        root,
        base_id,
        bytes_transferred,
        rsync_exit,
        plan,
        deleted_at,
        snapshot: Snapshot {
            id,
            name,
            kind,
            status,
            started_at,
            finished_at,
            base,
            bytes,
            files,
            hold,
            suspect,
            live,
        },
    })
}

fn read_hold(row: &mut Reader<'_>) -> Result<Option<Box<Hold>>, StoreError> {
    let by = row.opt_text("hold_by")?;
    let reason = row.opt_text("hold_reason")?;
    let since = row.opt_time("hold_since")?;
    let until = row.opt_time("hold_until")?;
    let hold = since.map(|since| Hold {
        by: by.unwrap_or_default().to_owned(),
        reason: reason.unwrap_or_default().to_owned(),
        since,
        until,
    });
    Ok(hold.map(Box::new))
}
