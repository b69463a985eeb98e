//! Every operation of [`Store`], written once for every database that has a session.

mod accounts;
mod activity;
mod claims;
mod deliveries;
mod discovery;
mod events;
mod fleet;
mod host_status;
mod hosts;
mod inspections;
mod leases;
mod meta;
mod outbox;
mod pages;
mod plans;
mod progress;
mod prune;
mod reader;
mod roots;
mod runs;
mod servers;
mod settings;
pub(super) mod snapshots;
pub(super) mod state;
mod wishes;
mod writes;

use std::collections::BTreeMap;

use camino::Utf8Path;

use crate::core::health::Activity;
use crate::core::model::{
    AbsolutePath, Fingerprint, GlobalSettings, Hold, HostId, HostName, Label, Lineage, Pause,
    PlanId, Policy, RootId, RunId, Serial, Snapshot, SnapshotId, SqlState, Timestamp,
};

use super::session::Database;
use super::{
    Approval, BackupFigures, BackupWish, Claim, Claimed, ConfigChange, Configured, Discovered,
    Discovery, HeldLease, HistoryEntry, HostKey, HostSchedule, Lease, LeaseWish, Leased, LostRun,
    Marking, NewPlan, NewRun, NewSnapshot, PendingRetry, PlanKind, PlanSummary, RecordedPlan,
    RootRecord, RunEnd, RunFilter, RunRecord, ServerRecord, SnapshotCounts, SnapshotEnd,
    SnapshotFilter, SnapshotRecord, Store, StoreError,
};

impl<D: Database> Store for D {
    fn lineage(&self) -> Result<Lineage, StoreError> {
        self.read(|s| meta::identity(s).map(|(lineage, _)| lineage))
    }

    fn serial(&self) -> Result<Serial, StoreError> {
        self.read(|s| meta::identity(s).map(|(_, serial)| serial))
    }

    fn load_state(&self) -> Result<SqlState, StoreError> {
        self.read(|s| state::load(s))
    }

    fn load_state_of(&self, host: HostKey<'_>) -> Result<SqlState, StoreError> {
        self.read(|s| state::load_of(s, host))
    }

    fn global_settings(&self) -> Result<GlobalSettings, StoreError> {
        let found = self.read(|s| state::global(s))?;
        Ok(found.map(|global| global.settings).unwrap_or_default())
    }

    fn schedules(&self) -> Result<Vec<HostSchedule>, StoreError> {
        self.read(|s| state::schedules(s, None))
    }

    fn schedules_of(&self, host: HostId) -> Result<Vec<HostSchedule>, StoreError> {
        self.read(|s| state::schedules(s, Some(host)))
    }

    fn configure(&self, change: &ConfigChange) -> Result<Configured, StoreError> {
        self.write(|s| writes::configure(s, change))
    }

    fn history_page(&self, skip: u32, limit: u32) -> Result<Vec<HistoryEntry>, StoreError> {
        self.read(|s| meta::history(s, skip, limit))
    }

    fn record_plan(
        &self,
        expected: Serial,
        plan: &NewPlan,
        actor: &str,
        at: Timestamp,
    ) -> Result<PlanId, StoreError> {
        self.write(|s| {
            meta::lock_serial(s, expected)?;
            plans::insert(s, plan, expected, actor, at)
        })
    }

    fn plan(&self, id: PlanId) -> Result<Option<RecordedPlan>, StoreError> {
        self.read(|s| plans::get(s, id))
    }

    fn plans_page(&self, skip: u32, limit: u32) -> Result<Vec<PlanSummary>, StoreError> {
        self.read(|s| plans::list(s, skip, limit))
    }

    fn approvals_of(&self, plan: PlanId) -> Result<Vec<Approval>, StoreError> {
        self.read(|s| plans::approvals_of(s, plan))
    }

    fn listed_by(&self, plan: PlanId) -> Result<Vec<SnapshotRecord>, StoreError> {
        self.read(|s| snapshots::listed_by(s, plan))
    }

    fn plan_by_fingerprint(
        &self,
        kind: PlanKind,
        fingerprint: &Fingerprint,
    ) -> Result<Option<PlanSummary>, StoreError> {
        self.read(|s| plans::by_fingerprint(s, kind, fingerprint))
    }

    fn approvals(&self, host: Option<HostId>, limit: u32) -> Result<Vec<Approval>, StoreError> {
        self.read(|s| plans::approvals(s, host, limit))
    }

    fn policy(&self, fingerprint: &Fingerprint) -> Result<Option<Policy>, StoreError> {
        self.read(|s| plans::policy(s, fingerprint))
    }

    fn root_seen(
        &self,
        root: &RootId,
        path: &AbsolutePath,
        server: Option<&Label>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|s| roots::seen(s, root, path, server, at))
    }

    fn roots(&self) -> Result<Vec<RootRecord>, StoreError> {
        self.read(|s| roots::list(s))
    }

    fn snapshots(&self, filter: &SnapshotFilter) -> Result<Vec<SnapshotRecord>, StoreError> {
        self.read(|s| snapshots::list(s, filter))
    }

    fn snapshots_by_host(
        &self,
        root: Option<&RootId>,
    ) -> Result<BTreeMap<HostId, Vec<Snapshot>>, StoreError> {
        self.read(|s| snapshots::by_host(s, root))
    }

    fn begin_snapshot(&self, new: &NewSnapshot) -> Result<SnapshotId, StoreError> {
        self.write(|s| snapshots::begin(s, new))
    }

    fn finish_snapshot(&self, end: &SnapshotEnd, run: Option<&RunEnd>) -> Result<(), StoreError> {
        self.write(|s| {
            snapshots::finish(s, end)?;
            run.map_or(Ok(()), |run| runs::finish(s, run))
        })
    }

    fn record_discovered(
        &self,
        host: HostId,
        root: &RootId,
        found: &[Discovered],
    ) -> Result<Discovery, StoreError> {
        self.write(|s| discovery::record(s, host, root, found))
    }

    fn mark_missing(&self, snapshots: &[SnapshotId]) -> Result<usize, StoreError> {
        self.write(|s| discovery::mark_missing(s, snapshots))
    }

    fn give_directory(&self, host: HostId, directory: &HostName) -> Result<bool, StoreError> {
        self.write(|s| hosts::give_directory(s, host, directory))
    }

    fn link_bases(&self, host: HostId) -> Result<usize, StoreError> {
        self.write(|s| discovery::link_bases(s, host))
    }

    fn hold(&self, snapshot: SnapshotId, hold: &Hold) -> Result<(), StoreError> {
        self.write(|s| snapshots::hold(s, snapshot, hold))
    }

    fn unhold(&self, snapshot: SnapshotId, actor: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.write(|s| snapshots::unhold(s, snapshot, actor, at))
    }

    fn acknowledge(
        &self,
        host: HostId,
        actor: &str,
        at: Timestamp,
    ) -> Result<Vec<SnapshotId>, StoreError> {
        self.write(|s| snapshots::acknowledge(s, host, actor, at))
    }

    fn mark_deleting(
        &self,
        snapshot: SnapshotId,
        plan: PlanId,
        lease: &Lease,
        at: Timestamp,
    ) -> Result<Marking, StoreError> {
        self.write(|s| prune::mark_deleting(s, snapshot, plan, lease, at))
    }

    fn mark_deleted(
        &self,
        snapshot: SnapshotId,
        lease: &Lease,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(|s| {
            leases::must_be_ours(s, lease)?;
            prune::mark_deleted(s, snapshot, at)
        })
    }

    fn take_back_deletion(&self, snapshot: SnapshotId, lease: &Lease) -> Result<bool, StoreError> {
        self.write(|s| {
            leases::must_be_ours(s, lease)?;
            prune::take_back(s, snapshot)
        })
    }

    fn take_lease(&self, wish: &LeaseWish) -> Result<Leased, StoreError> {
        self.write(|s| leases::take(s, wish))
    }

    fn renew_lease(&self, lease: &Lease) -> Result<bool, StoreError> {
        self.write(|s| leases::renew(s, lease))
    }

    fn release_lease(&self, lease: &Lease) -> Result<bool, StoreError> {
        self.write(|s| leases::release(s, lease))
    }

    fn held_leases(&self, server: Option<&Label>) -> Result<Vec<HeldLease>, StoreError> {
        self.read(|s| leases::held(s, server))
    }

    fn unleased_runs(&self, server: Option<&Label>) -> Result<Vec<RunId>, StoreError> {
        self.read(|s| leases::unleased(s, server))
    }

    fn settle_lost_run(&self, lost: &LostRun) -> Result<bool, StoreError> {
        self.write(|s| leases::settle_lost(s, lost))
    }

    fn complete_interrupted(&self, end: &RunEnd) -> Result<bool, StoreError> {
        self.write(|s| runs::complete_interrupted(s, end))
    }

    fn deleting_rows(&self, host: HostId) -> Result<Vec<SnapshotRecord>, StoreError> {
        self.read(|s| snapshots::deleting(s, host))
    }

    fn begin_run(&self, new: &NewRun) -> Result<RunId, StoreError> {
        self.write(|s| runs::begin(s, new))
    }

    fn finish_run(&self, end: &RunEnd) -> Result<(), StoreError> {
        self.write(|s| runs::finish(s, end))
    }

    fn heartbeat(&self, run: RunId, at: Timestamp) -> Result<bool, StoreError> {
        self.write(|s| runs::heartbeat(s, run, at))
    }

    fn record_progress(&self, run: RunId, bytes: u64, at: Timestamp) -> Result<bool, StoreError> {
        self.write(|s| claims::progress(s, run, bytes, at))
    }

    fn cancel_run(&self, run: RunId, actor: &str, at: Timestamp) -> Result<(), StoreError> {
        self.write(|s| wishes::cancel(s, run, actor, at))
    }

    fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        self.write(|s| claims::claim(s, claim))
    }

    fn plan_retry(&self, run: RunId, at: Timestamp) -> Result<bool, StoreError> {
        self.write(|s| claims::plan_retry(s, run, at))
    }

    fn retries(&self) -> Result<Vec<PendingRetry>, StoreError> {
        self.read(|s| claims::retries(s))
    }

    fn wish_backup(&self, host: HostId, by: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.write(|s| wishes::backup(s, host, by, at))
    }

    fn backup_wishes(&self, since: Timestamp) -> Result<Vec<BackupWish>, StoreError> {
        self.read(|s| wishes::backups(s, since))
    }

    fn pause(&self, host: HostId, pause: &Pause) -> Result<bool, StoreError> {
        self.write(|s| wishes::pause(s, host, pause))
    }

    fn resume(&self, host: HostId, actor: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.write(|s| wishes::resume(s, host, actor, at))
    }

    fn interrupt_runs(
        &self,
        process: &str,
        message: &str,
        at: Timestamp,
    ) -> Result<Vec<RunId>, StoreError> {
        self.write(|s| runs::interrupt(s, process, message, at))
    }

    fn runs(&self, filter: &RunFilter, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        self.read(|s| runs::list(s, filter, limit))
    }

    fn activity(&self, root: Option<&RootId>) -> Result<BTreeMap<HostId, Activity>, StoreError> {
        self.read(|s| activity::newest(s, root, None))
    }

    fn backup_figures(
        &self,
        root: Option<&RootId>,
    ) -> Result<BTreeMap<HostId, BackupFigures>, StoreError> {
        self.read(|s| activity::figures(s, root, None))
    }

    fn snapshot_counts(
        &self,
        root: Option<&RootId>,
    ) -> Result<BTreeMap<HostId, SnapshotCounts>, StoreError> {
        self.read(|s| activity::counts(s, root, None))
    }

    fn server_seen(
        &self,
        server: Option<&Label>,
        process: &str,
        version: &str,
    ) -> Result<(), StoreError> {
        self.write(|s| servers::seen(s, server, process, version))
    }

    fn servers(&self) -> Result<Vec<ServerRecord>, StoreError> {
        self.read(|s| servers::list(s))
    }

    fn hosts_by_server(&self) -> Result<Vec<(Option<Label>, usize)>, StoreError> {
        self.read(|s| servers::hosts(s))
    }

    fn sign_of_life(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|s| meta::sign_of_life(s))
    }

    fn record_sign_of_life(&self, at: Timestamp) -> Result<(), StoreError> {
        self.write(|s| meta::record_sign_of_life(s, at))
    }

    fn backup_to(&self, path: &Utf8Path) -> Result<(), StoreError> {
        self.copy_to(path)
    }
}
