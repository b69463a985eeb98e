//! The decision for every snapshot of a host: planned twice, by the policy in force and by the proposed one.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::buckets::wall_clock;
use super::kept::AllKept;
use super::ranked::Ranked;
use super::{Cause, Reason, RuleHit, expiry, rules};
use crate::core::model::{
    Kinds, Policy, Snapshot, SnapshotKind, SnapshotName, SnapshotStatus, Timestamp,
};

/// How a host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is backed up, and its policy decides.
    Active,
    /// It is paused: nothing goes.
    Paused,
    /// It has left, and its snapshots stay.
    Retired,
    /// It was removed with its snapshots: all go but held and running ones.
    RemoveAll,
}

/// One of the two states a host is planned in.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The policy; nothing keeps everything.
    pub policy: Option<&'a Policy>,
    /// How the host stands.
    pub mode: Mode,
}

/// What is asked about one host.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Its snapshots in any order; those that are not on disk are passed over.
    pub snapshots: &'a [Snapshot],
    /// What SQL says today.
    pub in_force: Side<'a>,
    /// What the plan proposes; the same where nothing changes.
    pub proposed: Side<'a>,
    /// The kinds asked about; those of each policy if absent.
    pub kinds: Option<Kinds>,
    /// The moment to plan for.
    pub now: Timestamp,
    /// When the host will be backed up next, ascending; may be empty.
    pub upcoming: &'a [Timestamp],
}

/// A policy without a rule, which would delete everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a retention policy keeps nothing")]
pub struct EmptyPolicy;

/// The decision for every snapshot of a host, newest first by start and name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a decision does nothing by itself"]
pub struct HostRetention<'a> {
    /// One for each snapshot on disk.
    pub decisions: Vec<Decision<'a>>,
}

/// The decision for one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The snapshot.
    pub snapshot: &'a Snapshot,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What becomes of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep {
        /// Why; never empty.
        reasons: Vec<Reason>,
        /// How the rules counted it.
        rules: Vec<RuleHit>,
        /// The policy in force deletes it.
        rescued: bool,
        /// The day it would go if backups go on as in `upcoming`, in the policy's zone; nothing if not within that time.
        expires_on: Option<NaiveDate>,
    },
    /// It goes.
    Delete {
        /// Why.
        cause: Cause,
        /// What keeps it under the policy in force; empty unless the plan changes that.
        previously_kept_by: Vec<Reason>,
    },
}

/// Decides on every snapshot of a host.
///
/// # Errors
/// When a policy has no rule: that is never taken for "delete everything".
pub fn plan_host<'a>(question: &Question<'a>) -> Result<HostRetention<'a>, EmptyPolicy> {
    let snapshots = Ranked::newest_first(question.snapshots, question.now);
    let mut proposed = decide(&snapshots, question.proposed, question)?;
    let is_same = question.in_force.mode == question.proposed.mode
        && question.in_force.policy == question.proposed.policy;
    // An empty policy that somehow came into force has never deleted anything: it must not stop the one that mends it.
    let in_force = Side {
        policy: question
            .in_force
            .policy
            .filter(|policy| !policy.keep.is_empty()),
        ..question.in_force
    };
    let in_force = if is_same {
        None
    } else {
        Some(decide(&snapshots, in_force, question)?)
    };
    let ends = expiry::ends(&snapshots, &proposed, question);
    let zone = question.proposed.policy.map(|policy| policy.timezone);
    let day = |i: usize| {
        let end = ends.get(i).copied().flatten()?;
        Some(wall_clock(end, zone?).date())
    };

    let mut decisions = Vec::with_capacity(snapshots.len());
    for (i, ranked) in snapshots.iter().enumerate() {
        let snapshot = ranked.snapshot;
        let kept = proposed.take(i);
        let before = in_force.as_ref().and_then(|all| all.get(i));
        let was_kept = match in_force {
            Some(_) => before.is_some(),
            None => kept.is_some(),
        };
        let verdict = match kept {
            None => {
                let cause = cause(ranked.status, question.proposed.mode, was_kept);
                let previously_kept_by = match cause {
                    Cause::PolicyChange => {
                        before.map(|kept| kept.reasons.clone()).unwrap_or_default()
                    }
                    Cause::Expired | Cause::HostRemoved | Cause::Incomplete => Vec::new(),
                };
                Verdict::Delete {
                    cause,
                    previously_kept_by,
                }
            }
            Some(mut kept) => {
                kept.reasons.shrink_to_fit();
                kept.hits.shrink_to_fit();
                Verdict::Keep {
                    reasons: kept.reasons,
                    rules: kept.hits,
                    rescued: !was_kept,
                    expires_on: day(i),
                }
            }
        };
        decisions.push(Decision { snapshot, verdict });
    }
    Ok(HostRetention { decisions })
}

pub(super) fn is_being_made(snapshot: &Snapshot) -> bool {
    snapshot.status == SnapshotStatus::Running && snapshot.live
}

pub(super) fn is_held(snapshot: &Snapshot, now: Timestamp) -> bool {
    let hold = snapshot.hold.as_ref();
    hold.is_some_and(|hold| hold.is_in_force(now))
}

fn cause(status: SnapshotStatus, mode: Mode, was_kept: bool) -> Cause {
    match (mode, status) {
        (Mode::RemoveAll, _) => Cause::HostRemoved,
        // A prune has committed to it: no policy decides any more.
        (_, SnapshotStatus::Deleting) => Cause::Expired,
        (_, SnapshotStatus::Partial | SnapshotStatus::Failed | SnapshotStatus::Running) => {
            Cause::Incomplete
        }
        _ if was_kept => Cause::PolicyChange,
        _ => Cause::Expired,
    }
}

/// One side of the question: what keeps each of `snapshots`, newest first; nothing keeps what goes.
fn decide(
    snapshots: &[Ranked<'_>],
    side: Side<'_>,
    question: &Question<'_>,
) -> Result<AllKept, EmptyPolicy> {
    let now = question.now;
    let mut kept = pinned(snapshots, now);
    let everywhere = match (side.mode, side.policy) {
        (Mode::RemoveAll, _) => return Ok(kept),
        (Mode::Retired, _) => Some(Reason::Retired),
        (Mode::Paused, _) => Some(Reason::Paused),
        (Mode::Active, None) => Some(Reason::NoPolicy),
        (Mode::Active, Some(_)) => None,
    };
    if let Some(newest) = snapshots
        .iter()
        .position(|s| s.status == SnapshotStatus::Complete)
        && let Some(kept) = kept.get_mut(newest)
    {
        kept.reasons.insert(0, Reason::Newest);
    }
    if let (None, Some(policy)) = (&everywhere, side.policy) {
        if policy.keep.is_empty() {
            return Err(EmptyPolicy);
        }
        let kinds = question.kinds.unwrap_or(policy.kinds);
        by_rules(snapshots, policy, kinds, now, &mut kept);
        if policy.protect_bases {
            protect_bases(snapshots, &mut kept);
        }
        for (i, ranked) in snapshots.iter().enumerate() {
            if let Some(reason) = beside_the_rules(ranked, policy, kinds, now) {
                kept.add(i, reason);
            }
        }
    }
    for (i, ranked) in snapshots.iter().enumerate() {
        if ranked.status == SnapshotStatus::Deleting {
            // No policy keeps what a prune has committed to; a pin does.
            if let Some(kept) = kept.get_mut(i) {
                kept.reasons.retain(|reason| *reason == Reason::Hold);
                kept.hits.clear();
            }
        } else if let Some(reason) = &everywhere {
            kept.add(i, reason.clone());
        }
    }
    Ok(kept)
}

/// What no policy can let go of.
fn pinned(snapshots: &[Ranked<'_>], now: Timestamp) -> AllKept {
    let mut kept = AllKept::none(snapshots.len());
    let all = snapshots.iter().enumerate();
    for (i, ranked) in all.filter(|(_, ranked)| ranked.is_pinned) {
        if is_being_made(ranked.snapshot) {
            kept.add(i, Reason::Running);
        }
        if is_held(ranked.snapshot, now) {
            kept.add(i, Reason::Hold);
        }
    }
    kept
}

fn by_rules(
    snapshots: &[Ranked<'_>],
    policy: &Policy,
    kinds: Kinds,
    now: Timestamp,
    kept: &mut AllKept,
) {
    let filling: Vec<usize> = (0..)
        .zip(snapshots)
        .filter(|(_, s)| s.fills(kinds))
        .map(|(i, _)| i)
        .collect();
    let times: Vec<Timestamp> = snapshots
        .iter()
        .filter(|s| s.fills(kinds))
        .map(|s| s.started_at)
        .collect();
    rules::apply(policy, &times, now, |i, hit| {
        if let Some(kept) = filling.get(i).and_then(|i| kept.get_mut(*i)) {
            // Most have one of each: a list that grows by itself has room for four.
            kept.reasons.reserve_exact(1);
            kept.reasons.push(hit.rule.clone());
            kept.hits.reserve_exact(1);
            kept.hits.push(hit);
        }
    });
}

/// One step and no further: what a snapshot kept so far was linked against.
fn protect_bases(snapshots: &[Ranked<'_>], kept: &mut AllKept) {
    // Names of the older service may stand under both kinds: which one was the base is not known, so both stay.
    let mut by_name: HashMap<&SnapshotName, Vec<usize>> = HashMap::new();
    for (i, s) in snapshots.iter().enumerate() {
        if s.status == SnapshotStatus::Complete {
            by_name.entry(&s.snapshot.name).or_default().push(i);
        }
    }
    let mut guards: Vec<(usize, SnapshotName)> = Vec::new();
    for (i, s) in kept
        .iter()
        .filter_map(|(i, _)| Some((i, snapshots.get(i)?)))
    {
        let bases = s.snapshot.base.as_ref();
        let bases = bases.and_then(|base| by_name.get(base));
        guards.extend(
            bases
                .into_iter()
                .flatten()
                .filter(|base| **base != i)
                .map(|base| (*base, s.snapshot.name.clone())),
        );
    }
    for (base, child) in guards {
        kept.add(base, Reason::BaseOf(child));
    }
}

/// Snapshots that the rules do not speak of.
fn beside_the_rules(
    ranked: &Ranked<'_>,
    policy: &Policy,
    kinds: Kinds,
    now: Timestamp,
) -> Option<Reason> {
    let is_incomplete = match ranked.status {
        SnapshotStatus::Running => !ranked.snapshot.live,
        SnapshotStatus::Partial | SnapshotStatus::Failed => true,
        _ => false,
    };
    if !kinds.contains(ranked.kind) {
        Some(Reason::KindNotSelected)
    } else if is_incomplete && now < grace_ends(ranked.snapshot, policy) {
        Some(Reason::Grace)
    } else {
        None
    }
}

/// When an incomplete snapshot is old enough to go. A pull may take days: what counts is when it ended, if that is known.
pub(super) fn grace_ends(snapshot: &Snapshot, policy: &Policy) -> Timestamp {
    let since = snapshot.finished_at.unwrap_or(snapshot.started_at);
    since.max(snapshot.started_at).plus(policy.incomplete_after)
}

/// The kinds that fill buckets on the proposed side, if a policy decides there at all.
pub(super) fn deciding<'a>(question: &Question<'a>) -> Option<(&'a Policy, Kinds)> {
    match (question.proposed.mode, question.proposed.policy) {
        (Mode::Active, Some(policy)) => Some((policy, question.kinds.unwrap_or(policy.kinds))),
        _ => None,
    }
}

/// The kind that a schedule makes.
pub(super) const UPCOMING_KIND: SnapshotKind = SnapshotKind::Scheduled;
