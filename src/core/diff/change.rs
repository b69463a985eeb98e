//! The words of a diff.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::model::{HostName, Timestamp};

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It leaves: no more runs, its snapshots stay or go through the prune gate.
    Retire,
    /// It gets another name and keeps its snapshots.
    Rename,
    /// Some of its fields change.
    Update,
    /// It is new.
    Create,
}

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// The settings of the whole service.
    Global,
    /// A host.
    Host,
}

/// One field of a changed object; `null` where it was or becomes absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Its path in the settings, `retention.daily`.
    pub path: String,
    /// What SQL holds.
    pub old: Value,
    /// What the file asks for.
    pub new: Value,
    /// SQL holds something else than the last apply wrote: this change also reverts that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drifted: bool,
}

/// One create, update, retire or rename of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// To what.
    pub object: Object,
    /// The name it has afterwards; `global` for the service.
    pub name: String,
    /// The name it had, for a rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<HostName>,
    /// The place that asks for it, `file:line`; nothing where an absence does.
    pub at: Option<String>,
    /// What differs, sorted by path.
    pub fields: Vec<FieldChange>,
}

/// An object that SQL holds otherwise than the last apply wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// What drifted.
    pub object: Object,
    /// Its name.
    pub name: String,
    /// Each field that did, sorted by path.
    pub fields: Vec<DriftedField>,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Who changed it.
    pub changed_by: String,
}

/// The three sides of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftedField {
    /// Its path in the settings.
    pub path: String,
    /// What the last apply wrote.
    pub applied: Value,
    /// What SQL holds.
    pub actual: Value,
    /// What the file asks for now.
    pub desired: Value,
}

/// Something the file asks for that cannot be done as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// A host leaves, or its snapshots are to go, while SQL remembers `protect #true`.
    Protected {
        /// The host.
        host: HostName,
    },
    /// `removed` names a host that no KDL file manages.
    NotManaged {
        /// The host.
        host: HostName,
        /// The place of the node.
        at: String,
    },
    /// A rename whose both names are hosts in SQL.
    RenameOntoExisting {
        /// The old name.
        was: HostName,
        /// The new name.
        name: HostName,
        /// The place of the node.
        at: String,
    },
    /// A name that differs from that of an existing host only by case, without a rename.
    CaseOnly {
        /// The name in SQL.
        existing: HostName,
        /// The name in the file.
        name: HostName,
        /// The place of the node.
        at: String,
    },
}

/// What a diff finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a comparison does nothing by itself"]
pub struct Comparison {
    /// What an apply would do, sorted by action, object and name.
    pub changes: Vec<Change>,
    /// What drifted, by object and name.
    pub drift: Vec<Drift>,
    /// Hosts in SQL that no KDL file manages and this one does not name.
    pub unmanaged: Vec<HostName>,
    /// What stands in the way.
    pub conflicts: Vec<Conflict>,
}
