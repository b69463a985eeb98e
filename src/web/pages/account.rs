//! The account of whoever is logged in: its password.

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use crate::ops::{self, Session};
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::form::Posted;
use crate::web::layout::{self, form_token};

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Change {
    current: String,
    password: String,
    again: String,
}

/// Shows the form.
pub(super) async fn form(Extension(session): Extension<Session>) -> Markup {
    page(&session, None)
}

/// Sets a new password, which ends every session of the account, this one too.
pub(super) async fn set_password(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Posted(change): Posted<Change>,
) -> Result<Response, Failure> {
    let refused = |problem: &str| {
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            page(&session, Some(problem)),
        )
            .into_response()
    };
    if change.password != change.again {
        return Ok(refused("The two new passwords are not the same."));
    }
    let name = session.account.name.clone();
    let (current, asked) = (change.current, name.clone());
    let is_right = app
        .hash(move |context| ops::is_password_of(context, &asked, &current))
        .await?;
    if !is_right {
        return Ok(refused("The current password is not right."));
    }
    let set = app
        .hash(move |context| ops::set_password(context, name.as_str(), &name, &change.password))
        .await;
    Ok(match set {
        Ok(()) => Redirect::to("/login/").into_response(),
        Err(failure) if failure.status == StatusCode::UNPROCESSABLE_ENTITY => {
            refused(&failure.message)
        }
        Err(failure) => return Err(failure),
    })
}

fn page(session: &Session, problem: Option<&str>) -> Markup {
    let body = html! {
        h1 { (session.account.name) }
        h2 { "Set a new password" }
        p { "It logs you out everywhere, here too." }
        @if let Some(problem) = problem {
            p.problem role="alert" { (problem) }
        }
        form.stacked method="post" action="/account/" {
            (form_token(session))
            label for="current" { "Current password" }
            input id="current" name="current" type="password" autocomplete="current-password" required;
            label for="password" { "New password, at least 12 characters" }
            input id="password" name="password" type="password" autocomplete="new-password" minlength="12" required;
            label for="again" { "The same again" }
            input id="again" name="again" type="password" autocomplete="new-password" minlength="12" required;
            button type="submit" { "Set password" }
        }
    };
    layout::page("Account", session, "/account/", &body)
}
