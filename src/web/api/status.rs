//! Where everything is, and how the backups are.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{answer, answer_made};
use super::ask::{Asked, Nothing};
use crate::ops::{self, Status, VERSION};
use crate::web::app::App;
use crate::web::failure::Failure;

/// What there is to ask for.
#[derive(Serialize, ToSchema)]
pub(super) struct Index {
    pobsync_version: &'static str,
    openapi: &'static str,
    status: &'static str,
    hosts: &'static str,
    snapshots: &'static str,
    runs: &'static str,
    plans: &'static str,
    audit: &'static str,
    plan: &'static str,
    apply: &'static str,
}

/// Lists the parts of the API.
#[utoipa::path(get, path = "/api/", responses((status = 200, description = "Where everything is", body = Index)))]
pub(super) async fn index(Asked(Nothing {}): Asked<Nothing>) -> Response {
    answer(&Index {
        pobsync_version: VERSION,
        openapi: "/api/openapi.json",
        status: "/api/status/",
        hosts: "/api/hosts/",
        snapshots: "/api/snapshots/",
        runs: "/api/runs/",
        plans: "/api/plans/",
        audit: "/api/audit/",
        plan: "/api/plan/",
        apply: "/api/apply/",
    })
}

/// Tells how every host is.
#[utoipa::path(get, path = "/api/status/", responses((status = 200, description = "How everything is", body = Status)))]
pub(super) async fn status(
    State(app): State<App>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Response, Failure> {
    let status = app.call(ops::status).await?;
    Ok(answer_made(&status, status.at))
}
