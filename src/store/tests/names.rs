//! Names and directories of hosts that come, go, swap and come back.

use crate::core::model::{Serial, SnapshotsOnRemoval};
use crate::store::{ConfigChange, HostWrite, StoreError};

use super::support::*;

#[test]
fn a_rename_keeps_row_and_directory() {
    let store = fresh();
    write(&*store, vec![create("old")]);
    let before = host(&*store, "old");
    write(
        &*store,
        vec![HostWrite::Rename {
            host: before.id,
            to: name("new"),
        }],
    );
    let after = host(&*store, "new");
    assert_eq!((after.id, &after.directory), (before.id, &name("old")));
    assert!(store.load_state().unwrap().host(&name("old")).is_none());
}

#[test]
fn a_directory_is_given_to_a_host_without_snapshots_and_to_one_alone() {
    let store = fresh();
    write(&*store, vec![create("a"), create("b")]);
    let (a, b) = (host(&*store, "a").id, host(&*store, "b").id);
    assert!(!store.give_directory(a, &name("B")).unwrap());
    assert!(store.give_directory(a, &name("older")).unwrap());
    assert_eq!(host(&*store, "a").directory, name("older"));
    assert!(!store.give_directory(b, &name("Older")).unwrap());
    assert_eq!(host(&*store, "b").directory, name("b"));
}

#[test]
fn two_hosts_can_swap_names() {
    let store = fresh();
    write(&*store, vec![create("a"), create("b")]);
    let (a, b) = (host(&*store, "a").id, host(&*store, "b").id);
    write(
        &*store,
        vec![
            HostWrite::Rename {
                host: a,
                to: name("b"),
            },
            HostWrite::Rename {
                host: b,
                to: name("a"),
            },
        ],
    );
    assert_eq!((host(&*store, "a").id, host(&*store, "b").id), (b, a));
}

#[test]
fn a_name_used_again_gets_a_directory_of_its_own() {
    let store = fresh();
    for _ in 0..3 {
        write(&*store, vec![create("Web-01")]);
        write(&*store, vec![retire(host(&*store, "Web-01").id)]);
    }
    // The case of letters does not make another directory: some file systems do not see it.
    write(&*store, vec![create("WEB-01")]);
    let state = store.load_state().unwrap();
    let directories: Vec<&str> = state.hosts.iter().map(|h| h.directory.as_str()).collect();
    assert_eq!(directories, ["WEB-01.4", "Web-01", "Web-01.2", "Web-01.3"]);
}

#[test]
fn the_longest_name_used_again_still_fits() {
    let store = fresh();
    let longest = "a".repeat(128);
    write(&*store, vec![create(&longest)]);
    write(&*store, vec![retire(host(&*store, &longest).id)]);
    write(&*store, vec![create(&longest)]);
    let directory = host(&*store, &longest).directory;
    assert_eq!(directory.as_str(), format!("{}.2", "a".repeat(126)));
}

#[test]
fn a_retired_host_keeps_its_row_and_frees_its_name_in_the_same_change() {
    let store = fresh();
    write(&*store, vec![create("web-01")]);
    let old = host(&*store, "web-01").id;
    write(&*store, vec![create("web-01"), retire(old)]);
    let state = store.load_state().unwrap();
    let (active, retired): (Vec<_>, Vec<_>) = state.hosts.iter().partition(|h| h.retired.is_none());
    assert_eq!((active.len(), retired.len()), (1, 1));
    assert_eq!(retired[0].id, old);
    assert_eq!(state.host(&name("web-01")).unwrap().id, active[0].id);
}

#[test]
fn what_becomes_of_the_snapshots_can_be_said_after_the_host_has_left() {
    let store = fresh();
    write(&*store, vec![create("web-01")]);
    let id = host(&*store, "web-01").id;
    write(&*store, vec![retire(id)]);
    let later = ConfigChange {
        at: at(99),
        hosts: vec![HostWrite::Retire {
            host: id,
            snapshots: SnapshotsOnRemoval::Delete,
        }],
        ..change(&*store)
    };
    assert!(store.configure(&later).unwrap().changed);
    let retired = host(&*store, "web-01").retired.unwrap();
    assert_eq!(
        (retired.at, retired.snapshots),
        (at(0), SnapshotsOnRemoval::Delete)
    );
    let again = ConfigChange {
        expected_serial: store.serial().unwrap(),
        ..later
    };
    assert!(!store.configure(&again).unwrap().changed);
}

#[test]
fn a_revived_host_is_as_it_was() {
    let store = fresh();
    write(&*store, vec![create("web-01")]);
    let before = host(&*store, "web-01");
    write(&*store, vec![retire(before.id)]);
    write(&*store, vec![HostWrite::Revive { host: before.id }]);
    assert_eq!(host(&*store, "web-01"), before);
    assert_eq!(store.serial().unwrap(), Serial(3));
}

#[test]
fn a_name_in_use_is_refused_whatever_its_case() {
    let store = fresh();
    write(&*store, vec![create("web-01"), create("db-01")]);
    let db = host(&*store, "db-01").id;
    let taken = [
        create("WEB-01"),
        HostWrite::Rename {
            host: db,
            to: name("Web-01"),
        },
    ];
    for write in taken {
        let error = try_write(&*store, vec![write]).unwrap_err();
        assert_eq!(error.to_string(), "a host is called web-01 already");
    }
    assert_eq!(store.serial().unwrap(), Serial(1));
}

#[test]
fn a_host_cannot_come_back_while_another_has_its_name() {
    let store = fresh();
    write(&*store, vec![create("web-01")]);
    let old = host(&*store, "web-01").id;
    write(&*store, vec![retire(old), create("web-01")]);
    let error = try_write(&*store, vec![HostWrite::Revive { host: old }]).unwrap_err();
    assert!(matches!(error, StoreError::NameTaken { .. }), "{error}");
}

#[test]
fn a_protected_host_leaves_with_the_second_change_and_not_before() {
    let store = fresh();
    let mut protected = settings();
    protected.protect = true;
    write(
        &*store,
        vec![HostWrite::Create {
            name: name("web-01"),
            content: applied(protected),
        }],
    );
    let found = host(&*store, "web-01");
    let lift = update(&found, |content| content.settings.protect = false);
    let error = try_write(&*store, vec![lift.clone(), retire(found.id)]).unwrap_err();
    assert!(matches!(error, StoreError::Protected { .. }), "{error}");
    assert!(host(&*store, "web-01").settings.protect);

    write(&*store, vec![lift]);
    write(&*store, vec![retire(found.id)]);
    assert!(host(&*store, "web-01").retired.is_some());
}

#[test]
fn a_retired_host_is_neither_updated_nor_renamed() {
    let store = fresh();
    write(&*store, vec![create("web-01")]);
    let found = host(&*store, "web-01");
    write(&*store, vec![retire(found.id)]);
    let rename = HostWrite::Rename {
        host: found.id,
        to: name("x"),
    };
    for write in [update(&found, |_| {}), rename] {
        let error = try_write(&*store, vec![write]).unwrap_err();
        assert_eq!(error.to_string(), "host web-01 has retired");
    }
}
