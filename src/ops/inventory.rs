//! Everything a plan is made from, as a file: so that CI can plan without the database, and without its passwords.

use std::collections::BTreeMap;

use camino::Utf8Path;
use serde::{Deserialize, Serialize};

use super::context::Facts;
use super::saved::{SavedPlanError, read_bounded};
use super::{Context, Error, VERSION};
use crate::core::model::{AbsolutePath, HostName, Label, Snapshot, SqlState, Timestamp};
use crate::core::plan::Elsewhere;
use crate::store::RootRecord;

/// The version of the file. A newer one is refused.
const FORMAT_VERSION: u32 = 1;

/// The SQL state and the snapshots of every host, `schema/inventory.schema.json`.
///
/// References stay references: nothing that `(env)` or `(file)` stands for is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// 1.
    pub format_version: u32,
    /// The program that wrote it.
    pub pobsync_version: String,
    /// When.
    pub created_at: Timestamp,
    /// Hosts, settings, approved policies, lineage and serial.
    pub state: SqlState,
    /// The root in use, if one is.
    pub root: Option<RootRecord>,
    /// The snapshots by directory of their host.
    pub snapshots: BTreeMap<HostName, Vec<Snapshot>>,
    /// What was measured of what they take on disk, by directory of their host.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub usage: BTreeMap<HostName, serde_json::Value>,
    /// What servers have of hosts that belong to others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Elsewhere>,
    /// The roots of other servers that were seen: they may no more be lost sight of than the one in `root`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_roots: Vec<OtherRoot>,
}

/// Where the root of another server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherRoot {
    /// The server.
    pub server: Label,
    /// The path.
    pub path: AbsolutePath,
}

/// Reads the inventory from the database.
///
/// # Errors
/// When the database cannot be read.
pub fn inventory(context: &Context) -> Result<Inventory, Error> {
    let Facts {
        state,
        mut snapshots,
        usage,
        root,
        elsewhere,
        only: _,
        other_roots,
    } = context.facts()?;
    let measured = state
        .hosts
        .iter()
        .filter_map(|host| {
            let body = serde_json::from_str(usage.get(&host.id)?).ok()?;
            Some((host.directory.clone(), body))
        })
        .collect();
    let by_directory = state
        .hosts
        .iter()
        .map(|host| {
            (
                host.directory.clone(),
                snapshots.remove(&host.id).unwrap_or_default(),
            )
        })
        .collect();
    Ok(Inventory {
        format_version: FORMAT_VERSION,
        pobsync_version: VERSION.to_owned(),
        created_at: super::clock::now(),
        state,
        root,
        snapshots: by_directory,
        usage: measured,
        elsewhere,
        other_roots: other_roots
            .into_iter()
            .map(|(server, path)| OtherRoot { server, path })
            .collect(),
    })
}

/// Reads a file that [`inventory`] made, to plan from it.
///
/// # Errors
/// When it cannot be read, is truncated or no inventory, is of a newer format, or lacks a host that it names.
pub fn read_inventory(path: &Utf8Path) -> Result<Facts, Error> {
    #[derive(Deserialize)]
    struct Head {
        format_version: u64,
    }
    let not_one = |source| SavedPlanError::NotAnInventory {
        path: path.to_owned(),
        source,
    };
    let text = read_bounded(path)?;
    let head: Head = serde_json::from_str(&text).map_err(not_one)?;
    if head.format_version > u64::from(FORMAT_VERSION) {
        return Err(SavedPlanError::Newer {
            path: path.to_owned(),
            found: head.format_version,
        }
        .into());
    }
    let mut found: Inventory = serde_json::from_str(&text).map_err(not_one)?;
    let mut snapshots = BTreeMap::new();
    let mut usage = BTreeMap::new();
    for host in &found.state.hosts {
        let of_host =
            found
                .snapshots
                .remove(&host.directory)
                .ok_or_else(|| SavedPlanError::LacksHost {
                    path: path.to_owned(),
                    host: host.name.clone(),
                })?;
        snapshots.insert(host.id, of_host);
        if let Some(body) = found.usage.get(&host.directory) {
            usage.insert(host.id, body.to_string());
        }
    }
    Ok(Facts {
        state: found.state,
        snapshots,
        usage,
        root: found.root,
        elsewhere: found.elsewhere,
        only: None,
        other_roots: found
            .other_roots
            .into_iter()
            .map(|other| (other.server, other.path))
            .collect(),
    })
}
