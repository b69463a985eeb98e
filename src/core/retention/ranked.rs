//! The snapshots of a host in the order that the rules look at them.

use super::decide::{is_being_made, is_held};
use crate::core::model::{Kinds, Snapshot, SnapshotKind, SnapshotStatus, Timestamp};

/// What the rules ask of a snapshot, beside each other in the order of the rules: a host may have a hundred thousand, and
/// going back to each where it lies takes longer than all the rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranked<'a> {
    pub(super) started_at: Timestamp,
    pub(super) snapshot: &'a Snapshot,
    pub(super) status: SnapshotStatus,
    pub(super) kind: SnapshotKind,
    /// A run is making it, or somebody holds it.
    pub(super) is_pinned: bool,
}

impl<'a> Ranked<'a> {
    /// Those of `snapshots` that are on disk, by start and name.
    pub(super) fn newest_first(snapshots: &'a [Snapshot], now: Timestamp) -> Vec<Self> {
        let mut ranked = Vec::with_capacity(snapshots.len());
        let on_disk = snapshots.iter().filter(|s| s.status.is_on_disk());
        ranked.extend(on_disk.map(|snapshot| Self {
            started_at: snapshot.started_at,
            snapshot,
            status: snapshot.status,
            kind: snapshot.kind,
            is_pinned: is_being_made(snapshot) || is_held(snapshot, now),
        }));
        let Some(mut sorted) = by_start(&ranked) else {
            ranked.sort_unstable_by(|a, b| {
                let by_start = b.started_at.cmp(&a.started_at);
                by_start.then_with(|| b.name().cmp(&a.name()))
            });
            return ranked;
        };
        for moment in sorted.chunk_by_mut(|a, b| a.started_at == b.started_at) {
            if moment.len() > 1 {
                moment.sort_unstable_by(|a, b| b.name().cmp(&a.name()));
            }
        }
        sorted
    }

    /// Only complete snapshots of a selected kind fill buckets, all selected kinds together.
    pub(super) fn fills(&self, kinds: Kinds) -> bool {
        self.status == SnapshotStatus::Complete && kinds.contains(self.kind)
    }

    fn name(&self) -> (&'a str, SnapshotKind) {
        (self.snapshot.name.as_str(), self.kind)
    }
}

/// Newest first, those of one moment in any order. How much older than the newest each is, and which it is, are one number
/// together: numbers are sorted three times as fast as anything else. Nothing where they do not fit into one.
fn by_start<'a>(ranked: &[Ranked<'a>]) -> Option<Vec<Ranked<'a>>> {
    let times = ranked.iter().map(|r| r.started_at.millis());
    let (oldest, newest) = times.fold((i64::MAX, i64::MIN), |(oldest, newest), time| {
        (oldest.min(time), newest.max(time))
    });
    let bits = usize::BITS - ranked.len().leading_zeros();
    if ranked.len() > 1 && newest.abs_diff(oldest).leading_zeros() < bits {
        return None;
    }
    let age = |r: &Ranked<'_>| newest.abs_diff(r.started_at.millis());
    let mut keys: Vec<u64> = (0..)
        .zip(ranked)
        .map(|(i, r)| (age(r) << bits) | i)
        .collect();
    keys.sort_unstable();
    let place = |key: u64| usize::try_from(key & ((1 << bits) - 1)).ok();
    let sorted = keys
        .into_iter()
        .filter_map(|key| ranked.get(place(key)?).copied());
    let mut all = Vec::with_capacity(ranked.len());
    all.extend(sorted);
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::Ranked;
    use crate::core::model::{Snapshot, SnapshotId, SnapshotKind, SnapshotStatus, Timestamp};

    fn snapshot(number: i64, millis: i64) -> Snapshot {
        Snapshot {
            id: SnapshotId(number),
            name: format!("s{:05}", number * 7_919 % 100_003).parse().unwrap(),
            kind: SnapshotKind::ALL[usize::from(number % 2 == 0)],
            status: SnapshotStatus::Complete,
            started_at: Timestamp::from_millis(millis),
            finished_at: None,
            base: None,
            bytes: None,
            files: None,
            hold: None,
            suspect: false,
            live: false,
        }
    }

    fn is_in_order(snapshots: &[Snapshot]) -> bool {
        let now = Timestamp::from_millis(0);
        let ranked = Ranked::newest_first(snapshots, now);
        assert_eq!(ranked.len(), snapshots.len());
        ranked.is_sorted_by(|a, b| {
            (b.started_at, &b.snapshot.name, b.kind) < (a.started_at, &a.snapshot.name, a.kind)
        })
    }

    #[test]
    fn the_newest_is_first_and_those_of_one_moment_go_by_their_names() {
        let days = |i: i64| (i * 31 % 97) * 86_400_000;
        let snapshots: Vec<Snapshot> = (0..1_000).map(|i| snapshot(i, days(i))).collect();
        assert!(is_in_order(&snapshots));
        assert!(is_in_order(&snapshots[..1]));
        assert!(is_in_order(&[]));
    }

    #[test]
    fn many_of_all_times_there_are_do_not_fit_into_one_number_and_are_in_order_too() {
        let far = |i: i64| {
            if i % 3 == 0 {
                i64::MIN
            } else {
                i64::MAX - i % 11
            }
        };
        let snapshots: Vec<Snapshot> = (0..40_000).map(|i| snapshot(i, far(i))).collect();
        assert!(is_in_order(&snapshots));
    }
}
