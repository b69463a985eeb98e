//! Emptying the trash.
//!
//! Two workers share one stack of directories and go depth first; `unlink` says what happens to each directory. A
//! removal that is cut off anywhere is finished by starting it again.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::error::DiskError;
use super::handle::Handle;
use super::host::TRASH;
use super::lock::HostLock;
use super::trash::is_moved_up;
use super::unlink::Job;

/// Turns taken at files of several names, so that two workers seldom wait for one.
const TURNS: usize = 64;
/// Unlinking waits for the disk's journal, so that more than two gain little and take more from a running backup.
const WORKERS: usize = 2;
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
    /// What cannot be removed is in the answer and hinders nothing else.
    ///
    /// # Errors
    ///
    /// The trash itself cannot be opened.
    pub fn empty_trash(
        &self,
        entries: &BTreeSet<OsString>,
        progress: &(dyn Fn(&Removed) -> ControlFlow<()> + Sync),
    ) -> Result<Emptied, DiskError> {
        if entries.is_empty() {
            return Ok(Emptied::default());
        }
        let Some(trash) = self.dir().child(TRASH)? else {
            return Ok(Emptied::default());
        };
        let removal = Removal {
            device: trash.stat()?.st_dev,
            trash,
            entries,
            queue: Mutex::default(),
            changed: Condvar::new(),
            outcome: Mutex::default(),
            turns: std::array::from_fn(|_| Mutex::default()),
            progress,
        };
        removal.push([Job::top()]);
        std::thread::scope(|scope| {
            for _ in 1..WORKERS {
                // Without a second thread the first one does all of it.
                let _ = std::thread::Builder::new().spawn_scoped(scope, || removal.work());
            }
            removal.work();
        });
        Ok(removal
            .outcome
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner))
    }
}

/// One emptying, shared by its workers.
pub(super) struct Removal<'a> {
    pub(super) trash: Handle,
    /// The file system of the trash: nothing on another one is touched.
    pub(super) device: u64,
    /// What of the trash goes.
    entries: &'a BTreeSet<OsString>,
    queue: Mutex<Queue>,
    changed: Condvar,
    outcome: Mutex<Emptied>,
    turns: [Mutex<()>; TURNS],
    progress: &'a (dyn Fn(&Removed) -> ControlFlow<()> + Sync),
}

#[derive(Default)]
struct Queue {
    /// Last in, first out: depth first, so that few directories are open at once.
    jobs: Vec<Job>,
    /// Jobs that are in the hands of a worker and may bring more.
    in_work: usize,
    is_stopped: bool,
}

impl Removal<'_> {
    /// Says that a name in the trash itself goes: one that was asked for, or a directory moved up out of one.
    pub(super) fn takes(&self, name: &OsStr) -> bool {
        self.entries.contains(name) || is_moved_up(name)
    }

    pub(super) fn push(&self, jobs: impl IntoIterator<Item = Job>) {
        lock(&self.queue).jobs.extend(jobs);
        self.changed.notify_all();
    }

    /// Adds to what is gone, tells the caller, and says whether to go on.
    pub(super) fn add(&self, removed: Removed) -> ControlFlow<()> {
        let total = {
            let mut outcome = lock(&self.outcome);
            let total = &mut outcome.removed;
            total.files += removed.files;
            total.dirs += removed.dirs;
            total.bytes += removed.bytes;
            *total
        };
        let answer = (self.progress)(&total);
        if answer.is_break() {
            lock(&self.outcome).is_stopped = true;
            lock(&self.queue).is_stopped = true;
            self.changed.notify_all();
        }
        answer
    }

    /// Waits until no other worker takes a name of the file with that inode.
    pub(super) fn turn(&self, inode: u64) -> MutexGuard<'_, ()> {
        let at = usize::try_from(inode).unwrap_or(0) % TURNS;
        // The place is below the length by the remainder.
        let turn = self.turns.get(at).unwrap_or(&self.turns[0]);
        lock(turn)
    }

    /// Notes something that could not be removed.
    pub(super) fn leave(&self, path: PathBuf, cause: UnremovedCause) {
        let mut outcome = lock(&self.outcome);
        if outcome.unremoved.len() < LISTED {
            outcome.unremoved.push(Unremoved { path, cause });
        } else {
            outcome.unlisted += 1;
        }
    }

    fn work(&self) {
        while let Some(job) = self.next_job() {
            // Given back even if the caller's progress function panics: the other worker must not wait for ever.
            let _in_work = InWork(self);
            job.run(self);
        }
    }

    /// The next job; nothing once all are done or the caller has had enough.
    fn next_job(&self) -> Option<Job> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.is_stopped {
                return None;
            }
            if let Some(job) = queue.jobs.pop() {
                queue.in_work += 1;
                return Some(job);
            }
            if queue.in_work == 0 {
                return None;
            }
            queue = self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct InWork<'a, 'b>(&'a Removal<'b>);

impl Drop for InWork<'_, '_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        queue.in_work -= 1;
        queue.is_stopped |= std::thread::panicking();
        self.0.changed.notify_all();
    }
}

/// A panic elsewhere leaves the counts as they are, which is what they are then.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
