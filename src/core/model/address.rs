//! Where a host is reached.

use compact_str::CompactString;

use super::Invalid;
use super::invalid::{text_newtype, text_on_the_wire};

/// An IP address, a DNS name, or `local` for this machine without ssh.
///
/// rsync takes a word with a `/` before its first `:` for a path of the server, and ssh takes one that begins with
/// `-` for an option: neither can be held here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(CompactString);

text_newtype!(Address);
text_on_the_wire!(Address);

impl Address {
    /// Says that the host is the machine the program runs on.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0 == "local"
    }

    /// Says that rsync wants the address in brackets.
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        self.0.parse::<std::net::Ipv6Addr>().is_ok()
    }
}

impl std::str::FromStr for Address {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.parse::<std::net::IpAddr>().is_ok() || is_dns_name(text) {
            return Ok(Self(text.into()));
        }
        Err(Invalid::new(
            text,
            "an IP address or a DNS name",
            "write the bare address: user and port go into `ssh { }`, paths into `source`",
        ))
    }
}

/// RFC 1123 names, with the underscore that some networks use.
fn is_dns_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    !name.is_empty() && name.len() <= 253 && name.split('.').all(is_label)
}

/// A user of the host: `[a-z_][a-z0-9_-]*`, at most 32 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(CompactString);

text_newtype!(UserName);
text_on_the_wire!(UserName);

impl UserName {
    /// The user that can read everything.
    #[must_use]
    pub fn root() -> Self {
        Self(CompactString::const_new("root"))
    }
}

impl std::str::FromStr for UserName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_first = |b: u8| b.is_ascii_lowercase() || b == b'_';
        let is_rest = |b: u8| is_first(b) || b.is_ascii_digit() || b == b'-';
        let ok = text.len() <= 32
            && text.bytes().next().is_some_and(is_first)
            && text.bytes().all(is_rest);
        if ok {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new(
                text,
                "a user name",
                "use lower-case letters, digits, `_` and `-`, beginning with a letter or `_`",
            ))
        }
    }
}

/// A host to jump through, `[user@]address[:port]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyJump(CompactString);

text_newtype!(ProxyJump);
text_on_the_wire!(ProxyJump);

impl ProxyJump {
    /// The user there, if one was said.
    #[must_use]
    pub fn user(&self) -> Option<UserName> {
        self.parts().and_then(|(user, ..)| user)
    }

    /// Where the host is reached.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        self.parts().map(|(_, address, _)| address)
    }

    /// The ssh port: 22 unless said.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.parts().and_then(|(.., port)| port).unwrap_or(22)
    }

    fn parts(&self) -> Option<(Option<UserName>, Address, Option<u16>)> {
        jump_parts(&self.0)
    }
}

impl std::str::FromStr for ProxyJump {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        jump_parts(text).map(|_| Self(text.into())).ok_or_else(|| {
            Invalid::new(
                text,
                "a host to jump through",
                "write `user@address:port`; user and port may be left out",
            )
        })
    }
}

/// User, address and port of a jump; nothing if it is none.
fn jump_parts(text: &str) -> Option<(Option<UserName>, Address, Option<u16>)> {
    let (user, rest) = match text.split_once('@') {
        Some((user, rest)) => (Some(user.parse().ok()?), rest),
        None => (None, text),
    };
    let (address, port) = match rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
        Some((v6, "")) => (v6, None),
        Some((v6, tail)) => (v6, Some(tail.strip_prefix(':')?)),
        None => match rest.split_once(':') {
            Some((address, port)) => (address, Some(port)),
            None => (rest, None),
        },
    };
    let address: Address = address.parse().ok()?;
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
        None => None,
    };
    (!address.is_local()).then_some((user, address, port))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{Address, ProxyJump, UserName};

    #[rstest]
    #[case("192.0.2.7", true)]
    #[case("2001:db8::1", true)]
    #[case("web-01.example.net", true)]
    #[case("local", true)]
    #[case("web_01", true)]
    #[case("", false)]
    #[case("-oProxyCommand=x", false)]
    #[case("a/b", false)]
    #[case("a:b", false)]
    #[case("user@a", false)]
    #[case("a\nb", false)]
    #[case("a..b", false)]
    #[case("rsync://a", false)]
    #[case("a b", false)]
    fn an_address_is_an_ip_or_a_dns_name(#[case] text: &str, #[case] ok: bool) {
        assert_eq!(text.parse::<Address>().is_ok(), ok, "{text:?}");
    }

    #[rstest]
    #[case("root", true)]
    #[case("_backup-1", true)]
    #[case("Root", false)]
    #[case("-l", false)]
    #[case("a b", false)]
    #[case("", false)]
    fn a_user_is_a_plain_word(#[case] text: &str, #[case] ok: bool) {
        assert_eq!(text.parse::<UserName>().is_ok(), ok, "{text:?}");
    }

    #[rstest]
    #[case("jump.example.net", true)]
    #[case("ops@jump:2222", true)]
    #[case("ops@[2001:db8::1]:22", true)]
    #[case("local", false)]
    #[case("-x", false)]
    #[case("jump:0", false)]
    #[case("a,b", false)]
    fn a_jump_is_user_address_port(#[case] text: &str, #[case] ok: bool) {
        assert_eq!(text.parse::<ProxyJump>().is_ok(), ok, "{text:?}");
    }

    #[test]
    fn a_jump_has_parts() {
        let parts = |text: &str| {
            let jump: ProxyJump = text.parse().unwrap();
            let user = jump.user().map(String::from);
            (user, jump.address().unwrap().to_string(), jump.port())
        };
        let ops = Some("ops".to_owned());
        assert_eq!(parts("jump"), (None, "jump".to_owned(), 22));
        assert_eq!(
            parts("ops@jump:2222"),
            (ops.clone(), "jump".to_owned(), 2222)
        );
        assert_eq!(
            parts("ops@[2001:db8::1]:22"),
            (ops, "2001:db8::1".to_owned(), 22)
        );
    }
}
