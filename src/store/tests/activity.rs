//! The newest of what happened to every host.

use crate::core::model::{RunCause, RunKind, RunStatus};
use crate::store::session::Database;
use crate::store::{NewRun, RunEnd, Settled, SnapshotEnd};

use super::support::*;

#[test]
fn of_every_host_the_newest_is_told() {
    let store = fresh();
    let web = with_host(&*store);
    write(&*store, vec![create("db-01")]);
    let db = host(&*store, "db-01").id;
    complete(&*store, web, "20261122-021500Z__ab12cd");
    let newest = complete(&*store, web, "20261123-021500Z__ab12cd");
    let failed = begin_run(&*store, web);
    let end = RunEnd {
        status: RunStatus::Failed,
        cause: Some(RunCause::Lasting),
        ..end_of_run(failed)
    };
    store.finish_run(&end).unwrap();
    // What somebody stopped and what still runs say nothing about how it is.
    let stopped = begin_run(&*store, web);
    let end = RunEnd {
        status: RunStatus::Cancelled,
        ..end_of_run(stopped)
    };
    store.finish_run(&end).unwrap();
    begin_run(&*store, web);
    let prune = NewRun {
        host: web,
        kind: RunKind::Prune,
        started_at: at(1),
        process: "p".to_owned(),
        plan: None,
        log_path: None,
        lease: None,
    };
    let prune = store.begin_run(&prune).unwrap();
    store.finish_run(&end_of_run(prune)).unwrap();

    let all = store.activity(Some(&root())).unwrap();
    let of_web = &all[&web];
    assert_eq!(of_web.created_at, at(0));
    assert_eq!(of_web.newest, Some(at(2)));
    let last = of_web.backup.as_ref().unwrap();
    assert_eq!((last.run.id, last.cause), (failed, Some(RunCause::Lasting)));
    assert_eq!(of_web.prune.as_ref().map(|last| last.run.id), Some(prune));
    assert_eq!(of_web.verify, None);
    let of_db = &all[&db];
    assert_eq!((of_db.newest, &of_db.backup), (None, &None));
    assert_eq!(store.activity(None).unwrap()[&web].newest, None);

    let run = begin_run(&*store, web);
    let snapshot = begin_snapshot(&*store, run, "20261124-021500Z__ab12cd");
    let suspect = SnapshotEnd {
        suspect: true,
        ..end_of(snapshot, Settled::Complete)
    };
    store.finish_snapshot(&suspect, None).unwrap();
    store.mark_missing(&[newest]).unwrap();
    let counts = store.snapshot_counts(Some(&root())).unwrap();
    assert_eq!((counts[&web].complete, counts[&web].suspect), (2, 1));
    assert!(!counts.contains_key(&db));
}

#[test]
fn years_of_rows_are_not_read() {
    let store = fresh();
    if !store.explains_like_sqlite() {
        return;
    }
    with_host(&*store);
    let plan_of = |sql: &str| {
        let mut steps = Vec::new();
        store
            .store
            .read(|session| {
                let mut found = Vec::new();
                session.query(&format!("EXPLAIN QUERY PLAN {sql}"), &[], &mut |row| {
                    found.extend(row.text(3).ok().flatten().map(str::to_owned));
                    Ok(())
                })?;
                Ok(found)
            })
            .map(|found| steps = found)
            .unwrap();
        steps.join("\n")
    };
    let newest = plan_of(
        "SELECT h.id, (SELECT MAX(s.started_at) FROM snapshots s WHERE s.host_id = h.id \
         AND s.root_id = '' AND s.status = 'complete') FROM hosts h",
    );
    assert!(
        newest.contains(
            "USING COVERING INDEX snapshots_newest (root_id=? AND status=? AND host_id=?"
        ),
        "{newest}"
    );
    let last = plan_of(
        "SELECT r.id FROM hosts h JOIN runs r ON r.id = (SELECT l.id FROM runs l \
         WHERE l.host_id = h.id AND l.kind = 'backup' AND l.status NOT IN ('running', 'cancelled') \
         ORDER BY l.id DESC LIMIT 1)",
    );
    assert!(
        last.contains("SEARCH l USING INDEX runs_newest (host_id=? AND kind=?)"),
        "{last}"
    );
    assert!(
        last.contains("SEARCH r USING INTEGER PRIMARY KEY"),
        "{last}"
    );
    assert!(!last.contains("TEMP B-TREE"), "{last}");
    let untold = plan_of(
        "SELECT MIN(e.id) FROM runs e WHERE e.told = 0 AND e.status <> 'running' GROUP BY e.host_id",
    );
    assert!(untold.contains("runs_told (told=?)"), "{untold}");
}

#[test]
fn figures_are_of_the_newest_snapshot_and_failures_count_from_the_last_success() {
    let store = fresh();
    let web = with_host(&*store);
    assert!(store.backup_figures(Some(&root())).unwrap().is_empty());
    let failed = |status: RunStatus| {
        let run = begin_run(&*store, web);
        let end = RunEnd {
            status,
            ..end_of_run(run)
        };
        store.finish_run(&end).unwrap();
    };
    failed(RunStatus::Failed);
    let of = || store.backup_figures(Some(&root())).unwrap()[&web];
    assert_eq!((of().failures, of().bytes), (1, None));
    complete(&*store, web, "20261122-021500Z__ab12cd");
    failed(RunStatus::Complete);
    assert_eq!(of().failures, 0);
    assert!(of().bytes.is_some());
    failed(RunStatus::Failed);
    failed(RunStatus::Cancelled);
    failed(RunStatus::Interrupted);
    begin_run(&*store, web);
    assert_eq!(of().failures, 2);
    // Snapshots of another root are none of this one.
    assert_eq!(store.backup_figures(None).unwrap()[&web].bytes, None);
}
