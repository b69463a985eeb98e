//! The rules of a policy over the snapshots that fill buckets. Those of restic's `forget`: each counts by itself.
//!
//! Source: restic's manual, "Removing snapshots according to a policy", and the cases of its own test-suite.

use chrono::NaiveDateTime;

use super::buckets::{bucket, bucket_name, start_of_window, wall_clock};
use super::{Extent, Reason, RuleHit};
use crate::core::model::{CalendarSpan, Count, Policy, Rule, Timestamp};

/// What the rules say of one snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// In the order of the rules; empty if no rule keeps it.
    pub(super) reasons: Vec<Reason>,
    /// How each of them counted it.
    pub(super) hits: Vec<RuleHit>,
}

/// Applies every rule to `times`, the starts of the snapshots that fill buckets, newest first. One answer each.
pub(super) fn apply(policy: &Policy, times: &[Timestamp], now: Timestamp) -> Vec<Kept> {
    let walls: Vec<NaiveDateTime> = times
        .iter()
        .map(|time| wall_clock(*time, policy.timezone))
        .collect();
    let mut kept = vec![Kept::default(); times.len()];
    for rule in Rule::ALL {
        if let Some(count) = policy.keep.count(rule) {
            count_buckets(rule, count, &walls, &mut kept);
        }
    }
    for rule in Rule::ALL {
        if let Some(span) = policy.keep.within(rule) {
            let start = window(span, times, now, policy);
            look_back(rule, span, start, times, &walls, &mut kept);
        }
    }
    kept
}

/// Where a window begins: counted back from the newest that is not in the future, never from now, so that a host that
/// stopped expires nothing. Where all are in the future, nothing is known of time, and the window holds them all.
fn window(span: CalendarSpan, times: &[Timestamp], now: Timestamp, policy: &Policy) -> Timestamp {
    let newest = times.iter().copied().find(|time| *time <= now);
    newest.map_or(Timestamp::from_millis(i64::MIN), |newest| {
        start_of_window(newest, span, policy.timezone)
    })
}

/// Every snapshot after `start`, or one of each bucket; and the oldest there is, if it lies there.
fn look_back(
    rule: Rule,
    span: CalendarSpan,
    start: Timestamp,
    times: &[Timestamp],
    walls: &[NaiveDateTime],
    kept: &mut [Kept],
) {
    let mut last = None;
    let oldest = times.len().saturating_sub(1);
    for (i, ((time, wall), kept)) in times.iter().zip(walls).zip(kept).enumerate() {
        let key = bucket(rule, *wall);
        let is_new = rule == Rule::Last || last != Some(key);
        if *time <= start || !(is_new || i == oldest) {
            continue;
        }
        last = Some(key);
        let reason = if is_new {
            Reason::Within(rule)
        } else {
            Reason::OldestWithin(rule)
        };
        kept.reasons.push(reason.clone());
        kept.hits.push(RuleHit {
            rule: reason,
            n: None,
            of: Extent::Span(span),
            bucket: bucket_name(rule, *wall),
        });
    }
}

fn count_buckets(rule: Rule, count: Count, walls: &[NaiveDateTime], kept: &mut [Kept]) {
    let limit = match count {
        Count::Number(n) => n.get(),
        Count::Unlimited => u32::MAX,
    };
    let mut used = 0;
    let mut last = None;
    for (i, (wall, kept)) in walls.iter().zip(kept).enumerate() {
        if used == limit {
            return;
        }
        let key = bucket(rule, *wall);
        let is_new = rule == Rule::Last || last != Some(key);
        // While buckets are left when the snapshots run out, the oldest stays too.
        let is_oldest = i + 1 == walls.len();
        if is_new || is_oldest {
            used += 1;
            last = Some(key);
            let reason = if is_new {
                Reason::Rule(rule)
            } else {
                Reason::Oldest(rule)
            };
            kept.reasons.push(reason.clone());
            kept.hits.push(RuleHit {
                rule: reason,
                n: Some(used),
                of: Extent::Count(count),
                bucket: bucket_name(rule, *wall),
            });
        }
    }
}
