//! Prunes that were killed after they had committed to a deletion: what they had taken off its place is finished by the next
//! run that holds the host's lock, and told; what still stands in its place stays, and so does what no prune has moved.

use serde::Serialize;

use super::grip::Grip;
use super::prune::{PruneReport, empty_trash, to_trash};
use super::{Context, Error, Stop};
use crate::core::model::{HostName, PlanId, Snapshot, SnapshotName, SqlHost};
use crate::core::plan::OrderedDeletion;
use crate::store::HostKey;

/// A deletion that an earlier prune had committed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FinishedDeletion {
    /// The snapshot.
    pub snapshot: SnapshotName,
    /// The plan that listed it.
    pub plan: Option<PlanId>,
}

impl std::fmt::Display for FinishedDeletion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} deleted", self.snapshot)?;
        if let Some(plan) = self.plan {
            write!(f, " by plan {plan}")?;
        }
        f.write_str(", whose prune had been cut off")
    }
}

/// Finishes what a killed prune had begun to delete: the rows say `deleting` and point at their plan. Says what is gone now.
///
/// # Errors
/// When the database or the disk cannot be worked with.
pub(super) fn finish_cut_off(
    context: &Context,
    host: &SqlHost,
    lock: &Grip,
    stop: &Stop,
) -> Result<Vec<FinishedDeletion>, Error> {
    let mut rows = context.store.deleting_rows(host.id)?;
    if !rows.is_empty() {
        // What went into the trash of another root is not gone because this one has none of it.
        let facts = context.own_facts_of(HostKey::Id(host.id))?;
        rows.retain(|record| facts.root_id() == Some(&record.root));
    }
    if rows.is_empty() && lock.trash_names()?.is_empty() {
        return Ok(Vec::new());
    }
    let mut report = PruneReport::nothing(&host.name);
    let mut going = Vec::new();
    let mut plans = Vec::new();
    for record in rows {
        let Snapshot {
            id,
            kind,
            name,
            status,
            ..
        } = record.snapshot;
        if lock.has_snapshot(kind, &name)? {
            // Nothing has been taken off the disk yet: whether it still goes is for the next prune to say, by the policy
            // and the holds of that day.
            context.store.take_back_deletion(id, lock.lease())?;
            tracing::warn!(
                "{}: {name} stays; a prune that was cut off had not come to it",
                host.name
            );
            continue;
        }
        to_trash(
            lock,
            &OrderedDeletion {
                kind,
                name: name.clone(),
                status,
            },
        )?;
        plans.push(FinishedDeletion {
            snapshot: name.clone(),
            plan: record.plan,
        });
        going.push((id, name));
    }
    empty_trash(context, host, lock, going, &mut report, stop)?.warn(host);
    plans.retain(|finished| report.deleted.contains(&finished.snapshot));
    Ok(plans)
}

/// Tells of them where no report will.
pub(super) fn log_finished(host: &HostName, finished: &[FinishedDeletion]) {
    for deletion in finished {
        tracing::warn!("{host}: {deletion}");
    }
}
