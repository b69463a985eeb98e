//! How the fleet is: always what judging every host anew would say.

use std::collections::BTreeMap;

use crate::core::health::{Judgement, Problem, Standing, judge};
use crate::core::model::{
    GlobalSettings, Hold, HostId, Label, ManagedBy, Pause, RootId, RunCause, RunStatus,
    ServerSettings, Span, Timestamp,
};
use crate::store::session::{Database, Val};
use crate::store::{
    Claim, Claimed, ConfigChange, Discovered, DueCause, GlobalWrite, HostOrder, HostSearch,
    HostWrite, Listed, Marking, PlanKind, RunEnd, Settled, SettledFire, SnapshotEnd, Store,
};

use super::support::*;

/// What every host is by all its rows.
fn anew(store: &dyn Store, root: Option<&RootId>) -> BTreeMap<HostId, Judgement> {
    let activities = store.activity(root).unwrap();
    let counts = store.snapshot_counts(root).unwrap();
    let state = store.load_state().unwrap();
    let judged = state.hosts.iter().map(|host| {
        let suspect = counts.get(&host.id).map_or(0, |counts| counts.suspect);
        (host.id, judge(host, &activities[&host.id], suspect))
    });
    judged.collect()
}

/// Says that what is kept is what judging anew says, figures included.
fn agrees(store: &dyn Store, root: Option<&RootId>) {
    let kept = store.readings().unwrap();
    let judged: BTreeMap<HostId, Judgement> =
        kept.iter().map(|r| (r.host, r.judgement.clone())).collect();
    assert_eq!(judged, anew(store, root));
    let activities = store.activity(root).unwrap();
    let counts = store.snapshot_counts(root).unwrap();
    let figures = store.backup_figures(root).unwrap();
    for reading in &kept {
        let id = reading.host;
        assert_eq!(reading.newest, activities[&id].newest);
        let complete = counts.get(&id).map_or(0, |counts| counts.complete);
        assert_eq!(reading.snapshots, complete as u64);
        assert_eq!(
            reading.figures,
            figures.get(&id).copied().unwrap_or_default()
        );
        let last = activities[&id].backup.as_ref();
        assert_eq!(
            reading.last_backup.as_ref().map(|last| last.started_at),
            last.map(|last| last.run.started_at)
        );
    }
}

fn with_root(store: &dyn Store, path: &str) {
    let settings = GlobalSettings {
        backup_root: Some(path.parse().unwrap()),
        ..GlobalSettings::default()
    };
    let change = ConfigChange {
        global: Some(GlobalWrite {
            managed_by: ManagedBy::Kdl,
            settings,
            applied: None,
        }),
        ..change(store)
    };
    store.configure(&change).unwrap();
}

fn settle_one(store: &dyn Store, host: HostId, to: Timestamp) -> Claimed {
    let line = store.schedules_of(host).unwrap().remove(0);
    let claim = Claim {
        host,
        cause: DueCause::Fires {
            fires_at: to,
            lines: vec![SettledFire {
                cron: line.schedule.cron,
                timezone: line.schedule.timezone,
                from: line.settled_until,
                to,
            }],
        },
        prune: false,
        at: to,
        process: "p".to_owned(),
        max_concurrent: 9,
        server: None,
        lease: Span::from_seconds(120),
    };
    store.claim(&claim).unwrap()
}

#[test]
fn whatever_is_written_every_host_is_as_judging_it_anew_says() {
    let fixture = fresh();
    let store: &dyn Store = &*fixture;
    agrees(store, None);
    let web = with_host(store);
    write(store, vec![create("db-01")]);
    let db = host(store, "db-01").id;
    agrees(store, None);
    with_root(store, "/mnt/backups");
    let root = root();
    let on = Some(&root);
    let check = || agrees(store, on);
    check();

    let first = complete(store, web, "20261121-021500Z__ab12cd");
    check();
    let run = begin_run(store, web);
    let suspect = begin_snapshot(store, run, "20261122-021500Z__ab12cd");
    let end = SnapshotEnd {
        suspect: true,
        ..end_of(suspect, Settled::Complete)
    };
    store.finish_snapshot(&end, Some(&end_of_run(run))).unwrap();
    check();
    let standing = || {
        store
            .reading(web)
            .unwrap()
            .unwrap()
            .judgement
            .before
            .standing
    };
    assert_eq!(standing(), Standing::Problem(Problem::Suspect));
    assert_eq!(store.acknowledge(web, "alice", at(20)).unwrap(), [suspect]);
    check();
    let hold = Hold {
        by: "alice".to_owned(),
        reason: "audit".to_owned(),
        since: at(20),
        until: None,
    };
    store.hold(suspect, &hold).unwrap();
    check();

    let failed = begin_run(store, web);
    let end = RunEnd {
        status: RunStatus::Failed,
        cause: Some(RunCause::Lasting),
        message: "no\u{1b} route".to_owned(),
        ..end_of_run(failed)
    };
    store.finish_run(&end).unwrap();
    check();
    assert_eq!(standing(), Standing::Problem(Problem::Failed));
    begin_run(store, web);
    store.interrupt_runs("process-1", "gone", at(30)).unwrap();
    check();

    let plan = record(store, vec![first]);
    let marked = mark_deleting(store, first, plan, at(60));
    assert_eq!(marked, Marking::Marked);
    check();
    take_back(store, first);
    check();
    let marked = mark_deleting(store, first, plan, at(61));
    assert_eq!(marked, Marking::Marked);
    mark_deleted(store, first, at(62));
    check();
    store.mark_missing(&[suspect]).unwrap();
    check();
    let found = Discovered {
        name: "20261123-021500Z__ab12cd".parse().unwrap(),
        kind: crate::core::model::SnapshotKind::Manual,
        settled: Settled::Complete,
        started_at: at(3),
        finished_at: Some(at(9)),
        base: None,
        bytes: Some(1000),
        files: Some(10),
        bytes_transferred: None,
        rsync_exit: None,
        hold: None,
        suspect: true,
    };
    store.record_discovered(db, &root, &[found]).unwrap();
    check();

    let pause = Pause {
        at: at(70),
        by: "alice".to_owned(),
        reason: String::new(),
    };
    store.pause(web, &pause).unwrap();
    check();
    assert_eq!(standing(), Standing::Paused);
    store.resume(web, "alice", at(80)).unwrap();
    check();
    assert!(matches!(settle_one(store, web, at(90)), Claimed::Run(..)));
    check();

    let found = host(store, "web-01");
    let approval = (
        found.name.clone(),
        found.settings.retention.as_ref().unwrap().fingerprint(),
    );
    let approving = ConfigChange {
        plan: Some(super::support::plan(PlanKind::Apply, vec![])),
        approvals: vec![approval],
        ..change(store)
    };
    store.configure(&approving).unwrap();
    check();
    let lasting = update(&found, |content| {
        content.settings.stale_after = Some(Span::from_hours(1));
    });
    write(store, vec![lasting]);
    check();
    write(
        store,
        vec![HostWrite::Rename {
            host: web,
            to: name("web-02"),
        }],
    );
    check();
    assert_eq!(store.reading(web).unwrap().unwrap().name, name("web-02"));
    write(store, vec![retire(web)]);
    check();
    assert_eq!(standing(), Standing::Retired);
    write(store, vec![HostWrite::Revive { host: web }]);
    check();

    // Another root in use: none of these snapshots is on it.
    with_root(store, "/mnt/other");
    agrees(store, None);
    let other = RootId::from_random([8; 16]);
    store
        .root_seen(&other, &"/mnt/other".parse().unwrap(), None, at(99))
        .unwrap();
    agrees(store, Some(&other));
    store
        .root_seen(&root, &"/mnt/other".parse().unwrap(), None, at(100))
        .unwrap();
    check();
}

#[test]
fn each_host_is_judged_by_what_is_on_the_root_of_its_server() {
    let fixture = fresh();
    let store: &dyn Store = &*fixture;
    let web = with_host(store);
    let east: Label = "east".parse().unwrap();
    let west: Label = "west".parse().unwrap();
    let server = |name: &Label, path: &str| ServerSettings {
        name: name.clone(),
        backup_root: Some(path.parse().unwrap()),
        max_concurrent: None,
    };
    let settings = GlobalSettings {
        servers: vec![server(&east, "/mnt/backups"), server(&west, "/mnt/west")],
        ..GlobalSettings::default()
    };
    let naming = ConfigChange {
        global: Some(GlobalWrite {
            managed_by: ManagedBy::Kdl,
            applied: Some(settings.clone()),
            settings,
        }),
        ..change(store)
    };
    store.configure(&naming).unwrap();
    let belongs_to = |server: &Label| {
        let found = host(store, "web-01");
        let moved = update(&found, |content| {
            content.settings.server = Some(server.clone());
        });
        write(store, vec![moved]);
    };
    let snapshots = || store.reading(web).unwrap().unwrap().snapshots;
    complete(store, web, "20261121-021500Z__ab12cd");
    belongs_to(&east);
    // The root was that of a lone server without a name.
    assert_eq!(snapshots(), 1);
    belongs_to(&west);
    assert_eq!(snapshots(), 0);
    let root = RootId::from_random([8; 16]);
    store
        .root_seen(&root, &"/mnt/west".parse().unwrap(), Some(&west), at(9))
        .unwrap();
    assert_eq!(snapshots(), 0);
    belongs_to(&east);
    store
        .root_seen(&super::support::root(), &"/mnt/backups".parse().unwrap(), Some(&east), at(10))
        .unwrap();
    assert_eq!(snapshots(), 1);
    assert_eq!(store.hosts_by_server().unwrap(), [(Some(east), 1)]);
}

#[test]
fn a_server_is_seen_by_the_clock_of_the_database() {
    let fixture = fresh();
    let store: &dyn Store = &*fixture;
    assert_eq!(store.servers().unwrap(), []);
    let east: Label = "east".parse().unwrap();
    store.server_seen(None, "process-1", "0.1.0").unwrap();
    store.server_seen(Some(&east), "process-2", "0.1.0").unwrap();
    store.server_seen(Some(&east), "process-3", "0.2.0").unwrap();
    let seen = store.servers().unwrap();
    let words: Vec<_> = seen
        .iter()
        .map(|one| (one.name.clone(), one.process.as_str(), one.version.as_str()))
        .collect();
    assert_eq!(
        words,
        [(None, "process-1", "0.1.0"), (Some(east), "process-3", "0.2.0")]
    );
    assert!(seen.iter().all(|one| one.first_seen <= one.last_seen));
}

fn names(store: &dyn Store, text: &str, order: HostOrder, skip: u32) -> Vec<String> {
    let search = HostSearch {
        text: text.to_owned(),
        troubled: false,
    };
    let (found, _) = store.reading_page(&search, order, at(0), skip, 2).unwrap();
    found.iter().map(|host| host.name.to_string()).collect()
}

#[test]
fn hosts_are_searched_by_name_and_state_sorted_and_read_page_by_page() {
    let fixture = fresh();
    let store: &dyn Store = &*fixture;
    let web = with_host(store);
    with_root(store, "/mnt/backups");
    write(store, vec![create("Web-2"), create("a_b"), create("axb")]);
    complete(store, web, "20261121-021500Z__ab12cd");
    let pause = Pause {
        at: at(1),
        by: "alice".to_owned(),
        reason: String::new(),
    };
    store.pause(host(store, "axb").id, &pause).unwrap();
    assert_eq!(names(store, "", HostOrder::Name, 0), ["a_b", "axb"]);
    assert_eq!(names(store, "", HostOrder::Name, 2), ["web-01", "Web-2"]);
    assert_eq!(names(store, "WEB-2", HostOrder::Name, 0), ["Web-2"]);
    assert_eq!(
        names(store, "a_", HostOrder::Name, 0),
        ["a_b"],
        "no wildcard"
    );
    assert_eq!(names(store, "paus", HostOrder::Name, 0), ["axb"]);
    assert_eq!(names(store, "", HostOrder::Snapshots, 0)[0], "web-01");
    assert_eq!(names(store, "", HostOrder::Newest, 2)[1], "web-01");
    assert_eq!(names(store, "", HostOrder::Standing, 2)[1], "axb");
    let search = HostSearch {
        text: String::new(),
        troubled: true,
    };
    let page = |at| {
        let (found, count) = store
            .reading_page(&search, HostOrder::Standing, at, 0, 10)
            .unwrap();
        (found[0].judgement.at(at).standing, count)
    };
    assert_eq!(page(at(0)), (Standing::Problem(Problem::Never), 3));
    let later = at(100 * 24 * 3600);
    assert_eq!(page(later), (Standing::Problem(Problem::Stale), 3));
    let counted = store.totals(at(0)).unwrap();
    assert_eq!(counted.count(Standing::Problem(Problem::Never)), 2);
    let totals = store.totals(later).unwrap();
    assert_eq!(
        (totals.hosts(), totals.troubled(), totals.snapshots),
        (4, 3, 1)
    );
    assert_eq!(totals.count(Standing::Paused), 1);
    assert_eq!(totals.count(Standing::Problem(Problem::Stale)), 3);

    let all = store.hosts_after(None, 10).unwrap();
    let mut walked = store.hosts_after(None, 1).unwrap();
    while let [host] = &store.hosts_after(walked.last().map(|h| h.id), 1).unwrap()[..] {
        walked.push(host.clone());
    }
    assert_eq!((walked.len(), &walked), (4, &all));
    assert_eq!(store.hosts_after(Some(HostId(99)), 10).unwrap(), []);
}

#[test]
fn what_drifted_and_what_waits_for_an_approval_is_listed() {
    let fixture = fresh();
    let store: &dyn Store = &*fixture;
    with_host(store);
    write(store, vec![create("db-01")]);
    let found = host(store, "db-01");
    let drift = update(&found, |content| {
        content.managed_by = ManagedBy::Cli;
        content.settings.protect = true;
    });
    write(store, vec![drift]);
    let names = |listed| -> Vec<String> {
        let hosts = store.listed(listed, 10).unwrap();
        hosts.iter().map(|host| host.name.to_string()).collect()
    };
    assert_eq!(names(Listed::Drifted), ["db-01"]);
    assert_eq!(names(Listed::Unapproved), ["db-01", "web-01"]);
    let totals = store.configuration_totals().unwrap();
    assert_eq!((totals.drifted, totals.unapproved), (1, 2));
    let managed = [
        (ManagedBy::Kdl, 1),
        (ManagedBy::Cli, 1),
        (ManagedBy::Web, 0),
    ];
    assert_eq!(totals.managed, managed);
    write(store, vec![retire(host(store, "web-01").id)]);
    assert_eq!(names(Listed::Unapproved), ["db-01"]);
}

#[test]
fn the_hosts_that_start_next_are_known_and_those_that_a_fast_clock_has_settled() {
    let fixture = fresh();
    let store: &dyn Store = &*fixture;
    let web = with_host(store);
    write(store, vec![create("db-01")]);
    let db = host(store, "db-01").id;
    let ahead = at(3600);
    let later = at(5 * 24 * 3600);
    assert_eq!(store.starting(ahead, 1).unwrap().len(), 1);
    assert!(matches!(
        settle_one(store, web, at(24 * 3600)),
        Claimed::Run(..)
    ));
    let starting = store.starting(later, 5).unwrap();
    assert_eq!((starting.len(), starting.contains(&db)), (2, true));
    assert_eq!(store.starting(ahead, 1).unwrap()[0], web, "settled too far");
    write(store, vec![retire(web)]);
    assert_eq!(store.starting(ahead, 5).unwrap(), [db]);
}

#[test]
fn a_page_of_a_large_fleet_is_chosen_from_an_index_alone() {
    let store = fresh();
    if !store.explains_like_sqlite() {
        return;
    }
    let plan = store
        .store
        .read(|session| {
            let mut found = String::new();
            let sql = "EXPLAIN QUERY PLAN SELECT host_id FROM host_status \
                 WHERE INSTR(name_key, ?) > 0 OR CASE WHEN stale_at < ? THEN late_place ELSE place END = 3 \
                 ORDER BY name_key, host_id LIMIT 50 OFFSET 9950";
            session.query(sql, &[Val::Text("w"), Val::Int(1)], &mut |row| {
                found.extend(row.text(3).ok().flatten().map(str::to_owned));
                Ok(())
            })?;
            Ok(found)
        })
        .unwrap();
    assert!(plan.contains("COVERING INDEX host_status_list"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}
