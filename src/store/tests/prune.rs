//! The last step before a directory goes.

use crate::core::model::{HostId, Pause, PlanId, SnapshotId, SnapshotStatus, SnapshotsOnRemoval};
use crate::store::{HostWrite, Marking, PlanKind, Settled, SnapshotFilter, Store};

use super::snapshots::{get, hold_until};
use super::support::*;

/// A host with one complete snapshot, and a plan that lists it.
fn listed(store: &dyn Store) -> (HostId, SnapshotId, PlanId) {
    let web = with_host(store);
    let id = complete(store, web, "one");
    (web, id, record(store, vec![id]))
}

fn status(store: &dyn Store, id: SnapshotId) -> SnapshotStatus {
    get(store, id).snapshot.status
}

#[test]
fn a_listed_snapshot_goes_from_complete_over_deleting_to_deleted() {
    let store = fresh();
    let (web, id, plan) = listed(&*store);
    assert_eq!(mark_deleting(&*store, id, plan, at(60)), Marking::Marked);
    let left = store.deleting_rows(web).unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].snapshot.id, left[0].plan), (id, Some(plan)));

    assert!(mark_deleted(&*store, id, at(61)));
    assert!(!mark_deleted(&*store, id, at(62)));
    let gone = get(&*store, id);
    assert_eq!(gone.snapshot.status, SnapshotStatus::Deleted);
    assert_eq!((gone.plan, gone.deleted_at), (Some(plan), Some(at(61))));
    assert_eq!(store.deleting_rows(web).unwrap(), []);
    assert_eq!(store.snapshots(&SnapshotFilter::default()).unwrap(), []);
    assert!(store.snapshots_by_host(None).unwrap().is_empty());
    assert_eq!(
        mark_deleting(&*store, id, plan, at(63)),
        Marking::Gone(SnapshotStatus::Deleted)
    );
}

#[test]
fn incomplete_snapshots_go_the_same_way() {
    for settled in [Settled::Partial, Settled::Failed] {
        let store = fresh();
        let web = with_host(&*store);
        let run = begin_run(&*store, web);
        let id = begin_snapshot(&*store, run, "one");
        store
            .finish_snapshot(&end_of(id, settled), Some(&end_of_run(run)))
            .unwrap();
        let plan = record(&*store, vec![id]);
        assert_eq!(mark_deleting(&*store, id, plan, at(60)), Marking::Marked);
    }
}

#[test]
fn a_running_snapshot_goes_only_once_its_run_is_over() {
    let store = fresh();
    let web = with_host(&*store);
    let run = begin_run(&*store, web);
    let id = begin_snapshot(&*store, run, "one");
    let plan = record(&*store, vec![id]);
    assert_eq!(mark_deleting(&*store, id, plan, at(60)), Marking::Live);
    assert_eq!(status(&*store, id), SnapshotStatus::Running);
    store.interrupt_runs("process-1", "killed", at(61)).unwrap();
    assert_eq!(mark_deleting(&*store, id, plan, at(62)), Marking::Marked);
}

#[test]
fn what_the_plan_did_not_list_stays() {
    let store = fresh();
    let (web, id, _) = listed(&*store);
    let unlisted = complete(&*store, web, "two");
    let plan = record(&*store, vec![id]);
    let mark = |id, plan| mark_deleting(&*store, id, plan, at(60));
    assert_eq!(mark(unlisted, plan), Marking::NotListed);
    assert_eq!(mark(id, PlanId(99)), Marking::NotListed);
    assert_eq!(mark(SnapshotId(99), plan), Marking::Unknown);
    assert_eq!(status(&*store, unlisted), SnapshotStatus::Complete);
    assert_eq!(status(&*store, id), SnapshotStatus::Complete);
}

#[test]
fn a_configuration_changed_since_the_plan_stops_it() {
    let store = fresh();
    let (_, id, plan) = listed(&*store);
    write(&*store, vec![create("another")]);
    assert_eq!(
        mark_deleting(&*store, id, plan, at(60)),
        Marking::SerialMoved
    );
    assert_eq!(status(&*store, id), SnapshotStatus::Complete);
}

#[test]
fn a_hold_stops_it_while_it_is_in_force() {
    let store = fresh();
    let (_, id, plan) = listed(&*store);
    let mark = |second| mark_deleting(&*store, id, plan, at(second));
    store.hold(id, &hold_until(None)).unwrap();
    assert_eq!(mark(60), Marking::Held);
    store.hold(id, &hold_until(Some(at(100)))).unwrap();
    assert_eq!(mark(99), Marking::Held);
    assert_eq!(status(&*store, id), SnapshotStatus::Complete);
    assert!(!hold_until(Some(at(100))).is_in_force(at(100)));
    assert_eq!(mark(100), Marking::Marked);
}

#[test]
fn a_pause_stops_what_was_planned_before_it_until_the_host_leaves() {
    let store = fresh();
    let (_, id, plan) = listed(&*store);
    let web = host(&*store, "web-01").id;
    let pause = Pause {
        at: at(50),
        by: "bob".to_owned(),
        reason: "moved".to_owned(),
    };
    assert!(store.pause(web, &pause).unwrap());
    let mark = |plan| mark_deleting(&*store, id, plan, at(60));
    assert_eq!(mark(plan), Marking::Paused);
    assert_eq!(status(&*store, id), SnapshotStatus::Complete);
    write(
        &*store,
        vec![HostWrite::Retire {
            host: web,
            snapshots: SnapshotsOnRemoval::Delete,
        }],
    );
    assert_eq!(mark(record(&*store, vec![id])), Marking::Marked);
}

#[test]
fn a_killed_prune_is_taken_up_by_the_same_plan_or_a_later_one() {
    let store = fresh();
    let (_, id, earlier) = listed(&*store);
    let later = record(&*store, vec![id]);
    let mark = |plan| mark_deleting(&*store, id, plan, at(60));
    assert_eq!(mark(earlier), Marking::Marked);
    assert_eq!(mark(earlier), Marking::Marked);
    assert_eq!(mark(later), Marking::Marked);
    assert_eq!(mark(earlier), Marking::LaterPlan);
    assert_eq!(get(&*store, id).plan, Some(later));
}

#[test]
fn a_missing_snapshot_is_not_marked() {
    let store = fresh();
    let (_, id, plan) = listed(&*store);
    store.mark_missing(&[id]).unwrap();
    assert_eq!(
        mark_deleting(&*store, id, plan, at(60)),
        Marking::Gone(SnapshotStatus::Missing)
    );
}

#[test]
fn only_what_is_deleting_becomes_deleted() {
    let store = fresh();
    let (_, id, _) = listed(&*store);
    assert!(!mark_deleted(&*store, id, at(61)));
    assert_eq!(status(&*store, id), SnapshotStatus::Complete);
}

#[test]
fn an_apply_that_prunes_carries_out_its_own_plan() {
    let store = fresh();
    let web = with_host(&*store);
    let id = complete(&*store, web, "one");
    let apply = crate::store::ConfigChange {
        hosts: vec![create("another")],
        plan: Some(plan(PlanKind::Apply, vec![id])),
        ..change(&*store)
    };
    let plan = store.configure(&apply).unwrap().plan.unwrap();
    assert_eq!(mark_deleting(&*store, id, plan, at(60)), Marking::Marked);
}

#[test]
fn a_deletion_that_has_not_begun_is_taken_back_once() {
    let store = fresh();
    let (_, id, plan) = listed(&*store);
    assert!(!take_back(&*store, id));
    let marked = mark_deleting(&*store, id, plan, at(60));
    assert_eq!(marked, Marking::Marked);
    assert!(take_back(&*store, id));
    assert_eq!(status(&*store, id), SnapshotStatus::Complete);
    // A plan that still stands may come to it again.
    let again = mark_deleting(&*store, id, plan, at(61));
    assert_eq!(again, Marking::Marked);
    mark_deleted(&*store, id, at(62));
    assert!(!take_back(&*store, id));
}
