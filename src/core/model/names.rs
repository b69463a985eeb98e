//! Names that become one component of a path or a word in a table.

use compact_str::CompactString;

use super::Invalid;
use super::invalid::{text_newtype, text_on_the_wire};

/// Longer names do not fit beside a snapshot's name in the 255 bytes of a directory entry.
const MAX_NAME: usize = 128;

/// The name of a host: one safe path component of `[A-Za-z0-9._-]`, at most 128 characters, not beginning with `-` or `.`.
///
/// Host names are unique whatever their case: compare [`HostName::folded`] where two must not meet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(CompactString);

text_newtype!(HostName);
text_on_the_wire!(HostName);

impl HostName {
    /// A longer name is none.
    pub const MAX_LENGTH: usize = MAX_NAME;

    /// The name in lower case, under which no two hosts may meet.
    #[must_use]
    pub fn folded(&self) -> CompactString {
        self.0.to_ascii_lowercase()
    }
}

impl std::str::FromStr for HostName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        check_component(text, "a host name").map(|()| Self(text.into()))
    }
}

/// The name of a group, retention policy, schedule, server or notifier: the same shape as a host name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(CompactString);

text_newtype!(Label);
text_on_the_wire!(Label);

impl std::str::FromStr for Label {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        check_component(text, "a name").map(|()| Self(text.into()))
    }
}

fn check_component(text: &str, expected: &'static str) -> Result<(), Invalid> {
    let help = if text.is_empty() {
        "it is empty"
    } else if text.len() > MAX_NAME {
        "it is longer than 128 characters"
    } else if text.starts_with(['-', '.']) {
        "it must not begin with `-` or `.`"
    } else if !text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    {
        "use only letters, digits, `.`, `_` and `-`"
    } else {
        return Ok(());
    };
    Err(Invalid::new(text, expected, help))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::HostName;

    #[rstest]
    #[case("web-01")]
    #[case("web_01.example.net")]
    #[case("9")]
    fn safe_components_are_host_names(#[case] text: &str) {
        assert_eq!(
            text.parse::<HostName>().map(String::from).as_deref(),
            Ok(text)
        );
    }

    #[rstest]
    #[case("")]
    #[case("-oProxyCommand=x")]
    #[case(".hidden")]
    #[case("..")]
    #[case("a/b")]
    #[case("a b")]
    #[case("a\n")]
    #[case("wеb")] // a Cyrillic letter
    fn everything_else_is_refused(#[case] text: &str) {
        assert!(text.parse::<HostName>().is_err(), "{text:?}");
        assert!("a".repeat(129).parse::<HostName>().is_err());
    }
}
