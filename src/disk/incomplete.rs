//! Pulls in progress.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags, statat};

use super::error::DiskError;
use super::handle::{Handle, random_word};
use super::host::{DATA, HostDir, INCOMPLETE, TRASH};
use super::lock::HostLock;
use super::marks::{self, Suspect};
use super::meta::{self, SnapshotMeta};
use super::space::Space;
use super::tally::excess_of;
use super::trash::ANEW;
use crate::core::model::{Excess, Limits, SnapshotKind, SnapshotName};

/// rsync's own words, beside `data/`.
const LOG: &str = "rsync.log";
/// The names that rsync is asked for, while it is.
const NAMES: &str = "names";
/// Where ssh lets transfers into the connection that they share, while it does.
const CONNECTION: &str = "connection";

/// A snapshot that is being made, invisible under `.incomplete/<kind>/<name>/`.
///
/// Begin it before the first byte is written: its handle is what later tells whether the disk lost any of them.
#[derive(Debug)]
pub struct Incomplete {
    kind: SnapshotKind,
    name: SnapshotName,
    dir: Handle,
}

impl HostDir {
    /// Opens the log of a snapshot to read it, be it visible or in progress; nothing if it has none.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is no plain file.
    pub fn open_log(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<Option<File>, DiskError> {
        let dir = match self.find_snapshot(kind, name)? {
            Some(dir) => Some(dir),
            None => match self.incomplete_dir(kind)? {
                Some(incomplete) => incomplete.child(name.as_str())?,
                None => None,
            },
        };
        dir.map_or(Ok(None), |dir| dir.open_file(LOG, OFlags::RDONLY))
    }
}

impl HostLock {
    /// Makes `.incomplete/<kind>/<name>/data`, empty.
    ///
    /// # Errors
    ///
    /// [`DiskError::NameTaken`] if a snapshot of that name is in progress or visible: a pull never goes into a tree
    /// that has files already, since they share inodes with older snapshots. Else it cannot be made, or the path of the
    /// root leads elsewhere by now ([`DiskError::Replaced`]), so that rsync would write there.
    pub fn begin(&self, kind: SnapshotKind, name: &SnapshotName) -> Result<Incomplete, DiskError> {
        if self.has_snapshot(kind, name)? {
            return Err(DiskError::NameTaken {
                path: self.snapshot_path(kind, name),
            });
        }
        // Made while there is room for it: a disk without inodes could not be pruned otherwise.
        self.dir().make(TRASH)?;
        let parent = self.dir().make(INCOMPLETE)?.make(kind.as_str())?;
        let dir = parent.make_new(name.as_str())?;
        let incomplete = Incomplete {
            kind,
            name: name.clone(),
            dir,
        };
        let data = incomplete.dir.make_new(DATA)?;
        let by_path = statat(CWD, data.path(), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| DiskError::io("look at", data.path(), errno))?;
        if data.is_same(&by_path)? {
            Ok(incomplete)
        } else {
            Err(DiskError::Replaced {
                path: data.path().to_owned(),
            })
        }
    }

    /// Makes `data` of a pull anew, empty: what is in it goes into the trash, and the answer is its name there, which no
    /// snapshot has. To clear it in place would be no way, since its files share inodes with older snapshots.
    ///
    /// # Errors
    ///
    /// It cannot be moved or made.
    pub fn begin_anew(&self, incomplete: &Incomplete) -> Result<OsString, DiskError> {
        let trash = self.dir().make(TRASH)?;
        let name = format!("{ANEW}{}.{}", incomplete.name, random_word()?);
        if !incomplete.dir.rename_new(DATA, &trash, &name)? {
            let path = trash.path().join(name);
            return Err(DiskError::NameTaken { path });
        }
        incomplete.dir.make_new(DATA)?;
        Ok(name.into())
    }

    /// Opens a pull that an earlier run left; nothing if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is a link or no directory.
    pub fn open_incomplete(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<Option<Incomplete>, DiskError> {
        let Some(parent) = self.incomplete_dir(kind)? else {
            return Ok(None);
        };
        Ok(parent.child(name.as_str())?.map(|dir| Incomplete {
            kind,
            name: name.clone(),
            dir,
        }))
    }
}

impl Incomplete {
    /// Why it is made.
    #[must_use]
    pub fn kind(&self) -> SnapshotKind {
        self.kind
    }

    /// Its name, which stays when it becomes visible.
    #[must_use]
    pub fn name(&self) -> &SnapshotName {
        &self.name
    }

    /// Its absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The absolute path of its tree: rsync's destination, and a `--link-dest` for the pull that follows a cut-off one.
    #[must_use]
    pub fn data_path(&self) -> PathBuf {
        self.path().join(DATA)
    }

    /// Says that nothing has come into its tree.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn is_empty(&self) -> Result<bool, DiskError> {
        Ok(self.dir.existing(DATA)?.entries(1)?.is_empty())
    }

    /// The room on the file system that it is made on.
    ///
    /// # Errors
    ///
    /// It cannot be asked for.
    pub fn space(&self) -> Result<Space, DiskError> {
        Space::of(&self.dir)
    }

    /// The limit that its tree is over by now; nothing if it is over none, or `stop` ended the count.
    ///
    /// # Errors
    ///
    /// It cannot be walked, or is changed under the walk.
    pub fn excess(
        &self,
        limits: &Limits,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Excess>, DiskError> {
        excess_of(self.dir.existing(DATA)?, limits, stop)
    }

    /// Opens `rsync.log` to add to its end.
    ///
    /// # Errors
    ///
    /// It cannot be made or opened.
    pub fn open_log(&self) -> Result<File, DiskError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND;
        self.dir
            .open_file(LOG, flags)?
            .ok_or_else(|| DiskError::Absent {
                path: self.path().join(LOG),
            })
    }

    /// Writes the names that rsync is to bring where it finds them; the answer is the absolute path.
    ///
    /// # Errors
    ///
    /// They cannot be written.
    pub fn write_names(&self, names: &[u8]) -> Result<PathBuf, DiskError> {
        let path = self.path().join(NAMES);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file = self
            .dir
            .open_file(NAMES, flags)?
            .ok_or_else(|| DiskError::Absent { path: path.clone() })?;
        file.write_all(names)
            .map_err(|source| DiskError::io("write", &path, source))?;
        Ok(path)
    }

    /// Removes the names that were to be brought.
    ///
    /// # Errors
    ///
    /// They cannot be removed.
    pub fn remove_names(&self) -> Result<(), DiskError> {
        self.dir.remove_file(NAMES).map(|_| ())
    }

    /// The absolute path of the socket by which transfers share a connection.
    #[must_use]
    pub fn connection_path(&self) -> PathBuf {
        self.path().join(CONNECTION)
    }

    /// Removes what a connection has left, which is nothing where ssh was not killed.
    ///
    /// # Errors
    ///
    /// It cannot be removed.
    pub fn remove_connection(&self) -> Result<(), DiskError> {
        self.dir.remove_file(CONNECTION).map(|_| ())
    }

    /// Writes `meta.json`, durably, for a pull that stays incomplete; publishing writes its own.
    ///
    /// # Errors
    ///
    /// The metadata is of another snapshot, or cannot be written.
    pub fn write_meta(&self, meta: &SnapshotMeta) -> Result<(), DiskError> {
        meta.check_is_of([&meta.host], self.kind, &self.name)
            .map_err(|source| DiskError::Meta {
                path: self.path().to_owned(),
                source,
            })?;
        meta::write(&self.dir, meta)
    }

    /// Marks it suspect, durably, so that it never is visible without the mark.
    ///
    /// # Errors
    ///
    /// The mark cannot be written.
    pub fn write_suspect(&self, suspect: &Suspect) -> Result<(), DiskError> {
        marks::write_suspect(&self.dir, suspect)
    }

    pub(super) fn dir(&self) -> &Handle {
        &self.dir
    }
}
