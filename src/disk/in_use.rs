//! Snapshots that somebody reads from for a long time, as a restore does: no prune moves one away under it.
//!
//! The kernel's lock on the directory of the snapshot is the truth. Readers share it, whoever moves the snapshot away
//! needs it alone, and it is free as soon as the last descriptor is closed, however its owners end. It writes nothing: a
//! root that is mounted read-only can be restored from.

use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, dup};

use super::error::DiskError;
use super::handle::Handle;
use super::host::{DATA, HostDir};
use super::tree::Tree;
use crate::core::model::{SnapshotKind, SnapshotName};

/// A visible snapshot that stays where it is until this is dropped.
#[derive(Debug)]
pub struct SnapshotInUse {
    dir: Handle,
    data: Handle,
}

impl SnapshotInUse {
    /// Its tree.
    #[must_use]
    pub fn tree(&self) -> Tree {
        Tree::of(self.data.clone())
    }

    /// The absolute path of its tree.
    #[must_use]
    pub fn data_path(&self) -> &std::path::Path {
        self.data.path()
    }

    /// Copies of the descriptors of the snapshot and of its tree that a child keeps: the first is locked, so that the
    /// snapshot stays in use until the child has ended, even if this program is killed; by the second it reads, whatever
    /// becomes of the names that lead there. Every child that begins while they are held has them.
    ///
    /// # Errors
    ///
    /// No descriptor is free.
    pub fn to_pass_on(&self) -> Result<(OwnedFd, OwnedFd), DiskError> {
        let copy = |handle: &Handle| {
            dup(handle).map_err(|errno| DiskError::io("pass on", handle.path(), errno))
        };
        Ok((copy(&self.dir)?, copy(&self.data)?))
    }
}

impl HostDir {
    /// Takes a visible snapshot into use; nothing if it is not there, has no tree, or is being moved away.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is a link or no directory.
    pub fn use_snapshot(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<Option<SnapshotInUse>, DiskError> {
        let Some(dir) = self.find_snapshot(kind, name)? else {
            return Ok(None);
        };
        if !lock(&dir, FlockOperation::NonBlockingLockShared) {
            return Ok(None);
        }
        // It may have been moved away before it was locked.
        let is_still_there = match self.find_snapshot(kind, name)? {
            Some(found) => found.is_same(&dir.stat()?)?,
            None => false,
        };
        let data = dir.child(DATA)?;
        Ok(data
            .filter(|_| is_still_there)
            .map(|data| SnapshotInUse { dir, data }))
    }

    /// Says that somebody reads from a visible snapshot.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is a link or no directory.
    pub fn is_in_use(&self, kind: SnapshotKind, name: &SnapshotName) -> Result<bool, DiskError> {
        let found = self.find_snapshot(kind, name)?;
        Ok(found.is_some_and(|dir| !lock(&dir, FlockOperation::NonBlockingLockExclusive)))
    }
}

/// Takes a snapshot away from readers for as long as the answer is held.
///
/// # Errors
///
/// [`DiskError::InUse`].
pub(super) fn not_in_use(dir: Handle) -> Result<Handle, DiskError> {
    if lock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(dir)
    } else {
        Err(DiskError::InUse {
            path: dir.path().to_owned(),
        })
    }
}

/// Says whether the lock was got. A file system without locks on directories (NFS) tells nothing: then readers and
/// prunes do as if they were alone, as they would without us.
fn lock(dir: &Handle, how: FlockOperation) -> bool {
    !matches!(flock(dir, how), Err(Errno::WOULDBLOCK))
}
