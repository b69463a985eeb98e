//! crontab(5) on the `cron` crate: what a line means, and when it fires next.
//!
//! Time comes in as a value. The `cron` crate by itself knows other fields (seconds, years, Sunday as 1), joins day of
//! month and day of week by AND, and has trouble with both nights on which clocks change (cron 0.17: the night of spring
//! is skipped, that of autumn fires twice). So it is run here on wall-clock time disguised as UTC, and its answers are
//! mapped to the zone.

mod cron;
mod due;
mod fields;
#[cfg(test)]
mod tests;

pub use cron::Cron;
pub use due::{
    CLOCK_TOLERANCE, Due, Line, Settling, Start, due, jitter, next_start, retry_of_failed,
    retry_of_interrupted, start_after,
};

use crate::core::model::{Invalid, Schedule, Span, Timestamp};

/// Says whether `text` is a cron line that fires.
pub(crate) fn check(text: &str) -> Result<(), Invalid> {
    Cron::parse(text).map(|_| ())
}

/// When any of `schedules` fires after `after`: ascending, each moment once, at most `limit` of them and none later than
/// `horizon` from `after`. Jitter is left out: it moves a start by minutes.
#[must_use]
pub fn upcoming(
    schedules: &[Schedule],
    after: Timestamp,
    limit: usize,
    horizon: Span,
) -> Vec<Timestamp> {
    let end = after.plus(horizon);
    let mut fires: Vec<Timestamp> = Vec::new();
    for schedule in schedules {
        let Ok(cron) = Cron::parse(schedule.cron.as_str()) else {
            continue;
        };
        let mut last = after;
        for _ in 0..limit {
            match cron.next_after(schedule.timezone, last) {
                Some(next) if next <= end => last = next,
                _ => break,
            }
            fires.push(last);
        }
    }
    fires.sort_unstable();
    fires.dedup();
    fires.truncate(limit);
    fires
}
