//! What changed in SQL since the last apply, held against the file as it is now.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;

use super::fields::{at_path, changed_fields};
use super::{FieldChange, Object};
use crate::core::desired::DesiredState;
use crate::core::model::{HostName, ManagedBy, SqlState, Timestamp};

/// What an apply of the file would do about a drifted field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// The file says what was last applied: an apply reverts the drift, and an edit of the file can adopt it.
    Reverted,
    /// The file says what SQL holds: an apply records it, and nothing changes.
    Agreed,
    /// The file says a third thing: it was changed since, too.
    Conflict,
    /// The file does not have the object.
    NotInFile,
    /// There is no file to compare with.
    NoFile,
}

/// One drifted field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldDrift {
    /// Its path in the settings.
    pub path: String,
    /// What the last apply wrote; `null` where it was absent.
    pub applied: Value,
    /// What SQL holds.
    pub actual: Value,
    /// What the file says, where there is one that has the object.
    pub desired: Option<Value>,
    /// What becomes of it.
    pub standing: Standing,
}

/// One object that drifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectDrift {
    /// What it is.
    pub object: Object,
    /// Its name; `global` for the service.
    pub name: String,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Who changed it.
    pub changed_by: String,
    /// Each field, sorted by path.
    pub fields: Vec<FieldDrift>,
}

/// What drifted, and what is not drift but looks like it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DriftReport {
    /// `global` first, then hosts by name.
    pub drift: Vec<ObjectDrift>,
    /// Hosts that no file manages.
    pub unmanaged: Vec<HostName>,
    /// Hosts of the file that SQL has as retired alone: an apply makes them anew.
    pub retired: Vec<HostName>,
}

impl DriftReport {
    /// How many fields an apply would change, or that are in conflict: agreed ones are no drift any more.
    #[must_use]
    pub fn count(&self) -> usize {
        let fields = self.drift.iter().flat_map(|object| &object.fields);
        fields
            .filter(|field| field.standing != Standing::Agreed)
            .count()
    }
}

/// Compares what SQL holds with what was last applied, and with `desired` where there is a file.
#[must_use]
pub fn drift(actual: &SqlState, desired: Option<&DesiredState>) -> DriftReport {
    let mut report = DriftReport::default();
    if let Some(global) = &actual.global
        && let Some(applied) = &global.applied
    {
        let file = match desired {
            Some(state) => File::Says(serde_json::to_value(&state.global).unwrap_or_default()),
            None => File::None,
        };
        let fields = three_sides(changed_fields(Some(applied), Some(&global.settings)), &file);
        push(
            &mut report,
            Object::Global,
            "global",
            (global.changed_at, &global.changed_by),
            fields,
        );
    }
    let live = || actual.hosts.iter().filter(|host| host.retired.is_none());
    let by_name: Option<HashMap<_, _>> =
        desired.map(|state| state.hosts.iter().map(|host| (&host.name, host)).collect());
    for host in live() {
        let asked = by_name
            .as_ref()
            .map(|by_name| by_name.get(&host.name).copied());
        if host.managed_by != ManagedBy::Kdl {
            if !matches!(asked, Some(Some(_))) {
                report.unmanaged.push(host.name.clone());
            }
            continue;
        }
        let Some(applied) = &host.applied else {
            continue;
        };
        let file = match asked {
            Some(Some(wanted)) => {
                File::Says(serde_json::to_value(&wanted.settings).unwrap_or_default())
            }
            Some(None) => File::Lacks,
            None => File::None,
        };
        let fields = three_sides(changed_fields(Some(applied), Some(&host.settings)), &file);
        let by = (host.changed_at, host.changed_by.as_str());
        push(&mut report, Object::Host, host.name.as_str(), by, fields);
    }
    let names: HashSet<_> = actual.hosts.iter().map(|host| host.name.folded()).collect();
    let live_names: HashSet<_> = live().map(|host| host.name.folded()).collect();
    for wanted in desired.iter().flat_map(|state| &state.hosts) {
        let name = wanted.name.folded();
        if names.contains(&name) && !live_names.contains(&name) {
            report.retired.push(wanted.name.clone());
        }
    }
    report
        .drift
        .sort_by(|a, b| (a.object, &a.name).cmp(&(b.object, &b.name)));
    report
}

enum File {
    Says(Value),
    Lacks,
    None,
}

fn push(
    report: &mut DriftReport,
    object: Object,
    name: &str,
    (changed_at, changed_by): (Timestamp, &str),
    fields: Vec<FieldDrift>,
) {
    if !fields.is_empty() {
        report.drift.push(ObjectDrift {
            object,
            name: name.to_owned(),
            changed_at,
            changed_by: changed_by.to_owned(),
            fields,
        });
    }
}

fn three_sides(changed: Vec<FieldChange>, file: &File) -> Vec<FieldDrift> {
    let sides = |field: FieldChange| {
        let (desired, standing) = match file {
            File::None => (None, Standing::NoFile),
            File::Lacks => (None, Standing::NotInFile),
            File::Says(settings) => {
                let desired = at_path(settings, &field.path);
                let standing = if desired == field.new {
                    Standing::Agreed
                } else if desired == field.old {
                    Standing::Reverted
                } else {
                    Standing::Conflict
                };
                (Some(desired), standing)
            }
        };
        FieldDrift {
            path: field.path,
            applied: field.old,
            actual: field.new,
            desired,
            standing,
        }
    };
    changed.into_iter().map(sides).collect()
}
