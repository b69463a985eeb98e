//! Backup roots.

use crate::core::model::{AbsolutePath, Label, RootId, Timestamp};
use crate::store::session::{Session, all, args, first};
use crate::store::{RootRecord, StoreError};

use super::host_status;
use super::reader::Reader;

pub(super) fn seen(
    session: &mut dyn Session,
    root: &RootId,
    path: &AbsolutePath,
    server: Option<&Label>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let before = host_status::Roots::read(session)?.in_use();
    let known = session.execute(
        "UPDATE roots SET path = ?, last_seen = ?, server = ? WHERE root_id = ?",
        args![path.as_str(), at, server.map(Label::as_str), root.as_str()],
    )?;
    if known == 0 {
        session.execute(
            "INSERT INTO roots (root_id, path, first_seen, last_seen, server) VALUES (?, ?, ?, ?, ?)",
            args![root.as_str(), path.as_str(), at, at, server.map(Label::as_str)],
        )?;
    }
    if host_status::Roots::read(session)?.in_use() != before {
        host_status::all_due(session)?;
    }
    Ok(())
}

pub(super) fn list(session: &mut dyn Session) -> Result<Vec<RootRecord>, StoreError> {
    all(
        session,
        "SELECT root_id, path, first_seen, last_seen, server FROM roots ORDER BY last_seen DESC, root_id",
        args![],
        |row| {
            let mut row = Reader::new(row, "roots");
            Ok(RootRecord {
                id: row.parse("root_id")?,
                path: row.parse("path")?,
                first_seen: row.time("first_seen")?,
                last_seen: row.time("last_seen")?,
                server: row.opt_parse("server")?,
            })
        },
    )
}

/// Says that the root has been seen; rows may only point at such.
pub(super) fn must_be_known(session: &mut dyn Session, root: &RootId) -> Result<(), StoreError> {
    first(
        session,
        "SELECT root_id FROM roots WHERE root_id = ?",
        args![root.as_str()],
        |_| Ok(()),
    )?
    .ok_or_else(|| StoreError::Unknown {
        what: "backup root",
        id: root.to_string(),
    })
}
