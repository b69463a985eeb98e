//! What is on disk, recorded.

use rstest::rstest;

use crate::core::model::{HostId, RootId, SnapshotKind, SnapshotStatus};
use crate::store::{Discovered, Discovery, Marking, Settled, SnapshotFilter, StoreError};

use super::snapshots::{get, hold_until};
use super::support::*;

fn found(name: &str) -> Discovered {
    Discovered {
        name: name.parse().unwrap(),
        kind: SnapshotKind::Scheduled,
        settled: Settled::Complete,
        started_at: at(2),
        finished_at: Some(at(9)),
        base: None,
        bytes: Some(1000),
        files: Some(10),
        bytes_transferred: Some(100),
        rsync_exit: Some(0),
        hold: None,
        suspect: false,
    }
}

#[test]
fn what_was_not_known_is_recorded_and_recording_it_again_changes_nothing() {
    let store = fresh();
    let web = with_host(&*store);
    let on_disk = [
        Discovered {
            base: Some("one".parse().unwrap()),
            hold: Some(hold_until(None)),
            suspect: true,
            ..found("two")
        },
        found("one"),
    ];
    let first = store.record_discovered(web, &root(), &on_disk).unwrap();
    let expected = Discovery {
        new: 2,
        linked: 1,
        ..Discovery::default()
    };
    assert_eq!(first, expected);
    let all = store.snapshots(&SnapshotFilter::default()).unwrap();
    let [one, two] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!(two.base_id, Some(one.snapshot.id));
    assert_eq!(two.snapshot.hold, Some(Box::new(hold_until(None))));
    assert!(two.snapshot.suspect);
    assert_eq!(one.snapshot.status, SnapshotStatus::Complete);

    let second = store.record_discovered(web, &root(), &on_disk).unwrap();
    let expected = Discovery {
        unchanged: 2,
        ..Discovery::default()
    };
    assert_eq!(second, expected);
    assert_eq!(store.snapshots(&SnapshotFilter::default()).unwrap(), all);
}

#[test]
fn a_base_that_turns_up_later_is_linked_then() {
    let store = fresh();
    let web = with_host(&*store);
    let child = Discovered {
        base: Some("base".parse().unwrap()),
        ..found("child")
    };
    let linked = |found: Discovered| {
        store
            .record_discovered(web, &root(), &[found])
            .unwrap()
            .linked
    };
    assert_eq!(linked(child), 0);
    assert_eq!(linked(found("base")), 1);
    assert_eq!(store.link_bases(web).unwrap(), 0);
}

#[test]
fn a_row_whose_directory_is_gone_is_missing_and_comes_back_with_it() {
    let store = fresh();
    let web = with_host(&*store);
    let id = complete(&*store, web, "one");
    assert_eq!(store.mark_missing(&[id]).unwrap(), 1);
    assert_eq!(get(&*store, id).snapshot.status, SnapshotStatus::Missing);
    assert_eq!(store.mark_missing(&[id]).unwrap(), 0);
    let back = store
        .record_discovered(web, &root(), &[found("one")])
        .unwrap();
    assert_eq!(back.changed, 1);
    assert_eq!(get(&*store, id).snapshot.status, SnapshotStatus::Complete);
}

#[test]
fn what_a_live_run_makes_is_left_alone() {
    let store = fresh();
    let web = with_host(&*store);
    let run = begin_run(&*store, web);
    let id = begin_snapshot(&*store, run, "one");
    assert_eq!(store.mark_missing(&[id]).unwrap(), 0);
    let seen = store
        .record_discovered(web, &root(), &[found("one")])
        .unwrap();
    assert_eq!(seen.unchanged, 1);
    assert_eq!(get(&*store, id).snapshot.status, SnapshotStatus::Running);

    // The process died after the rename and before it told SQL.
    store.interrupt_runs("process-1", "killed", at(30)).unwrap();
    let seen = store
        .record_discovered(web, &root(), &[found("one")])
        .unwrap();
    assert_eq!(seen.changed, 1);
    let now = get(&*store, id).snapshot;
    assert_eq!(now.status, SnapshotStatus::Complete);
    assert_eq!(now.bytes, Some(1000));
}

#[test]
fn what_is_being_deleted_is_left_to_the_prune() {
    let store = fresh();
    let web = with_host(&*store);
    let id = complete(&*store, web, "one");
    let plan = record(&*store, vec![id]);
    assert_eq!(mark_deleting(&*store, id, plan, at(60)), Marking::Marked);
    assert_eq!(store.mark_missing(&[id]).unwrap(), 0);
    let seen = store
        .record_discovered(web, &root(), &[found("one")])
        .unwrap();
    assert_eq!(seen.unchanged, 1);
    assert_eq!(get(&*store, id).snapshot.status, SnapshotStatus::Deleting);
}

#[test]
fn a_deleted_snapshot_that_is_back_on_disk_is_a_snapshot_again() {
    let store = fresh();
    let web = with_host(&*store);
    let id = complete(&*store, web, "one");
    let plan = record(&*store, vec![id]);
    assert_eq!(mark_deleting(&*store, id, plan, at(60)), Marking::Marked);
    assert!(mark_deleted(&*store, id, at(61)));
    store
        .record_discovered(web, &root(), &[found("one")])
        .unwrap();
    let back = get(&*store, id);
    assert_eq!(back.snapshot.status, SnapshotStatus::Complete);
    assert_eq!((back.plan, back.deleted_at), (None, None));
}

#[test]
fn marks_on_disk_are_taken_over_and_never_taken_away() {
    let store = fresh();
    let web = with_host(&*store);
    let id = complete(&*store, web, "one");
    let marked = Discovered {
        hold: Some(hold_until(None)),
        suspect: true,
        ..found("one")
    };
    store.record_discovered(web, &root(), &[marked]).unwrap();
    store
        .record_discovered(web, &root(), &[found("one")])
        .unwrap();
    let now = get(&*store, id).snapshot;
    assert_eq!(now.hold, Some(Box::new(hold_until(None))));
    assert!(now.suspect);
}

#[rstest]
#[case(HostId(99), root(), "there is no host 99")]
#[case(HostId(1), RootId::from_random([9; 16]), "there is no backup root 09090909090909090909090909090909")]
fn host_and_root_must_be_known(#[case] host: HostId, #[case] root: RootId, #[case] message: &str) {
    let store = fresh();
    assert_eq!(with_host(&*store), HostId(1));
    let error: StoreError = store
        .record_discovered(host, &root, &[found("one")])
        .unwrap_err();
    assert_eq!(error.to_string(), message);
}
