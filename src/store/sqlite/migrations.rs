//! The schema, brought up to date on every start; a newer or a foreign one is refused.

use camino::Utf8Path;
use chrono::DateTime;
use refinery::{Migration, Runner};
use rusqlite::Connection;

use crate::store::StoreError;
use crate::store::migrating::{self, File, migration_files};

use super::errors;

const FILES: &[File] = migration_files!("sqlite":
    "V1__schema",
    "V2__unattended",
    "V3__telling",
    "V6__accounts",
    "V7__asked_runs",
    "V8__host_status",
    "V9__servers",
    "V10__verify",
    "V13__host_status_order",
    "V14__servers_of_hosts",
    "V15__backup_wishes",
);

/// Applies what is missing, all in one transaction.
pub(super) fn run(path: &Utf8Path, connection: &mut Connection) -> Result<(), StoreError> {
    let known = known().map_err(|e| failed(path, e))?;
    apply(path, connection, &known)
}

/// Every migration as the library has it.
pub(in crate::store) fn known() -> Result<Vec<Migration>, refinery::Error> {
    migrating::known(FILES)
}

pub(super) fn apply(
    path: &Utf8Path,
    connection: &mut Connection,
    known: &[Migration],
) -> Result<(), StoreError> {
    let newest = migrating::newest(known);
    let found = version(path, connection)?;
    migrating::must_be_known(&path, found, newest)?;
    let migrate = |connection: &mut Connection| {
        Runner::new(known)
            .set_grouped(true)
            .set_abort_divergent(true)
            .set_abort_missing(true)
            .run(connection)
    };
    let first_error = match migrate(connection) {
        Ok(_) => return Ok(()),
        Err(e) => e,
    };
    if let Some(foreign) = migrating::foreign(&path, &first_error) {
        return Err(foreign);
    }
    // Another process may have been first with the same migration: what counts is where the schema is now.
    if found < newest && version(path, connection)? == newest {
        return migrate(connection).map(drop).map_err(|e| failed(path, e));
    }
    Err(failed(path, first_error))
}

/// The version of the schema, 0 if there is none.
///
/// The migration library panics at rows of its table that it cannot read, so they are read here first.
fn version(path: &Utf8Path, connection: &Connection) -> Result<i32, StoreError> {
    let error = |e| errors::classify(path, e);
    let exists: bool = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history')",
            [],
            |row| row.get(0),
        )
        .map_err(error)?;
    if !exists {
        return Ok(0);
    }
    let mut statement = connection
        .prepare("SELECT version, name, applied_on, checksum FROM refinery_schema_history")
        .map_err(error)?;
    let mut rows = statement.query([]).map_err(error)?;
    let mut newest = 0;
    while let Some(row) = rows.next().map_err(error)? {
        let read = || -> rusqlite::Result<(i32, String, String, String)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        };
        let (version, name, applied_on, checksum) = read().map_err(|e| damaged(path, e))?;
        DateTime::parse_from_rfc3339(&applied_on).map_err(|e| damaged(path, e))?;
        checksum.parse::<u64>().map_err(|e| damaged(path, e))?;
        tracing::debug!("schema of {path}: V{version}__{name}");
        newest = newest.max(version);
    }
    Ok(newest)
}

fn damaged(path: &Utf8Path, source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Damaged {
        database: path.to_string(),
        source: Box::new(source),
    }
}

/// The store's error for one of the migration library's, looking through to what SQLite said.
fn failed(path: &Utf8Path, error: refinery::Error) -> StoreError {
    let busy = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<rusqlite::Error>())
        .and_then(rusqlite::Error::sqlite_error_code);
    match busy {
        Some(rusqlite::ErrorCode::DatabaseBusy) => StoreError::Busy {
            database: path.to_string(),
            source: Box::new(error),
        },
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full {
            database: path.to_string(),
        },
        Some(rusqlite::ErrorCode::ReadOnly) => StoreError::ReadOnly {
            database: path.to_string(),
        },
        _ => StoreError::Migration {
            database: path.to_string(),
            source: Box::new(error),
        },
    }
}
