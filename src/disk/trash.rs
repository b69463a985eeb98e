//! Moving snapshots out of sight, before anything of them is deleted.

use std::ffi::OsString;

use rustix::fs::FileType;

use super::error::DiskError;
use super::handle::{Handle, random_word};
use super::host::{HostDir, TRASH};
use super::in_use::not_in_use;
use super::lock::HostLock;
use crate::core::model::{SnapshotKind, SnapshotName};

impl HostLock {
    /// Moves a visible snapshot into `.trash`, durably; the answer is its name there.
    ///
    /// From here on it is no snapshot any more: a half-deleted tree is never visible under its kind.
    ///
    /// # Errors
    ///
    /// [`DiskError::Absent`] if it is not there; [`DiskError::InUse`] if somebody reads from it; it is a link or no
    /// directory; it cannot be renamed.
    pub fn trash(&self, kind: SnapshotKind, name: &SnapshotName) -> Result<OsString, DiskError> {
        let from = self.dir().child(kind.as_str())?;
        // Until it has been renamed nobody else begins to read from it.
        let _unused = match &from {
            Some(from) => match from.type_of(name.as_str())? {
                Some(FileType::Directory) => {
                    from.child(name.as_str())?.map(not_in_use).transpose()?
                }
                _ => None,
            },
            None => None,
        };
        self.move_to_trash(from, kind, name)
    }

    /// Moves a pull in progress, or what is left of one, into `.trash`, durably; the answer is its name there.
    ///
    /// # Errors
    ///
    /// As [`HostLock::trash`].
    pub fn trash_incomplete(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<OsString, DiskError> {
        self.move_to_trash(self.incomplete_dir(kind)?, kind, name)
    }

    fn move_to_trash(
        &self,
        from: Option<Handle>,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<OsString, DiskError> {
        let from = from.ok_or_else(|| DiskError::Absent {
            path: self.snapshot_path(kind, name),
        })?;
        let path = from.path().join(name.as_str());
        match from.type_of(name.as_str())? {
            Some(FileType::Directory) => {}
            Some(FileType::Symlink) => return Err(DiskError::Link { path }),
            Some(_) => return Err(DiskError::NotADirectory { path }),
            None => return Err(DiskError::Absent { path }),
        }
        let trash = self.dir().make(TRASH)?;
        let mut new_name = name.to_string();
        // Both kinds share the trash, and an earlier removal may have been cut off.
        while !from.rename_new(name.as_str(), &trash, &new_name)? {
            new_name = format!("{name}.{}", random_word()?);
        }
        trash.sync()?;
        from.sync()?;
        Ok(new_name.into())
    }
}

impl HostDir {
    /// The names in `.trash`, sorted: what a removal that was cut off, or could not finish, has left.
    ///
    /// # Errors
    ///
    /// The trash cannot be listed.
    pub fn trash_names(&self) -> Result<Vec<OsString>, DiskError> {
        let Some(trash) = self.dir().child(TRASH)? else {
            return Ok(Vec::new());
        };
        let entries = trash.entries(usize::MAX)?;
        let mut names: Vec<OsString> = entries.into_iter().map(|entry| entry.name).collect();
        names.sort();
        Ok(names)
    }
}
