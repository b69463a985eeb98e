//! Events and their deliveries as rows, and what the store knows of hosts at a glance.

use crate::core::model::{
    DeliveryId, EventId, EventKind, HostId, Label, RunId, SnapshotId, SnapshotKind, Span,
    Timestamp, Topic,
};

use super::{PlanKind, RunRecord, StoreError};

/// What the program asks of its database about telling people. Each call is one transaction.
///
/// # Errors
/// Every call fails with [`StoreError`] when the database cannot be read or written.
pub trait Outbox {
    /// Runs that have ended and that nobody has been told of, at most one a host: its first. One that will be tried again
    /// and was tried at most `quiet_attempts` times is not among them until it was.
    fn ended_runs(&self, quiet_attempts: u32, limit: u32) -> Result<Vec<EndedRun>, StoreError>;

    /// Records events with a delivery for each recipient, and that the ends of these runs were looked at.
    ///
    /// An event whose key is there already is that event: it gets deliveries for those recipients alone that have none.
    /// An event that is new, without recipients and not to be kept leaves no trace.
    fn raise(&self, new: &[NewEvent], told: &[RunId], at: Timestamp)
    -> Result<Raising, StoreError>;

    /// Forgets successes and tests of before a time that wait for nobody; says how many.
    fn forget_events(&self, before: Timestamp) -> Result<usize, StoreError>;

    /// Deliveries whose time has come and that no process is at work on, oldest first. What is said of one host to one
    /// target comes in order: nothing is due while something earlier waits.
    ///
    /// A next attempt more than `longest_pause` away was written under a clock that was wrong, and is due.
    fn due_deliveries(
        &self,
        now: Timestamp,
        longest_pause: Span,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, StoreError>;

    /// Takes a delivery for one attempt and counts it, durable when this returns; nothing if it is not waiting or
    /// another process has it. A claim ends after `lease` by itself, so that a process that died loses nothing.
    fn claim_delivery(
        &self,
        delivery: DeliveryId,
        process: &str,
        now: Timestamp,
        lease: Span,
    ) -> Result<Option<DeliveryClaim>, StoreError>;

    /// Records what came of an attempt; false if the claim has gone to another process meanwhile, and nothing was
    /// recorded.
    fn settle_delivery(
        &self,
        claim: &DeliveryClaim,
        settlement: &Settlement,
        at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Deliveries.
    fn deliveries(
        &self,
        filter: &DeliveryFilter,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, StoreError>;

    /// Makes everything undelivered due at once, what was given up too; says how many.
    fn retry_deliveries(
        &self,
        receiver: Option<&Label>,
        at: Timestamp,
    ) -> Result<usize, StoreError>;

    /// Takes away what was given up; says how many.
    fn forget_deliveries(&self, receiver: Option<&Label>) -> Result<usize, StoreError>;

    /// What has not reached its receivers.
    fn backlog(&self) -> Result<Backlog, StoreError>;
}

/// A run that has ended and that nobody has been told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedRun {
    /// The run.
    pub record: RunRecord,
    /// The kind of the snapshot it made.
    pub snapshot_kind: Option<SnapshotKind>,
    /// The snapshot it made, if that is suspect.
    pub suspect: Option<SnapshotId>,
    /// The kind of the plan it carried out.
    pub plan_kind: Option<PlanKind>,
    /// The last complete run of the same host and kind before it.
    pub last_well: Option<RunId>,
    /// When the first failure or staleness of the run's own topic was raised that no recovery has ended.
    pub trouble_since: Option<Timestamp>,
}

/// An event to be raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// What makes it one.
    pub key: String,
    /// What receivers tell doubles by.
    pub uid: String,
    /// What it says.
    pub kind: EventKind,
    /// What it is about.
    pub topic: Topic,
    /// The host it is about.
    pub host: Option<HostId>,
    /// When it happened.
    pub at: Timestamp,
    /// One short line.
    pub summary: String,
    /// The whole of it, as JSON.
    pub body: String,
    /// Receivers and targets that are to be told.
    pub recipients: Vec<(Label, String)>,
    /// It is kept even if nobody is to be told, since a recovery may follow.
    pub is_kept: bool,
}

/// What came of raising events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Raising {
    /// Events that are new.
    pub events: usize,
    /// Deliveries that are new.
    pub deliveries: usize,
}

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryStatus {
    /// It will be tried, perhaps again.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// It is not tried again unless somebody asks for it.
    GivenUp,
}

impl DeliveryStatus {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::GivenUp => "given-up",
        }
    }
}

impl std::str::FromStr for DeliveryStatus {
    type Err = crate::core::model::Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Waiting, Self::Delivered, Self::GivenUp];
        all.into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| Self::Err::new(text, "the status of a delivery", ""))
    }
}

/// One event for one target of one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// Its row.
    pub id: DeliveryId,
    /// The event.
    pub event: EventId,
    /// What the event says.
    pub kind: EventKind,
    /// The event in one short line.
    pub summary: String,
    /// The whole event, as JSON.
    pub body: String,
    /// The receiver.
    pub receiver: Label,
    /// Its target, by kind and place.
    pub target: String,
    /// How far it has come.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was asked for, or asked for again.
    pub raised_at: Timestamp,
    /// When it is tried next.
    pub next_at: Timestamp,
    /// When it was delivered or given up.
    pub settled_at: Option<Timestamp>,
    /// What stood against it the last time; holds no address and no credential.
    pub last_error: String,
}

/// The right to send one delivery once: one process has it at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryClaim {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The process.
    pub process: String,
    /// Which attempt it is; a later claim of the same row has another number.
    pub attempt: u32,
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The receiver has it.
    Delivered,
    /// It is tried again.
    Again {
        /// When.
        at: Timestamp,
        /// Why.
        error: String,
    },
    /// It is not tried again by itself.
    GivenUp {
        /// Why.
        error: String,
    },
}

/// Which deliveries are asked for; everything if left at its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// To this receiver alone.
    pub receiver: Option<Label>,
    /// Only what has not been delivered.
    pub undelivered: bool,
}

/// What has not reached its receivers.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Backlog {
    /// Deliveries that wait.
    pub waiting: usize,
    /// Since when the oldest of them waits.
    pub waiting_since: Option<Timestamp>,
    /// Deliveries that were given up.
    pub given_up: usize,
}

/// Figures of a host's backups, for monitoring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackupFigures {
    /// Bytes of all files of its newest complete snapshot.
    pub bytes: Option<u64>,
    /// How many of them went over the wire.
    pub bytes_transferred: Option<u64>,
    /// How many files it has.
    pub files: Option<u64>,
    /// Backups since the last complete one that ended otherwise; those that somebody stopped do not count.
    pub failures: u64,
}

/// How many snapshots a host has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotCounts {
    /// Complete ones.
    pub complete: usize,
    /// Complete ones that are suspect.
    pub suspect: usize,
}
