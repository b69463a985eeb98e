//! The day on which a kept snapshot would go if backups go on as scheduled: answered rule by rule, not by planning every
//! night of the coming years.
//!
//! Why that is exact: a rule lets go of a bucket only once enough newer buckets are filled, and only coming backups fill
//! newer ones; the newest of an older bucket never changes, and the oldest snapshot stays as long as a rule has room.

use std::collections::HashMap;
use std::num::NonZeroU32;

use super::buckets::{bucket, start_of_window, wall_clock};
use super::decide::{UPCOMING_KIND, deciding, grace_ends};
use super::kept::{AllKept, Kept};
use super::ranked::Ranked;
use super::{Question, Reason};
use crate::core::model::{Count, Kinds, Policy, Rule, SnapshotName, SnapshotStatus, Timestamp};

/// For each of `snapshots`, newest first, the moment it would go; nothing where it would not within the time looked at. An
/// empty list where that is so for all.
pub(super) fn ends(
    snapshots: &[Ranked<'_>],
    kept: &AllKept,
    question: &Question<'_>,
) -> Vec<Option<Timestamp>> {
    let Some((policy, kinds)) = deciding(question).filter(|_| !snapshots.is_empty()) else {
        return Vec::new();
    };
    // What the next backup would be dated before is no order to reason about.
    let newest = snapshots.iter().position(|s| s.fills(kinds));
    let is_ordered = snapshots.first().is_none_or(|s| {
        question
            .upcoming
            .first()
            .is_none_or(|next| s.started_at < *next)
    });
    if !is_ordered {
        return Vec::new();
    }
    let fills = kinds.contains(UPCOMING_KIND);
    let filling = snapshots.iter().filter(|s| s.fills(kinds));
    let next_key = |i: Option<usize>, rule: Rule| {
        i.and_then(|i| snapshots.get(i))
            .map(|s| key(policy, rule, s.started_at))
    };
    let ahead = Ahead {
        policy,
        fires: if fills { question.upcoming } else { &[] },
        prunes: question.upcoming,
        kinds,
        windows: windows(policy, if fills { question.upcoming } else { &[] }),
        newest,
        is_alone: filling.take(2).count() == 1,
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
    let mut by_own_rules: Vec<Option<Timestamp>> = vec![None; snapshots.len()];
    for (i, kept) in kept.iter() {
        if let (Some(own), Some(ranked)) = (by_own_rules.get_mut(i), snapshots.get(i)) {
            *own = ahead.latest(i, ranked, kept);
        }
    }
    // The next backup will be linked against the newest, and guard it for as long as itself is kept.
    let next_base = snapshots
        .iter()
        .position(is_complete)
        .filter(|_| policy.protect_bases);
    let mut by_name: HashMap<&SnapshotName, Vec<usize>> = HashMap::new();
    let mut reasons = kept.iter().flat_map(|(_, kept)| &kept.reasons);
    if reasons.any(is_base_of) {
        for (i, s) in snapshots.iter().enumerate() {
            by_name.entry(&s.snapshot.name).or_default().push(i);
        }
    }
    let with_bases = |i: usize, kept: &Kept| {
        if next_base == Some(i) {
            return None;
        }
        let own = if kept.reasons.iter().all(is_base_of) {
            Some(Timestamp::from_millis(i64::MIN))
        } else {
            by_own_rules.get(i).copied().flatten()
        };
        kept.reasons
            .iter()
            .try_fold(own?, |latest, reason| match reason {
                Reason::BaseOf(child) => by_name
                    .get(child)?
                    .iter()
                    .try_fold(latest, |latest, child| {
                        Some(latest.max(by_own_rules.get(*child).copied().flatten()?))
                    }),
                _ => Some(latest),
            })
    };
    let mut times: Vec<Option<Timestamp>> = vec![None; snapshots.len()];
    for (i, kept) in kept.iter() {
        if let Some(time) = times.get_mut(i) {
            *time = with_bases(i, kept);
        }
    }
    ahead.last_of_all(snapshots, kept, times)
}

fn is_base_of(reason: &Reason) -> bool {
    matches!(reason, Reason::BaseOf(_))
}

fn is_complete(ranked: &Ranked<'_>) -> bool {
    ranked.status == SnapshotStatus::Complete
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
    /// Every backup, whether it fills buckets or not: what goes goes with one.
    prunes: &'a [Timestamp],
    kinds: Kinds,
    /// For each window, how far back the backups up to a fire have reached at most: a later day of the calendar may
    /// reach further back (28 April less two months lies after 30 April less two months where February is short).
    windows: HashMap<Rule, Vec<Timestamp>>,
    /// The newest snapshot that fills buckets.
    newest: Option<usize>,
    /// That one is the only snapshot that fills buckets.
    is_alone: bool,
    firsts: HashMap<Rule, Vec<Timestamp>>,
}

impl Ahead<'_> {
    /// When the last reason of a snapshot's own lets go; nothing if one never does within the time looked at.
    fn latest(&self, i: usize, ranked: &Ranked<'_>, kept: &Kept) -> Option<Timestamp> {
        let mut latest = None;
        for reason in kept.reasons.iter().filter(|reason| !is_base_of(reason)) {
            let ends = match reason {
                Reason::Newest => self.prunes.first().copied(),
                Reason::Hold => {
                    self.prune_from(ranked.snapshot.hold.as_ref().and_then(|hold| hold.until)?)
                }
                Reason::Grace => self.prune_from(grace_ends(ranked.snapshot, self.policy)),
                Reason::Rule(rule) => self.rule_ends(i, ranked, *rule, position(kept, reason)?),
                Reason::Oldest(rule) => self.room_ends(*rule, position(kept, reason)?),
                Reason::Within(rule) => self.within_ends(i, ranked, *rule),
                Reason::OldestWithin(rule) => self.window_ends(ranked, *rule),
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

    /// The first prune at or after `time`.
    fn prune_from(&self, time: Timestamp) -> Option<Timestamp> {
        self.prunes
            .get(self.prunes.partition_point(|prune| *prune < time))
            .copied()
    }

    /// A snapshot that outlives every older one becomes the oldest, which a window of buckets keeps while it reaches it.
    fn last_of_all(
        &self,
        snapshots: &[Ranked<'_>],
        kept: &AllKept,
        mut times: Vec<Option<Timestamp>>,
    ) -> Vec<Option<Timestamp>> {
        // When the last of the older ones goes; nothing if one of them stays.
        let mut older = Some(Timestamp::from_millis(i64::MIN));
        for (i, _) in kept.iter().rev() {
            let (Some(ranked), Some(time)) = (snapshots.get(i), times.get_mut(i)) else {
                continue;
            };
            if !ranked.fills(self.kinds) {
                continue;
            }
            if let (Some(own), Some(last)) = (*time, older)
                && last < own
            {
                for rule in Rule::ALL.into_iter().filter(|rule| *rule != Rule::Last) {
                    if self.policy.keep.within(rule).is_some() {
                        *time = time.and_then(|t| Some(t.max(self.window_ends(ranked, rule)?)));
                    }
                }
            }
            older = older.and_then(|last| Some(last.max((*time)?)));
        }
        times
    }

    fn rule_ends(&self, i: usize, ranked: &Ranked<'_>, rule: Rule, n: u32) -> Option<Timestamp> {
        match self.taken_over(i, ranked, rule) {
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
    fn taken_over(&self, i: usize, ranked: &Ranked<'_>, rule: Rule) -> Option<Timestamp> {
        let next = *self.fires.first()?;
        let is_same = key(self.policy, rule, next) == key(self.policy, rule, ranked.started_at);
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

    fn within_ends(&self, i: usize, ranked: &Ranked<'_>, rule: Rule) -> Option<Timestamp> {
        self.taken_over(i, ranked, rule)
            .or_else(|| self.window_ends(ranked, rule))
    }

    /// The first backup from which the window does not reach back to `snapshot`.
    fn window_ends(&self, ranked: &Ranked<'_>, rule: Rule) -> Option<Timestamp> {
        let reached = self.windows.get(&rule)?;
        let at = reached.partition_point(|start| ranked.started_at > *start);
        self.fires.get(at).copied()
    }
}

/// For each window and backup, the latest start that a window had up to then.
fn windows(policy: &Policy, fires: &[Timestamp]) -> HashMap<Rule, Vec<Timestamp>> {
    let of = |rule: Rule| {
        let span = policy.keep.within(rule)?;
        let starts = fires
            .iter()
            .map(|fire| start_of_window(*fire, span, policy.timezone));
        let mut latest = Timestamp::from_millis(i64::MIN);
        Some((
            rule,
            starts
                .map(|start| {
                    latest = latest.max(start);
                    latest
                })
                .collect(),
        ))
    };
    Rule::ALL.into_iter().filter_map(of).collect()
}

fn position(kept: &Kept, reason: &Reason) -> Option<u32> {
    kept.hits.iter().find(|hit| hit.rule == *reason)?.n
}
