//! Makes a database: beside its place, whole, and then put there under its name at once.
//!
//! A first start that is killed, or one of two at the same time, so never leaves a database that is half made.

use std::fs;
use std::io::{self, ErrorKind};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::store::StoreError;

use super::{errors, files, migrations, open};

/// More than this many left behind by starts that were killed mean that something else is wrong.
const MOST_LEFT_BEHIND: u32 = 1000;

/// Makes the database at `path` and missing folders; leaves what is there alone.
pub(super) fn create(path: &Utf8Path) -> Result<(), StoreError> {
    if path.exists() {
        return Ok(());
    }
    files::create_folder_of(path)?;
    files::must_be_local(path)?;
    let new = empty_file_beside(path)?;
    let made = build(path, &new).and_then(|()| put_in_place(&new, path));
    // Whatever came of it, the name of the new file is not needed any more.
    let removed = files::remove(&new);
    made.and(removed)
}

fn empty_file_beside(path: &Utf8Path) -> Result<Utf8PathBuf, StoreError> {
    let mut last = io::Error::from(ErrorKind::AlreadyExists);
    for number in 0..MOST_LEFT_BEHIND {
        let new = Utf8PathBuf::from(format!("{path}.{number}.new"));
        match files::create_file(&new) {
            Ok(()) => return Ok(new),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => last = e,
            Err(e) => return Err(files::file_error("create the database", path, e)),
        }
    }
    Err(files::file_error("create the database", path, last))
}

/// Fills the empty file `new`; errors speak of the database it is to become.
fn build(path: &Utf8Path, new: &Utf8Path) -> Result<(), StoreError> {
    let mut connection = open::connect(new, Duration::ZERO)?;
    open::use_wal(path, &connection)?;
    connection
        .pragma_update(None, "application_id", open::APPLICATION_ID)
        .map_err(|e| errors::classify(path, e))?;
    migrations::run(path, &mut connection)?;
    // The last connection to leave writes everything into the one file.
    connection
        .close()
        .map_err(|(_, e)| errors::classify(path, e))?;
    files::sync(new)
}

/// Gives the file its name, unless somebody was first with it: a link, other than a rename, replaces nothing.
fn put_in_place(new: &Utf8Path, path: &Utf8Path) -> Result<(), StoreError> {
    match fs::hard_link(new, path) {
        Ok(()) => files::sync(&files::folder_of(path)),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(files::file_error("create the database", path, e)),
    }
}
