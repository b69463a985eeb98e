//! How a host is: from the newest of what happened to one word.

mod host;
mod stale;
#[cfg(test)]
mod tests;

pub use host::{Activity, HostState, LastRun, Problem, Severity, state_of};
pub use stale::stale_at;
