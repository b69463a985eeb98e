//! Answers: the document that the command of that name prints, with a tag by which a program asks whether it changed.

use std::fmt::Write as _;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::core::model::Timestamp;
use crate::ops::Page;
use crate::render::document;

/// Answers with a document.
pub(super) fn answer<T: Serialize>(value: &T) -> Response {
    tagged(document(value))
}

/// Answers with a document whose first time is the one at which it was made: its tag is that of the rest, and weak.
pub(super) fn answer_made<T: Serialize>(value: &T, at: Timestamp) -> Response {
    let text = document(value);
    let rest = text.replacen(&at.to_string(), "", 1);
    let tag = format!("W/{}", tag(&rest));
    with_tag(text, tag)
}

/// Answers with JSON text.
pub(super) fn tagged(text: String) -> Response {
    let tag = tag(&text);
    with_tag(text, tag)
}

fn with_tag(text: String, tag: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::ETAG, tag),
        // Asked again each time: what has not changed is a few bytes.
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::VARY, "Authorization, Cookie".to_owned()),
    ];
    (headers, text).into_response()
}

/// Answers with a page of the list at `path`, and names the next one. `kept` is what else the query asked for.
pub(super) fn listed<T: Serialize>(
    page: &Page<T>,
    path: &str,
    limit: u32,
    kept: &[(&str, Option<&str>)],
) -> Response {
    let mut response = answer(&page.rows);
    if let Some(next) = page.next {
        let mut link = format!("<{path}?limit={limit}");
        for (name, value) in kept {
            if let Some(value) = value {
                let _ = write!(link, "&{name}={value}");
            }
        }
        let _ = write!(link, "&after={next}>; rel=\"next\"");
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(header::LINK, link);
        }
    }
    response
}

fn tag(text: &str) -> String {
    let hash = Sha256::digest(text);
    let half = hash.iter().take(16);
    let digits: String = half.map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

/// Answers 304 without a body where the program that asks has the document already.
pub(in crate::web) async fn only_if_changed(request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let known = request.headers().get_all(header::IF_NONE_MATCH);
    let known: Vec<HeaderValue> = known.iter().cloned().collect();
    let response = next.run(request).await;
    let is_known = response
        .headers()
        .get(header::ETAG)
        .is_some_and(|tag| known.iter().any(|known| names(known, tag)));
    if !(is_read && is_known && response.status() == StatusCode::OK) {
        return response;
    }
    let mut headers: HeaderMap = response.headers().clone();
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::CONTENT_TYPE);
    (StatusCode::NOT_MODIFIED, headers).into_response()
}

/// RFC 9110 section 13.1.2: a list of tags, compared weakly, or `*` for any.
fn names(known: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(known), Ok(tag)) = (known.to_str(), tag.to_str()) else {
        return false;
    };
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    known
        .split(',')
        .map(str::trim)
        .any(|known| known == "*" || opaque(known) == opaque(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_alone_weak_in_a_list_and_as_any() {
        let tag = HeaderValue::from_static("\"abc\"");
        for (known, is_known) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("\"x\", \"abc\"", true),
            ("*", true),
            ("\"abcd\"", false),
            ("abc", false),
            ("", false),
        ] {
            let known = HeaderValue::from_str(known).unwrap();
            assert_eq!(names(&known, &tag), is_known, "{known:?}");
        }
    }

    #[test]
    fn the_time_at_which_a_document_was_made_is_no_change() {
        let made = |seconds: i64, state: &str| {
            let at = Timestamp::from_millis(seconds * 1000);
            let document = serde_json::json!({"at": at, "state": state});
            answer_made(&document, at).headers()["etag"].clone()
        };
        assert_eq!(made(1, "well"), made(2, "well"));
        assert_ne!(made(1, "well"), made(1, "stale"));
        assert!(names(&made(1, "well"), &made(2, "well")));
    }

    #[test]
    fn the_next_page_is_asked_for_as_this_one_was() {
        let page = Page {
            rows: vec![1, 2],
            next: Some(7),
        };
        let kept = [("host", Some("web-1")), ("all", None)];
        let response = listed(&page, "/api/snapshots/", 2, &kept);
        assert_eq!(
            response.headers()["link"],
            "</api/snapshots/?limit=2&host=web-1&after=7>; rel=\"next\""
        );
    }
}
