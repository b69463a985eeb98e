//! Which snapshot of which host is meant: `HOST[:SNAPSHOT]`.

use super::{HostName, Invalid, SnapshotKind};

/// One snapshot of one host, as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPick {
    /// The host.
    pub host: HostName,
    /// Which of its snapshots.
    pub which: Which,
}

/// Which snapshot of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The newest complete one.
    Latest,
    /// The one of this name, or the only one whose name begins so; of this kind alone, if one is said.
    Named {
        /// `scheduled` or `manual`.
        kind: Option<SnapshotKind>,
        /// The name, or how it begins.
        begins: String,
    },
}

impl Which {
    /// That one.
    #[must_use]
    pub fn exactly(kind: SnapshotKind, name: &super::SnapshotName) -> Self {
        Self::Named {
            kind: Some(kind),
            begins: name.to_string(),
        }
    }
}

impl std::str::FromStr for Which {
    type Err = Invalid;

    /// `latest`, a name, the beginning of one, or either behind `scheduled/` or `manual/`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let (kind, begins) = match text.split_once('/') {
            Some((kind, name)) => (Some(kind.parse()?), name),
            None => (None, text),
        };
        // What a name can begin with is checked as a name is.
        begins.parse::<super::SnapshotName>().map_err(|_| {
            Invalid::new(
                text,
                "a snapshot",
                "write `latest`, a name, or how one begins, such as 20261122",
            )
        })?;
        Ok(Self::Named {
            kind,
            begins: begins.to_owned(),
        })
    }
}

impl std::str::FromStr for SnapshotPick {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // A host name holds no colon; the name of a snapshot may.
        let (host, which) = match text.split_once(':') {
            Some((host, "")) => {
                let help = format!(
                    "nothing stands behind the colon: write {host} for the newest snapshot, or how the name of one begins, such as {host}:20261122"
                );
                return Err(Invalid::new(text, "a host and a snapshot", help));
            }
            Some((host, which)) => (host, which.parse()?),
            None => (text, Which::Latest),
        };
        Ok(Self {
            host: host.parse()?,
            which,
        })
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Named { kind: None, begins } => f.write_str(begins),
            Self::Named {
                kind: Some(kind),
                begins,
            } => write!(f, "{kind}/{begins}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rstest::rstest;

    use super::SnapshotPick;

    #[rstest]
    #[case("web-01", Some("web-01 latest"))]
    #[case("web-01:latest", Some("web-01 latest"))]
    #[case("web-01:20261122", Some("web-01 20261122"))]
    #[case("web-01:manual/2026", Some("web-01 manual/2026"))]
    #[case("web-01:2026-11-22T01:02", Some("web-01 2026-11-22T01:02"))]
    #[case("web-01:", None)]
    #[case("web-01:..", None)]
    #[case("web-01:other/2026", None)]
    #[case("-x:latest", None)]
    fn a_host_and_perhaps_a_snapshot(#[case] text: &str, #[case] want: Option<&str>) {
        let pick: Option<SnapshotPick> = text.parse().ok();
        let shown = pick.map(|pick| format!("{} {}", pick.host, pick.which));
        assert_eq!(shown.as_deref(), want, "{text}");
    }

    #[test]
    fn nothing_behind_the_colon_is_told() {
        let said = "loc:".parse::<SnapshotPick>().unwrap_err();
        assert_eq!(said.to_string(), "loc: is not a host and a snapshot");
        assert!(said.help.contains("write loc for"), "{}", said.help);
    }
}
