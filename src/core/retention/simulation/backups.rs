//! The backups to come, and which of them prune.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde::Serialize;

use crate::core::model::{Schedule, Span, Timestamp};
use crate::core::retention::buckets::wall_clock;
use crate::core::schedule::upcoming;

/// One backup to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// When it starts; jitter is left out, since it moves a start by minutes.
    pub at: Timestamp,
    /// A prune follows it.
    pub prunes: bool,
}

/// When the simulation prunes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pruning {
    /// After every backup, as the schedules say.
    AfterEachBackup,
    /// After the backups of some schedules.
    AfterSomeBackups,
    /// After the last backup of each day, since no schedule prunes: as a person would.
    Daily,
}

/// Hourly ones for eleven years. Beyond that nothing new is learnt, and with unlimited rules it takes minutes.
pub const MOST_BACKUPS: usize = 100_000;

/// More backups than a simulation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these are more than {MOST_BACKUPS} backups")]
pub struct TooManyBackups;

/// The backups of `schedules` after `from` and up to `until`, and when they prune. `zone` cuts the days.
///
/// # Errors
/// When there are more than [`MOST_BACKUPS`].
pub fn scheduled(
    schedules: &[Schedule],
    from: Timestamp,
    until: Timestamp,
    zone: Tz,
) -> Result<(Vec<Backup>, Pruning), TooManyBackups> {
    let mut prunes_at: BTreeMap<Timestamp, bool> = BTreeMap::new();
    for schedule in schedules {
        let one = std::slice::from_ref(schedule);
        for at in upcoming(one, from, MOST_BACKUPS + 1, between(from, until)) {
            *prunes_at.entry(at).or_default() |= schedule.prune;
        }
    }
    if prunes_at.len() > MOST_BACKUPS {
        return Err(TooManyBackups);
    }
    let mut backups: Vec<Backup> = prunes_at
        .into_iter()
        .map(|(at, prunes)| Backup { at, prunes })
        .collect();
    let pruning = match (
        schedules.iter().any(|s| s.prune),
        schedules.iter().all(|s| s.prune),
    ) {
        (true, true) => Pruning::AfterEachBackup,
        (true, false) => Pruning::AfterSomeBackups,
        (false, _) => {
            prune_daily(&mut backups, zone);
            Pruning::Daily
        }
    };
    Ok((backups, pruning))
}

/// A backup each `span` after `from` and up to `until`, with a prune after each.
///
/// # Errors
/// When there are more than [`MOST_BACKUPS`].
pub fn every(
    span: Span,
    from: Timestamp,
    until: Timestamp,
) -> Result<(Vec<Backup>, Pruning), TooManyBackups> {
    let mut backups = Vec::new();
    let mut at = from.plus(span);
    // A span of nothing would never end.
    while at <= until && span.millis() > 0 {
        if backups.len() == MOST_BACKUPS {
            return Err(TooManyBackups);
        }
        backups.push(Backup { at, prunes: true });
        at = at.plus(span);
    }
    Ok((backups, Pruning::AfterEachBackup))
}

fn between(from: Timestamp, until: Timestamp) -> Span {
    let millis = until.millis().saturating_sub(from.millis()).max(0);
    Span::from_seconds(u64::try_from(millis / 1000).unwrap_or(0))
}

fn prune_daily(backups: &mut [Backup], zone: Tz) {
    let day = |backup: &Backup| wall_clock(backup.at, zone).date();
    let days: Vec<_> = backups.iter().map(day).collect();
    let next = days.iter().skip(1).map(Some).chain([None]);
    for ((backup, day), next) in backups.iter_mut().zip(&days).zip(next) {
        backup.prunes = next != Some(day);
    }
}
