//! The tree of a pull whose changed names were brought, completed with links to all that is as in the base.
//!
//! Inodes of the base belong to older snapshots too. They are linked and never opened to be changed: what rsync has
//! brought lies in the tree already, a link never replaces anything, and only directories, which are never shared, are
//! given attributes.

use std::collections::BTreeSet;
use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, Stat, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, fchmod,
    fchown, fgetxattr, flistxattr, fremovexattr, fsetxattr, futimens, linkat, mkdirat,
};
use rustix::io::Errno;

use super::crew::{Crew, lock};
use super::error::DiskError;
use super::handle::{Handle, PRIVATE_DIR, file_type};
use super::host::DATA;
use super::incomplete::Incomplete;
use super::tree::Tree;
use crate::core::model::{DirIndex, TransferEntry, TransferKind, TransferList};

/// Linking waits for the journal of the file system, so that more gain little and take more from other backups.
const WORKERS: usize = 2;
/// Where the kernel keeps access control lists.
const ACLS: [&CStr; 2] = [c"system.posix_acl_access", c"system.posix_acl_default"];
/// Values of extended attributes are at most so large (xattr(7)).
const VALUE_MAX: usize = 64 * 1024;

/// What the directories of the base hand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Extended attributes.
    pub xattrs: bool,
    /// Access control lists.
    pub acls: bool,
}

/// Why a tree was not completed.
#[derive(Debug, thiserror::Error)]
pub enum GraftError {
    /// The caller had it stopped.
    #[error("it was stopped")]
    Stopped,
    /// The tree is not what the list says.
    #[error("{}: {why}", crate::core::model::visible(&.path.to_string_lossy()))]
    Unexpected {
        /// The name, from the root of the host.
        path: PathBuf,
        /// What is odd about it.
        why: &'static str,
    },
    /// A file cannot be linked or a directory made.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Tree {
    /// Marks every name that shares its inode with one that is brought, so that hard links of a host come together.
    ///
    /// # Errors
    /// When the base is not what the list says, or cannot be read.
    pub fn bring_whole_groups(&self, list: &mut TransferList) -> Result<(), GraftError> {
        let inodes = self.inodes_of_changed(list)?;
        if inodes.is_empty() {
            return Ok(());
        }
        let mut more = Vec::new();
        for dir in list.dirs() {
            let children = list.children(dir);
            if !children.iter().any(|e| e.is_same && e.own.is_none()) {
                continue;
            }
            let handle = self.open(list.path(dir))?;
            for (name, inode) in handle.inodes()? {
                if inodes.contains(&inode)
                    && let Some((at, entry)) = list.find(dir, name.as_bytes())
                    && entry.is_same
                    && entry.own.is_none()
                {
                    more.push((dir, at));
                }
            }
        }
        for (dir, at) in more {
            list.bring(dir, at);
        }
        Ok(())
    }

    /// The inodes that the changed names have in the base.
    fn inodes_of_changed(&self, list: &TransferList) -> Result<BTreeSet<u64>, GraftError> {
        let mut inodes = BTreeSet::new();
        for dir in list.dirs() {
            let mut changed = list
                .children(dir)
                .iter()
                .filter(|e| !e.is_same && e.own.is_none())
                .peekable();
            if changed.peek().is_none() {
                continue;
            }
            let Some(handle) = self.open_if_there(list.path(dir))? else {
                continue;
            };
            // Some file systems number names otherwise than files, and groups could not be told by that.
            let numbered: BTreeSet<(OsString, u64)> = handle.inodes()?.into_iter().collect();
            for entry in changed {
                let name = OsStr::from_bytes(list.name(entry));
                if let Some(stat) = handle.stat_of(name)?
                    && file_type(&stat) != FileType::Directory
                    && stat.st_nlink > 1
                {
                    if !numbered.contains(&(name.to_owned(), stat.st_ino)) {
                        let why = "the file system numbers its names otherwise than its files";
                        return Err(unexpected(&list.path_of(entry), why));
                    }
                    inodes.insert(stat.st_ino);
                }
            }
        }
        Ok(inodes)
    }

    fn open(&self, path: &[u8]) -> Result<Handle, GraftError> {
        self.open_if_there(path)?
            .ok_or_else(|| unexpected(path, "it is not in the base"))
    }

    fn open_if_there(&self, path: &[u8]) -> Result<Option<Handle>, GraftError> {
        let mut handle = self.top().0;
        for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            match handle.child(OsStr::from_bytes(name)) {
                Ok(Some(child)) => handle = child,
                Ok(None) | Err(DiskError::NotADirectory { .. } | DiskError::Link { .. }) => {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(handle))
    }
}

impl Incomplete {
    /// Completes the tree: links every name of the list that is as in `base`, and makes the directories that are.
    ///
    /// Nothing but what the list says was to be brought may be in the tree, each of its kind. The answer is how many of
    /// those are not there.
    ///
    /// # Errors
    /// When the tree or the base is not what the list says, a file cannot be linked (it has as many links as the file
    /// system takes), or `is_stopped` says so. The tree is of no use then.
    pub fn graft(
        &self,
        base: &Tree,
        list: &TransferList,
        kept: Kept,
        is_stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<usize, GraftError> {
        let data = self.dir().existing(DATA)?;
        let graft = Graft {
            list,
            kept,
            absent: AtomicUsize::new(0),
            failed: Mutex::new(None),
        };
        let first = Job {
            dir: TransferList::TOP,
            at: At::Open(data, Some(base.top().0)),
            is_made: list.top() == Some(true),
        };
        Crew::work(WORKERS, [first], |crew, job| {
            let done = if is_stopped() {
                Err(GraftError::Stopped)
            } else {
                graft.directory(job)
            };
            match done {
                Ok(jobs) => crew.push(jobs),
                Err(error) => {
                    lock(&graft.failed).get_or_insert(error);
                    crew.stop();
                }
            }
        });
        match graft.failed.into_inner() {
            Ok(None) => Ok(graft.absent.into_inner()),
            Ok(Some(error)) => Err(error),
            Err(_) => Err(GraftError::Stopped),
        }
    }
}

struct Graft<'a> {
    list: &'a TransferList,
    kept: Kept,
    absent: AtomicUsize,
    failed: Mutex<Option<GraftError>>,
}

/// A directory of the list that is there, in the new tree.
struct Job {
    dir: DirIndex,
    at: At,
    /// It was made here and has no attributes yet.
    is_made: bool,
}

enum At {
    /// In the new tree and in the base, if anything below it is linked.
    Open(Handle, Option<Handle>),
    /// Of that name in these two: a directory may have more directories than can be open at once.
    In(Arc<(Handle, Option<Handle>)>, OsString),
}

/// A job that is being done.
struct Opened {
    dir: DirIndex,
    base: Option<Handle>,
    new: Handle,
    is_made: bool,
}

impl Graft<'_> {
    fn open(&self, job: Job) -> Result<Opened, GraftError> {
        let (new, base) = match job.at {
            At::Open(new, base) => (new, base),
            At::In(parents, name) => {
                let base = match &parents.1 {
                    Some(base) if job.is_made || self.list.has_same_below(job.dir) => {
                        Some(base.existing(&name)?)
                    }
                    _ => None,
                };
                (parents.0.existing(&name)?, base)
            }
        };
        Ok(Opened {
            dir: job.dir,
            base,
            new,
            is_made: job.is_made,
        })
    }

    fn directory(&self, job: Job) -> Result<Vec<Job>, GraftError> {
        let job = self.open(job)?;
        let parents = Arc::new((job.new.clone(), job.base.clone()));
        let before = job.new.stat()?;
        let brought = if job.is_made && job.dir != TransferList::TOP {
            BTreeSet::new()
        } else {
            self.brought(&job)?
        };
        self.open_up(&job.new, &before)?;
        let mut jobs = Vec::new();
        for entry in self.list.children(job.dir) {
            let name = self.list.name(entry);
            let is_there = brought.contains(name);
            match (entry.own, is_there) {
                (Some(dir), _) => jobs.extend(self.child(&parents, entry, dir, is_there)?),
                (None, true) => {}
                (None, false) if entry.is_same => self.link(&job, entry)?,
                (None, false) => self.count_absent(1),
            }
        }
        self.close(&job, &before)?;
        Ok(jobs)
    }

    /// What rsync has put into a directory, all of it listed and of its kind.
    fn brought(&self, job: &Opened) -> Result<BTreeSet<Vec<u8>>, GraftError> {
        let mut names = BTreeSet::new();
        for found in job.new.entries(usize::MAX)? {
            let name = found.name.as_bytes();
            let odd = |why| unexpected(&joined(self.list.path(job.dir), name), why);
            let Some((_, entry)) = self.list.find(job.dir, name) else {
                return Err(odd("it was not asked for"));
            };
            if kind_of(found.file_type) != entry.kind {
                return Err(odd("it has become another kind of thing"));
            }
            if entry.is_same && entry.own.is_none() {
                return Err(odd("it came though it had not changed"));
            }
            names.insert(name.to_vec());
        }
        Ok(names)
    }

    /// A directory that was brought, or one that is as in the base and is made; nothing for one that has vanished with
    /// all that is in it.
    fn child(
        &self,
        parents: &Arc<(Handle, Option<Handle>)>,
        entry: &TransferEntry,
        dir: DirIndex,
        is_there: bool,
    ) -> Result<Option<Job>, GraftError> {
        let name = OsStr::from_bytes(self.list.name(entry));
        if !is_there && !entry.is_same {
            if self.list.has_same_below(dir) {
                let path = self.list.path(dir);
                return Err(unexpected(path, "it has gone with what was in it"));
            }
            self.count_absent(1 + self.names_below(dir));
            return Ok(None);
        }
        if !is_there {
            let new = &parents.0;
            let made = mkdirat(new, name, PRIVATE_DIR);
            made.map_err(|errno| DiskError::io("make", &new.path().join(name), errno))?;
        }
        Ok(Some(Job {
            dir,
            at: At::In(parents.clone(), name.to_owned()),
            is_made: !is_there,
        }))
    }

    fn link(&self, job: &Opened, entry: &TransferEntry) -> Result<(), GraftError> {
        let name = self.list.name(entry);
        let Some(base) = &job.base else {
            let path = self.list.path_of(entry);
            return Err(unexpected(&path, "it is not in the base"));
        };
        linkat(base, name, &job.new, name, AtFlags::empty()).map_err(|errno| {
            let path = base.path().join(OsStr::from_bytes(name));
            DiskError::io("link", &path, errno).into()
        })
    }

    /// Lets names be added, whatever mode the directory has on the host.
    fn open_up(&self, dir: &Handle, stat: &Stat) -> Result<(), GraftError> {
        let mode = Mode::from_raw_mode(stat.st_mode);
        if mode.contains(PRIVATE_DIR) {
            return Ok(());
        }
        set_mode(dir, mode | PRIVATE_DIR)
    }

    /// Gives a directory the attributes it has on the host, now that nothing more is added to it.
    fn close(&self, job: &Opened, before: &Stat) -> Result<(), GraftError> {
        if job.is_made {
            let Some(base) = &job.base else {
                let path = self.list.path(job.dir);
                return Err(unexpected(path, "it is not in the base"));
            };
            return self.copy_attributes(base, &job.new, before);
        }
        let mode = Mode::from_raw_mode(before.st_mode);
        if !mode.contains(PRIVATE_DIR) {
            set_mode(&job.new, mode)?;
        }
        set_modified(&job.new, before)
    }

    fn copy_attributes(&self, base: &Handle, new: &Handle, made: &Stat) -> Result<(), GraftError> {
        let stat = base.stat()?;
        let failed = |errno| DiskError::io("set the owner of", new.path(), errno);
        if (stat.st_uid, stat.st_gid) != (made.st_uid, made.st_gid) {
            let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
            fchown(new, Some(uid), Some(gid)).map_err(failed)?;
        }
        set_mode(new, Mode::from_raw_mode(stat.st_mode))?;
        if self.kept.xattrs {
            copy_xattrs(base, new)?;
        }
        if self.kept.acls {
            for acl in ACLS {
                copy_acl(base, new, acl)?;
            }
        }
        set_modified(new, &stat)
    }

    fn names_below(&self, dir: DirIndex) -> usize {
        let (mut count, mut left) = (0, vec![dir]);
        while let Some(dir) = left.pop() {
            let children = self.list.children(dir);
            count += children.len();
            left.extend(children.iter().filter_map(|entry| entry.own));
        }
        count
    }

    fn count_absent(&self, n: usize) {
        self.absent.fetch_add(n, Ordering::Relaxed);
    }
}

fn kind_of(file_type: FileType) -> TransferKind {
    match file_type {
        FileType::Directory => TransferKind::Directory,
        FileType::RegularFile => TransferKind::File,
        FileType::Symlink => TransferKind::Link,
        _ => TransferKind::Special,
    }
}

fn joined(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = dir.to_vec();
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

fn unexpected(path: &[u8], why: &'static str) -> GraftError {
    let path = PathBuf::from(OsStr::from_bytes(&joined(b"", path)));
    GraftError::Unexpected { path, why }
}

fn set_mode(dir: &Handle, mode: Mode) -> Result<(), GraftError> {
    fchmod(dir, mode).map_err(|errno| DiskError::io("set the mode of", dir.path(), errno).into())
}

fn set_modified(dir: &Handle, stat: &Stat) -> Result<(), GraftError> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: stat.st_mtime,
            tv_nsec: stat.st_mtime_nsec.try_into().unwrap_or(0),
        },
    };
    futimens(dir, &times)
        .map_err(|errno| DiskError::io("set the time of", dir.path(), errno).into())
}

/// Copies the extended attributes that are no access control lists.
fn copy_xattrs(base: &Handle, new: &Handle) -> Result<(), GraftError> {
    let failed = |dir: &Handle, errno| DiskError::io("copy attributes of", dir.path(), errno);
    let mut names = vec![0; VALUE_MAX];
    let length = match flistxattr(base, &mut names) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(errno) => return Err(failed(base, errno).into()),
    };
    for name in names[..length].split_inclusive(|b| *b == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else {
            continue;
        };
        if name.to_bytes().starts_with(b"system.") {
            continue;
        }
        let value = value(base, name).map_err(|errno| failed(base, errno))?;
        if let Some(value) = value {
            fsetxattr(new, name, &value, XattrFlags::empty())
                .map_err(|errno| failed(new, errno))?;
        }
    }
    Ok(())
}

/// Gives a directory the list of the base; a list that it took over from above goes where the base has none.
fn copy_acl(base: &Handle, new: &Handle, acl: &CStr) -> Result<(), GraftError> {
    let failed = |dir: &Handle, errno| DiskError::io("copy the rights to", dir.path(), errno);
    match value(base, acl).map_err(|errno| failed(base, errno))? {
        Some(value) => {
            fsetxattr(new, acl, &value, XattrFlags::empty()).map_err(|errno| failed(new, errno))?
        }
        None => match fremovexattr(new, acl) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(failed(new, errno).into()),
        },
    }
    Ok(())
}

fn value(dir: &Handle, name: &CStr) -> Result<Option<Vec<u8>>, Errno> {
    let mut value = vec![0; VALUE_MAX];
    match fgetxattr(dir, name, &mut value) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno),
    }
}
