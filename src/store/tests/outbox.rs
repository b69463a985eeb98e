//! Events and deliveries: one event once, one attempt by one process, nothing lost.

use crate::core::model::{
    EventKind, HostId, Label, RunCause, RunId, RunKind, RunStatus, SnapshotKind, Span, Timestamp,
    Topic,
};
use crate::store::session::{Database, Val};
use crate::store::{
    DeliveryFilter, DeliveryRecord, DeliveryStatus, EndedRun, NewEvent, NewRun, Outbox, PlanKind,
    RunEnd, Settled, Settlement, SnapshotEnd, Store,
};

use super::support::*;

const LEASE: Span = Span::from_seconds(300);
const LONGEST: Span = Span::from_hours(1);

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn event(key: &str, host: Option<HostId>) -> NewEvent {
    NewEvent {
        key: key.to_owned(),
        uid: "0123456789abcdef0123456789abcdef".to_owned(),
        kind: EventKind::Failure,
        topic: Topic::Backup,
        host,
        at: at(1),
        summary: format!("{key} happened"),
        body: r#"{"format_version":1}"#.to_owned(),
        recipients: vec![(label("ops"), "webhook".to_owned())],
        is_kept: true,
    }
}

fn raise(store: &dyn Store, new: &[NewEvent]) -> (usize, usize) {
    let raising = store.raise(new, &[], at(10)).unwrap();
    (raising.events, raising.deliveries)
}

fn due(store: &dyn Store, now: Timestamp) -> Vec<DeliveryRecord> {
    store.due_deliveries(now, LONGEST, 100).unwrap()
}

fn all(store: &dyn Store) -> Vec<DeliveryRecord> {
    store.deliveries(&DeliveryFilter::default(), 100).unwrap()
}

fn end(store: &dyn Store, run: RunId, status: RunStatus) {
    let end = RunEnd {
        status,
        ..end_of_run(run)
    };
    store.finish_run(&end).unwrap();
}

fn prune(store: &dyn Store, host: HostId) -> RunId {
    let new = NewRun {
        host,
        kind: RunKind::Prune,
        started_at: at(1),
        process: "p".to_owned(),
        plan: None,
        log_path: None,
        lease: None,
    };
    store.begin_run(&new).unwrap()
}

fn ended(store: &dyn Store) -> Vec<EndedRun> {
    store.ended_runs(2, 100).unwrap()
}

#[test]
fn an_event_that_is_raised_twice_is_one() {
    let store = fresh();
    assert_eq!(
        raise(&*store, &[event("a", None), event("b", None)]),
        (2, 2)
    );
    assert_eq!(raise(&*store, &[event("a", None)]), (0, 0));
    let found = all(&*store);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].summary, "a happened");
    assert_eq!(found[1].status, DeliveryStatus::Waiting);
    assert_eq!(found[1].raised_at, at(10));
}

#[test]
fn a_receiver_that_is_new_hears_of_what_is_raised_again() {
    let store = fresh();
    raise(&*store, &[event("a", None)]);
    let mut again = event("a", None);
    again.recipients.push((label("boss"), "email".to_owned()));
    assert_eq!(raise(&*store, &[again]), (0, 1));
    assert_eq!(all(&*store).len(), 2);
}

#[test]
fn what_nobody_wants_to_hear_leaves_no_trace_unless_it_is_to_be_kept() {
    let store = fresh();
    let mut new = event("a", None);
    new.recipients.clear();
    assert_eq!(raise(&*store, &[new.clone()]), (1, 0));
    new.key = "b".to_owned();
    new.is_kept = false;
    assert_eq!(raise(&*store, &[new]), (0, 0));
}

#[test]
fn one_process_has_a_delivery_at_a_time_and_a_dead_one_loses_nothing() {
    let store = fresh();
    raise(&*store, &[event("a", None)]);
    assert!(due(&*store, at(9)).is_empty(), "it is not time yet");
    let id = due(&*store, at(10))[0].id;
    let claim = |process, now| store.claim_delivery(id, process, now, LEASE).unwrap();
    let first = claim("one", at(10)).unwrap();
    assert_eq!(first.attempt, 1);
    assert_eq!(claim("two", at(11)), None);
    assert!(due(&*store, at(11)).is_empty());

    let second = claim("two", at(310)).unwrap();
    assert_eq!(second.attempt, 2);
    let settle = |claim, what| store.settle_delivery(claim, &what, at(311)).unwrap();
    assert!(
        !settle(&first, Settlement::Delivered),
        "it is not its own any more"
    );
    assert!(settle(&second, Settlement::Delivered));
    assert!(!settle(&second, Settlement::Delivered));
    assert_eq!(claim("one", at(9_999)), None);
    let found = &all(&*store)[0];
    assert_eq!(
        (found.status, found.attempts),
        (DeliveryStatus::Delivered, 2)
    );
    assert_eq!(found.settled_at, Some(at(311)));
}

#[test]
fn one_that_waited_for_its_turn_does_not_take_a_claim_that_was_made_meanwhile() {
    let store = fresh();
    raise(&*store, &[event("a", None)]);
    let id = due(&*store, at(10))[0].id;
    let claim = |process, now| store.claim_delivery(id, process, now, LEASE).unwrap();
    assert!(claim("one", at(12)).is_some());
    assert_eq!(claim("two", at(11)), None, "its time was read before");
}

#[test]
fn two_processes_at_once_get_each_delivery_once() {
    let store = fresh();
    let many: Vec<NewEvent> = (0..40).map(|n| event(&n.to_string(), None)).collect();
    raise(&*store, &many);
    let claimed = std::sync::atomic::AtomicUsize::new(0);
    let together = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for process in ["one", "two", "three", "four"] {
            let (store, claimed, together) = (&store.store, &claimed, &together);
            scope.spawn(move || {
                together.wait();
                for delivery in due(store, at(10)) {
                    let claim = store.claim_delivery(delivery.id, process, at(10), LEASE);
                    if claim.unwrap().is_some() {
                        claimed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(claimed.into_inner(), 40);
}

#[test]
fn a_failed_attempt_waits_and_a_given_up_one_can_be_asked_for_again() {
    let store = fresh();
    raise(&*store, &[event("a", None)]);
    let id = due(&*store, at(10))[0].id;
    let attempt = |now, what: Settlement| {
        let claim = store.claim_delivery(id, "p", now, LEASE).unwrap().unwrap();
        assert!(store.settle_delivery(&claim, &what, now).unwrap());
    };
    let error = || "answered 503".to_owned();
    attempt(
        at(10),
        Settlement::Again {
            at: at(70),
            error: error(),
        },
    );
    assert!(due(&*store, at(69)).is_empty());
    assert_eq!(due(&*store, at(70))[0].last_error, "answered 503");
    let backlog = store.backlog().unwrap();
    assert_eq!((backlog.waiting, backlog.given_up), (1, 0));
    assert_eq!(backlog.waiting_since, Some(at(10)));

    attempt(at(70), Settlement::GivenUp { error: error() });
    assert!(due(&*store, at(9_999)).is_empty());
    let backlog = store.backlog().unwrap();
    assert_eq!((backlog.waiting, backlog.given_up), (0, 1));

    assert_eq!(
        store
            .retry_deliveries(Some(&label("boss")), at(100))
            .unwrap(),
        0
    );
    assert_eq!(
        store
            .retry_deliveries(Some(&label("ops")), at(100))
            .unwrap(),
        1
    );
    assert_eq!(due(&*store, at(100))[0].raised_at, at(100));
    attempt(at(100), Settlement::GivenUp { error: error() });
    assert_eq!(store.forget_deliveries(None).unwrap(), 1);
    assert!(all(&*store).is_empty());
}

#[test]
fn a_next_attempt_that_a_wrong_clock_wrote_is_not_waited_for() {
    let store = fresh();
    raise(&*store, &[event("a", None)]);
    let id = due(&*store, at(10))[0].id;
    let year = 366 * 86_400;
    let ahead = at(10 + year);
    let claim = store
        .claim_delivery(id, "p", ahead, LEASE)
        .unwrap()
        .unwrap();
    assert!(
        store
            .claim_delivery(id, "q", at(20), LEASE)
            .unwrap()
            .is_some(),
        "a claim made a year ahead holds nobody up"
    );
    assert!(
        !store
            .settle_delivery(&claim, &Settlement::Delivered, ahead)
            .unwrap()
    );
    let claim = store
        .claim_delivery(id, "p", ahead, LEASE)
        .unwrap()
        .unwrap();
    let again = Settlement::Again {
        at: ahead.plus(LONGEST),
        error: String::new(),
    };
    assert!(store.settle_delivery(&claim, &again, ahead).unwrap());
    assert_eq!(due(&*store, at(30)).len(), 1);
}

#[test]
fn news_of_one_host_come_in_order_and_others_do_not_wait_for_them() {
    let store = fresh();
    let web = with_host(&*store);
    write(&*store, vec![create("db-01")]);
    let db = host(&*store, "db-01").id;
    let both = vec![
        (label("ops"), "webhook".to_owned()),
        (label("ops"), "email".to_owned()),
    ];
    let of = |key, host| NewEvent {
        recipients: both.clone(),
        ..event(key, Some(host))
    };
    raise(
        &*store,
        &[
            of("web fails", web),
            of("web recovers", web),
            of("db fails", db),
        ],
    );
    let names = |now| -> Vec<String> {
        let due = due(&*store, now);
        due.iter()
            .map(|d| format!("{} by {}", d.summary, d.target))
            .collect()
    };
    let first = [
        "web fails happened by webhook",
        "web fails happened by email",
        "db fails happened by webhook",
        "db fails happened by email",
    ];
    assert_eq!(names(at(10)), first);
    let id = due(&*store, at(10))[0].id;
    let claim = store
        .claim_delivery(id, "p", at(10), LEASE)
        .unwrap()
        .unwrap();
    assert!(
        !names(at(10))
            .iter()
            .any(|n| n.starts_with("web ") && n.ends_with("webhook"))
    );
    store
        .settle_delivery(&claim, &Settlement::Delivered, at(11))
        .unwrap();
    assert!(names(at(11)).contains(&"web recovers happened by webhook".to_owned()));
}

#[test]
fn ends_of_runs_are_looked_at_once_one_host_at_a_time() {
    let store = fresh();
    let web = with_host(&*store);
    let first = begin_run(&*store, web);
    assert!(ended(&*store).is_empty(), "it runs");
    let failed = RunEnd {
        status: RunStatus::Failed,
        cause: Some(RunCause::Passing),
        ..end_of_run(first)
    };
    store.finish_run(&failed).unwrap();
    let second = begin_run(&*store, web);
    end(&*store, second, RunStatus::Complete);

    let found = ended(&*store);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].record.run.id, first);
    assert_eq!(found[0].record.cause, Some(RunCause::Passing));
    assert_eq!(found[0].last_well, None);
    store
        .raise(&[event("a", Some(web))], &[first], at(11))
        .unwrap();

    let found = ended(&*store);
    assert_eq!(found[0].record.run.id, second);
    assert_eq!(found[0].trouble_since, Some(at(1)), "the event's own time");
    store.raise(&[], &[second], at(12)).unwrap();
    assert!(ended(&*store).is_empty());
}

#[test]
fn a_run_that_still_tells_is_looked_at_again() {
    let store = fresh();
    let web = with_host(&*store);
    let run = begin_run(&*store, web);
    store.interrupt_runs("process-1", "lost", at(6)).unwrap();
    store.raise(&[], &[run], at(7)).unwrap();
    assert!(ended(&*store).is_empty());
    end(&*store, run, RunStatus::Complete);
    assert_eq!(ended(&*store)[0].record.run.status, RunStatus::Complete);
}

#[test]
fn a_run_that_will_be_tried_again_waits_until_it_was_or_was_tried_often() {
    let store = fresh();
    let web = with_host(&*store);
    let attempt = |number: i64| {
        let run = begin_run(&*store, web);
        end(&*store, run, RunStatus::Failed);
        let args = [Val::Int(number), Val::Int(run.0)];
        let sql = "UPDATE runs SET fires_at = 1, retry_at = 2, attempt = ? WHERE id = ?";
        store.store.write(|s| s.execute(sql, &args)).unwrap();
        run
    };
    let first = attempt(1);
    assert!(ended(&*store).is_empty());
    let second = attempt(2);
    assert_eq!(ended(&*store)[0].record.run.id, first, "it was tried again");
    store.raise(&[], &[first], at(7)).unwrap();
    assert!(ended(&*store).is_empty());
    store.raise(&[], &[second], at(7)).unwrap();
    let third = attempt(3);
    assert_eq!(ended(&*store)[0].record.run.id, third);
}

#[test]
fn what_has_to_be_known_beside_a_run_is_there() {
    let store = fresh();
    let web = with_host(&*store);
    let well = begin_run(&*store, web);
    end(&*store, well, RunStatus::Complete);
    let run = begin_run(&*store, web);
    let snapshot = begin_snapshot(&*store, run, "20261122-021500Z__ab12cd");
    let suspect = SnapshotEnd {
        suspect: true,
        ..end_of(snapshot, Settled::Complete)
    };
    store
        .finish_snapshot(&suspect, Some(&end_of_run(run)))
        .unwrap();
    store.raise(&[], &[well], at(7)).unwrap();
    let found = &ended(&*store)[0];
    assert_eq!(found.snapshot_kind, Some(SnapshotKind::Scheduled));
    assert_eq!(found.suspect, Some(snapshot));
    assert_eq!(found.last_well, Some(well));
    assert_eq!(found.plan_kind, None);

    let plan = record(&*store, vec![]);
    let new = NewRun {
        host: web,
        kind: RunKind::Prune,
        started_at: at(1),
        process: "p".to_owned(),
        plan: Some(plan),
        log_path: None,
        lease: None,
    };
    let pruned = store.begin_run(&new).unwrap();
    end(&*store, pruned, RunStatus::Refused);
    store.raise(&[], &[run], at(7)).unwrap();
    let found = &ended(&*store)[0];
    assert_eq!(found.plan_kind, Some(PlanKind::Prune));
    assert_eq!(found.last_well, None, "a backup is no prune");
}

#[test]
fn a_recovery_ends_the_troubles_of_its_topic_alone() {
    let store = fresh();
    let web = with_host(&*store);
    let of = |key: &str, kind, topic| NewEvent {
        kind,
        topic,
        ..event(key, Some(web))
    };
    raise(
        &*store,
        &[
            of("1", EventKind::Failure, Topic::Backup),
            of("2", EventKind::Failure, Topic::Prune),
            of("3", EventKind::Recovery, Topic::Backup),
        ],
    );
    let backup = begin_run(&*store, web);
    end(&*store, backup, RunStatus::Complete);
    assert_eq!(ended(&*store)[0].trouble_since, None);
    store.raise(&[], &[backup], at(7)).unwrap();
    let prune = prune(&*store, web);
    end(&*store, prune, RunStatus::Complete);
    assert_eq!(ended(&*store)[0].trouble_since, Some(at(1)));
}

#[test]
fn successes_and_tests_that_everybody_has_had_are_forgotten_and_nothing_else() {
    let store = fresh();
    let of = |key: &str, kind| NewEvent {
        kind,
        ..event(key, None)
    };
    raise(
        &*store,
        &[
            of("delivered", EventKind::Success),
            of("waiting", EventKind::Success),
            of("failure", EventKind::Failure),
        ],
    );
    for delivery in due(&*store, at(10)) {
        if !delivery.summary.starts_with("waiting") {
            let claim = store
                .claim_delivery(delivery.id, "p", at(10), LEASE)
                .unwrap();
            store
                .settle_delivery(&claim.unwrap(), &Settlement::Delivered, at(10))
                .unwrap();
        }
    }
    assert_eq!(
        store.forget_events(at(1)).unwrap(),
        0,
        "none is from before"
    );
    assert_eq!(store.forget_events(at(2)).unwrap(), 1);
    let left: Vec<String> = all(&*store).into_iter().map(|d| d.summary).collect();
    assert_eq!(left, ["failure happened", "waiting happened"]);
}
