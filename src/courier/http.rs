//! Webhooks and pings.

use std::time::Duration;

use ureq::http::Uri;
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Error};

use super::{Undelivered, roots, words_of};
use crate::core::model::{Event, EventKind};

/// A receiver that takes longer to be found and to accept a connection is down.
const CONNECT: Duration = Duration::from_secs(10);
/// The whole exchange, so that one that trickles holds nobody up for longer.
const WHOLE: Duration = Duration::from_secs(30);

/// Posts an event as JSON. `X-Pobsync-Event` carries its id, by which a receiver drops what it has had already.
///
/// # Errors
/// When the address cannot be used, or the answer is not 2xx.
pub fn post(address: &str, event: &Event, body: &str) -> Result<(), Undelivered> {
    let address = checked(address)?;
    let answer = agent(WHOLE)
        .post(address)
        .header("content-type", "application/json")
        .header("x-pobsync-event", &event.id)
        .send(body);
    judge(answer.map(|answer| answer.status().as_u16()))
}

/// Calls an address, as healthchecks services want it: good news as it is, bad news with `/fail` after its path.
///
/// # Errors
/// As [`post`].
pub fn ping(address: &str, event: &Event) -> Result<(), Undelivered> {
    let address = checked(&ping_address(address, event.event))?;
    let answer = agent(WHOLE)
        .get(address)
        .header("x-pobsync-event", &event.id)
        .call();
    judge(answer.map(|answer| answer.status().as_u16()))
}

fn ping_address(address: &str, event: EventKind) -> String {
    if !event.is_problem() {
        return address.to_owned();
    }
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let (path, rest) = address.split_at(end);
    format!("{}/fail{rest}", path.trim_end_matches('/'))
}

fn checked(address: &str) -> Result<Uri, Undelivered> {
    let no = || Undelivered::no("its address is no http:// or https:// URL");
    let uri: Uri = address.parse().map_err(|_| no())?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_http && uri.host().is_some_and(|host| !host.is_empty()))
        .then_some(uri)
        .ok_or_else(no)
}

/// Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY` and their kin), since some servers have no other way
/// out. Redirects are not followed: where an event goes is written in the configuration and nowhere else.
pub(super) fn agent(whole: Duration) -> Agent {
    let mut tls = TlsConfig::builder();
    if let Some(pem) = roots::of_this_machine() {
        let found: Vec<_> = ureq::tls::parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if !found.is_empty() {
            tls = tls.root_certs(RootCerts::from(found));
        }
    }
    Agent::config_builder()
        .tls_config(tls.build())
        .user_agent(concat!("pobsync/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(whole))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .build()
        .new_agent()
}

fn judge(answer: Result<u16, Error>) -> Result<(), Undelivered> {
    let status = answer.map_err(|error| Undelivered::down(words(&error)))?;
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(Undelivered::no(format!(
            "it answered {status}, a redirect, which is not followed: set the address it leads to"
        ))),
        // Too early, too often, not now: the receiver asks for patience.
        408 | 425 | 429 => Err(Undelivered::down(format!("it answered {status}"))),
        400..=499 => Err(Undelivered::no(format!("it answered {status}"))),
        _ => Err(Undelivered::down(format!("it answered {status}"))),
    }
}

/// The library's own words may hold the address, so these are ours.
pub(super) fn words(error: &Error) -> &'static str {
    match error {
        // rustls tells of certificates in this way.
        Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            "its certificate is not trusted, or TLS failed"
        }
        Error::Io(error) => words_of(error.kind()),
        Error::Timeout(_) => "it took too long",
        Error::HostNotFound => "its name cannot be looked up",
        Error::ConnectionFailed => "it cannot be reached",
        Error::Protocol(_) | Error::LargeResponseHeader(..) => "its answer is not HTTP",
        Error::Tls(_) | Error::Rustls(_) | Error::Pem(_) => {
            "its certificate is not trusted, or TLS failed"
        }
        Error::InvalidProxyUrl | Error::ConnectProxyFailed(_) => {
            "the proxy of the environment cannot be used"
        }
        _ => "the exchange failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::notify::Refusal;

    #[test]
    fn bad_news_go_to_the_fail_address_of_a_ping() {
        let of = |address, event| ping_address(address, event);
        let base = "https://hc.example.net/ping/uuid";
        assert_eq!(of(base, EventKind::Success), base);
        assert_eq!(of(base, EventKind::Recovery), base);
        assert_eq!(of(base, EventKind::Failure), format!("{base}/fail"));
        assert_eq!(
            of("http://h/p/?a=b", EventKind::Stale),
            "http://h/p/fail?a=b"
        );
    }

    #[test]
    fn only_the_web_is_called_and_no_error_holds_an_address() {
        for bad in [
            "file:///etc/secret",
            "secret",
            "ftp://secret/",
            "http://",
            "http:///secret",
            "https://[secret",
        ] {
            let error = checked(bad).unwrap_err();
            assert_eq!(error.refusal, Refusal::No, "{bad}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(checked("https://hooks.example.net/T1/secret?x=y").is_ok());
    }

    #[test]
    fn a_receiver_that_says_no_is_told_from_one_that_is_down() {
        for (status, refusal) in [
            (301, Refusal::No),
            (400, Refusal::No),
            (404, Refusal::No),
            (410, Refusal::No),
            (429, Refusal::Down),
            (408, Refusal::Down),
            (500, Refusal::Down),
            (503, Refusal::Down),
        ] {
            let error = judge(Ok(status)).unwrap_err();
            assert_eq!(error.refusal, refusal, "{status}");
            assert!(error.to_string().contains(&status.to_string()));
        }
        assert_eq!(judge(Ok(204)), Ok(()));
        let error = judge(Err(Error::BadUri("https://secret/".to_owned()))).unwrap_err();
        assert_eq!(error.to_string(), "the exchange failed");
    }
}
