#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Activity, HostState, LastRun, Problem, Severity, Standing, judge, stale_at};
use crate::core::model::{
    Address, Count, Fingerprint, HostId, HostSettings, Keep, ManagedBy, Policy, Retirement, Run,
    RunCause, RunId, RunKind, RunStatus, Schedule, SnapshotsOnRemoval, Span, SqlHost, Timestamp,
    Value,
};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn settings() -> HostSettings {
    HostSettings::at(Value::Literal("192.0.2.1".parse::<Address>().unwrap()))
}

fn nightly(prune: bool) -> Schedule {
    Schedule {
        name: None,
        cron: "15 2 * * *".parse().unwrap(),
        timezone: chrono_tz::Tz::UTC,
        jitter: Span::from_seconds(1200),
        prune,
    }
}

fn last(kind: RunKind, status: RunStatus, cause: Option<RunCause>) -> Option<LastRun> {
    Some(LastRun {
        run: Run {
            id: RunId(1),
            host: "web-01".parse().unwrap(),
            kind,
            status,
            started_at: time("2026-11-23T02:15:00Z"),
            finished_at: None,
            snapshot: None,
            plan: None,
            message: "so it was".to_owned(),
            process: String::new(),
        },
        cause,
    })
}

fn active() -> Activity {
    Activity {
        created_at: time("2026-11-01T00:00:00Z"),
        newest: Some(time("2026-11-23T02:20:00Z")),
        backup: last(RunKind::Backup, RunStatus::Complete, None),
        prune: None,
        verify: None,
        verified_at: None,
        damage: None,
    }
}

fn host(settings: &HostSettings) -> SqlHost {
    SqlHost {
        id: HostId(1),
        name: "web-01".parse().unwrap(),
        directory: "web-01".parse().unwrap(),
        managed_by: ManagedBy::Kdl,
        settings: settings.clone(),
        applied: None,
        retired: None,
        pause: None,
        approved_policy: None,
        changed_at: time("2026-11-01T00:00:00Z"),
        changed_by: "alice".to_owned(),
    }
}

fn state(settings: &HostSettings, activity: &Activity, suspect: usize) -> HostState {
    let noon = time("2026-11-23T12:00:00Z");
    judge(&host(settings), activity, suspect).at(noon).clone()
}

fn problems(state: &HostState) -> Vec<Problem> {
    state.problems.iter().map(|(problem, _)| *problem).collect()
}

#[test]
fn a_host_goes_stale_when_its_span_is_over() {
    let mut settings = settings();
    assert_eq!(
        stale_at(
            &settings,
            Some(time("2026-11-23T02:20:00Z")),
            time("2026-11-01T00:00:00Z")
        ),
        None
    );
    settings.stale_after = Some(Span::from_hours(36));
    settings.schedules = vec![nightly(false)];
    let deadline = |newest| stale_at(&settings, newest, time("2026-11-01T00:00:00Z"));
    assert_eq!(
        deadline(Some(time("2026-11-23T02:20:00Z"))),
        Some(time("2026-11-24T14:20:00Z"))
    );
    assert_eq!(
        deadline(None),
        Some(time("2026-11-02T12:00:00Z")),
        "from its beginning"
    );
}

#[test]
fn without_a_span_the_second_fire_since_counts() {
    let mut settings = settings();
    settings.schedules = vec![nightly(false)];
    let deadline =
        |newest: &str| stale_at(&settings, Some(time(newest)), time("2026-11-01T00:00:00Z"));
    // Fires at 02:15 on the 24th and on the 25th; twenty minutes of jitter and an hour on top.
    assert_eq!(
        deadline("2026-11-23T02:20:00Z"),
        Some(time("2026-11-25T03:35:00Z"))
    );
    // Over a weekend without fires nobody is stale.
    settings.schedules[0].cron = "0 22 * * 1-5".parse().unwrap();
    let friday = stale_at(
        &settings,
        Some(time("2026-11-20T22:00:05Z")),
        time("2026-11-01T00:00:00Z"),
    );
    assert_eq!(friday, Some(time("2026-11-24T23:20:00Z")));
}

#[test]
fn a_host_with_nothing_wrong_is_well() {
    let state = state(&settings(), &active(), 0);
    assert_eq!(
        (state.standing.as_str(), state.severity()),
        ("well", Severity::Good)
    );
}

#[test]
fn everything_wrong_is_told_and_the_worst_names_the_state() {
    let mut settings = settings();
    settings.stale_after = Some(Span::from_hours(1));
    settings.schedules = vec![nightly(true)];
    settings.retention = Some(Policy::of(Keep {
        daily: std::num::NonZeroU32::new(7).map(Count::Number),
        ..Keep::default()
    }));
    let activity = Activity {
        backup: last(RunKind::Backup, RunStatus::Failed, Some(RunCause::Passing)),
        prune: last(RunKind::Prune, RunStatus::Refused, Some(RunCause::Guard)),
        verify: last(RunKind::Verify, RunStatus::Partial, None),
        ..active()
    };
    let found = state(&settings, &activity, 2);
    assert_eq!(found.standing.as_str(), "suspect");
    assert_eq!(
        problems(&found),
        [
            Problem::Suspect,
            Problem::Failed,
            Problem::Stale,
            Problem::Damaged,
            Problem::Prune,
            Problem::Unapproved
        ]
    );
    assert_eq!(found.severity(), Severity::Critical);
    assert_eq!(found.problems[1].1, "backup failed: so it was");
}

#[test]
fn a_policy_that_is_approved_now_is_no_trouble() {
    let mut settings = settings();
    settings.schedules = vec![nightly(true)];
    let policy = Policy::of(Keep {
        daily: std::num::NonZeroU32::new(7).map(Count::Number),
        ..Keep::default()
    });
    settings.retention = Some(policy.clone());
    let activity = Activity {
        prune: last(RunKind::Prune, RunStatus::Refused, Some(RunCause::Approval)),
        ..active()
    };
    let of = |approved: Option<&Fingerprint>| {
        let mut host = host(&settings);
        host.approved_policy = approved.cloned();
        judge(&host, &activity, 0)
            .at(time("2026-11-23T12:00:00Z"))
            .clone()
    };
    assert_eq!(problems(&of(None)), [Problem::Unapproved]);
    assert_eq!(of(None).severity(), Severity::Warning);
    assert_eq!(of(Some(&policy.fingerprint())).standing.as_str(), "well");
    // A host that nothing prunes by itself needs no approval.
    settings.schedules = vec![nightly(false)];
    assert_eq!(state(&settings, &active(), 0).standing.as_str(), "well");
}

#[test]
fn nothing_is_wrong_with_a_paused_host_or_one_that_has_left() {
    let mut settings = settings();
    settings.stale_after = Some(Span::from_seconds(1));
    let noon = time("2026-11-23T12:00:00Z");
    let mut retired = host(&settings);
    retired.retired = Some(Retirement {
        at: noon,
        snapshots: SnapshotsOnRemoval::Keep,
    });
    let mut paused = host(&settings);
    paused.settings.enabled = false;
    for (host, word) in [(retired, "retired"), (paused, "paused")] {
        let judgement = judge(&host, &active(), 1);
        let state = judgement.at(noon);
        assert_eq!((state.standing.as_str(), state.problems.len()), (word, 0));
    }
}

#[test]
fn a_new_host_waits_for_its_first_snapshot_until_it_is_late() {
    let mut settings = settings();
    let activity = Activity {
        newest: None,
        backup: None,
        ..active()
    };
    let waiting = state(&settings, &activity, 0);
    assert_eq!(
        (waiting.standing.as_str(), waiting.severity()),
        ("never", Severity::Warning)
    );
    settings.stale_after = Some(Span::from_hours(24));
    let late = state(&settings, &activity, 0);
    assert_eq!(
        (late.standing.as_str(), late.severity()),
        ("stale", Severity::Critical)
    );
}

#[test]
fn a_judgement_holds_until_the_host_is_stale_and_from_then_on() {
    let mut settings = settings();
    settings.stale_after = Some(Span::from_hours(1));
    let judgement = judge(&host(&settings), &active(), 0);
    let deadline = judgement.stale_at.unwrap();
    let second = Span::from_seconds(1);
    assert_eq!(judgement.at(deadline).standing, Standing::Well);
    let late = judgement.at(deadline.plus(second)).standing;
    assert_eq!(late, Standing::Problem(Problem::Stale));
    for standing in Standing::all() {
        assert_eq!(standing.as_str().parse(), Ok(standing));
    }
}

#[test]
fn damage_is_told_until_it_has_gone_and_names_the_first_path_escaped() {
    let damage = super::Damaged {
        files: 3,
        snapshots: 2,
        since: time("2026-11-20T00:00:00Z"),
        first: "etc/\u{1b}[31mhosts".to_owned(),
    };
    let activity = Activity {
        verify: last(RunKind::Verify, RunStatus::Failed, None),
        damage: Some(damage),
        ..active()
    };
    let found = state(&settings(), &activity, 0);
    assert_eq!(problems(&found), [Problem::Damaged]);
    assert_eq!(
        found.problems[0].1,
        "damaged since 2026-11-20T00:00:00Z, in 2 of its snapshots: etc/\\u{1b}[31mhosts and 2 more; \
         `pobsync snapshots web-01` has them all and where they are whole, and the next backup brings anew what the \
         host still has"
    );
}

#[test]
fn a_verification_is_overdue_a_day_after_its_time() {
    let mut settings = settings();
    let at = |settings: &HostSettings, last: Option<&str>| {
        super::overdue_at(&host(settings), last.map(time))
    };
    assert_eq!(at(&settings, Some("2026-11-01T00:00:00Z")), None);
    settings.verify.every = Some(Span::from_hours(48));
    assert_eq!(
        at(&settings, Some("2026-11-01T00:00:00Z")),
        Some(time("2026-11-04T00:00:00Z"))
    );
    assert_eq!(
        at(&settings, None),
        Some(host(&settings).changed_at.plus(Span::from_hours(24)))
    );
    settings.enabled = false;
    assert_eq!(at(&settings, None), None);
}
