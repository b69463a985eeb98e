//! Hosts: how they are configured, and what there is of them.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Page, Paging};
use crate::core::model::{HostId, HostName, HostSettings, Pause, SqlHost, Timestamp};
use crate::ops::{Context, Error, HostVerified};
use crate::render::policy_words;
use crate::store::{HostKey, HostReading};

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HostRow {
    /// Its name.
    #[schema(value_type = String)]
    pub host: HostName,
    /// Its directory below the root, which stays when it is renamed.
    #[schema(value_type = String)]
    pub directory: HostName,
    /// Where it is reached; a reference is shown as it is written.
    pub address: String,
    /// Who manages it: `kdl`, `cli` or `web`.
    pub managed_by: &'static str,
    /// `active`, `paused` or `retired`.
    pub state: &'static str,
    /// What is kept, in words; nothing if everything is.
    pub retention: Option<String>,
    /// The policy in force is the approved one.
    pub approved: bool,
    /// The cron lines.
    pub schedules: Vec<String>,
    /// How many complete snapshots it has.
    pub snapshots: usize,
    /// When the newest of them began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub newest: Option<Timestamp>,
    /// How it stands with its verification.
    pub verification: HostVerified,
}

/// One host with everything that is in force for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HostDetail {
    /// As in the list.
    #[serde(flatten)]
    pub row: HostRow,
    /// Every effective setting.
    #[schema(value_type = Object)]
    pub settings: HostSettings,
    /// The pause that an operator has set.
    #[schema(value_type = Option<Object>)]
    pub pause: Option<Pause>,
    /// When it left.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub retired_at: Option<Timestamp>,
    /// When its settings last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
    /// Who changed them.
    pub changed_by: String,
}

fn row(host: &SqlHost, reading: Option<&HostReading>) -> HostRow {
    let policy = host.settings.retention.as_ref();
    HostRow {
        host: host.name.clone(),
        directory: host.directory.clone(),
        address: host.settings.address.to_string(),
        managed_by: host.managed_by.as_str(),
        state: match (&host.retired, host.is_paused()) {
            (Some(_), _) => "retired",
            (None, true) => "paused",
            (None, false) => "active",
        },
        retention: policy.map(policy_words),
        approved: policy.is_some() && host.is_approved(),
        schedules: host
            .settings
            .schedules
            .iter()
            .map(|schedule| schedule.cron.to_string())
            .collect(),
        snapshots: reading.map_or(0, |reading| {
            usize::try_from(reading.snapshots).unwrap_or(usize::MAX)
        }),
        newest: reading.and_then(|reading| reading.newest),
        verification: reading
            .map(|reading| HostVerified::of(&reading.verified, crate::ops::clock::now()))
            .unwrap_or_default(),
    }
}

/// Every host, by name.
///
/// # Errors
/// When the database cannot be read.
pub fn host_rows(context: &Context) -> Result<Vec<HostRow>, Error> {
    let state = context.store.load_state()?;
    let readings = context.store.readings()?;
    let readings: BTreeMap<HostId, HostReading> =
        readings.into_iter().map(|r| (r.host, r)).collect();
    let hosts = state.hosts.iter();
    Ok(hosts
        .map(|host| row(host, readings.get(&host.id)))
        .collect())
}

/// A page of hosts, by name. Nothing comes after a row that is none.
///
/// # Errors
/// When the database cannot be read.
pub fn host_page(context: &Context, paging: Paging) -> Result<Page<HostRow>, Error> {
    let hosts = context
        .store
        .hosts_after(paging.after.map(HostId), paging.to_read())?;
    let mut readings = BTreeMap::new();
    for host in hosts.iter().take(paging.limit as usize) {
        let reading = context.store.reading(host.id)?;
        readings.extend(reading.map(|reading| (host.id, reading)));
    }
    Ok(paging.page(
        hosts,
        |host| host.id.0,
        |host| row(&host, readings.get(&host.id)),
    ))
}

/// One host.
///
/// # Errors
/// When there is no such host, or the database cannot be read.
pub fn host_detail(context: &Context, name: &HostName) -> Result<HostDetail, Error> {
    let facts = context.facts_of(HostKey::Name(name))?;
    let host = facts.host(name)?.clone();
    let reading = context.store.reading(host.id)?;
    Ok(HostDetail {
        row: row(&host, reading.as_ref()),
        settings: host.settings,
        pause: host.pause,
        retired_at: host.retired.map(|retired| retired.at),
        changed_at: host.changed_at,
        changed_by: host.changed_by,
    })
}
