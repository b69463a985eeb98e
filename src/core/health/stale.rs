//! From when on a host has been without a complete snapshot for too long.

use crate::core::model::{HostSettings, Span, Timestamp};
use crate::core::schedule::upcoming;

/// A backup that comes due is given this long, beside the schedule's own jitter, before its absence counts.
const GRACE: Span = Span::from_hours(1);
/// A schedule that does not fire twice within so long says nothing about staleness.
const HORIZON: Span = Span::from_hours(24 * 366 * 2);

/// When the host becomes stale if no snapshot completes: `stale-after` from the start of its newest complete one, or,
/// where that is not set, soon after its schedules have come due twice since. A host that never had one counts from
/// `created_at`; a host with neither setting nor schedule never becomes stale.
#[must_use]
pub fn stale_at(
    settings: &HostSettings,
    newest: Option<Timestamp>,
    created_at: Timestamp,
) -> Option<Timestamp> {
    let from = newest.unwrap_or(created_at);
    if let Some(span) = settings.stale_after {
        return Some(from.plus(span));
    }
    let second = *upcoming(&settings.schedules, from, 2, HORIZON).get(1)?;
    let jitter = settings.schedules.iter().map(|s| s.jitter).max()?;
    Some(second.plus(jitter).plus(GRACE))
}
