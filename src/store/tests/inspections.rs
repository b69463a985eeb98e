//! Looks at snapshots, and what is remembered of them.

use crate::core::manifest::Sample;
use crate::core::model::{HostId, ProblemKind, RunId, SnapshotId};
use crate::store::{NewDamage, SnapshotFilter, Store, Verification};

use super::support::*;

fn look(snapshot: SnapshotId, run: RunId, found: u64) -> Verification {
    Verification {
        snapshot,
        run,
        at: at(100),
        share: 10_000,
        names: 10,
        compared: 8,
        unknown: 1,
        found,
    }
}

fn damage(path: &str, problem: ProblemKind) -> NewDamage {
    NewDamage {
        path: path.to_owned(),
        slot: Sample::slot(path.as_bytes()),
        inode: problem.needs_reading().then_some(7),
        problem,
        detail: "why".to_owned(),
        intact: None,
    }
}

fn paths(store: &dyn Store, host: HostId) -> Vec<String> {
    let found = store.damage(Some(host), 100).unwrap();
    found.into_iter().map(|d| d.damage.path).collect()
}

fn is_suspect(store: &dyn Store, id: SnapshotId) -> bool {
    let all = store.snapshots(&SnapshotFilter::default()).unwrap();
    all.iter()
        .any(|r| r.snapshot.id == id && r.snapshot.suspect)
}

#[test]
fn damage_makes_a_snapshot_suspect_once_and_stays_until_it_is_looked_at_again() {
    let store = fresh();
    let web = with_host(&*store);
    let id = complete(&*store, web, "one");
    let run = begin_run(&*store, web);
    let bad = [
        damage("etc/hosts", ProblemKind::Content),
        damage("etc/gone", ProblemKind::Missing),
    ];
    let all = Sample::ALL;
    assert_eq!(
        store
            .record_verification(&look(id, run, 2), all, &bad)
            .unwrap(),
        2
    );
    assert!(is_suspect(&*store, id));
    store.acknowledge(web, "alice", at(101)).unwrap();
    // The same again is no news.
    assert_eq!(
        store
            .record_verification(&look(id, run, 2), all, &bad)
            .unwrap(),
        0
    );
    assert!(!is_suspect(&*store, id));

    // A sample that does not read the file says nothing of its content, but of all names.
    let slot = Sample::slot(b"etc/hosts");
    let other = Sample::new(slot + 1, 100);
    store
        .record_verification(&look(id, run, 0), other, &[])
        .unwrap();
    assert_eq!(paths(&*store, web), ["etc/hosts"]);
    let found = store.inspected().unwrap()[&web];
    assert_eq!((found.damaged_files, found.damaged_snapshots), (1, 1));
    let told = store.reading(web).unwrap().unwrap().verified.damage.unwrap();
    assert_eq!((told.files, told.snapshots), (1, 1));
    assert_eq!((told.first.as_str(), told.since), ("etc/hosts", look(id, run, 1).at));
    let same = Sample::new(slot, 100);
    store
        .record_verification(&look(id, run, 0), same, &[])
        .unwrap();
    assert!(paths(&*store, web).is_empty());
    let verified = store.reading(web).unwrap().unwrap().verified;
    assert_eq!(verified.damage, None);
    assert_eq!(store.verifications(Some(web)).unwrap()[&id], look(id, run, 0));
}

#[test]
fn damage_of_a_snapshot_that_has_gone_is_no_news_any_more() {
    let store = fresh();
    let web = with_host(&*store);
    let id = complete(&*store, web, "one");
    let run = begin_run(&*store, web);
    let bad = [damage("x", ProblemKind::Extra)];
    store
        .record_verification(&look(id, run, 1), Sample::ALL, &bad)
        .unwrap();
    store.mark_missing(&[id]).unwrap();
    assert!(paths(&*store, web).is_empty());
    assert!(!store.inspected().unwrap().contains_key(&web));
}

#[test]
fn samples_go_round() {
    let store = fresh();
    let web = with_host(&*store);
    let mut from = 0;
    for round in 0..4 {
        store
            .record_inspected(web, at(round), Sample::new(from, 2500))
            .unwrap();
        let found = store.inspected().unwrap()[&web];
        from = found.next_slot;
        assert_eq!(found.verified_at, Some(at(round)));
        assert_eq!(found.round_ended_at, (round == 3).then(|| at(3)));
    }
    assert_eq!(from, 0);
}

#[test]
fn usage_is_kept_by_host_and_root() {
    let store = fresh();
    let web = with_host(&*store);
    store
        .root_seen(&root(), &"/backups".parse().unwrap(), None, at(0))
        .unwrap();
    store.record_usage(web, &root(), at(1), "{}").unwrap();
    store.record_usage(web, &root(), at(2), "[]").unwrap();
    let found = store.usage(None, &root()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].measured_at, found[0].body.as_str()),
        (at(2), "[]")
    );
}
