//! What SQL holds about the configuration: the second input of every diff.

use serde::{Deserialize, Serialize};

use super::run::words;
use super::{
    Fingerprint, GlobalSettings, HostId, HostName, HostSettings, Invalid, Lineage, Serial,
    Timestamp,
};

words!(/// Who manages an object: only what KDL created is ever retired by an apply.
ManagedBy, "a manager", {
    /// The KDL file.
    Kdl = "kdl",
    /// The imperative commands.
    Cli = "cli",
    /// The web pages.
    Web = "web",
});

words!(/// What becomes of the snapshots of a host that leaves.
SnapshotsOnRemoval, "`keep` or `delete`", {
    /// They stay, and every plan lists them.
    Keep = "keep",
    /// They go through the prune gate, all but held and running ones.
    Delete = "delete",
});

/// That a host has left: no more runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retirement {
    /// When it left.
    pub at: Timestamp,
    /// What becomes of its snapshots.
    pub snapshots: SnapshotsOnRemoval,
}

/// That an operator has paused a host, whatever its configuration says: no runs, nothing pruned, still shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub at: Timestamp,
    /// Who paused it.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
}

/// One host as SQL holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlHost {
    /// Its row.
    pub id: HostId,
    /// Its name, unique whatever its case among hosts that have not been forgotten.
    pub name: HostName,
    /// Its directory below the root: apply never moves data, so a renamed host keeps it.
    pub directory: HostName,
    /// Who manages it.
    pub managed_by: ManagedBy,
    /// What is in force.
    pub settings: HostSettings,
    /// What the last apply wrote, or nothing for hosts no apply has seen: the third side of drift.
    pub applied: Option<HostSettings>,
    /// Set once it has left.
    pub retired: Option<Retirement>,
    /// Set while an operator has paused it: no configuration, so that no apply ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// The policy that stands approved.
    pub approved_policy: Option<Fingerprint>,
    /// When its settings last changed.
    pub changed_at: Timestamp,
    /// Who changed them.
    pub changed_by: String,
}

impl SqlHost {
    /// Says that it has no runs and loses nothing for the time being, by its configuration or by an operator.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        !self.settings.enabled || self.pause.is_some()
    }

    /// Says that somebody has changed it since the last apply.
    #[must_use]
    pub fn has_drifted(&self) -> bool {
        self.applied
            .as_ref()
            .is_some_and(|applied| *applied != self.settings)
    }

    /// Says that its policy stands approved; so does having none.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        let policy = self.settings.retention.as_ref();
        policy.is_none_or(|policy| self.approved_policy.as_ref() == Some(&policy.fingerprint()))
    }
}

/// The settings of the whole service as SQL holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlGlobal {
    /// Who manages them.
    pub managed_by: ManagedBy,
    /// What is in force.
    pub settings: GlobalSettings,
    /// What the last apply wrote.
    pub applied: Option<GlobalSettings>,
    /// When they last changed.
    pub changed_at: Timestamp,
    /// Who changed them.
    pub changed_by: String,
}

/// Everything a plan needs to know of SQL but the snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlState {
    /// The identity of the database.
    pub lineage: Lineage,
    /// How many configuration changes it has seen.
    pub serial: Serial,
    /// The settings of the service, once any were set.
    pub global: Option<SqlGlobal>,
    /// Every host, retired ones included, by name.
    pub hosts: Vec<SqlHost>,
}

impl SqlState {
    /// The settings of the whole service; those built in if none were set.
    #[must_use]
    pub fn settings(&self) -> GlobalSettings {
        self.global
            .as_ref()
            .map(|global| global.settings.clone())
            .unwrap_or_default()
    }

    /// The host called `name` that has not been retired, else the retired one of that name.
    #[must_use]
    pub fn host(&self, name: &HostName) -> Option<&SqlHost> {
        let mut found = self.hosts.iter().filter(|host| host.name == *name);
        let first = found.next();
        first
            .filter(|host| host.retired.is_none())
            .or_else(|| found.find(|host| host.retired.is_none()))
            .or(first)
    }
}
