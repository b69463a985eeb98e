//! The one interface to the database.

use std::collections::BTreeMap;

use camino::Utf8Path;

use crate::core::health::Activity;
use crate::core::model::{
    AbsolutePath, Fingerprint, GlobalSettings, Hold, HostId, HostName, Label, Lineage, Pause,
    PlanId, Policy, RootId, RunId, Serial, Snapshot, SnapshotId, SqlState, Timestamp,
};

use super::{
    Accounts, Approval, BackupFigures, BackupWish, Claim, Claimed, ConfigChange, Configured,
    Discovered, Discovery, Fleet, HeldLease, HistoryEntry, HostKey, HostSchedule, Inspections,
    Lease, LeaseWish, Leased, LostRun, Marking, NewPlan, NewRun, NewSnapshot, Outbox, Pages,
    PendingRetry, PlanKind, PlanSummary, RecordedPlan, RootRecord, RunEnd, RunFilter, RunRecord,
    ServerRecord, SnapshotCounts, SnapshotEnd, SnapshotFilter, SnapshotRecord, StoreError,
};

/// Everything that the program asks of its database. Each call is one transaction.
///
/// It may be shared between threads. Lists are newest first unless said otherwise; `limit` is the most that comes back.
///
/// # Errors
/// Every call fails with [`StoreError`] when the database cannot be read or written, and names what else can go wrong.
pub trait Store: Accounts + Fleet + Inspections + Outbox + Pages + Send + Sync {
    /// The identity of the database.
    fn lineage(&self) -> Result<Lineage, StoreError>;

    /// How many configuration changes the database has seen.
    fn serial(&self) -> Result<Serial, StoreError>;

    /// Everything a plan needs to know of SQL but the snapshots, in three statements.
    fn load_state(&self) -> Result<SqlState, StoreError>;

    /// As [`Store::load_state`], of the hosts of this key alone.
    fn load_state_of(&self, host: HostKey<'_>) -> Result<SqlState, StoreError>;

    /// The settings of the whole service; those built in if none were set.
    fn global_settings(&self) -> Result<GlobalSettings, StoreError>;

    /// Every schedule of hosts that are active and not paused, by host and place in its list.
    fn schedules(&self) -> Result<Vec<HostSchedule>, StoreError>;

    /// The schedules of one host, by place in its list; none unless it is active and not paused.
    fn schedules_of(&self, host: HostId) -> Result<Vec<HostSchedule>, StoreError>;

    /// Writes one change of the configuration, records its plan and approvals and a line of history: all or nothing.
    ///
    /// The serial grows by one if a row of a host or the settings of the service changed; else plan and approvals are
    /// recorded under the same serial. What changes nothing and records nothing leaves no trace.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if the serial is not the expected one; [`StoreError::NameTaken`], [`StoreError::Unknown`],
    /// [`StoreError::Retired`], [`StoreError::Protected`], [`StoreError::NotThePolicyInForce`],
    /// [`StoreError::ApprovalWithoutPlan`] if the change cannot be.
    fn configure(&self, change: &ConfigChange) -> Result<Configured, StoreError>;

    /// The history of configuration, approvals, holds and acknowledgements.
    fn history(&self, limit: u32) -> Result<Vec<HistoryEntry>, StoreError> {
        self.history_page(0, limit)
    }

    /// The history, without its `skip` newest lines.
    fn history_page(&self, skip: u32, limit: u32) -> Result<Vec<HistoryEntry>, StoreError>;

    /// Records a plan that will be carried out without a change of configuration.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if the serial is no longer the one that the plan was made from; [`StoreError::Unknown`] if it
    /// lists a snapshot that is none.
    fn record_plan(
        &self,
        expected: Serial,
        plan: &NewPlan,
        actor: &str,
        at: Timestamp,
    ) -> Result<PlanId, StoreError>;

    /// One recorded plan.
    fn plan(&self, id: PlanId) -> Result<Option<RecordedPlan>, StoreError>;

    /// Recorded plans without their bodies.
    fn plans(&self, limit: u32) -> Result<Vec<PlanSummary>, StoreError> {
        self.plans_page(0, limit)
    }

    /// Recorded plans, without the `skip` newest.
    fn plans_page(&self, skip: u32, limit: u32) -> Result<Vec<PlanSummary>, StoreError>;

    /// The approvals that a plan gave, by host.
    fn approvals_of(&self, plan: PlanId) -> Result<Vec<Approval>, StoreError>;

    /// Every snapshot that a plan listed for deletion, as it is now: by host, start and name.
    fn listed_by(&self, plan: PlanId) -> Result<Vec<SnapshotRecord>, StoreError>;

    /// The newest plan of this kind and fingerprint: that it was carried out before.
    fn plan_by_fingerprint(
        &self,
        kind: PlanKind,
        fingerprint: &Fingerprint,
    ) -> Result<Option<PlanSummary>, StoreError>;

    /// Approvals, of one host or all.
    fn approvals(&self, host: Option<HostId>, limit: u32) -> Result<Vec<Approval>, StoreError>;

    /// A policy that some host has or had.
    fn policy(&self, fingerprint: &Fingerprint) -> Result<Option<Policy>, StoreError>;

    /// Records that a root was seen at a path, by the server that owns it.
    fn root_seen(
        &self,
        root: &RootId,
        path: &AbsolutePath,
        server: Option<&Label>,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Every root ever seen, the one seen last first.
    fn roots(&self) -> Result<Vec<RootRecord>, StoreError>;

    /// Snapshots by host, start and name, oldest first.
    fn snapshots(&self, filter: &SnapshotFilter) -> Result<Vec<SnapshotRecord>, StoreError>;

    /// The snapshots of every host by start and name, oldest first, without deleted ones, in one statement.
    ///
    /// Retention is per host and root: pass the root that this server owns.
    fn snapshots_by_host(
        &self,
        root: Option<&RootId>,
    ) -> Result<BTreeMap<HostId, Vec<Snapshot>>, StoreError>;

    /// Records that a run begins to pull a snapshot: its row says `running`, and the run makes it.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such a run or root, [`StoreError::RunIs`] if the run has ended.
    fn begin_snapshot(&self, new: &NewSnapshot) -> Result<SnapshotId, StoreError>;

    /// Records how a pull ended, links its base where that is known, and ends its run in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such a snapshot, [`StoreError::SnapshotIs`] if it is not `running`; for the run as
    /// [`Store::finish_run`].
    fn finish_snapshot(&self, end: &SnapshotEnd, run: Option<&RunEnd>) -> Result<(), StoreError>;

    /// Records what was found on disk for one host and root, and links bases.
    ///
    /// What a live run works on and what is being deleted is left alone. Of rows that were there, gaps are filled; holds
    /// and suspect marks found on disk are taken over, never taken away.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such a host or root.
    fn record_discovered(
        &self,
        host: HostId,
        root: &RootId,
        found: &[Discovered],
    ) -> Result<Discovery, StoreError>;

    /// Gives a host that has no snapshots yet the directory in which some of it were found; says whether it was done: a
    /// host with snapshots keeps its own, and no directory has two hosts.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such a host.
    fn give_directory(&self, host: HostId, directory: &HostName) -> Result<bool, StoreError>;

    /// Sets snapshots whose directory is gone to `missing`, and says how many: not those that a live run works on, nor
    /// those being deleted or deleted.
    fn mark_missing(&self, snapshots: &[SnapshotId]) -> Result<usize, StoreError>;

    /// Links the snapshots of a host to the rows of their bases where the name is known and the row is not; says how many.
    fn link_bases(&self, host: HostId) -> Result<usize, StoreError>;

    /// Pins a snapshot, in place of an earlier hold.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such a snapshot, [`StoreError::SnapshotIs`] if it is going or gone.
    fn hold(&self, snapshot: SnapshotId, hold: &Hold) -> Result<(), StoreError>;

    /// Takes the hold off a snapshot; says whether there was one.
    fn unhold(&self, snapshot: SnapshotId, actor: &str, at: Timestamp) -> Result<bool, StoreError>;

    /// Takes the suspect marks off the snapshots of a host; says which had one.
    fn acknowledge(
        &self,
        host: HostId,
        actor: &str,
        at: Timestamp,
    ) -> Result<Vec<SnapshotId>, StoreError>;

    /// Sets a snapshot to `deleting` by one conditional update, durable when this returns.
    ///
    /// The update holds only if the plan is recorded, listed this snapshot and was made at the serial in force, if no hold
    /// is in force at `at` and no live run works on it, if it is on disk and no later plan is deleting it, and if the
    /// lease of its host is still ours.
    fn mark_deleting(
        &self,
        snapshot: SnapshotId,
        plan: PlanId,
        lease: &Lease,
        at: Timestamp,
    ) -> Result<Marking, StoreError>;

    /// Sets a snapshot that was `deleting` to `deleted`; says whether it was.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if its host is not ours any more.
    fn mark_deleted(
        &self,
        snapshot: SnapshotId,
        lease: &Lease,
        at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Sets a snapshot that is `deleting`, and still stands whole in its place, back to `complete`; says whether it was.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if its host is not ours any more.
    fn take_back_deletion(&self, snapshot: SnapshotId, lease: &Lease) -> Result<bool, StoreError>;

    /// Takes the right to work on a host, unless somebody else has it; a later taking has a larger fence.
    fn take_lease(&self, wish: &LeaseWish) -> Result<Leased, StoreError>;

    /// Makes a lease last anew; false once somebody else has taken the host over.
    fn renew_lease(&self, lease: &Lease) -> Result<bool, StoreError>;

    /// Gives a lease back; false if it was no longer ours.
    fn release_lease(&self, lease: &Lease) -> Result<bool, StoreError>;

    /// The leases of a server that are in force.
    fn held_leases(&self, server: Option<&Label>) -> Result<Vec<HeldLease>, StoreError>;

    /// The runs of a server that say `running` and whose lease has expired or was taken over.
    fn unleased_runs(&self, server: Option<&Label>) -> Result<Vec<RunId>, StoreError>;

    /// Ends a run that nobody works on any more, and sees to it that whoever still wants to can not; false if it has ended,
    /// or its lease is in force and its process not known to be gone.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such a run.
    fn settle_lost_run(&self, lost: &LostRun) -> Result<bool, StoreError>;

    /// Records that a run that was taken for interrupted has done its work; false if it says something else by now.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such a run.
    fn complete_interrupted(&self, end: &RunEnd) -> Result<bool, StoreError>;

    /// What a killed prune of a host has left: rows that say `deleting`, oldest first.
    fn deleting_rows(&self, host: HostId) -> Result<Vec<SnapshotRecord>, StoreError>;

    /// Records that a run begins.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such a host or plan.
    fn begin_run(&self, new: &NewRun) -> Result<RunId, StoreError>;

    /// Records how a run ended. A run that was taken for interrupted may still tell, unless its host was taken over.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if somebody else has taken its host over;
    /// [`StoreError::Unknown`] without such a run, [`StoreError::RunIs`] if it has ended otherwise, or if `running` is
    /// given for an end.
    fn finish_run(&self, end: &RunEnd) -> Result<(), StoreError>;

    /// Records that a run is alive; false if it has been ended from elsewhere or somebody wants it to stop: it must stop.
    fn heartbeat(&self, run: RunId, at: Timestamp) -> Result<bool, StoreError>;

    /// Records how far a run is, and that it is alive; false as [`Store::heartbeat`].
    fn record_progress(&self, run: RunId, bytes: u64, at: Timestamp) -> Result<bool, StoreError>;

    /// Asks a run to stop, whatever process works on it.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such a run, [`StoreError::RunIs`] if it has ended.
    fn cancel_run(&self, run: RunId, actor: &str, at: Timestamp) -> Result<(), StoreError>;

    /// Makes what is due a run of ours, unless somebody was faster, a run is at work on the host, or enough backups run.
    ///
    /// The run says `running` when this returns, and its fires are settled: nobody else can claim them.
    fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError>;

    /// Sets when a run that a schedule asked for is tried again; false if it was asked for otherwise, runs or succeeded.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such a run.
    fn plan_retry(&self, run: RunId, at: Timestamp) -> Result<bool, StoreError>;

    /// What is to be tried again on hosts that are active and not paused, the earliest first. A later backup of the host
    /// makes a retry void.
    fn retries(&self) -> Result<Vec<PendingRetry>, StoreError>;

    /// Records that a person wants a host backed up by the server that it belongs to; false if somebody did already.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such a host, [`StoreError::Retired`] if it has left.
    fn wish_backup(&self, host: HostId, by: &str, at: Timestamp) -> Result<bool, StoreError>;

    /// The backups that were asked for so, not before `since`, of hosts that are active and not paused, the earliest
    /// first. The claim that takes one up ends it.
    fn backup_wishes(&self, since: Timestamp) -> Result<Vec<BackupWish>, StoreError>;

    /// Pauses a host, whatever its configuration says; false if it was paused so already.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such a host, [`StoreError::Retired`] if it has left.
    fn pause(&self, host: HostId, pause: &Pause) -> Result<bool, StoreError>;

    /// Ends the pause of a host; what fired meanwhile is not made up for. False if there was none.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such a host.
    fn resume(&self, host: HostId, actor: &str, at: Timestamp) -> Result<bool, StoreError>;

    /// Sets every run that is still `running` under a process which is known to be gone to `interrupted`; says which.
    fn interrupt_runs(
        &self,
        process: &str,
        message: &str,
        at: Timestamp,
    ) -> Result<Vec<RunId>, StoreError>;

    /// Runs.
    fn runs(&self, filter: &RunFilter, limit: u32) -> Result<Vec<RunRecord>, StoreError>;

    /// The newest of what happened to every host, in four statements that read a few rows a host, however long its
    /// history is.
    fn activity(&self, root: Option<&RootId>) -> Result<BTreeMap<HostId, Activity>, StoreError>;

    /// Figures of the backups of every host, in two statements that read a few rows a host; hosts without any are left out.
    fn backup_figures(
        &self,
        root: Option<&RootId>,
    ) -> Result<BTreeMap<HostId, BackupFigures>, StoreError>;

    /// How many complete snapshots every host has on a root, in one statement; hosts without any are left out.
    fn snapshot_counts(
        &self,
        root: Option<&RootId>,
    ) -> Result<BTreeMap<HostId, SnapshotCounts>, StoreError>;

    /// The last time that was recorded, for the guard against a clock that jumps.
    fn sign_of_life(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Records the time, as it is given: whoever records looks at the last one first.
    fn record_sign_of_life(&self, at: Timestamp) -> Result<(), StoreError>;

    /// Records that the scheduler of a server is at work, by the clock of the database.
    fn server_seen(
        &self,
        server: Option<&Label>,
        process: &str,
        version: &str,
    ) -> Result<(), StoreError>;

    /// Every server that a scheduler ever ran for, by name.
    fn servers(&self) -> Result<Vec<ServerRecord>, StoreError>;

    /// How many hosts that have not been retired name each server, or none.
    fn hosts_by_server(&self) -> Result<Vec<(Option<Label>, usize)>, StoreError>;

    /// Copies the database, whole and checked, to a file that takes the place of an older copy.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the copy is not sound; the older one is then left.
    fn backup_to(&self, path: &Utf8Path) -> Result<(), StoreError>;
}
