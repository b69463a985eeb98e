//! Desired state against SQL state: what an apply would change, and what drifted since the last one.
//!
//! Knows nothing of snapshots: which of them a change would delete is the plan's business.

mod change;
mod compare;
mod drift;
mod fields;
#[cfg(test)]
mod tests;

pub use change::{Action, Change, Comparison, Conflict, Drift, DriftedField, FieldChange, Object};
pub use compare::{Scope, compare};
pub use drift::{DriftReport, FieldDrift, ObjectDrift, Standing, drift};
pub use fields::{at_path, changed_fields, set_path};
