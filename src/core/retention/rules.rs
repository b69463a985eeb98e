//! The rules of a policy over the snapshots that fill buckets. Those of restic's `forget`: each counts by itself.
//!
//! Source: restic's manual, "Removing snapshots according to a policy", and the cases of its own test-suite.

use std::cell::RefCell;

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use super::buckets::{bucket, bucket_name, start_of_window, wall_clock};
use super::{Extent, Reason, RuleHit};
use crate::core::model::{CalendarSpan, Count, Policy, Rule, Timestamp};

/// Applies every rule to `times`, the starts of the snapshots that fill buckets, newest first. Tells `keeps` which of them
/// a rule keeps and how it counted it, rule by rule: most of a hundred thousand snapshots no rule keeps.
pub(super) fn apply(
    policy: &Policy,
    times: &[Timestamp],
    now: Timestamp,
    mut keeps: impl FnMut(usize, RuleHit),
) {
    let walls = Walls {
        times,
        zone: policy.timezone,
        known: RefCell::default(),
    };
    for rule in Rule::ALL {
        if let Some(count) = policy.keep.count(rule) {
            count_buckets(rule, count, &walls, &mut keeps);
        }
    }
    for rule in Rule::ALL {
        if let Some(span) = policy.keep.within(rule) {
            let start = window(span, times.iter().copied(), now, policy);
            look_back(rule, span, start, &walls, &mut keeps);
        }
    }
}

/// The wall clock at each of `times`, worked out as far as a rule asks: most of them reach no further than some dozens of
/// a hundred thousand snapshots.
struct Walls<'a> {
    times: &'a [Timestamp],
    zone: Tz,
    known: RefCell<Vec<NaiveDateTime>>,
}

impl Walls<'_> {
    fn at(&self, i: usize) -> NaiveDateTime {
        let mut known = self.known.borrow_mut();
        if let Some(more) = self.times.get(known.len()..=i) {
            known.extend(more.iter().map(|time| wall_clock(*time, self.zone)));
        }
        known.get(i).copied().unwrap_or_default()
    }

    /// The bucket of each.
    fn keys(&self, rule: Rule) -> impl ExactSizeIterator<Item = i64> {
        (0..self.times.len()).map(move |i| bucket(rule, self.at(i)))
    }
}

/// Where a window begins: counted back from the newest that is not in the future, never from now, so that a host that
/// stopped expires nothing. Where all are in the future, nothing is known of time, and the window holds them all.
pub(super) fn window(
    span: CalendarSpan,
    mut times: impl Iterator<Item = Timestamp>,
    now: Timestamp,
    policy: &Policy,
) -> Timestamp {
    let newest = times.find(|time| *time <= now);
    newest.map_or(Timestamp::from_millis(i64::MIN), |newest| {
        start_of_window(newest, span, policy.timezone)
    })
}

/// Every snapshot after `start`, or one of each bucket; and the oldest there is, if it lies there.
fn look_back(
    rule: Rule,
    span: CalendarSpan,
    start: Timestamp,
    walls: &Walls<'_>,
    keeps: &mut impl FnMut(usize, RuleHit),
) {
    let all = walls.times.iter().copied().zip(walls.keys(rule));
    reached(rule, start, all, |i, is_new| {
        let reason = if is_new {
            Reason::Within(rule)
        } else {
            Reason::OldestWithin(rule)
        };
        let hit = RuleHit {
            rule: reason,
            n: None,
            of: Extent::Span(span),
            bucket: bucket_name(rule, walls.at(i)),
        };
        keeps(i, hit);
    });
}

fn count_buckets(
    rule: Rule,
    count: Count,
    walls: &Walls<'_>,
    keeps: &mut impl FnMut(usize, RuleHit),
) {
    counted(rule, limit(count), walls.keys(rule), |i, n, is_new| {
        let reason = if is_new {
            Reason::Rule(rule)
        } else {
            Reason::Oldest(rule)
        };
        let hit = RuleHit {
            rule: reason,
            n: Some(n),
            of: Extent::Count(count),
            bucket: bucket_name(rule, walls.at(i)),
        };
        keeps(i, hit);
    });
}

/// How many buckets `count` allows.
pub(super) fn limit(count: Count) -> u32 {
    match count {
        Count::Number(n) => n.get(),
        Count::Unlimited => u32::MAX,
    }
}

/// Tells `found` of each snapshot that a rule of `limit` buckets keeps: which it is, how many that makes, and whether it
/// begins a bucket or stays as the oldest. `keys` are the buckets of the snapshots, newest first.
pub(super) fn counted(
    rule: Rule,
    limit: u32,
    keys: impl ExactSizeIterator<Item = i64>,
    mut found: impl FnMut(usize, u32, bool),
) {
    let length = keys.len();
    let mut used = 0;
    let mut last = None;
    for (i, key) in keys.enumerate() {
        if used == limit {
            return;
        }
        let is_new = rule == Rule::Last || last != Some(key);
        // While buckets are left when the snapshots run out, the oldest stays too.
        if is_new || i + 1 == length {
            used += 1;
            last = Some(key);
            found(i, used, is_new);
        }
    }
}

/// Tells `found` of each snapshot that a window from `start` keeps: which it is, and whether it begins a bucket or stays
/// as the oldest. `all` are start and bucket of the snapshots, newest first.
pub(super) fn reached(
    rule: Rule,
    start: Timestamp,
    all: impl ExactSizeIterator<Item = (Timestamp, i64)>,
    mut found: impl FnMut(usize, bool),
) {
    let length = all.len();
    let mut last = None;
    for (i, (time, key)) in all.enumerate() {
        if time <= start {
            // So are all that follow.
            return;
        }
        let is_new = rule == Rule::Last || last != Some(key);
        if is_new || i + 1 == length {
            last = Some(key);
            found(i, is_new);
        }
    }
}
