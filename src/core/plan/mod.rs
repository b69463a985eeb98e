//! Changes and retention put together: the plan, the limits it is held against, and the gate before every prune.
//!
//! Everything is handed in: SQL state, snapshots, the time. Nothing here knows where they came from or how a plan is
//! shown.

mod allow;
mod approve;
mod build;
mod document;
mod gate;
mod guards;
mod moved_root;
mod outcome;
mod stale;
#[cfg(test)]
mod tests;

pub use allow::Allow;
pub use approve::ApprovedPlan;
pub use build::{Elsewhere, Planner, RootFacts, Selection};
pub use document::{
    DeleteEntry, DeletionCounts, FORMAT_VERSION, KeepEntry, KindCounts, Leaving, Move, Plan,
    PlanDamage, Refusal, RefusalScope, RetentionPlan, Source, SourceFile, Summary, Totals,
    superseded_plan,
};
pub use gate::{
    Authority, ClockFacts, DeletionOrder, GateError, OrderedDeletion, authorise, require_approval,
};
pub use moved_root::MovedRoot;
pub use outcome::Outcome;
pub use stale::{Moved, intersect, what_moved};
