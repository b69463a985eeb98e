//! Copies of a database in use.

use std::fs;
use std::os::unix::fs::FileExt;

use crate::store::{Sqlite, Store, StoreError};

use super::{Folder, mode, raw, some_change};

#[test]
fn a_copy_is_one_file_with_everything_committed_and_for_this_user_alone() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.database()).unwrap();
    store.configure(&some_change(&store)).unwrap();
    // Neither a copy that is there nor what a killed one left is in the way.
    let copy = folder.join("root-copy.db");
    fs::write(&copy, "older").unwrap();
    fs::write(folder.join("root-copy.db.new"), "half").unwrap();

    store.backup_to(&copy).unwrap();
    assert_eq!(mode(&copy), 0o600);
    let mut names: Vec<String> = fs::read_dir(copy.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("root-copy"))
        .collect();
    names.sort();
    assert_eq!(names, ["root-copy.db"]);

    let state = store.load_state().unwrap();
    store.configure(&some_change(&store)).unwrap();
    let restored = Sqlite::open(&copy).unwrap();
    assert_eq!(restored.load_state().unwrap(), state);
}

#[test]
fn a_copy_is_made_while_another_writes() {
    let folder = Folder::new();
    let path = folder.database();
    let store = Sqlite::open(&path).unwrap();
    let other = raw(&path);
    other
        .execute_batch("BEGIN IMMEDIATE; UPDATE meta SET serial = 7")
        .unwrap();
    let copy = folder.join("copy.db");
    store.backup_to(&copy).unwrap();
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(Sqlite::open(&copy).unwrap().serial().unwrap().0, 0);
}

#[test]
fn a_damaged_database_does_not_take_the_place_of_a_good_copy() {
    let folder = Folder::new();
    let path = folder.database();
    let copy = folder.join("copy.db");
    Sqlite::open(&path).unwrap().backup_to(&copy).unwrap();
    let good = fs::read(&copy).unwrap();

    let page: i64 = raw(&path)
        .query_row(
            "SELECT (rootpage - 1) * (SELECT page_size FROM pragma_page_size) \
             FROM sqlite_schema WHERE name = 'runs'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0xFF; 64], page.try_into().unwrap())
        .unwrap();
    drop(file);

    let store = Sqlite::open(&path).unwrap();
    let error = store.backup_to(&copy).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(fs::read(&copy).unwrap(), good);
    assert!(!folder.join("copy.db.new").exists());
    let error = store
        .runs(&crate::store::RunFilter::default(), 9)
        .unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_database_is_not_copied_onto_itself() {
    let folder = Folder::new();
    let path = folder.database();
    let store = Sqlite::open(&path).unwrap();
    let error = store.backup_to(&path).unwrap_err();
    assert!(matches!(error, StoreError::File { .. }), "{error}");
    assert!(store.configure(&some_change(&store)).is_ok());
}

#[test]
fn a_place_that_cannot_hold_a_copy_is_named() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.database()).unwrap();
    let error = store.backup_to("/dev/null/copy.db".into()).unwrap_err();
    assert!(
        error.to_string().contains("/dev/null/copy.db.new"),
        "{error}"
    );
}
