//! Limits lifted on purpose: scoped to one thing, with a number, and recorded in the plan.

use serde::{Deserialize, Serialize};

use crate::core::model::{HostName, Invalid, Label};

/// One limit that a person lifts for one command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Allow {
    /// `delete:HOST:N`: up to N snapshots of one host.
    Delete {
        /// The host.
        host: HostName,
        /// At most this many.
        at_most: usize,
    },
    /// `max-delete:N`: up to N snapshots of each host instead of the guard's number, be that more or less. Other limits stay.
    MaxDelete {
        /// At most this many.
        at_most: u32,
    },
    /// `retire:N`: up to N hosts.
    Retire {
        /// At most this many.
        at_most: usize,
    },
    /// `fleet-delete:N`: up to N snapshots of the whole fleet because of the change.
    FleetDelete {
        /// At most this many.
        at_most: usize,
    },
    /// `server:NAME`: a server that leaves, with all that is on its root.
    Server {
        /// The server.
        name: Label,
    },
    /// `empty`: a desired state without hosts.
    Empty,
}

impl std::str::FromStr for Allow {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused = || {
            Invalid::new(
                text,
                "something to allow",
                "write `delete:HOST:N`, `fleet-delete:N`, `retire:N`, `server:NAME` or `empty`, as the refusal names it",
            )
        };
        let number = |n: &str| {
            n.parse::<usize>()
                .ok()
                .filter(|n| *n > 0)
                .ok_or_else(refused)
        };
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["delete", host, n] => Ok(Self::Delete {
                host: host.parse().map_err(|_| refused())?,
                at_most: number(n)?,
            }),
            ["max-delete", n] => Ok(Self::MaxDelete {
                at_most: n.parse().map_err(|_| refused())?,
            }),
            ["retire", n] => Ok(Self::Retire {
                at_most: number(n)?,
            }),
            ["fleet-delete", n] => Ok(Self::FleetDelete {
                at_most: number(n)?,
            }),
            ["server", name] => Ok(Self::Server {
                name: name.parse().map_err(|_| refused())?,
            }),
            ["empty"] => Ok(Self::Empty),
            _ => Err(refused()),
        }
    }
}

impl std::fmt::Display for Allow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Delete { host, at_most } => write!(f, "delete:{host}:{at_most}"),
            Self::MaxDelete { at_most } => write!(f, "max-delete:{at_most}"),
            Self::Retire { at_most } => write!(f, "retire:{at_most}"),
            Self::FleetDelete { at_most } => write!(f, "fleet-delete:{at_most}"),
            Self::Server { name } => write!(f, "server:{name}"),
            Self::Empty => f.write_str("empty"),
        }
    }
}

impl TryFrom<String> for Allow {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Allow> for String {
    fn from(allow: Allow) -> Self {
        allow.to_string()
    }
}
