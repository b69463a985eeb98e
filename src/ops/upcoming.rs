//! The next runs of the scheduler.

use std::collections::BTreeSet;

use chrono::SecondsFormat;
use chrono_tz::Tz;
use serde::Serialize;

use super::scheduler::{Scheduled, by_host};
use super::{Context, Error};
use crate::core::model::{CronText, HostId, HostName, Label, RunId, SqlHost, Timestamp};
use crate::core::schedule::{CLOCK_TOLERANCE, Line, Start, jitter, next_start, start_after};
use crate::store::HostSchedule;

/// A run that is to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Upcoming {
    /// The host.
    pub host: HostName,
    /// When it starts, jitter included; one that is overdue starts with the next tick.
    pub starts_at: Timestamp,
    /// The same by the wall clock of the schedule's zone.
    pub local: String,
    /// Why.
    pub why: Why,
    /// When the line fires: the start without jitter.
    pub fires_at: Timestamp,
    /// The jitter of this host, in seconds.
    pub jitter_seconds: u64,
    /// The schedule's name.
    pub schedule: Option<Label>,
    /// Its line; nothing for a retry.
    pub cron: Option<CronText>,
    /// Its zone.
    pub timezone: Tz,
    /// A prune follows a success.
    pub prune: bool,
    /// The run that is tried again.
    pub retry_of: Option<RunId>,
}

/// Why a run is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// A line fires.
    Scheduled,
    /// A line has fired, and nothing has answered it yet.
    Overdue,
    /// A run failed.
    Retry,
}

/// The next `count` runs of all hosts, the first one first.
///
/// # Errors
/// When the database cannot be read.
pub fn upcoming(context: &Context, count: usize) -> Result<Vec<Upcoming>, Error> {
    // Of the hosts that start first none starts later than the last of so many runs.
    let most = u32::try_from(count).unwrap_or(u32::MAX);
    let ahead = super::clock::now().plus(CLOCK_TOLERANCE);
    let mut schedules = Vec::new();
    let mut seen = BTreeSet::new();
    for host in context.store.starting(ahead, most)? {
        if seen.insert(host) {
            schedules.extend(context.store.schedules_of(host)?);
        }
    }
    among(context, schedules, count, |_| true)
}

/// The next run of one host; nothing if none is to come.
///
/// # Errors
/// When the database cannot be read.
pub fn next_of(context: &Context, host: &SqlHost) -> Result<Option<Upcoming>, Error> {
    let schedules = context.store.schedules_of(host.id)?;
    Ok(among(context, schedules, 1, |id| id == host.id)?.pop())
}

fn among(
    context: &Context,
    schedules: Vec<HostSchedule>,
    count: usize,
    is_wanted: impl Fn(HostId) -> bool,
) -> Result<Vec<Upcoming>, Error> {
    let now = super::clock::now();
    let hosts = by_host(schedules);
    let lines = || {
        hosts
            .values()
            .flat_map(|host| host.lines.iter().map(move |line| (host, line)))
    };
    // No line starts more often until then than the first starts of others need: of ten thousand, few are followed on.
    let mut firsts: Vec<Timestamp> = lines()
        .filter_map(|(host, line)| next_start(&host.directory, line, now))
        .map(|start| start.starts_at)
        .collect();
    firsts.sort_unstable();
    let last = count.checked_sub(1).and_then(|i| firsts.get(i)).copied();
    let mut found: Vec<Upcoming> = lines()
        .flat_map(|(host, line)| of_line(host, line, now, count, last))
        .collect();
    let retries = context.store.retries()?;
    for retry in retries.into_iter().filter(|r| is_wanted(r.host)) {
        let zone = hosts
            .get(&retry.host)
            .and_then(|host| host.lines.first())
            .map_or(Tz::UTC, |line| line.schedule.timezone);
        found.push(Upcoming {
            host: retry.host_name,
            starts_at: retry.at,
            local: local(retry.at, zone),
            why: Why::Retry,
            fires_at: retry.fires_at,
            jitter_seconds: 0,
            schedule: None,
            cron: None,
            timezone: zone,
            prune: retry.prune,
            retry_of: Some(retry.run),
        });
    }
    found.sort_by(|a, b| (a.starts_at, &a.host, &a.cron).cmp(&(b.starts_at, &b.host, &b.cron)));
    found.truncate(count);
    Ok(found)
}

/// The next starts of one line up to `last`: what is overdue counts once, however often it was missed.
fn of_line(
    host: &Scheduled,
    line: &Line,
    now: Timestamp,
    count: usize,
    last: Option<Timestamp>,
) -> Vec<Upcoming> {
    let schedule = &line.schedule;
    let jitter = jitter(&host.directory, schedule);
    let mut found = Vec::new();
    let mut next = next_start(&host.directory, line, now);
    let is_near = |start: &Start| last.is_none_or(|last| start.starts_at <= last);
    while let Some(start) = next.filter(|start| found.len() < count && is_near(start)) {
        let is_overdue = start.starts_at <= now;
        found.push(Upcoming {
            host: host.name.clone(),
            starts_at: start.starts_at,
            local: local(start.starts_at, schedule.timezone),
            why: if is_overdue {
                Why::Overdue
            } else {
                Why::Scheduled
            },
            fires_at: start.fires_at,
            jitter_seconds: jitter.seconds(),
            schedule: schedule.name.clone(),
            cron: Some(schedule.cron.clone()),
            timezone: schedule.timezone,
            prune: schedule.prune,
            retry_of: None,
        });
        let after = if is_overdue {
            now.minus(jitter)
        } else {
            start.fires_at
        };
        next = start_after(&host.directory, schedule, after);
    }
    found
}

fn local(time: Timestamp, zone: Tz) -> String {
    let local = time.utc().with_timezone(&zone);
    local.to_rfc3339_opts(SecondsFormat::Secs, false)
}
