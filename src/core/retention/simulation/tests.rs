use chrono_tz::Tz;
use proptest::prelude::*;
use rstest::rstest;

use super::live::Live;
use super::look::worst_gap;
use super::run::live_through;
use super::*;
use crate::core::model::*;
use crate::core::retention::tests::{any_policy, any_snapshots, at, policy, scheduled as planted};
use crate::core::retention::{Mode, Question, Reason, Side, Verdict, plan_host};

fn schedule(cron: &str, zone: Tz, prune: bool) -> Schedule {
    Schedule {
        name: None,
        cron: cron.parse().unwrap(),
        timezone: zone,
        jitter: Span::from_seconds(0),
        prune,
    }
}

struct Years<'a> {
    cron: &'a str,
    zone: Tz,
    from: &'a str,
    until: &'a str,
}

fn nightly<'a>(from: &'a str, until: &'a str) -> Years<'a> {
    Years {
        cron: "15 2 * * *",
        zone: Tz::Europe__Amsterdam,
        from,
        until,
    }
}

impl Years<'_> {
    fn with(&self, keep: &str, there: &[Snapshot]) -> SimulatedPolicy {
        let policy = Policy {
            timezone: self.zone,
            ..policy(keep)
        };
        let schedules = [schedule(self.cron, self.zone, true)];
        let (from, until) = (at(self.from), at(self.until));
        let (backups, _) = scheduled(&schedules, from, until, self.zone).unwrap();
        let scenario = Scenario {
            snapshots: there,
            policy: &policy,
            backups: &backups,
            from,
            until,
        };
        simulate(&scenario, PolicySource::Rules).unwrap()
    }
}

fn rule<'a>(done: &'a SimulatedPolicy, name: &str) -> &'a RuleState {
    done.rules
        .iter()
        .find(|r| r.rule.to_string() == name)
        .unwrap()
}

fn day(text: &str) -> chrono::NaiveDate {
    text.parse().unwrap()
}

#[test]
fn nights_fill_the_rules_one_after_the_other() {
    let done =
        nightly("2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z").with("daily=7 monthly=12", &[]);
    assert_eq!(rule(&done, "daily").held, 7);
    assert_eq!(rule(&done, "daily").full_since, Some(day("2026-01-07")));
    // The first of January belongs to its month too: the twelfth month begins in December.
    assert_eq!(rule(&done, "monthly").full_since, Some(day("2026-12-01")));
    assert_eq!(done.steady_since, Some(day("2026-12-01")));
    // The newest is the daily and the monthly one.
    assert_eq!(done.snapshots.at_end, 18);
    assert_eq!(
        rule(&done, "daily").alone,
        6,
        "the newest is kept by the month too"
    );
    assert!(done.snapshots.most <= 19 && !done.grows);
    assert_eq!(
        done.days.len(),
        366 + 365,
        "the first and the last day among them"
    );
}

#[test]
fn how_far_one_can_go_back_is_the_worst_of_every_moment() {
    let done =
        nightly("2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z").with("daily=7 monthly=12", &[]);
    let older = |days: u32| {
        let found = done.restore.iter().find(|r| r.days_ago == days).unwrap();
        found.older_by_seconds.map(|seconds| seconds / 3600)
    };
    // A night in October has 25 hours.
    assert_eq!(older(1), Some(25));
    // Between the seventh night and the last of the month before: at most a month.
    assert!(
        older(30).unwrap() > 24 * 27 && older(30).unwrap() <= 24 * 31 + 1,
        "{:?}",
        older(30)
    );
    assert_eq!(
        older(365),
        None,
        "twelve months reach back eleven on their first day"
    );
    assert!(
        done.restore.iter().all(|r| r.days_ago <= 365),
        "nothing can be older than the first"
    );
}

#[test]
fn an_unlimited_rule_grows_and_is_never_steady() {
    let done = nightly("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z")
        .with("last=3 monthly=unlimited", &[]);
    assert!(done.grows);
    assert_eq!(done.steady_since, None);
    assert_eq!(rule(&done, "monthly").full_since, None);
}

#[test]
fn a_window_is_full_once_it_lets_go() {
    let done = nightly("2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z").with("within=1m", &[]);
    assert_eq!(rule(&done, "within").full_since, Some(day("2026-02-01")));
    assert_eq!(
        done.snapshots.at_end, 31,
        "from the first of May, not included, to the first of June"
    );
}

#[test]
fn the_first_prune_takes_what_an_earlier_policy_kept() {
    let there: Vec<Snapshot> = (1..=20)
        .map(|d| planted(d, &format!("2025-12-{d:02}T02:15:00Z")))
        .collect();
    let done = nightly("2025-12-20T12:00:00Z", "2026-01-20T12:00:00Z").with("daily=5", &there);
    let first = done.first_prune.unwrap();
    assert_eq!(
        (first.at, first.deletes),
        (at("2025-12-21T01:15:00Z"), 16),
        "20 and a new one, of which 5 stay"
    );
    assert_eq!((done.snapshots.now, done.snapshots.at_end), (20, 5));
}

#[rstest]
// In autumn 25 hours pass on the clock's 24, and the hour that it shows twice is one bucket.
#[case("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z", 23)]
// In spring 23 hours are on the clock.
#[case("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z", 24)]
fn an_hour_of_the_clock_is_one_bucket_on_the_nights_it_changes(
    #[case] from: &str,
    #[case] until: &str,
    #[case] held: usize,
) {
    let years = Years {
        cron: "0 * * * *",
        zone: Tz::Europe__Amsterdam,
        from,
        until,
    };
    let done = years.with("hourly=100", &[]);
    assert_eq!(done.snapshots.at_end, held);
    let gaps: Vec<i64> = done.rules[0]
        .started_at
        .windows(2)
        .map(|w| (w[0].millis() - w[1].millis()) / 3_600_000)
        .collect();
    assert!(
        gaps.iter().all(|hours| *hours == 1 || *hours == 2),
        "{gaps:?}"
    );
    assert_eq!(gaps.iter().filter(|hours| **hours == 2).count(), 24 - held);
}

#[test]
fn without_a_pruning_schedule_somebody_prunes_once_a_day() {
    let zone = Tz::America__St_Johns;
    let schedules = [schedule("0 */6 * * *", zone, false)];
    let (backups, pruning) = scheduled(
        &schedules,
        at("2026-01-01T00:00:00Z"),
        at("2026-01-03T12:00:00Z"),
        zone,
    )
    .unwrap();
    assert_eq!(pruning, Pruning::Daily);
    let prunes: Vec<String> = backups
        .iter()
        .filter(|b| b.prunes)
        .map(|b| b.at.to_string())
        .collect();
    // 18:00 in Newfoundland is 21:30 in UTC; the last day ends with its last backup.
    assert_eq!(
        prunes,
        [
            "2025-12-31T21:30:00Z",
            "2026-01-01T21:30:00Z",
            "2026-01-02T21:30:00Z",
            "2026-01-03T09:30:00Z"
        ][1..]
    );
}

#[test]
fn a_backup_of_two_schedules_is_one_and_prunes_if_either_does() {
    let zone = Tz::UTC;
    let schedules = [
        schedule("0 0 * * *", zone, false),
        schedule("0 0 * * 0", zone, true),
    ];
    let (backups, pruning) = scheduled(
        &schedules,
        at("2026-01-01T12:00:00Z"),
        at("2026-01-08T12:00:00Z"),
        zone,
    )
    .unwrap();
    assert_eq!(pruning, Pruning::AfterSomeBackups);
    assert_eq!(backups.len(), 7);
    let prunes: Vec<Timestamp> = backups.iter().filter(|b| b.prunes).map(|b| b.at).collect();
    assert_eq!(prunes, [at("2026-01-04T00:00:00Z")]);
}

#[test]
fn too_many_backups_are_refused() {
    let (from, until) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    assert_eq!(
        scheduled(
            &[schedule("* * * * *", Tz::UTC, true)],
            from,
            until,
            Tz::UTC
        ),
        Err(TooManyBackups)
    );
    assert_eq!(
        every(Span::from_seconds(60), from, until),
        Err(TooManyBackups)
    );
    assert_eq!(
        every(Span::from_seconds(0), from, until).map(|(b, _)| b.len()),
        Ok(0)
    );
    assert_eq!(
        every(Span::from_hours(24), from, until).map(|(b, _)| b.len()),
        Ok(365)
    );
}

#[test]
fn the_end_is_counted_by_the_calendar() {
    let end = |from: &str, span: &str, zone| {
        end_of(at(from), span.parse().unwrap(), zone).map(|t| t.to_string())
    };
    assert_eq!(
        end("2026-01-31T12:00:00Z", "1m", Tz::UTC).as_deref(),
        Some("2026-02-28T12:00:00Z")
    );
    assert_eq!(
        end("2026-03-01T12:00:00Z", "1m", Tz::Europe__Amsterdam).as_deref(),
        Some("2026-04-01T11:00:00Z")
    );
}

fn side(policy: &Policy) -> Side<'_> {
    Side {
        policy: Some(policy),
        mode: Mode::Active,
    }
}

/// The names that the planner keeps of `all`.
fn kept(all: &[Snapshot], policy: &Policy, now: Timestamp) -> Vec<SnapshotName> {
    let decided = plan_host(&Question {
        snapshots: all,
        in_force: side(policy),
        proposed: side(policy),
        kinds: None,
        now,
        upcoming: &[],
    })
    .unwrap();
    let mut names: Vec<SnapshotName> = decided
        .decisions
        .iter()
        .filter(|d| matches!(d.verdict, Verdict::Keep { .. }))
        .map(|d| d.snapshot.name.clone())
        .collect();
    names.sort();
    names
}

fn any_crons() -> impl Strategy<Value = Vec<Schedule>> {
    let one = prop_oneof![
        Just("15 2 * * *"),
        Just("30 1 * * 0"),
        Just("0 */5 * * *"),
        Just("0 0 1,15 * *"),
        Just("@monthly")
    ];
    let zone = prop_oneof![
        Just(Tz::UTC),
        Just(Tz::Europe__Amsterdam),
        Just(Tz::America__St_Johns)
    ];
    proptest::collection::vec((one, zone, any::<bool>()), 1..3).prop_map(|all| {
        all.into_iter()
            .map(|(cron, zone, prune)| schedule(cron, zone, prune))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_prune_leaves_what_the_planner_keeps(
        there in any_snapshots(20),
        policy in any_policy(),
        schedules in any_crons(),
        start in 0_i64..300,
    ) {
        // Over both changes of the clock; some of what is there may be dated in the future.
        let from = at("2026-02-10T00:00:00Z").plus(Span::from_hours(24 * start as u64));
        let until = from.plus(Span::from_hours(24 * 70));
        let (backups, _) = scheduled(&schedules, from, until, policy.timezone).unwrap();
        let mut live = Live::of(&policy, &there);
        for (i, backup) in backups.iter().enumerate() {
            let new = Snapshot { base: live.newest().map(|s| s.name.clone()), ..planted(1000 + i as i64, &backup.at.to_string()) };
            live.add(new);
            if backup.prunes {
                let before: Vec<Snapshot> = live.snapshots().cloned().collect();
                live.prune(backup.at);
                let mut left: Vec<SnapshotName> = live.snapshots().map(|s| s.name.clone()).collect();
                left.sort();
                prop_assert_eq!(left, kept(&before, &policy, backup.at));
            }
        }
    }

    #[test]
    fn a_prune_on_the_same_snapshots_takes_nothing_more(there in any_snapshots(30), policy in any_policy()) {
        // A base is guarded by what was linked against it; once the child goes, the next prune takes it.
        let policy = Policy { protect_bases: false, ..policy };
        let mut live = Live::of(&policy, &there);
        let now = at("2026-12-01T00:00:00Z");
        live.prune(now);
        prop_assert_eq!(live.prune(now).gone, 0);
    }

    #[test]
    fn there_are_never_more_than_the_rules_allow(
        counts in proptest::collection::vec(1_u32..8, 7),
        schedules in any_crons(),
        zone in prop_oneof![Just(Tz::UTC), Just(Tz::Europe__Amsterdam), Just(Tz::Asia__Kathmandu)],
    ) {
        let words: Vec<String> = Rule::ALL.into_iter().zip(&counts).map(|(rule, n)| format!("{rule}={n}")).collect();
        let policy = Policy { timezone: zone, ..policy(&words.join(" ")) };
        let most: usize = counts.iter().map(|n| *n as usize).sum();
        let (from, until) = (at("2026-02-01T00:00:00Z"), at("2026-06-01T00:00:00Z"));
        let (mut backups, _) = scheduled(&schedules, from, until, zone).unwrap();
        for backup in &mut backups {
            backup.prunes = true;
        }
        let scenario = Scenario { snapshots: &[], policy: &policy, backups: &backups, from, until };
        let done = simulate(&scenario, PolicySource::Rules).unwrap();
        for day in &done.days {
            // The newest stays whatever the rules say, but `last` has it anyway.
            prop_assert!(day.snapshots <= most, "{day:?} of {most}");
        }
        for rule in &done.rules {
            prop_assert!(rule.held <= counts[Rule::ALL.iter().position(|r| Reason::Rule(*r) == rule.rule).unwrap()] as usize);
        }
        prop_assert_eq!(&done, &simulate(&scenario, PolicySource::Rules).unwrap());
        let (live, _) = live_through(&scenario);
        let left: Vec<Snapshot> = live.snapshots().cloned().collect();
        prop_assert_eq!(kept(&left, &policy, until).len(), left.len(), "the planner has nothing to delete at the end");
    }

    #[test]
    fn the_worst_way_back_is_that_of_the_worst_moment(mut starts in proptest::collection::vec(0_i64..60, 0..8), from in 0_i64..60, length in 1_i64..30) {
        starts.sort_unstable();
        let to = from + length;
        // Up to, and not including, the end: there the next backup is.
        let back = |moment: i64| starts.iter().rev().find(|start| **start <= moment).map(|start| moment + 1 - start);
        let expected = (from..to).map(back).reduce(|a, b| Some(a?.max(b?))).flatten();
        let starts: Vec<Timestamp> = starts.iter().map(|s| Timestamp::from_millis(*s)).collect();
        prop_assert_eq!(worst_gap(&starts, from, to), expected);
    }
}
