//! Who may take a route: looked at before any handler runs.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use maud::html;

use super::app::App;
use super::failure::Failure;
use super::layout;
use crate::core::model::TokenScope;
use crate::ops::{self, Session};

/// Who may take a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everyone: the log-in, the style sheet, signs of life.
    Public,
    /// Who is logged in, staff or not: to log out.
    Account,
    /// Who is logged in and staff.
    Staff,
    /// Who manages accounts.
    Superuser,
    /// A program with a token of this scope; to look at things, staff too.
    Api(TokenScope),
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who asks, as the history names them.
#[derive(Debug, Clone)]
pub(super) struct Asker(pub(super) String);

/// Where a request comes from, as the log-in limits it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Lets through who may pass, with [`Session`] and [`Asker`] beside the request.
pub(super) async fn check(
    State((app, access)): State<(App, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    match admit(&app, access, &mut request).await {
        Ok(()) => next.run(request).await,
        Err(response) => *response,
    }
}

/// Refuses requests for another name than ours, and those that another site had a browser send.
pub(super) async fn is_ours(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let named = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .map(str::to_owned)
        .or_else(|| request.uri().authority().map(ToString::to_string));
    if !named.is_some_and(|host| app.origin().is_host(&host)) {
        let failure = Failure::new(
            StatusCode::MISDIRECTED_REQUEST,
            "This server is not reached under that name.",
        );
        return failure
            .with_help("Start it with --public-url to say under which.")
            .into_response();
    }
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_api = request.uri().path().starts_with("/api/");
    if !is_safe && !is_same_origin(&app, request.headers(), is_api) {
        return Failure::forbidden("This request was sent by another site.").into_response();
    }
    let peer = peer(&app, &request);
    request.extensions_mut().insert(peer);
    next.run(request).await
}

/// Browsers say where a request was made (`Sec-Fetch-Site`, else `Origin`). Programs with a token say nothing, and carry
/// no cookie that could be abused; one that has forgotten its token is told so.
fn is_same_origin(app: &App, headers: &HeaderMap, is_api: bool) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value: &HeaderValue| value.to_str());
    match (text(&header::ORIGIN), text(&SEC_FETCH_SITE)) {
        (Some(Ok(origin)), _) => app.origin().is_origin(origin),
        (Some(Err(_)), _) => false,
        (None, Some(Ok(site))) => site == "same-origin",
        (None, Some(Err(_))) => false,
        (None, None) => {
            (is_api || bearer(headers).is_some()) && !headers.contains_key(header::COOKIE)
        }
    }
}

fn peer(app: &App, request: &Request) -> Peer {
    let direct = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.ip());
    if !app.is_proxy(direct) {
        return Peer(direct);
    }
    // The last entry is the one that our own proxy has written.
    let forwarded = request
        .headers()
        .get_all("x-forwarded-for")
        .iter()
        .next_back();
    let last = forwarded
        .and_then(|value| value.to_str().ok())
        .and_then(|list| list.rsplit(',').next())
        .and_then(|entry| entry.trim().parse().ok());
    Peer(last.unwrap_or(direct))
}

async fn admit(app: &App, access: Access, request: &mut Request) -> Result<(), Box<Response>> {
    match access {
        Access::Public => Ok(()),
        Access::Account | Access::Staff | Access::Superuser => {
            let Some(session) = session(app, request.headers()).await? else {
                return Err(Box::new(please_log_in(request)));
            };
            if access != Access::Account && !session.account.is_staff {
                return Err(Box::new(not_staff(&session)));
            }
            if access == Access::Superuser && !session.account.is_superuser {
                let failure = Failure::forbidden("Only superusers manage accounts and tokens.");
                return Err(Box::new(failure.into_response()));
            }
            enter(request, session);
            Ok(())
        }
        Access::Api(scope) => admit_program(app, scope, request).await,
    }
}

fn enter(request: &mut Request, session: Session) {
    let name = session.account.name.to_string();
    request.extensions_mut().insert(Asker(name));
    request.extensions_mut().insert(session);
}

async fn admit_program(
    app: &App,
    scope: TokenScope,
    request: &mut Request,
) -> Result<(), Box<Response>> {
    let refused = |failure: Failure| Err(Box::new(failure.into_response()));
    if let Some(secret) = bearer(request.headers()) {
        let secret = secret.to_owned();
        let found = app
            .call(move |context| {
                let Some(token) = ops::token(context, &secret)? else {
                    return Ok(None);
                };
                let is_of_staff = ops::is_token_of_staff(context, &token)?;
                Ok(Some((token, is_of_staff)))
            })
            .await
            .map_err(|failure| Box::new(failure.into_response()))?;
        return match found {
            Some((token, false)) => refused(Failure::forbidden(format!(
                "The token {} was made by {}, who is not staff any more.",
                token.name, token.created_by
            ))),
            Some((token, true)) if token.scopes.contains(scope) => {
                let asker = Asker(format!("token {}", token.name));
                request.extensions_mut().insert(asker);
                Ok(())
            }
            Some((token, true)) => refused(
                Failure::forbidden(format!(
                    "The token {} is for {}, and this needs {scope}.",
                    token.name, token.scopes
                ))
                .with_help(format!("pobsync token create NAME --scope {scope}")),
            ),
            None => Err(Box::new(unauthorized(
                "The token is unknown, over or taken back.",
                scope,
            ))),
        };
    }
    // Whoever may look at the pages may look at the same as JSON.
    match session(app, request.headers()).await? {
        Some(session) if !session.account.is_staff => {
            refused(Failure::forbidden("This account is not staff."))
        }
        Some(session) if scope == TokenScope::Read => {
            enter(request, session);
            Ok(())
        }
        Some(_) => refused(Failure::forbidden("This is for programs with a token.")),
        None => Err(Box::new(unauthorized(
            "Send a token: Authorization: Bearer TOKEN.",
            scope,
        ))),
    }
}

/// Says so to somebody who gave the right password, and nothing else; all there is to do is to log out.
fn not_staff(session: &Session) -> Response {
    let body = html! {
        h1 { "Not staff" }
        p { "You are logged in as " (session.account.name) ", and this account is not staff: it sees nothing here." }
        p { "A superuser can change that on the page of users." }
        form method="post" action="/logout/" {
            (layout::form_token(session))
            button type="submit" { "Log out" }
        }
    };
    (StatusCode::FORBIDDEN, layout::bare("Not staff", &body)).into_response()
}

fn unauthorized(message: &str, scope: TokenScope) -> Response {
    let failure = Failure::new(StatusCode::UNAUTHORIZED, message).with_help(format!(
        "Make one: pobsync token create NAME --scope {scope}"
    ));
    let mut response = failure.into_response();
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer realm=\"pobsync\""),
    );
    response
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

async fn session(app: &App, headers: &HeaderMap) -> Result<Option<Session>, Box<Response>> {
    let Some(secret) = session_secret(app, &CookieJar::from_headers(headers)) else {
        return Ok(None);
    };
    app.call(move |context| ops::session(context, &secret))
        .await
        .map_err(|failure| Box::new(failure.into_response()))
}

/// The cookie's name: browsers take `__Host-` only with Secure, for this host alone and the whole site.
pub(super) fn cookie_name(app: &App) -> &'static str {
    if app.origin().is_https() {
        "__Host-pobsync"
    } else {
        "pobsync"
    }
}

/// The secret that the browser shows.
pub(super) fn session_secret(app: &App, jar: &CookieJar) -> Option<String> {
    jar.get(cookie_name(app))
        .map(|cookie| cookie.value().to_owned())
        .filter(|secret| secret.len() <= 128)
}

/// A page is asked for again after the log-in; what would change something is not.
fn please_log_in(request: &Request) -> Response {
    if request.method() != Method::GET {
        return Failure::new(StatusCode::UNAUTHORIZED, "You are not logged in any more.")
            .with_help("Log in and do it again.")
            .into_response();
    }
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    Redirect::to(&format!("/login/?next={}", form_urlencoded(path))).into_response()
}

/// Text as a value of a query.
pub(super) fn form_urlencoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A path of this site, and nothing that a browser could take for another one.
pub(super) fn safe_next(next: Option<&str>) -> &str {
    let is_safe = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.len() <= 2048
            && !path.contains(['\\', '\r', '\n', '\t'])
            && !path.chars().any(char::is_control)
    };
    next.filter(is_safe).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Some("/hosts/web-01/?page=2"), "/hosts/web-01/?page=2")]
    #[case(None, "/")]
    #[case(Some(""), "/")]
    #[case(Some("//evil.example.net"), "/")]
    #[case(Some("/\\evil.example.net"), "/")]
    #[case(Some("https://evil.example.net"), "/")]
    #[case(Some("/\t/evil.example.net"), "/")]
    #[case(Some("javascript:alert(1)"), "/")]
    fn next_leads_nowhere_else(#[case] next: Option<&str>, #[case] to: &str) {
        assert_eq!(safe_next(next), to);
    }
}
