//! Rows of pulls that nobody finished, brought up to what lies on disk.
//!
//! A process that was killed, or a database that was full, right behind the rename leaves a whole and visible snapshot
//! whose row still says `running`.

use super::context::Facts;
use super::discover::discover_host;
use super::{Context, Error};
use crate::core::model::{HostId, Snapshot, SnapshotStatus};
use crate::disk::Root;
use crate::store::{HostKey, Settled, SnapshotEnd};

/// Records what lies on disk for a host that has such rows, and reads again; the caller holds its lock and has settled
/// its lost runs.
///
/// # Errors
/// When the database or the disk cannot be worked with.
pub(super) fn reconcile(
    context: &Context,
    root: &Root,
    host: HostId,
    facts: Facts,
) -> Result<Facts, Error> {
    let read = || context.own_facts_of(HostKey::Id(host));
    let is_unfinished = |facts: &Facts| {
        let mut rows = facts.snapshots.values().flatten();
        rows.any(|row| row.status == SnapshotStatus::Running)
    };
    if !is_unfinished(&facts) {
        return Ok(facts);
    }
    let facts = read()?;
    for sql in facts.state.hosts.iter().filter(|other| other.id == host) {
        let found = discover_host(context, root, sql, &facts)?;
        tracing::info!(
            "{}: {} rows brought up to the disk",
            sql.name,
            found.changed
        );
    }
    let facts = read()?;
    // What is not on disk after all never got there.
    let rows = facts.snapshots.values().flatten();
    for row in rows.filter(|row| row.status == SnapshotStatus::Running && !row.live) {
        context.store.finish_snapshot(&never_begun(row), None)?;
    }
    read()
}

fn never_begun(row: &Snapshot) -> SnapshotEnd {
    SnapshotEnd {
        snapshot: row.id,
        settled: Settled::Failed,
        finished_at: super::clock::now(),
        base: row.base.clone(),
        bytes: None,
        files: None,
        bytes_transferred: None,
        rsync_exit: None,
        suspect: false,
    }
}
