//! How much a host may bring: what a compromised one is stopped at.

use serde::{Deserialize, Serialize};

use super::ByteCount;

/// The limits of a host; none where absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Limits {
    /// What one snapshot may come to: the lengths of its files added up, and what they take on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<ByteCount>,
    /// How many names one snapshot may have, directories too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_files: Option<u32>,
    /// What all its snapshots together may take on disk, for a run to begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<ByteCount>,
}

impl Limits {
    /// Says that nothing is limited.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The limit that so many names are over.
    #[must_use]
    pub fn on_names(&self, names: u64) -> Option<Excess> {
        let limit = self.max_files?;
        (names > u64::from(limit)).then_some(Excess::Files(limit))
    }

    /// The limit that so many bytes are over, of files or on disk.
    #[must_use]
    pub fn on_bytes(&self, bytes: u64) -> Option<Excess> {
        let limit = self.max_size?;
        (bytes > limit.0).then_some(Excess::Size(limit))
    }
}

/// The limit that a host is over, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the limit of its name")]
pub enum Excess {
    Files(u32),
    Size(ByteCount),
}

impl std::fmt::Display for Excess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Files(limit) => write!(
                f,
                "over `max-files`: the host has more than {limit} names, and the pull was stopped"
            ),
            Self::Size(limit) => write!(
                f,
                "over `max-size`: the host brings more than {limit}, and the pull was stopped"
            ),
        }?;
        f.write_str("; look at what it sends, then exclude that or raise the limit in `limits`")
    }
}

#[cfg(test)]
mod tests {
    use super::{Excess, Limits};
    use crate::core::model::ByteCount;

    #[test]
    fn what_is_at_a_limit_is_not_over_it() {
        let limits = Limits {
            max_size: Some(ByteCount(10)),
            max_files: Some(2),
            quota: None,
        };
        assert_eq!(limits.on_names(2), None);
        assert_eq!(limits.on_names(3), Some(Excess::Files(2)));
        assert_eq!(limits.on_bytes(10), None);
        assert_eq!(limits.on_bytes(11), Some(Excess::Size(ByteCount(10))));
        assert_eq!(Limits::default().on_names(u64::MAX), None);
        assert_eq!(Limits::default().on_bytes(u64::MAX), None);
    }
}
