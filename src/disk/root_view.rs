//! A backup root that is only read, with or without its marker: what is restored after a disaster may be all that is
//! left of a disk.

use std::path::Path;

use super::error::{DiskError, Seen};
use super::handle::Handle;
use super::host::HostDir;
use super::root::{HostEntries, host_dirs, open};
use crate::core::model::{AbsolutePath, HostName, RootId};

/// An open directory that holds the directories of hosts.
#[derive(Debug, Clone)]
pub struct RootView(Handle);

impl RootView {
    /// Opens the root at `path` to read; `expected` is the root that belongs there, where that is known.
    ///
    /// # Errors
    ///
    /// There is nothing, or what is there cannot be a root or cannot be read.
    pub fn open(path: &AbsolutePath, expected: Option<&RootId>) -> Result<Self, DiskError> {
        let path = Path::new(path.as_str());
        let found = open(path)?.ok_or_else(|| DiskError::NotMounted {
            path: path.to_owned(),
            seen: Seen::Absent,
            expected: expected.cloned(),
        })?;
        Ok(Self(found))
    }

    /// Its path without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The directories of hosts, and what else lies beside them.
    ///
    /// # Errors
    ///
    /// The root cannot be listed.
    pub fn host_dirs(&self) -> Result<HostEntries, DiskError> {
        host_dirs(&self.0)
    }

    /// Opens the directory of a host; nothing if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or something else has its name.
    pub fn find_host_dir(&self, directory: &HostName) -> Result<Option<HostDir>, DiskError> {
        let dir = self.0.child(directory.as_str())?;
        Ok(dir.map(|dir| HostDir::new(dir, directory.clone())))
    }
}
