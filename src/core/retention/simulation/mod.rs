//! What a policy comes to over the years: from backup to backup, a snapshot more and a prune, as the service would.
//!
//! Pure: snapshots, policy, schedules and the first moment are handed in. It assumes that every backup succeeds at the
//! moment its schedule names, and that no limit stops a prune.

mod backups;
mod document;
mod live;
mod look;
mod run;
#[cfg(test)]
mod tests;

pub use backups::{Backup, MOST_BACKUPS, Pruning, TooManyBackups, every, scheduled};
pub use document::{
    Day, FirstPrune, PolicySource, Restore, RuleState, SimulatedPolicy, Simulation, Totals,
};
pub use run::{Scenario, end_of, simulate};
