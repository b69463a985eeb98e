//! Snapshots that rows promise and the disk does not have, and hosts whose directory cannot be entered. Changes nothing.

use std::collections::BTreeSet;
use std::path::Path;

use super::check::{Finding, Level, failed, finding};
use super::context::Facts;
use super::trash::TrashView;
use super::{Context, Error};
use crate::core::model::{Snapshot, SnapshotId, SnapshotStatus, SqlHost};
use crate::disk::{DiskError, HostDir, Root};
use crate::store::HostKey;

/// So many names say where to look; `check --repair` lists them all.
const MOST_NAMES: usize = 5;

/// What rows of the hosts in `facts` say is on disk and is not. Nothing where the root cannot be opened, which is told
/// elsewhere.
pub(super) fn absent(context: &Context, facts: &Facts) -> Vec<Finding> {
    let (Ok(path), Some(id)) = (context.backup_root(&facts.state), facts.root_id()) else {
        return Vec::new();
    };
    let Ok(root) = Root::open(&path, Some(id)) else {
        return Vec::new();
    };
    if root.require_lineage(&facts.state.lineage).is_err() {
        return Vec::new();
    }
    // What other servers have lies on their roots.
    let own;
    let facts = if facts.state.settings().servers.len() > 1 {
        match context.own_facts() {
            Ok(read) => own = read,
            Err(error) => return vec![failed("snapshots", &error)],
        }
        &own
    } else {
        facts
    };
    let mut found = Vec::new();
    for host in &facts.state.hosts {
        match of_host(context, &root, host, facts) {
            Ok(told) => found.extend(told),
            Err(error) => found.push(unreadable(host, error)),
        }
        // A directory that cannot be entered has been told of.
        found.extend(in_trash(context, &root, host, facts).unwrap_or_default());
    }
    found
}

fn unreadable(host: &SqlHost, error: Error) -> Finding {
    let told = failed("snapshots", &error);
    Finding {
        message: format!("{}: {}", host.name, told.message),
        help: if told.help.is_empty() {
            "until that is mended nothing of the host can be backed up, restored or pruned"
                .to_owned()
        } else {
            told.help
        },
        ..told
    }
}

fn of_host(
    context: &Context,
    root: &Root,
    host: &SqlHost,
    facts: &Facts,
) -> Result<Option<Finding>, Error> {
    let rows = facts.snapshots.get(&host.id).map_or(&[][..], Vec::as_slice);
    if rows.is_empty() && !facts.is_at_home(host) {
        // Nothing of a host of another server was ever here.
        return Ok(None);
    }
    let place = root.path().join(host.directory.as_str());
    let dir = root.find_host_dir(&host.directory)?;
    let mut absent = Vec::new();
    for row in rows {
        if row.status == SnapshotStatus::Complete && !has_data(dir.as_ref(), row)? {
            absent.push(row);
        }
    }
    if absent.is_empty() {
        return Ok(None);
    }
    // A prune may have taken them since the rows were read.
    let facts = context.own_facts_of(HostKey::Id(host.id))?;
    let complete: BTreeSet<SnapshotId> = facts
        .snapshots
        .values()
        .flatten()
        .filter(|row| row.status == SnapshotStatus::Complete)
        .map(|row| row.id)
        .collect();
    absent.retain(|row| complete.contains(&row.id));
    Ok((!absent.is_empty()).then(|| {
        finding(
            Level::Problem,
            "snapshots",
            sentence(host, &place, &absent),
            "bring them back, or let their rows say missing: pobsync check --repair",
        )
    }))
}

/// What lies in the trash of a host and no plan has put there: nothing deletes it, and it takes room.
fn in_trash(
    context: &Context,
    root: &Root,
    host: &SqlHost,
    facts: &Facts,
) -> Result<Vec<Finding>, Error> {
    let Some(dir) = root.find_host_dir(&host.directory)? else {
        return Ok(Vec::new());
    };
    let stays = TrashView::of(context, facts, host, &dir)?.stays;
    let told = stays.into_iter().take(MOST_NAMES).map(|stays| {
        let help = match stays.back {
            Some(_) => "to have it back in its place: pobsync check --repair",
            None => "nothing deletes it; pobsync check --repair lists all of them",
        };
        let message = format!("{}: {}", host.name, stays.what);
        finding(Level::Advice, "trash", message, help)
    });
    Ok(told.collect())
}

/// A link or a file in the place of the tree, or of the snapshot, is none.
fn has_data(dir: Option<&HostDir>, row: &Snapshot) -> Result<bool, Error> {
    match dir.map(|dir| dir.data_path(row.kind, &row.name)) {
        None => Ok(false),
        Some(Ok(data)) => Ok(data.is_some()),
        Some(Err(DiskError::Link { .. } | DiskError::NotADirectory { .. })) => Ok(false),
        Some(Err(error)) => Err(error.into()),
    }
}

fn sentence(host: &SqlHost, place: &Path, rows: &[&Snapshot]) -> String {
    let mut names: Vec<String> = rows
        .iter()
        .take(MOST_NAMES)
        .map(|row| format!("{}/{}", row.kind, row.name))
        .collect();
    let more = rows.len() - names.len();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    let verb = if rows.len() == 1 { "is" } else { "are" };
    format!(
        "{}: {} {verb} recorded and without data on disk below {}: {}",
        host.name,
        rows.len(),
        place.display(),
        names.join(", ")
    )
}
