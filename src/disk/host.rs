//! The directory of one host.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, statat};
use rustix::io::Errno;

use super::error::DiskError;
use super::handle::Handle;
use super::legacy::LegacyMeta;
use super::meta::{self, SnapshotMeta};
use crate::core::model::{HostName, SnapshotKind, SnapshotName};

/// Pulls in progress.
pub(super) const INCOMPLETE: &str = ".incomplete";
/// What is on its way out.
pub(super) const TRASH: &str = ".trash";
/// The tree of a snapshot.
pub(super) const DATA: &str = "data";

/// The open directory of one host: everything that only reads, and marks.
#[derive(Debug, Clone)]
pub struct HostDir {
    dir: Handle,
    name: HostName,
}

impl HostDir {
    pub(super) fn new(dir: Handle, name: HostName) -> Self {
        Self { dir, name }
    }

    pub(super) fn dir(&self) -> &Handle {
        &self.dir
    }

    /// Its name below the root, which a renamed host keeps.
    #[must_use]
    pub fn name(&self) -> &HostName {
        &self.name
    }

    /// Its absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Demands that its path still leads to it: everything here is done by handle, which works on in a file system that
    /// was unmounted or mounted over meanwhile, where nobody would find it.
    ///
    /// # Errors
    ///
    /// [`DiskError::Replaced`] if it does not, or the path cannot be looked at.
    pub fn check_in_place(&self) -> Result<(), DiskError> {
        let is_same = match statat(CWD, self.path(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => self.dir.is_same(&stat)?,
            Err(Errno::NOENT | Errno::NOTDIR) => false,
            Err(errno) => return Err(DiskError::io("look at", self.path(), errno)),
        };
        if is_same {
            return Ok(());
        }
        Err(DiskError::Replaced {
            path: self.path().to_owned(),
        })
    }

    /// Where a visible snapshot is or would be.
    #[must_use]
    pub fn snapshot_path(&self, kind: SnapshotKind, name: &SnapshotName) -> PathBuf {
        self.path().join(kind.as_str()).join(name.as_str())
    }

    /// Says that a snapshot directory is visible under its kind.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is a link or no directory.
    pub fn has_snapshot(&self, kind: SnapshotKind, name: &SnapshotName) -> Result<bool, DiskError> {
        Ok(self.find_snapshot(kind, name)?.is_some())
    }

    /// The absolute path of the tree of a visible snapshot, as `--link-dest` wants it; nothing if it is not there.
    ///
    /// rsync takes a missing one for none at all and copies everything with exit 0, so ask right before.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is a link or no directory.
    pub fn data_path(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<Option<PathBuf>, DiskError> {
        let data = self.find_data(kind, name)?;
        Ok(data.map(|data| data.path().to_owned()))
    }

    /// Opens the tree of a visible snapshot, to look into it by handle; nothing if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is a link or no directory.
    pub fn open_data(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<Option<OwnedFd>, DiskError> {
        let Some(data) = self.find_data(kind, name)? else {
            return Ok(None);
        };
        let copy = std::os::fd::AsFd::as_fd(&data).try_clone_to_owned();
        copy.map(Some)
            .map_err(|source| DiskError::io("open", data.path(), source))
    }

    /// Reads the `meta.json` of a visible snapshot; nothing if it has none.
    ///
    /// # Errors
    ///
    /// The snapshot is not there, or its `meta.json` cannot be read, is larger than 1 MiB, or makes no sense.
    pub fn read_meta(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<Option<SnapshotMeta>, DiskError> {
        meta::read(&self.snapshot(kind, name)?)
    }

    /// Reads the `meta.yaml` or `meta/meta.yaml` that the older service left; nothing if there is none.
    ///
    /// # Errors
    ///
    /// The snapshot is not there or cannot be opened. What the file says is never an error.
    pub fn read_legacy_meta(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<Option<LegacyMeta>, DiskError> {
        Ok(LegacyMeta::read(&self.snapshot(kind, name)?))
    }

    /// The directory of a visible snapshot, which has to be there.
    pub(super) fn snapshot(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<Handle, DiskError> {
        self.find_snapshot(kind, name)?
            .ok_or_else(|| DiskError::Absent {
                path: self.snapshot_path(kind, name),
            })
    }

    pub(super) fn find_snapshot(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<Option<Handle>, DiskError> {
        match self.dir.child(kind.as_str())? {
            Some(kind_dir) => kind_dir.child(name.as_str()),
            None => Ok(None),
        }
    }

    fn find_data(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<Option<Handle>, DiskError> {
        match self.find_snapshot(kind, name)? {
            Some(snapshot) => snapshot.child(DATA),
            None => Ok(None),
        }
    }

    /// Where the pulls in progress of a kind are; nothing if there never was one.
    pub(super) fn incomplete_dir(&self, kind: SnapshotKind) -> Result<Option<Handle>, DiskError> {
        match self.dir.child(INCOMPLETE)? {
            Some(incomplete) => incomplete.child(kind.as_str()),
            None => Ok(None),
        }
    }
}
