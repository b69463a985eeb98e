//! Is a snapshot on disk, whole and under its name? The question that the gate asks before every prune.

use rustix::fs::FileType;

use super::error::DiskError;
use super::handle::Handle;
use super::host::{DATA, HostDir};
use super::legacy::LegacyMeta;
use super::meta::{self, MetaError, SnapshotMeta};
use crate::core::model::{HostName, SnapshotKind, SnapshotName};

/// What the caller knows of a snapshot that should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected<'a> {
    /// Why it was made.
    pub kind: SnapshotKind,
    /// Its name.
    pub name: &'a SnapshotName,
    /// Names that the host has or had beside that of its directory: `meta.json` has the one of its time.
    pub known_as: &'a [HostName],
    /// Discovery recorded it without a `meta.json`. See [`HostDir::check_whole`].
    pub is_legacy: bool,
}

/// What is wrong with a snapshot that should be there.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It is not there at all.
    #[error("it is not there")]
    Missing,
    /// Something else has its name, or that of its `data`.
    #[error("its {0} is not a directory")]
    NotADirectory(&'static str),
    /// It has no tree.
    #[error("it has no data")]
    NoData,
    /// Its tree holds next to nothing of what `meta.json` says.
    #[error("its data is empty, or almost, although its meta.json says {files} files")]
    Emptied {
        /// What `meta.json` says.
        files: u64,
    },
    /// It has no `meta.json`, though it is one of ours.
    #[error("it has no meta.json")]
    NoMeta,
    /// Its `meta.json` makes no sense, or is of another snapshot.
    #[error("its meta.json cannot be used: {0}")]
    BadMeta(#[source] MetaError),
    /// It could not be looked at, which is no better than damage.
    #[error("it cannot be looked at")]
    Unreadable(#[source] DiskError),
}

impl HostDir {
    /// Looks whether a visible snapshot is whole: its directory, `data/`, and a `meta.json` that says the same host,
    /// kind and name. A tree that was emptied is found too: a few entries are counted, never all.
    ///
    /// A snapshot of the older service has no `meta.json` and counts without it if it cannot be one of ours that lost
    /// the file: discovery recorded it so, its name is not of our shape, or it has a `meta.yaml`, which we never write.
    /// A `meta.json` that is there has to be right in any case.
    ///
    /// # Errors
    ///
    /// The first damage found.
    pub fn check_whole(&self, expected: Expected<'_>) -> Result<(), Damage> {
        let Expected { kind, name, .. } = expected;
        let snapshot = self
            .find_snapshot(kind, name)
            .map_err(|error| damage("directory", error))?
            .ok_or(Damage::Missing)?;
        let data = snapshot
            .child(DATA)
            .map_err(|error| damage("data", error))?
            .ok_or(Damage::NoData)?;
        match meta::read(&snapshot) {
            Ok(Some(meta)) => {
                self.check_is_of_here(&meta, expected.known_as, kind, name)
                    .map_err(Damage::BadMeta)?;
                not_emptied(&data, &meta)
            }
            Ok(None) if expected.is_legacy || is_legacy(&snapshot, name) => Ok(()),
            Ok(None) => Err(Damage::NoMeta),
            Err(DiskError::Meta { source, .. }) => Err(Damage::BadMeta(source)),
            Err(error) => Err(Damage::Unreadable(error)),
        }
    }
}

impl HostDir {
    /// Checks that metadata found under `kind` and `name` is of a snapshot of this host, whose names beside that of its
    /// directory are `known_as`: one that somebody has copied or moved here belongs to another.
    ///
    /// # Errors
    ///
    /// [`MetaError::OfAnother`] with the first field that differs.
    pub fn check_is_of_here(
        &self,
        meta: &SnapshotMeta,
        known_as: &[HostName],
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<(), MetaError> {
        // A host that was renamed twice: its snapshots still say whose directory they are in.
        let directory = meta.other.get("directory").and_then(|name| name.as_str());
        let is_of_here = directory == Some(self.name().as_str());
        let others = known_as.iter().filter(|name| *name != self.name());
        let hosts = others.chain([self.name()]);
        meta.check_is_of(hosts.chain(is_of_here.then_some(&meta.host)), kind, name)
    }
}

/// A tree of a hundred files or more has ten entries at least: rsync counts every one that it made, and those that it left
/// out are counted apart. One of fewer files has at least one.
fn not_emptied(data: &Handle, meta: &SnapshotMeta) -> Result<(), Damage> {
    let files = meta.files.unwrap_or(0);
    let made = meta.skipped.map(|skipped| files.saturating_sub(skipped));
    let wanted = match made {
        Some(made) => made.min(100).div_ceil(10),
        None => files.min(1),
    };
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let found = entries_up_to(data, wanted).map_err(Damage::Unreadable)?;
    if found < wanted {
        return Err(Damage::Emptied { files });
    }
    Ok(())
}

/// How many entries the tree has, counted no further than `limit`. A directory that cannot be looked into may hold as
/// many as it likes: whoever runs without root keeps such ones.
fn entries_up_to(data: &Handle, limit: usize) -> Result<usize, DiskError> {
    let mut count = 0;
    let mut left = vec![(data.clone(), data.entries(limit)?)];
    while let Some((dir, entries)) = left.pop() {
        count += entries.len();
        if count >= limit {
            break;
        }
        for entry in entries {
            if entry.file_type != FileType::Directory {
                continue;
            }
            let inner = dir.child(&entry.name).and_then(|inner| {
                inner
                    .map(|inner| inner.entries(limit).map(|entries| (inner, entries)))
                    .transpose()
            });
            match inner {
                Ok(inner) => left.extend(inner),
                Err(_) => return Ok(limit),
            }
        }
    }
    Ok(count)
}

/// Says that a snapshot without `meta.json` cannot be one of ours.
fn is_legacy(snapshot: &Handle, name: &SnapshotName) -> bool {
    name.time().is_none() || LegacyMeta::read(snapshot).is_some()
}

fn damage(what: &'static str, error: DiskError) -> Damage {
    match error {
        DiskError::Link { .. } | DiskError::NotADirectory { .. } => Damage::NotADirectory(what),
        error => Damage::Unreadable(error),
    }
}
