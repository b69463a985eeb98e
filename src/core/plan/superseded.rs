//! The deletion of what failed pulls have left, once a complete one has superseded it.

use std::collections::BTreeSet;

use super::{DeleteEntry, Plan, Totals};
use crate::core::model::{SnapshotKind, SnapshotName, SnapshotStatus};
use crate::core::retention::{Cause, Reason};

/// Turns a plan of one host into the plan to delete incomplete snapshots that a complete pull has superseded: `left`,
/// but for held ones and those a run is at work on.
pub fn superseded_plan(plan: &mut Plan, left: &BTreeSet<(SnapshotKind, SnapshotName)>) {
    for retention in &mut plan.retention {
        let is_superseded =
            |kind: SnapshotKind, name: &SnapshotName| left.contains(&(kind, name.clone()));
        retention
            .delete
            .retain(|entry| is_superseded(entry.kind, &entry.snapshot));
        for entry in &mut retention.delete {
            entry.reason = Cause::Incomplete;
        }
        let keep = std::mem::take(&mut retention.keep);
        for entry in keep {
            let is_pinned = entry
                .reasons
                .iter()
                .any(|reason| matches!(reason, Reason::Hold | Reason::Running));
            let is_incomplete = entry.status != SnapshotStatus::Complete;
            if is_superseded(entry.kind, &entry.snapshot) && is_incomplete && !is_pinned {
                retention.delete.push(DeleteEntry {
                    snapshot: entry.snapshot,
                    kind: entry.kind,
                    status: entry.status,
                    started_at: entry.started_at,
                    reason: Cause::Incomplete,
                    previously_kept_by: Vec::new(),
                    bytes: entry.bytes,
                    suspect: entry.suspect,
                });
            } else {
                retention.keep.push(entry);
            }
        }
        retention.totals = Totals::of(&retention.keep, &retention.delete);
    }
    plan.reseal();
}
