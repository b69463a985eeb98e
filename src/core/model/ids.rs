//! Row ids and the identities of databases and roots.

use serde::{Deserialize, Serialize};

use super::Invalid;
use super::invalid::text_newtype;

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

row_id!(/// A row of `hosts`.
    HostId);
row_id!(/// A row of `snapshots`.
    SnapshotId);
row_id!(/// A row of `runs`.
    RunId);
row_id!(/// A row of `plans`.
    PlanId);
row_id!(/// A row of `events`.
    EventId);
row_id!(/// A row of `deliveries`.
    DeliveryId);
row_id!(/// The number that grows by one with every configuration change.
    Serial);
row_id!(/// The number of one claim of a host: a later claim of it has a larger one.
    Fence);

/// The random identity of one database: 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lineage(String);

text_newtype!(Lineage);

/// The random identity of one backup root: 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RootId(String);

text_newtype!(RootId);

fn check_hex(text: &str, expected: &'static str) -> Result<String, Invalid> {
    if text.len() == 32
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        Ok(text.to_owned())
    } else {
        Err(Invalid::new(
            text,
            expected,
            "it has 32 hexadecimal digits in lower case",
        ))
    }
}

fn hex(bytes: [u8; 16]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl std::str::FromStr for Lineage {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        check_hex(text, "the lineage of a database").map(Self)
    }
}

impl std::str::FromStr for RootId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        check_hex(text, "the id of a backup root").map(Self)
    }
}

impl Lineage {
    /// Makes a lineage of sixteen random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(hex(bytes))
    }
}

impl RootId {
    /// Makes an id of sixteen random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(hex(bytes))
    }
}
