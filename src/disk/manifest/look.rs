//! From what the kernel says of a name to what a manifest says of it.

use std::ffi::OsStr;

use rustix::fs::{FileType, Stat, major, minor, readlinkat};

use crate::core::manifest::{Item, What, XattrDigest};
use crate::disk::handle::{Handle, file_type};
use crate::disk::reading::xattrs_of;

/// What the name is, without the digests of a file, which has to be read for them. Of links and of what is no file,
/// attributes are not looked at: no system call reads them without following the name.
///
/// Nothing if it has gone, or cannot be looked at.
pub(super) fn look_at(dir: &Handle, name: &OsStr, stat: &Stat) -> Option<Item> {
    let (what, xattrs) = match file_type(stat) {
        FileType::Directory => (What::Directory, xattrs_of_directory(dir, name)),
        FileType::RegularFile => {
            let bytes = u64::try_from(stat.st_size).unwrap_or(0);
            let content = None;
            (What::File { bytes, content }, None)
        }
        FileType::Symlink => {
            let target = readlinkat(dir, name, Vec::new()).ok()?;
            (What::Link(target.into_bytes()), None)
        }
        FileType::Fifo => (What::Fifo, None),
        FileType::Socket => (What::Socket, None),
        FileType::BlockDevice => (What::Block(major(stat.st_rdev), minor(stat.st_rdev)), None),
        FileType::CharacterDevice => (
            What::Character(major(stat.st_rdev), minor(stat.st_rdev)),
            None,
        ),
        FileType::Unknown => return None,
    };
    Some(Item {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        modified: (
            stat.st_mtime,
            u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        ),
        inode: stat.st_ino,
        xattrs,
        what,
    })
}

fn xattrs_of_directory(dir: &Handle, name: &OsStr) -> Option<XattrDigest> {
    let inner = dir.child(name).ok()??;
    xattrs_of(&inner).ok()
}
