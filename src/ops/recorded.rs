//! Plans that were carried out, as the database keeps them.

use super::saved::SavedPlanError;
use super::{Context, Error};
use crate::core::model::PlanId;
use crate::core::plan::Plan;
use crate::store::PlanSummary;

/// A recorded plan, read back.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// When, by whom and for what.
    pub summary: PlanSummary,
    /// The plan.
    pub plan: Plan,
}

/// The plan that was recorded as `id`.
///
/// # Errors
/// When there is none, or the database cannot be read.
pub fn recorded_plan(context: &Context, id: PlanId) -> Result<Recorded, Error> {
    let row = context
        .store
        .plan(id)?
        .ok_or(Error::UnknownPlan { plan: id })?;
    let plan = serde_json::from_str(&row.body).map_err(|source| SavedPlanError::NotAPlan {
        path: format!("recorded plan {id}").into(),
        source,
    })?;
    Ok(Recorded {
        summary: row.summary,
        plan,
    })
}
