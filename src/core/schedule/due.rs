//! What is due at a moment, and when what failed is tried again.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use super::Cron;
use crate::core::model::{CronText, Fingerprint, HostName, Schedule, Span, Timestamp};

/// A schedule of a host with how far it has been answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The schedule.
    pub schedule: Schedule,
    /// No fire up to here asks for a run any more.
    pub settled_until: Timestamp,
}

/// The next start that a schedule asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// When its line fires.
    pub fires_at: Timestamp,
    /// When the run starts: the fire and the jitter of the host.
    pub starts_at: Timestamp,
}

/// What makes a host due: one run answers all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The earliest fire that nothing has answered.
    pub fires_at: Timestamp,
    /// When the run should have started.
    pub starts_at: Timestamp,
    /// One of the schedules wants a prune after a success.
    pub prune: bool,
    /// The lines that fired, and up to where a run settles each.
    pub lines: Vec<(CronText, Tz, Settling)>,
}

/// How far a line is settled, and how far it will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settling {
    /// Up to here so far.
    pub from: Timestamp,
    /// Up to here by the run.
    pub to: Timestamp,
}

/// A line that is settled further into the future than this was settled by a clock that was ahead.
pub const CLOCK_TOLERANCE: Span = Span::from_hours(1);
/// After the first failure; a network that was down for a moment is back.
const FIRST_RETRY: Span = Span::from_seconds(5 * 60);
/// However often it failed: a machine that comes back is backed up within this time.
const LONGEST_RETRY: Span = Span::from_hours(2);

/// By how much the starts of a host are put off: always the same for the same directory and line, spread evenly over
/// `[0, jitter)` among hosts.
#[must_use]
pub fn jitter(directory: &HostName, schedule: &Schedule) -> Span {
    let seconds = schedule.jitter.seconds();
    if seconds == 0 {
        return Span::from_seconds(0);
    }
    let hash = Fingerprint::of(&(
        directory.as_str(),
        schedule.cron.as_str(),
        schedule.timezone.name(),
    ));
    // The first sixteen digits are 64 bits, more than enough to spread the seconds of a century.
    let digits = hash.as_str().rsplit(':').next().unwrap_or_default();
    let number = digits
        .get(..16)
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .unwrap_or_default();
    Span::from_seconds(number % seconds)
}

/// The next start of a line, which may lie in the past. Nothing if it fires no more.
///
/// A line that a clock which was ahead has settled far into the future starts at once: its host must not stay without
/// backups until that time comes, and one backup too many costs little.
#[must_use]
pub fn next_start(directory: &HostName, line: &Line, now: Timestamp) -> Option<Start> {
    if line.settled_until > now.plus(CLOCK_TOLERANCE) {
        return Some(Start {
            fires_at: now,
            starts_at: now,
        });
    }
    start_after(directory, &line.schedule, line.settled_until)
}

/// The first start whose fire lies strictly after `after`.
#[must_use]
pub fn start_after(directory: &HostName, schedule: &Schedule, after: Timestamp) -> Option<Start> {
    // A line in SQL was accepted before.
    let cron = Cron::parse(schedule.cron.as_str()).ok()?;
    let fires_at = cron.next_after(schedule.timezone, after)?;
    Some(Start {
        fires_at,
        starts_at: fires_at.plus(jitter(directory, schedule)),
    })
}

/// What makes a host due at `now`, if it is: everything that fired since a line was last answered asks for one run.
#[must_use]
pub fn due(directory: &HostName, lines: &[Line], now: Timestamp) -> Option<Due> {
    let mut found: Option<Due> = None;
    let mut settled: BTreeMap<(CronText, &str), (Tz, Settling)> = BTreeMap::new();
    for line in lines {
        let Some(start) = next_start(directory, line, now).filter(|start| start.starts_at <= now)
        else {
            continue;
        };
        let due = found.get_or_insert_with(|| Due {
            fires_at: start.fires_at,
            starts_at: start.starts_at,
            prune: false,
            lines: Vec::new(),
        });
        due.fires_at = due.fires_at.min(start.fires_at);
        due.starts_at = due.starts_at.min(start.starts_at);
        due.prune |= line.schedule.prune;
        // A fire whose start has not come yet stays for later.
        let settling = Settling {
            from: line.settled_until,
            to: now.minus(jitter(directory, &line.schedule)),
        };
        let schedule = &line.schedule;
        settled
            .entry((schedule.cron.clone(), schedule.timezone.name()))
            .and_modify(|(_, other)| other.to = other.to.max(settling.to))
            .or_insert((schedule.timezone, settling));
    }
    let mut due = found?;
    due.lines = settled
        .into_iter()
        .map(|((cron, _), (zone, settling))| (cron, zone, settling))
        .collect();
    Some(due)
}

/// When a run that failed at `now` is tried again, `attempt` being how often it was tried: after 5, 15, 45 minutes and so
/// on, two hours at most. Nothing if the next regular start, `next`, comes first.
#[must_use]
pub fn retry_of_failed(attempt: u32, now: Timestamp, next: Option<Timestamp>) -> Option<Timestamp> {
    let at = now.plus(back_off(attempt));
    next.is_none_or(|next| at < next).then_some(at)
}

/// When a run is tried again whose process was killed: at once, since the host has done nothing wrong; but not at once
/// for ever.
#[must_use]
pub fn retry_of_interrupted(attempt: u32, now: Timestamp) -> Timestamp {
    match attempt {
        0 | 1 => now,
        more => now.plus(back_off(more - 1)),
    }
}

fn back_off(attempt: u32) -> Span {
    let factor = 3_u64.saturating_pow(attempt.saturating_sub(1).min(20));
    let seconds = FIRST_RETRY.seconds().saturating_mul(factor);
    Span::from_seconds(seconds.min(LONGEST_RETRY.seconds()))
}
