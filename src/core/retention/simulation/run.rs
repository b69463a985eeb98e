//! From backup to backup.

use chrono::{Months, NaiveDate, TimeDelta};
use chrono_tz::Tz;

use super::live::Live;
use super::look::Look;
use super::{Backup, PolicySource, RuleState, SimulatedPolicy, Totals};
use crate::core::model::{
    CalendarSpan, Count, Policy, Rule, Snapshot, SnapshotId, SnapshotKind, SnapshotName,
    SnapshotStatus, Timestamp,
};
use crate::core::retention::buckets::{in_zone, wall_clock};
use crate::core::retention::{
    EmptyPolicy, Extent, HostRetention, Mode, Question, Reason, Side, Verdict, plan_host,
};

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub struct Scenario<'a> {
    /// The snapshots there are now, in any order.
    pub snapshots: &'a [Snapshot],
    /// The policy that prunes.
    pub policy: &'a Policy,
    /// The backups to come, ascending, all between `from` and `until`.
    pub backups: &'a [Backup],
    /// Now.
    pub from: Timestamp,
    /// When to stop.
    pub until: Timestamp,
}

/// The moment `span` after `from`: years, months and days by the calendar of `zone`, then hours. Nothing beyond the
/// calendar's end.
#[must_use]
pub fn end_of(from: Timestamp, span: CalendarSpan, zone: Tz) -> Option<Timestamp> {
    let months = span.years.saturating_mul(12).saturating_add(span.months);
    let wall = wall_clock(from, zone)
        .checked_add_months(Months::new(months))?
        .checked_add_signed(TimeDelta::days(i64::from(span.days)))?;
    let time = in_zone(wall, zone)?.checked_add_signed(TimeDelta::hours(i64::from(span.hours)))?;
    Some(time.to_utc().into())
}

/// Lives through every backup of `scenario`.
///
/// # Errors
/// When the policy has no rule.
pub fn simulate(
    scenario: &Scenario<'_>,
    source: PolicySource,
) -> Result<SimulatedPolicy, EmptyPolicy> {
    let policy = scenario.policy;
    if policy.keep.is_empty() {
        return Err(EmptyPolicy);
    }
    let (live, look) = live_through(scenario);
    let survivors: Vec<Snapshot> = live.snapshots().cloned().collect();
    let side = Side {
        policy: Some(policy),
        mode: Mode::Active,
    };
    let last_day = plan_host(&Question {
        snapshots: &survivors,
        in_force: side,
        proposed: side,
        kinds: None,
        now: scenario.until,
        upcoming: &[],
    })?;
    let rules = rules(policy, &last_day, &look);
    let grows = rules
        .iter()
        .any(|rule| rule.of == Extent::Count(Count::Unlimited));
    let steady_since = steady_since(&rules);
    let last = wall_clock(scenario.until, policy.timezone).date();
    let measured_from = steady_since.or_else(|| look.middle()).unwrap_or(last);
    let days = look.days();
    let measured = days
        .iter()
        .filter(|day| day.day >= measured_from)
        .map(|day| day.snapshots);
    Ok(SimulatedPolicy {
        source,
        policy: policy.clone(),
        snapshots: Totals {
            now: Live::of(policy, scenario.snapshots).len(),
            at_end: survivors.len(),
            least: measured.clone().min().unwrap_or(survivors.len()),
            most: measured.max().unwrap_or(survivors.len()),
            beside_the_rules: beside_the_rules(&last_day),
        },
        first_prune: look.first_prune(),
        grows,
        steady_since,
        measured_from,
        rules,
        restore: look.restore(measured_from),
        days,
    })
}

pub(super) fn live_through<'a>(scenario: &Scenario<'a>) -> (Live<'a>, Look) {
    let mut live = Live::of(scenario.policy, scenario.snapshots);
    let mut look = Look::at(&live, scenario.from, scenario.policy.timezone);
    for (i, backup) in scenario.backups.iter().enumerate() {
        let base = live.newest().map(|s| s.name.clone());
        live.add(snapshot(i, backup.at, base));
        if backup.prunes {
            look.pruned(backup.at, &live.prune(backup.at));
        }
        let next = scenario
            .backups
            .get(i + 1)
            .map_or(scenario.until, |next| next.at);
        look.look(&live, backup.at, next);
    }
    look.end(scenario.until, live.len());
    (live, look)
}

/// The snapshot of the `i`-th backup to come, as a backup without a fault leaves it.
fn snapshot(i: usize, at: Timestamp, base: Option<SnapshotName>) -> Snapshot {
    let number = u32::try_from(i).unwrap_or(u32::MAX).to_be_bytes();
    Snapshot {
        // Rows count from 1: what does not exist yet has none.
        id: SnapshotId(-1 - i64::try_from(i).unwrap_or(0)),
        name: SnapshotName::new(at, [0, 0, number[0], number[1], number[2], number[3]]),
        kind: SnapshotKind::Scheduled,
        status: SnapshotStatus::Complete,
        started_at: at,
        finished_at: Some(at),
        base,
        bytes: None,
        files: None,
        hold: None,
        suspect: false,
        live: false,
    }
}

/// Every rule is full from this day on; never if one grows, or is not full yet.
fn steady_since(rules: &[RuleState]) -> Option<NaiveDate> {
    rules
        .iter()
        .map(|rule| rule.full_since)
        .reduce(|a, b| Some(a?.max(b?)))
        .flatten()
}

fn rules(policy: &Policy, last_day: &HostRetention<'_>, look: &Look) -> Vec<RuleState> {
    let counts = Rule::ALL.into_iter().filter_map(|rule| {
        let count = policy.keep.count(rule)?;
        let own = [Reason::Rule(rule), Reason::Oldest(rule)];
        let since = look.count_full_since(rule);
        Some(state(own, Extent::Count(count), since, last_day))
    });
    let windows = Rule::ALL.into_iter().filter_map(|rule| {
        let span = policy.keep.within(rule)?;
        let own = [Reason::Within(rule), Reason::OldestWithin(rule)];
        let since = look.window_full_since(rule);
        Some(state(own, Extent::Span(span), since, last_day))
    });
    counts.chain(windows).collect()
}

/// A rule is known by two reasons: the snapshots it counts, and the oldest.
fn state(
    own: [Reason; 2],
    of: Extent,
    full_since: Option<NaiveDate>,
    last_day: &HostRetention<'_>,
) -> RuleState {
    let mut started_at = Vec::new();
    let mut alone = 0;
    for (snapshot, reasons) in kept(last_day) {
        if reasons.iter().any(|reason| own.contains(reason)) {
            started_at.push(snapshot.started_at);
            let is_own = |reason: &Reason| own.contains(reason) || *reason == Reason::Newest;
            alone += usize::from(reasons.iter().all(is_own));
        }
    }
    let [rule, _] = own;
    RuleState {
        rule,
        of,
        held: started_at.len(),
        alone,
        full_since,
        started_at,
    }
}

fn beside_the_rules(last_day: &HostRetention<'_>) -> usize {
    let is_rule = |reason: &Reason| {
        matches!(
            reason,
            Reason::Rule(_) | Reason::Oldest(_) | Reason::Within(_) | Reason::OldestWithin(_)
        )
    };
    kept(last_day)
        .filter(|(_, reasons)| !reasons.iter().any(is_rule))
        .count()
}

fn kept<'a>(
    decided: &'a HostRetention<'a>,
) -> impl Iterator<Item = (&'a Snapshot, &'a [Reason])> + 'a {
    decided
        .decisions
        .iter()
        .filter_map(|decision| match &decision.verdict {
            Verdict::Keep { reasons, .. } => Some((decision.snapshot, reasons.as_slice())),
            Verdict::Delete { .. } => None,
        })
}
