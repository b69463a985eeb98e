//! The retention plan of one host: which of its snapshots stay, which go, and why.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::Totals;
use crate::core::model::{
    Fingerprint, Hold, HostName, Kinds, Label, Policy, RootId, SnapshotKind, SnapshotName,
    SnapshotStatus, Timestamp,
};
use crate::core::retention::{Cause, Reason, RuleHit};

/// The retention plan of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionPlan {
    /// The host, by the name it has after the change.
    pub host: HostName,
    /// Its directory, which tells two hosts apart that had one name.
    pub directory: HostName,
    /// The server that has its snapshots, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Label>,
    /// Their root, if it is not that of the server that the host belongs to: what was made before it was moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<RootId>,
    /// It has left, or leaves by this change.
    pub retired: bool,
    /// It is paused.
    pub paused: bool,
    /// The kinds that were asked about.
    pub kinds: Kinds,
    /// The policy of the plan; nothing keeps everything.
    pub policy: Option<Policy>,
    /// The policy's fingerprint.
    pub policy_fingerprint: Option<Fingerprint>,
    /// That policy stands approved.
    pub approved: bool,
    /// What stays, newest first.
    pub keep: Vec<KeepEntry>,
    /// What goes, newest first.
    pub delete: Vec<DeleteEntry>,
    /// The counts.
    pub totals: Totals,
    /// What verification has found damaged in these snapshots; nothing where there is none, or nobody looked it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<PlanDamage>,
}

/// What is damaged of the snapshots of a host: a deletion may take the last whole copy along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDamage {
    /// Paths, each counted once.
    pub files: usize,
    /// Snapshots with some.
    pub snapshots: usize,
    /// The first of the paths, as text.
    pub first: String,
    /// Snapshots that go, and hold whole what is damaged in others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub whole_copies_go: Vec<SnapshotName>,
}

/// A snapshot that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of a snapshot")]
pub struct KeepEntry {
    pub snapshot: SnapshotName,
    pub kind: SnapshotKind,
    pub status: SnapshotStatus,
    pub started_at: Timestamp,
    /// Why it stays.
    pub reasons: Vec<Reason>,
    /// How the rules of the policy counted it.
    pub rules: Vec<RuleHit>,
    /// The day it would go if backups go on as scheduled, in the policy's zone.
    pub expires_on: Option<NaiveDate>,
    pub bytes: Option<u64>,
    /// The policy in force deletes it.
    pub rescued: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspect: bool,
    /// Who holds it, why, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Box<Hold>>,
}

/// A snapshot that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of a snapshot")]
pub struct DeleteEntry {
    pub snapshot: SnapshotName,
    pub kind: SnapshotKind,
    pub status: SnapshotStatus,
    pub started_at: Timestamp,
    /// Why it goes.
    pub reason: Cause,
    /// What kept it under the policy in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previously_kept_by: Vec<Reason>,
    pub bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspect: bool,
}

impl DeleteEntry {
    /// Says that the snapshot is of the kind `incomplete`, which is counted apart.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.reason == Cause::Incomplete
    }
}
