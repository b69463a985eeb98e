//! The rules of a policy over the snapshots that fill buckets. Those of restic's `forget`: each counts by itself.
//!
//! Source: restic's manual, "Removing snapshots according to a policy", and the cases of its own test-suite.

use chrono::{NaiveDateTime, TimeDelta};
use chrono_tz::Tz;

use super::buckets::{bucket, bucket_name, since_start, start_of_window, wall_clock};
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

/// The snapshots that fill buckets, by the wall clock.
struct Walls<'a> {
    times: &'a [Timestamp],
    zone: Tz,
}

/// How far a zone's wall clock may go ahead or back at most, all its changes together: from one side of the date line to
/// the other, and some hours more.
const MOST_CHANGE: TimeDelta = TimeDelta::days(2);

impl Walls<'_> {
    fn at(&self, i: usize) -> NaiveDateTime {
        let time = self.times.get(i);
        time.map_or_else(NaiveDateTime::default, |t| wall_clock(*t, self.zone))
    }

    fn key(&self, rule: Rule, i: usize) -> i64 {
        match rule {
            Rule::Last => 0,
            _ => bucket(rule, self.at(i)),
        }
    }

    /// The bucket of each.
    fn keys(&self, rule: Rule) -> impl ExactSizeIterator<Item = i64> {
        (0..self.times.len()).map(move |i| self.key(rule, i))
    }

    /// The bucket of each but of those that lie where the one before does for certain: of a year of hourly snapshots some
    /// hundred are looked at. The last is never left out.
    fn telling_keys(&self, rule: Rule) -> impl Iterator<Item = (usize, i64)> {
        let mut next = 0;
        let mut bucket = None;
        // Later than the first of these and before the second a snapshot is in `bucket`, however the clock was changed.
        let mut certain = (i64::MAX, i64::MIN);
        std::iter::from_fn(move || {
            let is_certain = |time: &Timestamp| {
                let time = time.millis();
                certain.0 < time && time < certain.1
            };
            if self.times.get(next).is_some_and(is_certain) {
                let first_other = self.times.partition_point(|t| t.millis() > certain.0);
                next = first_other.min(self.times.len() - 1).max(next);
            }
            let i = next;
            let time = self.times.get(i)?.millis();
            next += 1;
            let key = self.key(rule, i);
            if bucket.replace(key) != Some(key) {
                let change = MOST_CHANGE.num_milliseconds();
                certain = since_start(rule, self.at(i)).map_or((i64::MAX, i64::MIN), |since| {
                    (time - since.num_milliseconds() + change, time - change)
                });
            }
            Some((i, key))
        })
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
    let all = walls.times.len();
    let keys = walls.telling_keys(rule);
    counted(rule, limit(count), all, keys, |i, n, is_new| {
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
/// begins a bucket or stays as the oldest. There are `length` of them; `keys` are their buckets, newest first, where some may
/// be left out that are in the same one as the one before, but not the last.
pub(super) fn counted(
    rule: Rule,
    limit: u32,
    length: usize,
    keys: impl Iterator<Item = (usize, i64)>,
    mut found: impl FnMut(usize, u32, bool),
) {
    let mut used = 0;
    let mut last = None;
    for (i, key) in keys {
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

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::Walls;
    use crate::core::model::{Rule, Timestamp};

    #[test]
    fn what_is_not_looked_at_is_in_the_bucket_before_it_whatever_the_clock_did() {
        let hour = 3_600_000;
        let until: Timestamp = "2013-02-01T00:30:00Z".parse().unwrap();
        let hourly = (0..30_000).map(|i| i * hour);
        let seldom = (0..12_000).map(|i| i * 101 * hour);
        for spans in [hourly.collect::<Vec<i64>>(), seldom.collect()] {
            let times: Vec<Timestamp> = spans
                .iter()
                .map(|span| Timestamp::from_millis(until.millis() - span))
                .collect();
            // Apia left a day out in 2011, Manila had one twice in 1844.
            for zone in [
                Tz::UTC,
                Tz::Europe__Amsterdam,
                Tz::Pacific__Apia,
                Tz::Asia__Manila,
            ] {
                let walls = Walls {
                    times: &times,
                    zone,
                };
                for rule in Rule::ALL {
                    let all: Vec<i64> = walls.keys(rule).collect();
                    let mut found = vec![None; times.len()];
                    let mut looked_at = 0;
                    for (i, key) in walls.telling_keys(rule) {
                        found[i] = Some(key);
                        looked_at += 1;
                    }
                    assert_eq!(found.last(), Some(&all.last().copied()));
                    let mut before = None;
                    for (i, key) in all.iter().enumerate() {
                        before = found[i].or(before);
                        assert_eq!(before, Some(*key), "{zone} {rule} {i}");
                    }
                    if rule == Rule::Yearly {
                        assert!(looked_at < times.len() / 4, "{zone}: {looked_at}");
                    }
                }
            }
        }
    }
}
