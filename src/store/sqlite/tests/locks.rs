//! Several connections and processes on one file.

use std::sync::{Barrier, mpsc};
use std::time::Duration;

use crate::store::{Sqlite, Store, StoreError};

use super::{Folder, raw, some_change};

#[test]
fn many_first_starts_at_once_make_one_database() {
    const STARTS: usize = 8;
    let folder = Folder::new();
    let path = folder.join("state/pobsync.db");
    let together = Barrier::new(STARTS);
    let lineages: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..STARTS)
            .map(|_| {
                scope.spawn(|| {
                    together.wait();
                    Sqlite::open_or_create(&path).unwrap().lineage().unwrap()
                })
            })
            .collect();
        starts.into_iter().map(|s| s.join().unwrap()).collect()
    });
    assert!(lineages.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_writer_waits_for_another_and_is_then_stale() {
    let folder = Folder::new();
    let path = folder.database();
    let store = Sqlite::open(&path).unwrap();
    let change = some_change(&store);
    let other = raw(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (about_to, told) = mpsc::channel();
    let error = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            about_to.send(()).unwrap();
            store.configure(&change)
        });
        told.recv().unwrap();
        other
            .execute_batch("UPDATE meta SET serial = serial + 1; COMMIT")
            .unwrap();
        writer.join().unwrap().unwrap_err()
    });
    assert!(matches!(error, StoreError::Stale(_)), "{error}");
}

#[test]
fn a_database_held_for_too_long_is_busy_for_writers_and_open_for_readers() {
    let folder = Folder::new();
    let path = folder.database();
    let store = Sqlite::open_within(&path, Duration::from_millis(1)).unwrap();
    let change = some_change(&store);
    let other = raw(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.configure(&change).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    assert!(error.is_retryable());
    assert!(store.load_state().is_ok());
    other.execute_batch("ROLLBACK").unwrap();
    assert!(store.configure(&change).unwrap().changed);
}

#[test]
fn of_two_changes_made_from_one_state_only_the_first_is_written() {
    const WRITERS: usize = 8;
    let folder = Folder::new();
    let path = folder.database();
    let first = Sqlite::open(&path).unwrap();
    let change = some_change(&first);
    let together = Barrier::new(WRITERS);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|n| {
                let (first, path, change, together) = (&first, &path, &change, &together);
                scope.spawn(move || {
                    // Half through one store with several connections, half through stores of their own.
                    let own = (n % 2 == 0).then(|| Sqlite::open(path).unwrap());
                    together.wait();
                    own.as_ref().unwrap_or(first).configure(change)
                })
            })
            .collect();
        writers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    let written = outcomes.iter().filter(|o| o.is_ok()).count();
    let stale = outcomes
        .iter()
        .filter(|o| matches!(o, Err(StoreError::Stale(_))))
        .count();
    assert_eq!((written, stale), (1, WRITERS - 1), "{outcomes:?}");
    assert_eq!(first.serial().unwrap().0, 1);
    assert_eq!(first.history(99).unwrap().len(), 1);
}

#[test]
fn a_store_can_be_handed_to_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Sqlite>();
    is_shared::<Box<dyn Store>>();
}
