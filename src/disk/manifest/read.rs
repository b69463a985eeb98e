//! What has been read in this run, by inode, and what is still to be read.

use std::collections::HashMap;
use std::ffi::OsString;

use crate::core::manifest::Digest;
use crate::disk::error::DiskError;
use crate::disk::handle::Handle;
use crate::disk::reading::{Job, Reader, Reading};

/// So many files are read before what is known of them is written down.
const JOBS: usize = 512;
/// Of so many directories, since each stays open.
const DIRECTORIES: usize = 64;
/// So many names wait at most for the files before them.
pub(super) const NAMES: usize = 16_384;

/// Files that were read already, so that one that many snapshots share is read once a run.
#[derive(Debug, Default)]
pub struct InodesRead {
    readings: HashMap<u64, Reading>,
    bytes: u64,
}

impl InodesRead {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many files were read.
    #[must_use]
    pub fn files(&self) -> usize {
        self.readings.len()
    }

    /// How many bytes they had.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What an inode holds, if it was read.
    #[must_use]
    pub fn content_of(&self, inode: u64) -> Option<Digest> {
        self.get(inode).map(|reading| reading.content)
    }

    pub(super) fn get(&self, inode: u64) -> Option<Reading> {
        self.readings.get(&inode).copied()
    }

    pub(super) fn put(&mut self, inode: u64, bytes: u64, reading: Reading) {
        if self.readings.insert(inode, reading).is_none() {
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }
}

/// Files that wait to be read, each inode once.
#[derive(Debug, Default)]
pub(super) struct Queue {
    jobs: Vec<Job>,
    by_inode: HashMap<u64, usize>,
    directories: usize,
}

impl Queue {
    /// Adds a file; the answer is the place of its reading among those of [`Queue::read`].
    pub(super) fn add(&mut self, dir: &Handle, name: OsString, inode: u64) -> usize {
        if let Some(at) = self.by_inode.get(&inode) {
            return *at;
        }
        let is_new = self
            .jobs
            .last()
            .is_none_or(|last| last.dir.path() != dir.path());
        self.directories += usize::from(is_new);
        let at = self.jobs.len();
        self.by_inode.insert(inode, at);
        self.jobs.push(Job {
            dir: dir.clone(),
            name,
            inode,
        });
        at
    }

    pub(super) fn is_full(&self) -> bool {
        self.jobs.len() >= JOBS || self.directories >= DIRECTORIES
    }

    /// Reads all, and begins anew.
    pub(super) fn read(
        &mut self,
        reader: &Reader,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Vec<Option<Result<Reading, DiskError>>> {
        let jobs = std::mem::take(self).jobs;
        reader.read_all(&jobs, stop)
    }
}
