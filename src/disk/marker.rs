//! The file that says which backup root a directory is.

use serde::{Deserialize, Serialize};

use super::error::DiskError;
use super::handle::{Existing, Handle};
use crate::core::model::{Lineage, RootId, Timestamp};

/// Its name in the root.
pub(super) const FILE: &str = ".pobsync-root";
/// Far more than any marker of ours: whatever is larger is none.
const LIMIT: u64 = 64 * 1024;
/// The only format so far.
const FORMAT: u32 = 1;

/// Who a backup root is and whose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// 1.
    pub format_version: u32,
    /// The identity of the root, for as long as it lives.
    pub id: RootId,
    /// The database that may back up and prune here.
    pub lineage: Lineage,
    /// When it was taken into use.
    pub created_at: Timestamp,
    /// What a later version has added; kept as it is.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl Marker {
    /// A marker of a root taken into use at `now`.
    pub(super) fn new(id: RootId, lineage: Lineage, now: Timestamp) -> Self {
        Self {
            format_version: FORMAT,
            id,
            lineage,
            created_at: now,
            other: serde_json::Map::new(),
        }
    }

    /// Reads the marker of the directory; nothing if there is none.
    pub(super) fn read(dir: &Handle) -> Result<Option<Self>, DiskError> {
        let Some(bytes) = dir.read(FILE, LIMIT)? else {
            return Ok(None);
        };
        let bad = |why: String| DiskError::BadMarker {
            path: dir.path().join(FILE),
            why,
        };
        let marker: Self = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        if marker.format_version == FORMAT {
            Ok(Some(marker))
        } else {
            Err(bad(format!(
                "its format_version is {}, this pobsync knows {FORMAT}",
                marker.format_version
            )))
        }
    }

    /// Writes the marker, durably; says whether it was written.
    pub(super) fn write(&self, dir: &Handle, existing: Existing) -> Result<bool, DiskError> {
        dir.write(FILE, &json_text(self, dir, FILE)?, existing)
    }
}

/// JSON as people like to read it, with a line end.
pub(super) fn json_text(
    value: &impl Serialize,
    dir: &Handle,
    name: &str,
) -> Result<Vec<u8>, DiskError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| DiskError::io("write", &dir.path().join(name), error))?;
    text.push(b'\n');
    Ok(text)
}
