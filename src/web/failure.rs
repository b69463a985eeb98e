//! What a request can end with when it does not end well: a page for people, problem+json (RFC 9457) below `/api/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::html;
use serde::Serialize;
use utoipa::ToSchema;

use super::layout;
use crate::core::model::visible;
use crate::core::plan::{Outcome, Refusal};
use crate::ops::{Error, ReadingError};
use crate::store::StoreError;

/// A request that is not answered as asked.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    /// One sentence: what is wrong.
    pub(super) message: String,
    /// What to do about it.
    pub(super) help: Option<String>,
    pub(super) outcome: Option<Outcome>,
    /// What else there is to say, for programs.
    more: Arc<More>,
}

/// What belongs to a failure besides its sentence.
#[derive(Debug, Default)]
struct More {
    details: Vec<String>,
    refusals: Vec<Refusal>,
    /// Every mistake of a configuration.
    findings: Option<serde_json::Value>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            help: None,
            outcome: None,
            more: Arc::default(),
        }
    }

    pub(super) fn with_help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// A fault of ours: the log has the rest.
    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong in the server; its log says more.",
        )
    }

    /// Too much is asked at once.
    pub(super) fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message).with_help("Try again in a while.")
    }

    fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let outcome = error.outcome();
        let status = match (&error, outcome) {
            (
                Error::UnknownHost { .. }
                | Error::UnknownSnapshot { .. }
                | Error::Reading(ReadingError::NoSuchSnapshot { .. })
                | Error::UnknownRun { .. }
                | Error::UnknownPlan { .. }
                | Error::NoLog { .. }
                | Error::UnknownAccount { .. },
                _,
            ) => StatusCode::NOT_FOUND,
            (Error::Store(StoreError::Unknown { .. }), _) => StatusCode::NOT_FOUND,
            (Error::Store(StoreError::RunIs { .. } | StoreError::SnapshotIs { .. }), _)
            | (
                Error::Retired { .. }
                | Error::Paused { .. }
                | Error::OtherServer { .. }
                | Error::SnapshotElsewhere { .. }
                | Error::RootOfOther { .. },
                _,
            )
            | (_, Outcome::Locked) => StatusCode::CONFLICT,
            (_, Outcome::Invalid | Outcome::Usage) => StatusCode::UNPROCESSABLE_ENTITY,
            (_, Outcome::Stale | Outcome::Refused | Outcome::ApprovalMissing) => {
                StatusCode::CONFLICT
            }
            (_, Outcome::Unreachable) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        // Anybody may hear this: where the database is stands in the log alone.
        let (said, help) = match (&error, outcome) {
            (Error::Store(StoreError::Unreachable { .. }), _) => (
                "The database does not answer.".to_owned(),
                Some("The log of this server says more.".to_owned()),
            ),
            _ => (
                visible(&error.to_string()),
                error.help().map(|help| visible(&help)),
            ),
        };
        if status.is_server_error() {
            // Causes may name paths and addresses of this server.
            tracing::error!("{}", crate::ops::sentence(&error));
        }
        Self {
            status,
            message: said,
            help,
            outcome: Some(outcome),
            more: Arc::new(More::of(&error)),
        }
    }
}

impl More {
    fn of(error: &Error) -> Self {
        let findings = match error {
            Error::Invalid(report) => serde_json::to_value(report.document()).ok(),
            _ => None,
        };
        Self {
            details: error.details().iter().map(|line| visible(line)).collect(),
            refusals: error.refusals().to_vec(),
            findings: findings
                .and_then(|mut document| document.get_mut("findings").map(serde_json::Value::take)),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives every failure its body, in the form that its part of the site speaks.
pub(super) async fn show(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let response = next.run(request).await;
    if let Some(failure) = response.extensions().get::<Failure>() {
        let failure = failure.clone();
        return with_headers_of(
            &response,
            if is_api {
                problem(&failure)
            } else {
                page(&failure)
            },
        );
    }
    let status = response.status();
    // What the router and its layers answer by themselves has no body worth showing.
    let is_ours = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if (status.is_client_error() || status.is_server_error()) && !is_ours {
        let message = match status {
            StatusCode::NOT_FOUND => "There is no such page.",
            StatusCode::METHOD_NOT_ALLOWED => "This page cannot be asked for in that way.",
            StatusCode::PAYLOAD_TOO_LARGE => "That is more than can be sent here.",
            StatusCode::SERVICE_UNAVAILABLE => "This took too long, and was given up.",
            StatusCode::INTERNAL_SERVER_ERROR => {
                "Something went wrong in the server; its log says more."
            }
            _ => "This cannot be answered.",
        };
        let failure = Failure::new(status, message);
        let body = if is_api {
            problem(&failure)
        } else {
            page(&failure)
        };
        return with_headers_of(&response, body);
    }
    response
}

/// What was set beside the body stays: `Allow`, `Retry-After`, `WWW-Authenticate`.
fn with_headers_of(from: &Response, mut to: Response) -> Response {
    for (name, value) in from.headers() {
        if !to.headers().contains_key(name) && name != header::CONTENT_LENGTH {
            to.headers_mut().insert(name.clone(), value.clone());
        }
    }
    to
}

/// A failure as programs read it (RFC 9457).
#[derive(Serialize, ToSchema)]
pub(super) struct Problem<'a> {
    /// `about:blank`: the status says it all.
    r#type: &'static str,
    /// What the status means.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// One sentence: what is wrong.
    detail: &'a str,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    /// The word that the command of that name ends with: `invalid`, `stale`, `refused` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    outcome: Option<Outcome>,
    /// Further lines: what makes a plan stale, say.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    details: &'a [String],
    /// What stands against it, as in a plan.
    #[serde(skip_serializing_if = "<[Refusal]>::is_empty")]
    #[schema(value_type = Vec<Object>)]
    refusals: &'a [Refusal],
    /// Every mistake of a configuration, as `validate --format json` prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    findings: Option<&'a serde_json::Value>,
}

fn problem(failure: &Failure) -> Response {
    let body = Problem {
        r#type: "about:blank",
        title: failure.title(),
        status: failure.status.as_u16(),
        detail: &failure.message,
        help: failure.help.as_deref(),
        outcome: failure.outcome,
        details: &failure.more.details,
        refusals: &failure.more.refusals,
        findings: failure.more.findings.as_ref(),
    };
    let mut response = (failure.status, Json(body)).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
}

fn page(failure: &Failure) -> Response {
    let body = html! {
        h1 { (failure.title()) }
        p { (failure.message) }
        @if let Some(help) = &failure.help {
            p { (help) }
        }
        p { a href="/" { "Dashboard" } }
    };
    (failure.status, layout::bare(failure.title(), &body)).into_response()
}
