//! Moving snapshots out of sight, before anything of them is deleted.

use std::ffi::{OsStr, OsString};

use rustix::fs::FileType;

use super::error::DiskError;
use super::handle::{Entry, Handle, random_word};
use super::host::{DATA, HostDir, TRASH};
use super::in_use::not_in_use;
use super::lock::HostLock;
use super::marks;
use super::meta::{self, SnapshotMeta};
use crate::core::model::{Hold, SnapshotKind, SnapshotName};

/// How the tree of a pull is called in the trash that was begun anew: it never was a snapshot.
pub(super) const ANEW: &str = ".anew-";
/// How a directory is called that a removal has moved up into the trash itself.
pub(super) const DEEP: &str = ".deep-";

/// One entry of the trash, as far as what becomes of it depends on it.
#[derive(Debug)]
pub struct Trashed {
    /// Its name in the trash.
    pub name: OsString,
    /// It is a directory, and no link to one.
    pub is_directory: bool,
    /// It has `data`, as a snapshot has.
    pub has_data: bool,
    /// What it says of itself, if that can be read.
    pub meta: Option<SnapshotMeta>,
    /// The hold beside that; an unreadable one had better count as one.
    pub hold: Result<Option<Hold>, DiskError>,
}

impl Trashed {
    /// Says that it is a remnant of this program's own work and never was a snapshot: no plan has to list it.
    #[must_use]
    pub fn is_remnant(&self) -> bool {
        let anew = self.name.to_str().and_then(|name| {
            let (name, word) = name.strip_prefix(ANEW)?.rsplit_once('.')?;
            Some(name.parse::<SnapshotName>().is_ok() && is_word(word))
        });
        self.is_directory && (anew == Some(true) || is_moved_up(&self.name))
    }

    /// Says that [`HostLock::trash`] may have given that name to a snapshot of the name `of`.
    #[must_use]
    pub fn may_be(&self, of: &SnapshotName) -> bool {
        let rest = self.name.to_str().and_then(|n| n.strip_prefix(of.as_str()));
        self.is_directory
            && rest
                .is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.').is_some_and(is_word))
    }

    fn read(trash: &Handle, entry: Entry) -> Self {
        let mut trashed = Self {
            is_directory: entry.file_type == FileType::Directory,
            name: entry.name,
            has_data: false,
            meta: None,
            hold: Ok(None),
        };
        if !trashed.is_directory {
            return trashed;
        }
        match trash.child(&trashed.name) {
            Ok(Some(dir)) => {
                trashed.has_data = matches!(dir.type_of(DATA), Ok(Some(FileType::Directory)));
                trashed.meta = meta::read(&dir).unwrap_or_default();
                trashed.hold = marks::read_hold(&dir);
            }
            Ok(None) => {}
            Err(error) => trashed.hold = Err(error),
        }
        trashed
    }
}

/// Says that it is the name of a directory that a removal has moved up.
pub(super) fn is_moved_up(name: &OsStr) -> bool {
    let word = name.to_str().and_then(|name| name.strip_prefix(DEEP));
    word.is_some_and(is_word)
}

/// Says that it looks like a [`random_word`].
fn is_word(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 16 && text.bytes().all(is_digit)
}

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

    /// Moves a snapshot from the trash back to its place, durably; never over something that is there.
    ///
    /// # Errors
    ///
    /// [`DiskError::Absent`] if it is not in the trash, [`DiskError::NameTaken`] if its place is not free; it is a link
    /// or no directory; it cannot be renamed.
    pub fn bring_back(
        &self,
        entry: &OsStr,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<(), DiskError> {
        let trash = self.dir().existing(TRASH)?;
        let path = trash.path().join(entry);
        match trash.type_of(entry)? {
            Some(FileType::Directory) => {}
            Some(FileType::Symlink) => return Err(DiskError::Link { path }),
            Some(_) => return Err(DiskError::NotADirectory { path }),
            None => return Err(DiskError::Absent { path }),
        }
        let to = self.dir().make(kind.as_str())?;
        if !trash.rename_new(entry, &to, name.as_str())? {
            return Err(DiskError::NameTaken {
                path: self.snapshot_path(kind, name),
            });
        }
        to.sync()?;
        trash.sync()
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
    /// The entries of `.trash` by name, with what they say of themselves. Reads alone.
    ///
    /// # Errors
    ///
    /// The trash cannot be listed.
    pub fn trashed(&self) -> Result<Vec<Trashed>, DiskError> {
        let Some(trash) = self.dir().child(TRASH)? else {
            return Ok(Vec::new());
        };
        let entries = trash.entries(usize::MAX)?;
        let mut found: Vec<Trashed> = entries
            .into_iter()
            .map(|entry| Trashed::read(&trash, entry))
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

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
