//! `mysql://user@host:port/database?option=value`: which server, as whom, and how the way there is protected.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// Both are in use for the same servers.
const SCHEMES: [&str; 2] = ["mysql", "mariadb"];
const DEFAULT_PORT: u16 = 3306;
/// Longer names of databases MariaDB does not know (mariadb.com/kb: identifier names).
const LONGEST_NAME: usize = 64;
const OPTIONS: &str = "socket, password-file, password-env, ssl-mode, ssl-ca, ssl-cert and ssl-key";

/// The address of one database of a server. Neither what is printed of it nor its `Debug` holds a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerAddress {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) socket: Option<String>,
    pub(super) user: String,
    pub(super) password: Password,
    pub(super) name: String,
    pub(super) tls: Tls,
}

/// Where the password comes from. It is looked up for each connection, so that a new one is taken up without a restart.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Password {
    /// There is none: the server knows its users by the socket, say.
    None,
    /// It stood in the address.
    Given(String),
    /// The first line of a file.
    File(String),
    /// The value of a variable.
    Environment(String),
}

/// How the way to the server is protected. On a socket nothing is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) mode: TlsMode,
    /// Certificates of authorities that are believed beside the public ones.
    pub(super) authorities: Option<String>,
    /// A certificate of our own and its key, where the server asks for one.
    pub(super) identity: Option<(String, String)>,
}

/// What the server must show: the words of the mysql client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// All is sent in the clear.
    Disabled,
    /// Nobody can read along, but nobody knows who the server is either.
    Required,
    /// An authority vouches for the server, whatever its name.
    VerifyAuthority,
    /// An authority vouches for a server of this name.
    VerifyIdentity,
}

/// What is wrong with an address. None of these repeats the address, in which a password may stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It is no URL.
    #[error("the address of the database server is no URL: {0}")]
    NotAUrl(String),
    /// Something that is needed is not there.
    #[error("the address of the database server names no {0}: mysql://USER@HOST/DATABASE")]
    Without(&'static str),
    /// A part holds what it cannot hold.
    #[error("the {part} in the address of the database server cannot be used: {problem}")]
    Unfit {
        /// The part.
        part: &'static str,
        /// Why not.
        problem: String,
    },
    /// An option that there is not.
    #[error("the address of the database server has an option {0:?}; there are {OPTIONS}")]
    UnknownOption(String),
    /// Two parts that exclude each other.
    #[error("the address of the database server has {0}: only one can be meant")]
    Twice(&'static str),
}

impl ServerAddress {
    /// Says that `text` is meant as the address of a server and not as a path.
    pub(crate) fn is_meant_by(text: &str) -> bool {
        text.split_once("://").is_some_and(|(scheme, _)| {
            SCHEMES
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known))
        })
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Says that the way to the server does not leave this machine.
    pub(super) fn is_near(&self) -> bool {
        self.socket.is_some() || is_loopback(&self.host)
    }

    /// The name of the database.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.name
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|error| AddressError::NotAUrl(error.to_string()))?;
        if !SCHEMES.contains(&url.scheme()) {
            return Err(AddressError::NotAUrl("it begins with mysql://".to_owned()));
        }
        if url.fragment().is_some() {
            // A `#` of a password that was not written as %23 ends everything before it.
            return Err(AddressError::NotAUrl(
                "a # in it must be written as %23".to_owned(),
            ));
        }
        let host = host_of(&url)?;
        let user = decoded("user", url.username())?;
        if user.is_empty() {
            return Err(AddressError::Without("user"));
        }
        if user.chars().any(char::is_control) {
            return Err(AddressError::Unfit {
                part: "user",
                problem: "it holds control characters".to_owned(),
            });
        }
        let given = url.password().map(|p| decoded("password", p)).transpose()?;
        let options = Options::of(&url)?;
        let is_near = options.socket.is_some() || is_loopback(&host);
        Ok(Self {
            port: url.port().unwrap_or(DEFAULT_PORT),
            password: options.password(given)?,
            name: name_of(&url)?,
            tls: options.tls(is_near)?,
            socket: options.socket,
            host,
            user,
        })
    }
}

/// What stands behind the `?`.
#[derive(Default)]
struct Options {
    socket: Option<String>,
    password_file: Option<String>,
    password_env: Option<String>,
    ssl_mode: Option<String>,
    ssl_ca: Option<String>,
    ssl_cert: Option<String>,
    ssl_key: Option<String>,
}

impl Options {
    fn of(url: &Url) -> Result<Self, AddressError> {
        let mut options = Self::default();
        for (name, value) in url.query_pairs() {
            let place = match &*name {
                "socket" => &mut options.socket,
                "password-file" => &mut options.password_file,
                "password-env" => &mut options.password_env,
                "ssl-mode" => &mut options.ssl_mode,
                "ssl-ca" => &mut options.ssl_ca,
                "ssl-cert" => &mut options.ssl_cert,
                "ssl-key" => &mut options.ssl_key,
                _ => return Err(AddressError::UnknownOption(name.into_owned())),
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(AddressError::Twice("an option twice"));
            }
        }
        Ok(options)
    }

    fn password(&self, given: Option<String>) -> Result<Password, AddressError> {
        match (given, &self.password_file, &self.password_env) {
            (None, None, None) => Ok(Password::None),
            (Some(given), None, None) => Ok(Password::Given(given)),
            (None, Some(file), None) => Ok(Password::File(file.clone())),
            (None, None, Some(name)) => Ok(Password::Environment(name.clone())),
            _ => Err(AddressError::Twice("more than one password")),
        }
    }

    /// A server elsewhere is spoken to under TLS unless the address says otherwise: whoever reads along sees what there is
    /// to steal, and could write approvals of their own.
    fn tls(&self, is_near: bool) -> Result<Tls, AddressError> {
        let mode = match self.ssl_mode.as_deref() {
            None if self.ssl_ca.is_some() => TlsMode::VerifyIdentity,
            None if is_near => TlsMode::Disabled,
            None | Some("required") => TlsMode::Required,
            Some("disabled") => TlsMode::Disabled,
            Some("verify-ca") => TlsMode::VerifyAuthority,
            Some("verify-identity" | "verify-full") => TlsMode::VerifyIdentity,
            Some(_) => {
                return Err(AddressError::Unfit {
                    part: "ssl-mode",
                    problem: "it is disabled, required, verify-ca or verify-identity".to_owned(),
                });
            }
        };
        let identity = match (&self.ssl_cert, &self.ssl_key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            _ => {
                return Err(AddressError::Without(
                    "ssl-cert and ssl-key, which go together",
                ));
            }
        };
        Ok(Tls {
            mode,
            authorities: self.ssl_ca.clone(),
            identity,
        })
    }
}

fn host_of(url: &Url) -> Result<String, AddressError> {
    match url.host() {
        Some(Host::Domain(name)) if !name.is_empty() => Ok(name.to_owned()),
        Some(Host::Ipv4(address)) => Ok(address.to_string()),
        Some(Host::Ipv6(address)) => Ok(address.to_string()),
        _ => Err(AddressError::Without("host")),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The name of the database: it also stands in statements that people are told to run, so it needs no quotes there.
fn name_of(url: &Url) -> Result<String, AddressError> {
    let name = decoded("database", url.path().trim_start_matches('/'))?;
    if name.is_empty() {
        return Err(AddressError::Without("database"));
    }
    let fits = name.len() <= LONGEST_NAME
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$'));
    if !fits {
        return Err(AddressError::Unfit {
            part: "database",
            problem: "its name has letters, digits, _, - and $, 64 at most".to_owned(),
        });
    }
    Ok(name)
}

fn decoded(part: &'static str, text: &str) -> Result<String, AddressError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| AddressError::Unfit {
            part,
            problem: "it is no UTF-8".to_owned(),
        })
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, name, .. } = self;
        match &self.socket {
            Some(socket) => write!(f, "mysql://{user}@localhost/{name}?socket={socket}"),
            None if self.host.contains(':') => {
                write!(f, "mysql://{user}@[{}]:{}/{name}", self.host, self.port)
            }
            None => write!(f, "mysql://{user}@{}:{}/{name}", self.host, self.port),
        }
    }
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests;
