//! What looks at snapshots have found, and what they take on disk, as rows.

use std::collections::BTreeMap;

use crate::core::manifest::Sample;
use crate::core::model::{
    HostId, HostName, ProblemKind, RootId, RunId, SnapshotId, SnapshotKind, SnapshotName, Timestamp,
};

use super::StoreError;

/// The last look at a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The run that looked.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
    /// Ten-thousandths of its files that were read.
    pub share: u32,
    /// How many names were compared.
    pub names: u64,
    /// How many files were compared with their digest.
    pub compared: u64,
    /// How many files have no digest to be compared with.
    pub unknown: u64,
    /// How much was wrong.
    pub found: u64,
}

/// Something wrong with a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDamage {
    /// The path below `data`, as text.
    pub path: String,
    /// The part of a sample that it is in.
    pub slot: u32,
    /// Of what was read, its inode.
    pub inode: Option<u64>,
    /// What is wrong.
    pub problem: ProblemKind,
    /// The same in words.
    pub detail: String,
    /// A snapshot that holds it whole.
    pub intact: Option<SnapshotName>,
}

/// Something wrong with a snapshot that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamageRecord {
    /// The host.
    pub host: HostName,
    /// The row of the snapshot.
    pub snapshot_id: SnapshotId,
    /// Its kind.
    pub kind: SnapshotKind,
    /// Its name.
    pub snapshot: SnapshotName,
    /// When it was found first.
    pub found_at: Timestamp,
    /// What it is.
    pub damage: NewDamage,
}

/// How a host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inspected {
    /// When all its snapshots were looked at last.
    pub verified_at: Option<Timestamp>,
    /// When everything had been read once more.
    pub round_ended_at: Option<Timestamp>,
    /// Where the next sample begins.
    pub next_slot: u32,
    /// Damaged files, each counted in every snapshot that has it.
    pub damaged_files: u64,
    /// Snapshots with some.
    pub damaged_snapshots: u64,
}

/// Which snapshots of a host share how many bytes, as it was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRecord {
    /// The host.
    pub host: HostId,
    /// When it was measured.
    pub measured_at: Timestamp,
    /// JSON.
    pub body: String,
}

/// What the program asks of its database about looks at snapshots. Each call is one transaction.
///
/// # Errors
/// Every call fails with [`StoreError`] when the database cannot be read or written.
pub trait Inspections {
    /// Records a look at a snapshot and what is wrong with it, in place of what was known of the part that was looked at,
    /// which is nothing where no sample is given: not all of that could be read. Says how much of it is news. A snapshot with news becomes suspect; what other snapshots of the host are known to
    /// have is none, since each later one shares the damaged file.
    fn record_verification(
        &self,
        look: &Verification,
        sample: Option<Sample>,
        damage: &[NewDamage],
    ) -> Result<usize, StoreError>;

    /// Records what a snapshot that was not looked at itself is known to share with one that was; what is recorded of it
    /// already stays as it is. It makes nothing suspect: the one that was looked at is.
    fn record_shared_damage(
        &self,
        snapshot: SnapshotId,
        at: Timestamp,
        damage: &[NewDamage],
    ) -> Result<(), StoreError>;

    /// Records that all snapshots of a host have been looked at, and where the next sample begins.
    fn record_inspected(
        &self,
        host: HostId,
        at: Timestamp,
        sample: Sample,
    ) -> Result<(), StoreError>;

    /// The last look at each snapshot, of one host or all.
    fn verifications(
        &self,
        host: Option<HostId>,
    ) -> Result<BTreeMap<SnapshotId, Verification>, StoreError>;

    /// What is wrong with snapshots on disk, by host, newest snapshot first, and path.
    fn damage(&self, host: Option<HostId>, limit: u32) -> Result<Vec<DamageRecord>, StoreError>;

    /// How every host stands that was ever looked at.
    fn inspected(&self) -> Result<BTreeMap<HostId, Inspected>, StoreError>;

    /// Records what a host takes on a root, in place of what was measured before.
    fn record_usage(
        &self,
        host: HostId,
        root: &RootId,
        at: Timestamp,
        body: &str,
    ) -> Result<(), StoreError>;

    /// What hosts take on a root, as it was measured last; of one host or all.
    fn usage(&self, host: Option<HostId>, root: &RootId) -> Result<Vec<UsageRecord>, StoreError>;
}
