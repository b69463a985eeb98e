//! Which snapshots of a host stay, and why; which go, and why.
//!
//! Pure: policy, snapshots, time zone and `now` are handed in, and the same input gives the same output. Knows nothing
//! of disks, approvals or limits: the gate stands behind it.

mod buckets;
mod decide;
mod expiry;
mod kept;
mod ranked;
mod reason;
mod rules;
pub mod simulation;
#[cfg(test)]
mod tests;

pub use decide::{Decision, EmptyPolicy, HostRetention, Mode, Question, Side, Verdict, plan_host};
pub use reason::{Cause, Extent, Reason, RuleHit};
