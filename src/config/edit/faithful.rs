//! Whether the edited files say just what was asked for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{EditError, host};
use crate::core::desired::DesiredState;
use crate::core::diff::{at_path, changed_fields, set_path};
use crate::core::model::{HostName, HostSettings, Policy};

/// What was asked for, with refused settings as they are.
pub(super) fn reverted<T>(now: &T, wanted: &T, refused: &[host::Refused]) -> Result<T, EditError>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    let unfaithful = |error: serde_json::Error| EditError::Unfaithful {
        settings: vec![error.to_string()],
    };
    let now = serde_json::to_value(now).map_err(unfaithful)?;
    let mut value = serde_json::to_value(wanted).map_err(unfaithful)?;
    for (path, _) in refused {
        set_path(&mut value, path, at_path(&now, path));
    }
    if value.get("retention").is_some_and(is_empty) {
        set_path(&mut value, "retention", Value::Null);
    }
    serde_json::from_value(value).map_err(unfaithful)
}

pub(super) fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Policies and schedules have the zone of their host.
pub(super) fn with_zone(mut settings: HostSettings) -> HostSettings {
    let timezone = settings.timezone;
    settings.retention = settings
        .retention
        .map(|policy| Policy { timezone, ..policy });
    for schedule in &mut settings.schedules {
        schedule.timezone = timezone;
    }
    settings
}

/// Says whether `found` is `expected`, wherever it stands.
pub(super) fn is_just(expected: &DesiredState, found: &DesiredState) -> Result<(), EditError> {
    let mut settings: Vec<String> = Vec::new();
    let mut renamed: Vec<String> = Vec::new();
    let mut tell = |what: &str, fields: Vec<crate::core::diff::FieldChange>| {
        settings.extend(
            fields
                .into_iter()
                .map(|field| format!("{what}: {} would be {}", field.path, field.new)),
        );
    };
    tell(
        "global",
        changed_fields(Some(&expected.global), Some(&found.global)),
    );
    let by_name = |state: &DesiredState| -> BTreeMap<HostName, (Option<HostName>, HostSettings)> {
        let hosts = state.hosts.iter();
        hosts
            .map(|host| (host.name.clone(), (host.was.clone(), host.settings.clone())))
            .collect()
    };
    let (mut old, new) = (by_name(expected), by_name(found));
    for (name, (was, settings)) in &new {
        let expected = old.remove(name);
        tell(
            name.as_str(),
            changed_fields(expected.as_ref().map(|e| &e.1), Some(settings)),
        );
        if expected.is_none_or(|expected| expected.0 != *was) {
            renamed.push(format!("{name}: its former name would be another"));
        }
    }
    settings.extend(renamed);
    settings.extend(old.into_keys().map(|name| format!("{name}: would be gone")));
    let removed = |state: &DesiredState| -> Vec<_> {
        let removed = state.removed.iter();
        removed.map(|r| (r.name.clone(), r.snapshots)).collect()
    };
    if removed(expected) != removed(found) {
        settings.push("removed hosts would be others".to_owned());
    }
    if settings.is_empty() {
        Ok(())
    } else {
        Err(EditError::Unfaithful { settings })
    }
}

#[cfg(test)]
mod tests {
    use super::is_just;
    use crate::core::desired::{DesiredHost, DesiredState, Removed};
    use crate::core::model::{GlobalSettings, HostSettings, SnapshotsOnRemoval, Value};

    fn state() -> DesiredState {
        let settings = HostSettings::at(Value::Literal("192.0.2.1".parse().unwrap()));
        DesiredState {
            global: GlobalSettings::default(),
            global_at: None,
            hosts: vec![DesiredHost {
                name: "web".parse().unwrap(),
                was: None,
                at: "a.kdl:1".to_owned(),
                settings,
                origins: Default::default(),
            }],
            removed: Vec::new(),
        }
    }

    #[test]
    fn whatever_is_otherwise_but_its_place_is_not_what_was_asked_for() {
        let differs = |change: fn(&mut DesiredState)| {
            let mut found = state();
            change(&mut found);
            is_just(&state(), &found).is_err()
        };
        assert!(!differs(|found| found.hosts[0].at = "b.kdl:9".to_owned()));
        assert!(differs(|found| found.hosts[0].settings.enabled = false));
        assert!(differs(|found| found.hosts[0].was = "old".parse().ok()));
        assert!(differs(|found| found.hosts[0].name = "db".parse().unwrap()));
        assert!(differs(|found| found.hosts.clear()));
        assert!(differs(|found| found.global.max_concurrent += 1));
        assert!(differs(|found| found.removed.push(Removed {
            name: "gone".parse().unwrap(),
            snapshots: SnapshotsOnRemoval::Delete,
            at: String::new(),
        })));
    }
}
