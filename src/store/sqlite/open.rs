//! Opens a file: is it a database, is it ours, can it be written; then its settings and its schema.

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use camino::Utf8Path;
use rusqlite::{Connection, OpenFlags};

use crate::store::StoreError;

use super::{errors, files, migrations};

/// `pobs`: what the header of our files says (sqlite.org/fileformat.html, 1.3.16), so that another program's database
/// is never taken for ours.
pub(super) const APPLICATION_ID: i32 = 0x706F_6273;

/// Statements kept prepared a connection: all of ours fit.
const PREPARED: usize = 96;

/// Opens the first connection: checks everything and brings the schema up to date.
pub(super) fn first(path: &Utf8Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    let size = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return Err(StoreError::Missing {
                database: path.to_string(),
            });
        }
        Err(e) => return Err(files::file_error("look at", path, e)),
    };
    if size == 0 {
        return Err(StoreError::Empty {
            database: path.to_string(),
        });
    }
    files::must_be_local(path)?;
    let mut connection = connect(path, busy_timeout)?;
    must_be_ours(path, &connection)?;
    files::secure(path)?;
    migrations::run(path, &mut connection)?;
    Ok(connection)
}

/// Opens one more connection to a database that has been checked.
pub(super) fn connect(path: &Utf8Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    // No SQLITE_OPEN_CREATE: the file is made with our own mode. No SQLITE_OPEN_URI: a path is a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let error = |e| errors::classify(path, e);
    let connection = Connection::open_with_flags(path, flags).map_err(error)?;
    connection.busy_timeout(busy_timeout).map_err(error)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    // FULL: what authorises deletions must survive a loss of power, which NORMAL does not promise under WAL.
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;",
        )
        .map_err(error)?;
    Ok(connection)
}

/// Makes sure that the file is a writable database of ours.
fn must_be_ours(path: &Utf8Path, connection: &Connection) -> Result<(), StoreError> {
    let error = |e| errors::classify(path, e);
    // SQLite falls back to reading when it may not write, and would say so only at the first change.
    if connection.is_readonly(rusqlite::MAIN_DB).map_err(error)? {
        return Err(StoreError::ReadOnly {
            database: path.to_string(),
        });
    }
    let application: i32 = connection
        .query_row("PRAGMA application_id", [], |row| row.get(0))
        .map_err(error)?;
    if application != APPLICATION_ID {
        return Err(StoreError::NotOurs {
            database: path.to_string(),
        });
    }
    // A copy comes out of the backup without it.
    use_wal(path, connection)
}

/// Puts the database into WAL mode, in which readers never wait and writers wait for each other alone.
pub(super) fn use_wal(path: &Utf8Path, connection: &Connection) -> Result<(), StoreError> {
    let journal: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(|e| errors::classify(path, e))?;
    if journal == "wal" {
        return Ok(());
    }
    Err(StoreError::Database {
        database: path.to_string(),
        source: format!("it cannot be put into WAL mode, only into {journal}").into(),
    })
}
