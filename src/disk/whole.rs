//! Is a snapshot on disk, whole and under its name? The question that the gate asks before every prune.

use rustix::fs::FileType;

use super::error::DiskError;
use super::handle::Handle;
use super::host::{DATA, HostDir};
use super::legacy::LegacyMeta;
use super::meta::{self, MetaError};
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
    /// kind and name.
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
        snapshot
            .child(DATA)
            .map_err(|error| damage("data", error))?
            .ok_or(Damage::NoData)?;
        let hosts = expected.known_as.iter().chain([self.name()]);
        match meta::read(&snapshot) {
            Ok(Some(meta)) => {
                // A host that was renamed twice: its snapshots still say whose directory they are in.
                let directory = meta.other.get("directory").and_then(|name| name.as_str());
                let is_of_here = directory == Some(self.name().as_str());
                let hosts = hosts.chain(is_of_here.then_some(&meta.host));
                meta.check_is_of(hosts, kind, name).map_err(Damage::BadMeta)
            }
            Ok(None) if expected.is_legacy || is_legacy(&snapshot, name) => Ok(()),
            Ok(None) => Err(Damage::NoMeta),
            Err(DiskError::Meta { source, .. }) => Err(Damage::BadMeta(source)),
            Err(error) => Err(Damage::Unreadable(error)),
        }
    }
}

/// Says that a snapshot without `meta.json` cannot be one of ours.
fn is_legacy(snapshot: &Handle, name: &SnapshotName) -> bool {
    name.time().is_none() || LegacyMeta::read(snapshot).is_some()
}

/// Says that the name is a directory, of a listing that may be a moment old.
pub(super) fn has_directory(parent: &Handle, name: &str) -> bool {
    matches!(parent.type_of(name), Ok(Some(FileType::Directory)))
}

fn damage(what: &'static str, error: DiskError) -> Damage {
    match error {
        DiskError::Link { .. } | DiskError::NotADirectory { .. } => Damage::NotADirectory(what),
        error => Damage::Unreadable(error),
    }
}
