//! The nights on which clocks change, in zones that change them in odd ways.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Timelike as _};
use chrono_tz::Tz;
use proptest::prelude::*;
use rstest::rstest;

use super::super::*;
use super::lines::{at, fires};

#[rstest]
// Spring: 02:30 does not exist on 29 March and runs right after the gap.
#[case("30 2 * * *", "Europe/Amsterdam", "2026-03-28T12:00:00Z", &["Sun 03-29 03:00 +02:00", "Mon 03-30 02:30 +02:00"])]
#[case("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", &["Sun 03-08 03:00 -04:00", "Mon 03-09 02:30 -04:00"])]
// Two lines that the gap swallows run once: right after it.
#[case("0,30 2 * * *", "Europe/Amsterdam", "2026-03-28T12:00:00Z", &["Sun 03-29 03:00 +02:00", "Mon 03-30 02:00 +02:00"])]
// Autumn: 02:30 comes twice and a fixed time runs once, the first time.
#[case("30 2 * * *", "Europe/Amsterdam", "2026-10-24T12:00:00Z", &["Sun 10-25 02:30 +02:00", "Mon 10-26 02:30 +01:00"])]
#[case("15 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", &["Sun 11-01 01:15 -04:00", "Mon 11-02 01:15 -05:00"])]
// Asked between the two 02:30, and right at the second one.
#[case("30 2 * * *", "Europe/Amsterdam", "2026-10-25T00:45:00Z", &["Mon 10-26 02:30 +01:00"])]
#[case("30 2 * * *", "Europe/Amsterdam", "2026-10-25T01:30:00Z", &["Mon 10-26 02:30 +01:00"])]
// Lord Howe moves by half an hour: in spring 02:00 to 02:30, in autumn 02:00 back to 01:30.
#[case("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", &["Sun 10-04 02:30 +11:00", "Mon 10-05 02:15 +11:00"])]
#[case("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", &["Sun 04-05 01:45 +11:00", "Mon 04-06 01:45 +10:30"])]
#[case("*/15 * * * *", "Australia/Lord_Howe", "2026-04-04T14:29:00Z", &["Sun 04-05 01:30 +11:00", "Sun 04-05 01:45 +11:00", "Sun 04-05 01:30 +10:30", "Sun 04-05 01:45 +10:30", "Sun 04-05 02:00 +10:30"])]
// Kathmandu never changes its clocks, and is a quarter of an hour off.
#[case("0 3 * * *", "Asia/Kathmandu", "2026-03-28T21:14:59Z", &["Sun 03-29 03:00 +05:45", "Mon 03-30 03:00 +05:45"])]
// Apia went over the date line and had no 30 December 2011: its run comes right after the missing day, once with the next.
#[case("15 2 30 12 *", "Pacific/Apia", "2011-12-29T12:00:00Z", &["Sat 12-31 00:00 +14:00", "Sun 12-30 02:15 +14:00"])]
#[case("15 2 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", &["Thu 12-29 02:15 -10:00", "Sat 12-31 00:00 +14:00", "Sat 12-31 02:15 +14:00", "Sun 01-01 02:15 +14:00"])]
// Casablanca leaves summer time for Ramadan, so its gap comes in autumn or spring as the moon says: 2026 on 15 February and 22 March.
#[case("30 2 * * *", "Africa/Casablanca", "2026-02-14T12:00:00Z", &["Sun 02-15 02:30 +01:00", "Mon 02-16 02:30 +00:00"])]
#[case("30 2 * * *", "Africa/Casablanca", "2026-03-21T12:00:00Z", &["Sun 03-22 03:00 +01:00", "Mon 03-23 02:30 +01:00"])]
// Lines with a star go on by real time through the repeated hour, and skip the one that is not there.
#[case("*/30 * * * *", "Europe/Amsterdam", "2026-10-24T23:59:00Z", &["Sun 10-25 02:00 +02:00", "Sun 10-25 02:30 +02:00", "Sun 10-25 02:00 +01:00", "Sun 10-25 02:30 +01:00", "Sun 10-25 03:00 +01:00"])]
#[case("0 * * * *", "America/New_York", "2026-11-01T04:59:00Z", &["Sun 11-01 01:00 -04:00", "Sun 11-01 01:00 -05:00", "Sun 11-01 02:00 -05:00"])]
#[case("@hourly", "Europe/Amsterdam", "2026-03-28T23:59:00Z", &["Sun 03-29 01:00 +01:00", "Sun 03-29 03:00 +02:00"])]
fn clocks_change_and_nothing_is_missed_or_doubled(
    #[case] line: &str,
    #[case] zone: &str,
    #[case] after: &str,
    #[case] wanted: &[&str],
) {
    assert_eq!(fires(line, zone, after, wanted.len()), wanted);
}

const ZONES: [&str; 8] = [
    "Europe/Amsterdam",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Africa/Casablanca",
    "UTC",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the clocks do, a line of one fixed time fires once for every day of the calendar, be it late.
    #[test]
    fn a_fixed_time_fires_once_a_day(
        minute in 0_u32..60, hour in 0_u32..24, zone in prop::sample::select(&ZONES[..]), year in 2010_i64..2030,
    ) {
        let cron = Cron::parse(&format!("{minute} {hour} * * *")).unwrap();
        let zone: Tz = zone.parse().unwrap();
        let mut last = Timestamp::from_millis((year - 1970) * 31_556_952_000);
        let mut by_day: BTreeMap<i32, u32> = BTreeMap::new();
        for _ in 0..370 {
            last = cron.next_after(zone, last).unwrap();
            let local = last.utc().with_timezone(&zone);
            *by_day.entry(local.num_days_from_ce()).or_default() += 1;
            let is_as_written = (local.hour(), local.minute()) == (hour, minute);
            prop_assert!(is_as_written || local.hour() <= hour + 1, "{local}");
        }
        let days: Vec<i32> = by_day.keys().copied().collect();
        for pair in days.windows(2) {
            // Apia's missing day is made up for on the day after it.
            let is_date_line = zone == Tz::Pacific__Apia && pair[1] - pair[0] == 2;
            prop_assert!(pair[1] - pair[0] == 1 || is_date_line, "{zone}: {pair:?}");
        }
        let doubled = by_day.values().filter(|n| **n > 1).count();
        prop_assert!(doubled <= usize::from(zone == Tz::Pacific__Apia), "{by_day:?}");
    }

    /// The other implementation maps fixed times as we do, but for what a gap swallows, which it moves on by the gap's length.
    #[test]
    fn another_implementation_agrees_in_zones_outside_the_gaps(
        minute in 0_u32..60, hour in 4_u32..24, zone in prop::sample::select(&ZONES[..]),
        start in 1_600_000_000_i64..1_900_000_000,
    ) {
        let line = format!("{minute} {hour} * * *");
        let zone: Tz = zone.parse().unwrap();
        let ours = Cron::parse(&line).unwrap();
        let theirs: croner::Cron = line.parse().unwrap();
        let mut last = Timestamp::from_millis(start * 1000);
        for _ in 0..20 {
            let next = ours.next_after(zone, last).unwrap();
            let other = theirs.find_next_occurrence(&last.utc().with_timezone(&zone), false).unwrap();
            prop_assert_eq!(next, other.to_utc().into(), "{} {}", line, zone);
            last = next;
        }
    }
}

#[test]
fn the_answer_is_strictly_after_the_question() {
    let cron = Cron::parse("15 2 * * *").unwrap();
    let fire = at("2026-11-24T02:15:00Z");
    let just_before = Timestamp::from_millis(fire.millis() - 1);
    assert_eq!(cron.next_after(Tz::UTC, just_before), Some(fire));
    assert_eq!(
        cron.next_after(Tz::UTC, fire),
        Some(at("2026-11-25T02:15:00Z"))
    );
}
