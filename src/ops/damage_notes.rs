//! What is damaged of the hosts of a plan: said beside it, since a deletion may take the last whole copy along.

use std::collections::{BTreeMap, BTreeSet};

use super::{Context, Error};
use crate::core::model::{HostName, SnapshotName, visible};
use crate::core::plan::RetentionPlan;

/// A verification records a thousand paths of a host at most, for each snapshot that has them.
const READ: u32 = 100_000;

#[derive(Default)]
struct OfHost {
    paths: BTreeSet<String>,
    snapshots: BTreeSet<SnapshotName>,
    intact: BTreeSet<SnapshotName>,
}

/// A line for each host of a plan that verification found damage in. Only reads.
///
/// # Errors
/// When the database cannot be read.
pub fn damage_notes(context: &Context, plans: &[RetentionPlan]) -> Result<Vec<String>, Error> {
    let mut hosts: BTreeMap<HostName, OfHost> = BTreeMap::new();
    for record in context.store.damage(None, READ)? {
        let of_host = hosts.entry(record.host).or_default();
        let place = record.damage.problem.place(&record.damage.path);
        of_host.paths.insert(place);
        of_host.snapshots.insert(record.snapshot);
        of_host.intact.extend(record.damage.intact);
    }
    let notes = plans.iter().filter_map(|plan| {
        let found = hosts.get(&plan.host)?;
        Some(note(plan, found))
    });
    Ok(notes.collect())
}

fn note(plan: &RetentionPlan, found: &OfHost) -> String {
    let first = found.paths.first().map_or("", String::as_str);
    let more = match found.paths.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let mut note = format!(
        "{}: damaged in {} of its snapshots: {}{more}; see pobsync snapshots {}",
        plan.host,
        found.snapshots.len(),
        visible(first),
        plan.host
    );
    let going: Vec<&str> = plan
        .delete
        .iter()
        .map(|entry| &entry.snapshot)
        .filter(|name| found.intact.contains(name))
        .map(SnapshotName::as_str)
        .collect();
    if !going.is_empty() {
        note.push_str("; this would delete whole copies, in ");
        note.push_str(&going.join(", "));
    }
    note
}
