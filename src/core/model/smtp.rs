//! The mail server that carries notifications.

use serde::{Deserialize, Serialize};

use super::run::words;
use super::{Address, Invalid, SecretText, Value};

words!(/// How a mail server is reached.
SmtpTls, "`none`, `starttls` or `tls`", {
    /// In the clear; for a server on this machine.
    None = "none",
    /// In the clear until STARTTLS, which must be offered.
    Starttls = "starttls",
    /// TLS from the first byte.
    Tls = "tls",
});

impl SmtpTls {
    /// The port where none is set: 25 in the clear, 587 for submission with STARTTLS, 465 with TLS (RFC 8314).
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::Starttls => 587,
            Self::Tls => 465,
        }
    }
}

/// A mail server, and who sends by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SmtpSettings {
    /// Its name or address; this machine if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Value<Address>>,
    /// Its port; that of `tls` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How it is reached; in the clear on this machine and by STARTTLS elsewhere if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<SmtpTls>,
    /// Who sends; `pobsync` at the name of this machine if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value<SecretText>>,
    /// The user to log in as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Value<SecretText>>,
    /// The password of that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Value<SecretText>>,
}

/// Says that mail to `host` does not leave this machine.
#[must_use]
pub fn is_this_machine(host: &str) -> bool {
    matches!(host, "local" | "localhost" | "127.0.0.1" | "::1")
}
