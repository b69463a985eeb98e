//! Looks at snapshots, and what is remembered of them.

use crate::core::manifest::Sample;
use crate::core::model::{HostId, ProblemKind, RunId, SnapshotId};
use crate::store::{Marking, NewDamage, SnapshotFilter, Store, Verification};

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
            .record_verification(&look(id, run, 2), Some(all), &bad)
            .unwrap(),
        2
    );
    assert!(is_suspect(&*store, id));
    store.acknowledge(web, "alice", at(101)).unwrap();
    // The same again is no news.
    assert_eq!(
        store
            .record_verification(&look(id, run, 2), Some(all), &bad)
            .unwrap(),
        0
    );
    assert!(!is_suspect(&*store, id));

    // A sample that does not read the file says nothing of its content, but of all names.
    let slot = Sample::slot(b"etc/hosts");
    let other = Sample::new(slot + 1, 100);
    store
        .record_verification(&look(id, run, 0), Some(other), &[])
        .unwrap();
    assert_eq!(paths(&*store, web), ["etc/hosts"]);
    let found = store.inspected().unwrap()[&web];
    assert_eq!((found.damaged_files, found.damaged_snapshots), (1, 1));
    let told = store.reading(web).unwrap().unwrap().verified.damage.unwrap();
    assert_eq!((told.files, told.snapshots), (1, 1));
    assert_eq!((told.first.as_str(), told.since), ("etc/hosts", look(id, run, 1).at));
    let same = Sample::new(slot, 100);
    store
        .record_verification(&look(id, run, 0), Some(same), &[])
        .unwrap();
    assert!(paths(&*store, web).is_empty());
    let verified = store.reading(web).unwrap().unwrap().verified;
    assert_eq!(verified.damage, None);
    assert_eq!(store.verifications(Some(web)).unwrap()[&id], look(id, run, 0));
}

#[test]
fn a_look_by_somebody_who_may_not_read_everything_clears_nothing() {
    let store = fresh();
    let web = with_host(&*store);
    let id = complete(&*store, web, "one");
    let run = begin_run(&*store, web);
    let [hosts, shadow] =
        ["etc/hosts", "etc/shadow"].map(|path| damage(path, ProblemKind::Content));
    store
        .record_verification(&look(id, run, 1), Some(Sample::ALL), &[shadow])
        .unwrap();
    for news in [1, 0] {
        let found = [hosts.clone()];
        assert_eq!(
            store
                .record_verification(&look(id, run, 1), None, &found)
                .unwrap(),
            news
        );
        assert_eq!(paths(&*store, web), ["etc/hosts", "etc/shadow"]);
    }
}

#[test]
fn damage_of_a_snapshot_that_has_gone_is_no_news_any_more() {
    let store = fresh();
    let web = with_host(&*store);
    let id = complete(&*store, web, "one");
    let run = begin_run(&*store, web);
    let bad = [damage("x", ProblemKind::Extra)];
    store
        .record_verification(&look(id, run, 1), Some(Sample::ALL), &bad)
        .unwrap();
    store.mark_missing(&[id]).unwrap();
    assert!(paths(&*store, web).is_empty());
    assert!(!store.inspected().unwrap().contains_key(&web));
}

#[test]
fn damage_that_others_share_outlives_the_snapshot_that_it_was_found_in() {
    let store = fresh();
    let web = with_host(&*store);
    let [one, two] = ["one", "two"].map(|name| complete(&*store, web, name));
    let run = begin_run(&*store, web);
    let bad = [damage("etc/hosts", ProblemKind::Content)];
    store
        .record_verification(&look(one, run, 1), Some(Sample::ALL), &bad)
        .unwrap();
    for later in [200, 300] {
        store.record_shared_damage(two, at(later), &bad).unwrap();
    }
    let found = store.damage(Some(web), 9).unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|damage| damage.found_at == at(100)));
    assert!(!is_suspect(&*store, two));
    assert!(!store.verifications(Some(web)).unwrap().contains_key(&two));

    // It goes by a prune, and whoever looks between the prune and its end is told the truth.
    let plan = record(&*store, vec![one]);
    let damaged = || store.reading(web).unwrap().unwrap().verified.damage.unwrap();
    assert_eq!(damaged().snapshots, 2);
    let marked = mark_deleting(&*store, one, plan, at(400));
    assert_eq!(marked, Marking::Marked);
    assert_eq!(damaged().snapshots, 2);
    assert!(mark_deleted(&*store, one, at(401)));
    assert_eq!(damaged().snapshots, 1);
    assert_eq!(store.inspected().unwrap()[&web].damaged_files, 1);
    // Nobody has looked at what the other one has: unattended prunes go on waiting.
    assert!(is_suspect(&*store, two));
}

#[test]
fn whoever_has_looked_at_damage_is_not_asked_again_when_a_snapshot_goes() {
    let store = fresh();
    let web = with_host(&*store);
    let [one, two, three] = ["one", "two", "three"].map(|name| complete(&*store, web, name));
    let run = begin_run(&*store, web);
    let bad = [damage("etc/hosts", ProblemKind::Content)];
    let other = [damage("etc/passwd", ProblemKind::Content)];
    store
        .record_verification(&look(one, run, 1), Some(Sample::ALL), &bad)
        .unwrap();
    store.record_shared_damage(two, at(200), &bad).unwrap();
    store.acknowledge(web, "alice", at(201)).unwrap();
    store
        .record_verification(&look(three, run, 1), Some(Sample::ALL), &other)
        .unwrap();
    // What one has was looked at; what three has, two has not.
    store.mark_missing(&[one]).unwrap();
    assert!(!is_suspect(&*store, two));
    let four = complete(&*store, web, "four");
    store.record_shared_damage(four, at(300), &other).unwrap();
    store.mark_missing(&[three]).unwrap();
    assert!(is_suspect(&*store, four));
    assert!(!is_suspect(&*store, two));
}

#[test]
fn a_whole_copy_that_has_gone_is_named_no_more() {
    let store = fresh();
    let web = with_host(&*store);
    let [one, whole] = ["one", "whole"].map(|name| complete(&*store, web, name));
    let run = begin_run(&*store, web);
    let bad = NewDamage {
        intact: Some("whole".parse().unwrap()),
        ..damage("etc/hosts", ProblemKind::Content)
    };
    store
        .record_verification(&look(one, run, 1), Some(Sample::ALL), &[bad])
        .unwrap();
    let intact = || store.damage(Some(web), 9).unwrap()[0].damage.intact.clone();
    assert!(intact().is_some());
    store.mark_missing(&[whole]).unwrap();
    assert_eq!(intact(), None);
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
