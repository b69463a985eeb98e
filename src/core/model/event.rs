//! Events: what happened that somebody may be told of.

use serde::{Deserialize, Serialize};

use super::run::words;
use super::{HostName, Invalid, NotifyEvent, RunId, SnapshotName, Span, Timestamp};

words!(/// What an event says.
EventKind, "a kind of event", {
    /// Something went wrong.
    Failure = "failure",
    /// What went wrong is well again.
    Recovery = "recovery",
    /// A host has had no complete snapshot for too long.
    Stale = "stale",
    /// A backup is done.
    Success = "success",
    /// Somebody tries whether a receiver hears.
    Test = "test",
});

words!(/// What an event is about; a recovery ends the failures of its topic alone.
Topic, "the topic of an event", {
    /// The backups of a host: that they fail, or that they do not come.
    Backup = "backup",
    /// The unattended prunes of a host.
    Prune = "prune",
    /// A snapshot that shrank or changed too much.
    Suspect = "suspect",
    /// The verification of a host's snapshots.
    Verify = "verify",
    /// Nothing but the telling itself.
    Test = "test",
});

words!(/// Why a run did not end well, as coarse as the question who can mend it.
RunCause, "a cause", {
    /// It may be well by itself the next time: the host cannot be reached, the link was cut.
    Passing = "passing",
    /// It stays so until somebody does something about it.
    Lasting = "lasting",
    /// Some files could not be read; the rest was pulled.
    Unreadable = "unreadable",
    /// It may be an attack: the key of the host has changed.
    Alarm = "alarm",
    /// A guard stood against it.
    Guard = "guard",
    /// The policy is not the approved one.
    Approval = "approval",
    /// Its process went away.
    Lost = "lost",
});

impl EventKind {
    /// Says that a receiver with these words in `on` wants to hear of it. A test is for whoever it was sent to.
    #[must_use]
    pub fn is_asked_for(self, on: &[NotifyEvent]) -> bool {
        let word = match self {
            Self::Failure => NotifyEvent::Failure,
            Self::Recovery => NotifyEvent::Recovery,
            Self::Stale => NotifyEvent::Stale,
            Self::Success => NotifyEvent::Success,
            Self::Test => return true,
        };
        on.contains(&word)
    }

    /// Says that it is bad news, which a recovery may follow.
    #[must_use]
    pub fn is_problem(self) -> bool {
        matches!(self, Self::Failure | Self::Stale)
    }
}

/// One event as receivers get it (`schema/notification.schema.json`).
///
/// Nothing in it is secret: no address of a receiver, no credential. What hosts sent stands in `message` alone, with
/// control characters made visible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// 1.
    pub format_version: u32,
    /// The program that raised it.
    pub pobsync_version: String,
    /// 32 hexadecimal digits, the same however often the event is raised or sent: a receiver drops what it has had.
    pub id: String,
    /// What it says.
    pub event: EventKind,
    /// What it is about.
    pub topic: Topic,
    /// When it happened.
    pub at: Timestamp,
    /// The machine that tells.
    pub machine: String,
    /// The host it is about.
    pub host: Option<HostName>,
    /// One short line.
    pub summary: String,
    /// What happened and what to do.
    pub message: String,
    /// Why, for a failure of a run.
    pub cause: Option<RunCause>,
    /// The run it is about.
    pub run: Option<RunId>,
    /// The snapshot it is about.
    pub snapshot: Option<SnapshotName>,
    /// When the newest complete snapshot of the host began, for a stale host.
    pub newest_complete: Option<Timestamp>,
    /// How long the host may go without one, where that is set.
    pub stale_after: Option<Span>,
    /// Of a recovery: when the trouble began.
    pub since: Option<Timestamp>,
}
