//! Long lists, page by page: the newest row first, and from there the rows before the last one that was seen.

use crate::core::model::{HostId, HostName, PlanId, SnapshotId};

use super::{HistoryEntry, PlanSummary, SnapshotFilter, SnapshotRecord, StoreError};

/// A host without its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedHost {
    /// Its row.
    pub id: HostId,
    /// Its name.
    pub name: HostName,
    /// It has left.
    pub is_retired: bool,
}

/// Pages of lists that grow for ever. Without `before` a page is the first one; `limit` is the most that comes back.
///
/// # Errors
/// Every call fails with [`StoreError`] when the database cannot be read.
pub trait Pages {
    /// The names of all hosts, retired ones included: what a list needs of them.
    fn host_names(&self) -> Result<Vec<NamedHost>, StoreError>;

    /// Snapshots, the one recorded last first; unless deleted ones are asked for, those on disk alone.
    fn snapshots_before(
        &self,
        filter: &SnapshotFilter,
        before: Option<SnapshotId>,
        limit: u32,
    ) -> Result<Vec<SnapshotRecord>, StoreError>;

    /// Recorded plans without their bodies.
    fn plans_before(
        &self,
        before: Option<PlanId>,
        limit: u32,
    ) -> Result<Vec<PlanSummary>, StoreError>;

    /// The history, each entry with its row.
    fn history_before(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, HistoryEntry)>, StoreError>;
}
