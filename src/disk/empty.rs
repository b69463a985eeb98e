//! Emptying the trash.
//!
//! A crew goes depth first; `unlink` says what happens to each directory. A removal that is cut off anywhere is finished
//! by starting it again.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::crew::{Crew, lock};
use super::error::DiskError;
use super::handle::Handle;
use super::host::TRASH;
use super::lock::HostLock;
use super::pace::Pace;
use super::trash::is_moved_up;
use super::unlink::Job;

/// Turns taken at files of several names, so that two workers seldom wait for one.
const TURNS: usize = 64;
/// Unlinking waits for the disk's journal, so that more than two gain little and take more from a running backup.
const WORKERS: usize = 2;
/// The caller hears of it after so many files of one directory.
const TOLD_EVERY: u64 = 1024;
/// The lowest priority, setpriority(2).
const LOWEST: i32 = 19;
/// Names that are listed of those that could not be removed; the rest is counted.
const LISTED: usize = 100;

/// How much a removal has taken away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files, links, devices: everything that is no directory.
    pub files: u64,
    /// Directories.
    pub dirs: u64,
    /// Bytes on disk that came free: of directories, and of files that nothing else is linked to.
    pub bytes: u64,
}

/// Something that could not be removed. It stays in the trash, and the next removal tries again.
#[derive(Debug)]
pub struct Unremoved {
    /// Where it is.
    pub path: PathBuf,
    /// Why it is still there.
    pub cause: UnremovedCause,
}

/// Why something could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum UnremovedCause {
    /// A file system is mounted there, or it is a subvolume of its own; nothing in it was touched.
    #[error("another file system is mounted there: unmount it")]
    OtherFileSystem,
    /// The kernel refused, for example because the file is immutable (`chattr +i`).
    #[error("the kernel refuses to remove it")]
    Refused(#[source] io::Error),
    /// New names came into the directory as fast as it was emptied.
    #[error("something still writes into it")]
    Refilled,
    /// So much in it could not be removed that the rest was not tried.
    #[error("too much in it cannot be removed")]
    TooMuchLeft,
}

/// What a removal has come to.
#[derive(Debug, Default)]
#[must_use = "what could not be removed has to be told"]
pub struct Emptied {
    /// What is gone.
    pub removed: Removed,
    /// The first hundred names that could not be removed, without the directories they keep alive.
    pub unremoved: Vec<Unremoved>,
    /// How many more there are.
    pub unlisted: u64,
    /// The caller had it stopped.
    pub is_stopped: bool,
}

impl Emptied {
    /// Says that the trash is empty now.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.unremoved.is_empty() && self.unlisted == 0 && !self.is_stopped
    }
}

impl HostLock {
    /// Deletes those `entries` of the host's `.trash`, and nothing else in it.
    ///
    /// Who calls it knows of each that a recorded plan has put it there, or that it never was a snapshot.
    ///
    /// Every name is removed from an open directory; no link is followed and no other file system entered, be it
    /// mounted or a subvolume. Directories that keep their owner out are opened up first. `progress` hears now and then
    /// how much is gone, from any of the workers, and stops the removal with [`ControlFlow::Break`].
    ///
    /// With `max_per_second`, no more names go a second, one after the other and at the lowest priority: for a disk that
    /// others work on.
    ///
    /// What cannot be removed is in the answer and hinders nothing else.
    ///
    /// # Errors
    ///
    /// The trash itself cannot be opened.
    pub fn empty_trash(
        &self,
        entries: &BTreeSet<OsString>,
        max_per_second: Option<u32>,
        progress: &(dyn Fn(&Removed) -> ControlFlow<()> + Sync),
    ) -> Result<Emptied, DiskError> {
        if entries.is_empty() {
            return Ok(Emptied::default());
        }
        let Some(trash) = self.dir().child(TRASH)? else {
            return Ok(Emptied::default());
        };
        let emptying = Emptying {
            device: trash.stat()?.st_dev,
            trash,
            entries,
            outcome: Mutex::default(),
            turns: std::array::from_fn(|_| Mutex::default()),
            pace: max_per_second.map(Pace::new),
            progress,
        };
        match &emptying.pace {
            None => emptying.work(WORKERS),
            Some(_) => std::thread::scope(|scope| {
                let slowly = std::thread::Builder::new().spawn_scoped(scope, || {
                    // Of this thread alone, since nobody gets it back: the kernel takes from it how soon the disk serves
                    // it, too (ioprio_get(2)). Whoever may not lower it goes on as it is.
                    let _ = rustix::process::setpriority_process(None, LOWEST);
                    emptying.work(1);
                });
                if slowly.is_err() {
                    emptying.work(1);
                }
            }),
        }
        Ok(emptying
            .outcome
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner))
    }
}

/// One emptying, shared by its workers.
struct Emptying<'a> {
    trash: Handle,
    device: u64,
    /// What of the trash goes.
    entries: &'a BTreeSet<OsString>,
    outcome: Mutex<Emptied>,
    turns: [Mutex<()>; TURNS],
    pace: Option<Pace>,
    progress: &'a (dyn Fn(&Removed) -> ControlFlow<()> + Sync),
}

impl Emptying<'_> {
    fn work(&self, workers: usize) {
        Crew::work(workers, [Job::top()], |crew, job: Job| {
            job.run(&Removal {
                emptying: self,
                crew,
            });
        });
    }
}

/// An emptying in the hands of one of its workers.
pub(super) struct Removal<'a> {
    emptying: &'a Emptying<'a>,
    crew: &'a Crew<Job>,
}

impl Removal<'_> {
    /// The trash itself.
    pub(super) fn trash(&self) -> &Handle {
        &self.emptying.trash
    }

    /// The file system of the trash: nothing on another one is touched.
    pub(super) fn device(&self) -> u64 {
        self.emptying.device
    }

    /// Says that a name in the trash itself goes: one that was asked for, or a directory moved up out of one.
    pub(super) fn takes(&self, name: &OsStr) -> bool {
        self.emptying.entries.contains(name) || is_moved_up(name)
    }

    pub(super) fn push(&self, jobs: impl IntoIterator<Item = Job>) {
        self.crew.push(jobs);
    }

    /// So many names may go before [`add`](Self::add) is told of them.
    pub(super) fn at_once(&self) -> u64 {
        let pace = self.emptying.pace.as_ref();
        pace.map_or(TOLD_EVERY, |pace| pace.at_once().min(TOLD_EVERY))
    }

    /// Adds to what is gone, tells the caller, waits where no more may go just yet, and says whether to go on.
    pub(super) fn add(&self, removed: Removed) -> ControlFlow<()> {
        let emptying = self.emptying;
        let total = {
            let mut outcome = lock(&emptying.outcome);
            let total = &mut outcome.removed;
            total.files += removed.files;
            total.dirs += removed.dirs;
            total.bytes += removed.bytes;
            *total
        };
        let go_on = || (emptying.progress)(&total);
        let mut answer = go_on();
        if let Some(pace) = emptying.pace.as_ref().filter(|_| answer.is_continue()) {
            answer = pace.keep(removed.files + removed.dirs, &go_on);
        }
        if answer.is_break() {
            lock(&emptying.outcome).is_stopped = true;
            self.crew.stop();
        }
        answer
    }

    /// Waits until no other worker takes a name of the file with that inode.
    pub(super) fn turn(&self, inode: u64) -> MutexGuard<'_, ()> {
        let turns = &self.emptying.turns;
        let at = usize::try_from(inode).unwrap_or(0) % TURNS;
        // The place is below the length by the remainder.
        lock(turns.get(at).unwrap_or(&turns[0]))
    }

    /// Notes something that could not be removed.
    pub(super) fn leave(&self, path: PathBuf, cause: UnremovedCause) {
        let mut outcome = lock(&self.emptying.outcome);
        if outcome.unremoved.len() < LISTED {
            outcome.unremoved.push(Unremoved { path, cause });
        } else {
            outcome.unlisted += 1;
        }
    }
}
