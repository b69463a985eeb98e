//! The JSON API: what the pages show, for programs.

mod answer;
mod ask;
mod lists;
mod openapi;
mod posted;
mod retention;
mod status;

pub(super) use answer::only_if_changed;

use super::access::Access;
use super::routes::Route;
use crate::core::model::TokenScope;

/// The routes of the API.
pub(super) fn routes() -> Vec<Route> {
    let read = Access::Api(TokenScope::Read);
    let plan = Access::Api(TokenScope::Plan);
    let apply = Access::Api(TokenScope::Apply);
    vec![
        Route::page("/api/", read, status::index),
        Route::page("/api/status/", read, status::status),
        Route::page("/api/hosts/", read, lists::hosts),
        Route::page("/api/hosts/{host}/", read, lists::host),
        Route::page("/api/hosts/{host}/snapshots/", read, lists::host_snapshots),
        Route::page("/api/hosts/{host}/retention/", read, retention::retention),
        Route::page("/api/snapshots/", read, lists::snapshots),
        Route::page("/api/runs/", read, lists::runs),
        Route::page("/api/runs/{id}/", read, lists::run),
        Route::page("/api/plans/", read, lists::plans),
        Route::page("/api/plans/{id}/", read, lists::plan),
        Route::page("/api/audit/", read, lists::audit),
        Route::page("/api/openapi.json", read, openapi::openapi),
        Route::action("/api/plan/", plan, posted::plan).of_at_most(posted::LARGEST),
        Route::action("/api/plan", plan, posted::plan).of_at_most(posted::LARGEST),
        Route::action("/api/apply/", apply, posted::apply).of_at_most(posted::LARGEST),
        Route::action("/api/apply", apply, posted::apply).of_at_most(posted::LARGEST),
    ]
}
