//! The lock of a host.
//!
//! The kernel's lock on `.lock` is the truth; what the file says only names the holder. The lock belongs to the open
//! file, not to a process: whoever has a copy of its descriptor holds it too, and it is free when the last copy is
//! closed, however its owners end. The file itself is never removed.

use std::fs::{File, TryLockError};
use std::io::{Seek, SeekFrom};
use std::ops::Deref;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::Stdio;

use rustix::fs::OFlags;

use super::error::DiskError;
use super::holder::{Holder, Liveness, ProcessGroup};
use super::host::HostDir;
use super::process;
use crate::core::model::{RunId, Timestamp};

const FILE: &str = ".lock";
/// A note is a few hundred bytes.
const NOTE_LIMIT: u64 = 64 * 1024;
/// Beyond the end of any note: a child that reads its standard input finds nothing.
const END_OF_INPUT: u64 = 1 << 40;
/// Each try is lost only to somebody who replaces the lock file at that very moment.
const TRIES: u32 = 8;

/// A host that is ours alone until this is dropped. Reads like its [`HostDir`].
#[derive(Debug)]
pub struct HostLock {
    host: HostDir,
    file: File,
    holder: Holder,
}

impl HostDir {
    /// Takes the lock of the host, without waiting, and notes who has it and why.
    ///
    /// # Errors
    ///
    /// [`DiskError::Locked`] with what the holder has noted; the lock file cannot be made, opened or written.
    pub fn try_lock(
        &self,
        run: Option<RunId>,
        what: &str,
        now: Timestamp,
    ) -> Result<HostLock, DiskError> {
        let path = self.path().join(FILE);
        for _ in 0..TRIES {
            let flags = OFlags::RDWR | OFlags::CREATE;
            let file = self
                .dir()
                .open_file(FILE, flags)?
                .ok_or_else(|| DiskError::Absent { path: path.clone() })?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(DiskError::Locked {
                        path: self.path().to_owned(),
                        holder: self.holder().ok().flatten().map(Box::new),
                    });
                }
                Err(TryLockError::Error(source)) => {
                    return Err(DiskError::io("lock", &path, source));
                }
            }
            if self.is_lock_file(&file)? {
                let holder = Holder::this_process(run, what, now);
                let mut lock = HostLock {
                    host: self.clone(),
                    file,
                    holder,
                };
                lock.write_note()?;
                return Ok(lock);
            }
        }
        Err(DiskError::Replaced { path })
    }

    /// What the last holder of the lock has noted, be it still there or not; nothing without a note that can be read.
    ///
    /// # Errors
    ///
    /// The lock file cannot be read.
    pub fn holder(&self) -> Result<Option<Holder>, DiskError> {
        let Some(bytes) = self.dir().read(FILE, NOTE_LIMIT)? else {
            return Ok(None);
        };
        // A shorter note is written over a longer one before the file is cut: only the first value counts.
        let mut values = serde_json::Deserializer::from_slice(&bytes).into_iter();
        Ok(values.next().and_then(Result::ok))
    }

    /// The process groups that a killed holder left behind and that still work on the host.
    ///
    /// One of them is the group it recorded, if its leader is still the same process; any other group counts only if
    /// one of its processes has the lock file as its standard input, which nothing but our children ever has. Empty
    /// while the holder is alive, and where its processes cannot be seen from here.
    ///
    /// # Errors
    ///
    /// The lock file cannot be looked at.
    pub fn orphan_groups(&self, holder: &Holder) -> Result<Vec<ProcessGroup>, DiskError> {
        if holder.liveness() != Liveness::Gone {
            return Ok(Vec::new());
        }
        let Some(lock) = self.dir().stat_of(FILE)? else {
            return Ok(Vec::new());
        };
        let mut groups: Vec<ProcessGroup> = holder
            .children
            .into_iter()
            .filter(ProcessGroup::has_its_leader)
            .collect();
        let own_group = process::stat(std::process::id()).map(|own| own.group);
        for pid in process::pids() {
            let Some(found) = process::stat(pid).filter(|found| !found.is_dead) else {
                continue;
            };
            let is_ours = Some(found.group) == own_group || Some(found.group) == holder.own_group;
            let is_known = groups.iter().any(|group| group.id == found.group);
            // Groups 0 and 1 are the kernel's and that of init.
            if found.group > 1
                && !is_ours
                && !is_known
                && process::has_as_stdin(pid, (lock.st_dev, lock.st_ino))
            {
                groups.push(ProcessGroup::led_by(found.group));
            }
        }
        Ok(groups)
    }

    /// Says that the locked file still has the name: a lock on a removed file would exclude nobody.
    fn is_lock_file(&self, file: &File) -> Result<bool, DiskError> {
        let path = self.path().join(FILE);
        let locked = file
            .metadata()
            .map_err(|source| DiskError::io("look at", &path, source))?;
        Ok(self
            .dir()
            .stat_of(FILE)?
            .is_some_and(|named| (named.st_dev, named.st_ino) == (locked.dev(), locked.ino())))
    }
}

impl HostLock {
    /// A copy of the locked descriptor for the standard input of a child, so that the child holds the lock as well.
    ///
    /// If this program is killed, the host stays locked until the last such child has ended: nobody else touches a tree
    /// into which an orphaned rsync still writes. A child that reads its standard input finds it empty.
    ///
    /// # Errors
    ///
    /// No descriptor is free.
    pub fn stdin(&self) -> Result<Stdio, DiskError> {
        self.file
            .try_clone()
            .map(Stdio::from)
            .map_err(|source| DiskError::io("pass on", &self.host.path().join(FILE), source))
    }

    /// Notes the run, once it has a row, so that whoever is refused the lock can be told which one has it.
    ///
    /// # Errors
    ///
    /// The note cannot be written.
    pub fn record_run(&mut self, run: RunId) -> Result<(), DiskError> {
        self.holder.run = Some(run);
        self.write_note()
    }

    /// Notes the process group of the children, led by the process `leader`, for whoever starts after a kill.
    ///
    /// # Errors
    ///
    /// The note cannot be written.
    pub fn record_children(&mut self, leader: u32) -> Result<(), DiskError> {
        self.holder.children = Some(ProcessGroup::led_by(leader));
        self.write_note()
    }

    /// What the lock file says of this process.
    #[must_use]
    pub fn note(&self) -> &Holder {
        &self.holder
    }

    /// Frees the lock and takes the note away. Dropping it frees the lock too and leaves the note, which blocks nobody.
    ///
    /// The file keeps a byte, and with it the block that the next note needs: on a full disk there may be no other.
    ///
    /// # Errors
    ///
    /// The note cannot be taken away; the lock is free all the same.
    pub fn release(self) -> Result<(), DiskError> {
        let emptied = self
            .file
            .write_all_at(b"\n", 0)
            .and_then(|()| self.file.set_len(1))
            .or_else(|_| self.file.set_len(0));
        emptied.map_err(|source| DiskError::io("write", &self.host.path().join(FILE), source))
    }

    /// A full disk takes the note and not the lock: a prune, which makes room, must be able to begin.
    fn write_note(&mut self) -> Result<(), DiskError> {
        let path = self.host.path().join(FILE);
        let failed = |source| DiskError::io("write", &path, source);
        let mut note = serde_json::to_vec(&self.holder).map_err(|e| failed(e.into()))?;
        note.push(b'\n');
        let written = self
            .file
            .write_all_at(&note, 0)
            .and_then(|()| self.file.set_len(note.len() as u64));
        match written {
            Err(error) if is_full(&error) => self.file.set_len(0).map_err(failed)?,
            written => written.map_err(failed)?,
        }
        self.file
            .seek(SeekFrom::Start(END_OF_INPUT))
            .map(|_end| ())
            .map_err(failed)
    }
}

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

impl Deref for HostLock {
    type Target = HostDir;

    fn deref(&self) -> &HostDir {
        &self.host
    }
}
