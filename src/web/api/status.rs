//! Where everything is, and how the backups are.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::ops::{self, Status, VERSION};
use crate::web::app::App;
use crate::web::failure::Failure;

/// What there is to ask for.
#[derive(Serialize)]
pub(super) struct Index {
    pobsync_version: &'static str,
    status: &'static str,
}

/// Lists the parts of the API.
pub(super) async fn index() -> Json<Index> {
    Json(Index {
        pobsync_version: VERSION,
        status: "/api/status/",
    })
}

/// Tells how every host is.
pub(super) async fn status(State(app): State<App>) -> Result<Json<Status>, Failure> {
    Ok(Json(app.call(ops::status).await?))
}
