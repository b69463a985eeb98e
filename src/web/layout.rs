//! The frame around every page, and the files that pages need.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::failure::Failure;
use crate::ops::Session;
use crate::render::TIMELINE_STYLE;

/// The one style sheet, with that of the pictures.
static STYLE: LazyLock<String> =
    LazyLock::new(|| format!("{TIMELINE_STYLE}\n{}", include_str!("style.css")));
/// Its name changes with the program's version, so that browsers may keep it.
const STYLE_PATH: &str = concat!("/static/style-", env!("CARGO_PKG_VERSION"), ".css");

const NAVIGATION: [(&str, &str); 6] = [
    ("/", "Dashboard"),
    ("/hosts/", "Hosts"),
    ("/runs/", "Runs"),
    ("/plans/", "Plans"),
    ("/configuration/", "Configuration"),
    ("/audit/", "Audit"),
];

/// A page for somebody who is logged in.
pub(super) fn page(title: &str, session: &Session, here: &str, body: &Markup) -> Markup {
    frame(
        title,
        &html! {
            a.skip href="#content" { "Skip to content" }
            header.site {
                p.brand { a href="/" { "pobsync" } }
                nav aria-label="Main" {
                    ul {
                        @for (path, name) in NAVIGATION {
                            li { a href=(path) aria-current=[(here == path).then_some("page")] { (name) } }
                        }
                        @if session.account.is_superuser {
                            li { a href="/users/" aria-current=[(here == "/users/").then_some("page")] { "Users" } }
                        }
                    }
                }
                form.account method="post" action="/logout/" {
                    (form_token(session))
                    a href="/account/" { (session.account.name) }
                    button.quiet type="submit" { "Log out" }
                }
            }
            main id="content" { (body) }
        },
    )
}

/// A page for anybody: log-in and errors.
pub(super) fn bare(title: &str, body: &Markup) -> Markup {
    frame(title, &html! { main.bare id="content" { (body) } })
}

/// What every form that changes something carries.
pub(super) fn form_token(session: &Session) -> Markup {
    html! { input type="hidden" name="form_token" value=(session.form_token); }
}

/// Where one is, from the outside in; the last part is here.
pub(super) fn crumbs(above: &[(&str, &str)], here: &str) -> Markup {
    html! {
        nav.crumbs aria-label="Breadcrumb" {
            @for (path, name) in above { a href=(path) { (name) } " / " }
            span aria-current="page" { (here) }
        }
    }
}

/// What a cell of a `cards` table is, for screens on which each of its rows is a block without the table's head.
pub(super) fn label(text: &str) -> Markup {
    html! { span.cell-label { (text) } " " }
}

/// The ways to the pages before and after.
pub(super) fn pager(previous: Option<(&str, &str)>, next: Option<(&str, &str)>) -> Markup {
    html! {
        @if previous.is_some() || next.is_some() {
            nav.pager aria-label="Pages" {
                @if let Some((path, name)) = previous { a rel="prev" href=(path) { (name) } }
                @if let Some((path, name)) = next { a rel="next" href=(path) { (name) } }
            }
        }
    }
}

fn frame(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · pobsync" }
                link rel="stylesheet" href=(STYLE_PATH);
                link rel="icon" href="data:,";
            }
            body { (body) }
        }
    }
}

/// Answers with an embedded file.
pub(super) async fn static_file(Path(file): Path<String>) -> Response {
    if Some(file.as_str()) != STYLE_PATH.strip_prefix("/static/") {
        return Failure::not_found("There is no such file.").into_response();
    }
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/css; charset=utf-8"),
        ),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=86400"),
        ),
    ];
    (StatusCode::OK, headers, STYLE.as_str()).into_response()
}
