//! Configurations that are posted: planned, and applied. They are hostile until shown otherwise: their size is bounded
//! before they are read, few are read at once, and nothing that they name is opened.

#![allow(
    unused_qualifications,
    reason = "utoipa's attribute names types by their whole path"
)]

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::answer::answer;
use super::ask::{Asked, Nothing, wrong};
use crate::core::model::{Fingerprint, visible};
use crate::ops::{self, ApplyRequest, PlanRequest, Sent};
use crate::web::access::Asker;
use crate::web::app::App;
use crate::web::failure::Failure;

/// KDL of 4 MiB is written longer in JSON.
pub(super) const LARGEST: usize = 8 << 20;

/// What is applied where the body is KDL.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Expected {
    /// The fingerprint of the plan that was reviewed; with a body of JSON it stands there.
    #[param(pattern = "^sha256:[0-9a-f]{64}$")]
    expect: Option<String>,
}

/// Plans what applying a configuration would do. The body is KDL of one file, or JSON with several that include each
/// other. Changes nothing and opens nothing that the configuration names.
#[utoipa::path(post, path = "/api/plan/",
    request_body(content((String = "text/plain"), (PlanRequest = "application/json"))),
    responses((status = 200, description = "The plan")))]
pub(super) async fn plan(
    State(app): State<App>,
    headers: HeaderMap,
    Asked(Nothing {}): Asked<Nothing>,
    body: Bytes,
) -> Result<Response, Failure> {
    let request = if is_json(&headers)? {
        parsed(&body)?
    } else {
        PlanRequest::of(Sent::alone(text(&body)?))
    };
    let plan = app
        .plan(move |context| ops::plan_sent(context, request))
        .await?;
    Ok(answer(&plan))
}

/// Applies a configuration if its plan is the one that was reviewed. Deletes no snapshot and lifts no limit.
#[utoipa::path(post, path = "/api/apply/", params(Expected),
    request_body(content((String = "text/plain"), (ApplyRequest = "application/json"))),
    responses((status = 200, description = "What came of it")))]
pub(super) async fn apply(
    State(app): State<App>,
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
    Asked(expected): Asked<Expected>,
    body: Bytes,
) -> Result<Response, Failure> {
    let request = if is_json(&headers)? {
        if expected.expect.is_some() {
            return Err(wrong("With a body of JSON, expect stands in there."));
        }
        parsed(&body)?
    } else {
        let expected = expected.expect.ok_or_else(|| {
            wrong("Say ?expect= with the fingerprint of the plan that was reviewed.")
        })?;
        let expect: Result<Fingerprint, _> = expected.parse();
        ApplyRequest {
            configuration: Sent::alone(text(&body)?),
            expect: expect.map_err(|_| wrong("expect is no fingerprint."))?,
        }
    };
    let applied = app
        .plan(move |context| ops::apply_sent(&context.acting_as(asker.0), request))
        .await?;
    Ok(answer(&applied))
}

/// Whether the body is JSON; else it is KDL, which has no registered type, and which curl sends as a form or as bytes.
fn is_json(headers: &HeaderMap) -> Result<bool, Failure> {
    let word = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        let value = value.unwrap_or_default().split(';').next();
        value.unwrap_or_default().trim().to_ascii_lowercase()
    };
    if !matches!(word(header::CONTENT_ENCODING).as_str(), "" | "identity") {
        return Err(unsupported("A compressed body is not read."));
    }
    match word(header::CONTENT_TYPE).as_str() {
        "application/json" => Ok(true),
        ""
        | "application/kdl"
        | "application/octet-stream"
        | "application/x-www-form-urlencoded" => Ok(false),
        text if text.starts_with("text/") => Ok(false),
        _ => Err(unsupported("The body is neither KDL nor JSON by its type.")),
    }
}

fn unsupported(what: &str) -> Failure {
    Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what.to_owned())
        .with_help("Send KDL as text/plain, or application/json, as they are.")
}

fn text(body: &Bytes) -> Result<String, Failure> {
    // A command that has failed sends nothing, and means no fleet without hosts.
    if body.is_empty() {
        return Err(wrong("The body is empty: it is the configuration."));
    }
    let text = String::from_utf8(body.to_vec());
    text.map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("The body is not UTF-8: byte {at} begins no character."),
        )
    })
}

fn parsed<T: DeserializeOwned>(body: &Bytes) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        wrong(format!(
            "The body is not what is expected: {}",
            visible(&error.to_string())
        ))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn what_is_neither_kdl_nor_json_is_refused_by_its_type() {
        for (kind, encoding, is) in [
            (None, None, Some(false)),
            (Some("text/plain; charset=utf-8"), None, Some(false)),
            (Some("application/x-www-form-urlencoded"), None, Some(false)),
            (Some("application/JSON"), Some("identity"), Some(true)),
            (Some("application/json; charset=utf-8"), None, Some(true)),
            (Some("application/json"), Some("gzip"), None),
            (Some("application/xml"), None, None),
            (Some("multipart/form-data; boundary=x"), None, None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [
                (header::CONTENT_TYPE, kind),
                (header::CONTENT_ENCODING, encoding),
            ] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            let found = is_json(&headers);
            match (is, found) {
                (Some(is), Ok(found)) => assert_eq!(found, is, "{kind:?}"),
                (None, Err(failure)) => {
                    assert_eq!(failure.status, StatusCode::UNSUPPORTED_MEDIA_TYPE)
                }
                (_, found) => panic!("{kind:?} {encoding:?}: {:?}", found.is_ok()),
            }
        }
    }
}
