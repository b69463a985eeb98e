//! What a simulation came to: values that people and programs read, `schema/simulation.schema.json`.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Serialize;

use super::Pruning;
use crate::core::model::{CalendarSpan, HostName, Policy, Schedule, Span, Timestamp};
use crate::core::retention::{Extent, Reason};

/// One host, simulated with one policy or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Simulation {
    /// 1. New fields may be added; none changes its meaning.
    pub format_version: u32,
    /// The host.
    pub host: HostName,
    /// The first moment: now.
    pub from: Timestamp,
    /// The last.
    pub until: Timestamp,
    /// How far it looks.
    pub horizon: CalendarSpan,
    /// The zone of days.
    pub timezone: Tz,
    /// What makes the backups; empty where `every` does.
    pub schedules: Vec<Schedule>,
    /// The time between backups, where it was asked for instead of schedules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// How many backups that makes.
    pub backups: usize,
    /// When they prune.
    pub pruning: Pruning,
    /// The host is paused: nothing of this happens until it is resumed.
    pub paused: bool,
    /// Each policy.
    pub policies: Vec<SimulatedPolicy>,
}

/// Where a policy comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicySource {
    /// In force in SQL.
    InForce,
    /// The host's in the file.
    File,
    /// One that the file names.
    Named(String),
    /// Rules of the command line.
    Rules,
}

/// What one policy comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SimulatedPolicy {
    /// Where it comes from.
    pub source: PolicySource,
    /// The policy.
    pub policy: Policy,
    /// How many snapshots there are.
    pub snapshots: Totals,
    /// The first prune, which may delete what an earlier policy kept.
    pub first_prune: Option<FirstPrune>,
    /// A rule is unlimited: the number of snapshots never stops growing.
    pub grows: bool,
    /// The day from which every rule holds all it ever will; nothing if one does not within the time looked at.
    pub steady_since: Option<NaiveDate>,
    /// `restore`, `least` and `most` are measured from this day on: `steady_since`, else the middle of the time looked at.
    pub measured_from: NaiveDate,
    /// Each rule of the policy on the last day.
    pub rules: Vec<RuleState>,
    /// How far one can go back.
    pub restore: Vec<Restore>,
    /// The number of snapshots at the end of each day, in the zone of the simulation.
    pub days: Vec<Day>,
}

/// How many snapshots of every kind are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Now.
    pub now: usize,
    /// On the last day.
    pub at_end: usize,
    /// The fewest at the end of a day since `measured_from`.
    pub least: usize,
    /// The most at the end of a day since `measured_from`.
    pub most: usize,
    /// Those that no rule keeps on the last day: held ones, other kinds, bases, incomplete ones.
    pub beside_the_rules: usize,
}

/// The first prune.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FirstPrune {
    /// When.
    pub at: Timestamp,
    /// How many snapshots go.
    pub deletes: usize,
}

/// One rule on the last day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleState {
    /// `daily`, `within-weekly` and so on.
    pub rule: Reason,
    /// What it allows.
    pub of: Extent,
    /// How many snapshots it keeps, those it keeps as the oldest among them.
    pub held: usize,
    /// How many of them nothing else keeps.
    pub alone: usize,
    /// The day from which it holds all it ever will.
    pub full_since: Option<NaiveDate>,
    /// When each snapshot it keeps was started, newest first.
    pub started_at: Vec<Timestamp>,
}

/// The answer to "it broke so many days ago: how old is the last copy from before?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Restore {
    /// How many days ago.
    pub days_ago: u32,
    /// On the worst day, that copy is older by this many seconds; nothing where there is a day without any such copy.
    pub older_by_seconds: Option<u64>,
}

/// One day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Day {
    /// Which.
    pub day: NaiveDate,
    /// How many snapshots there are at its end.
    pub snapshots: usize,
}
