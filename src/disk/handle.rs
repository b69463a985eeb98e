//! Open directories, and all that is done relative to one.
//!
//! Knows nothing of hosts and snapshots. Names are single components; every open resolves beneath the directory,
//! follows no symbolic link and crosses no mount point.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat, fstat, fsync, mkdirat,
    openat, openat2, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::error::DiskError;

/// How every name below a root is resolved.
pub(super) const INSIDE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV);

/// How a directory is opened.
pub(super) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Nobody but the owner may look at what was pulled from a host.
pub(super) const PRIVATE_DIR: Mode = Mode::RWXU;
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);

/// What happens to a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Replace,
    Keep,
}

/// One name in a directory.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) file_type: FileType,
}

/// An open directory. The path is for messages and command lines, never to be walked again.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    fd: Arc<OwnedFd>,
    path: PathBuf,
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Handle {
    /// Opens the directory at an absolute path. Its last component is no link; what leads to it may hold some, and the
    /// handle knows the path without them.
    pub(super) fn open_absolute(path: &Path) -> Result<Option<Self>, DiskError> {
        match openat(CWD, path, DIRECTORY, Mode::empty()) {
            Ok(fd) => Ok(Some(Self {
                path: path_of(&fd).unwrap_or_else(|| path.to_owned()),
                fd: Arc::new(fd),
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(match statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if file_type(&stat) == FileType::Symlink => DiskError::Link {
                    path: path.to_owned(),
                },
                _ => DiskError::opening(path, errno),
            }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory of this one; nothing if the name is not there.
    pub(super) fn child(&self, name: impl AsRef<OsStr>) -> Result<Option<Self>, DiskError> {
        let name = name.as_ref();
        let path = self.path.join(name);
        match openat2(&self.fd, name, DIRECTORY, Mode::empty(), INSIDE) {
            Ok(fd) => Ok(Some(Self {
                fd: Arc::new(fd),
                path,
            })),
            Err(Errno::NOENT) => Ok(None),
            // With O_DIRECTORY the kernel says ENOTDIR of a link as well.
            Err(Errno::NOTDIR) if self.type_of(name)? == Some(FileType::Symlink) => {
                Err(DiskError::Link { path })
            }
            Err(errno) => Err(DiskError::opening(&path, errno)),
        }
    }

    /// Opens a directory of this one that has to be there.
    pub(super) fn existing(&self, name: impl AsRef<OsStr>) -> Result<Self, DiskError> {
        let name = name.as_ref();
        self.child(name)?.ok_or_else(|| DiskError::Absent {
            path: self.path.join(name),
        })
    }

    /// Opens a directory of this one and makes it, durably, if it is not there.
    pub(super) fn make(&self, name: impl AsRef<OsStr>) -> Result<Self, DiskError> {
        let name = name.as_ref();
        if let Some(found) = self.child(name)? {
            return Ok(found);
        }
        match mkdirat(&self.fd, name, PRIVATE_DIR) {
            Ok(()) => self.sync()?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(DiskError::io("make", &self.path.join(name), errno)),
        }
        self.existing(name)
    }

    /// Makes a directory that must not be there yet.
    pub(super) fn make_new(&self, name: impl AsRef<OsStr>) -> Result<Self, DiskError> {
        let name = name.as_ref();
        let path = self.path.join(name);
        match mkdirat(&self.fd, name, PRIVATE_DIR) {
            Ok(()) => self.existing(name),
            Err(Errno::EXIST) => Err(DiskError::NameTaken { path }),
            Err(errno) => Err(DiskError::io("make", &path, errno)),
        }
    }

    /// Every name in the directory but `.` and `..`, in the order of the file system; at most `limit`.
    pub(super) fn entries(&self, limit: usize) -> Result<Vec<Entry>, DiskError> {
        let list = |errno| DiskError::io("list", &self.path, errno);
        let mut found = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(list)? {
            let entry = entry.map_err(list)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if found.len() == limit {
                break;
            }
            let name = OsString::from_vec(name.to_vec());
            let file_type = match entry.file_type() {
                // Some file systems do not say; a name that has gone meanwhile is left out.
                FileType::Unknown => match self.type_of(&name)? {
                    Some(file_type) => file_type,
                    None => continue,
                },
                known => known,
            };
            found.push(Entry { name, file_type });
        }
        Ok(found)
    }

    /// Every name in the directory but `.` and `..`, with the number of its inode.
    pub(super) fn inodes(&self) -> Result<Vec<(OsString, u64)>, DiskError> {
        let list = |errno| DiskError::io("list", &self.path, errno);
        let mut found = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(list)? {
            let entry = entry.map_err(list)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                found.push((OsString::from_vec(name.to_vec()), entry.ino()));
            }
        }
        Ok(found)
    }

    /// The type of what has the name, a link being a link.
    pub(super) fn type_of(&self, name: impl AsRef<OsStr>) -> Result<Option<FileType>, DiskError> {
        Ok(self.stat_of(name)?.as_ref().map(file_type))
    }

    /// What the kernel says of the name, of a link itself.
    pub(super) fn stat_of(&self, name: impl AsRef<OsStr>) -> Result<Option<Stat>, DiskError> {
        let name = name.as_ref();
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(DiskError::io("look at", &self.path.join(name), errno)),
        }
    }

    /// What the kernel says of the directory itself.
    pub(super) fn stat(&self) -> Result<Stat, DiskError> {
        fstat(&self.fd).map_err(|errno| DiskError::io("look at", &self.path, errno))
    }

    /// Opens a file of this directory; a new one is readable by its owner alone.
    pub(super) fn open_file(
        &self,
        name: impl AsRef<OsStr>,
        flags: OFlags,
    ) -> Result<Option<File>, DiskError> {
        let name = name.as_ref();
        let path = self.path.join(name);
        let mode = if flags.contains(OFlags::CREATE) {
            PRIVATE_FILE
        } else {
            Mode::empty()
        };
        // Not blocking: a fifo under the name must not hang us.
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = match openat2(&self.fd, name, flags, mode, INSIDE) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(DiskError::opening(&path, errno)),
        };
        let stat = fstat(&fd).map_err(|errno| DiskError::io("look at", &path, errno))?;
        if file_type(&stat) == FileType::RegularFile {
            Ok(Some(File::from(fd)))
        } else {
            let why = "it is no plain file";
            Err(DiskError::NotOurs { path, why })
        }
    }

    /// Reads a file of at most `limit` bytes; nothing if it is not there.
    pub(super) fn read(
        &self,
        name: impl AsRef<OsStr>,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, DiskError> {
        let name = name.as_ref();
        let Some(file) = self.open_file(name, OFlags::RDONLY)? else {
            return Ok(None);
        };
        let path = self.path.join(name);
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| DiskError::io("read", &path, source))?;
        if bytes.len() as u64 > limit {
            let why = "it is too large";
            return Err(DiskError::NotOurs { path, why });
        }
        Ok(Some(bytes))
    }

    /// Writes a file so that after a crash it is there with all its bytes or, replaced or absent, as it was before.
    /// Says whether it was written: with [`Existing::Keep`], one that has the name stays.
    pub(super) fn write(
        &self,
        name: &str,
        bytes: &[u8],
        existing: Existing,
    ) -> Result<bool, DiskError> {
        let temporary = format!(".{name}.{}.tmp", random_word()?);
        let written = self
            .write_synced(&temporary, bytes)
            .and_then(|()| match existing {
                Existing::Keep => self.rename_new(&temporary, self, name),
                Existing::Replace => renameat(&self.fd, &temporary, &self.fd, name)
                    .map(|()| true)
                    .map_err(|errno| DiskError::io("rename", &self.path.join(&temporary), errno)),
            });
        if !matches!(written, Ok(true)) {
            // The first error is the one to tell; a leftover is harmless and goes with its directory.
            let _ = unlinkat(&self.fd, &temporary, AtFlags::empty());
        }
        let written = written?;
        self.sync()?;
        Ok(written)
    }

    /// Removes what writes of `name` that were cut off have left. Nobody else may be writing it.
    pub(super) fn remove_temporaries(&self, name: &str) -> Result<(), DiskError> {
        let prefix = format!(".{name}.");
        for entry in self.entries(usize::MAX)? {
            let found = entry.name.as_bytes();
            if found.starts_with(prefix.as_bytes()) && found.ends_with(b".tmp") {
                unlinkat(&self.fd, &entry.name, AtFlags::empty()).map_err(|errno| {
                    DiskError::io("remove", &self.path.join(&entry.name), errno)
                })?;
            }
        }
        Ok(())
    }

    fn write_synced(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let path = self.path.join(name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file = self
            .open_file(name, flags)?
            .ok_or_else(|| DiskError::Absent { path: path.clone() })?;
        file.write_all(bytes)
            .map_err(|source| DiskError::io("write", &path, source))?;
        file.sync_all()
            .map_err(|source| DiskError::io("make durable", &path, source))
    }

    /// Removes a file, durably; says whether there was one.
    pub(super) fn remove_file(&self, name: &str) -> Result<bool, DiskError> {
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => self.sync().map(|()| true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(DiskError::io("remove", &self.path.join(name), errno)),
        }
    }

    /// Moves `name` to `new_name` of `to`, never over something: says whether the new name was free.
    pub(super) fn rename_new(
        &self,
        name: impl AsRef<OsStr>,
        to: &Self,
        new_name: impl AsRef<OsStr>,
    ) -> Result<bool, DiskError> {
        let (name, new_name) = (name.as_ref(), new_name.as_ref());
        let moved = match renameat_with(&self.fd, name, &to.fd, new_name, RenameFlags::NOREPLACE) {
            // Older NFS, FUSE and ZFS do not know the flag. All who rename here hold the host's lock.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                if to.stat_of(new_name)?.is_some() {
                    return Ok(false);
                }
                renameat(&self.fd, name, &to.fd, new_name)
            }
            done => done,
        };
        let path = || self.path.join(name);
        match moved {
            Ok(()) => Ok(true),
            Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(false),
            Err(Errno::NOENT) => Err(DiskError::Absent { path: path() }),
            Err(errno) => Err(DiskError::io("rename", &path(), errno)),
        }
    }

    /// Makes the names in the directory durable.
    pub(super) fn sync(&self) -> Result<(), DiskError> {
        fsync(&self.fd).map_err(|errno| DiskError::io("make durable", &self.path, errno))
    }

    /// Says that both are the same directory.
    pub(super) fn is_same(&self, stat: &Stat) -> Result<bool, DiskError> {
        let own = self.stat()?;
        Ok((own.st_dev, own.st_ino) == (stat.st_dev, stat.st_ino))
    }
}

/// The type in what the kernel said.
pub(super) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Bytes on disk, whatever the length of the file: stat(2) counts units of 512 bytes, whatever the file system's own.
pub(super) fn allocated(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks)
        .unwrap_or(0)
        .saturating_mul(512)
}

/// Sixteen random hexadecimal digits.
pub(super) fn random_word() -> Result<String, DiskError> {
    Ok(format!("{:016x}", u64::from_ne_bytes(random_bytes()?)))
}

/// Random bytes of the kernel.
pub(super) fn random_bytes<const N: usize>() -> Result<[u8; N], DiskError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| DiskError::Random(std::io::Error::other(error.to_string())))?;
    Ok(bytes)
}

/// The path that the kernel has for an open directory, if it can be read and has not been removed.
pub(super) fn path_of(fd: &OwnedFd) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let path = std::fs::read_link(link).ok()?;
    let is_whole = path.is_absolute() && !path.as_os_str().as_bytes().ends_with(b" (deleted)");
    is_whole.then_some(path)
}
