//! From the disk to what snapshots share.

use std::collections::BTreeSet;

use rustix::fs::{FileType, Stat};

use super::file;
use super::ledger::{Ledger, Seen};
use crate::core::model::SnapshotKind;
use crate::core::usage::{Class, Key, Usage};
use crate::disk::error::DiskError;
use crate::disk::handle::{Handle, file_type};
use crate::disk::host::{DATA, HostDir};
use crate::disk::lock::HostLock;
use crate::disk::walk::{Step, Walk};

/// What was measured, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// What snapshots take and share.
    pub usage: Usage,
    /// How many of them were walked; the others were known.
    pub walked: usize,
}

impl HostLock {
    /// Measures what is new since the last time, or all of it `anew`: all snapshots, the incomplete ones too. Does nothing
    /// where more than `most` would have to be walked.
    ///
    /// # Errors
    /// A snapshot cannot be walked, or the ledger not be written.
    pub fn measure(
        &self,
        anew: bool,
        most: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Measured>, DiskError> {
        let ledger = if anew {
            Ledger::default()
        } else {
            file::read(self.dir())
        };
        let (ledger, measured) = match measure(self, ledger, most, stop)? {
            Some(done) => done,
            None => return Ok(None),
        };
        file::write(self.dir(), &ledger)?;
        Ok(Some(measured))
    }
}

impl HostDir {
    /// Measures all snapshots and writes nothing. What a run at work changes meanwhile may be missed.
    ///
    /// # Errors
    /// A snapshot cannot be walked.
    pub fn measure_and_forget(
        &self,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Measured>, DiskError> {
        let done = measure(self, Ledger::default(), usize::MAX, stop)?;
        Ok(done.map(|(_, measured)| measured))
    }
}

/// A snapshot on disk, under its kind or in progress.
struct OnDisk {
    key: Key,
    dir: Handle,
}

fn measure(
    host: &HostDir,
    mut ledger: Ledger,
    most: usize,
    stop: &dyn Fn() -> bool,
) -> Result<Option<(Ledger, Measured)>, DiskError> {
    let on_disk = on_disk(host)?;
    let keys: BTreeSet<&Key> = on_disk.iter().map(|found| &found.key).collect();
    ledger.keep(|key| keys.contains(key));
    let known: BTreeSet<Key> = ledger.snapshots.iter().cloned().collect();
    let new: Vec<&OnDisk> = on_disk
        .iter()
        .filter(|found| !known.contains(&found.key))
        .collect();
    if new.len() > most {
        return Ok(None);
    }
    for found in &new {
        if !add(&mut ledger, found, stop)? {
            return Ok(None);
        }
    }
    let (mut classes, elsewhere) = ledger.classes();
    for found in &on_disk {
        let place = ledger.snapshots.iter().position(|key| *key == found.key);
        if let Some(place) = place {
            let sum = classes.entry(vec![place]).or_default();
            *sum = sum.saturating_add(beside(&found.dir)?);
        }
    }
    let usage = Usage {
        snapshots: ledger.snapshots.clone(),
        classes: classes
            .into_iter()
            .map(|(members, bytes)| Class { members, bytes })
            .collect(),
        elsewhere,
    };
    let walked = new.len();
    Ok(Some((ledger, Measured { usage, walked })))
}

/// All snapshots that take room, oldest first by name.
fn on_disk(host: &HostDir) -> Result<Vec<OnDisk>, DiskError> {
    let mut found = Vec::new();
    for kind in SnapshotKind::ALL {
        let parents = [host.dir().child(kind.as_str())?, host.incomplete_dir(kind)?];
        for parent in parents.into_iter().flatten() {
            for entry in parent.entries(usize::MAX)? {
                let name = entry.name.to_str().and_then(|name| name.parse().ok());
                if let Some(name) = name.filter(|_| entry.file_type == FileType::Directory)
                    && let Some(dir) = parent.child(&entry.name)?
                {
                    let key = (kind, name);
                    found.push(OnDisk { key, dir });
                }
            }
        }
    }
    found.sort_by(|a, b| (&a.key.1, a.key.0).cmp(&(&b.key.1, b.key.0)));
    Ok(found)
}

/// Walks the tree of one snapshot; says whether it came to its end.
fn add(ledger: &mut Ledger, found: &OnDisk, stop: &dyn Fn() -> bool) -> Result<bool, DiskError> {
    let place = ledger.add(found.key.clone());
    let Some(data) = found.dir.child(DATA)? else {
        return Ok(true);
    };
    ledger.see(place, seen(&data.stat()?));
    let mut walk = Walk::new(data)?;
    while let Some(step) = walk.next()? {
        match step {
            Step::Name { stat, .. } => ledger.see(place, seen(&stat)),
            Step::Unreadable { error, .. } => {
                tracing::debug!("{error}: what it holds is not measured");
            }
            Step::Leave => {}
        }
        if stop() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What lies beside the tree: the directory itself, metadata, manifest, log and marks. Looked at each time, since marks
/// come and go.
fn beside(snapshot: &Handle) -> Result<u64, DiskError> {
    let mut bytes = allocated(&snapshot.stat()?);
    for entry in snapshot.entries(usize::MAX)? {
        let Some(stat) = snapshot.stat_of(&entry.name)? else {
            continue;
        };
        if entry.name == DATA {
            continue;
        }
        bytes = bytes.saturating_add(allocated(&stat));
        if file_type(&stat) == FileType::Directory
            && let Some(inner) = snapshot.child(&entry.name)?
        {
            let mut walk = Walk::new(inner)?;
            while let Some(step) = walk.next()? {
                if let Step::Name { stat, .. } = step {
                    bytes = bytes.saturating_add(allocated(&stat));
                }
            }
        }
    }
    Ok(bytes)
}

fn seen(stat: &Stat) -> Seen {
    let is_directory = file_type(stat) == FileType::Directory;
    Seen {
        inode: stat.st_ino,
        links: if is_directory {
            1
        } else {
            u32::try_from(stat.st_nlink).unwrap_or(u32::MAX)
        },
        bytes: allocated(stat),
    }
}

/// Bytes on disk, whatever the length of the file: stat(2) counts units of 512 bytes, whatever the file system's own.
fn allocated(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks)
        .unwrap_or(0)
        .saturating_mul(512)
}
