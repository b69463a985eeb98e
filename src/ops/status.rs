//! How the backups are, in one screen: from the newest of what happened to each host, not from years of rows.

use serde::Serialize;
use utoipa::ToSchema;

use super::tell::is_overdue;
use super::{Context, Error};
use crate::core::health::{Problem, Severity, state_of};
use crate::core::model::{HostName, Timestamp, visible};
use crate::store::Backlog;

/// The whole service.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Status {
    /// When it was looked at.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// How much the worst of it matters.
    #[schema(value_type = String)]
    pub severity: Severity,
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
    /// What has not reached its receivers.
    #[schema(value_type = Object)]
    pub notifications: Backlog,
    /// It was given up, or has waited for so long that somebody should look.
    pub notifications_overdue: bool,
}

/// One host.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HostStatus {
    /// Its name.
    #[schema(value_type = String)]
    pub host: HostName,
    /// `well`, its worst problem, `paused` or `retired`.
    pub state: &'static str,
    /// Somebody should look at it.
    pub needs_attention: bool,
    /// How much the worst of it matters.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// All that is wrong, worst first.
    pub problems: Vec<HostProblem>,
    /// When its newest complete snapshot began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub newest: Option<Timestamp>,
    /// How many complete snapshots it has.
    pub snapshots: usize,
    /// What came of its last backup that has ended.
    pub last_run: Option<String>,
}

/// One thing that is wrong with a host.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HostProblem {
    /// What.
    #[schema(value_type = String)]
    pub problem: Problem,
    /// How so.
    pub text: String,
}

impl Status {
    /// Says that nothing needs anybody.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.severity == Severity::Good
    }
}

/// Reads how every host is.
///
/// # Errors
/// When the database cannot be read.
pub fn status(context: &Context) -> Result<Status, Error> {
    let now = super::clock::now();
    let state = context.store.load_state()?;
    let root = context.root_in_use(&state)?;
    let mut activities = context.store.activity(root.as_ref())?;
    let counts = context.store.snapshot_counts(root.as_ref())?;
    let hosts: Vec<HostStatus> = state
        .hosts
        .iter()
        .filter_map(|host| {
            let activity = activities.remove(&host.id)?;
            let counts = counts.get(&host.id).copied().unwrap_or_default();
            let found = state_of(host, &activity, counts.suspect, now);
            Some(HostStatus {
                host: host.name.clone(),
                state: found.word,
                needs_attention: !found.problems.is_empty(),
                severity: found.severity(),
                problems: found
                    .problems
                    .into_iter()
                    .map(|(problem, text)| HostProblem { problem, text })
                    .collect(),
                newest: activity.newest,
                snapshots: counts.complete,
                last_run: activity.backup.map(|last| {
                    let run = last.run;
                    format!("{} {}: {}", run.kind, run.status, visible(&run.message))
                }),
            })
        })
        .collect();
    let count = |state: &str| hosts.iter().filter(|host| host.state == state).count();
    let notifications = context.store.backlog()?;
    let notifications_overdue =
        notifications.given_up > 0 || is_overdue(notifications.waiting_since, now);
    let of_hosts = hosts.iter().map(|host| host.severity).max();
    let of_telling = if notifications_overdue {
        Severity::Warning
    } else {
        Severity::Good
    };
    Ok(Status {
        at: now,
        severity: of_hosts.unwrap_or(Severity::Good).max(of_telling),
        well: count("well"),
        paused: count("paused"),
        retired: count("retired"),
        attention: hosts.iter().filter(|host| host.needs_attention).count(),
        snapshots: hosts.iter().map(|host| host.snapshots).sum(),
        notifications,
        notifications_overdue,
        hosts,
    })
}
