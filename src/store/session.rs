//! The narrow waist between the operations and a database: statements with `?` placeholders, values of three types.
//!
//! Statements keep to what SQLite and MariaDB both understand: no upsert, no `RETURNING`, no partial index, and a flag is
//! always set to be counted as changed.

use camino::Utf8Path;

use crate::core::model::{DeliveryId, Fence, HostId, PlanId, RunId, Serial, SnapshotId, Timestamp};

use super::StoreError;

/// A value on its way into a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Val<'a> {
    Null,
    Int(i64),
    Text(&'a str),
}

macro_rules! val_from {
    ($($from:ty: $value:ident => $to:expr),+ $(,)?) => {
        $(impl<'a> From<$from> for Val<'a> {
            fn from($value: $from) -> Self {
                $to
            }
        })+
    };
}

val_from! {
    &'a str: v => Val::Text(v),
    i64: v => Val::Int(v),
    i32: v => Val::Int(v.into()),
    u32: v => Val::Int(v.into()),
    bool: v => Val::Int(v.into()),
    // SQL has no larger integers; no disk holds as many bytes.
    u64: v => Val::Int(i64::try_from(v).unwrap_or(i64::MAX)),
    Timestamp: v => Val::Int(v.millis()),
    HostId: v => Val::Int(v.0),
    SnapshotId: v => Val::Int(v.0),
    RunId: v => Val::Int(v.0),
    PlanId: v => Val::Int(v.0),
    DeliveryId: v => Val::Int(v.0),
    Serial: v => Val::Int(v.0),
    Fence: v => Val::Int(v.0),
}

impl<'a, T: Into<Val<'a>>> From<Option<T>> for Val<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Val::Null, Into::into)
    }
}

/// Values for the placeholders of one statement.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::store::session::Val::from($value)),*] };
}
pub(crate) use args;

/// One row of an answer, columns counted from 0.
pub(crate) trait Row {
    /// The integer of a column, or its absence.
    fn int(&self, column: usize) -> Result<Option<i64>, RowError>;
    /// The text of a column, or its absence.
    fn text(&self, column: usize) -> Result<Option<&str>, RowError>;
}

/// Says that a column does not hold what the program writes there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct RowError(pub(crate) String);

/// Reads a row; what it returns ends the query if it is an error.
pub(crate) type EachRow<'f> = dyn FnMut(&dyn Row) -> Result<(), StoreError> + 'f;

/// One transaction.
pub(crate) trait Session {
    /// Carries out a statement and says how many rows it met, changed or not.
    fn execute(&mut self, sql: &str, args: &[Val<'_>]) -> Result<usize, StoreError>;

    /// Inserts one row and returns the id that the database gave it.
    fn insert(&mut self, sql: &str, args: &[Val<'_>]) -> Result<i64, StoreError>;

    /// Asks, and hands over row by row.
    fn query(
        &mut self,
        sql: &str,
        args: &[Val<'_>],
        each: &mut EachRow<'_>,
    ) -> Result<(), StoreError>;

    /// The time by the database's own clock: the one that servers with clocks of their own agree upon.
    fn now(&mut self) -> Result<Timestamp, StoreError>;

    /// What ends a `SELECT` whose rows are to be this transaction's alone until it ends, passing over those that are
    /// another's: nothing where a writer is the only one anyway.
    fn skip_locked(&self) -> &'static str;

    /// Asks for every column of every table that holds what operations have written: its table, its name, whether it holds
    /// text, and its place in the primary key, from 1, or 0.
    fn catalog(&self) -> &'static str;
}

/// A database that can begin transactions. Work may be called again if the database asks for it.
pub(crate) trait Database: Send + Sync {
    /// Reads from one consistent state.
    fn read<T>(
        &self,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError>;

    /// Reads and writes as the only writer; commits if the work succeeds, else leaves all as it was.
    fn write<T>(
        &self,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError>;

    /// As [`Database::write`], where rows may refer to others that come later.
    fn fill<T>(
        &self,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError>;

    /// Copies the database as it is now to a SQLite file.
    fn copy_to(&self, path: &Utf8Path) -> Result<(), StoreError>;
}

/// Every row of an answer.
pub(crate) fn all<T>(
    session: &mut dyn Session,
    sql: &str,
    args: &[Val<'_>],
    read: impl FnMut(&dyn Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    all_into(&mut found, session, sql, args, read)?;
    Ok(found)
}

/// Every row of an answer, behind what `found` holds: a large one is not moved each time it has grown if there is room.
pub(crate) fn all_into<T>(
    found: &mut Vec<T>,
    session: &mut dyn Session,
    sql: &str,
    args: &[Val<'_>],
    mut read: impl FnMut(&dyn Row) -> Result<T, StoreError>,
) -> Result<(), StoreError> {
    session.query(sql, args, &mut |row| {
        found.push(read(row)?);
        Ok(())
    })
}

/// The first row of an answer.
pub(crate) fn first<T>(
    session: &mut dyn Session,
    sql: &str,
    args: &[Val<'_>],
    read: impl Fn(&dyn Row) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut found = None;
    session.query(sql, args, &mut |row| {
        if found.is_none() {
            found = Some(read(row)?);
        }
        Ok(())
    })?;
    Ok(found)
}
