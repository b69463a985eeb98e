//! Copies of a database that is in use, through SQLite's backup API: whole, checked, and in place at once.

use std::fs;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::Connection;
use rusqlite::backup::Backup;

use crate::store::StoreError;

use super::{errors, files, open};

/// All pages in one step, which no writer of another process can make start over; under WAL nobody has to wait for it.
const ALL_PAGES: std::ffi::c_int = std::ffi::c_int::MAX;

/// A step that meets a lock is tried again after this long.
const PAUSE: Duration = Duration::from_millis(100);

/// Copies the database behind `source` to the file `to`, in place of an older copy.
pub(super) fn copy(from: &Utf8Path, source: &Connection, to: &Utf8Path) -> Result<(), StoreError> {
    if is_same_file(from, to) {
        let refusal = io::Error::new(io::ErrorKind::InvalidInput, "it is the database itself");
        return Err(files::file_error("copy the database to", to, refusal));
    }
    let new = Utf8PathBuf::from(format!("{to}.new"));
    files::remove(&new)?;
    files::create_file(&new).map_err(|e| files::file_error("create the copy", &new, e))?;
    write(source, &new).inspect_err(|_| {
        // What is left of a copy that failed is in nobody's way, so the first error is the one to tell.
        let _ = files::remove(&new);
    })?;
    files::sync(&new)?;
    fs::rename(&new, to).map_err(|e| files::file_error("put the copy in place of", to, e))?;
    files::sync(&files::folder_of(to))?;
    tracing::debug!("copied {from} to {to}");
    Ok(())
}

fn write(source: &Connection, new: &Utf8Path) -> Result<(), StoreError> {
    let error = |e| errors::classify(new, e);
    let mut target = open::connect(new, Duration::ZERO)?;
    Backup::new(source, &mut target)
        .and_then(|backup| backup.run_to_completion(ALL_PAGES, PAUSE, None))
        .map_err(error)?;
    // Out of WAL, so that the copy is one file that can be read without being written.
    target
        .query_row("PRAGMA journal_mode = DELETE", [], |row| {
            row.get::<_, String>(0)
        })
        .map_err(error)?;
    // A damaged database must not take the place of a good copy.
    let verdict: String = target
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(error)?;
    if verdict != "ok" {
        return Err(StoreError::Damaged {
            database: new.to_string(),
            source: verdict.into(),
        });
    }
    target.close().map_err(|(_, e)| error(e))
}

fn is_same_file(a: &Utf8Path, b: &Utf8Path) -> bool {
    match (a.canonicalize_utf8(), b.canonicalize_utf8()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}
