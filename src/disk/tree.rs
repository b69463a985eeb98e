//! Looking into the tree of a visible snapshot: its directories and plain files, and never anything a link points at.
//!
//! Names come from a host and may be any bytes. A path into the tree is a list of such names, opened one after another
//! from the handle before, so that there is no text in which `..`, a slash or a link could mean something.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat2, readlinkat};
use rustix::io::Errno;

use super::error::DiskError;
use super::handle::{Handle, INSIDE, file_type};
use super::host::{DATA, HostDir};
use super::tree_node::TreeDir;
use crate::core::model::{SnapshotKind, SnapshotName, Timestamp};

/// The longest name a file system has.
const NAME_MAX: usize = 255;
/// A path of more names is none that anybody looks at.
const DEPTH_MAX: usize = 512;
/// A directory with more names is listed up to here: a page shows a few of them.
const NAMES_MAX: usize = 200_000;

/// The open tree of a visible snapshot.
#[derive(Debug, Clone)]
pub struct Tree(Handle);

/// One name inside a tree: any bytes but none, `/`, NUL, `.` and `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeName(OsString);

impl TreeName {
    /// The name of these bytes; nothing if no file can have it.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        let is_name = !bytes.is_empty()
            && bytes.len() <= NAME_MAX
            && !bytes.iter().any(|b| matches!(b, b'/' | 0))
            && bytes != b"."
            && bytes != b"..";
        is_name.then(|| Self(OsString::from_vec(bytes)))
    }

    /// A name as a directory has it.
    pub(super) fn of(name: OsString) -> Self {
        Self(name)
    }

    /// The names of a path, absolute or not: `/etc/passwd`, `etc//passwd/`. Nothing if it holds `.` or `..`.
    #[must_use]
    pub fn path(path: &OsStr) -> Option<Vec<Self>> {
        path.as_bytes()
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
            .map(|name| Self::new(name.to_vec()))
            .collect()
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl AsRef<OsStr> for TreeName {
    fn as_ref(&self) -> &OsStr {
        &self.0
    }
}

/// What kind of thing a name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeKind {
    /// A directory.
    Directory,
    /// A plain file.
    File,
    /// A symbolic link, with the bytes that it holds. They lead nowhere here.
    Link(Vec<u8>),
    /// A fifo, a socket or a device.
    Special,
}

/// One name of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// The name.
    pub name: TreeName,
    /// What it is.
    pub kind: TreeKind,
    /// Bytes of a plain file.
    pub bytes: u64,
    /// The mode bits, `0o755` and the like.
    pub mode: u32,
    /// When it was last modified on the host.
    pub modified: Timestamp,
}

/// Some names of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Directories first, then by the bytes of the name.
    pub entries: Vec<TreeEntry>,
    /// How many names the directory has.
    pub total: usize,
    /// It has more names than are ever listed.
    pub is_cut: bool,
}

/// What a path leads to.
#[derive(Debug)]
pub enum Looked {
    /// A directory.
    Directory(Listing),
    /// A plain file, open to be read, and how many bytes it has.
    File(File, u64),
}

impl HostDir {
    /// Opens the tree of a visible snapshot; nothing if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is a link or no directory.
    pub fn tree(&self, kind: SnapshotKind, name: &SnapshotName) -> Result<Option<Tree>, DiskError> {
        let Some(snapshot) = self.find_snapshot(kind, name)? else {
            return Ok(None);
        };
        Ok(snapshot.child(DATA)?.map(Tree))
    }
}

impl Tree {
    pub(super) fn of(data: Handle) -> Self {
        Self(data)
    }

    pub(super) fn top(&self) -> TreeDir {
        TreeDir(self.0.clone())
    }

    /// Looks at a path: a directory from its name `skip` on, at most `limit` names, or a plain file. Nothing if there is
    /// no such thing, or it is anything else, or anything on the way is no directory.
    ///
    /// # Errors
    ///
    /// It is there and cannot be read.
    pub fn look(
        &self,
        path: &[TreeName],
        skip: usize,
        limit: usize,
    ) -> Result<Option<Looked>, DiskError> {
        let Some((last, parents)) = path.split_last() else {
            return list(&self.0, skip, limit).map(|listing| Some(Looked::Directory(listing)));
        };
        if path.len() > DEPTH_MAX {
            return Ok(None);
        }
        let mut dir = self.0.clone();
        for name in parents {
            match directory(&dir, name)? {
                Some(child) => dir = child,
                None => return Ok(None),
            }
        }
        if let Some(found) = directory(&dir, last)? {
            return list(&found, skip, limit).map(|listing| Some(Looked::Directory(listing)));
        }
        plain_file(&dir, last)
    }
}

/// Opens a directory of a directory; nothing for whatever else has the name.
fn directory(dir: &Handle, name: &TreeName) -> Result<Option<Handle>, DiskError> {
    match dir.child(name) {
        Err(DiskError::Link { .. } | DiskError::NotADirectory { .. }) => Ok(None),
        done => done,
    }
}

/// Opens a plain file; nothing for whatever else has the name. What it is, is known before it is opened: to open a
/// device may do something by itself.
fn plain_file(dir: &Handle, name: &TreeName) -> Result<Option<Looked>, DiskError> {
    let path = dir.path().join(&name.0);
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match openat2(dir, &name.0, flags, Mode::empty(), INSIDE) {
        Ok(fd) => fd,
        Err(Errno::NOENT | Errno::LOOP | Errno::XDEV) => return Ok(None),
        Err(errno) => return Err(DiskError::io("open", &path, errno)),
    };
    let stat = fstat(&fd).map_err(|errno| DiskError::io("look at", &path, errno))?;
    if file_type(&stat) != FileType::RegularFile {
        return Ok(None);
    }
    // The descriptor stands for the very file that was looked at, whatever has its name by now.
    let file = OpenOptions::new()
        .read(true)
        .open(format!("/proc/self/fd/{}", fd.as_raw_fd()))
        .map_err(|source| DiskError::io("open", &path, source))?;
    let bytes = u64::try_from(stat.st_size).unwrap_or(0);
    Ok(Some(Looked::File(file, bytes)))
}

fn list(dir: &Handle, skip: usize, limit: usize) -> Result<Listing, DiskError> {
    let mut names = dir.entries(NAMES_MAX.saturating_add(1))?;
    let is_cut = names.len() > NAMES_MAX;
    names.truncate(NAMES_MAX);
    names.sort_by(|a, b| {
        let is_other = |t| t != FileType::Directory;
        (is_other(a.file_type), &a.name).cmp(&(is_other(b.file_type), &b.name))
    });
    let total = names.len();
    let mut entries = Vec::new();
    for entry in names.into_iter().skip(skip).take(limit) {
        // What has gone meanwhile is left out.
        if let Some(found) = look_at(dir, entry.name)? {
            entries.push(found);
        }
    }
    Ok(Listing {
        entries,
        total,
        is_cut,
    })
}

fn look_at(dir: &Handle, name: OsString) -> Result<Option<TreeEntry>, DiskError> {
    let Some(stat) = dir.stat_of(&name)? else {
        return Ok(None);
    };
    let kind = match file_type(&stat) {
        FileType::Directory => TreeKind::Directory,
        FileType::RegularFile => TreeKind::File,
        FileType::Symlink => {
            let target = readlinkat(dir, &name, Vec::new())
                .map_err(|errno| DiskError::io("read", &dir.path().join(&name), errno))?;
            TreeKind::Link(target.into_bytes())
        }
        _ => TreeKind::Special,
    };
    Ok(Some(TreeEntry {
        name: TreeName(name),
        kind,
        bytes: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode & 0o7777,
        modified: Timestamp::from_millis(stat.st_mtime.saturating_mul(1000)),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::io::Read as _;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use rstest::rstest;

    use super::*;

    fn tree(folder: &Path) -> Tree {
        Tree(Handle::open_absolute(folder).unwrap().unwrap())
    }

    fn path(names: &[&str]) -> Vec<TreeName> {
        let name = |n: &&str| TreeName::new(n.as_bytes().to_vec()).unwrap();
        names.iter().map(name).collect()
    }

    fn content(looked: Option<Looked>) -> Option<String> {
        match looked? {
            Looked::File(mut file, _) => {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                Some(text)
            }
            Looked::Directory(listing) => Some(format!("{} names", listing.total)),
        }
    }

    #[rstest]
    #[case(b"")]
    #[case(b".")]
    #[case(b"..")]
    #[case(b"a/b")]
    #[case(b"a\0")]
    fn what_no_file_can_be_called_is_no_name(#[case] bytes: &[u8]) {
        assert_eq!(TreeName::new(bytes.to_vec()), None);
        assert_eq!(TreeName::new(vec![b'x'; 256]), None);
    }

    #[test]
    fn files_and_directories_are_found_and_any_bytes_are_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let odd = OsStr::from_bytes(b"\xff\n<b>%2e");
        std::fs::create_dir(folder.path().join(odd)).unwrap();
        std::fs::write(folder.path().join(odd).join("f"), "inside").unwrap();
        let tree = tree(folder.path());
        let Some(Looked::Directory(listing)) = tree.look(&[], 0, 10).unwrap() else {
            panic!("no directory");
        };
        let name = listing.entries[0].name.clone();
        assert_eq!(name.as_bytes(), odd.as_bytes());
        let mut to = vec![name];
        to.extend(path(&["f"]));
        assert_eq!(
            content(tree.look(&to, 0, 10).unwrap()).as_deref(),
            Some("inside")
        );
        assert!(tree.look(&path(&["absent"]), 0, 10).unwrap().is_none());
        to.extend(path(&["below a file"]));
        assert!(tree.look(&to, 0, 10).unwrap().is_none());
    }

    #[test]
    fn no_link_is_followed_wherever_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir_all(data.join("real")).unwrap();
        std::fs::write(data.join("real/f"), "here").unwrap();
        std::fs::write(folder.path().join("secret"), "outside").unwrap();
        symlink("/etc/passwd", data.join("absolute")).unwrap();
        symlink("../secret", data.join("upwards")).unwrap();
        symlink("real", data.join("inward")).unwrap();
        symlink("/proc/self/root", data.join("magic")).unwrap();
        let tree = tree(&data);
        for to in [
            &["absolute"][..],
            &["upwards"],
            &["inward"],
            &["inward", "f"],
            &["magic"],
            &["magic", "etc", "passwd"],
        ] {
            assert!(tree.look(&path(to), 0, 10).unwrap().is_none(), "{to:?}");
        }
        let Some(Looked::Directory(listing)) = tree.look(&[], 0, 10).unwrap() else {
            panic!("no directory");
        };
        let absolute = listing
            .entries
            .iter()
            .find(|e| e.name.as_bytes() == b"absolute");
        assert_eq!(
            absolute.unwrap().kind,
            TreeKind::Link(b"/etc/passwd".to_vec())
        );
    }

    #[test]
    fn a_directory_that_becomes_a_link_on_the_way_leads_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir_all(data.join("dir")).unwrap();
        std::fs::write(data.join("dir/passwd"), "ours").unwrap();
        let tree = tree(&data);
        let to = path(&["dir", "passwd"]);
        assert!(tree.look(&to, 0, 10).unwrap().is_some());
        std::fs::rename(data.join("dir"), data.join("moved")).unwrap();
        symlink("/etc", data.join("dir")).unwrap();
        assert!(tree.look(&to, 0, 10).unwrap().is_none());
    }

    #[test]
    fn a_fifo_neither_hangs_nor_opens() {
        let folder = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(folder.path().join("fifo"))
            .status();
        assert!(made.unwrap().success());
        let tree = tree(folder.path());
        assert!(tree.look(&path(&["fifo"]), 0, 10).unwrap().is_none());
    }

    #[test]
    fn ten_thousand_names_are_listed_some_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..10_000 {
            std::fs::write(folder.path().join(format!("f{i:05}")), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("z")).unwrap();
        let Some(Looked::Directory(listing)) = tree(folder.path()).look(&[], 0, 3).unwrap() else {
            panic!("no directory");
        };
        let names: Vec<&[u8]> = listing.entries.iter().map(|e| e.name.as_bytes()).collect();
        assert_eq!(names, [&b"z"[..], b"f00000", b"f00001"]);
        assert_eq!((listing.total, listing.is_cut), (10_001, false));
    }
}
