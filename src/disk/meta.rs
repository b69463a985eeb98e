//! What a snapshot says of itself in `meta.json`.

use serde::{Deserialize, Serialize};

use super::error::DiskError;
use super::handle::{Existing, Handle};
use super::marker::json_text;
use crate::core::model::{HostName, SnapshotKind, SnapshotName, SnapshotStatus, Timestamp};

/// Its name beside `data/`.
pub(super) const FILE: &str = "meta.json";
/// A thousand sources and excludes fit many times; a larger file is not ours.
const LIMIT: u64 = 1024 * 1024;

/// The metadata of one snapshot, `schema/snapshot-meta.schema.json`.
///
/// Who it is must be there; all else may be absent. Fields that a later version has added are kept and written again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotMeta {
    /// 1.
    #[serde(default = "format")]
    pub format_version: u32,
    /// The name of the snapshot, which is its directory's.
    pub name: SnapshotName,
    /// The name of the host at the time.
    pub host: HostName,
    /// Why it was made.
    pub kind: SnapshotKind,
    /// How far it had come when this was written: `complete` for all that are visible.
    #[serde(default)]
    pub status: Option<SnapshotStatus>,
    /// When the pull began.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When the pull ended.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// The snapshot it was hard-linked against.
    #[serde(default)]
    pub base: Option<SnapshotName>,
    /// What was pulled, as text: what was a source once need not be one for this version.
    #[serde(default)]
    pub sources: Vec<String>,
    /// What was left out, as text.
    #[serde(default)]
    pub excludes: Vec<String>,
    /// rsync's exit code.
    #[serde(default)]
    pub rsync_exit: Option<i32>,
    /// How many files it has.
    #[serde(default)]
    pub files: Option<u64>,
    /// Bytes of all files together, shared ones included.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Bytes that came over the wire.
    #[serde(default)]
    pub bytes_transferred: Option<u64>,
    /// How much of what the base held had changed, in percent; nothing where that cannot be said.
    #[serde(default)]
    pub changed_percent: Option<u8>,
    /// Devices, sockets and fifos that were left out, though `files` counts them.
    #[serde(default)]
    pub skipped: Option<u64>,
    /// The retention policy in force at the time; for people, never to decide by.
    #[serde(default)]
    pub policy: Option<serde_json::Value>,
    /// What wrote this.
    #[serde(default)]
    pub pobsync_version: Option<String>,
    /// Everything else in the file.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// Why the metadata of a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    /// It is not JSON, or a field has a value it cannot have.
    #[error("it makes no sense")]
    Malformed(#[source] serde_json::Error),
    /// A newer pobsync wrote it.
    #[error("its format_version is {0}, this pobsync knows 1")]
    Newer(u32),
    /// It is of another snapshot than the one it lies beside.
    #[error("it says {field} {says:?} where {is:?} is expected")]
    OfAnother {
        /// `host`, `kind` or `name`.
        field: &'static str,
        /// What the file says.
        says: String,
        /// What the directory says.
        is: String,
    },
}

impl SnapshotMeta {
    /// The only format so far.
    pub const FORMAT: u32 = 1;

    /// Metadata that says who the snapshot is and nothing else yet.
    #[must_use]
    pub fn new(host: HostName, kind: SnapshotKind, name: SnapshotName) -> Self {
        Self {
            format_version: Self::FORMAT,
            name,
            host,
            kind,
            status: None,
            started_at: None,
            finished_at: None,
            base: None,
            sources: Vec::new(),
            excludes: Vec::new(),
            rsync_exit: None,
            files: None,
            bytes: None,
            bytes_transferred: None,
            changed_percent: None,
            skipped: None,
            policy: None,
            pobsync_version: None,
            other: serde_json::Map::new(),
        }
    }

    /// Reads metadata from JSON text.
    ///
    /// # Errors
    ///
    /// The text makes no sense or is of a newer format.
    pub fn parse(text: &[u8]) -> Result<Self, MetaError> {
        /// Read first: a newer format may have changed everything else.
        #[derive(Deserialize)]
        struct Version {
            #[serde(default = "format")]
            format_version: u32,
        }
        let version: Version = serde_json::from_slice(text).map_err(MetaError::Malformed)?;
        if version.format_version != Self::FORMAT {
            return Err(MetaError::Newer(version.format_version));
        }
        serde_json::from_slice(text).map_err(MetaError::Malformed)
    }

    /// Checks that the metadata is of this snapshot. A host is known by any of `hosts`: a renamed one keeps its
    /// directory and its older snapshots keep its older name.
    ///
    /// # Errors
    ///
    /// [`MetaError::OfAnother`] with the first field that differs.
    pub fn check_is_of<'a>(
        &self,
        hosts: impl IntoIterator<Item = &'a HostName>,
        kind: SnapshotKind,
        name: &SnapshotName,
    ) -> Result<(), MetaError> {
        let of_another = |field, says: &str, is: &str| {
            Err(MetaError::OfAnother {
                field,
                says: says.to_owned(),
                is: is.to_owned(),
            })
        };
        let hosts: Vec<&HostName> = hosts.into_iter().collect();
        if self.name != *name {
            of_another("name", self.name.as_str(), name.as_str())
        } else if self.kind != kind {
            of_another("kind", self.kind.as_str(), kind.as_str())
        } else if !hosts.contains(&&self.host) {
            let is: Vec<&str> = hosts.iter().map(|host| host.as_str()).collect();
            of_another("host", self.host.as_str(), &is.join(", "))
        } else {
            Ok(())
        }
    }
}

/// Reads the `meta.json` in the directory of a snapshot; nothing if there is none.
pub(super) fn read(snapshot: &Handle) -> Result<Option<SnapshotMeta>, DiskError> {
    let Some(bytes) = snapshot.read(FILE, LIMIT)? else {
        return Ok(None);
    };
    SnapshotMeta::parse(&bytes)
        .map(Some)
        .map_err(|source| DiskError::Meta {
            path: snapshot.path().to_owned(),
            source,
        })
}

/// Writes `meta.json` into the directory of a snapshot, durably.
pub(super) fn write(snapshot: &Handle, meta: &SnapshotMeta) -> Result<(), DiskError> {
    let text = json_text(meta, snapshot, FILE)?;
    snapshot
        .write(FILE, &text, Existing::Replace)
        .map(|_written| ())
}

const fn format() -> u32 {
    SnapshotMeta::FORMAT
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{MetaError, SnapshotMeta};

    const LEAST: &str =
        r#"{"name": "20261122-021500Z__ab12cd", "host": "web-01", "kind": "scheduled"}"#;

    #[test]
    fn absent_fields_are_no_error_and_unknown_ones_are_written_again() {
        let mut text: serde_json::Value = serde_json::from_str(LEAST).unwrap();
        text["from_the_future"] = serde_json::json!({"a": [1]});
        let meta = SnapshotMeta::parse(text.to_string().as_bytes()).unwrap();
        assert_eq!(meta.format_version, 1);
        assert_eq!(meta.base, None);
        let again = serde_json::to_value(&meta).unwrap();
        assert_eq!(again["from_the_future"], text["from_the_future"]);
    }

    #[test]
    fn a_newer_format_and_nonsense_are_told_apart() {
        let newer = SnapshotMeta::parse(br#"{"format_version": 2, "name": 7}"#);
        assert!(matches!(newer, Err(MetaError::Newer(2))), "{newer:?}");
        for nonsense in [
            "",
            "{",
            "[]",
            "null",
            r#"{"name": "../x", "host": "h", "kind": "manual"}"#,
        ] {
            let parsed = SnapshotMeta::parse(nonsense.as_bytes());
            assert!(matches!(parsed, Err(MetaError::Malformed(_))), "{nonsense}");
        }
    }

    #[test]
    fn metadata_of_another_snapshot_names_the_field() {
        let meta = SnapshotMeta::parse(LEAST.as_bytes()).unwrap();
        let former = "web-01".parse().unwrap();
        let host = "web-02".parse().unwrap();
        let check = |hosts: &[_]| meta.check_is_of(hosts, meta.kind, &meta.name);
        assert!(check(&[host, former]).is_ok());
        let error = check(&["web-02".parse().unwrap()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"it says host "web-01" where "web-02" is expected"#
        );
    }
}
