//! Runs, and the sign of life.

use crate::core::model::{HostId, PlanId, RunId, RunKind, RunStatus};
use crate::store::{NewRun, RunEnd, RunFilter, RunRecord, Store, StoreError};

use super::support::*;

fn of_kind(host: HostId, kind: RunKind, process: &str) -> NewRun {
    NewRun {
        host,
        kind,
        started_at: at(1),
        process: process.to_owned(),
        plan: None,
        log_path: None,
        lease: None,
    }
}

fn get(store: &dyn Store, id: RunId) -> RunRecord {
    let all = store.runs(&RunFilter::default(), u32::MAX).unwrap();
    all.into_iter().find(|r| r.run.id == id).unwrap()
}

#[test]
fn a_run_reads_back_from_begin_to_end() {
    let store = fresh();
    let web = with_host(&*store);
    let plan = record(&*store, vec![]);
    let new = NewRun {
        plan: Some(plan),
        log_path: Some("/var/log/pobsync/1.log".into()),
        ..of_kind(web, RunKind::Prune, "process-1")
    };
    let id = store.begin_run(&new).unwrap();
    let begun = get(&*store, id);
    assert_eq!(begun.host, web);
    assert_eq!(begun.heartbeat_at, at(1));
    assert_eq!(begun.log_path, new.log_path);
    assert_eq!(begun.run.host, name("web-01"));
    assert_eq!(begun.run.kind, RunKind::Prune);
    assert_eq!(begun.run.status, RunStatus::Running);
    assert_eq!(begun.run.plan, Some(plan));
    assert_eq!(begun.run.process, "process-1");

    store.finish_run(&end_of_run(id)).unwrap();
    let ended = get(&*store, id).run;
    assert_eq!(ended.status, RunStatus::Complete);
    assert_eq!(ended.finished_at, Some(at(10)));
    assert_eq!(ended.message, "done");
}

#[test]
fn a_run_ends_once() {
    let store = fresh();
    let web = with_host(&*store);
    let id = begin_run(&*store, web);
    let still_running = RunEnd {
        status: RunStatus::Running,
        ..end_of_run(id)
    };
    assert!(matches!(
        store.finish_run(&still_running),
        Err(StoreError::RunIs { .. })
    ));
    store.finish_run(&end_of_run(id)).unwrap();
    let error = store.finish_run(&end_of_run(id)).unwrap_err();
    assert!(matches!(error, StoreError::RunIs { .. }), "{error}");
    let unknown = store.finish_run(&end_of_run(RunId(99))).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no run 99");
}

#[test]
fn host_and_plan_of_a_run_must_be_known() {
    let store = fresh();
    let web = with_host(&*store);
    let nowhere = of_kind(HostId(99), RunKind::Backup, "p");
    let planless = NewRun {
        plan: Some(PlanId(99)),
        ..of_kind(web, RunKind::Prune, "p")
    };
    for (new, message) in [
        (nowhere, "there is no host 99"),
        (planless, "there is no plan 99"),
    ] {
        assert_eq!(store.begin_run(&new).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_heartbeat_tells_a_run_that_was_ended_to_stop() {
    let store = fresh();
    let web = with_host(&*store);
    let id = begin_run(&*store, web);
    assert!(store.heartbeat(id, at(5)).unwrap());
    assert_eq!(get(&*store, id).heartbeat_at, at(5));
    store.interrupt_runs("process-1", "lost", at(6)).unwrap();
    assert!(!store.heartbeat(id, at(7)).unwrap());
    assert_eq!(get(&*store, id).heartbeat_at, at(5));
}

#[test]
fn the_runs_of_a_process_that_is_gone_are_interrupted_and_no_others() {
    let store = fresh();
    let web = with_host(&*store);
    let begin = |process| {
        store
            .begin_run(&of_kind(web, RunKind::Backup, process))
            .unwrap()
    };
    let (done, lost, alive) = (begin("dead"), begin("dead"), begin("alive"));
    store.finish_run(&end_of_run(done)).unwrap();
    let interrupted = store
        .interrupt_runs("dead", "its process went away", at(9))
        .unwrap();
    assert_eq!(interrupted, [lost]);
    assert_eq!(get(&*store, done).run.status, RunStatus::Complete);
    assert_eq!(get(&*store, alive).run.status, RunStatus::Running);
    let run = get(&*store, lost).run;
    assert_eq!(run.status, RunStatus::Interrupted);
    assert_eq!(run.message, "its process went away");
    assert_eq!(run.finished_at, Some(at(9)));
    assert_eq!(store.interrupt_runs("dead", "again", at(10)).unwrap(), []);
}

#[test]
fn a_run_that_was_taken_for_lost_may_still_tell() {
    let store = fresh();
    let web = with_host(&*store);
    let id = begin_run(&*store, web);
    store.interrupt_runs("process-1", "lost", at(6)).unwrap();
    store.finish_run(&end_of_run(id)).unwrap();
    assert_eq!(get(&*store, id).run.status, RunStatus::Complete);
}

#[test]
fn lists_can_be_narrowed_and_limited_newest_first() {
    let store = fresh();
    let web = with_host(&*store);
    write(&*store, vec![create("db-01")]);
    let db = host(&*store, "db-01").id;
    let begin = |host, kind| store.begin_run(&of_kind(host, kind, "p")).unwrap();
    let one = begin(web, RunKind::Backup);
    let two = begin(web, RunKind::Prune);
    let three = begin(db, RunKind::Backup);
    store.finish_run(&end_of_run(one)).unwrap();
    let ids = |filter: RunFilter, limit| -> Vec<RunId> {
        let found = store.runs(&filter, limit).unwrap();
        found.iter().map(|r| r.run.id).collect()
    };
    let all = RunFilter::default();
    assert_eq!(ids(all, 9), [three, two, one]);
    assert_eq!(ids(all, 2), [three, two]);
    assert_eq!(
        ids(
            RunFilter {
                host: Some(web),
                ..all
            },
            9
        ),
        [two, one]
    );
    let backups = RunFilter {
        kind: Some(RunKind::Backup),
        ..all
    };
    assert_eq!(ids(backups, 9), [three, one]);
    let running = RunFilter {
        status: Some(RunStatus::Running),
        ..backups
    };
    assert_eq!(ids(running, 9), [three]);
    let older = RunFilter {
        before: Some(three),
        ..all
    };
    assert_eq!(ids(older, 1), [two]);
}

#[test]
fn the_sign_of_life_is_the_time_recorded_last() {
    let store = fresh();
    assert_eq!(store.sign_of_life().unwrap(), None);
    for second in [5, 3] {
        store.record_sign_of_life(at(second)).unwrap();
        assert_eq!(store.sign_of_life().unwrap(), Some(at(second)));
    }
}
