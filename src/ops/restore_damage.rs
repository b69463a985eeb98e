//! What verification knows to be damaged of what is restored.

use std::collections::BTreeSet;

use serde::Serialize;

use super::shelf::{HostShelf, OnDisk, Shelf};
use super::verify::InSnapshot;
use super::{Context, Error, tree_paths};
use crate::core::manifest::shown;
use crate::core::model::{ProblemKind, SnapshotName, Timestamp};
use crate::disk::TreeName;

/// Something in a snapshot that is not what was backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamagedPath {
    /// Its path, as the host has it.
    pub path: String,
    /// What is wrong.
    pub problem: ProblemKind,
    /// The same in words.
    pub detail: String,
    /// When it was found first.
    pub since: Timestamp,
    /// A snapshot that holds it whole, and is still there.
    pub intact: Option<InSnapshot>,
}

/// A verification records a thousand paths of a host at most, for each snapshot that has them.
const READ: u32 = 100_000;

/// What is known to be damaged of these paths in a snapshot, by path; of no paths, in all of it. Without a database nothing
/// is.
///
/// # Errors
/// When the database cannot be read.
pub(super) fn damage_of(
    shelf: &Shelf,
    host: &HostShelf,
    snapshot: &OnDisk,
    wanted: &[Vec<TreeName>],
) -> Result<Vec<DamagedPath>, Error> {
    let Shelf::Database(database, _) = shelf else {
        return Ok(Vec::new());
    };
    let context = Context::open(database)?;
    let facts = context.facts_about(|_| false)?;
    // A directory below the root whose host the database has forgotten.
    let Some(row) = facts.state.host(&host.host) else {
        return Ok(Vec::new());
    };
    let wanted: Vec<String> = wanted
        .iter()
        .map(|names| shown(tree_paths::relative(names).as_encoded_bytes()))
        .collect();
    let is_wanted = |path: &str| {
        wanted.is_empty()
            || wanted.iter().any(|wanted| {
                let below = path.strip_prefix(wanted.as_str());
                below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
            })
    };
    let mut records = context.store.damage(Some(row.id), READ)?;
    records.retain(|record| {
        record.damage.problem != ProblemKind::Manifest && is_wanted(&record.damage.path)
    });
    let damaged: BTreeSet<(&SnapshotName, &str)> = records
        .iter()
        .map(|record| (&record.snapshot, record.damage.path.as_str()))
        .collect();
    let intact = |name: &SnapshotName, path: &str| {
        let on_disk = host.snapshots.iter().find(|other| other.name == *name)?;
        (!damaged.contains(&(name, path))).then_some(on_disk)
    };
    let of_snapshot = records
        .iter()
        .filter(|record| (record.kind, &record.snapshot) == (snapshot.kind, &snapshot.name));
    let mut found: Vec<DamagedPath> = of_snapshot
        .map(|record| {
            let name = record.damage.intact.as_ref();
            let intact = name.and_then(|name| intact(name, &record.damage.path));
            DamagedPath {
                path: format!("/{}", record.damage.path),
                problem: record.damage.problem,
                detail: record.damage.detail.clone(),
                since: record.found_at,
                intact: intact.map(|s| InSnapshot {
                    kind: s.kind,
                    snapshot: s.name.clone(),
                }),
            }
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}
