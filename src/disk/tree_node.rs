//! Everything that a tree says of one name, and a directory's names one after another: for lists, searches and
//! comparisons, which need owners and inodes.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;

use rustix::fs::{FileType, Mode, OFlags, Stat, fgetxattr, flistxattr, openat2, readlinkat};
use rustix::io::Errno;

use super::error::DiskError;
use super::handle::{Handle, INSIDE, file_type};
use super::tree::{Tree, TreeKind, TreeName};

/// xattr(7): the longest list of names, and the longest value.
const XATTR_MAX: usize = 64 * 1024;

/// What a tree says of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: TreeKind,
    /// Bytes of a plain file; of others what the file system says.
    pub bytes: u64,
    /// The mode bits, `0o755` and the like.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// How many names it has, those in other snapshots included.
    pub links: u64,
    /// Its inode: two names of one root with the same one are the same file.
    pub inode: u64,
    /// The number of a device; 0 for all else.
    pub device: u64,
    /// Bytes that it takes up on disk.
    pub bytes_on_disk: u64,
    /// When it was last modified, in seconds since 1970 and the nanoseconds beyond.
    pub modified: (i64, u32),
    /// What a special file is: `fifo`, `socket`, `character device`, `block device`.
    pub special: Option<&'static str>,
}

/// Where a path leads.
#[derive(Debug)]
pub enum Reached {
    /// To this.
    Node(Box<Node>),
    /// To nothing: there is no such name.
    Nothing,
    /// To something that is no directory after so many names, and so no further.
    Blocked(usize, TreeKind),
}

/// An open directory of a tree.
#[derive(Debug, Clone)]
pub struct TreeDir(pub(super) Handle);

impl Tree {
    /// Says where a path leads.
    ///
    /// # Errors
    ///
    /// Something on the way cannot be looked at.
    pub fn reach(&self, path: &[TreeName]) -> Result<Reached, DiskError> {
        let mut dir = self.top();
        for (depth, name) in path.iter().enumerate() {
            let Some(node) = dir.node(name)? else {
                return Ok(Reached::Nothing);
            };
            if depth + 1 == path.len() {
                return Ok(Reached::Node(Box::new(node)));
            }
            match dir.dir(name)? {
                Some(inner) => dir = inner,
                None => return Ok(Reached::Blocked(depth + 1, node.kind)),
            }
        }
        let stat = dir.0.stat()?;
        Ok(Reached::Node(Box::new(node(TreeKind::Directory, &stat))))
    }

    /// Opens the directory that a path leads to; nothing if it leads elsewhere.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    pub fn dir(&self, path: &[TreeName]) -> Result<Option<TreeDir>, DiskError> {
        let mut dir = self.top();
        for name in path {
            match dir.dir(name)? {
                Some(inner) => dir = inner,
                None => return Ok(None),
            }
        }
        Ok(Some(dir))
    }
}

impl TreeDir {
    /// Its names by their bytes, and what each is. What goes away meanwhile is left out.
    ///
    /// # Errors
    ///
    /// It cannot be listed.
    pub fn nodes(&self) -> Result<Vec<(TreeName, Node)>, DiskError> {
        let mut found = Vec::new();
        for name in self.names()? {
            if let Some(node) = self.node(&name)? {
                found.push((name, node));
            }
        }
        Ok(found)
    }

    /// Its names by their bytes.
    ///
    /// # Errors
    ///
    /// It cannot be listed.
    pub fn names(&self) -> Result<Vec<TreeName>, DiskError> {
        let entries = self.0.entries(usize::MAX)?;
        let mut names: Vec<TreeName> = entries
            .into_iter()
            .map(|entry| TreeName::of(entry.name))
            .collect();
        names.sort();
        Ok(names)
    }

    /// What has the name.
    ///
    /// # Errors
    ///
    /// It cannot be looked at.
    pub fn node(&self, name: &TreeName) -> Result<Option<Node>, DiskError> {
        let Some(stat) = self.0.stat_of(name)? else {
            return Ok(None);
        };
        let kind = match file_type(&stat) {
            FileType::Directory => TreeKind::Directory,
            FileType::RegularFile => TreeKind::File,
            FileType::Symlink => TreeKind::Link(self.link(name)?),
            _ => TreeKind::Special,
        };
        Ok(Some(node(kind, &stat)))
    }

    /// Opens a directory in it; nothing for whatever else has the name.
    ///
    /// # Errors
    ///
    /// It is there and cannot be opened.
    pub fn dir(&self, name: &TreeName) -> Result<Option<Self>, DiskError> {
        match self.0.child(name) {
            Err(DiskError::Link { .. } | DiskError::NotADirectory { .. }) => Ok(None),
            done => Ok(done?.map(Self)),
        }
    }

    /// Opens a plain file in it to read; nothing if there is none.
    ///
    /// # Errors
    ///
    /// It is there and cannot be read, or is no plain file.
    pub fn file(&self, name: &TreeName) -> Result<Option<File>, DiskError> {
        self.0.open_file(name, OFlags::RDONLY)
    }

    /// The extended attributes of a file or directory in it, by name. What the system keeps for itself and nobody may
    /// read is left out; a file system without any has none.
    ///
    /// # Errors
    ///
    /// It cannot be opened or asked.
    pub fn xattrs(&self, name: &TreeName) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, DiskError> {
        let path = self.0.path().join(name.as_ref() as &OsStr);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = openat2(
            &self.0,
            name.as_ref() as &OsStr,
            flags,
            Mode::empty(),
            INSIDE,
        )
        .map_err(|errno| DiskError::opening(&path, errno))?;
        let failed = |errno| DiskError::io("read the attributes of", &path, errno);
        let mut names = vec![0; XATTR_MAX];
        let length = match flistxattr(&fd, names.as_mut_slice()) {
            Ok(length) => length,
            Err(Errno::OPNOTSUPP) => 0,
            Err(errno) => return Err(failed(errno)),
        };
        let mut found = BTreeMap::new();
        let mut value = Vec::new();
        for name in names
            .get(..length)
            .unwrap_or_default()
            .split(|byte| *byte == 0)
        {
            if name.is_empty() {
                continue;
            }
            value.resize(XATTR_MAX, 0);
            match fgetxattr(&fd, name, value.as_mut_slice()) {
                Ok(length) => {
                    let value = value.get(..length).unwrap_or_default();
                    found.insert(name.to_vec(), value.to_vec());
                }
                Err(Errno::NODATA | Errno::PERM) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        Ok(found)
    }

    fn link(&self, name: &TreeName) -> Result<Vec<u8>, DiskError> {
        readlinkat(&self.0, name.as_ref() as &OsStr, Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(|errno| {
                let path = self.0.path().join(OsString::from(name.as_ref() as &OsStr));
                DiskError::io("read", &path, errno)
            })
    }
}

fn node(kind: TreeKind, stat: &Stat) -> Node {
    let special = match file_type(stat) {
        FileType::Fifo => Some("fifo"),
        FileType::Socket => Some("socket"),
        FileType::CharacterDevice => Some("character device"),
        FileType::BlockDevice => Some("block device"),
        _ => None,
    };
    let is_device = matches!(
        file_type(stat),
        FileType::CharacterDevice | FileType::BlockDevice
    );
    Node {
        kind,
        bytes: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        links: stat.st_nlink,
        inode: stat.st_ino,
        device: if is_device { stat.st_rdev } else { 0 },
        // stat(2): st_blocks counts units of 512 bytes.
        bytes_on_disk: u64::try_from(stat.st_blocks)
            .unwrap_or(0)
            .saturating_mul(512),
        modified: (
            stat.st_mtime,
            u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        ),
        special,
    }
}
