//! When an undelivered event is tried again.

use crate::core::model::{Span, Timestamp};

/// The first retry comes so soon: most receivers that are down are being restarted.
const FIRST: Span = Span::from_seconds(60);
/// No retry comes later than this after the one before, so that a receiver hears soon after it is back.
const LONGEST: Span = Span::from_hours(1);
/// A receiver that cannot be reached is tried for so long: over a weekend and the holidays around it.
const PATIENCE: Span = Span::from_hours(7 * 24);
/// A receiver that answers and says no is asked for so long: its address or token may be mended meanwhile.
const PATIENCE_WITH_NO: Span = Span::from_hours(24);

/// What stood against a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The receiver cannot be reached, or is in trouble itself.
    Down,
    /// The receiver is there and does not want it, or the setting cannot be used.
    No,
}

/// What becomes of a delivery after an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is tried again at that time.
    Again(Timestamp),
    /// It is not tried again by itself.
    GiveUp,
}

/// Says what becomes of a delivery that has failed `attempts` times, the last time at `now`.
///
/// The pauses double from a minute to an hour. `raised_at` is when it was asked for, or asked for again.
#[must_use]
pub fn after_failed_attempt(
    attempts: u32,
    raised_at: Timestamp,
    now: Timestamp,
    refusal: Refusal,
) -> Next {
    let patience = match refusal {
        Refusal::Down => PATIENCE,
        Refusal::No => PATIENCE_WITH_NO,
    };
    if raised_at.plus(patience) <= now {
        return Next::GiveUp;
    }
    let doublings = attempts.saturating_sub(1).min(16);
    let pause = Span::from_seconds((FIRST.seconds() << doublings).min(LONGEST.seconds()));
    Next::Again(now.plus(pause))
}

/// The longest pause. A next attempt further away than this was written by a clock that was wrong.
pub const LONGEST_PAUSE: Span = LONGEST;
