//! A fresh store, and words to fill it with.

use std::ops::Deref;

use camino::Utf8PathBuf;
use serde_json::json;
use tempfile::TempDir;

use super::mariadb_server;

use crate::core::model::{
    Count, Fingerprint, HostId, HostName, HostSettings, Keep, ManagedBy, PlanId, Policy, RootId,
    RunId, RunKind, Serial, SnapshotId, SnapshotKind, SnapshotsOnRemoval, Span, SqlHost, Timestamp,
};
use crate::store::{
    ConfigChange, Configured, HostContent, HostWrite, Lease, LeaseWish, Leased, Marking, NewPlan,
    NewRun, NewSnapshot, Opened, PlanKind, RunEnd, Settled, SnapshotEnd, SnapshotFilter, Store,
    StoreError,
};

/// A store that nobody else uses.
pub(in crate::store) struct Fixture {
    pub(in crate::store) store: Opened,
    _folder: Option<TempDir>,
}

impl Fixture {
    /// MariaDB chooses its plans by what the tables hold, and words them its own way; the indexes are the same.
    pub(in crate::store) fn explains_like_sqlite(&self) -> bool {
        matches!(self.store, Opened::Sqlite(_))
    }
}

impl Deref for Fixture {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &self.store
    }
}

pub(in crate::store) fn fresh_sqlite() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().join("pobsync.db")).unwrap();
    Fixture {
        store: Opened::open_or_create(&(&path).into()).unwrap(),
        _folder: Some(folder),
    }
}

pub(in crate::store) fn fresh_mariadb() -> Fixture {
    let server = mariadb_server::shared();
    let address = server.url(&server.new_database());
    Fixture {
        store: Opened::open_or_create(&address.parse().unwrap()).unwrap(),
        _folder: None,
    }
}

/// The moment `seconds` after a day in 2026.
pub(in crate::store) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_424_400_000 + seconds * 1000)
}

pub(in crate::store) fn name(text: &str) -> HostName {
    text.parse().unwrap()
}

pub(in crate::store) fn root() -> RootId {
    RootId::from_random([7; 16])
}

pub(in crate::store) fn policy(daily: u32) -> Policy {
    Policy::of(Keep {
        daily: std::num::NonZeroU32::new(daily).map(Count::Number),
        ..Keep::default()
    })
}

pub(in crate::store) fn settings() -> HostSettings {
    serde_json::from_value(json!({
        "address": "web.example.net",
        "enabled": true,
        "protect": false,
        "ssh": { "user": "root", "port": 22 },
        "rsync": {
            "xattrs": true, "acls": true, "one-file-system": false, "specials": false,
            "timeout": "10m", "deadline": "24h", "incremental": "link-dest"
        },
        "sources": ["/etc"],
        "excludes": [],
        "retention": serde_json::to_value(policy(7)).unwrap(),
        "schedules": [
            { "name": "nightly", "cron": "15 2 * * *", "timezone": "Europe/Amsterdam", "jitter": "20m", "prune": true },
            { "cron": "0 12 * * *", "timezone": "UTC", "jitter": "0s", "prune": false }
        ],
        "timezone": "UTC",
        "accept-partial": false,
        "suspect-percent": 50
    }))
    .unwrap()
}

/// What an apply writes.
pub(in crate::store) fn applied(settings: HostSettings) -> Box<HostContent> {
    Box::new(HostContent {
        managed_by: ManagedBy::Kdl,
        applied: Some(settings.clone()),
        settings,
    })
}

pub(in crate::store) fn create(host: &str) -> HostWrite {
    HostWrite::Create {
        name: name(host),
        content: applied(settings()),
    }
}

/// A change of nothing, made from the state that the store is in.
pub(in crate::store) fn change(store: &dyn Store) -> ConfigChange {
    ConfigChange {
        expected_serial: store.serial().unwrap(),
        actor: "alice".to_owned(),
        at: at(0),
        summary: "apply pobsync.kdl".to_owned(),
        global: None,
        hosts: Vec::new(),
        plan: None,
        approvals: Vec::new(),
    }
}

pub(in crate::store) fn write(store: &dyn Store, hosts: Vec<HostWrite>) {
    let change = ConfigChange {
        hosts,
        ..change(store)
    };
    store.configure(&change).unwrap();
}

pub(in crate::store) fn host(store: &dyn Store, host: &str) -> SqlHost {
    let state = store.load_state().unwrap();
    state.host(&name(host)).unwrap().clone()
}

/// A host called `web-01`, and a root.
pub(in crate::store) fn with_host(store: &dyn Store) -> HostId {
    write(store, vec![create("web-01")]);
    store
        .root_seen(&root(), &"/mnt/backups".parse().unwrap(), None, at(0))
        .unwrap();
    host(store, "web-01").id
}

pub(in crate::store) fn plan(kind: PlanKind, deletions: Vec<SnapshotId>) -> NewPlan {
    NewPlan {
        kind,
        fingerprint: Fingerprint::of(&"plan"),
        deletions_fingerprint: Fingerprint::of(&deletions),
        revision: Some("abc123".to_owned()),
        body: r#"{"format_version": 1}"#.to_owned(),
        deletions,
    }
}

pub(in crate::store) fn record(store: &dyn Store, deletions: Vec<SnapshotId>) -> PlanId {
    let serial: Serial = store.serial().unwrap();
    store
        .record_plan(serial, &plan(PlanKind::Prune, deletions), "alice", at(50))
        .unwrap()
}

pub(in crate::store) fn begin_run(store: &dyn Store, host: HostId) -> RunId {
    store
        .begin_run(&NewRun {
            host,
            kind: RunKind::Backup,
            started_at: at(1),
            process: "process-1".to_owned(),
            plan: None,
            log_path: Some("/var/log/pobsync/1.log".into()),
            lease: None,
        })
        .unwrap()
}

pub(in crate::store) fn begin_snapshot(store: &dyn Store, run: RunId, name: &str) -> SnapshotId {
    store.begin_snapshot(&new_snapshot(run, name)).unwrap()
}

pub(in crate::store) fn new_snapshot(run: RunId, name: &str) -> NewSnapshot {
    NewSnapshot {
        run,
        root: root(),
        kind: SnapshotKind::Scheduled,
        name: name.parse().unwrap(),
        started_at: at(2),
        base: None,
    }
}

pub(in crate::store) fn end_of(snapshot: SnapshotId, settled: Settled) -> SnapshotEnd {
    SnapshotEnd {
        snapshot,
        settled,
        finished_at: at(9),
        base: None,
        bytes: Some(1000),
        files: Some(10),
        bytes_transferred: Some(100),
        rsync_exit: Some(0),
        suspect: false,
    }
}

pub(in crate::store) fn end_of_run(run: RunId) -> RunEnd {
    RunEnd {
        run,
        status: crate::core::model::RunStatus::Complete,
        at: at(10),
        message: "done".to_owned(),
        cause: None,
    }
}

/// A complete snapshot of a host, with a run of its own.
pub(in crate::store) fn complete(store: &dyn Store, host: HostId, name: &str) -> SnapshotId {
    let run = begin_run(store, host);
    let snapshot = begin_snapshot(store, run, name);
    store
        .finish_snapshot(&end_of(snapshot, Settled::Complete), Some(&end_of_run(run)))
        .unwrap();
    snapshot
}

pub(in crate::store) fn try_write(
    store: &dyn Store,
    hosts: Vec<HostWrite>,
) -> Result<Configured, StoreError> {
    store.configure(&ConfigChange {
        hosts,
        ..change(store)
    })
}

pub(in crate::store) fn update(host: &SqlHost, change: impl FnOnce(&mut HostContent)) -> HostWrite {
    let mut content = HostContent {
        managed_by: host.managed_by,
        settings: host.settings.clone(),
        applied: host.applied.clone(),
    };
    change(&mut content);
    HostWrite::Update {
        host: host.id,
        content: Box::new(content),
    }
}

pub(in crate::store) fn retire(host: HostId) -> HostWrite {
    HostWrite::Retire {
        host,
        snapshots: SnapshotsOnRemoval::Keep,
    }
}

/// The lease of the host of a snapshot, taken from whoever has it.
pub(in crate::store) fn lease_of(store: &dyn Store, snapshot: SnapshotId) -> Lease {
    let filter = SnapshotFilter {
        with_deleted: true,
        ..SnapshotFilter::default()
    };
    let rows = store.snapshots(&filter).unwrap();
    // A snapshot that does not exist is on no host.
    let row = rows.iter().find(|row| row.snapshot.id == snapshot);
    lease(store, row.map_or(HostId(1), |row| row.host))
}

/// The lease of a host, taken from whoever has it.
pub(in crate::store) fn lease(store: &dyn Store, host: HostId) -> Lease {
    let mut wish = LeaseWish {
        host,
        server: None,
        process: "process-1".to_owned(),
        length: Span::from_seconds(120),
        gone: None,
    };
    loop {
        match store.take_lease(&wish).unwrap() {
            Leased::Ours(lease) => return lease,
            Leased::Theirs { fence, .. } => wish.gone = Some(fence),
        }
    }
}

pub(in crate::store) fn mark_deleting(
    store: &dyn Store,
    snapshot: SnapshotId,
    plan: PlanId,
    at: Timestamp,
) -> Marking {
    let lease = lease_of(store, snapshot);
    let marked = store.mark_deleting(snapshot, plan, &lease, at).unwrap();
    store.release_lease(&lease).unwrap();
    marked
}

pub(in crate::store) fn mark_deleted(
    store: &dyn Store,
    snapshot: SnapshotId,
    at: Timestamp,
) -> bool {
    let lease = lease_of(store, snapshot);
    let deleted = store.mark_deleted(snapshot, &lease, at).unwrap();
    store.release_lease(&lease).unwrap();
    deleted
}

pub(in crate::store) fn take_back(store: &dyn Store, snapshot: SnapshotId) -> bool {
    let lease = lease_of(store, snapshot);
    let taken = store.take_back_deletion(snapshot, &lease).unwrap();
    store.release_lease(&lease).unwrap();
    taken
}

/// Gives the lease of a host back, whoever has it.
pub(in crate::store) fn give_back(store: &dyn Store, host: HostId) {
    assert!(store.release_lease(&lease(store, host)).unwrap());
}
