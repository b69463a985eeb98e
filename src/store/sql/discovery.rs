//! What is on disk, recorded: new rows, gaps filled, bases linked, rows whose directory is gone.

use crate::core::model::{HostId, RootId, SnapshotId, SnapshotName, SnapshotStatus};
use crate::store::session::{Session, args};
use crate::store::{Discovered, Discovery, SnapshotRecord, StoreError};

use super::{host_status, inspections, roots, snapshots, state};

pub(super) fn record(
    session: &mut dyn Session,
    host: HostId,
    root: &RootId,
    found: &[Discovered],
) -> Result<Discovery, StoreError> {
    state::host(session, host)?;
    roots::must_be_known(session, root)?;
    let mut discovery = Discovery::default();
    for found in found {
        match snapshots::find(session, host, root, found.kind, &found.name)? {
            None => {
                insert(session, host, root, found)?;
                discovery.new += 1;
            }
            Some(known) if complete(session, &known, found)? => discovery.changed += 1,
            Some(_) => discovery.unchanged += 1,
        }
    }
    discovery.linked = link_bases(session, host)?;
    host_status::due(session, host)?;
    Ok(discovery)
}

pub(super) fn mark_missing(
    session: &mut dyn Session,
    snapshots: &[SnapshotId],
) -> Result<usize, StoreError> {
    let mut missing = 0;
    for id in snapshots {
        let met = session.execute(
            "UPDATE snapshots SET status = 'missing' WHERE id = ? \
             AND status IN ('running', 'complete', 'partial', 'failed') \
             AND NOT EXISTS (SELECT 1 FROM runs r \
             WHERE r.snapshot_id = snapshots.id AND r.status = 'running')",
            args![*id],
        )?;
        if met == 1 {
            inspections::hand_on_suspicion(session, *id)?;
        }
        missing += met;
        snapshots::host_is_due(session, *id)?;
    }
    Ok(missing)
}

pub(super) fn link_bases(session: &mut dyn Session, host: HostId) -> Result<usize, StoreError> {
    // The kind of the child comes first, as names are unique within a kind only.
    session.execute(
        "UPDATE snapshots SET base_id = (SELECT b.id FROM snapshots b \
         WHERE b.host_id = snapshots.host_id AND b.root_id = snapshots.root_id \
         AND b.name = snapshots.base_name AND b.id <> snapshots.id \
         ORDER BY b.kind = snapshots.kind DESC LIMIT 1) \
         WHERE host_id = ? AND base_name IS NOT NULL AND base_id IS NULL \
         AND EXISTS (SELECT 1 FROM snapshots b \
         WHERE b.host_id = snapshots.host_id AND b.root_id = snapshots.root_id \
         AND b.name = snapshots.base_name AND b.id <> snapshots.id)",
        args![host],
    )
}

fn insert(
    session: &mut dyn Session,
    host: HostId,
    root: &RootId,
    found: &Discovered,
) -> Result<(), StoreError> {
    let hold = found.hold.as_ref();
    session.insert(
        "INSERT INTO snapshots (host_id, root_id, kind, name, status, started_at, finished_at, \
         base_name, bytes, files, bytes_transferred, rsync_exit, suspect, hold_by, hold_reason, \
         hold_since, hold_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        args![
            host,
            root.as_str(),
            found.kind.as_str(),
            found.name.as_str(),
            SnapshotStatus::from(found.settled).as_str(),
            found.started_at,
            found.finished_at,
            found.base.as_ref().map(SnapshotName::as_str),
            found.bytes,
            found.files,
            found.bytes_transferred,
            found.rsync_exit,
            found.suspect,
            hold.map(|hold| hold.by.as_str()),
            hold.map(|hold| hold.reason.as_str()),
            hold.map(|hold| hold.since),
            hold.and_then(|hold| hold.until),
        ],
    )?;
    Ok(())
}

/// Brings a known row up to what lies on disk; says whether anything changed.
fn complete(
    session: &mut dyn Session,
    known: &SnapshotRecord,
    found: &Discovered,
) -> Result<bool, StoreError> {
    let was = &known.snapshot;
    if was.live || was.status == SnapshotStatus::Deleting {
        return Ok(false);
    }
    let mut now = known.clone();
    now.snapshot.status = found.settled.into();
    now.snapshot.finished_at = was.finished_at.or(found.finished_at);
    now.snapshot.base = was.base.clone().or_else(|| found.base.clone());
    now.snapshot.bytes = was.bytes.or(found.bytes);
    now.snapshot.files = was.files.or(found.files);
    now.bytes_transferred = known.bytes_transferred.or(found.bytes_transferred);
    now.rsync_exit = known.rsync_exit.or(found.rsync_exit);
    // A mark on disk that SQL does not have may be all that is left of a lost database.
    now.snapshot.hold = was
        .hold
        .clone()
        .or_else(|| found.hold.clone().map(Box::new));
    now.snapshot.suspect = was.suspect || found.suspect;
    // It is here, so it was not deleted after all.
    now.plan = None;
    now.deleted_at = None;
    if now == *known {
        return Ok(false);
    }
    let hold = now.snapshot.hold.as_ref();
    session.execute(
        "UPDATE snapshots SET status = ?, finished_at = ?, base_name = ?, bytes = ?, files = ?, \
         bytes_transferred = ?, rsync_exit = ?, suspect = ?, hold_by = ?, hold_reason = ?, \
         hold_since = ?, hold_until = ?, plan_id = NULL, deleted_at = NULL WHERE id = ?",
        args![
            now.snapshot.status.as_str(),
            now.snapshot.finished_at,
            now.snapshot.base.as_ref().map(SnapshotName::as_str),
            now.snapshot.bytes,
            now.snapshot.files,
            now.bytes_transferred,
            now.rsync_exit,
            now.snapshot.suspect,
            hold.map(|hold| hold.by.as_str()),
            hold.map(|hold| hold.reason.as_str()),
            hold.map(|hold| hold.since),
            hold.and_then(|hold| hold.until),
            was.id,
        ],
    )?;
    Ok(true)
}
