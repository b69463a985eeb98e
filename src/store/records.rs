//! Roots, snapshots, runs and history as rows.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;

use crate::core::model::{
    AbsolutePath, GlobalSettings, Hold, HostId, HostName, Label, PlanId, RootId, Run, RunCause,
    RunId, RunKind, RunStatus, Schedule, Serial, Snapshot, SnapshotId, SnapshotKind, SnapshotName,
    SnapshotStatus, Span, Timestamp,
};

use super::Lease;

/// A backup root that has been seen.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RootRecord {
    /// Its identity.
    pub id: RootId,
    /// Where it was seen last.
    pub path: AbsolutePath,
    /// The server that owns it; a lone one needs no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Label>,
    /// When it was seen first.
    pub first_seen: Timestamp,
    /// When it was seen last.
    pub last_seen: Timestamp,
}

impl RootRecord {
    /// The root of a server among those ever seen. One that a lone server without a name has used is that of whoever
    /// has its path now, where several servers have it each of them: the marker on it says whether it is the same.
    #[must_use]
    pub fn of_server<'a>(
        roots: &'a [Self],
        global: &GlobalSettings,
        server: Option<&Label>,
    ) -> Option<&'a Self> {
        let path = global.root_of(server)?;
        let of = |server: Option<&Label>| {
            let mut roots = roots.iter();
            roots.find(|root| root.path == *path && root.server.as_ref() == server)
        };
        match server {
            Some(_) => of(server).or_else(|| of(None)),
            // Names that were given up mean nothing.
            None => roots.iter().find(|root| root.path == *path),
        }
    }

    /// The root of every server, by the order of the settings, for whoever looks at all of them: each root once. One that
    /// a lone server has used is that of the first whose path it has, until one of them opens it.
    #[must_use]
    pub fn of_servers<'a, 'g>(
        roots: &'a [Self],
        global: &'g GlobalSettings,
    ) -> Vec<(&'g Label, Option<&'a Self>)> {
        let mut taken = BTreeSet::new();
        let servers = global.servers.iter().map(|server| &server.name);
        servers
            .map(|name| {
                let root = Self::of_server(roots, global, Some(name));
                (name, root.filter(|root| taken.insert(&root.id)))
            })
            .collect()
    }
}

/// A server that a scheduler has run for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRecord {
    /// Its name; a lone one needs none.
    pub name: Option<Label>,
    /// The process of the scheduler.
    pub process: String,
    /// Its version.
    pub version: String,
    /// The first sign of life, by the clock of the database.
    pub first_seen: Timestamp,
    /// The last one.
    pub last_seen: Timestamp,
    /// For how long nothing was heard, by the same clock.
    pub silent_for: Span,
}

/// How a host is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKey<'a> {
    /// By its row.
    Id(HostId),
    /// By its name, which several retired ones may share.
    Name(&'a HostName),
    /// By its directory, which no other ever had.
    Directory(&'a HostName),
}

/// One schedule of a host that is active and not paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSchedule {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub host_name: HostName,
    /// Its directory, which stays the same when it is renamed.
    pub directory: HostName,
    /// The server it belongs to, if its settings name one.
    pub server: Option<Label>,
    /// No fire up to here asks for a run any more.
    pub settled_until: Timestamp,
    /// The schedule.
    pub schedule: Schedule,
}

/// A snapshot with what only the store knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// The host.
    pub host: HostId,
    /// The root it lies on.
    pub root: RootId,
    /// The row of its base, where that is known.
    pub base_id: Option<SnapshotId>,
    /// Bytes that went over the wire.
    pub bytes_transferred: Option<u64>,
    /// What rsync ended with.
    pub rsync_exit: Option<i32>,
    /// The plan by which a prune deletes or deleted it.
    pub plan: Option<PlanId>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// All else.
    pub snapshot: Snapshot,
}

/// Which snapshots are asked for; everything if left at its default, but for deleted ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotFilter {
    /// Of this host alone.
    pub host: Option<HostId>,
    /// On this root alone.
    pub root: Option<RootId>,
    /// Of this kind alone.
    pub kind: Option<SnapshotKind>,
    /// Those that a prune has removed too.
    pub with_deleted: bool,
}

/// How a pull ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Settled {
    /// Whole, durable and visible.
    Complete,
    /// Some files could not be read.
    Partial,
    /// It failed.
    Failed,
}

impl From<Settled> for SnapshotStatus {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Complete => Self::Complete,
            Settled::Partial => Self::Partial,
            Settled::Failed => Self::Failed,
        }
    }
}

/// A pull that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSnapshot {
    /// The run that pulls; its host is the snapshot's.
    pub run: RunId,
    /// The root it is pulled into.
    pub root: RootId,
    /// Why it is made.
    pub kind: SnapshotKind,
    /// Its name.
    pub name: SnapshotName,
    /// When the pull begins.
    pub started_at: Timestamp,
    /// The snapshot it is to be linked against.
    pub base: Option<SnapshotName>,
}

/// A pull that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotEnd {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// How the pull ended.
    pub settled: Settled,
    /// When.
    pub finished_at: Timestamp,
    /// The snapshot it was in truth linked against.
    pub base: Option<SnapshotName>,
    /// Bytes of all files together.
    pub bytes: Option<u64>,
    /// How many files it has.
    pub files: Option<u64>,
    /// Bytes that went over the wire.
    pub bytes_transferred: Option<u64>,
    /// What rsync ended with.
    pub rsync_exit: Option<i32>,
    /// It shrank or changed beyond `suspect-percent`.
    pub suspect: bool,
}

/// A snapshot that was found on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// Its name.
    pub name: SnapshotName,
    /// The kind under which it lies.
    pub kind: SnapshotKind,
    /// What its place and metadata say of it.
    pub settled: Settled,
    /// When its pull began.
    pub started_at: Timestamp,
    /// When its pull ended.
    pub finished_at: Option<Timestamp>,
    /// The snapshot it was linked against.
    pub base: Option<SnapshotName>,
    /// Bytes of all files together.
    pub bytes: Option<u64>,
    /// How many files it has.
    pub files: Option<u64>,
    /// Bytes that went over the wire.
    pub bytes_transferred: Option<u64>,
    /// What rsync ended with.
    pub rsync_exit: Option<i32>,
    /// The hold written beside its metadata.
    pub hold: Option<Hold>,
    /// A suspect mark is written beside its metadata.
    pub suspect: bool,
}

/// What came of recording what is on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Rows that are new.
    pub new: usize,
    /// Rows that now say more, or something else.
    pub changed: usize,
    /// Rows that were left as they are.
    pub unchanged: usize,
    /// Rows whose base is now known.
    pub linked: usize,
}

/// What came of setting a snapshot to `deleting`; all but [`Marking::Marked`] leave the row as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "only a marked snapshot may be removed from disk"]
pub enum Marking {
    /// The row says `deleting` and points at the plan: the directory may go.
    Marked,
    /// There is no such snapshot.
    Unknown,
    /// The plan is not recorded, or did not list this snapshot.
    NotListed,
    /// The configuration changed since the plan was made.
    SerialMoved,
    /// A hold is in force.
    Held,
    /// Its host was paused meanwhile.
    Paused,
    /// A run is at work on it.
    Live,
    /// A later plan is deleting it already.
    LaterPlan,
    /// It is deleted or missing.
    Gone(SnapshotStatus),
    /// Somebody else has taken the host over.
    LeaseLost,
}

/// A run that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// The host it is about.
    pub host: HostId,
    /// What it does.
    pub kind: RunKind,
    /// When it begins.
    pub started_at: Timestamp,
    /// The process that works on it, as `lock` files name it.
    pub process: String,
    /// The plan it carries out.
    pub plan: Option<PlanId>,
    /// Where its log is written.
    pub log_path: Option<Utf8PathBuf>,
    /// The right to work on the host, of a run that does so: without it nothing that the run wants to record is recorded.
    pub lease: Option<Lease>,
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// The run.
    pub run: RunId,
    /// How it ended; `running` is refused.
    pub status: RunStatus,
    /// When.
    pub at: Timestamp,
    /// One sentence: what came of it.
    pub message: String,
    /// Why it did not end well; nothing for one that did, or that somebody stopped.
    pub cause: Option<RunCause>,
}

/// A run that nobody works on any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRun {
    /// How it ends.
    pub end: RunEnd,
    /// Its process is known to be gone: its lease need not expire first.
    pub is_gone: bool,
}

/// A run with what only the store knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// The host.
    pub host: HostId,
    /// The row of the snapshot it makes.
    pub snapshot_id: Option<SnapshotId>,
    /// Its last sign of life.
    pub heartbeat_at: Timestamp,
    /// Bytes of files handled so far.
    pub bytes: Option<u64>,
    /// Who wants it to stop.
    pub cancel_by: Option<String>,
    /// The schedule's part in it, if one asked for it.
    pub schedule: Option<RunSchedule>,
    /// Where its log is written.
    pub log_path: Option<Utf8PathBuf>,
    /// Why it did not end well.
    pub cause: Option<RunCause>,
    /// The person who asked for it on the pages.
    pub asked_by: Option<String>,
    /// The server it works for; a lone one needs no name.
    pub server: Option<Label>,
    /// It works on the directory of its host under a lease.
    pub has_lease: bool,
    /// All else.
    pub run: Run,
}

/// Why a schedule asked for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct RunSchedule {
    /// The fire it answers.
    pub fires_at: Timestamp,
    /// How often that was tried, this time included.
    pub attempt: u32,
    /// A prune follows a success.
    pub prune: bool,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
}

/// Which runs are asked for; everything if left at its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// This one alone.
    pub run: Option<RunId>,
    /// Of this host alone.
    pub host: Option<HostId>,
    /// Of this kind alone.
    pub kind: Option<RunKind>,
    /// Of this status alone.
    pub status: Option<RunStatus>,
    /// Older than this one alone: the next page of a list.
    pub before: Option<RunId>,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What, in one line.
    pub summary: String,
    /// The serial before.
    pub serial_before: Serial,
    /// The serial after: a larger one if the configuration changed.
    pub serial_after: Serial,
    /// What exactly, as JSON: of changed settings the old and the new values.
    pub detail: String,
}
