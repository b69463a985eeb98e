//! Migrations: from nothing, again, newer, changed, unreadable.

use std::sync::Barrier;
use std::time::Duration;

use refinery::Migration;
use rstest::rstest;

use crate::store::sqlite::{migrations, open};
use crate::store::{Sqlite, Store, StoreError};

use super::{Folder, raw};

/// All of ours and one more, far behind them.
fn all_and(name: &str, sql: &str) -> Vec<Migration> {
    let mut known = migrations::known().unwrap();
    known.push(Migration::unapplied(name, sql).unwrap());
    known
}

fn newest() -> i32 {
    let known = migrations::known().unwrap();
    known.iter().map(Migration::version).max().unwrap()
}

#[test]
fn the_schema_is_made_once_and_then_found() {
    let folder = Folder::new();
    let path = folder.database();
    drop(Sqlite::open(&path).unwrap());
    let applied: Vec<(i32, String)> = raw(&path)
        .prepare("SELECT version, name FROM refinery_schema_history")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let known: Vec<(i32, String)> = migrations::known()
        .unwrap()
        .iter()
        .map(|m| (m.version(), m.name().to_owned()))
        .collect();
    assert_eq!(applied, known);
    assert_eq!(applied[0], (1, "schema".to_owned()));
}

#[test]
fn a_database_newer_than_the_program_is_refused() {
    let folder = Folder::new();
    let path = folder.database();
    raw(&path)
        .execute(
            "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
             VALUES (999, 'future', '2030-01-01T00:00:00Z', '1')",
            [],
        )
        .unwrap();
    let error = Sqlite::open(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the database {path} has schema version 999, this pobsync knows up to {}",
            newest()
        )
    );
    assert!(error.help().unwrap().contains("newer one"));
}

#[test]
fn a_migration_whose_text_has_changed_is_refused() {
    let folder = Folder::new();
    let path = folder.database();
    raw(&path)
        .execute("UPDATE refinery_schema_history SET checksum = '12345'", [])
        .unwrap();
    let error = Sqlite::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::ForeignSchema { .. }), "{error}");
    assert!(error.to_string().contains("V1__schema"), "{error}");
}

#[rstest]
#[case("UPDATE refinery_schema_history SET applied_on = 'yesterday'")]
#[case("UPDATE refinery_schema_history SET checksum = 'x'")]
#[case("UPDATE refinery_schema_history SET name = NULL")]
fn a_history_that_cannot_be_read_is_told_and_does_not_panic(#[case] damage: &str) {
    let folder = Folder::new();
    let path = folder.database();
    raw(&path).execute(damage, []).unwrap();
    let error = Sqlite::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_migration_that_fails_leaves_no_trace() {
    let folder = Folder::new();
    let path = folder.database();
    let known = all_and("V900__bad", "CREATE TABLE extra (id INTEGER); NONSENSE;");
    let mut connection = open::connect(&path, Duration::ZERO).unwrap();
    let error = migrations::apply(&path, &mut connection, &known).unwrap_err();
    assert!(matches!(error, StoreError::Migration { .. }), "{error}");
    let made: bool = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'extra')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(!made);
    drop(connection);
    assert!(Sqlite::open(&path).unwrap().lineage().is_ok());
}

#[test]
fn many_starts_at_once_bring_the_schema_up_to_date_once() {
    const STARTS: usize = 8;
    let folder = Folder::new();
    let path = folder.database();
    let known = all_and("V900__more", "CREATE TABLE extra (id INTEGER) STRICT;");
    let together = Barrier::new(STARTS);
    std::thread::scope(|scope| {
        for _ in 0..STARTS {
            scope.spawn(|| {
                let mut connection = open::connect(&path, Duration::from_secs(10)).unwrap();
                together.wait();
                migrations::apply(&path, &mut connection, &known).unwrap();
            });
        }
    });
    let applied: i64 = raw(&path)
        .query_row("SELECT COUNT(*) FROM refinery_schema_history", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(usize::try_from(applied).unwrap(), known.len());
}

#[test]
fn an_older_schema_is_brought_up_to_date_with_its_rows() {
    let folder = Folder::new();
    let path = folder.database();
    let lineage = Sqlite::open(&path).unwrap().lineage().unwrap();
    let known = all_and("V900__more", "CREATE TABLE extra (id INTEGER) STRICT;");
    let mut connection = open::connect(&path, Duration::ZERO).unwrap();
    migrations::apply(&path, &mut connection, &known).unwrap();
    let found: String = connection
        .query_row(
            "SELECT lineage FROM meta WHERE NOT EXISTS (SELECT 1 FROM extra)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(found, lineage.as_str());
    drop(connection);
    // And now the program that knows only the first one finds it newer.
    let error = Sqlite::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
}
