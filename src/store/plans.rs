//! Recorded plans and approvals.

use crate::core::model::{
    Fingerprint, HostId, HostName, Invalid, PlanId, Serial, SnapshotId, Timestamp,
};

/// What a recorded plan was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlanKind {
    /// An apply of the desired state.
    Apply,
    /// A person asked for the retention of one host: to approve it, or to delete by it.
    Retention,
    /// An unattended prune.
    Prune,
}

impl PlanKind {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Retention => "retention",
            Self::Prune => "prune",
        }
    }
}

impl std::fmt::Display for PlanKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for PlanKind {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        [Self::Apply, Self::Retention, Self::Prune]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| Invalid::new(text, "a kind of plan", ""))
    }
}

/// A plan to be recorded. To the store its body is text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPlan {
    /// What it is for.
    pub kind: PlanKind,
    /// Over configuration and policies.
    pub fingerprint: Fingerprint,
    /// Over the deletions.
    pub deletions_fingerprint: Fingerprint,
    /// The revision of the source it was made from.
    pub revision: Option<String>,
    /// The plan as JSON.
    pub body: String,
    /// Every snapshot that it lists for deletion: a prune can delete no other. Doubles count once.
    pub deletions: Vec<SnapshotId>,
}

/// A recorded plan without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanSummary {
    /// Its row.
    pub id: PlanId,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// By whom.
    pub actor: String,
    /// What it was for.
    pub kind: PlanKind,
    /// The serial at which it may be carried out: of an apply, the one that the apply brought about.
    pub serial: Serial,
    /// Over configuration and policies.
    pub fingerprint: Fingerprint,
    /// Over the deletions.
    pub deletions_fingerprint: Fingerprint,
    /// The revision of the source it was made from.
    pub revision: Option<String>,
    /// How many snapshots it lists for deletion.
    pub deletions: u64,
}

/// A recorded plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPlan {
    /// All but the body.
    pub summary: PlanSummary,
    /// The plan as JSON, as it was given.
    pub body: String,
    /// Every snapshot that it lists for deletion, by row.
    pub deletions: Vec<SnapshotId>,
}

/// That a policy of a host was approved by carrying out a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The plan.
    pub plan: PlanId,
    /// The host.
    pub host: HostId,
    /// The name that the host has now.
    pub host_name: HostName,
    /// The policy; [`super::Store::policy`] has its content.
    pub policy: Fingerprint,
    /// Who approved.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// The revision of the source.
    pub revision: Option<String>,
}
