//! Where a database is: in a file, or with a server.

use std::fmt;
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};

use super::mariadb::{AddressError, ServerAddress};

/// Where a database is. What is printed of it holds no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseAddress {
    /// A SQLite file.
    File(Utf8PathBuf),
    /// A database of a MariaDB server.
    Server(Box<ServerAddress>),
}

impl DatabaseAddress {
    /// The file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Utf8Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Server(_) => None,
        }
    }
}

impl From<&Utf8Path> for DatabaseAddress {
    fn from(path: &Utf8Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&Utf8PathBuf> for DatabaseAddress {
    fn from(path: &Utf8PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<&DatabaseAddress> for DatabaseAddress {
    fn from(address: &DatabaseAddress) -> Self {
        address.clone()
    }
}

impl FromStr for DatabaseAddress {
    type Err = AddressError;

    /// Takes what begins with `mysql://` or `mariadb://` for the address of a server, and anything else for a path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if ServerAddress::is_meant_by(text) {
            return text.parse().map(Box::new).map(Self::Server);
        }
        Ok(Self::File(text.into()))
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Server(server) => server.fmt(f),
        }
    }
}
