//! What is due now, in the order in which it begins.

use std::collections::BTreeMap;

use super::super::{Context, Error};
use crate::core::model::{HostId, HostName, RunStatus, Timestamp};
use crate::core::schedule::{Line, due};
use crate::store::{DueCause, HostSchedule, SettledFire};

/// A host that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Wanted {
    pub(super) host: HostId,
    pub(super) name: HostName,
    pub(super) directory: HostName,
    /// Its schedules, for the next regular start.
    pub(super) lines: Vec<Line>,
    pub(super) cause: DueCause,
    pub(super) prune: bool,
    /// When it should have started.
    pub(super) starts_at: Timestamp,
}

/// A host with its schedules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Scheduled {
    pub(in super::super) host: HostId,
    pub(in super::super) name: HostName,
    pub(in super::super) directory: HostName,
    pub(in super::super) lines: Vec<Line>,
}

/// The schedules of SQL by host.
pub(in super::super) fn by_host(rows: Vec<HostSchedule>) -> BTreeMap<HostId, Scheduled> {
    let mut hosts: BTreeMap<HostId, Scheduled> = BTreeMap::new();
    for row in rows {
        let host = hosts.entry(row.host).or_insert_with(|| Scheduled {
            host: row.host,
            name: row.host_name,
            directory: row.directory,
            lines: Vec::new(),
        });
        host.lines.push(Line {
            schedule: row.schedule,
            settled_until: row.settled_until,
        });
    }
    hosts
}

/// Every host that is due at `now`, the one that should have started first before others; by name where that is equal.
///
/// # Errors
/// When the database cannot be read.
pub(super) fn wanted(context: &Context, now: Timestamp) -> Result<Vec<Wanted>, Error> {
    let hosts = by_host(context.store.schedules()?);
    let mut found: BTreeMap<HostId, Wanted> = BTreeMap::new();
    for retry in context.store.retries()? {
        if retry.at > now {
            continue;
        }
        // Whoever stopped the scheduler has not made the host fail.
        let attempt = match retry.status {
            RunStatus::Cancelled => retry.attempt,
            _ => retry.attempt.saturating_add(1),
        };
        let host = hosts.get(&retry.host);
        found.insert(
            retry.host,
            Wanted {
                host: retry.host,
                directory: host.map_or_else(|| retry.host_name.clone(), |h| h.directory.clone()),
                name: retry.host_name,
                lines: host.map_or_else(Vec::new, |host| host.lines.clone()),
                cause: DueCause::Retry {
                    of: retry.run,
                    fires_at: retry.fires_at,
                    attempt,
                },
                prune: retry.prune,
                starts_at: retry.at,
            },
        );
    }
    for host in hosts.into_values() {
        // A line that fires makes a retry void: it counts its attempts anew.
        let Some(due) = due(&host.directory, &host.lines, now) else {
            continue;
        };
        let lines = due
            .lines
            .into_iter()
            .map(|(cron, timezone, settling)| SettledFire {
                cron,
                timezone,
                from: settling.from,
                to: settling.to,
            })
            .collect();
        let wanted = Wanted {
            host: host.host,
            name: host.name,
            directory: host.directory,
            lines: host.lines,
            cause: DueCause::Fires {
                fires_at: due.fires_at,
                lines,
            },
            prune: due.prune,
            starts_at: due.starts_at,
        };
        found.insert(host.host, wanted);
    }
    let mut wanted: Vec<Wanted> = found.into_values().collect();
    wanted.sort_by(|a, b| (a.starts_at, &a.name).cmp(&(b.starts_at, &b.name)));
    Ok(wanted)
}
