//! What a change writes to hosts, and what is derived from their settings in the same transaction.

use serde_json::{Value, json};

use crate::core::model::{
    Fingerprint, HostId, HostName, HostSettings, Label, Policy, SnapshotsOnRemoval, SqlHost,
    Timestamp,
};
use crate::store::session::{Session, args, first};
use crate::store::{HostContent, HostWrite, StoreError};

use super::reader::Reader;
use super::writes::{Author, changed_fields, opt_to_text, to_text};
use super::{host_status, progress, state};

/// Carries out the writes and returns a line for the history for each that changed anything.
pub(super) fn write_all(
    session: &mut dyn Session,
    writes: &[HostWrite],
    author: Author<'_>,
) -> Result<Vec<Value>, StoreError> {
    let mut changes = Vec::new();
    // First whoever leaves, then whoever gives up a name: only then can others take the names.
    for write in writes {
        if let HostWrite::Retire { host, snapshots } = write {
            changes.extend(retire(session, *host, *snapshots, author)?);
        }
    }
    for write in writes {
        if let HostWrite::Rename { host, .. } = write {
            give_up_name(session, *host)?;
        }
    }
    for write in writes {
        changes.extend(match write {
            HostWrite::Retire { .. } => None,
            HostWrite::Create { name, content } => Some(create(session, name, content, author)?),
            HostWrite::Update { host, content } => update(session, *host, content, author)?,
            HostWrite::Rename { host, to } => rename(session, *host, to, author)?,
            HostWrite::Revive { host } => revive(session, *host, author)?,
        });
    }
    Ok(changes)
}

fn create(
    session: &mut dyn Session,
    name: &HostName,
    content: &HostContent,
    author: Author<'_>,
) -> Result<Value, StoreError> {
    must_be_free(session, name)?;
    let directory = free_directory(session, name)?;
    let settings = to_text("hosts", "settings", &content.settings)?;
    let applied = opt_to_text("hosts", "applied", content.applied.as_ref())?;
    let policy = record_policy(session, content.settings.retention.as_ref())?;
    let id = session.insert(
        "INSERT INTO hosts (name, active_name, directory, directory_key, managed_by, settings, \
         applied, enabled, protect, server, policy, created_at, changed_at, changed_by) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        args![
            name.as_str(),
            name.folded().as_str(),
            directory.as_str(),
            directory.folded().as_str(),
            content.managed_by.as_str(),
            settings.as_str(),
            applied.as_deref(),
            content.settings.enabled,
            content.settings.protect,
            content.settings.server.as_ref().map(Label::as_str),
            policy.as_ref().map(Fingerprint::as_str),
            author.at,
            author.at,
            author.actor,
        ],
    )?;
    write_schedules(session, HostId(id), &content.settings, author.at)?;
    host_status::begin(session, HostId(id))?;
    Ok(json!({ "object": "host", "action": "create", "name": name, "directory": directory }))
}

fn update(
    session: &mut dyn Session,
    id: HostId,
    content: &HostContent,
    author: Author<'_>,
) -> Result<Option<Value>, StoreError> {
    let old = active_host(session, id)?;
    if old.managed_by == content.managed_by
        && old.settings == content.settings
        && old.applied == content.applied
    {
        return Ok(None);
    }
    let settings = to_text("hosts", "settings", &content.settings)?;
    let applied = opt_to_text("hosts", "applied", content.applied.as_ref())?;
    let policy = record_policy(session, content.settings.retention.as_ref())?;
    // Adopting what is there already is no change of the settings: whoever made them stays named.
    let (changed_at, changed_by) = if old.settings == content.settings {
        (old.changed_at, old.changed_by.as_str())
    } else {
        (author.at, author.actor)
    };
    session.execute(
        "UPDATE hosts SET managed_by = ?, settings = ?, applied = ?, enabled = ?, protect = ?, \
         server = ?, policy = ?, changed_at = ?, changed_by = ? WHERE id = ?",
        args![
            content.managed_by.as_str(),
            settings.as_str(),
            applied.as_deref(),
            content.settings.enabled,
            content.settings.protect,
            content.settings.server.as_ref().map(Label::as_str),
            policy.as_ref().map(Fingerprint::as_str),
            changed_at,
            changed_by,
            id,
        ],
    )?;
    if old.settings.schedules != content.settings.schedules {
        write_schedules(session, id, &content.settings, author.at)?;
    }
    if !old.settings.enabled && content.settings.enabled {
        progress::start_from(session, id, author.at)?;
    }
    host_status::due(session, id)?;
    Ok(Some(json!({
        "object": "host",
        "action": "update",
        "name": old.name,
        "managed_by": { "old": old.managed_by, "new": content.managed_by },
        "fields": changed_fields(Some(&old.settings), &content.settings),
    })))
}

/// Sets a name aside that the host is about to lose; no name of a host begins with a slash.
fn give_up_name(session: &mut dyn Session, id: HostId) -> Result<(), StoreError> {
    active_host(session, id)?;
    session.execute(
        "UPDATE hosts SET active_name = ? WHERE id = ?",
        args![format!("/{id}").as_str(), id],
    )?;
    Ok(())
}

fn rename(
    session: &mut dyn Session,
    id: HostId,
    to: &HostName,
    author: Author<'_>,
) -> Result<Option<Value>, StoreError> {
    let old = active_host(session, id)?;
    must_be_free(session, to)?;
    session.execute(
        "UPDATE hosts SET name = ?, active_name = ? WHERE id = ?",
        args![to.as_str(), to.folded().as_str(), id],
    )?;
    if old.name == *to {
        return Ok(None);
    }
    touch(session, id, author)?;
    Ok(Some(
        json!({ "object": "host", "action": "rename", "name": to, "was": old.name }),
    ))
}

fn retire(
    session: &mut dyn Session,
    id: HostId,
    snapshots: SnapshotsOnRemoval,
    author: Author<'_>,
) -> Result<Option<Value>, StoreError> {
    let old = state::host(session, id)?;
    match old.retired {
        Some(retired) if retired.snapshots == snapshots => return Ok(None),
        Some(_) => {
            session.execute(
                "UPDATE hosts SET retired_snapshots = ? WHERE id = ?",
                args![snapshots.as_str(), id],
            )?;
        }
        None if old.settings.protect => return Err(StoreError::Protected { name: old.name }),
        None => {
            session.execute(
                "UPDATE hosts SET active_name = NULL, retired_at = ?, retired_snapshots = ? \
                 WHERE id = ?",
                args![author.at, snapshots.as_str(), id],
            )?;
        }
    }
    touch(session, id, author)?;
    Ok(Some(json!({
        "object": "host",
        "action": "retire",
        "name": old.name,
        "snapshots": snapshots,
    })))
}

fn revive(
    session: &mut dyn Session,
    id: HostId,
    author: Author<'_>,
) -> Result<Option<Value>, StoreError> {
    let old = state::host(session, id)?;
    if old.retired.is_none() {
        return Ok(None);
    }
    must_be_free(session, &old.name)?;
    session.execute(
        "UPDATE hosts SET active_name = ?, retired_at = NULL, retired_snapshots = NULL \
         WHERE id = ?",
        args![old.name.folded().as_str(), id],
    )?;
    progress::start_from(session, id, author.at)?;
    touch(session, id, author)?;
    Ok(Some(
        json!({ "object": "host", "action": "revive", "name": old.name }),
    ))
}

fn touch(session: &mut dyn Session, id: HostId, author: Author<'_>) -> Result<(), StoreError> {
    session.execute(
        "UPDATE hosts SET changed_at = ?, changed_by = ? WHERE id = ?",
        args![author.at, author.actor, id],
    )?;
    host_status::due(session, id)
}

fn active_host(session: &mut dyn Session, id: HostId) -> Result<SqlHost, StoreError> {
    let host = state::host(session, id)?;
    if host.retired.is_some() {
        return Err(StoreError::Retired { name: host.name });
    }
    Ok(host)
}

fn must_be_free(session: &mut dyn Session, name: &HostName) -> Result<(), StoreError> {
    let taken_by = first(
        session,
        "SELECT id, name FROM hosts WHERE active_name = ?",
        args![name.folded().as_str()],
        |row| {
            let mut row = Reader::new(row, "hosts");
            row.int("id")?;
            row.parse("name")
        },
    )?;
    match taken_by {
        Some(taken_by) => Err(StoreError::NameTaken {
            name: name.clone(),
            taken_by,
        }),
        None => Ok(()),
    }
}

pub(super) fn give_directory(
    session: &mut dyn Session,
    id: HostId,
    directory: &HostName,
) -> Result<bool, StoreError> {
    state::host(session, id)?;
    let key = directory.folded();
    let is_taken = first(
        session,
        "SELECT id FROM hosts WHERE directory_key = ?",
        args![key.as_str()],
        |_| Ok(()),
    )?
    .is_some();
    let has_snapshots = first(
        session,
        "SELECT id FROM snapshots WHERE host_id = ? LIMIT 1",
        args![id],
        |_| Ok(()),
    )?
    .is_some();
    if is_taken || has_snapshots {
        return Ok(false);
    }
    session.execute(
        "UPDATE hosts SET directory = ?, directory_key = ? WHERE id = ?",
        args![directory.as_str(), key.as_str(), id],
    )?;
    host_status::due(session, id)?;
    Ok(true)
}

/// The name itself, or `name.2`, `name.3` and so on where a host, retired or not, has had that directory.
fn free_directory(session: &mut dyn Session, name: &HostName) -> Result<HostName, StoreError> {
    let mut candidate = name.clone();
    let mut number = 1_u32;
    loop {
        let is_used = first(
            session,
            "SELECT id FROM hosts WHERE directory_key = ?",
            args![candidate.folded().as_str()],
            |_| Ok(()),
        )?
        .is_some();
        if !is_used {
            return Ok(candidate);
        }
        number = number.saturating_add(1);
        candidate = numbered(name, number).ok_or_else(|| StoreError::NameTaken {
            name: name.clone(),
            taken_by: candidate,
        })?;
    }
}

/// `name.N`, of which the name's end is cut off where the whole would be too long for a name.
fn numbered(name: &HostName, number: u32) -> Option<HostName> {
    let suffix = format!(".{number}");
    let room = HostName::MAX_LENGTH.saturating_sub(suffix.len());
    let stem: String = name.as_str().chars().take(room).collect();
    format!("{stem}{suffix}").parse().ok()
}

/// Keeps a policy for good, and returns what hosts and approvals refer to it by.
fn record_policy(
    session: &mut dyn Session,
    policy: Option<&Policy>,
) -> Result<Option<Fingerprint>, StoreError> {
    let Some(policy) = policy else {
        return Ok(None);
    };
    let fingerprint = policy.fingerprint();
    let is_known = first(
        session,
        "SELECT fingerprint FROM policies WHERE fingerprint = ?",
        args![fingerprint.as_str()],
        |_| Ok(()),
    )?
    .is_some();
    if !is_known {
        let body = to_text("policies", "body", policy)?;
        session.execute(
            "INSERT INTO policies (fingerprint, body) VALUES (?, ?)",
            args![fingerprint.as_str(), body.as_str()],
        )?;
    }
    Ok(Some(fingerprint))
}

fn write_schedules(
    session: &mut dyn Session,
    id: HostId,
    settings: &HostSettings,
    at: Timestamp,
) -> Result<(), StoreError> {
    session.execute("DELETE FROM schedules WHERE host_id = ?", args![id])?;
    for (position, schedule) in (0_u32..).zip(&settings.schedules) {
        session.execute(
            "INSERT INTO schedules (host_id, position, name, cron, timezone, jitter_ms, prune) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            args![
                id,
                position,
                schedule.name.as_ref().map(AsRef::<str>::as_ref),
                schedule.cron.as_str(),
                schedule.timezone.name(),
                schedule.jitter.millis(),
                schedule.prune,
            ],
        )?;
    }
    progress::follow(session, id, &settings.schedules, at)
}
