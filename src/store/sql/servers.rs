//! Servers: when a scheduler was at work for each.

use crate::core::model::{Label, Span};
use crate::store::lease::server_key;
use crate::store::session::{Session, all, args};
use crate::store::{ServerRecord, StoreError};

use super::reader::Reader;

pub(super) fn seen(
    session: &mut dyn Session,
    server: Option<&Label>,
    process: &str,
    version: &str,
) -> Result<(), StoreError> {
    let now = session.now()?;
    let server = server_key(server);
    let known = session.execute(
        "UPDATE servers SET process = ?, version = ?, last_seen = ? WHERE name = ?",
        args![process, version, now, server],
    )?;
    if known == 0 {
        session.execute(
            "INSERT INTO servers (name, process, version, first_seen, last_seen) \
             VALUES (?, ?, ?, ?, ?)",
            args![server, process, version, now, now],
        )?;
    }
    Ok(())
}

pub(super) fn list(session: &mut dyn Session) -> Result<Vec<ServerRecord>, StoreError> {
    let now = session.now()?;
    all(
        session,
        "SELECT NULLIF(name, ''), process, version, first_seen, last_seen FROM servers \
         ORDER BY name",
        args![],
        |row| {
            let mut row = Reader::new(row, "servers");
            let name = row.opt_parse("name")?;
            let process = row.text("process")?.to_owned();
            let version = row.text("version")?.to_owned();
            let first_seen = row.time("first_seen")?;
            let last_seen = row.time("last_seen")?;
            let silent = now.millis().saturating_sub(last_seen.millis());
            let silent = u64::try_from(silent).unwrap_or_default();
            Ok(ServerRecord {
                name,
                process,
                version,
                first_seen,
                last_seen,
                silent_for: Span::from_seconds(silent / 1000),
            })
        },
    )
}

pub(super) fn hosts(session: &mut dyn Session) -> Result<Vec<(Option<Label>, usize)>, StoreError> {
    all(
        session,
        "SELECT server, COUNT(*) FROM hosts WHERE active_name IS NOT NULL GROUP BY server ORDER BY server",
        args![],
        |row| {
            let mut row = Reader::new(row, "hosts");
            let server = row.opt_parse("server")?;
            let count = row.opt_size("count")?.unwrap_or_default();
            Ok((server, usize::try_from(count).unwrap_or(usize::MAX)))
        },
    )
}
