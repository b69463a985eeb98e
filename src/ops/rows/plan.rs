//! Recorded plans, without what they say.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Page, Paging};
use crate::core::model::{Fingerprint, PlanId, Serial, Timestamp};
use crate::ops::{Context, Error};
use crate::store::PlanSummary;

/// One plan that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanRow {
    /// Its number.
    #[schema(value_type = i64)]
    pub plan: PlanId,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// By whom.
    pub actor: String,
    /// What it was for: `apply`, `retention` or `prune`.
    pub kind: &'static str,
    /// The serial at which it may be carried out.
    #[schema(value_type = i64)]
    pub serial: Serial,
    /// Over configuration and policies.
    #[schema(value_type = String)]
    pub fingerprint: Fingerprint,
    /// Over the deletions.
    #[schema(value_type = String)]
    pub deletions_fingerprint: Fingerprint,
    /// The revision of the file it was made from.
    pub revision: Option<String>,
    /// How many snapshots it lists for deletion.
    pub deletions: u64,
}

impl From<PlanSummary> for PlanRow {
    fn from(plan: PlanSummary) -> Self {
        Self {
            plan: plan.id,
            created_at: plan.created_at,
            actor: plan.actor,
            kind: plan.kind.as_str(),
            serial: plan.serial,
            fingerprint: plan.fingerprint,
            deletions_fingerprint: plan.deletions_fingerprint,
            revision: plan.revision,
            deletions: plan.deletions,
        }
    }
}

/// The newest recorded plans.
///
/// # Errors
/// When the database cannot be read.
pub fn plan_rows(context: &Context, limit: u32) -> Result<Vec<PlanRow>, Error> {
    let plans = context.store.plans(limit)?;
    Ok(plans.into_iter().map(PlanRow::from).collect())
}

/// A page of recorded plans, newest first.
///
/// # Errors
/// When the database cannot be read.
pub fn plan_page(context: &Context, paging: Paging) -> Result<Page<PlanRow>, Error> {
    let read = context
        .store
        .plans_before(paging.after.map(PlanId), paging.to_read())?;
    Ok(paging.page(read, |plan| plan.id.0, PlanRow::from))
}
