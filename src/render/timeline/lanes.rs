//! Which snapshot stands in which lane, and by which mark: the picture before it is drawn.

use crate::core::model::{Rule, SnapshotKind, SnapshotStatus, Timestamp};
use crate::core::plan::{DeleteEntry, KeepEntry, RetentionPlan};
use crate::core::retention::{Cause, Reason};
use crate::render::text::{wall_clock, why_it_goes, why_it_stays, zone_of};

/// What becomes of a snapshot, as a mark tells it; a later one is drawn over an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Kept,
    Unfinished,
    Rescued,
    Expired,
    IncompleteGoes,
    GoesByChange,
}

impl Mark {
    pub(super) const ALL: [Self; 6] = [
        Self::Kept,
        Self::Rescued,
        Self::Unfinished,
        Self::GoesByChange,
        Self::Expired,
        Self::IncompleteGoes,
    ];

    /// The id of its shape.
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Kept => "mk",
            Self::Unfinished => "mu",
            Self::Rescued => "mr",
            Self::Expired => "me",
            Self::IncompleteGoes => "mi",
            Self::GoesByChange => "mc",
        }
    }

    /// What it says, for the legend.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Kept => "stays",
            Self::Unfinished => "incomplete, stays for now",
            Self::Rescued => "rescued: stays, the policy in force would delete it",
            Self::Expired => "goes, expired anyway",
            Self::IncompleteGoes => "incomplete, goes",
            Self::GoesByChange => "goes because of this change",
        }
    }

    fn of_kept(entry: &KeepEntry) -> Self {
        match entry.status {
            _ if entry.rescued => Self::Rescued,
            SnapshotStatus::Running | SnapshotStatus::Partial | SnapshotStatus::Failed => {
                Self::Unfinished
            }
            _ => Self::Kept,
        }
    }

    fn of_deleted(entry: &DeleteEntry) -> Self {
        match entry.reason {
            Cause::Expired => Self::Expired,
            Cause::PolicyChange | Cause::HostRemoved => Self::GoesByChange,
            Cause::Incomplete => Self::IncompleteGoes,
        }
    }

    pub(super) const fn stays(self) -> bool {
        matches!(self, Self::Kept | Self::Unfinished | Self::Rescued)
    }
}

/// One snapshot in one lane.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) at: Timestamp,
    pub(super) mark: Mark,
    /// What a pointer that rests on it is told; lanes of rules leave it to the lane of the kind.
    pub(super) title: Option<String>,
}

/// One line of the picture.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) label: String,
    pub(super) points: Vec<Point>,
}

impl Lane {
    /// How many stay and how many go.
    pub(super) fn note(&self) -> String {
        let stay = self.points.iter().filter(|p| p.mark.stays()).count();
        match (stay, self.points.len() - stay) {
            (stay, 0) => format!("{stay} stay"),
            (0, go) => format!("{go} go"),
            (stay, go) => format!("{stay} stay, {go} go"),
        }
    }
}

/// The lanes of a host: one a kind with every snapshot of it, then one a rule with those that it keeps or kept until
/// now. A lane without a snapshot is left out.
pub(super) fn lanes(plan: &RetentionPlan) -> Vec<Lane> {
    let kinds = SnapshotKind::ALL
        .into_iter()
        .map(|kind| of_kind(plan, kind));
    let mut words: Vec<(usize, String)> = plan
        .keep
        .iter()
        .flat_map(|entry| &entry.reasons)
        .chain(plan.delete.iter().flat_map(|e| &e.previously_kept_by))
        .map(lane_of)
        .collect();
    words.sort_unstable();
    words.dedup();
    let rules = words.into_iter().map(|(_, word)| of_reason(plan, word));
    kinds
        .chain(rules)
        .filter(|lane| !lane.points.is_empty())
        .collect()
}

/// The lane in which a reason is shown, behind its place in the order of lanes. The oldest one that a rule keeps stands
/// in the lane of that rule; all bases share one.
fn lane_of(reason: &Reason) -> (usize, String) {
    let place = |rule: &Rule| Rule::ALL.iter().position(|r| r == rule).unwrap_or(0);
    match reason {
        Reason::Newest => (0, "newest".to_owned()),
        Reason::Rule(rule) | Reason::Oldest(rule) => (10 + place(rule), rule.to_string()),
        Reason::Within(rule) | Reason::OldestWithin(rule) => {
            (20 + place(rule), Reason::Within(*rule).to_string())
        }
        Reason::Hold => (30, "hold".to_owned()),
        Reason::BaseOf(_) => (31, "base of another".to_owned()),
        other => (32, other.to_string()),
    }
}

fn of_kind(plan: &RetentionPlan, kind: SnapshotKind) -> Lane {
    let zone = zone_of(plan);
    let kept = plan.keep.iter().filter(|e| e.kind == kind).map(|entry| {
        let (at, mark) = (entry.started_at, Mark::of_kept(entry));
        let why = why_it_stays(entry);
        let title = format!("{}: stays, {why}", wall_clock(at, zone));
        (at, mark, title)
    });
    let deleted = plan.delete.iter().filter(|e| e.kind == kind).map(|entry| {
        let (at, mark) = (entry.started_at, Mark::of_deleted(entry));
        let why = why_it_goes(entry);
        let title = format!("{}: goes, {why}", wall_clock(at, zone));
        (at, mark, title)
    });
    let point = |(at, mark, title)| Point {
        at,
        mark,
        title: Some(title),
    };
    Lane {
        label: format!("all {kind}"),
        points: kept.chain(deleted).map(point).collect(),
    }
}

fn of_reason(plan: &RetentionPlan, label: String) -> Lane {
    let is_here = |reasons: &[Reason]| reasons.iter().any(|r| lane_of(r).1 == label);
    let kept = plan.keep.iter().filter(|e| is_here(&e.reasons));
    let kept = kept.map(|entry| (entry.started_at, Mark::of_kept(entry)));
    let lost = plan
        .delete
        .iter()
        .filter(|e| is_here(&e.previously_kept_by));
    let lost = lost.map(|entry| (entry.started_at, Mark::of_deleted(entry)));
    let point = |(at, mark)| Point {
        at,
        mark,
        title: None,
    };
    let points = kept.chain(lost).map(point).collect();
    Lane { label, points }
}
