//! Rows of lists: what the commands print as JSON and the API answers, in one place, so that both say the same.

mod history;
mod host;
mod look;
mod names;
mod plan;
mod run;
mod snapshot;

pub use history::{HistoryRow, history_page, history_rows};
pub use host::{HostDetail, HostRow, host_detail, host_page, host_rows};
pub use look::{DamageRow, Look, Looks, VerifiedRow};
pub use plan::{PlanRow, plan_page, plan_rows};
pub use run::{RunRow, ScheduleRow, run_page, run_row, run_rows};
pub use snapshot::{HoldRow, SnapshotRow, snapshot_page, snapshot_rows};

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// At most this many rows.
    pub limit: u32,
    /// The row that the page before ended with.
    pub after: Option<i64>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// What the next page is asked for with; nothing if there is none.
    pub next: Option<i64>,
}

impl Paging {
    /// One row more than is shown tells whether there is a next page.
    fn to_read(self) -> u32 {
        self.limit.saturating_add(1)
    }

    /// Cuts what was read down to a page.
    fn page<R, T>(
        self,
        mut read: Vec<R>,
        id: impl Fn(&R) -> i64,
        row: impl FnMut(R) -> T,
    ) -> Page<T> {
        let limit = self.limit as usize;
        let is_last = read.len() <= limit;
        read.truncate(limit);
        let next = read.last().map(id).filter(|_| !is_last);
        Page {
            rows: read.into_iter().map(row).collect(),
            next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_the_next_one_only_where_there_is_one() {
        let paging = Paging {
            limit: 2,
            after: None,
        };
        let page = |n: i64| paging.page((0..n).collect(), |id| *id, |id| id);
        assert_eq!((page(0).rows.len(), page(0).next), (0, None));
        assert_eq!((page(2).rows.len(), page(2).next), (2, None));
        assert_eq!((page(3).rows.len(), page(3).next), (2, Some(1)));
    }
}
