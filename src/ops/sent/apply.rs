//! Applying a configuration that was sent: what a reviewer has seen, and nothing else.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Sent, references};
use crate::core::model::{Fingerprint, Serial};
use crate::core::plan::{Outcome, Plan};
use crate::ops::{Asked, Context, Error, apply, expect_plan, plan_desired, to_be_applied};

/// What is to be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// The configuration.
    pub configuration: Sent,
    /// The fingerprint of the plan that was reviewed.
    #[schema(value_type = String, pattern = "^sha256:[0-9a-f]{64}$")]
    pub expect: Fingerprint,
}

/// What came of an apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// `done`, or `no-changes`.
    pub outcome: Outcome,
    /// The serial it brought about.
    pub serial: Option<Serial>,
    /// The plan that was applied.
    pub plan: Plan,
}

/// Applies a configuration that was sent, if its plan is the one that was reviewed. Lifts no limit, deletes nothing.
///
/// # Errors
/// When the configuration is not valid or holds a new reference, its plan has another fingerprint, a guard stands against
/// it, or the configuration in force has changed meanwhile.
pub fn apply_sent(context: &Context, request: ApplyRequest) -> Result<Applied, Error> {
    let configuration = request.configuration.read()?;
    let facts = context.facts()?;
    references::check(&facts.state, &configuration.desired)?;
    let asked = Asked {
        look_for_root: true,
        ..Asked::default()
    };
    let plan = plan_desired(&facts, &configuration.desired, configuration.source, &asked)?;
    expect_plan(&plan, &request.expect)?;
    let (approved, is_nothing) = to_be_applied(&facts, plan, configuration.desired, false)?;
    if is_nothing {
        return Ok(Applied {
            outcome: Outcome::NoChanges,
            serial: None,
            plan: approved.plan().clone(),
        });
    }
    let configured = apply(context, &facts, &approved)?;
    Ok(Applied {
        outcome: Outcome::Done,
        serial: Some(configured.serial),
        plan: approved.plan().clone(),
    })
}
