//! Snapshots that rows promise and the disk does not have, and hosts whose directory cannot be entered: looked for by name,
//! changing nothing.

use std::collections::BTreeSet;
use std::path::Path;

use super::check::{Finding, Level, failed, finding};
use super::context::Facts;
use super::{Context, Error};
use crate::core::model::{Snapshot, SnapshotId, SnapshotKind, SnapshotStatus, SqlHost};
use crate::disk::{DiskError, HostDir, Root};
use crate::store::HostKey;

/// So many names say where to look; `check --repair` lists them all.
const MOST_NAMES: usize = 5;

/// What rows of the hosts in `facts` say is on disk and is not. Nothing where the root cannot be opened, which is told
/// elsewhere.
pub(super) fn absent(context: &Context, facts: &Facts) -> Vec<Finding> {
    let settings = facts.state.global.as_ref().map(|g| &g.settings);
    let path = settings.and_then(|settings| settings.backup_root.as_ref());
    let (Some(path), Some(id)) = (path, facts.root_id()) else {
        return Vec::new();
    };
    let Ok(root) = Root::open(path, Some(id)) else {
        return Vec::new();
    };
    if root.require_lineage(&facts.state.lineage).is_err() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for host in &facts.state.hosts {
        match of_host(context, &root, host, facts) {
            Ok(told) => found.extend(told),
            Err(error) => found.push(unreadable(host, error)),
        }
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
) -> Result<Vec<Finding>, Error> {
    let place = root.path().join(host.directory.as_str());
    let dir = root.find_host_dir(&host.directory)?;
    let rows = facts.snapshots.get(&host.id).map_or(&[][..], Vec::as_slice);
    let Lost {
        mut gone,
        mut empty,
    } = Lost::of(rows, dir.as_ref())?;
    if gone.is_empty() && empty.is_empty() {
        return Ok(Vec::new());
    }
    // A prune may have taken them since the rows were read.
    let facts = context.facts_of(HostKey::Id(host.id))?;
    let complete: BTreeSet<SnapshotId> = facts
        .snapshots
        .values()
        .flatten()
        .filter(|row| row.status == SnapshotStatus::Complete)
        .map(|row| row.id)
        .collect();
    gone.retain(|row| complete.contains(&row.id));
    empty.retain(|row| complete.contains(&row.id));
    let told = [
        (
            gone,
            "recorded and not on disk",
            "bring them back, or let their rows say missing: pobsync check --repair",
        ),
        (
            empty,
            "on disk without data",
            "bring the directory data of each back, or let their rows say missing: pobsync check --repair",
        ),
    ];
    let told = told.into_iter().filter(|(rows, ..)| !rows.is_empty());
    Ok(told
        .map(|(rows, what, help)| {
            let message = sentence(host, &place, &rows, what);
            finding(Level::Problem, "snapshots", message, help)
        })
        .collect())
}

/// Rows of a host whose snapshots are not there, and those whose snapshots have no tree.
#[derive(Default)]
struct Lost<'a> {
    gone: Vec<&'a Snapshot>,
    empty: Vec<&'a Snapshot>,
}

impl<'a> Lost<'a> {
    fn of(rows: &'a [Snapshot], dir: Option<&HostDir>) -> Result<Self, Error> {
        let mut lost = Self::default();
        for kind in SnapshotKind::ALL {
            let mut rows = rows
                .iter()
                .filter(|row| row.kind == kind && row.status == SnapshotStatus::Complete)
                .peekable();
            if rows.peek().is_none() {
                continue;
            }
            let there = dir.map(|dir| dir.visible_names(kind)).transpose()?;
            let there = there.unwrap_or_default();
            for row in rows {
                if !there.contains(&row.name) {
                    lost.gone.push(row);
                } else if let Some(dir) = dir
                    && !has_data(dir, row)?
                {
                    lost.empty.push(row);
                }
            }
        }
        Ok(lost)
    }
}

/// A link or a file in the place of the tree is none.
fn has_data(dir: &HostDir, row: &Snapshot) -> Result<bool, Error> {
    match dir.data_path(row.kind, &row.name) {
        Ok(data) => Ok(data.is_some()),
        Err(DiskError::Link { .. } | DiskError::NotADirectory { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn sentence(host: &SqlHost, place: &Path, rows: &[&Snapshot], what: &str) -> String {
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
        "{}: {} {verb} {what} below {}: {}",
        host.name,
        rows.len(),
        place.display(),
        names.join(", ")
    )
}
