//! Snapshots and holds.

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike, Utc};
use compact_str::{CompactString, format_compact};
use serde::{Deserialize, Serialize};

use super::invalid::text_newtype;
use super::{Invalid, SnapshotId, Timestamp};

/// The name of a snapshot: one safe path component.
///
/// Ours are `YYYYMMDD-HHMMSSZ__xxxxxx`; names of the older service may differ and are taken as they are. The 24 characters of
/// ours need no memory elsewhere: a plan of a large fleet holds them a million times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct SnapshotName(CompactString);

impl Serialize for SnapshotName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

text_newtype!(SnapshotName);

impl SnapshotName {
    /// Names a snapshot that starts at `started_at`; the six characters are drawn from `random`.
    #[must_use]
    pub fn new(started_at: Timestamp, random: [u8; 6]) -> Self {
        const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let t = started_at.utc();
        let suffix: String = random
            .iter()
            .map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()]))
            .collect();
        Self(format_compact!(
            "{:04}{:02}{:02}-{:02}{:02}{:02}Z__{suffix}",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second()
        ))
    }

    /// The start time that a name of ours tells, to the second.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        let (stamp, suffix) = self.0.split_once("__")?;
        let is_ours = suffix.len() == 6
            && suffix
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let naive = NaiveDateTime::parse_from_str(stamp, "%Y%m%d-%H%M%SZ").ok()?;
        (is_ours && stamp.len() == 16)
            .then(|| DateTime::<Utc>::from_naive_utc_and_offset(naive, Utc).into())
    }
}

impl std::str::FromStr for SnapshotName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_safe = !text.is_empty()
            && text.len() <= 200
            && !text.starts_with(['-', '.'])
            && text.bytes().all(|b| {
                b.is_ascii_alphanumeric()
                    || matches!(b, b'.' | b'_' | b'-' | b'+' | b':' | b'@' | b',')
            });
        if is_safe {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new(
                text,
                "the name of a snapshot",
                "it is one path component such as 20261122-021500Z__ab12cd",
            ))
        }
    }
}

/// Why a snapshot was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotKind {
    /// By a schedule.
    Scheduled,
    /// Because a person asked.
    Manual,
}

impl SnapshotKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Scheduled, Self::Manual];

    /// The word for it, which is also its directory.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Manual => "manual",
        }
    }
}

impl std::fmt::Display for SnapshotKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for SnapshotKind {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| {
                Invalid::new(text, "a kind of snapshot", "write `scheduled` or `manual`")
            })
    }
}

/// How far a snapshot has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotStatus {
    /// A run is making it, or was when the program was killed.
    Running,
    /// Whole, durable and visible.
    Complete,
    /// Some files could not be read; not visible.
    Partial,
    /// The pull failed; not visible.
    Failed,
    /// A prune has committed to removing it.
    Deleting,
    /// Removed by a prune.
    Deleted,
    /// The row is there and the directory is not.
    Missing,
}

impl SnapshotStatus {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Running,
        Self::Complete,
        Self::Partial,
        Self::Failed,
        Self::Deleting,
        Self::Deleted,
        Self::Missing,
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Missing => "missing",
        }
    }

    /// Says that something of the snapshot may be on disk, so that a plan must speak of it.
    #[must_use]
    pub const fn is_on_disk(self) -> bool {
        !matches!(self, Self::Deleted | Self::Missing)
    }
}

impl std::fmt::Display for SnapshotStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for SnapshotStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| Invalid::new(text, "the status of a snapshot", ""))
    }
}

/// A pin on one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who set it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was set.
    pub since: Timestamp,
    /// When it ends by itself; never if absent.
    pub until: Option<Timestamp>,
}

impl Hold {
    /// Says that the hold still pins its snapshot at `now`.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// One pull of a host, as SQL records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its row.
    pub id: SnapshotId,
    /// Its name, unique within host and kind.
    pub name: SnapshotName,
    /// Why it was made.
    pub kind: SnapshotKind,
    /// How far it has come.
    pub status: SnapshotStatus,
    /// When its pull began.
    pub started_at: Timestamp,
    /// When its pull ended.
    pub finished_at: Option<Timestamp>,
    /// The snapshot it was hard-linked against, by name; the row may be unknown.
    pub base: Option<SnapshotName>,
    /// Bytes of all files together, shared ones included; unknown for snapshots found on disk without metadata.
    pub bytes: Option<u64>,
    /// How many files it has.
    pub files: Option<u64>,
    /// The pin on it, in force or past. Few have one.
    pub hold: Option<Box<Hold>>,
    /// It shrank or changed beyond `suspect-percent` and nobody has acknowledged it.
    pub suspect: bool,
    /// A run that is alive is working on it.
    pub live: bool,
}

#[cfg(test)]
mod tests {
    use super::SnapshotName;
    use crate::core::model::Timestamp;

    #[test]
    fn a_name_tells_its_start() {
        let start: Timestamp = "2026-11-22T02:15:00Z".parse().unwrap();
        let name = SnapshotName::new(start, [0, 27, 255, 3, 35, 36]);
        assert_eq!(name.as_str(), "20261122-021500Z__a1dd9a");
        assert_eq!(name.time(), Some(start));
    }

    #[test]
    fn foreign_names_are_safe_components_without_a_time() {
        let legacy: SnapshotName = "2019-01-01_daily".parse().unwrap();
        assert_eq!(legacy.time(), None);
        for bad in ["", ".", "..", "a/b", "-rf", "a\nb", "a b"] {
            assert!(bad.parse::<SnapshotName>().is_err(), "{bad:?}");
        }
    }
}
