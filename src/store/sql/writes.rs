//! One change of the configuration: the only way in which the serial grows.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use crate::core::model::{
    Fingerprint, HostId, HostName, PlanId, Serial, Timestamp, canonical_json,
};
use crate::store::session::{Session, args, first};
use crate::store::{ConfigChange, Configured, GlobalWrite, HistoryEntry, StoreError};

use super::reader::Reader;
use super::{host_status, hosts, meta, plans, state};

/// Who writes, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Author<'a> {
    pub(super) actor: &'a str,
    pub(super) at: Timestamp,
}

pub(super) fn configure(
    session: &mut dyn Session,
    change: &ConfigChange,
) -> Result<Configured, StoreError> {
    let before = change.expected_serial;
    let author = Author {
        actor: &change.actor,
        at: change.at,
    };
    meta::lock_serial(session, before)?;

    let mut changes: Vec<Value> = Vec::new();
    if let Some(global) = &change.global {
        changes.extend(write_global(session, global, author)?);
    }
    changes.extend(hosts::write_all(session, &change.hosts, author)?);
    let changed = !changes.is_empty();
    let serial = if changed {
        meta::grow_serial(session, before)?
    } else {
        before
    };

    let plan = match &change.plan {
        Some(plan) => Some(plans::insert(
            session,
            plan,
            serial,
            author.actor,
            author.at,
        )?),
        None => None,
    };
    let approvals: BTreeSet<&(HostName, Fingerprint)> = change.approvals.iter().collect();
    for (host, policy) in approvals.iter().copied() {
        let plan = plan.ok_or(StoreError::ApprovalWithoutPlan)?;
        approve(session, plan, host, policy, author)?;
    }

    if changed || plan.is_some() {
        let approved: Vec<&HostName> = approvals.iter().map(|(host, _)| host).collect();
        let detail = json!({ "changes": changes, "plan": plan, "approved": approved });
        record(session, change, before, serial, detail)?;
    }
    Ok(Configured {
        serial,
        changed,
        plan,
    })
}

fn record(
    session: &mut dyn Session,
    change: &ConfigChange,
    serial_before: Serial,
    serial_after: Serial,
    detail: Value,
) -> Result<(), StoreError> {
    meta::record(
        session,
        &HistoryEntry {
            at: change.at,
            actor: change.actor.clone(),
            summary: change.summary.clone(),
            serial_before,
            serial_after,
            detail: canonical_json(&detail),
        },
    )
}

fn write_global(
    session: &mut dyn Session,
    write: &GlobalWrite,
    author: Author<'_>,
) -> Result<Option<Value>, StoreError> {
    let old = state::global(session)?;
    if old.as_ref().is_some_and(|old| {
        old.managed_by == write.managed_by
            && old.settings == write.settings
            && old.applied == write.applied
    }) {
        return Ok(None);
    }
    let settings = to_text("global_settings", "settings", &write.settings)?;
    let applied = opt_to_text("global_settings", "applied", write.applied.as_ref())?;
    let (changed_at, changed_by) = match &old {
        Some(old) if old.settings == write.settings => (old.changed_at, old.changed_by.as_str()),
        _ => (author.at, author.actor),
    };
    let statement = if old.is_some() {
        "UPDATE global_settings SET managed_by = ?, settings = ?, applied = ?, changed_at = ?, \
         changed_by = ? WHERE id = 1"
    } else {
        "INSERT INTO global_settings (id, managed_by, settings, applied, changed_at, changed_by) \
         VALUES (1, ?, ?, ?, ?, ?)"
    };
    session.execute(
        statement,
        args![
            write.managed_by.as_str(),
            settings.as_str(),
            applied.as_deref(),
            changed_at,
            changed_by,
        ],
    )?;
    let old_settings = old.as_ref().map(|old| &old.settings);
    let old_root = old_settings.and_then(|old| old.backup_root.as_ref());
    let old_servers = old_settings.map_or(&[][..], |old| &old.servers);
    if old_root != write.settings.backup_root.as_ref() || old_servers != write.settings.servers {
        host_status::all_due(session)?;
    }
    Ok(Some(json!({
        "object": "global",
        "action": if old.is_some() { "update" } else { "create" },
        "fields": changed_fields(old.as_ref().map(|old| &old.settings), &write.settings),
    })))
}

/// Records that carrying out a plan approved the policy of a host, which must be the one in force.
fn approve(
    session: &mut dyn Session,
    plan: PlanId,
    host: &HostName,
    policy: &Fingerprint,
    author: Author<'_>,
) -> Result<(), StoreError> {
    let (id, in_force): (i64, Option<Fingerprint>) = first(
        session,
        "SELECT id, policy FROM hosts WHERE active_name = ? AND name = ?",
        args![host.folded().as_str(), host.as_str()],
        |row| {
            let mut row = Reader::new(row, "hosts");
            Ok((row.int("id")?, row.opt_parse("policy")?))
        },
    )?
    .ok_or_else(|| StoreError::Unknown {
        what: "host",
        id: host.to_string(),
    })?;
    if in_force.as_ref() != Some(policy) {
        return Err(StoreError::NotThePolicyInForce {
            host: host.clone(),
            approved: policy.clone(),
            in_force,
        });
    }
    session.execute(
        "UPDATE hosts SET approved_policy = ? WHERE id = ?",
        args![policy.as_str(), id],
    )?;
    host_status::due(session, HostId(id))?;
    session.insert(
        "INSERT INTO approvals (plan_id, host_id, policy, actor, at) VALUES (?, ?, ?, ?, ?)",
        args![plan, id, policy.as_str(), author.actor, author.at],
    )?;
    Ok(())
}

/// Settings as the text of a column: canonical, so that equal settings are equal text.
///
/// # Errors
/// What cannot be written as JSON is an error and not an empty column; no type of ours is such.
pub(super) fn to_text<T: Serialize>(
    table: &'static str,
    column: &'static str,
    value: &T,
) -> Result<String, StoreError> {
    serde_json::to_value(value)
        .map(|value| canonical_json(&value))
        .map_err(|e| StoreError::Row {
            table,
            row: "to be written".to_owned(),
            column,
            source: Box::new(e),
        })
}

pub(super) fn opt_to_text<T: Serialize>(
    table: &'static str,
    column: &'static str,
    value: Option<&T>,
) -> Result<Option<String>, StoreError> {
    value.map(|value| to_text(table, column, value)).transpose()
}

/// The settings that differ, outermost names only, old and new: enough to read the history backwards.
pub(super) fn changed_fields<T: Serialize>(old: Option<&T>, new: &T) -> Value {
    let fields = |value: Option<&T>| match value.map(serde_json::to_value) {
        Some(Ok(Value::Object(fields))) => fields,
        _ => serde_json::Map::new(),
    };
    let (old, new) = (fields(old), fields(Some(new)));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| {
            let change = json!({ "old": old.get(name), "new": new.get(name) });
            (name.clone(), change)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}
