//! The retention plan of one host.

#![allow(
    unused_qualifications,
    reason = "utoipa's attribute names types by their whole path"
)]

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::answer::answer;
use super::ask::{Asked, host_of};
use crate::core::model::Kinds;
use crate::ops::{self, Error};
use crate::store::HostKey;
use crate::web::app::App;
use crate::web::failure::Failure;

/// Which snapshots the plan is about.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Those of the policy's kinds unless said otherwise.
    #[param(inline)]
    kind: Option<Kind>,
}

/// Kinds of snapshots.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Scheduled,
    Manual,
    All,
}

impl Kind {
    fn kinds(self) -> Result<Kinds, Error> {
        let word = match self {
            Self::Scheduled => "scheduled",
            Self::Manual => "manual",
            Self::All => "all",
        };
        Ok(word.parse::<Kinds>()?)
    }
}

/// Plans the retention that is in force for one host: what stays and why, what would go. Changes nothing.
#[utoipa::path(get, path = "/api/hosts/{host}/retention/",
    params(("host" = String, Path, description = "Its name"), Wanted),
    responses((status = 200, description = "The retention plan, one element of a plan's `retention`")))]
pub(super) async fn retention(
    State(app): State<App>,
    Path(host): Path<String>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Response, Failure> {
    let name = host_of(&host)?;
    let plan = app
        .call(move |context| {
            let facts = context.facts_of(HostKey::Name(&name))?;
            let kinds = wanted.kind.map(Kind::kinds).transpose()?;
            let mut plan = ops::plan_host(&facts, &name, kinds, false)?;
            ops::note_damage(context, &mut plan)?;
            Ok(plan)
        })
        .await?;
    let found = plan.retention.first();
    found
        .map(answer)
        .ok_or_else(|| Failure::not_found("There is nothing to plan."))
}
