//! Forms: bounded, and only from our own pages of the same session.

use axum::Form;
use axum::extract::{FromRequest, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use crate::ops::Session;

/// A form that carries the token of its session; nothing else reaches a handler that changes something.
pub(super) struct Posted<T>(pub(super) T);

#[derive(Deserialize)]
struct Carried<T> {
    form_token: String,
    #[serde(flatten)]
    fields: T,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Posted<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let session = request.extensions().get::<Session>().cloned();
        let form = Form::<Carried<T>>::from_request(request, state).await;
        let Form(carried) = form.map_err(|error| {
            Failure::new(error.status(), "The form is not what its page would send.")
                .with_help("Go back, reload the page and try again.")
        })?;
        match session {
            // Both are hashes of secrets: comparing them tells nothing about those.
            Some(session) if session.form_token == carried.form_token => Ok(Self(carried.fields)),
            _ => Err(
                Failure::forbidden("This form belongs to another session, or to none.")
                    .with_help("Go back, reload the page and try again."),
            ),
        }
    }
}
