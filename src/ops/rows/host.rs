//! Hosts: how they are configured, and what there is of them.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Page, Paging};
use crate::core::health::Activity;
use crate::core::model::{
    HostId, HostName, HostSettings, Pause, SnapshotStatus, SqlHost, Timestamp,
};
use crate::ops::{Context, Error};
use crate::render::policy_words;
use crate::store::SnapshotCounts;

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

/// The hosts, and the newest of what happened to each.
struct Fleet {
    hosts: Vec<SqlHost>,
    activities: BTreeMap<HostId, Activity>,
    counts: BTreeMap<HostId, SnapshotCounts>,
}

impl Fleet {
    fn read(context: &Context) -> Result<Self, Error> {
        let facts = context.facts_about(|_| false)?;
        Ok(Self {
            activities: context.store.activity(facts.root_id())?,
            counts: context.store.snapshot_counts(facts.root_id())?,
            hosts: facts.state.hosts,
        })
    }

    fn row(&self, host: &SqlHost) -> HostRow {
        let counts = self.counts.get(&host.id);
        let activity = self.activities.get(&host.id);
        row(
            host,
            counts.map_or(0, |counts| counts.complete),
            activity.and_then(|activity| activity.newest),
        )
    }
}

fn row(host: &SqlHost, snapshots: usize, newest: Option<Timestamp>) -> HostRow {
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
        approved: policy.is_some_and(|p| host.approved_policy.as_ref() == Some(&p.fingerprint())),
        schedules: host
            .settings
            .schedules
            .iter()
            .map(|schedule| schedule.cron.to_string())
            .collect(),
        snapshots,
        newest,
    }
}

/// Every host, by name.
///
/// # Errors
/// When the database cannot be read.
pub fn host_rows(context: &Context) -> Result<Vec<HostRow>, Error> {
    let fleet = Fleet::read(context)?;
    Ok(fleet.hosts.iter().map(|host| fleet.row(host)).collect())
}

/// A page of hosts, by name. Nothing comes after a row that is none.
///
/// # Errors
/// When the database cannot be read.
pub fn host_page(context: &Context, paging: Paging) -> Result<Page<HostRow>, Error> {
    let fleet = Fleet::read(context)?;
    let seen = |after| fleet.hosts.iter().position(|host| host.id.0 == after);
    let skipped = match paging.after {
        Some(after) => seen(after).map_or(usize::MAX, |seen| seen + 1),
        None => 0,
    };
    let left = fleet.hosts.iter().skip(skipped);
    let read: Vec<&SqlHost> = left.take(paging.to_read() as usize).collect();
    Ok(paging.page(read, |host| host.id.0, |host| fleet.row(host)))
}

/// One host.
///
/// # Errors
/// When there is no such host, or the database cannot be read.
pub fn host_detail(context: &Context, name: &HostName) -> Result<HostDetail, Error> {
    let facts = context.facts_about(|host| host.name == *name)?;
    let host = facts.host(name)?.clone();
    let all = facts.snapshots.get(&host.id).map_or(&[][..], Vec::as_slice);
    let complete = all
        .iter()
        .filter(|snapshot| snapshot.status == SnapshotStatus::Complete);
    let newest = complete.clone().map(|snapshot| snapshot.started_at).max();
    Ok(HostDetail {
        row: row(&host, complete.count(), newest),
        settings: host.settings,
        pause: host.pause,
        retired_at: host.retired.map(|retired| retired.at),
        changed_at: host.changed_at,
        changed_by: host.changed_by,
    })
}
