//! Runs: executions of backup, discovery, prune or verify.

use serde::{Deserialize, Serialize};

use super::{HostName, Invalid, PlanId, RunId, SnapshotName, Timestamp};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $expected:literal, { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::ALL.iter().copied().find(|v| v.as_str() == text).ok_or_else(|| Invalid::new(text, $expected, ""))
            }
        }
    };
}
pub(crate) use words;

words!(/// What a run does.
RunKind, "a kind of run", {
    /// Pulls a host into a new snapshot.
    Backup = "backup",
    /// Records what is on disk.
    Discovery = "discovery",
    /// Deletes what a recorded plan listed.
    Prune = "prune",
    /// Compares snapshots with their manifests.
    Verify = "verify",
});

words!(/// How far a run has come.
RunStatus, "the status of a run", {
    /// At work, or killed and not yet found out.
    Running = "running",
    /// Done.
    Complete = "complete",
    /// Some of it could not be done.
    Partial = "partial",
    /// Nothing came of it.
    Failed = "failed",
    /// A guard or a missing approval stood against it.
    Refused = "refused",
    /// Somebody stopped it.
    Cancelled = "cancelled",
    /// Its process went away without a word.
    Interrupted = "interrupted",
});

/// One execution, as SQL records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its row.
    pub id: RunId,
    /// The host it is about.
    pub host: HostName,
    /// What it does.
    pub kind: RunKind,
    /// How far it has come.
    pub status: RunStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The snapshot it makes.
    pub snapshot: Option<SnapshotName>,
    /// The plan it carries out.
    pub plan: Option<PlanId>,
    /// One sentence: what came of it, or why nothing did.
    pub message: String,
    /// The process that works on it, as `lock` files name it.
    pub process: String,
}
