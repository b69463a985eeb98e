//! What a tree comes to, while it is walked: held against the limits of its host.

use rustix::fs::{FileType, Stat};

use super::error::DiskError;
use super::handle::{Handle, allocated, file_type};
use super::walk::{Step, Walk};
use crate::core::model::{Excess, Limits};

/// The names of a tree, the lengths of its files, and what they take on disk; each name counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    names: u64,
    length: u64,
    on_disk: u64,
}

impl Tally {
    pub(super) fn add(&mut self, stat: &Stat) {
        self.names += 1;
        if file_type(stat) == FileType::RegularFile {
            let length = u64::try_from(stat.st_size).unwrap_or(0);
            self.length = self.length.saturating_add(length);
        }
        self.on_disk = self.on_disk.saturating_add(allocated(stat));
    }

    pub(super) fn excess(&self, limits: &Limits) -> Option<Excess> {
        limits
            .on_names(self.names)
            .or_else(|| limits.on_bytes(self.length.max(self.on_disk)))
    }
}

/// Walks a tree until it is over a limit, has been seen whole, or `stop` says so.
pub(super) fn excess_of(
    tree: Handle,
    limits: &Limits,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Excess>, DiskError> {
    let mut tally = Tally::default();
    let mut walk = Walk::new(tree)?;
    while let Some(step) = walk.next()? {
        if let Step::Name { stat, .. } = step {
            tally.add(&stat);
        }
        if let Some(excess) = tally.excess(limits) {
            return Ok(Some(excess));
        }
        if stop() {
            break;
        }
    }
    Ok(None)
}
