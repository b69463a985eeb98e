//! Connections and servers that go away: nothing is lost, and nothing happens twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mysql::prelude::Queryable as _;
use rstest::rstest;

use crate::core::model::{RunStatus, Timestamp};
use crate::store::session::{Database, args, first};
use crate::store::tests::mariadb_server::{Server, shared};
use crate::store::tests::support::{begin_run, with_host};
use crate::store::{MariaDb, NewRun, RunEnd, RunFilter, Store, StoreError};

use super::Place;
use super::proxy::{Break, Proxy};

fn runs(store: &dyn Store) -> usize {
    store.runs(&RunFilter::default(), 10_000).unwrap().len()
}

#[rstest]
#[case(Break::BeforeHearing("COMMIT"))]
#[case(Break::BeforeAnswer("COMMIT"))]
#[case(Break::BeforeHearing("INSERT INTO runs"))]
#[case(Break::BeforeAnswer("INSERT INTO runs"))]
#[case(Break::BeforeAnswer("INSERT INTO write_marks"))]
#[case(Break::BeforeAnswer("START TRANSACTION"))]
fn a_change_whose_connection_breaks_happens_once(#[case] when: Break) {
    let server = shared();
    let armed = Arc::new(AtomicBool::new(false));
    let proxy = Proxy::to(server, when, Arc::clone(&armed));
    let address = proxy.url(&server.new_database()).parse().unwrap();
    let store = MariaDb::open_or_create(&address).unwrap();
    let host = with_host(&store);
    // The statements are prepared anew by a store that has not spoken yet.
    let store = MariaDb::open(&address).unwrap();
    armed.store(true, Ordering::SeqCst);
    let run = begin_run(&store, host);
    assert_eq!(proxy.broken(), 1, "{when:?}");
    assert_eq!(runs(&store), 1, "{when:?}");
    let found = store.runs(
        &RunFilter {
            run: Some(run),
            ..RunFilter::default()
        },
        1,
    );
    assert_eq!(found.unwrap().len(), 1);
}

#[test]
fn connections_that_the_server_has_closed_meanwhile_are_no_trouble() {
    let place = Place::new();
    let store = place.store();
    let host = with_host(&store);
    assert_eq!(runs(&store), 0);
    let others: Vec<u64> = place
        .raw()
        .query(format!(
            "SELECT id FROM information_schema.processlist WHERE db = '{}' AND id <> CONNECTION_ID()",
            place.name
        ))
        .unwrap();
    assert!(!others.is_empty());
    for id in others {
        place.server.execute(&format!("KILL CONNECTION {id}"));
    }
    begin_run(&store, host);
    assert_eq!(runs(&store), 1);
}

#[test]
fn work_whose_connection_is_killed_is_done_again_from_its_beginning() {
    let store = Place::new().store();
    let tries = AtomicUsize::new(0);
    store
        .write(|s| {
            s.execute(
                "INSERT INTO policies (fingerprint, body) VALUES ('a', '')",
                &[],
            )?;
            if tries.fetch_add(1, Ordering::SeqCst) == 0 {
                // Whatever the work makes of the error, what it did is gone.
                let _ = s.execute("KILL CONNECTION CONNECTION_ID()", &[]);
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(tries.into_inner(), 2);
    let count = store.read(|s| {
        first(s, "SELECT COUNT(*) FROM policies", args![], |row| {
            Ok(row.int(0).unwrap())
        })
    });
    assert_eq!(count.unwrap().flatten(), Some(1));
}

#[test]
fn one_of_two_that_wait_for_each_other_is_done_again() {
    let place = Place::new();
    let store = place.store();
    with_host(&store);
    let mut other = place.raw();
    other.query_drop("START TRANSACTION").unwrap();
    other
        .query_drop("UPDATE hosts SET changed_by = 'other'")
        .unwrap();
    // It holds more than the store does, so the server undoes the store's.
    other
        .query_drop("INSERT INTO audit (at, actor, summary, serial_before, serial_after, detail) SELECT 0, '', '', 0, 0, '' FROM seq_1_to_500")
        .unwrap();
    let tries = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            store.write(|s| {
                tries.fetch_add(1, Ordering::SeqCst);
                s.execute("UPDATE hosts SET enabled = 0", &[])
            })
        });
        // Once the store has its turn, the other one asks for it. Which of the two waits first is all the same.
        while tries.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        other
            .query_drop("UPDATE write_marks SET at = 1 WHERE token = ''")
            .unwrap();
        other.query_drop("COMMIT").unwrap();
        assert_eq!(writing.join().unwrap().unwrap(), 1);
    });
    assert_eq!(tries.into_inner(), 2);
}

#[test]
fn a_writer_that_was_stopped_in_the_middle_loses_its_turn() {
    let place = Place::new();
    let store = place.store();
    let timeout = store.read(|s| {
        let sql = "SELECT @@idle_write_transaction_timeout < @@innodb_lock_wait_timeout";
        first(s, sql, args![], |row| Ok(row.int(0).unwrap()))
    });
    // Before those who wait for it give up.
    assert_eq!(timeout.unwrap().flatten(), Some(1));
}

/// What is told before it happens is marked by its process; what has happened is in the table.
#[test]
fn a_server_that_is_killed_under_load_loses_nothing_and_nothing_happens_twice() {
    const WRITERS: usize = 6;
    const KILLS: usize = 3;
    let mut server = Server::start(&[]);
    let name = server.new_database();
    let address = server.url(&name).parse().unwrap();
    let store = MariaDb::open_or_create(&address).unwrap();
    let host = with_host(&store);
    let stop = AtomicBool::new(false);
    let begun = AtomicUsize::new(0);
    let work = |writer: usize| {
        // A process of its own would have a store of its own.
        let store = MariaDb::open(&address).unwrap();
        let mut told = Vec::new();
        for n in 0.. {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let process = format!("{writer}/{n}");
            let new = NewRun {
                host,
                kind: crate::core::model::RunKind::Backup,
                started_at: Timestamp::from_millis(1),
                process: process.clone(),
                plan: None,
                log_path: None,
                lease: None,
            };
            let run = match store.begin_run(&new) {
                Ok(run) => run,
                Err(error) => {
                    told.push((process, None, error.to_string()));
                    continue;
                }
            };
            begun.fetch_add(1, Ordering::SeqCst);
            let end = RunEnd {
                run,
                status: RunStatus::Complete,
                at: Timestamp::from_millis(2),
                message: process.clone(),
                cause: None,
            };
            // A run ends once: done twice, this would be an error.
            let ended = store.finish_run(&end);
            assert!(
                !matches!(ended, Err(StoreError::RunIs { .. })),
                "{process}: {ended:?}"
            );
            told.push((process, Some(run), String::new()));
        }
        told
    };
    let told: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || work(writer)))
            .collect();
        for kill in 1..=KILLS {
            while begun.load(Ordering::SeqCst) < kill * 60 {
                std::thread::yield_now();
            }
            server.kill();
            server.run();
        }
        let after = begun.load(Ordering::SeqCst) + 30;
        while begun.load(Ordering::SeqCst) < after {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::SeqCst);
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    });
    let found = store.runs(&RunFilter::default(), 1_000_000).unwrap();
    for (process, run, error) in &told {
        let with_it: Vec<_> = found.iter().filter(|r| r.run.process == *process).collect();
        match run {
            Some(run) => {
                assert_eq!(with_it.len(), 1, "{process}");
                assert_eq!(with_it[0].run.id, *run, "{process}");
                assert_eq!(with_it[0].run.status, RunStatus::Complete, "{process}");
            }
            None => panic!("{process}: {error}"),
        }
    }
    assert_eq!(found.len(), told.len(), "nothing that nobody was told of");
}
