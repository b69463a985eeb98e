//! What verification has found out about a host.

use serde::{Deserialize, Serialize};

use crate::core::model::{Span, SqlHost, Timestamp, visible};

/// A verification that comes due is given this long, since hosts are read one after another, before its absence counts.
const GRACE: Span = Span::from_hours(24);

/// How a host stands with its verification.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verified {
    /// When all its snapshots were looked at last.
    pub last: Option<Timestamp>,
    /// From when on the next look is overdue; nothing where none is asked for.
    pub overdue_at: Option<Timestamp>,
    /// What is damaged.
    pub damage: Option<Damaged>,
}

/// What is damaged of a host, on disk and not healed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// Paths, each counted once.
    pub files: u64,
    /// Snapshots with some.
    pub snapshots: u64,
    /// When the first of it was found.
    pub since: Timestamp,
    /// The first of the paths, as text.
    pub first: String,
}

impl Verified {
    /// Says that the next look should have been over by `now`.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.overdue_at.is_some_and(|at| at < now)
    }
}

impl Damaged {
    /// Which files, since when, and what to do.
    #[must_use]
    pub fn sentence(&self, host: &SqlHost) -> String {
        let more = match self.files.saturating_sub(1) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!(
            "damaged since {}, in {} of its snapshots: {}{more}; `pobsync snapshots {}` has them all and where they are \
             whole, and the next backup brings anew what the host still has",
            self.since,
            self.snapshots,
            visible(&self.first),
            host.name
        )
    }
}

/// From when on the next verification is overdue: its span after the last one, and a day. A host that was never looked at
/// counts from the last change to its settings, which is when somebody may have asked for it.
#[must_use]
pub fn overdue_at(host: &SqlHost, last: Option<Timestamp>) -> Option<Timestamp> {
    let every = host.settings.verify.every?;
    let is_active = host.retired.is_none() && !host.is_paused();
    let due = last.map_or(host.changed_at, |last| last.plus(every));
    is_active.then(|| due.plus(GRACE))
}
