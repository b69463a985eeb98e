//! A removal that is not to disturb others takes its time.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::crew::lock;

/// How long a wish to stop may go unheard.
const TICK: Duration = Duration::from_millis(100);
/// So many times a second it may pause.
const PAUSES: u32 = 10;

/// Lets so many names go a second, and what was not used goes to nobody: after a moment in which the disk was slow no rush
/// follows.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: u32,
    /// When the names that go now had leave to.
    since: Mutex<Instant>,
}

impl Pace {
    /// At least one name a second.
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.max(1),
            since: Mutex::new(Instant::now()),
        }
    }

    /// So many names may go one right after the other.
    pub(super) fn at_once(&self) -> u64 {
        u64::from(self.per_second / PAUSES).max(1)
    }

    /// Waits until more may go now that `names` are gone, and asks `go_on` meanwhile.
    pub(super) fn keep(&self, names: u64, go_on: &dyn Fn() -> ControlFlow<()>) -> ControlFlow<()> {
        let mut since = lock(&self.since);
        let due = *since + self.takes(names);
        loop {
            let now = Instant::now();
            let left = due.saturating_duration_since(now);
            if left.is_zero() {
                *since = now;
                return ControlFlow::Continue(());
            }
            std::thread::sleep(left.min(TICK));
            go_on()?;
        }
    }

    /// How long so many names may take at least.
    fn takes(&self, names: u64) -> Duration {
        let nanos = u128::from(names) * 1_000_000_000 / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_take_their_time_however_many_there_are() {
        for (per_second, names, millis) in
            [(2000, 200, 100), (1, 3, 3000), (0, 1, 1000), (4, 1, 250)]
        {
            let pace = Pace::new(per_second);
            assert_eq!(pace.takes(names), Duration::from_millis(millis));
        }
        assert_eq!(Pace::new(5).at_once(), 1);
        assert_eq!(Pace::new(2000).at_once(), 200);
        assert!(Pace::new(1).takes(u64::MAX) > Duration::from_secs(1 << 30));
    }

    #[test]
    fn a_stop_is_heard_while_it_waits() {
        let stopped = Pace::new(1).keep(1 << 40, &|| ControlFlow::Break(()));
        assert_eq!(stopped, ControlFlow::Break(()));
    }
}
