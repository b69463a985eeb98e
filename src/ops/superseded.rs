//! What earlier pulls left incomplete, once a complete one has taken its place.
//!
//! Deletions need a recorded plan, these too: it lists exactly what is superseded.

use std::collections::BTreeSet;

use super::grip::Grip;
use super::prune::{PruneReport, empty_trash, to_trash};
use super::{Context, Error, Stop};
use crate::core::model::{Kinds, SnapshotKind, SnapshotName, SnapshotStatus, SqlHost};
use crate::core::plan::{OrderedDeletion, superseded_plan};
use crate::store::{HostKey, Marking, PlanKind};

/// Moves each of `left` to the trash that is neither held nor at work, and empties it. Says what is gone, and by which
/// plan; nothing if none was needed.
///
/// # Errors
/// When the database or the disk cannot be worked with.
pub(super) fn drop_superseded(
    context: &Context,
    host: &SqlHost,
    lock: &Grip,
    left: &BTreeSet<(SnapshotKind, SnapshotName)>,
    stop: &Stop,
) -> Result<Option<PruneReport>, Error> {
    let facts = context.own_facts_of(HostKey::Id(host.id))?;
    let host: &SqlHost = facts.by_directory(&host.directory)?;
    let mut plan =
        super::plan::plan_in_force(&facts, std::slice::from_ref(host), Some(Kinds::ALL), &[])?;
    superseded_plan(&mut plan, left);
    if plan.summary.deletions() == 0 {
        return Ok(None);
    }
    let recorded = context.record(&facts, &plan, PlanKind::Prune)?;
    let rows = facts.rows(host.id);
    let mut going = Vec::new();
    for (kind, name) in left {
        let Some(row) = rows.get(&(*kind, name)).copied() else {
            continue;
        };
        if context
            .store
            .mark_deleting(row, recorded, lock.lease(), super::clock::now())?
            == Marking::Marked
        {
            to_trash(
                lock,
                &OrderedDeletion {
                    kind: *kind,
                    name: name.clone(),
                    status: SnapshotStatus::Partial,
                },
            )?;
            going.push((row, name.clone()));
        }
    }
    let mut report = PruneReport {
        plan: Some(recorded),
        ..PruneReport::nothing(&host.name)
    };
    empty_trash(context, host, lock, going, &mut report, stop)?;
    Ok(Some(report))
}
