//! `HOST[:SNAPSHOT]`.

use std::str::FromStr;

use crate::core::model::{HostName, Invalid, Which};

/// A host with all its snapshots, or one snapshot of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct HostSnapshot {
    /// The host.
    pub(in crate::cli) host: HostName,
    /// The snapshot; all of them if none is said.
    pub(in crate::cli) snapshot: Option<Which>,
}

impl FromStr for HostSnapshot {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (host, snapshot) = match text.split_once(':') {
            Some((host, snapshot)) => (host, Some(snapshot.parse()?)),
            None => (text, None),
        };
        Ok(Self {
            host: host.parse()?,
            snapshot,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::HostSnapshot;

    #[test]
    fn a_snapshot_follows_a_colon() {
        let one: HostSnapshot = "web-01:20261122-021500Z__ab12cd".parse().unwrap();
        assert_eq!(one.host.as_str(), "web-01");
        assert!(one.snapshot.is_some());
        for short in ["web-01:latest", "web-01:20261122", "web-01:manual/2026"] {
            let one: HostSnapshot = short.parse().unwrap();
            assert!(one.snapshot.is_some(), "{short}");
        }
        let host: HostSnapshot = "web-01".parse().unwrap();
        assert_eq!(host.snapshot, None);
        for bad in ["", ":", "web:", "web:a/b", "../x", "web:..", "a:b:c/d"] {
            assert!(bad.parse::<HostSnapshot>().is_err(), "{bad}");
        }
    }
}
