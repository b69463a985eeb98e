//! Recorded plans.

use crate::core::model::{Fingerprint, PlanId, Serial, SnapshotId};
use crate::store::{ConfigChange, PlanKind, StoreError};

use super::support::*;

#[test]
fn a_recorded_plan_reads_back_with_what_it_lists() {
    let store = fresh();
    let web = with_host(&*store);
    let one = complete(&*store, web, "one");
    let two = complete(&*store, web, "two");
    let new = plan(PlanKind::Retention, vec![two, one, two]);
    let id = store
        .record_plan(store.serial().unwrap(), &new, "alice", at(5))
        .unwrap();

    let found = store.plan(id).unwrap().unwrap();
    assert_eq!(found.body, new.body);
    assert_eq!(found.deletions, [one, two]);
    assert_eq!(found.summary.deletions, 2);
    assert_eq!(found.summary.serial, Serial(1));
    assert_eq!(found.summary.actor, "alice");
    assert_eq!(found.summary.created_at, at(5));
    assert_eq!(found.summary.revision, new.revision);
    assert_eq!(store.plans(9).unwrap(), [found.summary]);
    let listed = store.listed_by(id).unwrap();
    let listed: Vec<SnapshotId> = listed.iter().map(|r| r.snapshot.id).collect();
    assert_eq!(listed, [one, two]);
    assert_eq!(store.plan(PlanId(99)).unwrap(), None);
}

#[test]
fn a_plan_that_lists_an_unknown_snapshot_is_not_recorded() {
    let store = fresh();
    let new = plan(PlanKind::Prune, vec![SnapshotId(42)]);
    let error = store
        .record_plan(Serial(0), &new, "alice", at(5))
        .unwrap_err();
    assert_eq!(error.to_string(), "there is no snapshot 42");
    assert_eq!(store.plans(9).unwrap(), []);
}

#[test]
fn a_plan_made_from_another_state_is_not_recorded() {
    let store = fresh();
    with_host(&*store);
    let new = plan(PlanKind::Prune, vec![]);
    let error = store
        .record_plan(Serial(0), &new, "alice", at(5))
        .unwrap_err();
    assert!(matches!(error, StoreError::Stale(_)), "{error}");
}

#[test]
fn the_plan_of_an_apply_may_be_carried_out_at_the_serial_it_brings_about() {
    let store = fresh();
    let apply = ConfigChange {
        hosts: vec![create("web-01")],
        plan: Some(plan(PlanKind::Apply, vec![])),
        ..change(&*store)
    };
    let done = store.configure(&apply).unwrap();
    let found = store.plan(done.plan.unwrap()).unwrap().unwrap();
    assert_eq!(found.summary.serial, Serial(1));
    assert_eq!(done.serial, Serial(1));
}

#[test]
fn a_plan_that_was_applied_is_found_by_its_fingerprint_and_kind() {
    let store = fresh();
    let fingerprint = Fingerprint::of(&"plan");
    let find = |kind| store.plan_by_fingerprint(kind, &fingerprint).unwrap();
    assert_eq!(find(PlanKind::Apply), None);
    record(&*store, vec![]);
    assert_eq!(find(PlanKind::Apply), None);
    let apply = ConfigChange {
        plan: Some(plan(PlanKind::Apply, vec![])),
        ..change(&*store)
    };
    store.configure(&apply).unwrap();
    let newest = store.configure(&apply).unwrap().plan;
    assert_eq!(find(PlanKind::Apply).map(|p| p.id), newest);
    assert_eq!(
        store
            .plan_by_fingerprint(PlanKind::Apply, &Fingerprint::of(&"another"))
            .unwrap(),
        None
    );
}

#[test]
fn plans_and_approvals_are_listed_newest_first_up_to_the_limit() {
    let store = fresh();
    write(&*store, vec![create("a"), create("b")]);
    let approve = |host: &str| {
        store
            .configure(&ConfigChange {
                plan: Some(plan(PlanKind::Retention, vec![])),
                approvals: vec![(name(host), policy(7).fingerprint())],
                ..change(&*store)
            })
            .unwrap()
            .plan
            .unwrap()
    };
    let (first, second, third) = (approve("a"), approve("b"), approve("a"));
    let plans: Vec<PlanId> = store.plans(2).unwrap().iter().map(|p| p.id).collect();
    assert_eq!(plans, [third, second]);
    let further: Vec<PlanId> = store
        .plans_page(2, 2)
        .unwrap()
        .iter()
        .map(|p| p.id)
        .collect();
    assert_eq!(further, [first]);
    assert_eq!(store.approvals_of(second).unwrap().len(), 1);
    assert_eq!(
        store.history_page(1, 1).unwrap(),
        store.history(2).unwrap()[1..]
    );
    let of = |host, limit| -> Vec<(PlanId, String)> {
        store
            .approvals(host, limit)
            .unwrap()
            .into_iter()
            .map(|a| (a.plan, a.host_name.to_string()))
            .collect()
    };
    let a = host(&*store, "a").id;
    assert_eq!(of(Some(a), 9), [(third, "a".into()), (first, "a".into())]);
    assert_eq!(of(None, 2), [(third, "a".into()), (second, "b".into())]);
}
