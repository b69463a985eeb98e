//! How the backups are, in one screen.

use serde::Serialize;

use super::{Context, Error};
use crate::core::model::{HostName, RunKind, RunStatus, SnapshotStatus, Span, Timestamp};
use crate::store::RunFilter;

/// The whole service.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Every host.
    pub hosts: Vec<HostStatus>,
    /// Hosts whose newest backup is whole and not too old.
    pub well: usize,
    /// Hosts that somebody should look at.
    pub attention: usize,
    /// Paused hosts.
    pub paused: usize,
    /// Retired hosts.
    pub retired: usize,
    /// Complete snapshots.
    pub snapshots: usize,
}

/// One host.
#[derive(Debug, Clone, Serialize)]
pub struct HostStatus {
    /// Its name.
    pub host: HostName,
    /// `well`, `failed`, `stale`, `never`, `suspect`, `paused` or `retired`.
    pub state: &'static str,
    /// Somebody should look at it.
    pub needs_attention: bool,
    /// When its newest complete snapshot began.
    pub newest: Option<Timestamp>,
    /// How many complete snapshots it has.
    pub snapshots: usize,
    /// What came of its last backup.
    pub last_run: Option<String>,
}

/// Reads how every host is.
///
/// # Errors
/// When the database cannot be read.
pub fn status(context: &Context) -> Result<Status, Error> {
    let now = super::clock::now();
    let facts = context.facts()?;
    let mut last_runs = std::collections::HashMap::new();
    let backups = RunFilter {
        kind: Some(RunKind::Backup),
        ..RunFilter::default()
    };
    for record in context.store.runs(&backups, u32::MAX)? {
        last_runs.entry(record.host).or_insert(record.run);
    }
    let hosts: Vec<HostStatus> = facts
        .state
        .hosts
        .iter()
        .map(|host| {
            let snapshots = facts.snapshots.get(&host.id).map_or(&[][..], Vec::as_slice);
            let complete = || {
                snapshots
                    .iter()
                    .filter(|s| s.status == SnapshotStatus::Complete)
            };
            let newest = complete().map(|s| s.started_at).max();
            let last = last_runs.get(&host.id);
            let is_failed = last
                .is_some_and(|run| !matches!(run.status, RunStatus::Complete | RunStatus::Running));
            let state = if host.retired.is_some() {
                "retired"
            } else if host.is_paused() {
                "paused"
            } else if complete().any(|s| s.suspect) {
                "suspect"
            } else if is_failed {
                "failed"
            } else if is_stale(newest, host.settings.stale_after, now) {
                "stale"
            } else if newest.is_none() {
                "never"
            } else {
                "well"
            };
            HostStatus {
                host: host.name.clone(),
                state,
                needs_attention: matches!(state, "failed" | "stale" | "never" | "suspect"),
                newest,
                snapshots: complete().count(),
                last_run: last.map(|run| format!("{} {}: {}", run.kind, run.status, run.message)),
            }
        })
        .collect();
    let count = |state: &str| hosts.iter().filter(|host| host.state == state).count();
    Ok(Status {
        well: count("well"),
        paused: count("paused"),
        retired: count("retired"),
        attention: hosts.iter().filter(|host| host.needs_attention).count(),
        snapshots: hosts.iter().map(|host| host.snapshots).sum(),
        hosts,
    })
}

fn is_stale(newest: Option<Timestamp>, stale_after: Option<Span>, now: Timestamp) -> bool {
    newest
        .zip(stale_after)
        .is_some_and(|(newest, span)| newest.plus(span) < now)
}
