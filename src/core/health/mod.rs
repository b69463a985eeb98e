//! How a host is: from the newest of what happened to one word.

mod host;
mod stale;
#[cfg(test)]
mod tests;
mod verification;

pub use host::{Activity, HostState, Judgement, LastRun, Problem, Severity, Standing, judge};
pub use stale::stale_at;
pub use verification::{Damaged, Verified, overdue_at};
