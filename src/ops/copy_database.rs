//! Moving in with another database: from SQLite to MariaDB, or back.

use serde::Serialize;

use super::Error;
use crate::core::model::{Lineage, RunId, RunStatus, Serial};
use crate::store::{CopiedTable, DatabaseAddress, Opened, RunFilter, Store as _};

/// A run at work is enough to say so; which others there are does not matter.
const RUNS_NAMED: u32 = 1;

/// What was copied.
#[derive(Debug, Clone, Serialize)]
pub struct DatabaseCopy {
    /// From where; without a password.
    pub from: String,
    /// To where; without a password.
    pub to: String,
    /// The identity of the database, which the copy has too.
    pub lineage: Lineage,
    /// Its serial.
    pub serial: Serial,
    /// Every table, the same in both.
    pub tables: Vec<CopiedTable>,
    /// A run that was at work meanwhile: how it ends is not in the copy.
    pub at_work: Option<RunId>,
}

impl DatabaseCopy {
    /// The rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// Copies everything in one database into another, which is made if need be and must be empty, and compares the two.
///
/// # Errors
/// When one cannot be opened, or the other is not empty; then nothing was changed.
pub fn copy_database(from: &DatabaseAddress, to: &DatabaseAddress) -> Result<DatabaseCopy, Error> {
    let source = Opened::open(from)?;
    let target = Opened::open_or_create(to)?;
    let tables = source.copy_into(&target)?;
    let running = RunFilter {
        status: Some(RunStatus::Running),
        ..RunFilter::default()
    };
    let at_work = target.runs(&running, RUNS_NAMED)?.pop();
    Ok(DatabaseCopy {
        from: from.to_string(),
        to: to.to_string(),
        lineage: target.lineage()?,
        serial: target.serial()?,
        tables,
        at_work: at_work.map(|record| record.run.id),
    })
}
