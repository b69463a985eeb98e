//! The one origin that the pages are reached under: what a `Host` header may say, and where forms may come from.

use std::net::SocketAddr;

use axum::http::Uri;

/// Scheme and authority, such as `https://backup.example.net`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: &'static str,
    /// Host and port in lower case; a port that is the scheme's own is left out, as browsers do.
    authority: String,
    /// Other authorities that mean the same: `localhost` for a loopback address.
    also: Vec<String>,
}

impl Origin {
    /// The origin that an operator names, or what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "it is no URL")?;
        let scheme = match uri.scheme_str() {
            Some("https") => "https",
            Some("http") => "http",
            _ => return Err("it has to begin with https:// or http://"),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("it must not hold a user");
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err("it is an origin alone, without a path");
        }
        Ok(Self {
            scheme,
            authority: normal(scheme, authority.as_str()),
            also: Vec::new(),
        })
    }

    /// The origin of a server that browsers reach directly.
    pub(super) fn of_listener(address: SocketAddr, is_tls: bool) -> Self {
        let scheme = if is_tls { "https" } else { "http" };
        let port = address.port();
        let mut also = Vec::new();
        if address.ip().is_loopback() {
            also.extend(
                ["localhost", "127.0.0.1", "[::1]"]
                    .map(|host| normal(scheme, &format!("{host}:{port}"))),
            );
        }
        Self {
            scheme,
            authority: normal(scheme, &address.to_string()),
            also,
        }
    }

    /// Says that cookies travel encrypted.
    pub(super) fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// Says that nobody but this machine reaches it by that name.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self
            .authority
            .rsplit_once(':')
            .map_or(self.authority.as_str(), |(host, _)| host);
        host == "localhost"
            || host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback())
    }

    /// Says that a request with this `Host` is for us. Anything else is a name that somebody pointed at this machine.
    pub(super) fn is_host(&self, host: &str) -> bool {
        let host = normal(self.scheme, host);
        host == self.authority || self.also.contains(&host)
    }

    /// Says that a request with this `Origin` comes from one of our pages.
    pub(super) fn is_origin(&self, origin: &str) -> bool {
        origin
            .split_once("://")
            .is_some_and(|(scheme, authority)| scheme == self.scheme && self.is_host(authority))
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

fn normal(scheme: &str, authority: &str) -> String {
    let own_port = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.to_ascii_lowercase();
    authority
        .strip_suffix(own_port)
        .map(str::to_owned)
        .unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://backup.example.net", "backup.example.net", true)]
    #[case("https://backup.example.net", "BACKUP.example.net:443", true)]
    #[case("https://backup.example.net", "backup.example.net:8000", false)]
    #[case("https://backup.example.net", "evil.example.net", false)]
    #[case("http://127.0.0.1:8010", "127.0.0.1:8010", true)]
    fn only_our_own_name_is_ours(#[case] origin: &str, #[case] host: &str, #[case] is: bool) {
        assert_eq!(Origin::parse(origin).unwrap().is_host(host), is);
    }

    #[test]
    fn a_loopback_server_is_localhost_too_and_nobody_else() {
        let origin = Origin::of_listener("127.0.0.1:8000".parse().unwrap(), false);
        assert!(origin.is_loopback() && !origin.is_https());
        assert!(origin.is_host("localhost:8000") && origin.is_origin("http://localhost:8000"));
        assert!(!origin.is_host("rebound.example.net:8000"));
        assert!(!origin.is_origin("https://localhost:8000") && !origin.is_origin("null"));
    }

    #[rstest]
    #[case("backup.example.net")]
    #[case("ftp://backup.example.net")]
    #[case("https://user@backup.example.net")]
    #[case("https://backup.example.net/path")]
    fn what_is_no_origin_is_refused(#[case] text: &str) {
        assert!(Origin::parse(text).is_err(), "{text}");
    }
}
