//! A fresh store, and words to fill it with.

use std::ops::Deref;

use camino::Utf8PathBuf;
use serde_json::json;
use tempfile::TempDir;

use crate::core::model::{
    Count, Fingerprint, HostId, HostName, HostSettings, Keep, ManagedBy, Policy, RootId, RunId,
    RunKind, Serial, SnapshotId, SnapshotKind, SnapshotsOnRemoval, SqlHost, Timestamp,
};
use crate::store::{
    ConfigChange, Configured, HostContent, HostWrite, NewPlan, NewRun, NewSnapshot, PlanKind,
    RunEnd, Settled, SnapshotEnd, Sqlite, Store, StoreError,
};

/// A store in a folder of its own.
pub(super) struct Fixture {
    pub(super) store: Sqlite,
    _folder: TempDir,
}

impl Deref for Fixture {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &self.store
    }
}

pub(super) fn fresh() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().join("pobsync.db")).unwrap();
    Fixture {
        store: Sqlite::open_or_create(&path).unwrap(),
        _folder: folder,
    }
}

/// The moment `seconds` after a day in 2026.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_424_400_000 + seconds * 1000)
}

pub(super) fn name(text: &str) -> HostName {
    text.parse().unwrap()
}

pub(super) fn root() -> RootId {
    RootId::from_random([7; 16])
}

pub(super) fn policy(daily: u32) -> Policy {
    Policy::of(Keep {
        daily: std::num::NonZeroU32::new(daily).map(Count::Number),
        ..Keep::default()
    })
}

pub(super) fn settings() -> HostSettings {
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
pub(super) fn applied(settings: HostSettings) -> Box<HostContent> {
    Box::new(HostContent {
        managed_by: ManagedBy::Kdl,
        applied: Some(settings.clone()),
        settings,
    })
}

pub(super) fn create(host: &str) -> HostWrite {
    HostWrite::Create {
        name: name(host),
        content: applied(settings()),
    }
}

/// A change of nothing, made from the state that the store is in.
pub(super) fn change(store: &dyn Store) -> ConfigChange {
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

pub(super) fn write(store: &dyn Store, hosts: Vec<HostWrite>) {
    let change = ConfigChange {
        hosts,
        ..change(store)
    };
    store.configure(&change).unwrap();
}

pub(super) fn host(store: &dyn Store, host: &str) -> SqlHost {
    let state = store.load_state().unwrap();
    state.host(&name(host)).unwrap().clone()
}

/// A host called `web-01`, and a root.
pub(super) fn with_host(store: &dyn Store) -> HostId {
    write(store, vec![create("web-01")]);
    store
        .root_seen(&root(), &"/mnt/backups".parse().unwrap(), at(0))
        .unwrap();
    host(store, "web-01").id
}

pub(super) fn plan(kind: PlanKind, deletions: Vec<SnapshotId>) -> NewPlan {
    NewPlan {
        kind,
        fingerprint: Fingerprint::of(&"plan"),
        deletions_fingerprint: Fingerprint::of(&deletions),
        revision: Some("abc123".to_owned()),
        body: r#"{"format_version": 1}"#.to_owned(),
        deletions,
    }
}

pub(super) fn record(store: &dyn Store, deletions: Vec<SnapshotId>) -> crate::core::model::PlanId {
    let serial: Serial = store.serial().unwrap();
    store
        .record_plan(serial, &plan(PlanKind::Prune, deletions), "alice", at(50))
        .unwrap()
}

pub(super) fn begin_run(store: &dyn Store, host: HostId) -> RunId {
    store
        .begin_run(&NewRun {
            host,
            kind: RunKind::Backup,
            started_at: at(1),
            process: "process-1".to_owned(),
            plan: None,
            log_path: Some("/var/log/pobsync/1.log".into()),
        })
        .unwrap()
}

pub(super) fn begin_snapshot(store: &dyn Store, run: RunId, name: &str) -> SnapshotId {
    store.begin_snapshot(&new_snapshot(run, name)).unwrap()
}

pub(super) fn new_snapshot(run: RunId, name: &str) -> NewSnapshot {
    NewSnapshot {
        run,
        root: root(),
        kind: SnapshotKind::Scheduled,
        name: name.parse().unwrap(),
        started_at: at(2),
        base: None,
    }
}

pub(super) fn end_of(snapshot: SnapshotId, settled: Settled) -> SnapshotEnd {
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

pub(super) fn end_of_run(run: RunId) -> RunEnd {
    RunEnd {
        run,
        status: crate::core::model::RunStatus::Complete,
        at: at(10),
        message: "done".to_owned(),
        cause: None,
    }
}

/// A complete snapshot of a host, with a run of its own.
pub(super) fn complete(store: &dyn Store, host: HostId, name: &str) -> SnapshotId {
    let run = begin_run(store, host);
    let snapshot = begin_snapshot(store, run, name);
    store
        .finish_snapshot(&end_of(snapshot, Settled::Complete), Some(&end_of_run(run)))
        .unwrap();
    snapshot
}

pub(super) fn try_write(
    store: &dyn Store,
    hosts: Vec<HostWrite>,
) -> Result<Configured, StoreError> {
    store.configure(&ConfigChange {
        hosts,
        ..change(store)
    })
}

pub(super) fn update(host: &SqlHost, change: impl FnOnce(&mut HostContent)) -> HostWrite {
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

pub(super) fn retire(host: HostId) -> HostWrite {
    HostWrite::Retire {
        host,
        snapshots: SnapshotsOnRemoval::Keep,
    }
}
