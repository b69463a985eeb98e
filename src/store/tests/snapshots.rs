//! Snapshots that begin and end, holds and suspect marks, lists.

use crate::core::model::{
    Hold, RootId, RunStatus, Snapshot, SnapshotId, SnapshotKind, SnapshotStatus, Timestamp,
};
use crate::store::{
    NewSnapshot, RunFilter, Settled, SnapshotEnd, SnapshotFilter, SnapshotRecord, Store, StoreError,
};

use super::support::*;

pub(super) fn get(store: &dyn Store, id: SnapshotId) -> SnapshotRecord {
    let filter = SnapshotFilter {
        with_deleted: true,
        ..SnapshotFilter::default()
    };
    let all = store.snapshots(&filter).unwrap();
    all.into_iter().find(|s| s.snapshot.id == id).unwrap()
}

pub(super) fn hold_until(until: Option<Timestamp>) -> Hold {
    Hold {
        by: "carol".to_owned(),
        reason: "audit of March".to_owned(),
        since: at(20),
        until,
    }
}

#[test]
fn a_snapshot_is_running_and_live_until_its_run_ends() {
    let store = fresh();
    let web = with_host(&*store);
    let run = begin_run(&*store, web);
    let id = begin_snapshot(&*store, run, "one");
    let begun = get(&*store, id);
    assert_eq!((begun.host, &begun.root), (web, &root()));
    assert_eq!(begun.snapshot.status, SnapshotStatus::Running);
    assert!(begun.snapshot.live);
    let made = &store.runs(&RunFilter::default(), 9).unwrap()[0];
    assert_eq!(made.run.snapshot, Some("one".parse().unwrap()));

    store
        .finish_snapshot(&end_of(id, Settled::Complete), Some(&end_of_run(run)))
        .unwrap();
    let done = get(&*store, id);
    assert_eq!(done.snapshot.status, SnapshotStatus::Complete);
    assert!(!done.snapshot.live);
    assert_eq!(done.snapshot.finished_at, Some(at(9)));
    assert_eq!(
        (done.snapshot.bytes, done.snapshot.files),
        (Some(1000), Some(10))
    );
    assert_eq!(
        (done.bytes_transferred, done.rsync_exit),
        (Some(100), Some(0))
    );
    let ended = &store.runs(&RunFilter::default(), 9).unwrap()[0].run;
    assert_eq!(ended.status, RunStatus::Complete);
}

#[test]
fn a_snapshot_is_not_finished_if_its_run_cannot_be() {
    let store = fresh();
    let web = with_host(&*store);
    let run = begin_run(&*store, web);
    let id = begin_snapshot(&*store, run, "one");
    store.finish_run(&end_of_run(run)).unwrap();
    let error = store
        .finish_snapshot(&end_of(id, Settled::Complete), Some(&end_of_run(run)))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("run {run} cannot go from complete to complete")
    );
    assert_eq!(get(&*store, id).snapshot.status, SnapshotStatus::Running);
}

#[test]
fn a_snapshot_is_finished_once() {
    let store = fresh();
    let web = with_host(&*store);
    let id = complete(&*store, web, "one");
    let error = store
        .finish_snapshot(&end_of(id, Settled::Failed), None)
        .unwrap_err();
    assert_eq!(error.to_string(), "snapshot one is complete");
    let unknown = store.finish_snapshot(&end_of(SnapshotId(99), Settled::Failed), None);
    assert!(matches!(unknown, Err(StoreError::Unknown { .. })));
}

#[test]
fn a_snapshot_needs_a_live_run_and_a_known_root() {
    let store = fresh();
    let web = with_host(&*store);
    let run = begin_run(&*store, web);
    let elsewhere = NewSnapshot {
        root: RootId::from_random([9; 16]),
        ..new_snapshot(run, "one")
    };
    let error = store.begin_snapshot(&elsewhere).unwrap_err();
    assert!(
        error.to_string().starts_with("there is no backup root"),
        "{error}"
    );
    store.finish_run(&end_of_run(run)).unwrap();
    let error = store.begin_snapshot(&new_snapshot(run, "one")).unwrap_err();
    assert!(matches!(error, StoreError::RunIs { .. }), "{error}");
}

#[test]
fn the_base_is_linked_by_name_where_it_is_known() {
    let store = fresh();
    let web = with_host(&*store);
    let base = complete(&*store, web, "base");
    let run = begin_run(&*store, web);
    let child = store
        .begin_snapshot(&NewSnapshot {
            base: Some("base".parse().unwrap()),
            ..new_snapshot(run, "child")
        })
        .unwrap();
    assert_eq!(get(&*store, child).base_id, Some(base));

    // The base was gone when rsync began: the truth is told at the end.
    let end = SnapshotEnd {
        base: Some("never-seen".parse().unwrap()),
        ..end_of(child, Settled::Complete)
    };
    store.finish_snapshot(&end, None).unwrap();
    let done = get(&*store, child);
    assert_eq!(done.snapshot.base, Some("never-seen".parse().unwrap()));
    assert_eq!(done.base_id, None);
}

#[test]
fn lists_are_by_host_and_start_and_can_be_narrowed() {
    let store = fresh();
    let web = with_host(&*store);
    write(&*store, vec![create("db-01")]);
    let db = host(&*store, "db-01").id;
    let on = |host, root: RootId, kind, name: &str, second| {
        let run = begin_run(&*store, host);
        store
            .begin_snapshot(&NewSnapshot {
                root,
                kind,
                started_at: at(second),
                ..new_snapshot(run, name)
            })
            .unwrap()
    };
    let other = RootId::from_random([9; 16]);
    store
        .root_seen(&other, &"/mnt/other".parse().unwrap(), None, at(3))
        .unwrap();
    let late = on(web, root(), SnapshotKind::Scheduled, "late", 30);
    let early = on(web, root(), SnapshotKind::Manual, "early", 10);
    let foreign = on(web, other.clone(), SnapshotKind::Scheduled, "late", 20);
    let of_db = on(db, root(), SnapshotKind::Scheduled, "late", 5);

    let ids = |filter: &SnapshotFilter| -> Vec<SnapshotId> {
        let found = store.snapshots(filter).unwrap();
        found.iter().map(|s| s.snapshot.id).collect()
    };
    let all = SnapshotFilter::default();
    assert_eq!(ids(&all), [early, foreign, late, of_db]);
    let narrowed = SnapshotFilter {
        host: Some(web),
        root: Some(root()),
        kind: Some(SnapshotKind::Scheduled),
        with_deleted: false,
    };
    assert_eq!(ids(&narrowed), [late]);

    let by_host = store.snapshots_by_host(Some(&root())).unwrap();
    let of = |host| -> Vec<SnapshotId> { by_host[&host].iter().map(|s| s.id).collect() };
    assert_eq!((of(web), of(db)), (vec![early, late], vec![of_db]));
    let everywhere = store.snapshots_by_host(None).unwrap();
    assert_eq!(everywhere[&web].len(), 3);
    assert!(everywhere[&web].iter().all(|s| s.live));
}

#[test]
fn what_a_plan_reads_of_snapshots_is_what_lists_say_of_them() {
    let store = fresh();
    let web = with_host(&*store);
    let held = complete(&*store, web, "held");
    complete(&*store, web, "plain");
    store.hold(held, &hold_until(Some(at(500)))).unwrap();
    let run = begin_run(&*store, web);
    let linked = NewSnapshot {
        base: Some("plain".parse().unwrap()),
        ..new_snapshot(run, "under-way")
    };
    store.begin_snapshot(&linked).unwrap();
    let listed = store.snapshots(&SnapshotFilter::default()).unwrap();
    let listed: Vec<Snapshot> = listed.into_iter().map(|s| s.snapshot).collect();
    let special: Vec<(bool, bool)> = listed.iter().map(|s| (s.hold.is_some(), s.live)).collect();
    assert_eq!(special, [(true, false), (false, false), (false, true)]);
    assert_eq!(store.snapshots_by_host(Some(&root())).unwrap()[&web], listed);
    assert_eq!(store.snapshots_by_host(None).unwrap()[&web], listed);
}

#[test]
fn a_name_is_unique_within_host_root_and_kind() {
    let store = fresh();
    let web = with_host(&*store);
    complete(&*store, web, "one");
    let run = begin_run(&*store, web);
    assert!(store.begin_snapshot(&new_snapshot(run, "one")).is_err());
    let manual = NewSnapshot {
        kind: SnapshotKind::Manual,
        ..new_snapshot(run, "one")
    };
    assert!(store.begin_snapshot(&manual).is_ok());
}

#[test]
fn a_hold_is_set_replaced_and_taken_off_and_the_history_knows() {
    let store = fresh();
    let web = with_host(&*store);
    let id = complete(&*store, web, "one");
    let serial = store.serial().unwrap();
    store.hold(id, &hold_until(None)).unwrap();
    store.hold(id, &hold_until(Some(at(500)))).unwrap();
    assert_eq!(
        get(&*store, id).snapshot.hold,
        Some(Box::new(hold_until(Some(at(500)))))
    );

    assert!(store.unhold(id, "dave", at(30)).unwrap());
    assert!(!store.unhold(id, "dave", at(31)).unwrap());
    assert_eq!(get(&*store, id).snapshot.hold, None);

    let history: Vec<(String, String)> = store
        .history(3)
        .unwrap()
        .into_iter()
        .map(|h| (h.actor, h.summary))
        .collect();
    let line = |who: &str, what: &str| (who.to_owned(), what.to_owned());
    assert_eq!(
        history,
        [
            line("dave", "unhold one"),
            line("carol", "hold one"),
            line("carol", "hold one")
        ]
    );
    assert_eq!(store.serial().unwrap(), serial);
}

#[test]
fn what_is_going_cannot_be_held() {
    let store = fresh();
    let web = with_host(&*store);
    let id = complete(&*store, web, "one");
    let plan = record(&*store, vec![id]);
    let marking = mark_deleting(&*store, id, plan, at(60));
    assert_eq!(marking, crate::store::Marking::Marked);
    let error = store.hold(id, &hold_until(None)).unwrap_err();
    assert_eq!(error.to_string(), "snapshot one is deleting");
    assert_eq!(get(&*store, id).snapshot.hold, None);
}

#[test]
fn an_acknowledgement_takes_the_suspect_marks_off() {
    let store = fresh();
    let web = with_host(&*store);
    complete(&*store, web, "sound");
    let run = begin_run(&*store, web);
    let id = begin_snapshot(&*store, run, "shrunk");
    let end = SnapshotEnd {
        suspect: true,
        ..end_of(id, Settled::Complete)
    };
    store.finish_snapshot(&end, None).unwrap();
    assert!(get(&*store, id).snapshot.suspect);
    assert_eq!(store.acknowledge(web, "dave", at(40)).unwrap(), [id]);
    assert!(!get(&*store, id).snapshot.suspect);
    assert_eq!(store.acknowledge(web, "dave", at(41)).unwrap(), []);
    assert_eq!(store.history(1).unwrap()[0].actor, "dave");
}

#[test]
fn a_root_keeps_when_it_was_seen_first_and_where_last() {
    let store = fresh();
    let see = |path: &str, second| {
        store
            .root_seen(&root(), &path.parse().unwrap(), None, at(second))
            .unwrap();
    };
    see("/mnt/old", 1);
    see("/mnt/new", 2);
    let roots = store.roots().unwrap();
    assert_eq!(roots.len(), 1);
    assert_eq!((roots[0].first_seen, roots[0].last_seen), (at(1), at(2)));
    assert_eq!(roots[0].path.as_str(), "/mnt/new");
}
