//! Signs of life, for whoever watches the process.

use axum::extract::State;
use axum::http::StatusCode;

use crate::web::app::App;
use crate::web::failure::Failure;

/// The process serves requests.
pub(in crate::web) async fn alive() -> &'static str {
    "ok\n"
}

/// The database answers too. Why it does not stands in the log: anybody may ask here.
pub(in crate::web) async fn ready(State(app): State<App>) -> Result<&'static str, Failure> {
    match app.call(|context| Ok(context.store.serial()?)).await {
        Ok(_) => Ok("ready\n"),
        Err(_) => Err(Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The database does not answer.",
        )),
    }
}
