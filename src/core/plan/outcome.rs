//! How a command ended, as one word and one exit code.

use serde::{Deserialize, Serialize};

/// The word that JSON carries in `outcome`, and its exit code (DESIGN: exit codes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done, or nothing to do.
    NoChanges,
    /// There are changes; none deletes a snapshot.
    Changes,
    /// There are changes that delete snapshots, now or by the next prune.
    ChangesDelete,
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// A guard stood against it.
    Refused,
    /// The plan no longer fits what it was made from.
    Stale,
    /// Another run holds the host.
    Locked,
    /// Some of it was done.
    PartlyDone,
    /// No approved policy allows it.
    ApprovalMissing,
    /// The command line does not make sense.
    Usage,
    /// The configuration is not valid.
    Invalid,
    /// The database or the server could not be reached.
    Unreachable,
}

impl Outcome {
    /// The exit code of a command that ends so. Plans end with 0 whatever they list unless `detailed` is asked for.
    #[must_use]
    pub const fn exit_code(self, detailed: bool) -> u8 {
        match self {
            Self::NoChanges | Self::Done => 0,
            Self::Changes => {
                if detailed {
                    2
                } else {
                    0
                }
            }
            Self::ChangesDelete => {
                if detailed {
                    3
                } else {
                    0
                }
            }
            Self::Failed => 1,
            Self::Refused => 10,
            Self::Stale => 11,
            Self::Locked => 12,
            Self::PartlyDone => 13,
            Self::ApprovalMissing => 14,
            Self::Usage => 64,
            Self::Invalid => 65,
            Self::Unreachable => 69,
        }
    }

    /// The worst of several endings of one command, by which it ends: a failure of one host is not hidden by the
    /// success of another.
    #[must_use]
    pub fn worst(outcomes: impl IntoIterator<Item = Self>) -> Self {
        outcomes
            .into_iter()
            .max_by_key(|o| o.exit_code(true))
            .unwrap_or(Self::Done)
    }
}
