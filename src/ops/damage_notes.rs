//! What is damaged of the hosts of a plan, since a deletion may take the last whole copy along.

use std::collections::{BTreeMap, BTreeSet};

use super::{Context, Error};
use crate::core::model::{HostName, SnapshotKind, SnapshotName};
use crate::core::plan::{Plan, PlanDamage, RetentionPlan};
use crate::store::DamageRecord;

/// Of one host. A verification records a thousand of its paths at most, for each snapshot that has them.
const READ: u32 = 100_000;

/// Says in a plan what verification has found damaged in the snapshots that it lists. It decides nothing: what is suspect
/// stops a prune.
///
/// # Errors
/// When the database cannot be read.
pub fn note_damage(context: &Context, plan: &mut Plan) -> Result<(), Error> {
    let mut hosts: BTreeMap<HostName, Vec<DamageRecord>> = BTreeMap::new();
    for (host, found) in context.store.inspected()? {
        if found.damaged_files == 0 {
            continue;
        }
        let records = context.store.damage(Some(host), READ)?;
        if let Some(first) = records.first() {
            hosts.insert(first.host.clone(), records);
        }
    }
    for retention in &mut plan.retention {
        if let Some(records) = hosts.get(&retention.host) {
            retention.damage = damage_of(retention, records);
        }
    }
    Ok(())
}

fn damage_of(plan: &RetentionPlan, records: &[DamageRecord]) -> Option<PlanDamage> {
    let kept = plan.keep.iter().map(|entry| (entry.kind, &entry.snapshot));
    let going = plan.delete.iter();
    let listed: BTreeSet<(SnapshotKind, &SnapshotName)> = kept
        .chain(going.map(|entry| (entry.kind, &entry.snapshot)))
        .collect();
    let mut paths: BTreeSet<&str> = BTreeSet::new();
    let mut snapshots = BTreeSet::new();
    let mut whole = BTreeSet::new();
    for record in records {
        let key = (record.kind, &record.snapshot);
        if listed.contains(&key) {
            paths.insert(&record.damage.path);
            snapshots.insert(key);
            whole.extend(&record.damage.intact);
        }
    }
    let first = (*paths.first()?).to_owned();
    let going = plan.delete.iter().map(|entry| &entry.snapshot);
    Some(PlanDamage {
        files: paths.len(),
        snapshots: snapshots.len(),
        first,
        whole_copies_go: going.filter(|name| whole.contains(name)).cloned().collect(),
    })
}
