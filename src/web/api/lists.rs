//! Hosts, snapshots, runs, plans and history: the rows that the commands of these names print.

#![allow(
    unused_qualifications,
    reason = "utoipa's attribute names types by their whole path"
)]

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{answer, listed};
use super::ask::{Asked, Nothing, host_asked, host_of, number, paging};
use crate::core::model::{PlanId, RunId};
use crate::ops::{self, HistoryRow, HostDetail, HostRow, PlanRow, RunRow, SnapshotRow};
use crate::web::app::App;
use crate::web::failure::Failure;

/// Which part of a list is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// At most this many rows: 100 unless said otherwise.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Where the page before ended, as its `Link` says.
    #[param(minimum = 1)]
    after: Option<i64>,
}

/// Which snapshots are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Snapshots {
    /// At most this many rows: 100 unless said otherwise.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Where the page before ended, as its `Link` says.
    #[param(minimum = 1)]
    after: Option<i64>,
    /// Of this host alone.
    #[param(pattern = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")]
    host: Option<String>,
    /// Deleted and missing ones too.
    all: Option<bool>,
}

/// Which snapshots of one host are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HostSnapshots {
    /// At most this many rows: 100 unless said otherwise.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Where the page before ended, as its `Link` says.
    #[param(minimum = 1)]
    after: Option<i64>,
    /// Deleted and missing ones too.
    all: Option<bool>,
}

/// Which runs are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Runs {
    /// At most this many rows: 100 unless said otherwise.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Where the page before ended, as its `Link` says.
    #[param(minimum = 1)]
    after: Option<i64>,
    /// Of this host alone.
    #[param(pattern = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")]
    host: Option<String>,
}

/// Lists hosts by name.
#[utoipa::path(get, path = "/api/hosts/", params(Part),
    responses((status = 200, description = "A page of hosts", body = [HostRow])))]
pub(super) async fn hosts(
    State(app): State<App>,
    Asked(part): Asked<Part>,
) -> Result<Response, Failure> {
    let paging = paging(part.limit, part.after)?;
    let page = app.call(move |c| ops::host_page(c, paging)).await?;
    Ok(listed(&page, "/api/hosts/", paging.limit, &[]))
}

/// Tells everything that is in force for one host.
#[utoipa::path(get, path = "/api/hosts/{host}/", params(("host" = String, Path, description = "Its name")),
    responses((status = 200, description = "The host", body = HostDetail)))]
pub(super) async fn host(
    State(app): State<App>,
    Path(host): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Response, Failure> {
    let host = host_of(&host)?;
    let detail = app.call(move |c| ops::host_detail(c, &host)).await?;
    Ok(answer(&detail))
}

/// Lists the snapshots of one host, the one recorded last first.
#[utoipa::path(get, path = "/api/hosts/{host}/snapshots/",
    params(("host" = String, Path, description = "Its name"), HostSnapshots),
    responses((status = 200, description = "A page of snapshots", body = [SnapshotRow])))]
pub(super) async fn host_snapshots(
    State(app): State<App>,
    Path(host): Path<String>,
    Asked(asked): Asked<HostSnapshots>,
) -> Result<Response, Failure> {
    let host = host_of(&host)?;
    let paging = paging(asked.limit, asked.after)?;
    let all = asked.all.unwrap_or(false);
    let path = format!("/api/hosts/{host}/snapshots/");
    let page = app
        .call(move |c| ops::snapshot_page(c, Some(&host), all, paging))
        .await?;
    let kept = [("all", all.then_some("true"))];
    Ok(listed(&page, &path, paging.limit, &kept))
}

/// Lists snapshots, the one recorded last first.
#[utoipa::path(get, path = "/api/snapshots/", params(Snapshots),
    responses((status = 200, description = "A page of snapshots", body = [SnapshotRow])))]
pub(super) async fn snapshots(
    State(app): State<App>,
    Asked(asked): Asked<Snapshots>,
) -> Result<Response, Failure> {
    let paging = paging(asked.limit, asked.after)?;
    let host = host_asked(asked.host.as_deref())?;
    let all = asked.all.unwrap_or(false);
    let page = app
        .call(move |c| ops::snapshot_page(c, host.as_ref(), all, paging))
        .await?;
    let kept = [
        ("host", asked.host.as_deref()),
        ("all", all.then_some("true")),
    ];
    Ok(listed(&page, "/api/snapshots/", paging.limit, &kept))
}

/// Lists runs, newest first.
#[utoipa::path(get, path = "/api/runs/", params(Runs),
    responses((status = 200, description = "A page of runs", body = [RunRow])))]
pub(super) async fn runs(
    State(app): State<App>,
    Asked(asked): Asked<Runs>,
) -> Result<Response, Failure> {
    let paging = paging(asked.limit, asked.after)?;
    let host = host_asked(asked.host.as_deref())?;
    let page = app
        .call(move |c| ops::run_page(c, host.as_ref(), paging))
        .await?;
    let kept = [("host", asked.host.as_deref())];
    Ok(listed(&page, "/api/runs/", paging.limit, &kept))
}

/// Tells one run.
#[utoipa::path(get, path = "/api/runs/{id}/", params(("id" = i64, Path, description = "Its number")),
    responses((status = 200, description = "The run", body = RunRow)))]
pub(super) async fn run(
    State(app): State<App>,
    Path(id): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Response, Failure> {
    let id = RunId(number(&id, "run")?);
    let run = app.call(move |c| ops::run_row(c, id)).await?;
    run.map(|run| answer(&run))
        .ok_or_else(|| Failure::not_found(format!("There is no run {id}.")))
}

/// Lists recorded plans, newest first.
#[utoipa::path(get, path = "/api/plans/", params(Part),
    responses((status = 200, description = "A page of plans", body = [PlanRow])))]
pub(super) async fn plans(
    State(app): State<App>,
    Asked(part): Asked<Part>,
) -> Result<Response, Failure> {
    let paging = paging(part.limit, part.after)?;
    let page = app.call(move |c| ops::plan_page(c, paging)).await?;
    Ok(listed(&page, "/api/plans/", paging.limit, &[]))
}

/// Shows one recorded plan, whole.
#[utoipa::path(get, path = "/api/plans/{id}/", params(("id" = i64, Path, description = "Its number")),
    responses((status = 200, description = "The plan")))]
pub(super) async fn plan(
    State(app): State<App>,
    Path(id): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Response, Failure> {
    let id = PlanId(number(&id, "plan")?);
    let found = app.call(move |c| ops::recorded_plan(c, id)).await?;
    Ok(answer(&found.plan))
}

/// Lists who changed what, newest first.
#[utoipa::path(get, path = "/api/audit/", params(Part),
    responses((status = 200, description = "A page of the history", body = [HistoryRow])))]
pub(super) async fn audit(
    State(app): State<App>,
    Asked(part): Asked<Part>,
) -> Result<Response, Failure> {
    let paging = paging(part.limit, part.after)?;
    let page = app.call(move |c| ops::history_page(c, paging)).await?;
    Ok(listed(&page, "/api/audit/", paging.limit, &[]))
}
