//! The resolved desired state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::model::{GlobalSettings, HostName, HostSettings, SnapshotsOnRemoval};

/// What the configuration asks for, after defaults, groups and overrides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredState {
    /// The settings of the whole service.
    pub global: GlobalSettings,
    /// The place of the `global` node, `file:line`; nothing if the file has none.
    pub global_at: Option<String>,
    /// Every host, sorted by name; names are unique whatever their case.
    pub hosts: Vec<DesiredHost>,
    /// Hosts that are said to be gone, sorted by name.
    pub removed: Vec<Removed>,
}

/// One host of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredHost {
    /// Its name.
    pub name: HostName,
    /// The name it had before; its snapshots stay.
    pub was: Option<HostName>,
    /// The place of its node, `file:line`.
    pub at: String,
    /// Every effective value.
    pub settings: HostSettings,
    /// Where each effective value was set: its path in the settings (`ssh.port`, `retention.keep.daily`) to `file:line`,
    /// `built in` where nothing set it. List items have paths of their own (`sources.0`). Empty unless it was asked for.
    #[serde(skip)]
    pub origins: BTreeMap<String, String>,
}

/// A host that the configuration says is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Its name.
    pub name: HostName,
    /// What becomes of its snapshots.
    pub snapshots: SnapshotsOnRemoval,
    /// The place of the node, `file:line`.
    pub at: String,
}
