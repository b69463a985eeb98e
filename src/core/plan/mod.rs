//! Changes and retention put together: the plan, the limits it is held against, and the gate before every prune.
//!
//! Everything is handed in: SQL state, snapshots, the time. Nothing here knows where they came from or how a plan is
//! shown.

mod allow;
mod approve;
mod build;
mod counts;
mod document;
mod gate;
mod guards;
mod moved_root;
mod outcome;
mod retained;
mod servers;
mod stale;
mod superseded;
#[cfg(test)]
mod tests;

pub use allow::Allow;
pub use approve::ApprovedPlan;
pub use build::{Elsewhere, Planner, RootFacts, Selection, Snapshots};
pub use counts::{DeletionCounts, KindCounts, Summary, Totals};
pub use document::{FORMAT_VERSION, Plan, Refusal, RefusalScope, Source, SourceFile};
pub use gate::{
    Authority, ClockFacts, DeletionOrder, GateError, OrderedDeletion, authorise, require_approval,
};
pub use moved_root::MovedRoot;
pub use outcome::Outcome;
pub use retained::{DeleteEntry, KeepEntry, PlanDamage, RetentionPlan};
pub use servers::{Leaving, Move};
pub use stale::{Moved, intersect, what_moved};
pub use superseded::superseded_plan;
