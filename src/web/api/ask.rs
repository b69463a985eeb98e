//! What a request asks for: nothing that is not known, and nothing twice.

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::core::model::{HostName, visible};
use crate::ops::Paging;
use crate::web::failure::Failure;

/// Rows on a page unless said otherwise.
const USUAL: u32 = 100;
/// Rows on a page at most: a second of work for the database at worst.
const MOST: u32 = 500;

/// A query whose every word is known.
pub(super) struct Asked<T>(pub(super) T);

/// A query that asks for nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query
            .map(|Query(asked)| Self(asked))
            .map_err(|error| wrong(visible(&error.body_text())))
    }
}

/// A request that makes no sense.
pub(super) fn wrong(message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, message)
        .with_help("GET /api/openapi.json says what may be asked for.")
}

/// Checks which part of a list is asked for.
pub(super) fn paging(limit: Option<u32>, after: Option<i64>) -> Result<Paging, Failure> {
    let limit = limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(wrong(format!("limit is a number from 1 to {MOST}.")));
    }
    if after.is_some_and(|after| after < 1) {
        return Err(wrong(
            "after is what the link to the next page says, a number from 1.",
        ));
    }
    Ok(Paging { limit, after })
}

/// The host that a path names.
pub(super) fn host_of(path: &str) -> Result<HostName, Failure> {
    path.parse()
        .map_err(|_| Failure::not_found("There is no such host."))
}

/// The host that a query names.
pub(super) fn host_asked(name: Option<&str>) -> Result<Option<HostName>, Failure> {
    let parsed = name.map(str::parse).transpose();
    parsed.map_err(|_| wrong("host is the name of a host."))
}

/// The number that a path names.
pub(super) fn number(path: &str, what: &str) -> Result<i64, Failure> {
    let is_number = !path.is_empty() && path.bytes().all(|byte| byte.is_ascii_digit());
    let number = path.parse().ok().filter(|_| is_number);
    number.ok_or_else(|| Failure::not_found(format!("There is no such {what}.")))
}
