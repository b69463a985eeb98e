//! The configuration, read.

use crate::core::model::{HostId, Pause, Retirement, Schedule, Span, SqlGlobal, SqlHost, SqlState};
use crate::store::session::{Row, Session, Val, all, all_into, args, first};
use crate::store::{HostKey, HostSchedule, StoreError};

use super::meta;
use super::reader::Reader;
use super::settings::SettingsRead;

const HOST_COLUMNS: &str = "id, name, directory, managed_by, settings, applied, retired_at, \
     retired_snapshots, paused_at, paused_by, pause_reason, approved_policy, changed_at, changed_by";

/// The whole configuration in four statements, however many hosts there are.
pub(in crate::store) fn load(session: &mut dyn Session) -> Result<SqlState, StoreError> {
    load_where(session, "1 = 1", args![])
}

/// The configuration without hosts.
pub(super) fn load_none(session: &mut dyn Session) -> Result<SqlState, StoreError> {
    let (lineage, serial) = meta::identity(session)?;
    Ok(SqlState {
        lineage,
        serial,
        global: global(session)?,
        hosts: Vec::new(),
    })
}

/// The configuration of one host.
pub(super) fn load_of(
    session: &mut dyn Session,
    host: HostKey<'_>,
) -> Result<SqlState, StoreError> {
    match host {
        HostKey::Id(id) => load_where(session, "id = ?", args![id]),
        HostKey::Name(name) => load_where(session, "name = ?", args![name.as_str()]),
        HostKey::Directory(directory) => {
            let key = directory.folded();
            load_where(session, "directory_key = ?", args![key.as_str()])
        }
    }
}

fn load_where(
    session: &mut dyn Session,
    condition: &str,
    args: &[Val<'_>],
) -> Result<SqlState, StoreError> {
    let (lineage, serial) = meta::identity(session)?;
    let global = global(session)?;
    let mut read = SettingsRead::default();
    let count = first(
        session,
        &format!("SELECT COUNT(*) FROM hosts WHERE {condition}"),
        args,
        |row| Reader::new(row, "hosts").int("count"),
    )?;
    let mut hosts = Vec::with_capacity(usize::try_from(count.unwrap_or_default()).unwrap_or(0));
    all_into(
        &mut hosts,
        session,
        &format!("SELECT {HOST_COLUMNS} FROM hosts WHERE {condition} ORDER BY name, id"),
        args,
        |row| read_host(row, &mut read),
    )?;
    Ok(SqlState {
        lineage,
        serial,
        global,
        hosts,
    })
}

pub(super) fn global(session: &mut dyn Session) -> Result<Option<SqlGlobal>, StoreError> {
    first(
        session,
        "SELECT id, managed_by, settings, applied, changed_at, changed_by FROM global_settings \
         WHERE id = 1",
        args![],
        |row| {
            let mut row = Reader::new(row, "global_settings");
            row.int("id")?;
            Ok(SqlGlobal {
                managed_by: row.parse("managed_by")?,
                settings: row.json("settings")?,
                applied: row.opt_json("applied")?,
                changed_at: row.time("changed_at")?,
                changed_by: row.text("changed_by")?.to_owned(),
            })
        },
    )
}

pub(super) fn host(session: &mut dyn Session, id: HostId) -> Result<SqlHost, StoreError> {
    first(
        session,
        &format!("SELECT {HOST_COLUMNS} FROM hosts WHERE id = ?"),
        args![id],
        |row| read_host(row, &mut SettingsRead::default()),
    )?
    .ok_or_else(|| StoreError::unknown_host(id))
}

/// The hosts after one by name.
pub(super) fn after(
    session: &mut dyn Session,
    after: Option<HostId>,
    limit: u32,
) -> Result<Vec<SqlHost>, StoreError> {
    let sql = |condition: &str| {
        format!("SELECT {HOST_COLUMNS} FROM hosts WHERE {condition} ORDER BY name, id LIMIT ?")
    };
    let mut read = SettingsRead::default();
    let mut read_host = |row: &dyn Row| read_host(row, &mut read);
    let Some(after) = after else {
        return all(session, &sql("1 = 1"), args![limit], read_host);
    };
    let name = first(
        session,
        "SELECT id, name FROM hosts WHERE id = ?",
        args![after],
        |row| {
            let mut row = Reader::new(row, "hosts");
            row.int("id")?;
            row.text("name").map(str::to_owned)
        },
    )?;
    let Some(name) = name else {
        return Ok(Vec::new());
    };
    all(
        session,
        &sql("name >= ? AND (name > ? OR id > ?)"),
        args![name.as_str(), name.as_str(), after, limit],
        &mut read_host,
    )
}

pub(super) fn schedules(
    session: &mut dyn Session,
    of: Option<HostId>,
) -> Result<Vec<HostSchedule>, StoreError> {
    let condition = of.map_or("", |_| "AND h.id = ?");
    let args: Vec<Val<'_>> = of.into_iter().map(Val::from).collect();
    let sql = format!(
        "SELECT h.id, h.name, h.directory, s.name, s.cron, s.timezone, s.jitter_ms, s.prune, \
         p.settled_until, h.server \
         FROM schedules s JOIN hosts h ON h.id = s.host_id \
         JOIN schedule_progress p ON p.host_id = s.host_id AND p.cron = s.cron \
         AND p.timezone = s.timezone \
         WHERE h.active_name IS NOT NULL AND h.enabled = 1 AND h.paused_at IS NULL {condition} \
         ORDER BY h.name, h.id, s.position"
    );
    all(session, &sql, &args, |row| {
        let mut row = Reader::new(row, "schedules");
        let host = HostId(row.int("host_id")?);
        let host_name = row.parse("host name")?;
        let directory = row.parse("directory")?;
        let name = row.opt_parse("name")?;
        let cron = row.parse("cron")?;
        let timezone = row.parse("timezone")?;
        let jitter = row.opt_size("jitter_ms")?.unwrap_or_default();
        let prune = row.flag("prune")?;
        let settled_until = row.time("settled_until")?;
        Ok(HostSchedule {
            host,
            host_name,
            directory,
            settled_until,
            server: row.opt_parse("server")?,
            schedule: Schedule {
                name,
                cron,
                timezone,
                jitter: Span::from_seconds(jitter / 1000),
                prune,
            },
        })
    })
}

fn read_host(row: &dyn Row, read: &mut SettingsRead) -> Result<SqlHost, StoreError> {
    let mut row = Reader::new(row, "hosts");
    let id = HostId(row.int("id")?);
    let name = row.parse("name")?;
    let directory = row.parse("directory")?;
    let managed_by = row.parse("managed_by")?;
    let text = row.text("settings")?;
    let settings = read.read(&row, "settings", text)?;
    // Nearly always the same: nobody has changed it by another way.
    let applied = match row.opt_text("applied")? {
        Some(same) if same == text => Some(settings.clone()),
        Some(other) => Some(read.read(&row, "applied", other)?),
        None => None,
    };
    Ok(SqlHost {
        id,
        name,
        directory,
        managed_by,
        settings,
        applied,
        retired: read_retirement(&mut row)?,
        pause: read_pause(&mut row)?,
        approved_policy: row.opt_parse("approved_policy")?,
        changed_at: row.time("changed_at")?,
        changed_by: row.text("changed_by")?.to_owned(),
    })
}

fn read_retirement(row: &mut Reader<'_>) -> Result<Option<Retirement>, StoreError> {
    let at = row.opt_time("retired_at")?;
    let snapshots = row.opt_parse("retired_snapshots")?;
    Ok(at
        .zip(snapshots)
        .map(|(at, snapshots)| Retirement { at, snapshots }))
}

fn read_pause(row: &mut Reader<'_>) -> Result<Option<Pause>, StoreError> {
    let at = row.opt_time("paused_at")?;
    let by = row.opt_text("paused_by")?.map(str::to_owned);
    let reason = row.opt_text("pause_reason")?.unwrap_or_default().to_owned();
    Ok(at.zip(by).map(|(at, by)| Pause { at, by, reason }))
}
