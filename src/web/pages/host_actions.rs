//! What can be asked of a host on its page. Each comes by a form of ours, is recorded with who asked, and deletes nothing.

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::host::named;
use crate::core::model::HostName;
use crate::ops::{self, Begun, Context, Error};
use crate::web::access::Asker;
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::form::Posted;

/// What a form without fields sends.
#[derive(Deserialize)]
pub(super) struct Nothing {}

/// A pause and why.
#[derive(Deserialize)]
pub(super) struct Pause {
    reason: String,
}

/// Backs the host up now, and leads to the run; or leads back, if its own server begins it.
pub(super) async fn back_up(
    State(app): State<App>,
    Extension(asker): Extension<Asker>,
    Path(host): Path<String>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, Failure> {
    let context = app.context_of(asker.0);
    let name = named(&host)?;
    let to = match app.transfers().begin(context, name.clone()).await? {
        Begun::Run(run) => format!("/runs/{run}/"),
        Begun::LeftTo(_) => format!("/hosts/{name}/"),
    };
    Ok(Redirect::to(&to).into_response())
}

/// Records what is on disk.
pub(super) async fn discover(
    app: State<App>,
    asker: Extension<Asker>,
    host: Path<String>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, Failure> {
    done(app, asker, host, |context, host| {
        ops::discover(context, Some(host)).map(drop)
    })
    .await
}

/// Pauses the host.
pub(super) async fn pause(
    app: State<App>,
    asker: Extension<Asker>,
    host: Path<String>,
    Posted(pause): Posted<Pause>,
) -> Result<Response, Failure> {
    let reason: String = pause.reason.trim().chars().take(500).collect();
    done(app, asker, host, |context, host| {
        ops::pause(context, host, reason).map(drop)
    })
    .await
}

/// Ends a pause.
pub(super) async fn resume(
    app: State<App>,
    asker: Extension<Asker>,
    host: Path<String>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, Failure> {
    done(app, asker, host, |context, host| {
        ops::resume(context, host).map(drop)
    })
    .await
}

/// Says that the suspect snapshots of the host are as they should be.
pub(super) async fn acknowledge(
    app: State<App>,
    asker: Extension<Asker>,
    host: Path<String>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, Failure> {
    done(app, asker, host, |context, host| {
        ops::acknowledge(context, host).map(drop)
    })
    .await
}

/// Does something to a host, and leads back to it.
async fn done(
    State(app): State<App>,
    Extension(asker): Extension<Asker>,
    Path(host): Path<String>,
    work: impl FnOnce(&Context, &HostName) -> Result<(), Error> + Send + 'static,
) -> Result<Response, Failure> {
    let name = named(&host)?;
    let to = format!("/hosts/{name}/");
    app.call(move |context| work(&context.acting_as(asker.0), &name))
        .await?;
    Ok(Redirect::to(&to).into_response())
}
