//! The directory that a restore goes to, wherever that is on this machine: opened once, so that nobody who swaps a name on
//! the way to it later leads anything elsewhere.
//!
//! Links on the way are followed if they are the operator's own or root's, as rsync does since 3.5.0 (rsync(1),
//! `--insecure-links`): whoever else may write on that way could lead a restore anywhere.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, mkdirat, openat, readlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::error::DiskError;
use super::handle::{PRIVATE_DIR, file_type, path_of};

/// path_resolution(7): the kernel follows no more.
const MOST_LINKS: usize = 40;

/// An open directory of this machine.
#[derive(Debug)]
pub struct Landing {
    fd: OwnedFd,
    path: PathBuf,
}

impl Landing {
    /// Opens the directory at an absolute path; nothing if it is not there.
    ///
    /// # Errors
    ///
    /// It is none or cannot be reached, or a link on the way is somebody else's.
    pub fn find(path: &Path) -> Result<Option<Self>, DiskError> {
        walk(path, false)
    }

    /// The same, and makes what is not there, for nobody else to look into: what was backed up is nobody else's business
    /// until somebody opens it.
    ///
    /// # Errors
    ///
    /// As [`Landing::find`], or a directory cannot be made.
    pub fn make(path: &Path) -> Result<Self, DiskError> {
        walk(path, true)?.ok_or_else(|| DiskError::Absent {
            path: path.to_owned(),
        })
    }

    /// Its path without links, as it was when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A copy for a child to work in.
    ///
    /// # Errors
    ///
    /// No descriptor is free.
    pub fn to_pass_on(&self) -> Result<OwnedFd, DiskError> {
        let copy = self.fd.try_clone();
        copy.map_err(|source| DiskError::io("pass on", &self.path, source))
    }
}

fn walk(path: &Path, is_made: bool) -> Result<Option<Landing>, DiskError> {
    let found = |errno| DiskError::opening(path, errno);
    let mut dir = open(CWD, OsStr::new("/")).map_err(found)?;
    let mut left: VecDeque<OsString> = names(path);
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        let mut next = open(&dir, &name);
        if is_made && matches!(next, Err(Errno::NOENT)) {
            match mkdirat(&dir, &name, PRIVATE_DIR) {
                Ok(()) | Err(Errno::EXIST) => next = open(&dir, &name),
                Err(errno) => return Err(DiskError::io("make", path, errno)),
            }
        }
        let next = match next {
            Ok(next) => next,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(found(errno)),
        };
        let stat = fstat(&next).map_err(found)?;
        match file_type(&stat) {
            FileType::Directory => dir = next,
            FileType::Symlink => {
                if ![0, geteuid().as_raw()].contains(&stat.st_uid) {
                    return Err(DiskError::ForeignLink {
                        path: path.to_owned(),
                        name,
                    });
                }
                links += 1;
                if links > MOST_LINKS {
                    return Err(DiskError::io("open", path, Errno::LOOP));
                }
                let target = readlinkat(&next, "", Vec::new()).map_err(found)?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    dir = open(CWD, OsStr::new("/")).map_err(found)?;
                }
                for name in names(&target).into_iter().rev() {
                    left.push_front(name);
                }
            }
            _ => return Err(found(Errno::NOTDIR)),
        }
    }
    Ok(Some(Landing {
        path: path_of(&dir).unwrap_or_else(|| path.to_owned()),
        fd: dir,
    }))
}

/// Opens a name itself, not what it leads to if it is a link.
fn open(dir: impl std::os::fd::AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

/// The names of a path, `..` among them: where it leads is known only once it is walked.
fn names(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};

    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let kept = tempfile::tempdir().unwrap();
        let path = kept.path().canonicalize().unwrap();
        (kept, path)
    }

    #[test]
    fn the_operators_own_links_lead_on() {
        let (_kept, path) = folder();
        std::fs::create_dir_all(path.join("a/b")).unwrap();
        symlink("a/../a/b", path.join("relative")).unwrap();
        symlink(path.join("relative"), path.join("absolute")).unwrap();
        let found = Landing::find(&path.join("absolute/../b/."))
            .unwrap()
            .unwrap();
        assert_eq!(found.path(), path.join("a/b"));
        assert!(Landing::find(&path.join("absolute/c")).unwrap().is_none());
        let made = Landing::make(&path.join("absolute/c/d")).unwrap();
        assert_eq!(made.path(), path.join("a/b/c/d"));
        for made in ["a/b/c", "a/b/c/d"] {
            let mode = path.join(made).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{made}");
        }
    }

    #[test]
    fn what_is_no_directory_and_links_without_end_lead_nowhere() {
        let (_kept, path) = folder();
        std::fs::write(path.join("file"), "").unwrap();
        symlink("loop", path.join("loop")).unwrap();
        symlink("absent", path.join("broken")).unwrap();
        for name in ["file", "file/in", "loop"] {
            Landing::find(&path.join(name)).unwrap_err();
            Landing::make(&path.join(name)).unwrap_err();
        }
        assert!(Landing::find(&path.join("broken")).unwrap().is_none());
    }

    #[test]
    fn somebody_elses_link_is_not_followed() {
        let (_kept, path) = folder();
        std::fs::create_dir(path.join("there")).unwrap();
        symlink("there", path.join("theirs")).unwrap();
        if !geteuid().is_root() {
            return;
        }
        lchown(path.join("theirs"), Some(4711), None).unwrap();
        for path in [path.join("theirs"), path.join("theirs/below")] {
            let error = Landing::make(&path).unwrap_err();
            assert!(matches!(error, DiskError::ForeignLink { .. }), "{error}");
        }
        assert!(!path.join("there/below").exists());
    }
}
