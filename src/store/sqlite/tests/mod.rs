//! What is SQLite's own: files, modes, damage, migrations, other processes, copies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod copies;
mod locks;
mod opening;
mod schema;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::core::model::Timestamp;
use crate::store::{ConfigChange, GlobalWrite, Store};

use super::Sqlite;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn join(&self, name: &str) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.0.path().join(name)).unwrap()
    }

    /// A database that has been made and closed.
    fn database(&self) -> Utf8PathBuf {
        let path = self.join("pobsync.db");
        drop(Sqlite::open_or_create(&path).unwrap());
        path
    }
}

/// The database as another program opens it.
fn raw(path: &Utf8Path) -> Connection {
    Connection::open(path).unwrap()
}

fn mode(path: impl AsRef<Path>) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A change that always changes something.
fn some_change(store: &dyn Store) -> ConfigChange {
    let serial = store.serial().unwrap();
    let settings = crate::core::model::GlobalSettings {
        max_concurrent: u32::try_from(serial.0).unwrap() + 3,
        ..Default::default()
    };
    ConfigChange {
        expected_serial: serial,
        actor: "alice".to_owned(),
        at: Timestamp::from_millis(0),
        summary: "configure-global".to_owned(),
        global: Some(GlobalWrite {
            managed_by: crate::core::model::ManagedBy::Cli,
            settings,
            applied: None,
        }),
        hosts: Vec::new(),
        plan: None,
        approvals: Vec::new(),
    }
}
