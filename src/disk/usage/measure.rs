//! From the disk to what snapshots share.

use std::collections::btree_map::Entry as MapEntry;
use std::collections::{BTreeMap, BTreeSet};

use rustix::fs::{FileType, Stat};

use super::file;
use super::ledger::{Ledger, Seen};
use crate::core::model::SnapshotKind;
use crate::core::usage::{Class, Key, LeftOut, Usage};
use crate::disk::error::DiskError;
use crate::disk::handle::{Handle, allocated, file_type};
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
    /// What cannot be looked at is left out and told. All is then walked anew, since an older snapshot may share files with
    /// what nobody sees: the number of their names says so, and only of what is looked at now.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn measure(
        &self,
        anew: bool,
        most: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Measured>, DiskError> {
        if !anew {
            let Some((ledger, measured)) = measure(self, file::read(self.dir()), most, stop) else {
                return Ok(None);
            };
            if measured.usage.left_out.is_empty() {
                file::write(self.dir(), &ledger)?;
                return Ok(Some(measured));
            }
        }
        let Some((ledger, measured)) = measure(self, Ledger::default(), most, stop) else {
            return Ok(None);
        };
        // The one before goes on from where it stood once everything can be looked at.
        if measured.usage.left_out.is_empty() {
            file::write(self.dir(), &ledger)?;
        }
        Ok(Some(measured))
    }
}

impl HostDir {
    /// What was measured before of exactly the snapshots that are there, from the ledger beside them: walks nothing. Nothing
    /// where there is no ledger, or it lacks one of them.
    #[must_use]
    pub fn measured_before(&self) -> Option<Usage> {
        let (_, measured) = measure(self, file::read(self.dir()), 0, &|| false)?;
        let usage = measured.usage;
        (usage.left_out.is_empty() && !usage.snapshots.is_empty()).then_some(usage)
    }

    /// Measures all snapshots and writes nothing. What a run at work changes meanwhile may be missed. Nothing if it was
    /// stopped.
    pub fn measure_and_forget(&self, stop: &dyn Fn() -> bool) -> Option<Measured> {
        let done = measure(self, Ledger::default(), usize::MAX, stop)?;
        Some(done.1)
    }
}

/// A snapshot on disk, under its kind or in progress.
struct OnDisk {
    key: Key,
    dir: Result<Handle, DiskError>,
}

/// What could not be looked at: of each snapshot the first, and how many more.
#[derive(Default)]
struct Gaps(BTreeMap<Option<Key>, (DiskError, u64)>);

impl Gaps {
    fn note(&mut self, of: Option<&Key>, error: DiskError) {
        tracing::debug!("{error}: what it holds is not measured");
        match self.0.entry(of.cloned()) {
            MapEntry::Vacant(place) => {
                place.insert((error, 0));
            }
            MapEntry::Occupied(mut known) => known.get_mut().1 += 1,
        }
    }

    fn told(self, snapshots: &[Key]) -> Vec<LeftOut> {
        let told = self.0.into_iter().map(|(of, (error, more))| LeftOut {
            member: of.and_then(|of| snapshots.iter().position(|key| *key == of)),
            why: match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            },
            more,
        });
        told.collect()
    }
}

/// Nothing if it was stopped or there is too much to walk.
fn measure(
    host: &HostDir,
    mut ledger: Ledger,
    most: usize,
    stop: &dyn Fn() -> bool,
) -> Option<(Ledger, Measured)> {
    let mut gaps = Gaps::default();
    let on_disk = on_disk(host, &mut gaps);
    let keys: BTreeSet<&Key> = on_disk.iter().map(|found| &found.key).collect();
    ledger.keep(|key| keys.contains(key));
    let known: BTreeSet<Key> = ledger.snapshots.iter().cloned().collect();
    let new: Vec<&OnDisk> = on_disk
        .iter()
        .filter(|found| !known.contains(&found.key))
        .collect();
    if new.len() > most {
        return None;
    }
    for found in &new {
        if !add(&mut ledger, found, &mut gaps, stop) {
            return None;
        }
    }
    let walked = new.len();
    let (mut classes, elsewhere) = ledger.classes();
    for OnDisk { key, dir } in on_disk {
        let place = ledger.snapshots.iter().position(|known| *known == key);
        match (place, dir) {
            (Some(place), Ok(dir)) => {
                let sum = classes.entry(vec![place]).or_default();
                *sum = sum.saturating_add(beside(&key, &dir, &mut gaps));
            }
            (_, Err(error)) => gaps.note(Some(&key), error),
            (None, Ok(_)) => {}
        }
    }
    let usage = Usage {
        left_out: gaps.told(&ledger.snapshots),
        snapshots: ledger.snapshots.clone(),
        classes: classes
            .into_iter()
            .map(|(members, bytes)| Class { members, bytes })
            .collect(),
        elsewhere,
    };
    Some((ledger, Measured { usage, walked }))
}

/// All snapshots that take room, oldest first by name.
fn on_disk(host: &HostDir, gaps: &mut Gaps) -> Vec<OnDisk> {
    let mut found = Vec::new();
    for kind in SnapshotKind::ALL {
        for parent in [host.dir().child(kind.as_str()), host.incomplete_dir(kind)] {
            let listed = parent.and_then(|parent| {
                let entries = |parent: Handle| Ok((parent.entries(usize::MAX)?, parent));
                parent.map(entries).transpose()
            });
            let (entries, parent) = match listed {
                Ok(Some(listed)) => listed,
                Ok(None) => continue,
                Err(error) => {
                    gaps.note(None, error);
                    continue;
                }
            };
            for entry in entries {
                let name = entry.name.to_str().and_then(|name| name.parse().ok());
                if let Some(name) = name.filter(|_| entry.file_type == FileType::Directory) {
                    let key = (kind, name);
                    // Nothing has the name any more if it was renamed since it was listed.
                    let dir = parent.child(&entry.name).transpose();
                    found.extend(dir.map(|dir| OnDisk { key, dir }));
                }
            }
        }
    }
    found.sort_by(|a, b| (&a.key.1, a.key.0).cmp(&(&b.key.1, b.key.0)));
    found
}

/// Walks the tree of one snapshot; says whether it was not stopped.
fn add(ledger: &mut Ledger, found: &OnDisk, gaps: &mut Gaps, stop: &dyn Fn() -> bool) -> bool {
    let of = Some(&found.key);
    let place = ledger.add(found.key.clone());
    let Ok(dir) = &found.dir else {
        return true;
    };
    let begun = dir.child(DATA).and_then(|data| {
        let begin = |data: Handle| Ok((data.stat()?, Walk::new(data)?));
        data.map(begin).transpose()
    });
    let mut walk = match begun {
        Ok(Some((top, walk))) => {
            ledger.see(place, seen(&top));
            walk
        }
        Ok(None) => return true,
        Err(error) => {
            gaps.note(of, error);
            return true;
        }
    };
    loop {
        match walk.next() {
            Ok(None) => return true,
            Ok(Some(Step::Name { stat, .. })) => ledger.see(place, seen(&stat)),
            Ok(Some(Step::Unreadable { error, .. })) => gaps.note(of, error),
            Ok(Some(Step::Leave)) => {}
            Err(error) => {
                gaps.note(of, error);
                return true;
            }
        }
        if stop() {
            return false;
        }
    }
}

/// What lies beside the tree: the directory itself, metadata, manifest, log and marks. Looked at each time, since marks
/// come and go.
fn beside(key: &Key, snapshot: &Handle, gaps: &mut Gaps) -> u64 {
    let mut bytes = 0;
    if let Err(error) = add_beside(snapshot, &mut bytes, &mut |error| {
        gaps.note(Some(key), error);
    }) {
        gaps.note(Some(key), error);
    }
    bytes
}

fn add_beside(
    snapshot: &Handle,
    bytes: &mut u64,
    unread: &mut dyn FnMut(DiskError),
) -> Result<(), DiskError> {
    let mut add = |stat: &Stat| *bytes = bytes.saturating_add(allocated(stat));
    add(&snapshot.stat()?);
    for entry in snapshot.entries(usize::MAX)? {
        let Some(stat) = snapshot.stat_of(&entry.name)? else {
            continue;
        };
        if entry.name == DATA {
            continue;
        }
        add(&stat);
        if file_type(&stat) == FileType::Directory
            && let Some(inner) = snapshot.child(&entry.name)?
        {
            let mut walk = Walk::new(inner)?;
            while let Some(step) = walk.next()? {
                match step {
                    Step::Name { stat, .. } => add(&stat),
                    Step::Unreadable { error, .. } => unread(error),
                    Step::Leave => {}
                }
            }
        }
    }
    Ok(())
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
