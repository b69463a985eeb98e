//! Claims of what is due, retries, pauses, and runs that are asked to stop.

use chrono_tz::Tz;

use crate::core::model::{HostId, Pause, RunId, RunStatus, Timestamp};
use crate::store::{
    Claim, Claimed, DueCause, HostSchedule, HostWrite, RunEnd, RunFilter, RunRecord, SettledFire,
    Store, StoreError,
};

use super::support::*;

fn line(store: &dyn Store, host: HostId, cron: &str) -> HostSchedule {
    let found = store.schedules().unwrap();
    found
        .into_iter()
        .find(|s| s.host == host && s.schedule.cron.as_str() == cron)
        .unwrap()
}

fn claim_of(store: &dyn Store, host: HostId, to: Timestamp) -> Claim {
    let line = line(store, host, "0 12 * * *");
    Claim {
        host,
        cause: DueCause::Fires {
            fires_at: at(100),
            lines: vec![SettledFire {
                cron: line.schedule.cron,
                timezone: line.schedule.timezone,
                from: line.settled_until,
                to,
            }],
        },
        prune: true,
        at: at(200),
        process: "p".to_owned(),
        max_concurrent: 2,
        server: None,
        lease: crate::core::model::Span::from_seconds(120),
    }
}

fn retry_of(store: &dyn Store, host: HostId, max_concurrent: u32) -> Option<Claim> {
    let found = store.retries().unwrap();
    let retry = found.into_iter().find(|r| r.host == host)?;
    Some(Claim {
        host,
        cause: DueCause::Retry {
            of: retry.run,
            fires_at: retry.fires_at,
            attempt: retry.attempt + 1,
        },
        prune: retry.prune,
        at: at(900),
        process: "p".to_owned(),
        max_concurrent,
        server: None,
        lease: crate::core::model::Span::from_seconds(120),
    })
}

fn claimed(store: &dyn Store, claim: &Claim) -> RunId {
    match store.claim(claim).unwrap() {
        Claimed::Run(run, _) => run,
        other => panic!("{other:?}"),
    }
}

fn get(store: &dyn Store, run: RunId) -> RunRecord {
    let filter = RunFilter {
        run: Some(run),
        ..RunFilter::default()
    };
    store.runs(&filter, 9).unwrap().pop().unwrap()
}

fn fail(store: &dyn Store, run: RunId) {
    let end = RunEnd {
        status: RunStatus::Failed,
        ..end_of_run(run)
    };
    store.finish_run(&end).unwrap();
    give_back(store, get(store, run).host);
}

#[test]
fn a_claim_is_a_run_that_says_why() {
    let store = fresh();
    let web = with_host(&*store);
    let run = claimed(&*store, &claim_of(&*store, web, at(150)));
    let found = get(&*store, run);
    assert_eq!(found.run.status, RunStatus::Running);
    assert_eq!(found.run.started_at, at(200));
    let schedule = found.schedule.unwrap();
    assert_eq!((schedule.fires_at, schedule.attempt), (at(100), 1));
    assert!(schedule.prune && schedule.retry_at.is_none());
    assert_eq!(
        line(&*store, web, "0 12 * * *").settled_until,
        at(150),
        "what it answers is settled"
    );
    assert_eq!(line(&*store, web, "15 2 * * *").settled_until, at(0));
}

#[test]
fn a_claim_prunes_only_if_a_schedule_wants_it_by_then() {
    let store = fresh();
    let web = with_host(&*store);
    let claim = claim_of(&*store, web, at(150));
    let mut without = settings();
    for schedule in &mut without.schedules {
        schedule.prune = false;
    }
    let content = applied(without);
    write(&*store, vec![HostWrite::Update { host: web, content }]);
    let run = claimed(&*store, &claim);
    assert!(!get(&*store, run).schedule.unwrap().prune);
}

#[test]
fn what_somebody_else_has_claimed_is_gone() {
    let store = fresh();
    let web = with_host(&*store);
    let claim = claim_of(&*store, web, at(150));
    let run = claimed(&*store, &claim);
    assert_eq!(store.claim(&claim).unwrap(), Claimed::Busy(run));
    store.finish_run(&end_of_run(run)).unwrap();
    assert_eq!(store.claim(&claim).unwrap(), Claimed::Held);
    give_back(&*store, web);
    assert_eq!(store.claim(&claim).unwrap(), Claimed::Gone);
    assert_eq!(store.runs(&RunFilter::default(), 9).unwrap().len(), 1);
}

#[test]
fn a_claim_of_two_lines_takes_both_or_none() {
    let store = fresh();
    let web = with_host(&*store);
    let mut claim = claim_of(&*store, web, at(150));
    let DueCause::Fires { lines, .. } = &mut claim.cause else {
        panic!()
    };
    lines.push(SettledFire {
        cron: "15 2 * * *".parse().unwrap(),
        timezone: Tz::Europe__Amsterdam,
        from: at(7),
        to: at(150),
    });
    assert_eq!(store.claim(&claim).unwrap(), Claimed::Gone);
    assert_eq!(line(&*store, web, "0 12 * * *").settled_until, at(0));
}

#[test]
fn many_at_once_claim_a_host_once() {
    let fixture = fresh();
    let web = with_host(&*fixture);
    let claim = claim_of(&*fixture, web, at(150));
    let store: &dyn Store = &*fixture;
    let wins: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| matches!(store.claim(&claim).unwrap(), Claimed::Run(..))))
            .collect();
        let wins = threads.into_iter().map(|t| usize::from(t.join().unwrap()));
        wins.sum()
    });
    assert_eq!(wins, 1);
}

#[test]
fn no_more_than_the_bound_is_claimed() {
    let store = fresh();
    write(&*store, vec![create("a"), create("b"), create("c")]);
    let claim = |name: &str| {
        let claim = claim_of(&*store, host(&*store, name).id, at(150));
        store.claim(&claim).unwrap()
    };
    let Claimed::Run(first, _) = claim("a") else {
        panic!()
    };
    assert!(matches!(claim("b"), Claimed::Run(..)));
    assert_eq!(claim("c"), Claimed::Full);
    store.finish_run(&end_of_run(first)).unwrap();
    assert!(matches!(claim("c"), Claimed::Run(..)));
}

#[test]
fn a_host_that_is_paused_disabled_or_retired_is_not_claimed() {
    let store = fresh();
    write(&*store, vec![create("a"), create("b"), create("c")]);
    let id = |name: &str| host(&*store, name).id;
    let claims: Vec<Claim> = ["a", "b", "c"]
        .iter()
        .map(|name| claim_of(&*store, id(name), at(150)))
        .collect();
    store.pause(id("a"), &pause(1)).unwrap();
    let b = host(&*store, "b");
    write(
        &*store,
        vec![
            update(&b, |b| b.settings.enabled = false),
            retire(claims[2].host),
        ],
    );
    for claim in &claims {
        assert_eq!(store.claim(claim).unwrap(), Claimed::Gone);
    }
}

#[test]
fn a_failed_run_is_tried_again_once_and_counts_on() {
    let store = fresh();
    let web = with_host(&*store);
    let first = claimed(&*store, &claim_of(&*store, web, at(150)));
    assert!(!store.plan_retry(first, at(500)).unwrap(), "it still runs");
    fail(&*store, first);
    assert!(store.plan_retry(first, at(500)).unwrap());
    let pending = store.retries().unwrap();
    assert_eq!((pending[0].run, pending[0].at), (first, at(500)));

    let again = retry_of(&*store, web, 2).unwrap();
    let second = claimed(&*store, &again);
    assert_eq!(get(&*store, second).schedule.unwrap().attempt, 2);
    assert_eq!(store.retries().unwrap(), []);
    fail(&*store, second);
    assert_eq!(store.claim(&again).unwrap(), Claimed::Gone);
}

#[test]
fn a_later_backup_makes_a_retry_void() {
    let store = fresh();
    let web = with_host(&*store);
    let first = claimed(&*store, &claim_of(&*store, web, at(150)));
    fail(&*store, first);
    store.plan_retry(first, at(500)).unwrap();
    let again = retry_of(&*store, web, 2).unwrap();
    complete(&*store, web, "20261122-021500Z__ab12cd");
    assert_eq!(store.retries().unwrap(), []);
    assert_eq!(store.claim(&again).unwrap(), Claimed::Gone);
}

#[test]
fn only_what_a_schedule_asked_for_is_tried_again() {
    let store = fresh();
    let web = with_host(&*store);
    let by_hand = begin_run(&*store, web);
    fail(&*store, by_hand);
    assert!(!store.plan_retry(by_hand, at(500)).unwrap());
    let done = claimed(&*store, &claim_of(&*store, web, at(150)));
    store.finish_run(&end_of_run(done)).unwrap();
    assert!(!store.plan_retry(done, at(500)).unwrap());
    assert_eq!(store.retries().unwrap(), []);
}

fn pause(second: i64) -> Pause {
    Pause {
        at: at(second),
        by: "bob".to_owned(),
        reason: "moving racks".to_owned(),
    }
}

#[test]
fn a_pause_is_no_configuration_and_its_fires_are_not_made_up_for() {
    let store = fresh();
    let web = with_host(&*store);
    let serial = store.serial().unwrap();
    assert!(store.pause(web, &pause(20)).unwrap());
    assert!(!store.pause(web, &pause(30)).unwrap());
    let paused = host(&*store, "web-01");
    assert_eq!(paused.pause, Some(pause(20)));
    assert!(paused.is_paused() && paused.settings == settings());
    assert_eq!(store.schedules().unwrap(), []);

    assert!(store.resume(web, "eve", at(400)).unwrap());
    assert!(!store.resume(web, "eve", at(401)).unwrap());
    assert!(!host(&*store, "web-01").is_paused());
    assert_eq!(line(&*store, web, "0 12 * * *").settled_until, at(400));
    assert_eq!(store.serial().unwrap(), serial);
    let told: Vec<String> = store
        .history(2)
        .unwrap()
        .into_iter()
        .map(|e| format!("{} {}", e.actor, e.summary))
        .collect();
    assert_eq!(told, ["eve resume web-01", "bob pause web-01"]);
}

#[test]
fn a_host_that_was_disabled_starts_from_when_it_is_enabled() {
    let store = fresh();
    let web = with_host(&*store);
    let enable = |enabled, second| {
        let found = host(&*store, "web-01");
        let mut change = change(&*store);
        change.at = at(second);
        change.hosts = vec![update(&found, |h| h.settings.enabled = enabled)];
        store.configure(&change).unwrap();
    };
    enable(false, 10);
    enable(true, 3_000_000);
    assert_eq!(
        line(&*store, web, "0 12 * * *").settled_until,
        at(3_000_000)
    );
}

#[test]
fn a_line_that_stays_goes_on_and_one_that_changes_starts_anew() {
    let store = fresh();
    let web = with_host(&*store);
    let run = claimed(&*store, &claim_of(&*store, web, at(150)));
    store.finish_run(&end_of_run(run)).unwrap();
    let found = host(&*store, "web-01");
    let mut change = change(&*store);
    change.at = at(777);
    change.hosts = vec![update(&found, |h| {
        h.settings.schedules[0].cron = "0 3 * * *".parse().unwrap();
        h.settings.schedules[1].prune = true;
    })];
    store.configure(&change).unwrap();
    assert_eq!(line(&*store, web, "0 3 * * *").settled_until, at(777));
    assert_eq!(line(&*store, web, "0 12 * * *").settled_until, at(150));
}

#[test]
fn a_run_that_is_cancelled_hears_it_and_is_still_heard() {
    let store = fresh();
    let web = with_host(&*store);
    let run = begin_run(&*store, web);
    assert!(store.record_progress(run, 10, at(3)).unwrap());
    store.cancel_run(run, "bob", at(4)).unwrap();
    assert!(!store.record_progress(run, 20, at(5)).unwrap());
    assert!(!store.heartbeat(run, at(6)).unwrap());
    let found = get(&*store, run);
    assert_eq!((found.bytes, found.heartbeat_at), (Some(20), at(6)));
    assert_eq!(found.cancel_by.as_deref(), Some("bob"));
    store.finish_run(&end_of_run(run)).unwrap();
    let late = store.cancel_run(run, "bob", at(9)).unwrap_err();
    assert!(matches!(late, StoreError::RunIs { .. }), "{late}");
}

#[test]
fn who_asks_for_a_backup_is_kept_and_bound_as_the_schedule_is() {
    let store = fresh();
    let one = with_host(&*store);
    write(&*store, vec![create("db-01")]);
    let two = host(&*store, "db-01").id;
    let asked = |host, max_concurrent| Claim {
        host,
        cause: DueCause::Asked {
            by: "bob".to_owned(),
        },
        prune: false,
        at: at(200),
        process: "p".to_owned(),
        max_concurrent,
        server: None,
        lease: crate::core::model::Span::from_seconds(120),
    };
    let run = claimed(&*store, &asked(one, 1));
    let record = get(&*store, run);
    assert_eq!(record.asked_by.as_deref(), Some("bob"));
    assert_eq!(record.schedule, None);
    assert_eq!(store.claim(&asked(one, 9)).unwrap(), Claimed::Busy(run));
    assert_eq!(store.claim(&asked(two, 1)).unwrap(), Claimed::Full);
    fail(&*store, run);
    assert!(!store.plan_retry(run, at(300)).unwrap());
    let newest = store.history(1).unwrap().pop().unwrap();
    assert_eq!(
        (newest.actor.as_str(), newest.summary.as_str()),
        ("bob", "back up web-01 now")
    );
}

#[test]
fn the_schedules_of_one_host_are_those_of_all_without_the_others() {
    let store = fresh();
    let web = with_host(&*store);
    write(&*store, vec![create("db-01")]);
    let all = store.schedules().unwrap();
    let of_web: Vec<HostSchedule> = all.iter().filter(|s| s.host == web).cloned().collect();
    assert!(!of_web.is_empty() && of_web.len() < all.len());
    assert_eq!(store.schedules_of(web).unwrap(), of_web);
    assert_eq!(store.schedules_of(HostId(99)).unwrap(), []);
}

#[test]
fn a_backup_that_was_asked_for_elsewhere_is_taken_up_once() {
    let store = fresh();
    let web = with_host(&*store);
    let wishes = || store.backup_wishes(at(0)).unwrap();
    assert_eq!(wishes(), []);
    assert!(store.wish_backup(web, "alice", at(1)).unwrap());
    assert!(!store.wish_backup(web, "bob", at(2)).unwrap());
    let [wish] = &wishes()[..] else { panic!() };
    assert_eq!((wish.host, wish.by.as_str(), wish.at), (web, "bob", at(2)));
    assert_eq!(store.backup_wishes(at(2)).unwrap().len(), 1);
    assert_eq!(store.backup_wishes(at(3)).unwrap(), [], "long ago");
    let claim = |asked| Claim {
        cause: DueCause::Wished {
            by: "bob".to_owned(),
            at: asked,
        },
        ..claim_of(&*store, web, at(100))
    };
    // Whoever read the list before the second one asked.
    assert_eq!(store.claim(&claim(at(1))).unwrap(), Claimed::Gone);
    let Claimed::Run(run, _) = store.claim(&claim(at(2))).unwrap() else {
        panic!("not claimed")
    };
    assert_eq!(wishes(), []);
    assert_eq!(store.claim(&claim(at(2))).unwrap(), Claimed::Busy(run));
    let found = store.runs(&RunFilter::default(), 1).unwrap().remove(0);
    assert_eq!(found.run.id, run);
    assert_eq!(found.asked_by.as_deref(), Some("bob"));
    assert_eq!(found.schedule, None);

    assert!(store.wish_backup(web, "alice", at(3)).unwrap());
    let pause = Pause {
        at: at(4),
        by: "alice".to_owned(),
        reason: String::new(),
    };
    store.pause(web, &pause).unwrap();
    assert_eq!(wishes(), []);
}
