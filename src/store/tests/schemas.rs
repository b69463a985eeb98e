//! The two schemas are one: the same migrations, tables and columns.

use crate::store::session::{Database, all};
use crate::store::{Opened, StoreError, mariadb, sqlite};

use super::support::*;

#[test]
fn both_have_the_same_migrations() {
    let names = |known: Vec<refinery::Migration>| -> Vec<String> {
        known.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        names(sqlite::migrations::known().unwrap()),
        names(mariadb::migrations::known().unwrap())
    );
}

/// Table, column, whether it is text, place in the primary key.
fn columns(store: &Opened) -> Vec<(String, String, i64, i64)> {
    let mut found = store
        .read(|session| {
            let catalog = session.catalog();
            all(session, catalog, &[], |row| {
                let text = |at| row.text(at).unwrap().unwrap().to_owned();
                let int = |at| row.int(at).unwrap().unwrap();
                Ok::<_, StoreError>((text(0), text(1), int(2), int(3)))
            })
        })
        .unwrap();
    found.sort();
    found
}

#[test]
fn both_have_the_same_tables_and_columns() {
    let (ours, theirs) = (
        columns(&fresh_sqlite().store),
        columns(&fresh_mariadb().store),
    );
    assert!(ours.len() > 100, "{ours:?}");
    assert_eq!(ours, theirs);
}
