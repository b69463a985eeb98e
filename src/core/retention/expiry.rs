//! The day on which a kept snapshot would go if backups go on as scheduled: answered rule by rule, not by planning every
//! night of the coming years.
//!
//! Why that is exact: a rule lets go of a bucket only once enough newer buckets are filled, and only coming backups fill
//! newer ones; the newest of an older bucket never changes, and the oldest snapshot stays as long as a rule has room.

use std::collections::HashMap;
use std::num::NonZeroU32;

use chrono::NaiveDate;

use super::buckets::{bucket, start_of_window, wall_clock};
use super::decide::{UPCOMING_KIND, deciding};
use super::rules::Kept;
use super::{Question, Reason};
use crate::core::model::{Count, Policy, Rule, Snapshot, SnapshotName, SnapshotStatus, Timestamp};

/// For each of `snapshots`, newest first, the day it would go; nothing where it would not within the time looked at.
pub(super) fn days(
    snapshots: &[&Snapshot],
    kept: &[Kept],
    question: &Question<'_>,
) -> Vec<Option<NaiveDate>> {
    let Some((policy, kinds)) = deciding(question).filter(|_| !snapshots.is_empty()) else {
        return vec![None; snapshots.len()];
    };
    // What the next backup would be dated before is no order to reason about.
    let newest = snapshots
        .iter()
        .position(|s| s.status == SnapshotStatus::Complete && kinds.contains(s.kind));
    let is_ordered = snapshots.first().is_none_or(|s| {
        question
            .upcoming
            .first()
            .is_none_or(|next| s.started_at < *next)
    });
    if !is_ordered {
        return vec![None; snapshots.len()];
    }
    let fills = kinds.contains(UPCOMING_KIND);
    let filling = snapshots
        .iter()
        .filter(|s| s.status == SnapshotStatus::Complete && kinds.contains(s.kind));
    let next_key = |i: Option<usize>, rule: Rule| {
        i.and_then(|i| snapshots.get(i))
            .map(|s| key(policy, rule, s.started_at))
    };
    let ahead = Ahead {
        policy,
        fires: if fills { question.upcoming } else { &[] },
        next: question.upcoming.first().copied(),
        newest,
        is_alone: filling.count() == 1,
        firsts: Rule::ALL
            .into_iter()
            .map(|rule| {
                let fires = if fills { question.upcoming } else { &[] };
                (
                    rule,
                    new_buckets(policy, rule, fires, next_key(newest, rule)),
                )
            })
            .collect(),
    };
    let by_own_rules: Vec<Option<Timestamp>> = snapshots
        .iter()
        .zip(kept)
        .enumerate()
        .map(|(i, (s, kept))| {
            ahead.latest(
                i,
                s,
                kept.reasons
                    .iter()
                    .filter(|r| !matches!(r, Reason::BaseOf(_))),
                kept,
            )
        })
        .collect();
    // The next backup will be linked against the newest, and guard it for as long as itself is kept.
    let next_base = snapshots
        .iter()
        .position(is_complete)
        .filter(|_| policy.protect_bases);
    let by_name: HashMap<&SnapshotName, usize> = snapshots
        .iter()
        .enumerate()
        .map(|(i, s)| (&s.name, i))
        .collect();
    let with_bases = snapshots
        .iter()
        .zip(kept)
        .enumerate()
        .map(|(i, (_, kept))| {
            if kept.reasons.is_empty() || next_base == Some(i) {
                return None;
            }
            let own = if kept.reasons.iter().all(|r| matches!(r, Reason::BaseOf(_))) {
                Some(Timestamp::from_millis(i64::MIN))
            } else {
                by_own_rules.get(i).copied().flatten()
            };
            kept.reasons
                .iter()
                .try_fold(own?, |latest, reason| match reason {
                    Reason::BaseOf(child) => {
                        Some(latest.max(by_own_rules.get(*by_name.get(child)?).copied().flatten()?))
                    }
                    _ => Some(latest),
                })
        });
    with_bases
        .map(|time| time.map(|t| wall_clock(t, policy.timezone).date()))
        .collect()
}

fn is_complete(snapshot: &&Snapshot) -> bool {
    snapshot.status == SnapshotStatus::Complete
}

fn key(policy: &Policy, rule: Rule, time: Timestamp) -> i64 {
    bucket(rule, wall_clock(time, policy.timezone))
}

/// The fires that begin a bucket newer than `newest`, every fire for [`Rule::Last`]: as many as the rule has buckets,
/// since what it lets go of later is nothing it holds now.
fn new_buckets(
    policy: &Policy,
    rule: Rule,
    fires: &[Timestamp],
    newest: Option<i64>,
) -> Vec<Timestamp> {
    let most = match policy.keep.count(rule) {
        Some(Count::Number(n)) => n.get() as usize,
        // Without a rule nothing ends by it, and one without a limit never ends.
        Some(Count::Unlimited) | None => return Vec::new(),
    };
    let mut last = newest;
    let begins = |fire: &&Timestamp| {
        let key = key(policy, rule, **fire);
        let is_new = rule == Rule::Last || last != Some(key);
        last = Some(key);
        is_new
    };
    fires.iter().filter(begins).take(most).copied().collect()
}

struct Ahead<'a> {
    policy: &'a Policy,
    /// Backups that fill buckets.
    fires: &'a [Timestamp],
    /// The next backup, whether it fills buckets or not.
    next: Option<Timestamp>,
    /// The newest snapshot that fills buckets.
    newest: Option<usize>,
    /// That one is the only snapshot that fills buckets.
    is_alone: bool,
    firsts: HashMap<Rule, Vec<Timestamp>>,
}

impl Ahead<'_> {
    /// When the last of `reasons` lets go; nothing if one never does within the time looked at.
    fn latest<'r>(
        &self,
        i: usize,
        snapshot: &Snapshot,
        reasons: impl Iterator<Item = &'r Reason>,
        kept: &Kept,
    ) -> Option<Timestamp> {
        let mut latest = None;
        for reason in reasons {
            let ends = match reason {
                Reason::Newest => self.next,
                Reason::Hold => snapshot.hold.as_ref().and_then(|hold| hold.until),
                Reason::Grace => Some(snapshot.started_at.plus(self.policy.incomplete_after)),
                Reason::Rule(rule) => self.rule_ends(i, snapshot, *rule, position(kept, reason)?),
                Reason::Oldest(rule) => self.room_ends(*rule, position(kept, reason)?),
                Reason::Within(rule) => self.window_ends(i, snapshot, *rule),
                Reason::Running
                | Reason::KindNotSelected
                | Reason::Retired
                | Reason::Paused
                | Reason::NoPolicy
                | Reason::BaseOf(_) => None,
            }?;
            latest = latest.max(Some(ends));
        }
        latest
    }

    fn rule_ends(&self, i: usize, snapshot: &Snapshot, rule: Rule, n: u32) -> Option<Timestamp> {
        match self.taken_over(i, snapshot, rule) {
            None => self.room_ends(rule, n),
            // The one that takes its place makes it the oldest, which stays while the rule has room.
            Some(_)
                if self.is_alone
                    && self.policy.keep.count(rule) != Some(Count::Number(NonZeroU32::MIN)) =>
            {
                self.room_ends(rule, n + 1)
            }
            taken_over => taken_over,
        }
    }

    /// A backup that falls into the bucket of the newest takes its place there.
    fn taken_over(&self, i: usize, snapshot: &Snapshot, rule: Rule) -> Option<Timestamp> {
        let next = *self.fires.first()?;
        let is_same = key(self.policy, rule, next) == key(self.policy, rule, snapshot.started_at);
        (rule != Rule::Last && self.newest == Some(i) && is_same).then_some(next)
    }

    /// The n-th of N buckets goes with the (N − n + 1)-th new one.
    fn room_ends(&self, rule: Rule, n: u32) -> Option<Timestamp> {
        match self.policy.keep.count(rule)? {
            Count::Unlimited => None,
            Count::Number(limit) => self
                .firsts
                .get(&rule)?
                .get(limit.get().checked_sub(n)? as usize)
                .copied(),
        }
    }

    fn window_ends(&self, i: usize, snapshot: &Snapshot, rule: Rule) -> Option<Timestamp> {
        if let Some(next) = self.taken_over(i, snapshot, rule) {
            return Some(next);
        }
        let span = self.policy.keep.within(rule)?;
        let is_inside = |fire: &Timestamp| {
            snapshot.started_at > start_of_window(*fire, span, self.policy.timezone)
        };
        self.fires
            .get(self.fires.partition_point(is_inside))
            .copied()
    }
}

fn position(kept: &Kept, reason: &Reason) -> Option<u32> {
    kept.hits.iter().find(|hit| hit.rule == *reason)?.n
}
