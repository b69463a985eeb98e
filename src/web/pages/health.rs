//! Signs of life, for whoever watches the process.

use axum::extract::State;

use crate::web::app::App;
use crate::web::failure::Failure;

/// The process serves requests.
pub(in crate::web) async fn alive() -> &'static str {
    "ok\n"
}

/// The database answers too.
pub(in crate::web) async fn ready(State(app): State<App>) -> Result<&'static str, Failure> {
    app.call(|context| Ok(context.store.serial()?)).await?;
    Ok("ready\n")
}
