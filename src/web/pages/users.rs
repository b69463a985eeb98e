//! Accounts and tokens, for superusers.

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use chrono_tz::Tz;
use maud::{Markup, html};
use serde::Deserialize;

use crate::core::model::{Account, ApiToken, Span, TokenId, TokenScopes, UserId};
use crate::ops::{self, Session};
use crate::store::AccountRights;
use crate::web::access::Asker;
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::form::Posted;
use crate::web::layout::{self, form_token, label};
use crate::web::times::moment;

/// A new account. A box that is not ticked is not sent.
#[derive(Deserialize)]
pub(super) struct NewUser {
    username: String,
    password: String,
    is_superuser: Option<String>,
}

/// What an account may do.
#[derive(Deserialize)]
pub(super) struct Rights {
    is_active: Option<String>,
    is_staff: Option<String>,
    is_superuser: Option<String>,
}

/// A new password for somebody.
#[derive(Deserialize)]
pub(super) struct NewPassword {
    password: String,
}

/// A new token.
#[derive(Deserialize)]
pub(super) struct NewToken {
    name: String,
    read: Option<String>,
    plan: Option<String>,
    apply: Option<String>,
    expires_in: String,
}

/// What a form without fields sends.
#[derive(Deserialize)]
pub(super) struct Nothing {}

/// Lists accounts and tokens.
pub(super) async fn list(
    State(app): State<App>,
    Extension(session): Extension<Session>,
) -> Result<Markup, Failure> {
    let (accounts, tokens) = app
        .call(|context| Ok((context.store.accounts()?, context.store.api_tokens()?)))
        .await?;
    let body = html! {
        h1 { "Users and tokens" }
        (accounts_table(&accounts, &session, app.zone()))
        (new_account(&session))
        (tokens_table(&tokens, &session, app.zone()))
        (new_token(&session))
    };
    Ok(layout::page("Users and tokens", &session, "/users/", &body))
}

/// Adds an account.
pub(super) async fn create(
    State(app): State<App>,
    Extension(asker): Extension<Asker>,
    Posted(new): Posted<NewUser>,
) -> Result<Response, Failure> {
    let name = new.username.parse().map_err(ops::Error::from)?;
    app.hash(move |context| {
        let context = context.acting_as(asker.0);
        ops::create_account(&context, &name, &new.password, new.is_superuser.is_some())
    })
    .await?;
    Ok(Redirect::to("/users/").into_response())
}

/// Sets what an account may do.
pub(super) async fn set_rights(
    State(app): State<App>,
    Extension(asker): Extension<Asker>,
    Path(id): Path<i64>,
    Posted(rights): Posted<Rights>,
) -> Result<Response, Failure> {
    let rights = AccountRights {
        is_active: rights.is_active.is_some(),
        is_staff: rights.is_staff.is_some(),
        is_superuser: rights.is_superuser.is_some(),
    };
    app.call(move |context| ops::set_rights(context, &asker.0, UserId(id), rights))
        .await?;
    Ok(Redirect::to("/users/").into_response())
}

/// Sets somebody's password.
pub(super) async fn set_password(
    State(app): State<App>,
    Extension(asker): Extension<Asker>,
    Path(id): Path<i64>,
    Posted(new): Posted<NewPassword>,
) -> Result<Response, Failure> {
    app.hash(move |context| {
        let accounts = context.store.accounts()?;
        let account = accounts.iter().find(|account| account.id == UserId(id));
        let unknown = || crate::store::StoreError::Unknown {
            what: "account",
            id: id.to_string(),
        };
        let name = &account.ok_or_else(unknown)?.name;
        ops::set_password(context, &asker.0, name, &new.password)
    })
    .await?;
    Ok(Redirect::to("/users/").into_response())
}

/// Makes a token and shows it, this once.
pub(super) async fn create_token(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Extension(asker): Extension<Asker>,
    Posted(new): Posted<NewToken>,
) -> Result<Markup, Failure> {
    let name = new.name.parse().map_err(ops::Error::from)?;
    let ticked = [(new.read, "read"), (new.plan, "plan"), (new.apply, "apply")];
    let words: Vec<&str> = ticked
        .into_iter()
        .filter_map(|(box_, word)| box_.map(|_| word))
        .collect();
    let scopes: TokenScopes = words.join(" ").parse().map_err(ops::Error::from)?;
    let length: Option<Span> = match new.expires_in.trim() {
        "" => None,
        text => Some(text.parse().map_err(ops::Error::from)?),
    };
    let (_, secret) = app
        .call(move |context| {
            ops::create_token(context, &asker.0, &name, &scopes, ops::expiry(length))
        })
        .await?;
    let body = html! {
        h1 { "The new token" }
        p { "It is shown this once. Keep it where only its program can read it." }
        p { code.secret { (secret) } }
        p { a href="/users/" { "Users and tokens" } }
    };
    Ok(layout::page("The new token", &session, "/users/", &body))
}

/// Takes a token back.
pub(super) async fn revoke_token(
    State(app): State<App>,
    Extension(asker): Extension<Asker>,
    Path(id): Path<i64>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, Failure> {
    app.call(move |context| ops::revoke_token(context, &asker.0, TokenId(id)))
        .await?;
    Ok(Redirect::to("/users/").into_response())
}

fn accounts_table(accounts: &[Account], session: &Session, zone: Tz) -> Markup {
    let tick = |account: &Account, name: &str, label: &str, is: bool| {
        let id = format!("{name}-{}", account.id.0);
        html! {
            span.tick {
                input type="checkbox" id=(id) name=(name) value="yes" checked[is];
                label for=(id) { (label) }
            }
        }
    };
    html! {
        h2 { "Accounts" }
        div.scroll tabindex="0" role="region" aria-label="Accounts" {
            table.cards {
                thead { tr {
                    th scope="col" { "Name" } th scope="col" { "Last log-in" }
                    th scope="col" { "May" } th scope="col" { "Password" }
                } }
                tbody {
                    @for account in accounts {
                        tr {
                            th scope="row" { (account.name) }
                            td { (label("Last log-in")) @match account.last_login_at { Some(at) => (moment(at, zone)), None => "never" } }
                            td {
                                (label("May"))
                                form.row method="post" action={ "/users/" (account.id.0) "/rights/" } {
                                    (form_token(session))
                                    (tick(account, "is_active", "log in", account.is_active))
                                    (tick(account, "is_staff", "staff", account.is_staff))
                                    (tick(account, "is_superuser", "manage accounts", account.is_superuser))
                                    button.quiet type="submit" { "Save" }
                                }
                            }
                            td {
                                (label("Password"))
                                form.row method="post" action={ "/users/" (account.id.0) "/password/" } {
                                    (form_token(session))
                                    input name="password" type="password" autocomplete="new-password" minlength="12"
                                        required aria-label={ "New password for " (account.name) };
                                    button.quiet type="submit" { "Set" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn new_account(session: &Session) -> Markup {
    html! {
        details {
            summary { "Add an account" }
            form.stacked method="post" action="/users/" {
                (form_token(session))
                label for="username" { "Name" }
                input id="username" name="username" maxlength="150" autocapitalize="none" autocomplete="off" required;
                label for="new-password" { "Password, at least 12 characters" }
                input id="new-password" name="password" type="password" autocomplete="new-password" minlength="12" required;
                span.tick {
                    input id="new-superuser" name="is_superuser" type="checkbox" value="yes";
                    label for="new-superuser" { "may manage accounts and tokens" }
                }
                button type="submit" { "Add" }
            }
        }
    }
}

fn tokens_table(tokens: &[ApiToken], session: &Session, zone: Tz) -> Markup {
    html! {
        h2 { "Tokens of programs" }
        @if tokens.is_empty() {
            p { "There are none. CI and monitoring need one to use the JSON API." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Tokens" {
                table.cards {
                    thead { tr {
                        th scope="col" { "Name" } th scope="col" { "For" } th scope="col" { "Made" }
                        th scope="col" { "Expires" } th scope="col" { "Last used" } th scope="col" { "State" }
                    } }
                    tbody {
                        @for token in tokens {
                            tr {
                                th scope="row" { (token.name) }
                                td { (label("For")) (token.scopes) }
                                td { (label("Made")) (moment(token.created_at, zone)) " by " (token.created_by) }
                                td { (label("Expires")) @match token.expires_at { Some(at) => (moment(at, zone)), None => "never" } }
                                td { (label("Last used")) @match token.last_used_at { Some(at) => (moment(at, zone)), None => "never" } }
                                td {
                                    (label("State"))
                                    @match token.revoked_at {
                                        Some(at) => { "taken back " (moment(at, zone)) }
                                        None => {
                                            form method="post" action={ "/users/tokens/" (token.id.0) "/revoke/" } {
                                                (form_token(session))
                                                button.quiet type="submit" { "Take back" }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn new_token(session: &Session) -> Markup {
    html! {
        details {
            summary { "Make a token" }
            form.stacked method="post" action="/users/tokens/" {
                (form_token(session))
                label for="token-name" { "What it is for" }
                input id="token-name" name="name" maxlength="128" placeholder="ci" required;
                fieldset {
                    legend { "It may" }
                    span.tick { input id="scope-read" name="read" type="checkbox" value="yes" checked; label for="scope-read" { "look at everything" } }
                    span.tick { input id="scope-plan" name="plan" type="checkbox" value="yes"; label for="scope-plan" { "have plans made" } }
                    span.tick { input id="scope-apply" name="apply" type="checkbox" value="yes"; label for="scope-apply" { "apply plans" } }
                }
                label for="expires-in" { "It ends after (52w, 90d; empty for never)" }
                input id="expires-in" name="expires_in" value="52w";
                button type="submit" { "Make" }
            }
        }
    }
}
