#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::json;

use super::{
    Ended, Next, Raised, Refusal, Telling, after_failed_attempt, find, of_run, of_stale,
    recipients, test,
};
use crate::core::model::{
    EventKind, Fingerprint, HostId, Lineage, Notify, Run, RunCause, RunId, RunKind, RunStatus,
    SnapshotId, Timestamp, Topic,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_424_400_000 + seconds * 1000)
}

fn lineage() -> Lineage {
    Lineage::from_random([7; 16])
}

fn run(id: i64, kind: RunKind, status: RunStatus) -> Run {
    Run {
        id: RunId(id),
        host: "web-01".parse().unwrap(),
        kind,
        status,
        started_at: at(0),
        finished_at: Some(at(60)),
        snapshot: None,
        plan: None,
        message: "ssh said no".to_owned(),
        process: "p".to_owned(),
    }
}

fn ended(run: &Run) -> Ended<'_> {
    Ended {
        host: HostId(3),
        run,
        cause: None,
        is_unattended: true,
        is_retried: false,
        suspect: None,
        last_well: Some(RunId(4)),
        trouble_since: None,
        policy: None,
    }
}

fn raised(ended: &Ended<'_>) -> Vec<Raised> {
    let lineage = lineage();
    let telling = Telling {
        lineage: &lineage,
        machine: "backup-01",
        version: "0.1.0",
    };
    of_run(telling, ended)
}

fn keys(ended: &Ended<'_>) -> Vec<String> {
    raised(ended).into_iter().map(|r| r.key).collect()
}

#[test]
fn a_streak_of_failures_is_one_event_for_each_cause() {
    let (first, second) = (
        run(5, RunKind::Backup, RunStatus::Failed),
        run(6, RunKind::Backup, RunStatus::Failed),
    );
    let of = |run, cause| Ended {
        cause: Some(cause),
        ..ended(run)
    };
    let passing = keys(&of(&first, RunCause::Passing));
    assert_eq!(passing, ["failure:backup:host=3:after=4:passing"]);
    assert_eq!(keys(&of(&second, RunCause::Passing)), passing);
    assert_ne!(keys(&of(&second, RunCause::Lasting)), passing);
    let next_streak = Ended {
        last_well: Some(RunId(7)),
        ..of(&second, RunCause::Passing)
    };
    assert_ne!(keys(&next_streak), passing);
}

#[test]
fn the_id_is_that_of_the_event_and_not_of_its_raising() {
    let (first, second) = (
        run(5, RunKind::Backup, RunStatus::Failed),
        run(6, RunKind::Backup, RunStatus::Failed),
    );
    let id = |run| raised(&ended(run))[0].event.id.clone();
    assert_eq!(id(&first), id(&second));
    assert_eq!(id(&first).len(), 32);
    let lineage = Lineage::from_random([8; 16]);
    let elsewhere = Telling {
        lineage: &lineage,
        machine: "backup-01",
        version: "0.1.0",
    };
    assert_ne!(of_run(elsewhere, &ended(&first))[0].event.id, id(&first));
}

#[test]
fn what_a_person_started_or_stopped_is_no_failure_to_tell() {
    let failed = run(5, RunKind::Backup, RunStatus::Failed);
    let manual = Ended {
        is_unattended: false,
        ..ended(&failed)
    };
    assert!(raised(&manual).is_empty());
    let retried = Ended {
        is_retried: true,
        ..ended(&failed)
    };
    assert!(raised(&retried).is_empty());
    let stopped = run(5, RunKind::Backup, RunStatus::Cancelled);
    assert!(raised(&ended(&stopped)).is_empty());
    let looked = run(5, RunKind::Discovery, RunStatus::Failed);
    assert!(raised(&ended(&looked)).is_empty());
}

#[test]
fn a_success_of_a_person_ends_a_trouble_too() {
    let well = run(9, RunKind::Backup, RunStatus::Complete);
    let manual = Ended {
        is_unattended: false,
        trouble_since: Some(at(-500)),
        ..ended(&well)
    };
    let found = raised(&manual);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].event.event, EventKind::Recovery);
    assert_eq!(found[0].event.since, Some(at(-500)));
    assert_eq!(found[0].event.summary, "web-01: backup is well again");
}

#[test]
fn a_success_is_one_for_each_run_and_a_suspect_one_is_a_failure_beside() {
    let well = run(9, RunKind::Backup, RunStatus::Complete);
    let suspect = Ended {
        suspect: Some(SnapshotId(11)),
        ..ended(&well)
    };
    assert_eq!(
        keys(&suspect),
        ["success:run=9", "failure:suspect:snapshot=11"]
    );
    assert!(
        raised(&suspect)[1]
            .event
            .message
            .contains("pobsync ack web-01")
    );
}

#[test]
fn an_approval_that_is_missing_is_told_once_for_each_policy() {
    let refused = run(9, RunKind::Prune, RunStatus::Refused);
    let (one, two) = (Fingerprint::of(&1), Fingerprint::of(&2));
    let of = |policy| Ended {
        cause: Some(RunCause::Approval),
        policy: Some(policy),
        ..ended(&refused)
    };
    assert_eq!(keys(&of(&one)), keys(&of(&one)));
    assert_ne!(keys(&of(&one)), keys(&of(&two)));
    let event = &raised(&of(&one))[0].event;
    assert_eq!(
        (event.topic, event.cause),
        (Topic::Prune, Some(RunCause::Approval))
    );
    assert_eq!(event.summary, "web-01: prune needs an approval");
}

#[test]
fn what_a_host_sent_cannot_break_a_line_and_is_cut() {
    let failed = Run {
        message: format!("a\nSubject: b\u{1b}[31m{}", "x".repeat(100_000)),
        ..run(5, RunKind::Backup, RunStatus::Failed)
    };
    let event = &raised(&ended(&failed))[0].event;
    assert!(!event.message.chars().any(char::is_control));
    assert!(event.message.len() < 5_000, "{}", event.message.len());
    assert!(event.message.ends_with('…'));
}

#[test]
fn a_stale_host_is_one_event_for_each_newest_snapshot() {
    let lineage = lineage();
    let telling = Telling {
        lineage: &lineage,
        machine: "backup-01",
        version: "0.1.0",
    };
    let name = "web-01".parse().unwrap();
    let of = |newest, now| of_stale(telling, (HostId(3), &name), newest, None, now);
    assert_eq!(of(Some(at(0)), at(10)).key, of(Some(at(0)), at(20)).key);
    assert_ne!(of(Some(at(0)), at(10)).key, of(Some(at(5)), at(10)).key);
    let event = of(Some(at(0)), at(10)).event;
    assert_eq!(
        event.summary,
        "web-01: no complete snapshot since 2026-11-23 09:00 UTC"
    );
    let never = of(None, at(10)).event;
    assert_eq!(never.summary, "web-01: no complete snapshot yet");
    assert_ne!(
        test(telling, "a", "alice", at(0)).event.id,
        test(telling, "b", "alice", at(0)).event.id
    );
}

fn receivers() -> Vec<Notify> {
    serde_json::from_value(json!([
        { "name": "ops", "on": ["failure", "stale"], "targets": [
            { "webhook": { "env": "A" } }, { "email": "ops@example.net" }, { "webhook": "https://b.example.net/" } ] },
        { "name": "log", "on": ["success"], "targets": [{ "command": "log-it" }] }
    ]))
    .unwrap()
}

#[test]
fn who_asked_for_it_is_told_and_targets_have_names_without_addresses() {
    let of = |kind| -> Vec<String> {
        let found = recipients(&receivers(), kind);
        found
            .iter()
            .map(|(receiver, target)| format!("{receiver} {target}"))
            .collect()
    };
    assert_eq!(
        of(EventKind::Failure),
        ["ops webhook", "ops email", "ops webhook-2"]
    );
    assert_eq!(of(EventKind::Success), ["log command"]);
    assert!(of(EventKind::Recovery).is_empty());
    assert_eq!(of(EventKind::Test).len(), 4);
    let receivers = receivers();
    for (receiver, target) in recipients(&receivers, EventKind::Test) {
        assert!(find(&receivers, receiver.as_str(), &target).is_some());
    }
    assert_eq!(
        find(&receivers, "ops", "webhook-2"),
        receivers[0].targets.get(2)
    );
    assert_eq!(find(&receivers, "ops", "webhook-3"), None);
    assert_eq!(find(&receivers, "boss", "webhook"), None);
}

#[test]
fn pauses_double_to_an_hour_and_end_after_a_week_or_a_day() {
    let day = 86_400;
    let after =
        |attempts, seconds, refusal| after_failed_attempt(attempts, at(0), at(seconds), refusal);
    let again = |seconds| Next::Again(at(seconds));
    assert_eq!(after(1, 0, Refusal::Down), again(60));
    assert_eq!(after(2, 60, Refusal::Down), again(180));
    assert_eq!(after(6, 0, Refusal::Down), again(1920));
    assert_eq!(after(7, 0, Refusal::Down), again(3600));
    assert_eq!(after(u32::MAX, 0, Refusal::Down), again(3600));
    assert_eq!(after(9, 7 * day - 1, Refusal::Down), again(7 * day + 3599));
    assert_eq!(after(9, 7 * day, Refusal::Down), Next::GiveUp);
    assert_eq!(after(9, day - 1, Refusal::No), again(day + 3599));
    assert_eq!(after(9, day, Refusal::No), Next::GiveUp);
}

proptest! {
    #[test]
    fn a_next_attempt_lies_ahead_and_within_the_longest_pause(
        attempts in 0..u32::MAX, seconds in 0i64..700_000, down in any::<bool>(),
    ) {
        let now = at(seconds);
        let refusal = if down { Refusal::Down } else { Refusal::No };
        if let Next::Again(next) = after_failed_attempt(attempts, at(0), now, refusal) {
            prop_assert!(next > now && next <= now.plus(super::LONGEST_PAUSE));
        }
    }
}
