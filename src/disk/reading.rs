//! Reading files for their digests: by several threads, without filling the page cache, never faster than allowed.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::num::NonZeroU64;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{Advice, OFlags, fadvise, fgetxattr, flistxattr, fstat};

use super::error::DiskError;
use super::handle::Handle;
use crate::core::manifest::{Digest, XattrDigest};

/// Large enough for a disk to read ahead, and the size from which BLAKE3 uses all lanes of the processor.
const BLOCK: usize = 256 * 1024;
/// Linux keeps no list of names and no value longer than 64 KiB.
const XATTR_MAX: usize = 64 * 1024;
/// The server labels files for itself: not what the host had, and changed by a relabelling.
const NOT_OF_THE_HOST: &[u8] = b"security.selinux";

/// What an inode holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) content: Digest,
    pub(super) xattrs: XattrDigest,
}

/// A file to read.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) dir: Handle,
    pub(super) name: OsString,
    pub(super) inode: u64,
}

/// How files are read.
#[derive(Debug)]
pub(super) struct Reader {
    threads: usize,
    pace: Option<Pace>,
    /// From the disk, not from memory: what is looked for is damage on the disk.
    from_disk: bool,
}

impl Reader {
    /// # Parameters
    /// `bytes_per_second`: for all threads together.
    pub(super) fn new(
        threads: usize,
        bytes_per_second: Option<NonZeroU64>,
        from_disk: bool,
    ) -> Self {
        Self {
            threads: threads.max(1),
            pace: bytes_per_second.map(Pace::new),
            from_disk,
        }
    }

    /// Reads all jobs; each answer stands in the place of its job. Stops early when `stop` says so: the rest is nothing.
    pub(super) fn read_all(
        &self,
        jobs: &[Job],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Vec<Option<Result<Reading, DiskError>>> {
        let answers: Vec<Mutex<Option<Result<Reading, DiskError>>>> =
            jobs.iter().map(|_| Mutex::new(None)).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut block = vec![0; BLOCK];
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let (Some(job), Some(answer)) = (jobs.get(at), answers.get(at)) else {
                    break;
                };
                if stop() {
                    break;
                }
                let done = self.read(job, &mut block, stop).transpose();
                *answer.lock().unwrap_or_else(PoisonError::into_inner) = done;
            }
        };
        if jobs.len() < 2 {
            work();
        } else {
            std::thread::scope(|scope| {
                for _ in 0..self.threads.min(jobs.len()) {
                    scope.spawn(work);
                }
            });
        }
        answers
            .into_iter()
            .map(|answer| answer.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }

    fn read(
        &self,
        job: &Job,
        block: &mut [u8],
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Reading>, DiskError> {
        let path = job.dir.path().join(&job.name);
        let mut file = open(job)?;
        let io = |source| DiskError::io("read", &path, source);
        let stat = fstat(&file).map_err(|errno| DiskError::io("look at", &path, errno))?;
        if stat.st_ino != job.inode {
            return Err(DiskError::Replaced { path });
        }
        if self.from_disk {
            // What is being written stays in memory all the same; a file system that knows no such advice reads on.
            let _ = fadvise(&file, 0, None, Advice::DontNeed);
        }
        let mut hasher = blake3::Hasher::new();
        let mut given = 0;
        loop {
            if given > 0 && stop() {
                return Ok(None);
            }
            let read = file.read(block).map_err(io)?;
            if read == 0 {
                break;
            }
            hasher.update(block.get(..read).unwrap_or_default());
            given += read;
            if let Some(pace) = &self.pace {
                pace.wait_for(read);
            }
        }
        let xattrs = xattrs_of(&file)
            .map_err(|errno| DiskError::io("read the attributes of", &path, errno))?;
        if self.from_disk {
            let _ = fadvise(&file, 0, None, Advice::DontNeed);
        }
        Ok(Some(Reading {
            content: Digest(*hasher.finalize().as_bytes()),
            xattrs,
        }))
    }
}

/// A look at a file leaves no trace on it, where the system lets us.
fn open(job: &Job) -> Result<File, DiskError> {
    let absent = || DiskError::Absent {
        path: job.dir.path().join(&job.name),
    };
    match job
        .dir
        .open_file(&job.name, OFlags::RDONLY | OFlags::NOATIME)
    {
        // Only an owner may ask for that.
        Err(DiskError::Io { source, .. })
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            job.dir.open_file(&job.name, OFlags::RDONLY)?
        }
        done => done?,
    }
    .ok_or_else(absent)
}

/// The digest of all extended attributes, names sorted, each name and value with its length before it.
pub(super) fn xattrs_of(file: impl std::os::fd::AsFd) -> Result<XattrDigest, rustix::io::Errno> {
    let mut list = vec![0; 1024];
    let length = loop {
        match flistxattr(&file, list.as_mut_slice()) {
            Ok(length) => break length,
            Err(rustix::io::Errno::RANGE) if list.len() < XATTR_MAX => list.resize(XATTR_MAX, 0),
            Err(rustix::io::Errno::OPNOTSUPP) => return Ok(XattrDigest::NONE),
            Err(errno) => return Err(errno),
        }
    };
    let mut names: Vec<&[u8]> = list
        .get(..length)
        .unwrap_or_default()
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty() && *name != NOT_OF_THE_HOST)
        .collect();
    if names.is_empty() {
        return Ok(XattrDigest::NONE);
    }
    names.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    let mut value = vec![0; XATTR_MAX];
    for name in names {
        let length = match fgetxattr(&file, name, value.as_mut_slice()) {
            Ok(length) => length,
            // It was listed a moment ago, or only a superuser may read it.
            Err(rustix::io::Errno::NODATA | rustix::io::Errno::PERM) => continue,
            Err(errno) => return Err(errno),
        };
        for part in [name, value.get(..length).unwrap_or_default()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    let mut half = [0; 16];
    half.copy_from_slice(hasher.finalize().as_bytes().split_at(16).0);
    Ok(XattrDigest(half))
}

/// A bound on bytes a second, over all threads.
#[derive(Debug)]
struct Pace {
    bytes_per_second: NonZeroU64,
    free_at: Mutex<Instant>,
}

impl Pace {
    fn new(bytes_per_second: NonZeroU64) -> Self {
        Self {
            bytes_per_second,
            free_at: Mutex::new(Instant::now()),
        }
    }

    fn wait_for(&self, bytes: usize) {
        let nanos = u128::try_from(bytes)
            .unwrap_or(0)
            .saturating_mul(1_000_000_000)
            / u128::from(self.bytes_per_second.get());
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let until = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            *free_at = (*free_at).max(Instant::now()) + cost;
            *free_at
        };
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
    }
}
