//! Logging in and out.

use axum::Form;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use maud::{Markup, html};
use serde::Deserialize;

use crate::ops::{self, LogIn};
use crate::web::access::{Peer, cookie_name, safe_next, session_secret};
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::form::Posted;
use crate::web::layout;

/// Where to go after the log-in.
#[derive(Deserialize)]
pub(super) struct Next {
    next: Option<String>,
}

/// What the log-in form sends.
#[derive(Deserialize)]
pub(super) struct Given {
    username: String,
    password: String,
    next: Option<String>,
}

/// What a form without fields sends.
#[derive(Deserialize)]
pub(super) struct Nothing {}

/// Shows the form.
pub(super) async fn form(Query(query): Query<Next>) -> Markup {
    page(None, safe_next(query.next.as_deref()), "")
}

/// Logs in and goes on to where the person wanted to be; who is not staff is told so there.
pub(super) async fn log_in(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    jar: CookieJar,
    Form(given): Form<Given>,
) -> Result<Response, Failure> {
    let next = safe_next(given.next.as_deref()).to_owned();
    let (name, address) = (given.username.clone(), peer.0.to_string());
    let password = given.password;
    let came = app
        .hash(move |context| ops::log_in(context, &name, &password, &address))
        .await?;
    Ok(match came {
        LogIn::Welcome(_, secret) => {
            // A session that this browser had before ends: its secret may be known to somebody.
            if let Some(old) = session_secret(&app, &jar) {
                app.call(move |context| ops::log_out(context, &old)).await?;
            }
            let jar = jar.add(cookie(&app, secret));
            (jar, Redirect::to(&next)).into_response()
        }
        LogIn::Refused => {
            let said = "Name or password are not right.";
            let shown = page(Some(said), &next, &given.username);
            (StatusCode::UNPROCESSABLE_ENTITY, shown).into_response()
        }
        LogIn::TooMany => {
            let said =
                "Too many log-ins failed. Wait a quarter of an hour, or have a superuser look.";
            let shown = page(Some(said), &next, &given.username);
            let wait = [(header::RETRY_AFTER, HeaderValue::from_static("900"))];
            (StatusCode::TOO_MANY_REQUESTS, wait, shown).into_response()
        }
    })
}

/// Ends the session.
pub(super) async fn log_out(
    State(app): State<App>,
    jar: CookieJar,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, Failure> {
    if let Some(secret) = session_secret(&app, &jar) {
        app.call(move |context| ops::log_out(context, &secret))
            .await?;
    }
    let mut gone = cookie(&app, String::new());
    gone.make_removal();
    Ok((jar.add(gone), Redirect::to("/login/")).into_response())
}

/// It ends with the browser, or when the server says so.
fn cookie(app: &App, secret: String) -> Cookie<'static> {
    Cookie::build((cookie_name(app), secret))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(app.origin().is_https())
        .build()
}

fn page(problem: Option<&str>, next: &str, name: &str) -> Markup {
    let body = html! {
        h1 { "pobsync" }
        @if let Some(problem) = problem {
            p.problem role="alert" { (problem) }
        }
        form.stacked method="post" action="/login/" {
            input type="hidden" name="next" value=(next);
            label for="username" { "Name" }
            input id="username" name="username" autocomplete="username" required autofocus
                maxlength="150" autocapitalize="none" spellcheck="false" value=(name);
            label for="password" { "Password" }
            input id="password" name="password" type="password" autocomplete="current-password" required;
            button type="submit" { "Log in" }
        }
    };
    layout::bare("Log in", &body)
}
