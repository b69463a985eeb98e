//! Who is told what, and when again: from facts to events, from events to deliveries.
//!
//! It knows neither how a receiver is reached nor where its address stands.

mod backoff;
mod events;
mod targets;
#[cfg(test)]
mod tests;

pub use backoff::{LONGEST_PAUSE, Next, Refusal, after_failed_attempt};
pub use events::{Ended, QUIET_ATTEMPTS, Raised, Telling, of_run, of_stale, test};
pub use targets::{find, name_of, recipients};
