//! The snapshots on disk at one moment of a simulation, and what a prune leaves of them.
//!
//! The planner tells of every snapshot why it stays; a simulation prunes tens of thousands of times and asks only
//! whether. It counts by the same functions, [`rules::counted`] and [`rules::reached`], and a property test holds both to
//! the same answer after every prune.

use std::collections::HashMap;

use crate::core::model::{Count, Policy, Rule, Snapshot, SnapshotName, SnapshotStatus, Timestamp};
use crate::core::retention::buckets::{bucket, wall_clock};
use crate::core::retention::decide::grace_ends;
use crate::core::retention::rules;

/// What one policy leaves on disk, backup after backup.
pub(super) struct Live<'a> {
    policy: &'a Policy,
    /// Oldest first, by start, name and kind.
    entries: Vec<Entry>,
    /// The start of the oldest snapshot that ever filled buckets.
    first: Option<Timestamp>,
}

struct Entry {
    snapshot: Snapshot,
    /// The bucket of each rule, in the order of [`Rule::ALL`].
    keys: [i64; Rule::ALL.len()],
    fills: bool,
}

/// What a prune came to.
pub(super) struct Pruned {
    /// How many snapshots went.
    pub(super) gone: usize,
    /// Which counts are full, in the order of [`Rule::ALL`]: every bucket holds one of its own.
    pub(super) full_counts: [bool; Rule::ALL.len()],
    /// Which windows are full: what has filled buckets once is out of their reach by now.
    pub(super) full_windows: [bool; Rule::ALL.len()],
}

impl<'a> Live<'a> {
    /// The snapshots that are on disk. A pull under way is left out: what it comes to is not known.
    pub(super) fn of(policy: &'a Policy, snapshots: &[Snapshot]) -> Self {
        let mut live = Self {
            policy,
            entries: Vec::new(),
            first: None,
        };
        let is_there = |s: &&Snapshot| {
            s.status.is_on_disk() && !(s.status == SnapshotStatus::Running && s.live)
        };
        for snapshot in snapshots.iter().filter(is_there) {
            live.add(snapshot.clone());
        }
        live
    }

    pub(super) fn add(&mut self, snapshot: Snapshot) {
        let wall = wall_clock(snapshot.started_at, self.policy.timezone);
        let fills = snapshot.status == SnapshotStatus::Complete
            && self.policy.kinds.contains(snapshot.kind);
        if fills {
            let first = self.first.unwrap_or(snapshot.started_at);
            self.first = Some(first.min(snapshot.started_at));
        }
        let at = self
            .entries
            .partition_point(|entry| order(&entry.snapshot) < order(&snapshot));
        let keys = Rule::ALL.map(|rule| bucket(rule, wall));
        self.entries.insert(
            at,
            Entry {
                snapshot,
                keys,
                fills,
            },
        );
    }

    /// The newest complete snapshot, which the next pull is linked against.
    pub(super) fn newest(&self) -> Option<&Snapshot> {
        let mut newest_first = self.snapshots().rev();
        newest_first.find(|s| s.status == SnapshotStatus::Complete)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Oldest first.
    pub(super) fn snapshots(&self) -> impl DoubleEndedIterator<Item = &Snapshot> {
        self.entries.iter().map(|entry| &entry.snapshot)
    }

    /// Lets go of what the policy does not keep at `now`.
    pub(super) fn prune(&mut self, now: Timestamp) -> Pruned {
        let mut kept: Vec<bool> = self
            .snapshots()
            .map(|s| s.hold.as_ref().is_some_and(|hold| hold.is_in_force(now)))
            .collect();
        // What a prune has committed to goes, whatever the rules say of it; a pin alone keeps it.
        let pinned = kept.clone();
        self.keep_newest(&mut kept);
        let (full_counts, full_windows) = self.keep_by_rules(now, &mut kept);
        if self.policy.protect_bases {
            self.keep_bases(&mut kept);
        }
        for ((entry, kept), pinned) in self.entries.iter().zip(&mut kept).zip(pinned) {
            let snapshot = &entry.snapshot;
            *kept = match snapshot.status {
                SnapshotStatus::Deleting => pinned,
                _ if !self.policy.kinds.contains(snapshot.kind) => true,
                SnapshotStatus::Partial | SnapshotStatus::Failed | SnapshotStatus::Running => {
                    *kept || now < grace_ends(snapshot, self.policy)
                }
                _ => *kept,
            };
        }
        let before = self.entries.len();
        let mut kept = kept.into_iter();
        self.entries.retain(|_| kept.next().unwrap_or(true));
        Pruned {
            gone: before - self.entries.len(),
            full_counts,
            full_windows,
        }
    }

    fn keep_newest(&self, kept: &mut [bool]) {
        let newest = self
            .entries
            .iter()
            .rposition(|entry| entry.snapshot.status == SnapshotStatus::Complete);
        if let Some(kept) = newest.and_then(|i| kept.get_mut(i)) {
            *kept = true;
        }
    }

    fn keep_by_rules(
        &self,
        now: Timestamp,
        kept: &mut [bool],
    ) -> ([bool; Rule::ALL.len()], [bool; Rule::ALL.len()]) {
        let newest_first: Vec<usize> = (0..self.entries.len())
            .rev()
            .filter(|i| self.entries.get(*i).is_some_and(|entry| entry.fills))
            .collect();
        let filling: Vec<&Entry> = newest_first
            .iter()
            .filter_map(|i| self.entries.get(*i))
            .collect();
        let mut keep = |i: usize| {
            if let Some(kept) = newest_first.get(i).and_then(|i| kept.get_mut(*i)) {
                *kept = true;
            }
        };
        let mut full_counts = [false; Rule::ALL.len()];
        let mut full_windows = [false; Rule::ALL.len()];
        let each = Rule::ALL.into_iter().enumerate();
        for ((r, rule), (full_count, full_window)) in
            each.zip(full_counts.iter_mut().zip(&mut full_windows))
        {
            let key = |entry: &&Entry| entry.keys.get(r).copied().unwrap_or_default();
            if let Some(count) = self.policy.keep.count(rule) {
                let mut own = 0;
                rules::counted(
                    rule,
                    rules::limit(count),
                    filling.len(),
                    filling.iter().map(key).enumerate(),
                    |i, _, is_new| {
                        own += u32::from(is_new);
                        keep(i);
                    },
                );
                *full_count = count != Count::Unlimited && own == rules::limit(count);
            }
            if let Some(span) = self.policy.keep.within(rule) {
                let starts = filling.iter().map(|entry| entry.snapshot.started_at);
                let start = rules::window(span, starts, now, self.policy);
                let all = filling
                    .iter()
                    .map(|entry| (entry.snapshot.started_at, key(entry)));
                rules::reached(rule, start, all, |i, _| keep(i));
                *full_window = self.first.is_some_and(|first| first <= start);
            }
        }
        (full_counts, full_windows)
    }

    /// One step and no further, as the planner does.
    fn keep_bases(&self, kept: &mut [bool]) {
        let mut by_name: HashMap<&SnapshotName, Vec<usize>> = HashMap::new();
        for (i, s) in self.snapshots().enumerate() {
            if s.status == SnapshotStatus::Complete {
                by_name.entry(&s.name).or_default().push(i);
            }
        }
        let bases: Vec<usize> = self
            .snapshots()
            .enumerate()
            .zip(kept.iter())
            .filter(|(_, kept)| **kept)
            .filter_map(|((i, s), _)| Some((i, by_name.get(s.base.as_ref()?)?)))
            .flat_map(|(i, bases)| bases.iter().copied().filter(move |base| *base != i))
            .collect();
        for base in bases {
            if let Some(kept) = kept.get_mut(base) {
                *kept = true;
            }
        }
    }
}

fn order(snapshot: &Snapshot) -> (Timestamp, &SnapshotName, crate::core::model::SnapshotKind) {
    (snapshot.started_at, &snapshot.name, snapshot.kind)
}
