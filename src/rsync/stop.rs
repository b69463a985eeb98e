//! The wish that a transfer stops, shared between whoever wishes and whoever waits for it.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU8, Ordering};

/// A wish to stop, which only grows more urgent.
#[derive(Debug, Default)]
pub struct Stop(AtomicU8);

const ASKED: u8 = 1;
const HURRIED: u8 = 2;

impl Stop {
    /// Nobody wants it to stop yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// Asks: the transfer is told to end, and has a moment for it.
    pub fn ask(&self) {
        self.0.fetch_max(ASKED, Ordering::Relaxed);
    }

    /// Loses patience: the transfer is killed.
    pub fn hurry(&self) {
        self.0.fetch_max(HURRIED, Ordering::Relaxed);
    }

    /// Wishes what `other` wishes.
    pub fn follow(&self, other: &Self) {
        self.0
            .fetch_max(other.0.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Somebody wants it to stop.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= ASKED
    }

    /// The same, for work that asks in between whether to go on.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.is_asked() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Somebody wants it to stop at once.
    #[must_use]
    pub fn is_hurried(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= HURRIED
    }
}

#[cfg(test)]
mod tests {
    use super::Stop;

    #[test]
    fn a_wish_only_grows() {
        let (stop, other) = (Stop::new(), Stop::new());
        other.follow(&stop);
        assert!(!other.is_asked());
        stop.hurry();
        stop.ask();
        other.follow(&stop);
        assert!(stop.is_hurried() && other.is_asked() && other.is_hurried());
    }
}
