use serde_json::json;

use super::*;
use crate::core::desired::{DesiredHost, DesiredState, Removed};
use crate::core::model::*;

fn settings(address: &str) -> HostSettings {
    let mut settings = HostSettings::at(Value::Literal(address.parse().unwrap()));
    settings.sources = vec!["/etc".parse().unwrap()];
    settings
}

fn wanted(name: &str) -> DesiredHost {
    DesiredHost {
        name: name.parse().unwrap(),
        was: None,
        at: format!("pobsync.kdl:{}", name.len()),
        settings: settings("192.0.2.1"),
        origins: Default::default(),
    }
}

fn desired(hosts: Vec<DesiredHost>) -> DesiredState {
    DesiredState {
        global: GlobalSettings::default(),
        global_at: None,
        hosts,
        removed: Vec::new(),
    }
}

fn row(id: i64, name: &str) -> SqlHost {
    SqlHost {
        id: HostId(id),
        name: name.parse().unwrap(),
        directory: name.parse().unwrap(),
        managed_by: ManagedBy::Kdl,
        settings: settings("192.0.2.1"),
        applied: Some(settings("192.0.2.1")),
        retired: None,
        pause: None,
        approved_policy: None,
        changed_at: Timestamp::from_millis(0),
        changed_by: "alice".to_owned(),
    }
}

fn sql(hosts: Vec<SqlHost>) -> SqlState {
    SqlState {
        lineage: Lineage::from_random([7; 16]),
        serial: Serial(3),
        global: Some(SqlGlobal {
            managed_by: ManagedBy::Kdl,
            settings: GlobalSettings::default(),
            applied: Some(GlobalSettings::default()),
            changed_at: Timestamp::from_millis(0),
            changed_by: "alice".to_owned(),
        }),
        hosts,
    }
}

fn diff(desired: &DesiredState, sql: &SqlState) -> Comparison {
    compare(desired, sql, &Scope::Everything)
}

#[test]
fn nothing_differs_from_itself() {
    assert_eq!(
        diff(&desired(vec![wanted("web")]), &sql(vec![row(1, "web")])),
        Comparison::default()
    );
}

#[test]
fn a_changed_field_is_one_field() {
    let mut host = wanted("web");
    host.settings.ssh.port = 2222;
    let found = diff(&desired(vec![host]), &sql(vec![row(1, "web")]));
    assert_eq!(found.changes.len(), 1);
    let field = FieldChange {
        path: "ssh.port".into(),
        old: json!(22),
        new: json!(2222),
        drifted: false,
    };
    assert_eq!(
        (found.changes[0].action, &found.changes[0].fields),
        (Action::Update, &vec![field])
    );
}

#[test]
fn a_reference_is_one_value_and_shows_its_name_alone() {
    let mut host = wanted("web");
    host.settings.address = Value::Env { env: "WEB".into() };
    let found = diff(&desired(vec![host]), &sql(vec![row(1, "web")]));
    assert_eq!(found.changes[0].fields[0].path, "address");
    assert_eq!(found.changes[0].fields[0].new, json!({"env": "WEB"}));
}

#[test]
fn a_host_that_leaves_the_file_is_retired_and_keeps_its_snapshots() {
    let found = diff(&desired(vec![]), &sql(vec![row(1, "web")]));
    assert_eq!(found.changes[0].action, Action::Retire);
    assert_eq!(found.changes[0].fields[0].new, json!("keep"));
}

#[test]
fn a_retired_host_is_not_retired_again() {
    let mut gone = row(1, "web");
    gone.retired = Some(Retirement {
        at: Timestamp::from_millis(5),
        snapshots: SnapshotsOnRemoval::Keep,
    });
    assert_eq!(
        diff(&desired(vec![]), &sql(vec![gone])),
        Comparison::default()
    );
}

#[test]
fn removed_says_what_becomes_of_the_snapshots_even_later() {
    let mut gone = row(1, "web");
    gone.retired = Some(Retirement {
        at: Timestamp::from_millis(5),
        snapshots: SnapshotsOnRemoval::Keep,
    });
    let mut file = desired(vec![]);
    let name: HostName = "web".parse().unwrap();
    file.removed = vec![Removed {
        name,
        snapshots: SnapshotsOnRemoval::Delete,
        at: "pobsync.kdl:9".into(),
    }];
    let found = diff(&file, &sql(vec![gone]));
    assert_eq!(found.changes[0].fields[0].old, json!("keep"));
    assert_eq!(found.changes[0].fields[0].new, json!("delete"));
}

#[test]
fn a_name_used_again_is_a_new_host() {
    let mut gone = row(1, "web");
    gone.retired = Some(Retirement {
        at: Timestamp::from_millis(5),
        snapshots: SnapshotsOnRemoval::Keep,
    });
    let found = diff(&desired(vec![wanted("web")]), &sql(vec![gone]));
    assert_eq!(
        found.changes.iter().map(|c| c.action).collect::<Vec<_>>(),
        [Action::Create]
    );
}

#[test]
fn a_protected_host_does_not_leave() {
    let mut host = row(1, "web");
    host.settings.protect = true;
    host.applied = Some(host.settings.clone());
    let found = diff(&desired(vec![]), &sql(vec![host]));
    assert!(found.changes.is_empty());
    assert_eq!(
        found.conflicts,
        [Conflict::Protected {
            host: "web".parse().unwrap()
        }]
    );
}

#[test]
fn what_kdl_did_not_create_is_only_listed() {
    let mut host = row(1, "web");
    host.managed_by = ManagedBy::Cli;
    let state = sql(vec![host]);
    let found = diff(&desired(vec![]), &state);
    assert_eq!(found.unmanaged, ["web".parse().unwrap()]);
    assert!(found.changes.is_empty());

    let adopted = diff(&desired(vec![wanted("web")]), &state);
    assert_eq!(adopted.changes[0].fields[0].path, "managed-by");

    let mut file = desired(vec![]);
    file.removed = vec![Removed {
        name: "web".parse().unwrap(),
        snapshots: SnapshotsOnRemoval::Delete,
        at: "f:1".into(),
    }];
    assert!(matches!(
        diff(&file, &state).conflicts[0],
        Conflict::NotManaged { .. }
    ));
}

#[test]
fn a_rename_keeps_the_row_and_is_done_once() {
    let mut host = wanted("new");
    host.was = Some("old".parse().unwrap());
    let file = desired(vec![host]);
    let found = diff(&file, &sql(vec![row(1, "old")]));
    assert_eq!(found.changes.len(), 1);
    assert_eq!(
        (found.changes[0].action, found.changes[0].name.as_str()),
        (Action::Rename, "new")
    );
    assert_eq!(
        diff(&file, &sql(vec![row(1, "new")])),
        Comparison::default()
    );
    assert!(matches!(
        diff(&file, &sql(vec![row(1, "new"), row(2, "old")])).conflicts[0],
        Conflict::RenameOntoExisting { .. }
    ));
}

#[test]
fn a_name_that_differs_by_case_needs_a_rename() {
    let state = sql(vec![row(1, "Web")]);
    assert!(matches!(
        diff(&desired(vec![wanted("web")]), &state).conflicts[0],
        Conflict::CaseOnly { .. }
    ));
    let mut host = wanted("web");
    host.was = Some("Web".parse().unwrap());
    assert_eq!(
        diff(&desired(vec![host]), &state).changes[0].action,
        Action::Rename
    );
}

#[test]
fn drift_is_told_apart_from_intent() {
    let mut host = row(1, "web");
    host.settings.ssh.port = 2222;
    host.changed_by = "bob".to_owned();
    let found = diff(&desired(vec![wanted("web")]), &sql(vec![host]));
    assert_eq!(found.drift.len(), 1);
    assert_eq!(found.drift[0].changed_by, "bob");
    let field = &found.drift[0].fields[0];
    assert_eq!(
        (&field.applied, &field.actual, &field.desired),
        (&json!(22), &json!(2222), &json!(22))
    );
    assert!(found.changes[0].fields[0].drifted);
}

#[test]
fn a_selection_says_nothing_of_the_others() {
    let scope = Scope::Hosts(["web".parse().unwrap()].into());
    let found = compare(
        &desired(vec![wanted("web")]),
        &sql(vec![row(1, "db")]),
        &scope,
    );
    assert_eq!(found.changes.len(), 1);
    assert_eq!(found.changes[0].name, "web");
}
