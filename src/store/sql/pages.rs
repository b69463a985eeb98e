//! Pages of long lists: by row, so that the last page costs what the first one does.

use crate::core::model::{HostId, PlanId, SnapshotId};
use crate::store::session::{Database, all, args};
use crate::store::{
    HistoryEntry, NamedHost, Pages, PlanSummary, SnapshotFilter, SnapshotRecord, StoreError,
};

use super::reader::Reader;
use super::{meta, plans, snapshots};

impl<D: Database> Pages for D {
    fn host_names(&self) -> Result<Vec<NamedHost>, StoreError> {
        self.read(|session| {
            all(
                session,
                "SELECT id, name, retired_at FROM hosts ORDER BY id",
                args![],
                |row| {
                    let mut row = Reader::new(row, "hosts");
                    Ok(NamedHost {
                        id: HostId(row.int("id")?),
                        name: row.parse("name")?,
                        is_retired: row.opt_time("retired_at")?.is_some(),
                    })
                },
            )
        })
    }

    fn snapshots_before(
        &self,
        filter: &SnapshotFilter,
        before: Option<SnapshotId>,
        limit: u32,
    ) -> Result<Vec<SnapshotRecord>, StoreError> {
        self.read(|s| snapshots::before(s, filter, before, limit))
    }

    fn plans_before(
        &self,
        before: Option<PlanId>,
        limit: u32,
    ) -> Result<Vec<PlanSummary>, StoreError> {
        self.read(|s| plans::before(s, before, limit))
    }

    fn history_before(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, HistoryEntry)>, StoreError> {
        self.read(|s| meta::history_before(s, before, limit))
    }
}
