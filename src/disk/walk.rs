//! Going through a tree: each directory's names by their bytes, each directory before what it holds.
//!
//! Two trees walked so can be laid side by side without holding either in memory. At most [`OPEN`] directories are open
//! at once, however deep the tree is; a higher one that is needed again is opened again from the top.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{FileType, Stat};

use super::error::DiskError;
use super::handle::{Handle, file_type};

/// Open directories of one walk.
const OPEN: usize = 64;

/// One step.
#[derive(Debug)]
pub(super) enum Step {
    /// A name, and the directory it is in. If it is a directory itself, what it holds follows until [`Step::Leave`].
    Name {
        dir: Handle,
        name: OsString,
        stat: Stat,
    },
    /// The directory just named cannot be read; a [`Step::Leave`] follows.
    Unreadable { name: OsString, error: DiskError },
    /// All of a directory has been seen.
    Leave,
}

struct Level {
    /// Nothing for a high one while a deep one is at work.
    dir: Option<Handle>,
    name: OsString,
    left: std::vec::IntoIter<(OsString, Stat)>,
}

/// A walk through everything below a directory, which itself is not told.
pub(super) struct Walk {
    levels: Vec<Level>,
    /// What the step before last announced.
    entering: Option<(Handle, OsString)>,
    /// That directory could not be opened: it is left at once.
    leaving: bool,
}

impl Walk {
    /// # Errors
    /// The top cannot be listed.
    pub(super) fn new(top: Handle) -> Result<Self, DiskError> {
        let left = listed(&top)?;
        Ok(Self {
            levels: vec![Level {
                dir: Some(top),
                name: OsString::new(),
                left,
            }],
            entering: None,
            leaving: false,
        })
    }

    /// The path below the top of the directory that the last step was in, with a slash after each name.
    pub(super) fn path(&self) -> Vec<u8> {
        let mut path = Vec::new();
        for level in self.levels.iter().skip(1) {
            path.extend_from_slice(level.name.as_bytes());
            path.push(b'/');
        }
        path
    }

    /// The next step; nothing once everything has been seen.
    ///
    /// # Errors
    /// A directory that was open once cannot be opened again: the tree is being changed.
    pub(super) fn next(&mut self) -> Result<Option<Step>, DiskError> {
        if std::mem::take(&mut self.leaving) {
            return Ok(Some(Step::Leave));
        }
        if let Some((dir, name)) = self.entering.take()
            && let Err(error) = self.enter(&dir, name.clone())
        {
            self.leaving = true;
            return Ok(Some(Step::Unreadable { name, error }));
        }
        let Some(level) = self.levels.last_mut() else {
            return Ok(None);
        };
        let Some((name, stat)) = level.left.next() else {
            self.levels.pop();
            return Ok((!self.levels.is_empty()).then_some(Step::Leave));
        };
        let dir = self.current()?;
        if file_type(&stat) == FileType::Directory {
            self.entering = Some((dir.clone(), name.clone()));
        }
        Ok(Some(Step::Name { dir, name, stat }))
    }

    fn enter(&mut self, dir: &Handle, name: OsString) -> Result<(), DiskError> {
        let inner = dir.existing(&name)?;
        let left = listed(&inner)?;
        self.levels.push(Level {
            dir: Some(inner),
            name,
            left,
        });
        // The top stays open, to come down from again.
        if let Some(high) = self.levels.len().checked_sub(OPEN).filter(|high| *high > 0)
            && let Some(level) = self.levels.get_mut(high)
        {
            level.dir = None;
        }
        Ok(())
    }

    /// The directory being listed, opened again if it was closed meanwhile.
    fn current(&mut self) -> Result<Handle, DiskError> {
        let mut open: Option<Handle> = None;
        let from = self.levels.iter().rposition(|level| level.dir.is_some());
        for level in self.levels.iter_mut().skip(from.unwrap_or(0)) {
            let dir = match (&level.dir, &open) {
                (Some(dir), _) => dir.clone(),
                (None, Some(parent)) => parent.existing(&level.name)?,
                (None, None) => continue,
            };
            level.dir = Some(dir.clone());
            open = Some(dir);
        }
        open.ok_or_else(|| DiskError::Absent {
            path: OsString::from(".").into(),
        })
    }
}

fn listed(dir: &Handle) -> Result<std::vec::IntoIter<(OsString, Stat)>, DiskError> {
    let mut names = Vec::new();
    for entry in dir.entries(usize::MAX)? {
        // What has gone meanwhile is left out.
        if let Some(stat) = dir.stat_of(&entry.name)? {
            names.push((entry.name, stat));
        }
    }
    names.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    Ok(names.into_iter())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::ffi::OsStrExt;

    use super::{Step, Walk};
    use crate::disk::handle::Handle;

    fn paths(top: &std::path::Path) -> Vec<String> {
        let mut walk = Walk::new(Handle::open_absolute(top).unwrap().unwrap()).unwrap();
        let mut found = Vec::new();
        loop {
            let step = walk.next().unwrap();
            let mut path = walk.path();
            match step {
                None => return found,
                Some(Step::Name { name, .. }) => {
                    path.extend_from_slice(name.as_bytes());
                    found.push(String::from_utf8(path).unwrap());
                }
                Some(Step::Leave) => found.push("^".to_owned()),
                Some(Step::Unreadable { error, .. }) => found.push(error.to_string()),
            }
        }
    }

    #[test]
    fn names_come_by_their_bytes_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        std::fs::create_dir_all(top.join("b/inner")).unwrap();
        std::fs::write(top.join("b/inner/file"), "").unwrap();
        std::fs::write(top.join("b-"), "").unwrap();
        std::fs::create_dir(top.join("empty")).unwrap();
        std::os::unix::fs::symlink("/etc", top.join("a")).unwrap();
        assert_eq!(
            paths(top),
            [
                "a",
                "b",
                "b/inner",
                "b/inner/file",
                "^",
                "^",
                "b-",
                "empty",
                "^"
            ]
        );
    }

    #[test]
    fn a_tree_deeper_than_may_be_open_is_seen_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut path = folder.path().to_owned();
        for _ in 0..150 {
            path.push("d");
        }
        std::fs::create_dir_all(&path).unwrap();
        let mut up = path;
        for _ in 0..150 {
            std::fs::write(up.join("z"), "").unwrap();
            up.pop();
        }
        let found = paths(folder.path());
        assert_eq!(found.iter().filter(|p| p.ends_with('z')).count(), 150);
        assert_eq!(found.iter().filter(|p| *p == "^").count(), 150);
    }
}
