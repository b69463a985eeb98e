//! Removing one directory of the trash: its files at once, its directories as jobs of their own, then itself.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, OsStr};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, chmod, fchmod, fstat, openat2, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use super::crew::lock;
use super::empty::{Removal, Removed, UnremovedCause};
use super::handle::{DIRECTORY, INSIDE, PRIVATE_DIR, allocated, file_type, random_word};
use super::trash::DEEP;

/// Below this depth a directory is first moved up into the trash itself: trees of any depth are removed with at most
/// so many directories open a worker, and no path ever grows too long.
const MAX_DEPTH: usize = 64;
/// Directories of one directory that wait at once: memory stays bounded however many there are.
const BATCH: usize = 8192;
/// Somebody writing into the trash is given up on after so many rounds.
const MAX_REFILLS: u32 = 16;
/// A directory with more names that cannot be removed is given up on.
const MAX_STUCK: usize = 10_000;

/// The removal of one directory, possibly half done.
#[derive(Clone)]
pub(super) struct Job(Arc<Node>);

struct Node {
    /// Where it is; nothing for the trash itself, which stays.
    at: Option<(Job, CString)>,
    depth: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    dir: Option<Arc<OwnedFd>>,
    /// What it takes itself, from before it was emptied: some file systems give back a part of it with the names.
    bytes: u64,
    /// Directories in it that are still at work.
    pending: usize,
    /// Names in it that could not be removed, so that no round tries them twice.
    stuck: BTreeSet<CString>,
    refills: u32,
}

/// What became of one name.
enum Fate {
    Gone,
    IsDirectory,
    Stuck(UnremovedCause),
}

/// What one round through a directory has come to.
enum Round {
    /// Nothing is left in it but what is stuck.
    Done,
    /// Directories are left.
    Directories(Vec<CString>),
    /// It cannot be read.
    Unreadable(Errno),
    Stopped,
}

impl Job {
    /// The trash itself.
    pub(super) fn top() -> Self {
        Self(Arc::new(Node {
            at: None,
            depth: 0,
            state: Mutex::default(),
        }))
    }

    fn child(&self, name: CString) -> Self {
        Self(Arc::new(Node {
            depth: self.0.depth + 1,
            at: Some((self.clone(), name)),
            state: Mutex::default(),
        }))
    }

    /// Removes what can be removed of the directory now; comes back to it when its directories are gone.
    pub(super) fn run(self, removal: &Removal<'_>) {
        let dir = match self.open(removal) {
            Ok(dir) => dir,
            Err(OpenError::Vanished) => return self.vanish(removal),
            Err(OpenError::Stuck(cause)) => return self.finish(removal, Some(cause)),
        };
        loop {
            let names = match self.round(&dir, removal) {
                Round::Stopped => return,
                Round::Done => break,
                Round::Unreadable(errno) => {
                    return self.finish(removal, Some(UnremovedCause::Refused(errno.into())));
                }
                Round::Directories(names) => names,
            };
            if self.0.depth < MAX_DEPTH {
                lock(&self.0.state).pending = names.len();
                return removal.push(names.into_iter().map(|name| self.child(name)));
            }
            for name in names {
                if let Err(errno) = move_up(&dir, &name, removal) {
                    let cause = UnremovedCause::Refused(errno.into());
                    removal.leave(self.path(removal, Some(&name)), cause);
                    lock(&self.0.state).stuck.insert(name);
                }
            }
        }
        self.remove_itself(removal);
    }

    /// Goes once through the directory and unlinks everything that is no directory.
    fn round(&self, dir: &Arc<OwnedFd>, removal: &Removal<'_>) -> Round {
        if self.has_too_much_left() {
            return Round::Done;
        }
        let entries = match Dir::read_from(dir) {
            Ok(entries) => entries,
            Err(errno) => return Round::Unreadable(errno),
        };
        let mut directories = Vec::new();
        let mut removed = Removed::default();
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(errno) => return Round::Unreadable(errno),
            };
            let name = entry.file_name();
            if name == c"." || name == c".." || lock(&self.0.state).stuck.contains(name) {
                continue;
            }
            if self.0.at.is_none() && !removal.takes(OsStr::from_bytes(name.to_bytes())) {
                continue;
            }
            let fate = match entry.file_type() {
                FileType::Directory => Fate::IsDirectory,
                _ => unlink(dir, name, removal, &mut removed),
            };
            match fate {
                Fate::Gone => {}
                Fate::IsDirectory => directories.push(name.to_owned()),
                Fate::Stuck(cause) => {
                    removal.leave(self.path(removal, Some(name)), cause);
                    lock(&self.0.state).stuck.insert(name.to_owned());
                }
            }
            if removed.files >= removal.at_once()
                && removal.add(std::mem::take(&mut removed)).is_break()
            {
                return Round::Stopped;
            }
            if directories.len() == BATCH || self.has_too_much_left() {
                break;
            }
        }
        if removal.add(removed) == ControlFlow::Break(()) {
            Round::Stopped
        } else if directories.is_empty() {
            Round::Done
        } else {
            Round::Directories(directories)
        }
    }

    /// Removes the directory, which nothing but stuck names is left in.
    fn remove_itself(self, removal: &Removal<'_>) {
        let Some((parent, name)) = &self.0.at else {
            return;
        };
        if self.has_too_much_left() {
            return self.finish(removal, Some(UnremovedCause::TooMuchLeft));
        }
        if !lock(&self.0.state).stuck.is_empty() {
            return self.stay(removal);
        }
        let parent_dir = lock(&parent.0.state).dir.clone();
        let Some(parent_dir) = parent_dir else {
            return self.finish(removal, None);
        };
        match unlinkat(&parent_dir, name, AtFlags::REMOVEDIR) {
            Ok(()) => {
                let removed = Removed {
                    dirs: 1,
                    bytes: lock(&self.0.state).bytes,
                    ..Removed::default()
                };
                if removal.add(removed).is_continue() {
                    self.finish(removal, None);
                }
            }
            Err(Errno::NOENT | Errno::NOTDIR) => self.vanish(removal),
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                if self.is_refilled() {
                    self.finish(removal, Some(UnremovedCause::Refilled));
                } else {
                    removal.push([self]);
                }
            }
            // The kernel says so of a mount point, which was mounted after it was opened.
            Err(Errno::BUSY) => self.finish(removal, Some(UnremovedCause::OtherFileSystem)),
            Err(errno) => self.finish(removal, Some(UnremovedCause::Refused(errno.into()))),
        }
    }

    /// Ends the job of a directory that went away or became something else: the parent looks again, but not for ever,
    /// since a damaged file system may list what it does not have.
    fn vanish(self, removal: &Removal<'_>) {
        let is_hopeless = match &self.0.at {
            Some((parent, _name)) => parent.is_refilled(),
            None => true,
        };
        self.finish(removal, is_hopeless.then_some(UnremovedCause::Refilled));
    }

    /// Counts a round that found the directory changed by somebody else; says whether there were too many.
    fn is_refilled(&self) -> bool {
        let mut state = lock(&self.0.state);
        state.refills += 1;
        state.refills > MAX_REFILLS
    }

    /// Ends the job: the directory is gone, or stays for `cause`.
    fn finish(self, removal: &Removal<'_>, cause: Option<UnremovedCause>) {
        match cause {
            Some(cause) => {
                removal.leave(self.path(removal, None), cause);
                self.stay(removal);
            }
            None => self.tell_parent(removal, |_parent, _name| {}),
        }
    }

    /// Ends the job of a directory that stays, for a cause that has been told.
    fn stay(self, removal: &Removal<'_>) {
        self.tell_parent(removal, |parent, name| {
            parent.stuck.insert(name.clone());
        });
    }

    /// Closes the directory and, if it was the last one its parent waited for, comes back to the parent.
    fn tell_parent(self, removal: &Removal<'_>, note: impl FnOnce(&mut State, &CString)) {
        lock(&self.0.state).dir = None;
        let Some((parent, name)) = &self.0.at else {
            return;
        };
        let is_last = {
            let mut state = lock(&parent.0.state);
            note(&mut state, name);
            state.pending = state.pending.saturating_sub(1);
            state.pending == 0
        };
        if is_last {
            removal.push([parent.clone()]);
        }
    }

    fn has_too_much_left(&self) -> bool {
        lock(&self.0.state).stuck.len() > MAX_STUCK
    }

    /// Opens the directory, or takes the handle from the last time, and makes sure that its owner may change it.
    fn open(&self, removal: &Removal<'_>) -> Result<Arc<OwnedFd>, OpenError> {
        if let Some(dir) = &lock(&self.0.state).dir {
            return Ok(dir.clone());
        }
        let fd = match &self.0.at {
            None => removal.trash().as_fd().try_clone_to_owned()?,
            Some((parent, name)) => {
                let parent_dir = lock(&parent.0.state).dir.clone();
                open_directory(&*parent_dir.ok_or(OpenError::Vanished)?, name)?
            }
        };
        let stat = fstat(&fd)?;
        // A btrfs subvolume is no mount point and yet a file system of its own.
        if stat.st_dev != removal.device() {
            return Err(OpenError::Stuck(UnremovedCause::OtherFileSystem));
        }
        if !Mode::from_raw_mode(stat.st_mode).contains(PRIVATE_DIR) {
            // If it cannot be changed, the kernel's answer to the first unlink is the one to tell.
            let _ = fchmod(&fd, PRIVATE_DIR);
        }
        let dir = Arc::new(fd);
        let mut state = lock(&self.0.state);
        state.dir = Some(dir.clone());
        state.bytes = allocated(&stat);
        Ok(dir)
    }

    /// The path of the directory, or of a name in it, for messages.
    fn path(&self, removal: &Removal<'_>, name: Option<&CStr>) -> PathBuf {
        let mut names: Vec<&CStr> = name.into_iter().collect();
        let mut job = self;
        while let Some((parent, name)) = &job.0.at {
            names.push(name);
            job = parent;
        }
        let mut path = removal.trash().path().to_owned();
        path.extend(
            names
                .iter()
                .rev()
                .map(|name| OsStr::from_bytes(name.to_bytes())),
        );
        path
    }
}

enum OpenError {
    /// There is no such directory any more.
    Vanished,
    Stuck(UnremovedCause),
}

impl From<Errno> for OpenError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => Self::Vanished,
            Errno::XDEV => Self::Stuck(UnremovedCause::OtherFileSystem),
            errno => Self::Stuck(UnremovedCause::Refused(errno.into())),
        }
    }
}

impl From<std::io::Error> for OpenError {
    fn from(error: std::io::Error) -> Self {
        Self::Stuck(UnremovedCause::Refused(error))
    }
}

/// Opens a directory for reading, and opens it up first if its owner may not read it.
fn open_directory(parent: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    match openat2(parent, name, DIRECTORY, Mode::empty(), INSIDE) {
        Err(Errno::ACCESS) => {
            open_up(parent, name)?;
            openat2(parent, name, DIRECTORY, Mode::empty(), INSIDE)
        }
        done => done,
    }
}

/// Gives the owner of a directory all rights to it. Never a file: its inode may belong to other snapshots too.
fn open_up(parent: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat2(parent, name, flags, Mode::empty(), INSIDE)?;
    // fchmod(2) refuses such a descriptor and chmod(2) would follow a link; this leads to exactly what was opened.
    chmod(format!("/proc/self/fd/{}", fd.as_raw_fd()), PRIVATE_DIR)
}

/// Unlinks one name that is no directory, and counts it.
fn unlink(dir: &OwnedFd, name: &CStr, removal: &Removal<'_>, removed: &mut Removed) -> Fate {
    let look = || match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if file_type(&stat) == FileType::Directory => Err(Fate::IsDirectory),
        Ok(stat) => Ok(stat),
        Err(Errno::NOENT) => Err(Fate::Gone),
        Err(errno) => Err(Fate::Stuck(UnremovedCause::Refused(errno.into()))),
    };
    let mut stat = match look() {
        Ok(stat) => stat,
        Err(fate) => return fate,
    };
    // Two workers at two names of one file would each see the other's, and nobody would count it as the last.
    let turn = (stat.st_nlink > 1).then(|| removal.turn(stat.st_ino));
    if turn.is_some() {
        stat = match look() {
            Ok(stat) => stat,
            Err(fate) => return fate,
        };
    }
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) => {
            removed.files += 1;
            if stat.st_nlink == 1 {
                removed.bytes += allocated(&stat);
            }
            Fate::Gone
        }
        Err(Errno::NOENT) => Fate::Gone,
        Err(Errno::ISDIR) => Fate::IsDirectory,
        Err(Errno::BUSY) => Fate::Stuck(UnremovedCause::OtherFileSystem),
        Err(errno) => Fate::Stuck(UnremovedCause::Refused(errno.into())),
    }
}

/// Moves a directory up into the trash itself, under a new name.
fn move_up(dir: &OwnedFd, name: &CStr, removal: &Removal<'_>) -> Result<(), Errno> {
    let word = random_word().map_err(|_| Errno::AGAIN)?;
    let new_name = format!("{DEEP}{word}");
    match renameat(dir, name, removal.trash(), &new_name) {
        // Its entry `..` changes, so its owner has to be able to write to it.
        Err(Errno::ACCESS) => {
            open_up(dir, name)?;
            renameat(dir, name, removal.trash(), &new_name)
        }
        done => done,
    }
}
