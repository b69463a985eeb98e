//! Long lists, page by page: the newest row first, and from there the rows before the last one that was seen.

use crate::core::model::{PlanId, SnapshotId};

use super::{HistoryEntry, PlanSummary, SnapshotFilter, SnapshotRecord, StoreError};

/// Pages of lists that grow for ever. Without `before` a page is the first one; `limit` is the most that comes back.
///
/// # Errors
/// Every call fails with [`StoreError`] when the database cannot be read.
pub trait Pages {
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
