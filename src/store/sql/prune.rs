//! The last step before a directory goes: one conditional update that only a recorded plan can pass.

use crate::core::model::{HostId, PlanId, SnapshotId, SnapshotStatus, Timestamp};
use crate::store::session::{Session, args, first};
use crate::store::{Lease, Marking, StoreError};

use super::reader::Reader;
use super::{inspections, leases, snapshots};

pub(super) fn mark_deleting(
    session: &mut dyn Session,
    snapshot: SnapshotId,
    plan: PlanId,
    lease: &Lease,
    at: Timestamp,
) -> Result<Marking, StoreError> {
    // First, so that the row of the lease is held until the marking is committed: nobody takes over in between.
    if !leases::renew(session, lease)? {
        return Ok(Marking::LeaseLost);
    }
    let met = session.execute(
        "UPDATE snapshots SET status = 'deleting', plan_id = ? WHERE id = ? \
         AND status IN ('running', 'complete', 'partial', 'failed', 'deleting') \
         AND (status <> 'deleting' OR plan_id <= ?) \
         AND (hold_since IS NULL OR hold_until <= ?) \
         AND host_id = ? \
         AND NOT EXISTS (SELECT 1 FROM runs r \
         WHERE r.snapshot_id = snapshots.id AND r.status = 'running') \
         AND EXISTS (SELECT 1 FROM hosts h WHERE h.id = snapshots.host_id \
         AND (h.paused_at IS NULL OR h.active_name IS NULL)) \
         AND EXISTS (SELECT 1 FROM plan_deletions d JOIN plans p ON p.id = d.plan_id \
         JOIN meta m ON m.serial = p.serial \
         WHERE d.plan_id = ? AND d.snapshot_id = snapshots.id)",
        args![plan, snapshot, plan, at, lease.host, plan],
    )?;
    if met == 1 {
        snapshots::host_is_due(session, snapshot)?;
        return Ok(Marking::Marked);
    }
    why_not(session, snapshot, plan, lease.host, at)
}

/// Says which condition did not hold, within the same transaction.
fn why_not(
    session: &mut dyn Session,
    snapshot: SnapshotId,
    plan: PlanId,
    host: HostId,
    at: Timestamp,
) -> Result<Marking, StoreError> {
    let Some(record) = snapshots::get(session, snapshot)? else {
        return Ok(Marking::Unknown);
    };
    if record.host != host {
        // The lease of one host says nothing of another.
        return Ok(Marking::LeaseLost);
    }
    let is_current = first(
        session,
        "SELECT p.id, p.serial = m.serial FROM plan_deletions d JOIN plans p ON p.id = d.plan_id \
         JOIN meta m ON m.id = 1 WHERE d.plan_id = ? AND d.snapshot_id = ?",
        args![plan, snapshot],
        |row| {
            let mut row = Reader::new(row, "plans");
            row.int("id")?;
            row.flag("serial")
        },
    )?;
    let status = record.snapshot.status;
    Ok(match is_current {
        None => Marking::NotListed,
        Some(false) => Marking::SerialMoved,
        Some(true) if !status.is_on_disk() => Marking::Gone(status),
        Some(true) if record.snapshot.live => Marking::Live,
        Some(true) if status == SnapshotStatus::Deleting && record.plan > Some(plan) => {
            Marking::LaterPlan
        }
        Some(true)
            if record
                .snapshot
                .hold
                .as_ref()
                .is_some_and(|hold| hold.is_in_force(at)) =>
        {
            Marking::Held
        }
        // Of the conditions of the update only the one on the host is left.
        Some(true) => Marking::Paused,
    })
}

pub(super) fn mark_deleted(
    session: &mut dyn Session,
    snapshot: SnapshotId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let met = session.execute(
        "UPDATE snapshots SET status = 'deleted', deleted_at = ? \
         WHERE id = ? AND status = 'deleting'",
        args![at, snapshot],
    )?;
    if met == 1 {
        inspections::hand_on_suspicion(session, snapshot)?;
    }
    // What is damaged of it is gone with it.
    snapshots::host_is_due(session, snapshot)?;
    Ok(met == 1)
}

pub(super) fn take_back(
    session: &mut dyn Session,
    snapshot: SnapshotId,
) -> Result<bool, StoreError> {
    let met = session.execute(
        "UPDATE snapshots SET status = 'complete', plan_id = NULL WHERE id = ? AND status = 'deleting'",
        args![snapshot],
    )?;
    snapshots::host_is_due(session, snapshot)?;
    Ok(met == 1)
}
