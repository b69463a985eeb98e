//! What one transaction writes of the configuration.

use crate::core::model::{
    Fingerprint, GlobalSettings, HostId, HostName, HostSettings, ManagedBy, PlanId, Serial,
    SnapshotsOnRemoval, Timestamp,
};

use super::NewPlan;

/// One change of the configuration: all of it is written, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigChange {
    /// The serial of the state that the change was made from; another one makes it stale.
    pub expected_serial: Serial,
    /// Who makes the change.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// One line for the history: what happens.
    pub summary: String,
    /// What the settings of the service become, if they are written.
    pub global: Option<GlobalWrite>,
    /// What happens to hosts. Retirements come first and names that are given up are free at once, so that two hosts may
    /// swap names; all else happens in this order.
    pub hosts: Vec<HostWrite>,
    /// The plan that is carried out.
    pub plan: Option<NewPlan>,
    /// The policies that stand approved once the change is written, by the names that hosts have then. Approvals need a
    /// plan, and each must be of the policy in force.
    pub approvals: Vec<(HostName, Fingerprint)>,
}

/// What the settings of the service become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalWrite {
    /// Who manages them from now on.
    pub managed_by: ManagedBy,
    /// What is in force from now on.
    pub settings: GlobalSettings,
    /// What the last apply wrote, which is `settings` when an apply writes.
    pub applied: Option<GlobalSettings>,
}

/// What happens to one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostWrite {
    /// A new row with a directory of its own: the name, or where a host has ever used that, the name and a number.
    Create {
        /// Its name.
        name: HostName,
        /// Its content.
        content: Box<HostContent>,
    },
    /// New content for a host that is not retired. Adopting is an update too.
    Update {
        /// The host.
        host: HostId,
        /// Its new content.
        content: Box<HostContent>,
    },
    /// A new name; the directory stays.
    Rename {
        /// The host.
        host: HostId,
        /// Its new name.
        to: HostName,
    },
    /// The host leaves; of one that has left already, only what becomes of its snapshots changes.
    Retire {
        /// The host.
        host: HostId,
        /// What becomes of its snapshots.
        snapshots: SnapshotsOnRemoval,
    },
    /// A retired host comes back under its name, with its directory, snapshots and settings.
    Revive {
        /// The host.
        host: HostId,
    },
}

/// Everything that a write may say about a host but its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostContent {
    /// Who manages it from now on.
    pub managed_by: ManagedBy,
    /// What is in force from now on.
    pub settings: HostSettings,
    /// What the last apply wrote, which is `settings` when an apply writes; nothing if no apply has seen the host.
    pub applied: Option<HostSettings>,
}

/// What came of a [`ConfigChange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Configured {
    /// The serial that is now in force.
    pub serial: Serial,
    /// The configuration changed, so that the serial grew.
    pub changed: bool,
    /// The row of the recorded plan.
    pub plan: Option<PlanId>,
}
