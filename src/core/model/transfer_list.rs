//! What a transfer is made of, name by name: which of it is as in the base, and which is not.
//!
//! A host may have millions of names: they lie in one block of bytes, by directory, and are sorted once.

use std::collections::HashMap;
use std::ops::Range;

/// Bytes of names that are held at most; a host with more is linked by rsync, which holds them in its own memory.
const NAMES_MAX: usize = 128 << 20;
/// Names that are held at most, of about forty bytes each with what belongs to them.
const ENTRIES_MAX: usize = 3_000_000;
/// The longest path that the kernel takes.
const PATH_MAX: usize = 4096;

/// What kind of thing a name of a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferKind {
    /// A directory.
    Directory,
    /// A plain file.
    File,
    /// A symbolic link.
    Link,
    /// A fifo, a socket or a device.
    Special,
}

/// One name in its directory.
#[derive(Debug, Clone)]
pub struct TransferEntry {
    dir: DirIndex,
    name: Range<usize>,
    /// What it is.
    pub kind: TransferKind,
    /// It is in the base with the same content and attributes.
    pub is_same: bool,
    /// Its number among the directories, if it is one.
    pub own: Option<DirIndex>,
}

/// The number of a directory in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirIndex(usize);

#[derive(Debug, Default)]
struct Dir {
    path: Vec<u8>,
    /// Its entry among those of its parent; the top has none.
    is_listed: bool,
    children: Range<usize>,
}

/// A list that makes no sense, so that nothing is built on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the text of each says it")]
pub enum OddList {
    #[error("a name that no file can have")]
    Name,
    #[error("a name that is listed twice")]
    Twice,
    #[error("a name whose directory is not listed")]
    NoDirectory,
    #[error("more names than are held at once")]
    TooLong,
}

/// Takes names in any order.
#[derive(Debug)]
pub struct TransferListBuilder {
    names: Vec<u8>,
    entries: Vec<TransferEntry>,
    dirs: Vec<Dir>,
    by_path: HashMap<Vec<u8>, DirIndex>,
    /// The directory of the name before, since most names follow one of the same directory.
    last: DirIndex,
    top: Option<bool>,
    count: u64,
    held: usize,
}

impl Default for TransferListBuilder {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            entries: Vec::new(),
            dirs: vec![Dir {
                is_listed: true,
                ..Dir::default()
            }],
            by_path: HashMap::from([(Vec::new(), DirIndex(0))]),
            last: DirIndex(0),
            top: None,
            count: 0,
            held: 0,
        }
    }
}

impl TransferListBuilder {
    /// Adds a name by its path from the root of the host, without a slash at either end; the root itself is empty.
    ///
    /// # Errors
    /// When no file can have the path, or there are too many.
    pub fn add(&mut self, path: &[u8], kind: TransferKind, is_same: bool) -> Result<(), OddList> {
        self.count += 1;
        if path.is_empty() {
            if kind != TransferKind::Directory {
                return Err(OddList::Name);
            }
            return match self.top.replace(is_same) {
                None => Ok(()),
                Some(_) => Err(OddList::Twice),
            };
        }
        check(path)?;
        let (parent, name) = match path.iter().rposition(|b| *b == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&path[..0], path),
        };
        self.held += name.len();
        if self.held > NAMES_MAX || self.entries.len() == ENTRIES_MAX {
            return Err(OddList::TooLong);
        }
        let dir = self.dir(parent);
        let own = (kind == TransferKind::Directory).then(|| self.own(path));
        let start = self.names.len();
        self.names.extend_from_slice(name);
        self.entries.push(TransferEntry {
            dir,
            name: start..self.names.len(),
            kind,
            is_same,
            own,
        });
        Ok(())
    }

    /// How many names it was given.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    fn dir(&mut self, path: &[u8]) -> DirIndex {
        if self.dirs[self.last.0].path != path {
            self.last = self.index(path);
        }
        self.last
    }

    fn own(&mut self, path: &[u8]) -> DirIndex {
        let own = self.index(path);
        self.dirs[own.0].is_listed = true;
        own
    }

    fn index(&mut self, path: &[u8]) -> DirIndex {
        if let Some(found) = self.by_path.get(path) {
            return *found;
        }
        self.held += 2 * path.len();
        let index = DirIndex(self.dirs.len());
        self.dirs.push(Dir {
            path: path.to_vec(),
            ..Dir::default()
        });
        self.by_path.insert(path.to_vec(), index);
        index
    }

    /// The list, sorted.
    ///
    /// # Errors
    /// When a name is there twice, or its directory is not.
    pub fn finish(self) -> Result<TransferList, OddList> {
        let Self {
            names,
            mut entries,
            mut dirs,
            by_path,
            top,
            ..
        } = self;
        if dirs.iter().any(|dir| !dir.is_listed) {
            return Err(OddList::NoDirectory);
        }
        entries.sort_unstable_by(|a, b| {
            (a.dir, &names[a.name.clone()]).cmp(&(b.dir, &names[b.name.clone()]))
        });
        let mut start = 0;
        for chunk in entries.chunk_by(|a, b| a.dir == b.dir) {
            let is_same = |pair: &[TransferEntry]| match pair {
                [a, b] => names[a.name.clone()] == names[b.name.clone()],
                _ => false,
            };
            if chunk.windows(2).any(is_same) {
                return Err(OddList::Twice);
            }
            if let Some(first) = chunk.first() {
                dirs[first.dir.0].children = start..start + chunk.len();
            }
            start += chunk.len();
        }
        Ok(TransferList {
            names,
            entries,
            dirs,
            by_path,
            top,
        })
    }
}

/// Refuses what the kernel would take for another path, or for none.
fn check(path: &[u8]) -> Result<(), OddList> {
    let is_name = |name: &[u8]| {
        !name.is_empty() && name.len() <= 255 && name != b"." && name != b".." && !name.contains(&0)
    };
    if path.len() < PATH_MAX && path.split(|b| *b == b'/').all(is_name) {
        Ok(())
    } else {
        Err(OddList::Name)
    }
}

/// All names of a transfer, by directory and sorted in each.
#[derive(Debug)]
pub struct TransferList {
    names: Vec<u8>,
    entries: Vec<TransferEntry>,
    dirs: Vec<Dir>,
    by_path: HashMap<Vec<u8>, DirIndex>,
    top: Option<bool>,
}

impl TransferList {
    /// The directory that all others are in: `/` of the host.
    pub const TOP: DirIndex = DirIndex(0);

    /// Whether the root itself is as in the base; nothing if it is no part of the transfer.
    #[must_use]
    pub fn top(&self) -> Option<bool> {
        self.top
    }

    /// Every directory, with those above it in no order.
    pub fn dirs(&self) -> impl Iterator<Item = DirIndex> + use<> {
        (0..self.dirs.len()).map(DirIndex)
    }

    /// The path of a directory.
    #[must_use]
    pub fn path(&self, dir: DirIndex) -> &[u8] {
        &self.dirs[dir.0].path
    }

    /// The path of a name.
    #[must_use]
    pub fn path_of(&self, entry: &TransferEntry) -> Vec<u8> {
        let mut path = self.path(entry.dir).to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(self.name(entry));
        path
    }

    /// The names in a directory, sorted by their bytes.
    #[must_use]
    pub fn children(&self, dir: DirIndex) -> &[TransferEntry] {
        &self.entries[self.dirs[dir.0].children.clone()]
    }

    /// The bytes of a name.
    #[must_use]
    pub fn name(&self, entry: &TransferEntry) -> &[u8] {
        &self.names[entry.name.clone()]
    }

    /// The name in a directory, and which of [`TransferList::children`] it is.
    #[must_use]
    pub fn find(&self, dir: DirIndex, name: &[u8]) -> Option<(usize, &TransferEntry)> {
        let children = self.children(dir);
        let at = children
            .binary_search_by(|entry| self.name(entry).cmp(name))
            .ok()?;
        Some((at, &children[at]))
    }

    /// Says of the `at`-th name of a directory that it has to be brought.
    pub fn bring(&mut self, dir: DirIndex, at: usize) {
        let children = self.dirs[dir.0].children.clone();
        if let Some(entry) = self.entries[children].get_mut(at) {
            entry.is_same = false;
        }
    }

    /// Says of a name, by its path, that it has to be brought; false if it is not in the list.
    pub fn bring_path(&mut self, path: &[u8]) -> bool {
        let (parent, name) = match path.iter().rposition(|b| *b == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&path[..0], path),
        };
        let Some(dir) = self.by_path.get(parent).copied() else {
            return false;
        };
        let at = self.find(dir, name).map(|(at, _)| at);
        if let Some(at) = at {
            self.bring(dir, at);
        }
        at.is_some()
    }

    /// The names that are not as in the base, directory by directory.
    pub fn changed(&self) -> impl Iterator<Item = &TransferEntry> {
        self.entries.iter().filter(|entry| !entry.is_same)
    }

    /// Says that something below a directory, at any depth, is as in the base.
    #[must_use]
    pub fn has_same_below(&self, dir: DirIndex) -> bool {
        let mut left = vec![dir];
        while let Some(dir) = left.pop() {
            for entry in self.children(dir) {
                if entry.is_same {
                    return true;
                }
                left.extend(entry.own);
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TransferKind::{Directory, File};

    #[test]
    fn names_are_sorted_by_directory_and_found() {
        let mut builder = TransferListBuilder::default();
        builder.add(b"etc/b", File, true).unwrap();
        builder.add(b"etc", Directory, true).unwrap();
        builder.add(b"etc/a", File, false).unwrap();
        let mut list = builder.finish().unwrap();
        assert_eq!(list.changed().count(), 1);
        assert!(list.bring_path(b"etc/b") && !list.bring_path(b"etc/c"));
        let paths: Vec<Vec<u8>> = list.changed().map(|e| list.path_of(e)).collect();
        assert_eq!(paths, [b"etc/a".to_vec(), b"etc/b".to_vec()]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let built = |paths: &[&[u8]]| {
            let mut builder = TransferListBuilder::default();
            for path in paths {
                builder.add(path, File, true)?;
            }
            builder.finish().map(|_| ())
        };
        assert_eq!(built(&[b"a", b"a"]), Err(OddList::Twice));
        assert_eq!(built(&[b"a/b"]), Err(OddList::NoDirectory));
        for path in [&b"a//b"[..], b"../a", b".", b"a/", b"/a", b"a\0", b""] {
            assert_eq!(built(&[path]), Err(OddList::Name), "{path:?}");
        }
        assert_eq!(built(&[&[b'x'; 256]]), Err(OddList::Name));
    }
}
