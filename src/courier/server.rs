//! Asking a running pobsync: one request with a token, one answer.

use std::time::Duration;

use ureq::Error;
use ureq::http::Uri;

use super::http::{agent, words};

/// A plan of ten thousand hosts with a hundred snapshots each fits twice.
const LARGEST: u64 = 1 << 30;
/// The server gives a request up after a minute; the answer is on its way for some time.
const WHOLE: Duration = Duration::from_secs(300);

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Says why nothing came back, in words that hold no address and no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub &'static str);

/// Posts JSON to `path` of the server at `origin` and reads its answer, whatever its status. Follows no redirect: the token
/// is for this server.
///
/// # Errors
/// When nothing came back.
pub fn ask(origin: &str, path: &str, token: &str, body: &str) -> Result<Answer, Unanswered> {
    let address = format!("{}{path}", origin.trim_end_matches('/'));
    let sent = agent(WHOLE)
        .post(address)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .send(body);
    let mut answer = sent.map_err(|error| Unanswered(words(&error)))?;
    let body = answer.body_mut().with_config().limit(LARGEST);
    let body = body.read_to_string().map_err(|error| match error {
        Error::BodyExceedsLimit(_) => Unanswered("its answer is larger than any plan"),
        error => Unanswered(words(&error)),
    })?;
    Ok(Answer {
        status: answer.status().as_u16(),
        body,
    })
}

/// Says what is wrong with the address of a server: a token crosses no network in clear.
///
/// # Errors
/// With what is wrong.
pub fn check_origin(origin: &str) -> Result<(), &'static str> {
    let uri: Uri = origin.parse().map_err(|_| "it is no URL")?;
    let authority = uri.authority().ok_or("it names no host")?;
    if authority.as_str().contains('@') {
        return Err("it must not hold a user");
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() || origin.contains('#') {
        return Err("it is an origin alone, without a path");
    }
    let is_here = match authority.host() {
        "localhost" | "[::1]" => true,
        host => host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback()),
    };
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_here => Ok(()),
        Some("http") => Err("the token would cross the network in clear"),
        _ => Err("it has to begin with https://"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::check_origin;

    #[rstest]
    #[case("https://backup.example.net", true)]
    #[case("https://backup.example.net:8443/", true)]
    #[case("http://127.0.0.1:8000", true)]
    #[case("http://localhost:8000/", true)]
    #[case("http://[::1]:8000", true)]
    #[case("http://backup.example.net", false)]
    #[case("http://127.0.0.1.example.net", false)]
    #[case("http://localhost@evil.example.net", false)]
    #[case("https://backup.example.net/pobsync", false)]
    #[case("https://backup.example.net/?x", false)]
    #[case("https://backup.example.net#x", false)]
    #[case("ftp://127.0.0.1", false)]
    #[case("backup.example.net", false)]
    #[case("", false)]
    fn a_token_goes_over_tls_or_stays_on_this_machine(#[case] origin: &str, #[case] is_good: bool) {
        assert_eq!(check_origin(origin).is_ok(), is_good, "{origin}");
    }
}
