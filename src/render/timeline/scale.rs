//! Where a moment stands in a picture: older to the left, and as much room for the newer half of the snapshots as for the
//! older half, since every policy thins with age.

use crate::core::model::Timestamp;

/// Left and right of the marks, so that none is cut off, in percent.
const MARGIN: f64 = 1.6;
/// Marks nearer than this stand on each other, in percent: a fifth of a hundredth is two pixels of a wide picture.
const STEP: f64 = 0.2;
/// Labels nearer than this run into each other on a telephone, in percent.
const LABEL_ROOM: f64 = 13.0;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Ages that have a short name. A month here is 30 days and a year 365: the labels are marks on a ruler.
const NAMED: [(i64, &str); 15] = [
    (HOUR, "1 hour"),
    (6 * HOUR, "6 hours"),
    (12 * HOUR, "12 hours"),
    (DAY, "1 day"),
    (2 * DAY, "2 days"),
    (4 * DAY, "4 days"),
    (7 * DAY, "1 week"),
    (14 * DAY, "2 weeks"),
    (30 * DAY, "1 month"),
    (91 * DAY, "3 months"),
    (182 * DAY, "6 months"),
    (365 * DAY, "1 year"),
    (730 * DAY, "2 years"),
    (5 * 365 * DAY, "5 years"),
    (10 * 365 * DAY, "10 years"),
];

/// From a moment to a place, in percent of the picture's width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    right: i64,
    longest: f64,
    /// The age at which the scale turns from even to logarithmic; nothing for an even one.
    bend: Option<f64>,
}

impl Scale {
    /// The scale that shows every one of `times`, and `now` at its right end.
    pub(super) fn of(times: impl Iterator<Item = Timestamp>, now: Timestamp) -> Self {
        let mut times: Vec<i64> = times.map(Timestamp::millis).collect();
        times.sort_unstable();
        let right = times.last().map_or(now.millis(), |t| now.millis().max(*t));
        let age = |t: Option<&i64>| t.map_or(0.0, |t| (right - t) as f64);
        let longest = age(times.first()).max(HOUR as f64);
        let median = age(times.get(times.len() / 2)).max(HOUR as f64 / 4.0);
        // ln(1 + age / bend) puts the median age in the middle where bend = median² / (longest - 2 median).
        let excess = longest - 2.0 * median;
        let bend = (excess > 0.2 * longest).then(|| median * median / excess);
        Self {
            right,
            longest,
            bend,
        }
    }

    /// Says that newer days get more room than older ones.
    pub(super) fn is_bent(&self) -> bool {
        self.bend.is_some()
    }

    /// The place of `time`, rounded so that marks that cannot be told apart share one.
    pub(super) fn place(&self, time: Timestamp) -> f64 {
        self.at_age((self.right - time.millis()).max(0) as f64)
    }

    fn at_age(&self, age: f64) -> f64 {
        let part = match self.bend {
            Some(bend) => (1.0 + age / bend).ln() / (1.0 + self.longest / bend).ln(),
            None => age / self.longest,
        };
        let place = 100.0 - MARGIN - part.min(1.0) * (100.0 - 2.0 * MARGIN);
        (place / STEP).round() * STEP
    }

    /// Places with the names of their ages, newest first, none so near to another that their labels touch.
    pub(super) fn ticks(&self) -> Vec<(f64, &'static str)> {
        let mut ticks: Vec<(f64, &str)> = Vec::new();
        let mut last = 100.0 - MARGIN;
        for (age, name) in NAMED {
            let place = self.at_age(age as f64);
            if age as f64 <= self.longest && last - place >= LABEL_ROOM && place >= LABEL_ROOM / 2.0
            {
                ticks.push((place, name));
                last = place;
            }
        }
        ticks
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY, Scale};
    use crate::core::model::Timestamp;

    fn ago(days: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 - days * DAY)
    }

    #[test]
    fn even_times_get_an_even_scale() {
        let scale = Scale::of((0..=10).map(ago), ago(0));
        assert!(!scale.is_bent());
        let middle = scale.place(ago(5));
        assert!((middle - 50.0).abs() < 0.2, "{middle}");
    }

    #[test]
    fn a_thinned_history_has_its_median_in_the_middle() {
        let days = [0, 1, 2, 3, 4, 5, 6, 14, 30, 365, 1825];
        let scale = Scale::of(days.into_iter().map(ago), ago(0));
        assert!(scale.is_bent());
        let middle = scale.place(ago(5));
        assert!((middle - 50.0).abs() < 0.2, "{middle}");
    }

    #[test]
    fn older_is_never_further_right_and_all_are_within() {
        for days in [vec![0], vec![0, 0, 0], vec![0, 1, 4000], (0..900).collect()] {
            let scale = Scale::of(days.iter().copied().map(ago), ago(0));
            let places: Vec<f64> = days.iter().map(|d| scale.place(ago(*d))).collect();
            assert!(places.windows(2).all(|w| w[0] >= w[1]), "{places:?}");
            assert!(places.iter().all(|p| (1.0..=99.0).contains(p)));
        }
    }

    #[test]
    fn a_time_of_the_future_stands_at_the_right() {
        let scale = Scale::of([ago(3), ago(-2)].into_iter(), ago(0));
        assert!(scale.place(ago(-2)) > scale.place(ago(0)));
    }

    #[test]
    fn labels_do_not_touch() {
        let scale = Scale::of((0..2000).map(ago), ago(0));
        let ticks = scale.ticks();
        assert!(!ticks.is_empty());
        assert!(ticks.windows(2).all(|w| w[0].0 - w[1].0 >= 13.0));
    }
}
