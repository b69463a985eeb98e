//! Lineage, serial, history and the sign of life.

use crate::core::model::{Lineage, Serial, Timestamp};
use crate::store::session::{Row, Session, all, args, first};
use crate::store::{HistoryEntry, StaleSerial, StoreError};

use super::reader::Reader;

/// The identity of the database and its serial.
pub(super) fn identity(session: &mut dyn Session) -> Result<(Lineage, Serial), StoreError> {
    first(
        session,
        "SELECT id, lineage, serial FROM meta WHERE id = 1",
        args![],
        |row| {
            let mut row = Reader::new(row, "meta");
            row.int("id")?;
            Ok((row.parse("lineage")?, Serial(row.int("serial")?)))
        },
    )?
    .ok_or_else(|| no_meta("lineage"))
}

/// Holds the serial until the transaction ends, if it is the expected one.
pub(super) fn lock_serial(session: &mut dyn Session, expected: Serial) -> Result<(), StoreError> {
    let met = session.execute(
        "UPDATE meta SET serial = serial WHERE id = 1 AND serial = ?",
        args![expected],
    )?;
    if met == 1 {
        return Ok(());
    }
    let (_, actual) = identity(session)?;
    let last_change = first(
        session,
        "SELECT id, at, actor, summary, serial_before, serial_after, detail FROM audit \
         WHERE serial_after > serial_before ORDER BY id DESC LIMIT 1",
        args![],
        read_history,
    )?;
    Err(StoreError::Stale(Box::new(StaleSerial {
        expected,
        actual,
        last_change,
    })))
}

/// Adds one to the serial, which must have been locked.
pub(super) fn grow_serial(session: &mut dyn Session, from: Serial) -> Result<Serial, StoreError> {
    let to = Serial(from.0.saturating_add(1));
    session.execute(
        "UPDATE meta SET serial = ? WHERE id = 1 AND serial = ?",
        args![to, from],
    )?;
    Ok(to)
}

/// Adds a line to the history.
pub(super) fn record(session: &mut dyn Session, entry: &HistoryEntry) -> Result<(), StoreError> {
    session.insert(
        "INSERT INTO audit (at, actor, summary, serial_before, serial_after, detail) \
         VALUES (?, ?, ?, ?, ?, ?)",
        args![
            entry.at,
            entry.actor.as_str(),
            entry.summary.as_str(),
            entry.serial_before,
            entry.serial_after,
            entry.detail.as_str(),
        ],
    )?;
    Ok(())
}

/// Adds a line about something that is no configuration.
pub(super) fn record_aside(
    session: &mut dyn Session,
    actor: &str,
    at: Timestamp,
    summary: String,
    detail: &serde_json::Value,
) -> Result<(), StoreError> {
    let (_, serial) = identity(session)?;
    record(
        session,
        &HistoryEntry {
            at,
            actor: actor.to_owned(),
            summary,
            serial_before: serial,
            serial_after: serial,
            detail: detail.to_string(),
        },
    )
}

pub(super) fn history(
    session: &mut dyn Session,
    skip: u32,
    limit: u32,
) -> Result<Vec<HistoryEntry>, StoreError> {
    all(
        session,
        "SELECT id, at, actor, summary, serial_before, serial_after, detail FROM audit \
         ORDER BY id DESC LIMIT ? OFFSET ?",
        args![limit, skip],
        read_history,
    )
}

pub(super) fn history_before(
    session: &mut dyn Session,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<(i64, HistoryEntry)>, StoreError> {
    all(
        session,
        "SELECT id, at, actor, summary, serial_before, serial_after, detail FROM audit \
         WHERE id < ? ORDER BY id DESC LIMIT ?",
        args![before.unwrap_or(i64::MAX), limit],
        |row| {
            let id = Reader::new(row, "audit").int("id")?;
            Ok((id, read_history(row)?))
        },
    )
}

pub(super) fn sign_of_life(session: &mut dyn Session) -> Result<Option<Timestamp>, StoreError> {
    first(
        session,
        "SELECT id, at FROM sign_of_life WHERE id = 1",
        args![],
        |row| {
            let mut row = Reader::new(row, "sign_of_life");
            row.int("id")?;
            row.opt_time("at")
        },
    )
    .map(Option::flatten)
}

pub(super) fn record_sign_of_life(
    session: &mut dyn Session,
    at: Timestamp,
) -> Result<(), StoreError> {
    session.execute("UPDATE sign_of_life SET at = ? WHERE id = 1", args![at])?;
    Ok(())
}

fn read_history(row: &dyn Row) -> Result<HistoryEntry, StoreError> {
    let mut row = Reader::new(row, "audit");
    row.int("id")?;
    Ok(HistoryEntry {
        at: row.time("at")?,
        actor: row.text("actor")?.to_owned(),
        summary: row.text("summary")?.to_owned(),
        serial_before: Serial(row.int("serial_before")?),
        serial_after: Serial(row.int("serial_after")?),
        detail: row.text("detail")?.to_owned(),
    })
}

fn no_meta(column: &'static str) -> StoreError {
    StoreError::Row {
        table: "meta",
        row: "1".to_owned(),
        column,
        source: "the row is not there".into(),
    }
}
