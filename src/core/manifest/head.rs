//! Whose manifest it is.

use serde::{Deserialize, Serialize};

use crate::core::model::{SnapshotKind, SnapshotName, Timestamp};

/// The second line of a manifest, JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestHead {
    /// Why the snapshot was made.
    pub kind: SnapshotKind,
    /// The snapshot.
    pub snapshot: SnapshotName,
    /// When the manifest was made.
    pub made_at: Timestamp,
    /// It was made with the snapshot; else later, and what was damaged before counts as sound.
    pub with_pull: bool,
}
