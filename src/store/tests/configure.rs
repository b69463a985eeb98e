//! Changes of the configuration.

use rstest::rstest;

use crate::core::model::{GlobalSettings, HostId, ManagedBy, Serial, SqlHost};
use crate::store::{
    ConfigChange, Configured, GlobalWrite, HostContent, HostKey, HostWrite, PlanKind, StoreError,
};

use super::support::*;

#[test]
fn nothing_to_do_leaves_no_trace() {
    let store = fresh();
    let before = store.load_state().unwrap();
    let done = store.configure(&change(&*store)).unwrap();
    assert_eq!(
        done,
        Configured {
            serial: Serial(0),
            changed: false,
            plan: None
        }
    );
    assert_eq!(store.load_state().unwrap(), before);
    assert_eq!(store.history(10).unwrap(), []);
}

#[test]
fn a_host_reads_back_as_it_was_written() {
    let store = fresh();
    write(&*store, vec![create("Web-01")]);
    let found = host(&*store, "Web-01");
    assert_eq!(
        found,
        SqlHost {
            id: found.id,
            name: name("Web-01"),
            directory: name("Web-01"),
            managed_by: ManagedBy::Kdl,
            settings: settings(),
            applied: Some(settings()),
            retired: None,
            pause: None,
            approved_policy: None,
            changed_at: at(0),
            changed_by: "alice".to_owned(),
        }
    );
    assert_eq!(store.serial().unwrap(), Serial(1));
    assert_eq!(
        store.policy(&policy(7).fingerprint()).unwrap(),
        Some(policy(7))
    );
}

#[test]
fn the_same_write_again_changes_nothing() {
    let store = fresh();
    write(&*store, vec![create("web-01")]);
    let found = host(&*store, "web-01");
    let again = vec![
        update(&found, |_| {}),
        HostWrite::Rename {
            host: found.id,
            to: name("web-01"),
        },
        HostWrite::Revive { host: found.id },
    ];
    let done = try_write(&*store, again).unwrap();
    assert!(!done.changed);
    assert_eq!(store.serial().unwrap(), Serial(1));
    assert_eq!(host(&*store, "web-01"), found);
}

#[test]
fn settings_of_the_service_are_written_once() {
    let store = fresh();
    let settings = GlobalSettings {
        max_concurrent: 4,
        ..GlobalSettings::default()
    };
    let write = |settings: &GlobalSettings| ConfigChange {
        global: Some(GlobalWrite {
            managed_by: ManagedBy::Cli,
            settings: settings.clone(),
            applied: None,
        }),
        ..change(&*store)
    };
    assert_eq!(store.load_state().unwrap().global, None);
    assert!(store.configure(&write(&settings)).unwrap().changed);
    assert!(!store.configure(&write(&settings)).unwrap().changed);
    let found = store.load_state().unwrap().global.unwrap();
    assert_eq!(found.settings, settings);
    assert_eq!(found.changed_by, "alice");
    assert!(
        store
            .configure(&write(&GlobalSettings::default()))
            .unwrap()
            .changed
    );
    assert_eq!(store.serial().unwrap(), Serial(2));
    let detail = &store.history(1).unwrap()[0].detail;
    assert!(
        detail.contains(r#""max-concurrent":{"new":2,"old":4}"#),
        "{detail}"
    );
}

#[test]
fn a_change_made_from_another_state_is_stale_and_names_who_moved_it() {
    let store = fresh();
    let early = ConfigChange {
        hosts: vec![create("web-02")],
        ..change(&*store)
    };
    let other = ConfigChange {
        actor: "bob".to_owned(),
        summary: "configure-host web-01".to_owned(),
        hosts: vec![create("web-01")],
        ..change(&*store)
    };
    store.configure(&other).unwrap();

    let error = store.configure(&early).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the configuration has changed: made from serial 0, now at 1; last changed by bob at \
         2026-11-23T09:00:00Z: configure-host web-01"
    );
    assert_eq!(store.load_state().unwrap().hosts.len(), 1);
}

#[test]
fn adopting_changes_the_manager_but_not_who_made_the_settings() {
    let store = fresh();
    let by_hand = HostWrite::Create {
        name: name("db-09"),
        content: Box::new(HostContent {
            managed_by: ManagedBy::Cli,
            settings: settings(),
            applied: None,
        }),
    };
    write(&*store, vec![by_hand]);
    let adopt = ConfigChange {
        actor: "ci".to_owned(),
        at: at(60),
        hosts: vec![update(&host(&*store, "db-09"), |content| {
            content.managed_by = ManagedBy::Kdl;
            content.applied = Some(settings());
        })],
        ..change(&*store)
    };
    assert!(store.configure(&adopt).unwrap().changed);
    let found = host(&*store, "db-09");
    assert_eq!(found.managed_by, ManagedBy::Kdl);
    assert_eq!(found.applied, Some(settings()));
    assert_eq!((found.changed_at, &*found.changed_by), (at(0), "alice"));
}

#[test]
fn only_active_and_enabled_hosts_have_schedules() {
    let store = fresh();
    write(&*store, vec![create("a"), create("b"), create("c")]);
    let (b, c) = (host(&*store, "b"), host(&*store, "c"));
    write(
        &*store,
        vec![update(&b, |b| b.settings.enabled = false), retire(c.id)],
    );
    let schedules: Vec<_> = store
        .schedules()
        .unwrap()
        .into_iter()
        .map(|s| (s.host_name.to_string(), s.schedule))
        .collect();
    let expected: Vec<_> = settings()
        .schedules
        .into_iter()
        .map(|s| ("a".to_owned(), s))
        .collect();
    assert_eq!(schedules, expected);
}

#[test]
fn changed_schedules_replace_the_old_ones() {
    let store = fresh();
    write(&*store, vec![create("a")]);
    let a = host(&*store, "a");
    write(
        &*store,
        vec![update(&a, |a| {
            a.settings.schedules.remove(0);
        })],
    );
    let schedules = store.schedules().unwrap();
    assert_eq!(schedules.len(), 1);
    assert_eq!(schedules[0].schedule.cron.as_str(), "0 12 * * *");
}

#[rstest]
#[case::unknown_update(HostWrite::Update { host: HostId(99), content: applied(settings()) })]
#[case::unknown_rename(HostWrite::Rename { host: HostId(99), to: name("x") })]
#[case::unknown_retire(retire(HostId(99)))]
#[case::unknown_revive(HostWrite::Revive { host: HostId(99) })]
fn a_change_is_written_whole_or_not_at_all(#[case] fails: HostWrite) {
    let store = fresh();
    let error = try_write(&*store, vec![create("web-01"), fails]).unwrap_err();
    assert_eq!(error.to_string(), "there is no host 99");
    assert_eq!(store.load_state().unwrap().hosts, []);
    assert_eq!(store.serial().unwrap(), Serial(0));
    assert_eq!(store.history(9).unwrap(), []);
}

#[test]
fn an_approval_is_of_the_policy_that_the_same_change_brings() {
    let store = fresh();
    let approving = |daily| ConfigChange {
        plan: Some(plan(PlanKind::Apply, vec![])),
        approvals: vec![(name("web-01"), policy(daily).fingerprint())],
        ..change(&*store)
    };
    let create = ConfigChange {
        hosts: vec![create("web-01")],
        ..approving(7)
    };
    let done = store.configure(&create).unwrap();
    assert!(done.changed);
    let found = host(&*store, "web-01");
    assert_eq!(found.approved_policy, Some(policy(7).fingerprint()));
    let approvals = store.approvals(Some(found.id), 9).unwrap();
    assert_eq!(approvals.len(), 1);
    assert_eq!(Some(approvals[0].plan), done.plan);
    assert_eq!(approvals[0].revision.as_deref(), Some("abc123"));

    let error = store.configure(&approving(30)).unwrap_err();
    assert!(
        matches!(error, StoreError::NotThePolicyInForce { .. }),
        "{error}"
    );

    // A new policy without an approval leaves the old approval standing, which then is of another policy.
    let weaker = update(&found, |c| c.settings.retention = Some(policy(3)));
    write(&*store, vec![weaker]);
    let found = host(&*store, "web-01");
    assert_eq!(found.approved_policy, Some(policy(7).fingerprint()));
    assert_ne!(
        found.settings.retention.map(|p| p.fingerprint()),
        found.approved_policy
    );
}

#[test]
fn an_approval_alone_is_recorded_under_the_same_serial() {
    let store = fresh();
    write(&*store, vec![create("web-01")]);
    let approve = ConfigChange {
        plan: Some(plan(PlanKind::Retention, vec![])),
        approvals: vec![(name("web-01"), policy(7).fingerprint())],
        summary: "retention web-01 --approve".to_owned(),
        ..change(&*store)
    };
    let done = store.configure(&approve).unwrap();
    assert!(!done.changed);
    assert_eq!(done.serial, Serial(1));
    assert_eq!(
        host(&*store, "web-01").approved_policy,
        Some(policy(7).fingerprint())
    );
    let last = &store.history(1).unwrap()[0];
    assert_eq!(last.summary, "retention web-01 --approve");
    assert_eq!(
        (last.serial_before, last.serial_after),
        (Serial(1), Serial(1))
    );
    assert!(last.detail.contains(r#""approved":["web-01"]"#));
}

#[test]
fn an_approval_needs_a_plan() {
    let store = fresh();
    write(&*store, vec![create("web-01")]);
    let error = store
        .configure(&ConfigChange {
            approvals: vec![(name("web-01"), policy(7).fingerprint())],
            ..change(&*store)
        })
        .unwrap_err();
    assert!(matches!(error, StoreError::ApprovalWithoutPlan));
    assert_eq!(host(&*store, "web-01").approved_policy, None);
}

#[test]
fn one_host_is_read_without_the_others() {
    let store = fresh();
    write(&*store, vec![create("a"), create("B")]);
    let all = store.load_state().unwrap();
    let (found, directory) = (host(&*store, "B"), name("b"));
    for key in [
        HostKey::Id(found.id),
        HostKey::Name(&found.name),
        HostKey::Directory(&directory),
    ] {
        let one = store.load_state_of(key).unwrap();
        assert_eq!(one.hosts, std::slice::from_ref(&found));
        assert_eq!(
            (&one.lineage, one.serial, &one.global),
            (&all.lineage, all.serial, &all.global)
        );
    }
    assert_eq!(
        store.load_state_of(HostKey::Id(HostId(99))).unwrap().hosts,
        []
    );
}
