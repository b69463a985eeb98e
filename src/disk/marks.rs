//! Holds and suspect marks beside `meta.json`, so that a lost database loses none.
//!
//! SQL decides; these are copies that discovery reads back. They are written without the host's lock, since a person
//! must be able to pin a snapshot while a backup runs.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::DiskError;
use super::handle::{Existing, Handle};
use super::host::HostDir;
use super::marker::json_text;
use super::meta::MetaError;
use crate::core::model::{Hold, SnapshotKind, SnapshotName, Timestamp};

const HOLD: &str = "hold.json";
const SUSPECT: &str = "suspect.json";
const LIMIT: u64 = 64 * 1024;

/// That a snapshot shrank or changed so much that nobody should rely on it before looking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspect {
    /// When it was noticed.
    pub since: Timestamp,
    /// What was noticed, one sentence.
    pub reason: String,
}

impl HostDir {
    /// Writes the hold of a visible snapshot, durably; one that is there is replaced.
    ///
    /// # Errors
    ///
    /// The snapshot is not there or cannot be written.
    pub fn write_hold(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
        hold: &Hold,
    ) -> Result<(), DiskError> {
        write(&self.snapshot(kind, name)?, HOLD, hold)
    }

    /// Removes the hold of a visible snapshot; says whether there was one.
    ///
    /// # Errors
    ///
    /// The snapshot is not there or cannot be written.
    pub fn remove_hold(&self, kind: SnapshotKind, name: &SnapshotName) -> Result<bool, DiskError> {
        self.snapshot(kind, name)?.remove_file(HOLD)
    }

    /// Reads the hold of a visible snapshot.
    ///
    /// # Errors
    ///
    /// The snapshot is not there, or the file cannot be read or makes no sense.
    pub fn read_hold(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<Option<Hold>, DiskError> {
        read_hold(&self.snapshot(kind, name)?)
    }

    /// Marks a visible snapshot suspect, durably; a mark that is there is replaced.
    ///
    /// # Errors
    ///
    /// The snapshot is not there or cannot be written.
    pub fn write_suspect(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
        suspect: &Suspect,
    ) -> Result<(), DiskError> {
        write_suspect(&self.snapshot(kind, name)?, suspect)
    }

    /// Removes the suspect mark of a visible snapshot; says whether there was one.
    ///
    /// # Errors
    ///
    /// The snapshot is not there or cannot be written.
    pub fn remove_suspect(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<bool, DiskError> {
        self.snapshot(kind, name)?.remove_file(SUSPECT)
    }

    /// Reads the suspect mark of a visible snapshot.
    ///
    /// # Errors
    ///
    /// The snapshot is not there, or the file cannot be read or makes no sense.
    pub fn read_suspect(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<Option<Suspect>, DiskError> {
        read_suspect(&self.snapshot(kind, name)?)
    }
}

pub(super) fn write_suspect(snapshot: &Handle, suspect: &Suspect) -> Result<(), DiskError> {
    write(snapshot, SUSPECT, suspect)
}

pub(super) fn read_hold(snapshot: &Handle) -> Result<Option<Hold>, DiskError> {
    read(snapshot, HOLD)
}

pub(super) fn read_suspect(snapshot: &Handle) -> Result<Option<Suspect>, DiskError> {
    read(snapshot, SUSPECT)
}

fn write(snapshot: &Handle, name: &str, mark: &impl Serialize) -> Result<(), DiskError> {
    let text = json_text(mark, snapshot, name)?;
    snapshot
        .write(name, &text, Existing::Replace)
        .map(|_written| ())
}

fn read<T: DeserializeOwned>(snapshot: &Handle, name: &str) -> Result<Option<T>, DiskError> {
    let Some(bytes) = snapshot.read(name, LIMIT)? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| DiskError::Meta {
            path: snapshot.path().join(name),
            source: MetaError::Malformed(error),
        })
}
