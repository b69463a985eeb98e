mod properties;

use std::collections::BTreeMap;

use chrono_tz::Tz;
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::core::model::*;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn snapshot(
    id: i64,
    started_at: Timestamp,
    kind: SnapshotKind,
    status: SnapshotStatus,
) -> Snapshot {
    Snapshot {
        id: SnapshotId(id),
        name: SnapshotName::new(started_at, id.to_be_bytes()[2..].try_into().unwrap()),
        kind,
        status,
        started_at,
        finished_at: None,
        base: None,
        bytes: Some(1),
        files: Some(1),
        hold: None,
        suspect: false,
        live: false,
    }
}

pub(super) fn scheduled(id: i64, text: &str) -> Snapshot {
    snapshot(
        id,
        at(text),
        SnapshotKind::Scheduled,
        SnapshotStatus::Complete,
    )
}

pub(super) fn policy(keep: &str) -> Policy {
    Policy::of(keep.parse().unwrap())
}

fn ask<'a>(snapshots: &'a [Snapshot], policy: &'a Policy, now: Timestamp) -> Question<'a> {
    let side = Side {
        policy: Some(policy),
        mode: Mode::Active,
    };
    Question {
        snapshots,
        in_force: side,
        proposed: side,
        kinds: None,
        now,
        upcoming: &[],
    }
}

/// The reasons of each kept snapshot by its start, newest first.
fn kept(question: &Question<'_>) -> Vec<(String, Vec<String>)> {
    plan_host(question)
        .unwrap()
        .decisions
        .into_iter()
        .filter_map(|d| match d.verdict {
            Verdict::Keep { reasons, .. } => Some((
                d.snapshot.started_at.to_string(),
                reasons.iter().map(ToString::to_string).collect(),
            )),
            Verdict::Delete { .. } => None,
        })
        .collect()
}

fn deleted(question: &Question<'_>) -> Vec<SnapshotId> {
    let decisions = plan_host(question).unwrap().decisions;
    decisions
        .iter()
        .filter(|d| matches!(d.verdict, Verdict::Delete { .. }))
        .map(|d| d.snapshot.id)
        .collect()
}

/// The vectors name reasons in the order of the alphabet.
fn sorted(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut words: Vec<String> = words.collect();
    words.sort();
    words
}

#[test]
fn restic_keeps_the_same_for_the_same_reasons() {
    #[derive(serde::Deserialize)]
    struct Vectors {
        snapshots: Vec<Given>,
        cases: Vec<Case>,
    }
    #[derive(serde::Deserialize)]
    struct Given {
        name: String,
        started_at: Timestamp,
    }
    #[derive(serde::Deserialize)]
    struct Case {
        case: u32,
        policy: Keep,
        keep: Vec<Kept>,
    }
    #[derive(serde::Deserialize)]
    struct Kept {
        snapshot: String,
        reasons: Vec<String>,
    }
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../../tests/data/restic-forget.json")).unwrap();
    assert_eq!(vectors.cases.len(), 17);
    let mut given: Vec<&Given> = vectors.snapshots.iter().collect();
    given.sort_by(|a, b| (b.started_at, &b.name).cmp(&(a.started_at, &a.name)));
    let times: Vec<Timestamp> = given.iter().map(|g| g.started_at).collect();
    for case in &vectors.cases {
        let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        rules::apply(
            &Policy::of(case.policy.clone()),
            &times,
            at("2026-01-01T00:00:00Z"),
            |i, hit| {
                let reasons = reasons.entry(given[i].name.as_str()).or_default();
                reasons.push(hit.rule.to_string());
            },
        );
        let found: BTreeMap<&str, Vec<String>> = reasons
            .into_iter()
            .map(|(name, reasons)| (name, sorted(reasons.into_iter())))
            .collect();
        let wanted: BTreeMap<&str, Vec<String>> = case
            .keep
            .iter()
            .map(|k| (k.snapshot.as_str(), sorted(k.reasons.iter().cloned())))
            .collect();
        assert_eq!(found, wanted, "case {}", case.case);
    }
}

#[rstest]
// ISO weeks belong to the year they lie in: 2025-12-29 to 2026-01-04 is one week.
#[case("weekly=2", "UTC", &["2025-12-28T12:00:00Z", "2025-12-29T12:00:00Z", "2025-12-31T12:00:00Z", "2026-01-01T12:00:00Z", "2026-01-04T12:00:00Z"], &[4, 0])]
#[case("yearly=2", "UTC", &["2025-12-29T12:00:00Z", "2026-01-01T12:00:00Z", "2026-01-04T12:00:00Z"], &[2, 0])]
// The hour that autumn repeats is one hour: 00:30Z and 01:30Z are both 02:30 in Amsterdam.
#[case("hourly=2", "Europe/Amsterdam", &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"], &[2, 1])]
// The night of spring has no 02:xx; its day has 23 hours and is one day.
#[case("daily=2", "Europe/Amsterdam", &["2026-03-28T22:30:00Z", "2026-03-28T23:30:00Z", "2026-03-29T21:30:00Z", "2026-03-29T22:30:00Z"], &[3, 2])]
// Kathmandu is five hours and three quarters ahead: its day begins at 18:15Z.
#[case("daily=2", "Asia/Kathmandu", &["2026-05-01T18:14:59Z", "2026-05-01T18:15:00Z", "2026-05-02T18:14:59Z"], &[2, 0])]
#[case("daily=3", "UTC", &["2024-02-28T01:00:00Z", "2024-02-29T01:00:00Z", "2024-03-01T01:00:00Z"], &[2, 1, 0])]
#[case("quarterly=2", "UTC", &["2026-03-31T23:00:00Z", "2026-04-01T00:00:00Z", "2026-06-30T00:00:00Z"], &[2, 0])]
// A month back from 31 March is the last day of February.
#[case("within=1m", "UTC", &["2026-02-28T11:59:59Z", "2026-02-28T12:00:00Z", "2026-02-28T12:00:01Z", "2026-03-31T12:00:00Z"], &[3, 2])]
fn time_is_cut_by_the_wall_clock_of_the_policy(
    #[case] keep: &str,
    #[case] zone: &str,
    #[case] starts: &[&str],
    #[case] wanted: &[i64],
) {
    let mut policy = policy(keep);
    policy.timezone = zone.parse::<Tz>().unwrap();
    let snapshots: Vec<Snapshot> = starts
        .iter()
        .enumerate()
        .map(|(i, t)| scheduled(i as i64, t))
        .collect();
    let now = at("2026-12-31T00:00:00Z");
    let kept: Vec<i64> = plan_host(&ask(&snapshots, &policy, now))
        .unwrap()
        .decisions
        .into_iter()
        .filter(|d| matches!(&d.verdict, Verdict::Keep { .. }))
        .map(|d| d.snapshot.id.0)
        .collect();
    assert_eq!(kept, wanted);
}

#[test]
fn the_newest_complete_snapshot_stays_whatever_its_kind() {
    let mut newest = scheduled(9, "2026-11-22T00:00:00Z");
    newest.kind = SnapshotKind::Manual;
    let all = vec![
        scheduled(1, "2026-11-20T00:00:00Z"),
        scheduled(2, "2026-11-21T00:00:00Z"),
        newest,
    ];
    let mut only_last = policy("last=1");
    assert_eq!(
        deleted(&ask(&all, &only_last, at("2026-11-23T00:00:00Z"))),
        [SnapshotId(1)]
    );
    only_last.kinds = Kinds::ALL;
    assert_eq!(
        deleted(&ask(&all, &only_last, at("2026-11-23T00:00:00Z"))),
        [SnapshotId(2), SnapshotId(1)]
    );
}

#[test]
fn incomplete_snapshots_get_their_grace_and_fill_no_bucket() {
    let mut all = vec![scheduled(1, "2026-11-20T00:00:00Z")];
    all.push(snapshot(
        2,
        at("2026-11-21T00:00:00Z"),
        SnapshotKind::Scheduled,
        SnapshotStatus::Partial,
    ));
    all.push(snapshot(
        3,
        at("2026-11-22T00:00:00Z"),
        SnapshotKind::Scheduled,
        SnapshotStatus::Failed,
    ));
    all.push(snapshot(
        4,
        at("2026-11-22T01:00:00Z"),
        SnapshotKind::Scheduled,
        SnapshotStatus::Running,
    ));
    let policy = policy("last=1");
    let question = ask(&all, &policy, at("2026-11-23T00:00:00Z"));
    let reasons: Vec<_> = kept(&question)
        .into_iter()
        .map(|(_, reasons)| reasons.join(","))
        .collect();
    assert_eq!(reasons, ["grace", "grace", "newest,last"]);
    assert_eq!(deleted(&question), [SnapshotId(2)]);
    all[3].live = true;
    let question = ask(&all, &policy, at("2027-01-01T00:00:00Z"));
    assert_eq!(deleted(&question), [SnapshotId(3), SnapshotId(2)]);
}

#[test]
fn holds_end_by_themselves() {
    let mut all = vec![
        scheduled(1, "2026-11-01T00:00:00Z"),
        scheduled(2, "2026-11-20T00:00:00Z"),
    ];
    let until = at("2026-11-25T00:00:00Z");
    all[0].hold = Some(Box::new(Hold {
        by: "a".into(),
        reason: "b".into(),
        since: at("2026-11-02T00:00:00Z"),
        until: Some(until),
    }));
    let policy = policy("last=1");
    assert_eq!(deleted(&ask(&all, &policy, at("2026-11-24T00:00:00Z"))), []);
    assert_eq!(deleted(&ask(&all, &policy, until)), [SnapshotId(1)]);
}

#[test]
fn a_base_is_kept_one_step_and_named_once_for_each_child() {
    let mut all: Vec<Snapshot> = (0..4)
        .map(|i| scheduled(i, &format!("2026-11-{:02}T00:00:00Z", 10 + i)))
        .collect();
    for i in 1..4 {
        all[i].base = Some(all[i - 1].name.clone());
    }
    let mut policy = policy("last=1");
    let now = at("2026-11-23T00:00:00Z");
    assert_eq!(deleted(&ask(&all, &policy, now)).len(), 3);
    policy.protect_bases = true;
    let found = kept(&ask(&all, &policy, now));
    assert_eq!(found[0].1, ["newest", "last"]);
    assert_eq!(found[1].1, [format!("base-of:{}", all[3].name)]);
    assert_eq!(found.len(), 2);
}

#[test]
fn what_only_the_new_policy_deletes_is_told_apart() {
    let all: Vec<Snapshot> = (0..5)
        .map(|i| scheduled(i, &format!("2026-11-{:02}T00:00:00Z", 10 + i)))
        .collect();
    let (old, new) = (policy("daily=3"), policy("last=1"));
    let mut question = ask(&all, &new, at("2026-11-23T00:00:00Z"));
    question.in_force.policy = Some(&old);
    let verdicts: Vec<Verdict> = plan_host(&question)
        .unwrap()
        .decisions
        .into_iter()
        .map(|d| d.verdict)
        .collect();
    let daily = |n| Verdict::Delete {
        cause: Cause::PolicyChange,
        previously_kept_by: vec![Reason::Rule(Rule::Daily)]
            .into_iter()
            .take(n)
            .collect(),
    };
    let expired = Verdict::Delete {
        cause: Cause::Expired,
        previously_kept_by: vec![],
    };
    assert_eq!(
        verdicts[1..],
        [daily(1), daily(1), expired.clone(), expired]
    );

    question.in_force.policy = Some(&new);
    question.proposed.policy = Some(&old);
    let rescued = plan_host(&question).unwrap().decisions;
    let count = rescued
        .iter()
        .filter(|d| matches!(d.verdict, Verdict::Keep { rescued: true, .. }))
        .count();
    assert_eq!(count, 2);
}

#[test]
fn retired_paused_and_hosts_without_a_policy_keep_everything() {
    let all = vec![
        scheduled(1, "2026-11-20T00:00:00Z"),
        scheduled(2, "2026-11-21T00:00:00Z"),
    ];
    let policy = policy("last=1");
    let now = at("2026-11-23T00:00:00Z");
    for (mode, word) in [(Mode::Retired, "retired"), (Mode::Paused, "paused")] {
        let side = Side {
            policy: Some(&policy),
            mode,
        };
        let question = Question {
            in_force: side,
            proposed: side,
            ..ask(&all, &policy, now)
        };
        assert_eq!(kept(&question)[1].1, [word]);
    }
    let side = Side {
        policy: None,
        mode: Mode::Active,
    };
    let question = Question {
        in_force: side,
        proposed: side,
        ..ask(&all, &policy, now)
    };
    assert_eq!(kept(&question)[1].1, ["no-policy"]);
}

#[test]
fn removing_everything_spares_held_and_running_ones() {
    let mut all = vec![
        scheduled(1, "2026-11-20T00:00:00Z"),
        scheduled(2, "2026-11-21T00:00:00Z"),
    ];
    all.push(snapshot(
        3,
        at("2026-11-22T00:00:00Z"),
        SnapshotKind::Manual,
        SnapshotStatus::Running,
    ));
    all[2].live = true;
    all[0].hold = Some(Box::new(Hold {
        by: "a".into(),
        reason: "b".into(),
        since: at("2026-11-20T00:00:00Z"),
        until: None,
    }));
    let policy = policy("last=1");
    let side = Side {
        policy: Some(&policy),
        mode: Mode::RemoveAll,
    };
    let mut question = ask(&all, &policy, at("2026-11-23T00:00:00Z"));
    question.proposed = side;
    let found = plan_host(&question).unwrap().decisions;
    let gone: Vec<_> = found
        .iter()
        .filter(|d| {
            matches!(
                d.verdict,
                Verdict::Delete {
                    cause: Cause::HostRemoved,
                    ..
                }
            )
        })
        .map(|d| d.snapshot.id.0)
        .collect();
    assert_eq!(gone, [2]);
}

#[test]
fn a_policy_that_keeps_nothing_is_an_error() {
    let all = vec![scheduled(1, "2026-11-20T00:00:00Z")];
    let empty = Policy::of(Keep::default());
    assert_eq!(
        plan_host(&ask(&all, &empty, at("2026-11-23T00:00:00Z"))),
        Err(EmptyPolicy)
    );
}

#[test]
fn a_window_of_buckets_keeps_the_oldest_it_reaches_as_restic_does() {
    let day = |hour: u32| scheduled(i64::from(hour), &format!("2026-11-20T{hour:02}:00:00Z"));
    let all = vec![day(10), day(11), day(12)];
    let policy = policy("within-daily=2d");
    let question = ask(&all, &policy, at("2026-11-23T00:00:00Z"));
    assert_eq!(deleted(&question), [SnapshotId(11)]);
    assert_eq!(kept(&question)[1].1, ["oldest-within-daily"]);
}

#[test]
fn a_window_without_a_present_holds_everything() {
    let all: Vec<Snapshot> = (1..4)
        .map(|i| scheduled(i, &format!("2026-11-{:02}T00:00:00Z", 17 + i)))
        .collect();
    let policy = policy("within=1d");
    assert_eq!(deleted(&ask(&all, &policy, at("2026-01-01T00:00:00Z"))), []);
}

#[test]
fn a_pin_outlasts_a_prune_that_was_cut_off() {
    let mut all = vec![
        scheduled(1, "2026-11-01T00:00:00Z"),
        scheduled(2, "2026-11-20T00:00:00Z"),
    ];
    all[0].status = SnapshotStatus::Deleting;
    let policy = policy("last=9");
    let now = at("2026-11-23T00:00:00Z");
    assert_eq!(deleted(&ask(&all, &policy, now)), [SnapshotId(1)]);
    all[0].hold = Some(Box::new(Hold {
        by: "a".into(),
        reason: "b".into(),
        since: now,
        until: None,
    }));
    assert_eq!(kept(&ask(&all, &policy, now))[1].1, ["hold"]);
    let mut removed = ask(&all, &policy, now);
    removed.proposed.mode = Mode::RemoveAll;
    assert_eq!(deleted(&removed), [SnapshotId(2)]);
}

#[test]
fn both_bases_of_one_name_stay_and_none_guards_itself() {
    let mut all = vec![
        scheduled(1, "2026-11-01T00:00:00Z"),
        scheduled(2, "2026-11-02T00:00:00Z"),
        scheduled(3, "2026-11-20T00:00:00Z"),
    ];
    all[1].kind = SnapshotKind::Manual;
    for i in [0, 1] {
        all[i].name = "legacy".parse().unwrap();
        all[i].base = Some(all[i].name.clone());
    }
    all[2].base = Some(all[0].name.clone());
    let mut policy = policy("last=1");
    policy.kinds = Kinds::ALL;
    policy.protect_bases = true;
    let question = ask(&all, &policy, at("2026-11-23T00:00:00Z"));
    let guard = format!("base-of:{}", all[2].name);
    let reasons: Vec<Vec<String>> = kept(&question)
        .into_iter()
        .map(|(_, reasons)| reasons)
        .collect();
    assert_eq!(reasons[1..], [vec![guard.clone()], vec![guard]]);
}

#[test]
fn the_grace_of_a_long_pull_begins_when_it_ended() {
    let mut all = vec![scheduled(1, "2026-11-01T00:00:00Z")];
    all.push(snapshot(
        2,
        at("2026-11-18T00:00:00Z"),
        SnapshotKind::Scheduled,
        SnapshotStatus::Failed,
    ));
    let policy = policy("last=1");
    let now = at("2026-11-23T00:00:00Z");
    assert_eq!(deleted(&ask(&all, &policy, now)), [SnapshotId(2)]);
    all[1].finished_at = Some(at("2026-11-22T23:00:00Z"));
    assert_eq!(deleted(&ask(&all, &policy, now)), []);
}

#[test]
fn an_empty_policy_in_force_does_not_stop_the_one_that_mends_it() {
    let all = vec![
        scheduled(1, "2026-11-01T00:00:00Z"),
        scheduled(2, "2026-11-20T00:00:00Z"),
    ];
    let (empty, mended) = (Policy::of(Keep::default()), policy("last=1"));
    let mut question = ask(&all, &mended, at("2026-11-23T00:00:00Z"));
    question.in_force.policy = Some(&empty);
    let verdicts: Vec<Verdict> = plan_host(&question)
        .unwrap()
        .decisions
        .into_iter()
        .map(|d| d.verdict)
        .collect();
    assert!(matches!(
        verdicts[1],
        Verdict::Delete {
            cause: Cause::PolicyChange,
            ..
        }
    ));
}

pub(super) fn any_snapshots(most: usize) -> impl Strategy<Value = Vec<Snapshot>> {
    let one = (0_i64..400, 0_u8..10, any::<bool>(), 0_u8..10, any::<bool>());
    proptest::collection::vec(one, 0..most).prop_map(|rows| {
        let start = at("2026-02-01T00:00:00Z").millis();
        let mut made: Vec<Snapshot> = Vec::new();
        for (i, (hours, status, manual, held, live)) in rows.into_iter().enumerate() {
            let time = Timestamp::from_millis(start + hours * 3_600_000 * 5);
            let kind = if manual {
                SnapshotKind::Manual
            } else {
                SnapshotKind::Scheduled
            };
            let status = match status {
                0 => SnapshotStatus::Partial,
                1 => SnapshotStatus::Failed,
                2 => SnapshotStatus::Running,
                3 => SnapshotStatus::Missing,
                _ => SnapshotStatus::Complete,
            };
            let mut new = snapshot(i as i64, time, kind, status);
            new.live = live && status == SnapshotStatus::Running;
            new.base = made.last().map(|s| s.name.clone());
            if held == 0 {
                new.hold = Some(Box::new(Hold {
                    by: "a".into(),
                    reason: "b".into(),
                    since: time,
                    until: None,
                }));
            }
            made.push(new);
        }
        made
    })
}

pub(super) fn any_policy() -> impl Strategy<Value = Policy> {
    let rules = proptest::collection::vec(proptest::option::of(1_u32..6), 7);
    let spans = proptest::collection::vec(
        proptest::option::weighted(0.25, (0_u32..3, 0_u32..20, 0_u32..9)),
        7,
    );
    let zones = prop_oneof![
        Just("UTC"),
        Just("Europe/Amsterdam"),
        Just("America/St_Johns"),
        Just("Asia/Kathmandu")
    ];
    (rules, any::<bool>(), any::<bool>(), zones, spans).prop_map(
        |(rules, all_kinds, protect_bases, zone, spans)| {
            let mut keep = Keep::default();
            for ((rule, count), span) in Rule::ALL.into_iter().zip(rules).zip(spans) {
                *keep.count_mut(rule) =
                    count.and_then(std::num::NonZeroU32::new).map(Count::Number);
                *keep.within_mut(rule) = span
                    .filter(|(months, days, hours)| months + days + hours > 0)
                    .map(|(months, days, hours)| CalendarSpan {
                        years: 0,
                        months,
                        days,
                        hours,
                    });
            }
            if keep.is_empty() {
                keep.last = Some(Count::Unlimited);
            }
            let kinds = if all_kinds {
                Kinds::ALL
            } else {
                Kinds::only(SnapshotKind::Scheduled)
            };
            Policy {
                keep,
                protect_bases,
                kinds,
                timezone: zone.parse().unwrap(),
                incomplete_after: Span::from_hours(48),
            }
        },
    )
}
