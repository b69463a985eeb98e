//! The resolved desired state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::model::{GlobalSettings, HostName, HostSettings, SnapshotsOnRemoval, Written};

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

/// The bytes of a usual host, written.
const HOST: usize = 1 << 10;

impl DesiredState {
    /// All that it asks for, written for a fingerprint. The places of the files are no part of it: they move with a comment,
    /// and with the folder it is read from.
    #[must_use]
    pub fn written(&self) -> Written {
        let hosts: Vec<_> = self
            .hosts
            .iter()
            .map(|host| (&host.name, &host.was, &host.settings))
            .collect();
        let removed: Vec<_> = self
            .removed
            .iter()
            .map(|gone| (&gone.name, gone.snapshots))
            .collect();
        Written::with_room(hosts.len() * HOST, &(&self.global, hosts, removed))
    }
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
