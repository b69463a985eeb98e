//! The files of a database: made for this user alone, never on a network file system.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};

use crate::store::StoreError;

/// The database says what may be deleted, and holds tokens: nobody else reads or writes it.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Makes the folder of a file, and missing ones above it; leaves what is there alone.
pub(super) fn create_folder_of(path: &Utf8Path) -> Result<(), StoreError> {
    let folder = folder_of(path);
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(&folder)
        .map_err(|e| file_error("create the folder", &folder, e))
}

/// Makes a new, empty file for this user alone.
pub(super) fn create_file(path: &Utf8Path) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .map(drop)
}

/// Removes a database that nobody has open, and what SQLite keeps beside it.
pub(super) fn remove(path: &Utf8Path) -> Result<(), StoreError> {
    for file in ["", "-journal", "-wal", "-shm"].map(|suffix| format!("{path}{suffix}")) {
        match fs::remove_file(&file) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(file_error("remove", Utf8Path::new(&file), e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes what was written to a file or folder durable. Not for a database that is open.
pub(super) fn sync(path: &Utf8Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|e| file_error("write", path, e))
}

/// Takes a database and the files beside it away from other users; SQLite gives new ones the mode of the database.
///
/// All by name: opening and closing the file would drop SQLite's locks.
pub(super) fn secure(path: &Utf8Path) -> Result<(), StoreError> {
    for file in ["", "-wal", "-shm"].map(|suffix| Utf8PathBuf::from(format!("{path}{suffix}"))) {
        let mode = match fs::metadata(&file) {
            Ok(metadata) => metadata.permissions().mode() & 0o7777,
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(file_error("look at", &file, e)),
        };
        if mode & !FILE_MODE != 0 {
            tracing::warn!("{file} had mode {mode:04o}; it is now {FILE_MODE:04o}");
            fs::set_permissions(&file, Permissions::from_mode(FILE_MODE))
                .map_err(|e| file_error("take away from other users", &file, e))?;
        }
    }
    if folder_is_open(path) {
        let folder = folder_of(path);
        tracing::warn!(
            "{folder} can be written by others, who could put another database there: chmod go-w {folder}"
        );
    }
    Ok(())
}

/// Says that others may write the folder of a database, and so put another one in its place. One with the sticky bit,
/// as `/tmp` has, lets nobody remove what is not theirs.
pub(super) fn folder_is_open(path: &Utf8Path) -> bool {
    let meta = fs::metadata(folder_of(path));
    meta.is_ok_and(|meta| {
        let mode = meta.permissions().mode();
        mode & 0o022 != 0 && mode & 0o1000 == 0
    })
}

/// Refuses file systems on which locks and shared memory cannot be relied upon, which WAL needs (sqlite.org/wal.html).
pub(super) fn must_be_local(path: &Utf8Path) -> Result<(), StoreError> {
    let folder = folder_of(path);
    let stat = rustix::fs::statfs(folder.as_std_path())
        .map_err(|e| file_error("look at the folder", &folder, e.into()))?;
    match network_file_system(stat.f_type) {
        Some(kind) => Err(StoreError::NetworkFileSystem {
            database: path.to_string(),
            kind,
        }),
        None => Ok(()),
    }
}

/// The name of a network file system by its magic number (linux/magic.h, statfs(2)).
pub(super) fn network_file_system(magic: rustix::fs::FsWord) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517B => "SMB",
        0xFF53_4D42 => "CIFS",
        0xFE53_4D42 => "SMB2",
        0x5346_414F => "AFS",
        0x6B41_4653 => "kAFS",
        0x7375_7245 => "Coda",
        0x00C3_6400 => "Ceph",
        0x0BD0_0BD0 => "Lustre",
        _ => return None,
    })
}

/// The folder of a file; a bare name lies here.
pub(super) fn folder_of(path: &Utf8Path) -> Utf8PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_str().is_empty() => parent.to_owned(),
        _ => Utf8PathBuf::from("."),
    }
}

pub(super) fn file_error(doing: &'static str, path: &Utf8Path, source: io::Error) -> StoreError {
    StoreError::File {
        doing,
        path: path.to_string(),
        source,
    }
}
