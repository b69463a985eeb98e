//! The counts of a plan, and of each host in it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{DeleteEntry, KeepEntry, RetentionPlan};
use crate::core::diff::{Action, Change};
use crate::core::model::{HostName, SnapshotKind};
use crate::core::retention::Cause;
use crate::core::usage::Frees;

/// The counts of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// How many stay.
    pub keep: usize,
    /// How many go.
    pub delete: usize,
    /// How many the policy in force would have deleted and this one keeps.
    pub rescued: usize,
    /// How many go, by kind.
    pub delete_by_kind: KindCounts,
    /// How many go, by reason.
    pub delete_by_reason: DeletionCounts,
    /// Bytes of what goes; shared files are counted, so that less comes free.
    pub delete_bytes: u64,
    /// Bytes on disk that come free; nothing where that was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frees: Option<Frees>,
}

/// Counts by kind; each snapshot is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is the kind of its name")]
pub struct KindCounts {
    pub scheduled: usize,
    pub manual: usize,
    pub incomplete: usize,
}

/// Counts by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each field is the reason of its name")]
pub struct DeletionCounts {
    pub expired: usize,
    pub policy_change: usize,
    pub host_removed: usize,
    pub incomplete: usize,
}

/// The counts of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the counted actions")]
pub struct Summary {
    pub create: usize,
    pub update: usize,
    pub retire: usize,
    pub rename: usize,
    /// Objects that drifted.
    pub drift: usize,
    /// Snapshots on disk of the hosts looked at.
    pub snapshots: usize,
    /// Hosts that lose a snapshot.
    pub hosts_with_deletions: usize,
    /// Snapshots that go because of this change and not anyway.
    pub delete_by_change: usize,
    pub delete_by_kind: KindCounts,
    pub delete_by_reason: DeletionCounts,
    pub delete_bytes: u64,
    /// Bytes on disk that come free; nothing where no host was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frees: Option<Frees>,
    pub rescued: usize,
}

impl Summary {
    /// How many snapshots go.
    #[must_use]
    pub fn deletions(&self) -> usize {
        self.delete_by_kind.scheduled + self.delete_by_kind.manual + self.delete_by_kind.incomplete
    }

    pub(super) fn count_changes(&mut self, changes: &[Change]) {
        for change in changes {
            match change.action {
                Action::Create => self.create += 1,
                Action::Update => self.update += 1,
                Action::Retire => self.retire += 1,
                Action::Rename => self.rename += 1,
            }
        }
    }

    pub(super) fn count_retention(&mut self, plans: &[RetentionPlan]) {
        // A host of which several servers delete something is one host.
        let mut hosts: BTreeSet<(&HostName, &HostName)> = BTreeSet::new();
        for plan in plans {
            let totals = &plan.totals;
            self.snapshots += totals.keep + totals.delete;
            if totals.delete > 0 {
                self.frees = match (self.frees, totals.frees) {
                    (None, frees) if hosts.is_empty() => frees,
                    (None, None) => None,
                    (Some(a), Some(b)) => Some(Frees {
                        bytes: a.bytes.saturating_add(b.bytes),
                        exact: a.exact && b.exact,
                    }),
                    (Some(some), None) | (None, Some(some)) => Some(Frees {
                        exact: false,
                        ..some
                    }),
                };
                hosts.insert((&plan.host, &plan.directory));
            }
            self.rescued += totals.rescued;
            self.delete_bytes = self.delete_bytes.saturating_add(totals.delete_bytes);
            self.delete_by_kind.scheduled += totals.delete_by_kind.scheduled;
            self.delete_by_kind.manual += totals.delete_by_kind.manual;
            self.delete_by_kind.incomplete += totals.delete_by_kind.incomplete;
            self.delete_by_reason.expired += totals.delete_by_reason.expired;
            self.delete_by_reason.policy_change += totals.delete_by_reason.policy_change;
            self.delete_by_reason.host_removed += totals.delete_by_reason.host_removed;
            self.delete_by_reason.incomplete += totals.delete_by_reason.incomplete;
        }
        self.hosts_with_deletions = hosts.len();
    }
}

impl Totals {
    pub(super) fn of(keep: &[KeepEntry], delete: &[DeleteEntry]) -> Self {
        let mut totals = Self {
            keep: keep.len(),
            delete: delete.len(),
            ..Self::default()
        };
        totals.rescued = keep.iter().filter(|entry| entry.rescued).count();
        for entry in delete {
            totals.delete_bytes = totals.delete_bytes.saturating_add(entry.bytes.unwrap_or(0));
            match entry.reason {
                Cause::Expired => totals.delete_by_reason.expired += 1,
                Cause::PolicyChange => totals.delete_by_reason.policy_change += 1,
                Cause::HostRemoved => totals.delete_by_reason.host_removed += 1,
                Cause::Incomplete => totals.delete_by_reason.incomplete += 1,
            }
            match entry.kind {
                _ if entry.is_incomplete() => totals.delete_by_kind.incomplete += 1,
                SnapshotKind::Scheduled => totals.delete_by_kind.scheduled += 1,
                SnapshotKind::Manual => totals.delete_by_kind.manual += 1,
            }
        }
        totals
    }
}
