//! What is due at a moment.

use chrono_tz::Tz;
use proptest::prelude::*;
use rstest::rstest;

use super::super::*;
use super::lines::at;
use crate::core::model::HostName;

fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

fn line(cron: &str, jitter: &str, settled_until: &str) -> Line {
    Line {
        schedule: Schedule {
            name: None,
            cron: cron.parse().unwrap(),
            timezone: Tz::UTC,
            jitter: jitter.parse().unwrap(),
            prune: false,
        },
        settled_until: at(settled_until),
    }
}

/// What is due, and the lines with it settled.
fn answered(lines: &[Line], now: &str) -> (Option<Due>, Vec<Line>) {
    let found = due(&host("web"), lines, at(now));
    let mut after = lines.to_vec();
    for (cron, zone, settling) in found.iter().flat_map(|due| &due.lines) {
        for line in after
            .iter_mut()
            .filter(|l| l.schedule.cron == *cron && l.schedule.timezone == *zone)
        {
            line.settled_until = settling.to;
        }
    }
    (found, after)
}

#[test]
fn a_new_line_asks_for_nothing_that_lies_before_it() {
    let lines = [line("15 2 * * *", "0s", "2026-11-24T09:00:00Z")];
    assert_eq!(answered(&lines, "2026-11-25T02:14:59Z").0, None);
    let (due, after) = answered(&lines, "2026-11-25T02:15:00Z");
    assert_eq!(due.unwrap().fires_at, at("2026-11-25T02:15:00Z"));
    assert_eq!(answered(&after, "2026-11-25T02:16:00Z").0, None);
}

#[test]
fn what_was_missed_for_days_is_made_up_for_once() {
    let lines = [
        line("15 2 * * *", "0s", "2026-11-20T02:15:00Z"),
        line("0 12 * * *", "0s", "2026-11-20T12:00:00Z"),
    ];
    let (due, after) = answered(&lines, "2026-11-24T09:00:00Z");
    let due = due.unwrap();
    assert_eq!(due.fires_at, at("2026-11-21T02:15:00Z"));
    assert_eq!(due.lines.len(), 2, "one run answers both");
    assert_eq!(answered(&after, "2026-11-24T11:59:00Z").0, None);
    assert!(answered(&after, "2026-11-24T12:00:00Z").0.is_some());
}

#[test]
fn one_of_two_lines_may_be_due_alone() {
    let mut lines = vec![
        line("15 2 * * *", "0s", "2026-11-24T00:00:00Z"),
        line("0 12 * * *", "0s", "2026-11-24T00:00:00Z"),
    ];
    lines[1].schedule.prune = true;
    let (due, _) = answered(&lines, "2026-11-24T03:00:00Z");
    assert!(!due.unwrap().prune);
    let (due, _) = answered(&lines, "2026-11-24T13:00:00Z");
    assert!(due.unwrap().prune, "one that wants a prune is enough");
}

#[test]
fn a_start_is_put_off_by_the_jitter_of_the_host() {
    let put_off = jitter(
        &host("web"),
        &line("15 2 * * *", "20m", "2026-11-24T00:00:00Z").schedule,
    );
    assert!(put_off > Span::from_seconds(0) && put_off < Span::from_seconds(1200));
    let lines = [line("15 2 * * *", "20m", "2026-11-24T00:00:00Z")];
    let start = at("2026-11-24T02:15:00Z").plus(put_off);
    let before = Timestamp::from_millis(start.millis() - 1);
    assert_eq!(due(&host("web"), &lines, before), None);
    let found = due(&host("web"), &lines, start).unwrap();
    assert_eq!(
        (found.fires_at, found.starts_at),
        (at("2026-11-24T02:15:00Z"), start)
    );
    let mut after = lines.to_vec();
    after[0].settled_until = found.lines[0].2.to;
    let next = next_start(&host("web"), &after[0], start).unwrap();
    assert_eq!(next.fires_at, at("2026-11-25T02:15:00Z"));
}

#[test]
fn jitter_is_the_same_for_ever_and_spread_over_a_fleet() {
    let schedule = line("15 2 * * *", "20m", "2026-11-24T00:00:00Z").schedule;
    let minutes: Vec<u64> = (0..1000)
        .map(|n| jitter(&host(&format!("web-{n}")), &schedule).seconds() / 60)
        .collect();
    for minute in 0..20 {
        let hosts = minutes.iter().filter(|m| **m == minute).count();
        assert!((25..=80).contains(&hosts), "minute {minute}: {hosts}");
    }
    // A change of these numbers moves the nights of every fleet.
    assert_eq!(jitter(&host("web-01"), &schedule).seconds(), 1039);
}

#[test]
fn a_clock_that_was_ahead_keeps_no_host_without_backups() {
    let lines = [line("15 2 * * *", "0s", "2036-01-01T00:00:00Z")];
    let (due, after) = answered(&lines, "2026-11-24T09:00:00Z");
    assert!(due.is_some());
    let next = next_start(&host("web"), &after[0], at("2026-11-24T09:00:01Z")).unwrap();
    assert_eq!(next.fires_at, at("2026-11-25T02:15:00Z"));
    // A small step back does not fire twice.
    let lines = [line("15 2 * * *", "0s", "2026-11-24T02:15:00Z")];
    let next = next_start(&host("web"), &lines[0], at("2026-11-24T02:14:58Z")).unwrap();
    assert_eq!(next.fires_at, at("2026-11-25T02:15:00Z"));
}

#[test]
fn one_line_with_two_jitters_is_answered_once() {
    let lines = [
        line("15 2 * * *", "0s", "2026-11-24T00:00:00Z"),
        line("15 2 * * *", "12h", "2026-11-24T00:00:00Z"),
    ];
    let (due, after) = answered(&lines, "2026-11-24T02:15:00Z");
    assert_eq!(due.unwrap().lines.len(), 1);
    assert_eq!(answered(&after, "2026-11-24T23:00:00Z").0, None);
}

#[rstest]
#[case(1, Some("2026-11-24T03:05:00Z"))]
#[case(2, Some("2026-11-24T03:15:00Z"))]
#[case(3, Some("2026-11-24T03:45:00Z"))]
#[case(4, Some("2026-11-24T05:00:00Z"))]
#[case(50, Some("2026-11-24T05:00:00Z"))]
fn failures_are_tried_again_later_and_later(#[case] attempt: u32, #[case] wanted: Option<&str>) {
    let next = Some(at("2026-11-25T02:15:00Z"));
    let retry = retry_of_failed(attempt, at("2026-11-24T03:00:00Z"), next);
    assert_eq!(retry, wanted.map(at));
}

#[test]
fn the_next_regular_start_takes_the_place_of_a_retry() {
    let now = at("2026-11-24T03:00:00Z");
    let soon = Some(at("2026-11-24T03:05:00Z"));
    assert_eq!(retry_of_failed(1, now, soon), None);
    assert!(retry_of_failed(1, now, None).is_some());
}

#[test]
fn a_killed_run_is_tried_again_at_once_but_not_for_ever() {
    let now = at("2026-11-24T03:00:00Z");
    assert_eq!(retry_of_interrupted(1, now), now);
    assert_eq!(retry_of_interrupted(2, now), at("2026-11-24T03:05:00Z"));
    assert_eq!(retry_of_interrupted(99, now), at("2026-11-24T05:00:00Z"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However the ticks fall, every fire is answered by the first tick at or after its start, and none twice.
    #[test]
    fn ticks_answer_every_fire_once(
        steps in prop::collection::vec(1_i64..200, 1..40), jitter_minutes in 0_u64..40, minute in 0_u32..60,
    ) {
        let name = host("web");
        let start = at("2026-11-24T00:00:00Z");
        let mut lines = vec![line(&format!("{minute} */2 * * *"), "0s", "2026-11-24T00:00:00Z")];
        lines[0].schedule.jitter = Span::from_seconds(jitter_minutes * 60);
        let put_off = jitter(&name, &lines[0].schedule);
        let mut now = start;
        let mut before = start.minus(put_off);
        for step in steps {
            now = Timestamp::from_millis(now.millis() + step * 60_000);
            let fires: Vec<Timestamp> = upcoming(
                &[lines[0].schedule.clone()], before.max(start), 1000, Span::from_hours(24 * 30),
            ).into_iter().filter(|fire| fire.plus(put_off) <= now).collect();
            let found = due(&name, &lines, now);
            prop_assert_eq!(found.as_ref().map(|due| due.fires_at), fires.first().copied());
            if let Some(due) = found {
                lines[0].settled_until = due.lines[0].2.to;
                before = *fires.last().unwrap();
            }
        }
    }
}
