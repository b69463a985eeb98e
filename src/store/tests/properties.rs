//! Whatever is written in whatever order, the invariants hold.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::core::model::{Fingerprint, HostId, HostName, Schedule, SnapshotsOnRemoval, SqlState};
use crate::store::session::{Database, Row, all};
use crate::store::{ConfigChange, HostWrite, PlanKind, Store};

use super::support::*;

/// A write, with numbers in place of hosts and names: they are looked up in the state that there is.
#[derive(Debug, Clone)]
enum Step {
    Create(usize, u32),
    Update(usize, u32),
    Rename(usize, usize),
    Retire(usize, bool),
    Revive(usize),
}

const NAMES: [&str; 6] = ["web", "WEB", "Web", "db", "web.2", "DB"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..NAMES.len(), 1..4_u32).prop_map(|(n, v)| Step::Create(n, v)),
        2 => (0..8_usize, 1..4_u32).prop_map(|(h, v)| Step::Update(h, v)),
        3 => (0..8_usize, 0..NAMES.len()).prop_map(|(h, n)| Step::Rename(h, n)),
        3 => (0..8_usize, any::<bool>()).prop_map(|(h, d)| Step::Retire(h, d)),
        1 => (0..8_usize).prop_map(Step::Revive),
    ]
}

fn write_of(step: &Step, state: &SqlState) -> Option<HostWrite> {
    let host = |n: usize| {
        let count = state.hosts.len();
        (count > 0).then(|| state.hosts[n % count].id)
    };
    let content = |variant: u32| {
        let mut settings = settings();
        settings.retention = Some(policy(variant));
        settings.protect = variant == 3;
        settings.enabled = variant != 2;
        settings.schedules.truncate(variant as usize - 1);
        applied(settings)
    };
    Some(match step {
        Step::Create(n, variant) => HostWrite::Create {
            name: name(NAMES[*n]),
            content: content(*variant),
        },
        Step::Update(h, variant) => HostWrite::Update {
            host: host(*h)?,
            content: content(*variant),
        },
        Step::Rename(h, n) => HostWrite::Rename {
            host: host(*h)?,
            to: name(NAMES[*n]),
        },
        Step::Retire(h, delete) => HostWrite::Retire {
            host: host(*h)?,
            snapshots: if *delete {
                SnapshotsOnRemoval::Delete
            } else {
                SnapshotsOnRemoval::Keep
            },
        },
        Step::Revive(h) => HostWrite::Revive { host: host(*h)? },
    })
}

fn names_and_directories_never_meet(state: &SqlState) {
    let active: Vec<_> = state
        .hosts
        .iter()
        .filter(|h| h.retired.is_none())
        .map(|h| h.name.folded())
        .collect();
    let directories: Vec<_> = state.hosts.iter().map(|h| h.directory.folded()).collect();
    for names in [active, directories] {
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len(), "{names:?}");
    }
}

fn a_directory_is_for_life(before: &SqlState, after: &SqlState) {
    let directories: BTreeMap<HostId, &HostName> =
        after.hosts.iter().map(|h| (h.id, &h.directory)).collect();
    for host in &before.hosts {
        assert_eq!(directories.get(&host.id), Some(&&host.directory));
    }
}

type Derived = BTreeMap<HostId, (bool, bool, Option<Fingerprint>, Option<String>)>;

/// What is derived from settings says what the settings say.
fn derived_columns_agree(store: &(impl Database + Store), state: &SqlState) {
    let sql = "SELECT id, enabled, protect, policy, active_name FROM hosts";
    let found: Derived = store
        .read(|session| {
            all(session, sql, &[], |row: &dyn Row| {
                let flag = |column| row.int(column).unwrap() == Some(1);
                let text = |column| row.text(column).unwrap().map(str::to_owned);
                let policy = text(3).map(|text| text.parse().unwrap());
                let id = HostId(row.int(0).unwrap().unwrap());
                Ok((id, (flag(1), flag(2), policy, text(4))))
            })
        })
        .unwrap()
        .into_iter()
        .collect();
    let expected: Derived = state
        .hosts
        .iter()
        .map(|host| {
            let settings = &host.settings;
            let policy = settings.retention.as_ref().map(|p| p.fingerprint());
            let name = host.retired.is_none().then(|| host.name.folded().into());
            (host.id, (settings.enabled, settings.protect, policy, name))
        })
        .collect();
    assert_eq!(found, expected);

    let schedules: Vec<(HostId, HostName, Schedule)> = state
        .hosts
        .iter()
        .filter(|h| h.retired.is_none() && h.settings.enabled)
        .flat_map(|h| {
            h.settings
                .schedules
                .iter()
                .map(|schedule| (h.id, h.name.clone(), schedule.clone()))
        })
        .collect();
    let found: Vec<(HostId, HostName, Schedule)> = store
        .schedules()
        .unwrap()
        .into_iter()
        .map(|s| (s.host, s.host_name, s.schedule))
        .collect();
    assert_eq!(found, schedules);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_changes_keeps_the_invariants(
        changes in prop::collection::vec((prop::collection::vec(step(), 0..4), any::<bool>()), 1..10)
    ) {
        let fixture = fresh();
        let store: &dyn Store = &*fixture;
        for (second, (steps, with_plan)) in (1..).zip(&changes) {
            let before = store.load_state().unwrap();
            let history = store.history(u32::MAX).unwrap().len();
            let change = ConfigChange {
                at: at(second),
                hosts: steps.iter().filter_map(|step| write_of(step, &before)).collect(),
                plan: with_plan.then(|| plan(PlanKind::Apply, vec![])),
                ..change(store)
            };
            let outcome = store.configure(&change);
            let after = store.load_state().unwrap();
            let is_changed = before.hosts != after.hosts;
            match outcome {
                Ok(done) => {
                    prop_assert_eq!(done.changed, is_changed);
                    prop_assert_eq!(after.serial.0, before.serial.0 + i64::from(is_changed));
                    prop_assert_eq!(done.serial, after.serial);
                    let is_recorded = is_changed || *with_plan;
                    let lines = store.history(u32::MAX).unwrap().len();
                    prop_assert_eq!(lines, history + usize::from(is_recorded));
                }
                Err(_) => {
                    prop_assert_eq!(&after, &before);
                    prop_assert_eq!(store.history(u32::MAX).unwrap().len(), history);
                }
            }
            names_and_directories_never_meet(&after);
            a_directory_is_for_life(&before, &after);
            derived_columns_agree(&fixture.store, &after);
        }
    }
}
