//! What SQLite says, put into the words of the store.

use std::io;

use camino::Utf8Path;
use rusqlite::ErrorCode;

use crate::store::StoreError;

use super::files;

/// The store's error for one of SQLite's on the database at `path`.
pub(super) fn classify(path: &Utf8Path, error: rusqlite::Error) -> StoreError {
    let database = path.to_string();
    // The shared memory beside the database could not grow: SQLite has no other word for a full disk there.
    let is_full = error
        .sqlite_error()
        .is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
    if is_full {
        return StoreError::Full { database };
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::NotADatabase {
            database,
            source: Box::new(error),
        },
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged {
            database,
            source: Box::new(error),
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy {
            database,
            source: Box::new(error),
        },
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly { database },
        Some(ErrorCode::DiskFull) => StoreError::Full { database },
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            files::file_error("open", path, io::Error::other(error))
        }
        _ => StoreError::Database {
            database,
            source: Box::new(error),
        },
    }
}
