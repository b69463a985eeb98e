//! How far each cron line of each host has been answered.

use std::collections::BTreeSet;

use crate::core::model::{HostId, Schedule, Timestamp};
use crate::store::session::{Session, all, args, first};
use crate::store::{SettledFire, StoreError};

use super::host_status;
use super::reader::Reader;

/// Makes the lines of a host those of `schedules`: a new one starts at `at`, one that stays goes on from where it was.
pub(super) fn follow(
    session: &mut dyn Session,
    host: HostId,
    schedules: &[Schedule],
    at: Timestamp,
) -> Result<(), StoreError> {
    let known: BTreeSet<(String, String)> = all(
        session,
        "SELECT host_id, cron, timezone FROM schedule_progress WHERE host_id = ?",
        args![host],
        |row| {
            let mut row = Reader::new(row, "schedule_progress");
            row.int("host_id")?;
            Ok((
                row.text("cron")?.to_owned(),
                row.text("timezone")?.to_owned(),
            ))
        },
    )?
    .into_iter()
    .collect();
    let wanted: BTreeSet<(String, String)> = schedules
        .iter()
        .map(|s| (s.cron.to_string(), s.timezone.name().to_owned()))
        .collect();
    for (cron, zone) in known.difference(&wanted) {
        session.execute(
            "DELETE FROM schedule_progress WHERE host_id = ? AND cron = ? AND timezone = ?",
            args![host, cron.as_str(), zone.as_str()],
        )?;
    }
    if wanted.is_empty() {
        // What no schedule asks for any more is not tried again either.
        session.execute(
            "UPDATE runs SET retry_at = NULL WHERE host_id = ? AND retry_at IS NOT NULL",
            args![host],
        )?;
    }
    for (cron, zone) in wanted.difference(&known) {
        session.execute(
            "INSERT INTO schedule_progress (host_id, cron, timezone, settled_until) \
             VALUES (?, ?, ?, ?)",
            args![host, cron.as_str(), zone.as_str(), at],
        )?;
    }
    host_status::due(session, host)
}

/// A host that was away on purpose makes up for nothing: what fired meanwhile is settled.
pub(super) fn start_from(
    session: &mut dyn Session,
    host: HostId,
    at: Timestamp,
) -> Result<(), StoreError> {
    session.execute(
        "UPDATE schedule_progress SET settled_until = ? WHERE host_id = ? AND settled_until < ?",
        args![at, host, at],
    )?;
    host_status::due(session, host)
}

/// Settles the fires of some lines; false, and none is touched, if somebody else has moved one of them meanwhile.
pub(super) fn settle(
    session: &mut dyn Session,
    host: HostId,
    lines: &[SettledFire],
) -> Result<bool, StoreError> {
    for line in lines {
        let is_there = first(
            session,
            "SELECT host_id FROM schedule_progress \
             WHERE host_id = ? AND cron = ? AND timezone = ? AND settled_until = ?",
            args![host, line.cron.as_str(), line.timezone.name(), line.from],
            |_| Ok(()),
        )?;
        if is_there.is_none() {
            return Ok(false);
        }
    }
    for line in lines {
        session.execute(
            "UPDATE schedule_progress SET settled_until = ? \
             WHERE host_id = ? AND cron = ? AND timezone = ?",
            args![line.to, host, line.cron.as_str(), line.timezone.name()],
        )?;
    }
    host_status::due(session, host)?;
    Ok(true)
}
