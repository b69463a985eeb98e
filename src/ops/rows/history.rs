//! Who changed what, and when.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Page, Paging};
use crate::core::model::{Serial, Timestamp};
use crate::ops::{Context, Error};
use crate::store::HistoryEntry;

/// One change, approval, hold or acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryRow {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What, in one line.
    pub summary: String,
    /// The serial before.
    #[schema(value_type = i64)]
    pub serial_before: Serial,
    /// The serial after: a larger one if the configuration changed.
    #[schema(value_type = i64)]
    pub serial_after: Serial,
}

impl From<HistoryEntry> for HistoryRow {
    fn from(entry: HistoryEntry) -> Self {
        Self {
            at: entry.at,
            actor: entry.actor,
            summary: entry.summary,
            serial_before: entry.serial_before,
            serial_after: entry.serial_after,
        }
    }
}

/// The newest of the history.
///
/// # Errors
/// When the database cannot be read.
pub fn history_rows(context: &Context, limit: u32) -> Result<Vec<HistoryRow>, Error> {
    let entries = context.store.history(limit)?;
    Ok(entries.into_iter().map(HistoryRow::from).collect())
}

/// A page of the history, newest first.
///
/// # Errors
/// When the database cannot be read.
pub fn history_page(context: &Context, paging: Paging) -> Result<Page<HistoryRow>, Error> {
    let read = context
        .store
        .history_before(paging.after, paging.to_read())?;
    Ok(paging.page(read, |(id, _)| *id, |(_, entry)| entry.into()))
}
