//! A manifest beside a walk: what it says of each name that the walk comes to, and of those that it does not.

use super::file::ManifestReader;
use crate::core::manifest::{Item, Line, What};
use crate::disk::error::DiskError;

/// What the manifest has that the walk has not, with its path below the top.
pub(super) type Missed<'a> = &'a mut dyn FnMut(Vec<u8>, Item);

/// A place in a manifest that moves with a walk.
pub(super) struct Cursor {
    reader: ManifestReader,
    next: Option<Line>,
    /// The directories the walk is in that the manifest knows.
    path: Vec<Vec<u8>>,
    /// How many more the walk is in that it does not know.
    unknown: usize,
}

impl Cursor {
    pub(super) fn new(mut reader: ManifestReader) -> Result<Self, DiskError> {
        let next = reader.next()?;
        Ok(Self {
            reader,
            next,
            path: Vec::new(),
            unknown: 0,
        })
    }

    /// What the manifest says of `name` in the directory where the walk is. Names before it are missed.
    ///
    /// If it is a directory here or there, call [`Cursor::enter`] next.
    pub(super) fn find(
        &mut self,
        name: &[u8],
        missed: Missed<'_>,
    ) -> Result<Option<Item>, DiskError> {
        if self.unknown > 0 {
            return Ok(None);
        }
        loop {
            match &self.next {
                Some(Line::Item(found, _)) if found.as_slice() < name => self.miss(missed)?,
                Some(Line::Item(found, _)) if found.as_slice() == name => {
                    let Some(Line::Item(_, item)) = self.advance()? else {
                        return Ok(None);
                    };
                    return Ok(Some(item));
                }
                _ => return Ok(None),
            }
        }
    }

    /// Says that the walk is inside a directory that the manifest does not know.
    pub(super) fn is_lost(&self) -> bool {
        self.unknown > 0
    }

    /// Says that the directory the walk is in could not be read when the manifest was made: nothing is known of its names.
    pub(super) fn is_blind(&self) -> bool {
        self.unknown == 0 && self.next == Some(Line::Unreadable)
    }

    /// Follows the walk into the directory `name`, of which [`Cursor::find`] has said `known`; with nothing, one that the
    /// manifest has no directory for.
    pub(super) fn enter(&mut self, name: &[u8], known: Option<&Item>) {
        if known.is_some_and(|item| item.what == What::Directory) {
            self.path.push(name.to_vec());
        } else {
            self.unknown += 1;
        }
    }

    /// What the manifest says is in the directory `name`, which the walk has no directory for.
    pub(super) fn pass_over(&mut self, name: &[u8], missed: Missed<'_>) -> Result<(), DiskError> {
        self.path.push(name.to_vec());
        self.leave(missed)
    }

    /// Says that the directory just entered could not be read when the manifest was made.
    pub(super) fn was_unreadable(&mut self) -> Result<bool, DiskError> {
        if self.unknown > 0 || self.next != Some(Line::Unreadable) {
            return Ok(false);
        }
        self.advance()?;
        Ok(true)
    }

    /// Follows the walk out of a directory; what the manifest has more of it is missed.
    pub(super) fn leave(&mut self, missed: Missed<'_>) -> Result<(), DiskError> {
        if self.unknown > 0 {
            self.unknown -= 1;
            return Ok(());
        }
        self.miss_rest(missed)?;
        self.advance()?;
        self.path.pop();
        Ok(())
    }

    /// Misses everything that is left, and reads the manifest to its end, where it is known to be right.
    pub(super) fn end(mut self, missed: Missed<'_>) -> Result<(), DiskError> {
        while self.next.is_some() {
            self.miss_rest(missed)?;
            if self.next.is_some() {
                self.advance()?;
                self.path.pop();
            }
        }
        Ok(())
    }

    /// Up to the end of the directory, or of the manifest.
    fn miss_rest(&mut self, missed: Missed<'_>) -> Result<(), DiskError> {
        while matches!(self.next, Some(Line::Item(..) | Line::Unreadable)) {
            self.miss(missed)?;
        }
        Ok(())
    }

    /// Passes over one name and, of a directory, all in it.
    fn miss(&mut self, missed: Missed<'_>) -> Result<(), DiskError> {
        let mut inside = 0_usize;
        loop {
            match self.advance()? {
                Some(Line::Item(name, item)) => {
                    let mut path = self.path.join(&b'/');
                    if !path.is_empty() {
                        path.push(b'/');
                    }
                    path.extend_from_slice(&name);
                    if item.what == What::Directory {
                        inside += 1;
                        self.path.push(name);
                    }
                    missed(path, item);
                }
                Some(Line::Leave) => {
                    inside = inside.saturating_sub(1);
                    self.path.pop();
                }
                Some(Line::Unreadable) => {}
                Some(Line::End(..)) | None => return Ok(()),
            }
            if inside == 0 {
                return Ok(());
            }
        }
    }

    fn advance(&mut self) -> Result<Option<Line>, DiskError> {
        if self.next.is_none() {
            return Ok(None);
        }
        let next = self.reader.next()?;
        Ok(std::mem::replace(&mut self.next, next))
    }
}
