//! Configurations that are sent to a server: planned and applied there, and believed in nothing.
//!
//! Their files include each other and nothing of the server; a reference is taken only where the same one is in force.

mod apply;
mod bundle;
mod plan;
mod references;

pub use apply::{Applied, ApplyRequest, apply_sent};
pub use bundle::{Sent, load_to_send};
pub use plan::{PlanRequest, plan_sent};
