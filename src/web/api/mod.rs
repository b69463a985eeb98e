//! The JSON API: what the pages show, for programs.

mod status;

use super::access::Access;
use super::routes::Route;
use crate::core::model::TokenScope;

/// The routes of the API.
pub(super) fn routes() -> Vec<Route> {
    let read = Access::Api(TokenScope::Read);
    vec![
        Route::page("/api/", read, status::index),
        Route::page("/api/status/", read, status::status),
    ]
}
