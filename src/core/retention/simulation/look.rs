//! What is measured while a simulation runs: the number of snapshots day by day, and how far one can go back.

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;

use super::live::{Live, Pruned};
use super::{Day, FirstPrune, Restore};
use crate::core::model::{Rule, SnapshotStatus, Timestamp};
use crate::core::retention::buckets::wall_clock;

/// The ages people ask about: a day, a week, a month, a quarter, half a year, and years.
const AGES: [u32; 9] = [1, 7, 30, 91, 182, 365, 730, 1_826, 3_652];
const DAY: i64 = 24 * 3_600_000;

/// How old the last copy before a moment is on the worst moment of a day; nothing where there is none.
type Worst = Option<i64>;

struct Looked {
    day: NaiveDate,
    snapshots: usize,
    /// For each age; nothing where nothing can be that old yet.
    worst: [Option<Worst>; AGES.len()],
}

/// Everything measured so far.
pub(super) struct Look {
    zone: Tz,
    days: Vec<Looked>,
    /// When the first complete snapshot ever was started.
    first: Option<Timestamp>,
    first_prune: Option<FirstPrune>,
    full_counts: [Option<NaiveDate>; Rule::ALL.len()],
    full_windows: [Option<NaiveDate>; Rule::ALL.len()],
}

impl Look {
    pub(super) fn at(live: &Live<'_>, from: Timestamp, zone: Tz) -> Self {
        let mut look = Self {
            zone,
            days: Vec::new(),
            first: starts(live).first().copied(),
            first_prune: None,
            full_counts: [None; Rule::ALL.len()],
            full_windows: [None; Rule::ALL.len()],
        };
        look.today(from, live.len());
        look
    }

    pub(super) fn pruned(&mut self, at: Timestamp, pruned: &Pruned) {
        self.first_prune.get_or_insert(FirstPrune {
            at,
            deletes: pruned.gone,
        });
        let day = wall_clock(at, self.zone).date();
        let note = |days: &mut [Option<NaiveDate>], full: &[bool]| {
            for (since, full) in days.iter_mut().zip(full) {
                if *full && since.is_none() {
                    *since = Some(day);
                }
            }
        };
        note(&mut self.full_counts, &pruned.full_counts);
        note(&mut self.full_windows, &pruned.full_windows);
    }

    /// Looks at what is there from `at` on, and until `next`, when the next backup comes.
    pub(super) fn look(&mut self, live: &Live<'_>, at: Timestamp, next: Timestamp) {
        let starts = starts(live);
        if self.first.is_none() {
            self.first = starts.first().copied();
        }
        let Some(first) = self.first else {
            return;
        };
        let today = self.today(at, live.len());
        for (age, worst) in AGES.into_iter().zip(&mut today.worst) {
            let ago = i64::from(age) * DAY;
            let (from, to) = (at.millis() - ago, next.millis() - ago);
            if from < first.millis() {
                continue;
            }
            let found = worst_gap(&starts, from, to);
            *worst = Some(match (*worst, found) {
                (Some(None), _) | (_, None) => None,
                (Some(Some(before)), Some(now)) => Some(before.max(now)),
                (None, now) => now,
            });
        }
    }

    /// The last day, to be written to; the days since the last one that had a backup are filled up.
    fn today(&mut self, at: Timestamp, snapshots: usize) -> &mut Looked {
        let day = wall_clock(at, self.zone).date();
        let new = |day, snapshots| Looked {
            day,
            snapshots,
            worst: [None; AGES.len()],
        };
        while let Some(last) = self.days.last().filter(|last| last.day < day) {
            let next = last.day.checked_add_days(Days::new(1)).unwrap_or(day);
            let filled = new(next, last.snapshots);
            self.days.push(filled);
        }
        if self.days.is_empty() {
            self.days.push(new(day, snapshots));
        }
        let last = self.days.len() - 1;
        let today = &mut self.days[last];
        today.snapshots = snapshots;
        today
    }

    /// Fills up the days to the end.
    pub(super) fn end(&mut self, until: Timestamp, snapshots: usize) {
        self.today(until, snapshots);
    }

    pub(super) fn first_prune(&self) -> Option<FirstPrune> {
        self.first_prune
    }

    /// When a rule's count was full for the first time.
    pub(super) fn count_full_since(&self, rule: Rule) -> Option<NaiveDate> {
        by_rule(&self.full_counts, rule)
    }

    /// When a rule's window was full for the first time.
    pub(super) fn window_full_since(&self, rule: Rule) -> Option<NaiveDate> {
        by_rule(&self.full_windows, rule)
    }

    /// The day half way.
    pub(super) fn middle(&self) -> Option<NaiveDate> {
        self.days.get(self.days.len() / 2).map(|day| day.day)
    }

    pub(super) fn days(&self) -> Vec<Day> {
        let day = |looked: &Looked| Day {
            day: looked.day,
            snapshots: looked.snapshots,
        };
        self.days.iter().map(day).collect()
    }

    /// The worst of every day since `from`, for each age that something could have by then.
    pub(super) fn restore(&self, from: NaiveDate) -> Vec<Restore> {
        let of_age = |(i, age): (usize, u32)| {
            let measured = self
                .days
                .iter()
                .filter(|day| day.day >= from)
                .filter_map(|day| day.worst.get(i).copied().flatten());
            let worst = measured.reduce(|a, b| Some(a?.max(b?)))?;
            Some(Restore {
                days_ago: age,
                older_by_seconds: worst.map(|millis| u64::try_from(millis / 1000).unwrap_or(0)),
            })
        };
        AGES.into_iter().enumerate().filter_map(of_age).collect()
    }
}

fn by_rule(days: &[Option<NaiveDate>], rule: Rule) -> Option<NaiveDate> {
    let at = Rule::ALL.iter().position(|one| *one == rule)?;
    days.get(at).copied().flatten()
}

/// The starts of the complete snapshots, oldest first.
fn starts(live: &Live<'_>) -> Vec<Timestamp> {
    live.snapshots()
        .filter(|s| s.status == SnapshotStatus::Complete)
        .map(|s| s.started_at)
        .collect()
}

/// Of all moments from `from` up to `to`, the longest way back to a start at or before it; nothing if the first has none.
pub(super) fn worst_gap(starts: &[Timestamp], from: i64, to: i64) -> Option<i64> {
    let next = starts.partition_point(|start| start.millis() <= from);
    let mut copy = starts.get(next.checked_sub(1)?)?.millis();
    let mut worst = 0;
    for start in starts
        .iter()
        .skip(next)
        .map(|start| start.millis())
        .take_while(|start| *start < to)
    {
        worst = worst.max(start - copy);
        copy = start;
    }
    Some(worst.max(to.max(from) - copy))
}
