//! Files that are there, are not, are not ours, are damaged.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};

use rstest::rstest;
use rusqlite::Connection;

use crate::store::sqlite::{errors, files, open};
use crate::store::{Sqlite, Store, StoreError};

use super::{Folder, mode, raw, some_change};

#[test]
fn a_new_database_is_for_this_user_alone() {
    let folder = Folder::new();
    let path = folder.join("state/deep/pobsync.db");
    let store = Sqlite::open_or_create(&path).unwrap();
    store.configure(&some_change(&store)).unwrap();
    for file in ["", "-wal", "-shm"] {
        assert_eq!(mode(format!("{path}{file}")), 0o600, "{file}");
    }
    for made in ["state", "state/deep"] {
        assert_eq!(mode(folder.join(made)), 0o700, "{made}");
    }
}

#[test]
fn a_database_that_others_can_read_is_taken_away_from_them() {
    let folder = Folder::new();
    let path = folder.database();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let store = Sqlite::open(&path).unwrap();
    for file in ["", "-wal", "-shm"] {
        assert_eq!(mode(format!("{path}{file}")), 0o600, "{file}");
    }
    drop(store);
}

#[test]
fn opening_again_finds_the_same_database() {
    let folder = Folder::new();
    let path = folder.database();
    let lineage = Sqlite::open(&path).unwrap().lineage().unwrap();
    let again = Sqlite::open_or_create(&path).unwrap();
    assert_eq!(again.lineage().unwrap(), lineage);
    assert_eq!(again.path(), path);
    let other = Folder::new();
    assert_ne!(
        Sqlite::open(&other.database()).unwrap().lineage().unwrap(),
        lineage
    );
}

#[test]
fn durable_and_strict_settings_are_in_force_on_every_connection() {
    let folder = Folder::new();
    let connection = open::connect(&folder.database(), super::super::BUSY_TIMEOUT).unwrap();
    let pragma = |name: &str| -> String {
        let sql = format!("SELECT CAST((SELECT * FROM pragma_{name}) AS TEXT)");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(pragma("journal_mode"), "wal");
    assert_eq!(pragma("synchronous"), "2", "FULL");
    assert_eq!(pragma("foreign_keys"), "1");
    assert_eq!(pragma("busy_timeout"), "10000");
    let lax: i64 = connection
        .query_row(
            "SELECT COUNT(*) FROM pragma_table_list \
             WHERE strict = 0 AND name NOT LIKE 'sqlite_%' AND name <> 'refinery_schema_history'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(lax, 0);
}

#[test]
fn a_missing_database_is_not_made_by_opening_it() {
    let folder = Folder::new();
    let path = folder.join("pobsync.db");
    let error = Sqlite::open(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("there is no database at {path}"));
    assert!(error.help().unwrap().contains("pobsync init"));
    assert!(!path.exists());
}

#[test]
fn an_empty_file_is_no_database_and_stays_empty() {
    let folder = Folder::new();
    let path = folder.join("pobsync.db");
    fs::write(&path, "").unwrap();
    for open in [Sqlite::open, Sqlite::open_or_create] {
        let error = open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Empty { .. }), "{error}");
    }
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn what_a_killed_first_start_left_is_not_in_the_way_of_the_next_one() {
    let folder = Folder::new();
    let left = folder.join("pobsync.db.0.new");
    fs::write(&left, "half").unwrap();
    let store = Sqlite::open(&folder.database()).unwrap();
    assert!(store.load_state().unwrap().hosts.is_empty());
    assert_eq!(fs::read_to_string(&left).unwrap(), "half");
    assert!(!folder.join("pobsync.db.1.new").exists());
}

#[test]
fn a_damaged_header_is_told_and_the_file_left_as_it_is() {
    let folder = Folder::new();
    let path = folder.database();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0xAA; 100], 0).unwrap();
    drop(file);
    let before = fs::read(&path).unwrap();
    for open in [Sqlite::open, Sqlite::open_or_create] {
        let error = open(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{path} is not a database, or its beginning is damaged")
        );
        assert!(error.help().unwrap().contains("nightly copy"));
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_file_of_another_kind_is_told_and_left_as_it_is() {
    let folder = Folder::new();
    let path = folder.join("notes.txt");
    let text = "these are my notes\n".repeat(100);
    fs::write(&path, &text).unwrap();
    let error = Sqlite::open_or_create(&path).unwrap_err();
    assert!(matches!(error, StoreError::NotADatabase { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn the_database_of_another_program_is_told_and_left_as_it_is() {
    let folder = Folder::new();
    let path = folder.join("cookies.sqlite");
    raw(&path)
        .execute_batch("CREATE TABLE cookies (id INTEGER)")
        .unwrap();
    let before = fs::read(&path).unwrap();
    for open in [Sqlite::open, Sqlite::open_or_create] {
        let error = open(&path).unwrap_err();
        assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_row_that_cannot_be_read_is_named() {
    let folder = Folder::new();
    let path = folder.database();
    let store = Sqlite::open(&path).unwrap();
    store.configure(&some_change(&store)).unwrap();
    raw(&path)
        .execute("UPDATE global_settings SET settings = '{\"new\":1}'", [])
        .unwrap();
    let error = store.load_state().unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 1 of table global_settings cannot be read: column settings"
    );
}

#[rstest]
#[case("/dev/null/pobsync.db")]
#[case("/proc/pobsync/pobsync.db")]
fn a_folder_that_cannot_be_made_is_named(#[case] path: &str) {
    let error = Sqlite::open_or_create(path.into()).unwrap_err();
    let folder = path.trim_end_matches("/pobsync.db");
    assert_eq!(
        error.to_string(),
        format!("cannot create the folder {folder}")
    );
    assert!(error.help().unwrap().contains("owns the folder"));
}

#[test]
fn a_folder_in_place_of_a_file_is_told() {
    let folder = Folder::new();
    let error = Sqlite::open(&folder.join("")).unwrap_err();
    assert!(matches!(error, StoreError::File { .. }), "{error:?}");
}

#[rstest]
#[case::read_only("PRAGMA query_only = ON", "the database db cannot be written")]
#[case::full("PRAGMA max_page_count = 1", "no space is left for the database db")]
fn what_sqlite_says_is_told_in_our_words(#[case] setting: &str, #[case] message: &str) {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch("CREATE TABLE t (a TEXT)")
        .and_then(|()| connection.execute_batch(setting))
        .unwrap();
    let said = connection
        .execute("INSERT INTO t VALUES (hex(zeroblob(100000)))", [])
        .unwrap_err();
    let error = errors::classify("db".into(), said);
    assert_eq!(error.to_string(), message);
    assert!(error.help().is_some());
    assert!(!error.is_retryable());
}

#[test]
fn network_file_systems_are_told_by_their_magic_number() {
    assert_eq!(files::network_file_system(0x6969), Some("NFS"));
    assert_eq!(files::network_file_system(0xFF53_4D42), Some("CIFS"));
    // ext4, XFS, btrfs, tmpfs, overlayfs, ZFS.
    for local in [
        0xEF53,
        0x5846_5342,
        0x9123_683E,
        0x0102_1994,
        0x794C_7630,
        0x2FC1_2FC1,
    ] {
        assert_eq!(files::network_file_system(local), None, "{local:x}");
    }
}
