//! A plan for a configuration that was sent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Sent, references};
use crate::core::model::{HostName, Kinds, Timestamp};
use crate::core::plan::{Plan, Selection};
use crate::ops::{Asked, Context, Error, note_damage, plan_to_show};

/// What a plan is asked for with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanRequest {
    /// The configuration.
    pub configuration: Sent,
    /// Only these hosts; all if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub hosts: Vec<HostName>,
    /// Only snapshots of these kinds; those of each policy if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub kinds: Option<Kinds>,
    /// The moment to plan for; now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<Timestamp>,
}

impl PlanRequest {
    /// Asks for the plan of everything, now.
    #[must_use]
    pub fn of(configuration: Sent) -> Self {
        Self {
            configuration,
            hosts: Vec::new(),
            kinds: None,
            as_of: None,
        }
    }
}

/// Plans what applying a configuration that was sent would do. Opens nothing that it names.
///
/// # Errors
/// When the configuration is not valid or holds a new reference, or the database cannot be read.
pub fn plan_sent(context: &Context, request: PlanRequest) -> Result<Plan, Error> {
    let configuration = request.configuration.read()?;
    let mut facts = context.facts()?;
    references::check(&facts.state, &configuration.desired)?;
    let asked = Asked {
        selection: Selection {
            hosts: (!request.hosts.is_empty()).then(|| request.hosts.into_iter().collect()),
            kinds: request.kinds,
        },
        as_of: request.as_of,
        ..Asked::default()
    };
    let mut plan = plan_to_show(
        &mut facts,
        &configuration.desired,
        configuration.source,
        &asked,
    )?;
    note_damage(context, &mut plan)?;
    Ok(plan)
}
