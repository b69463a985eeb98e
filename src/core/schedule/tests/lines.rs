use std::str::FromStr as _;

use chrono_tz::Tz;
use proptest::prelude::*;
use rstest::rstest;

use super::super::*;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn fires(line: &str, zone: &str, after: &str, n: usize) -> Vec<String> {
    let cron = Cron::parse(line).unwrap();
    let zone: Tz = zone.parse().unwrap();
    let mut last = at(after);
    (0..n)
        .map(|_| {
            last = cron.next_after(zone, last).unwrap();
            last.utc()
                .with_timezone(&zone)
                .format("%a %m-%d %H:%M %:z")
                .to_string()
        })
        .collect()
}

#[rstest]
#[case("15 2 * * *", &["Sun 11-01 02:15 +00:00", "Mon 11-02 02:15 +00:00"])]
#[case("0 0 * * 0", &["Sun 11-01 00:00 +00:00", "Sun 11-08 00:00 +00:00"])]
#[case("0 0 * * 7", &["Sun 11-01 00:00 +00:00", "Sun 11-08 00:00 +00:00"])]
#[case("0 0 * * 1-5", &["Mon 11-02 00:00 +00:00", "Tue 11-03 00:00 +00:00"])]
#[case("0 0 * * Mon-Wed", &["Mon 11-02 00:00 +00:00", "Tue 11-03 00:00 +00:00", "Wed 11-04 00:00 +00:00", "Mon 11-09 00:00 +00:00"])]
// Both day fields given: either matches.
#[case("0 0 13 * 5", &["Fri 11-06 00:00 +00:00", "Fri 11-13 00:00 +00:00", "Fri 11-20 00:00 +00:00"])]
#[case("0 0 3 * 5", &["Tue 11-03 00:00 +00:00", "Fri 11-06 00:00 +00:00"])]
// One begins with a star: both must match.
#[case("0 0 */2 * 1", &["Mon 11-09 00:00 +00:00", "Mon 11-23 00:00 +00:00"])]
#[case("*/20 23 * * *", &["Sat 10-31 23:00 +00:00", "Sat 10-31 23:20 +00:00", "Sat 10-31 23:40 +00:00", "Sun 11-01 23:00 +00:00"])]
#[case("5,10-12 1 1 dec *", &["Tue 12-01 01:05 +00:00", "Tue 12-01 01:10 +00:00", "Tue 12-01 01:11 +00:00"])]
#[case("0 0 * * fri-sun", &["Sun 11-01 00:00 +00:00", "Fri 11-06 00:00 +00:00", "Sat 11-07 00:00 +00:00"])]
#[case("@weekly", &["Sun 11-01 00:00 +00:00"])]
#[case("@monthly", &["Sun 11-01 00:00 +00:00", "Tue 12-01 00:00 +00:00"])]
fn lines_mean_what_crontab_says(#[case] line: &str, #[case] wanted: &[&str]) {
    assert_eq!(
        fires(line, "UTC", "2026-10-31T22:59:59Z", wanted.len()),
        wanted
    );
}

#[rstest]
#[case("0 0 30 2 *", "never fires")]
#[case("0 0 31 4,6,9,11 *", "never fires")]
#[case("61 * * * *", "between 0 and 59")]
#[case("* * * * 8", "between 0 and 7")]
#[case("0 0 2 * * *", "five fields")]
#[case("15 2 * *", "five fields")]
#[case("0 0 L * *", "not crontab(5)")]
#[case("0 0 15W * *", "not crontab(5)")]
#[case("0 0 * * 5#3", "not crontab(5)")]
#[case("5/10 * * * *", "`*` or a range")]
#[case("*/0 * * * *", "above zero")]
#[case("20-10 * * * *", "backwards")]
#[case("@reboot", "no time")]
#[case("@fortnightly", "the words are")]
#[case("15 2 * * *\n", "control character")]
#[case("", "five fields")]
#[case("\u{1b}[31m * * * *", "control character")]
fn what_is_no_line_is_refused_with_the_reason(#[case] line: &str, #[case] why: &str) {
    let help = check(line).unwrap_err().help;
    assert!(help.contains(why), "{line:?}: {help}");
}

#[test]
fn the_leap_day_fires() {
    assert_eq!(
        fires("0 0 29 2 *", "UTC", "2092-03-01T00:00:00Z", 1),
        ["Wed 02-29 00:00 +00:00"]
    );
}

#[test]
fn a_leap_day_on_a_sunday_is_waited_for() {
    // 2032 had one; the next is twenty-eight years later.
    assert_eq!(
        fires("0 0 29 2 */7", "UTC", "2033-01-01T00:00:00Z", 1),
        ["Sun 02-29 00:00 +00:00"]
    );
}

#[test]
fn schedules_are_merged_in_order() {
    let make = |cron: &str| Schedule {
        name: None,
        cron: cron.parse().unwrap(),
        timezone: Tz::UTC,
        jitter: Span::from_seconds(0),
        prune: false,
    };
    let both = [make("0 6 * * *"), make("0 */6 * * *")];
    let found = upcoming(&both, at("2026-11-01T00:00:00Z"), 5, Span::from_hours(24));
    let hours: Vec<i64> = found
        .iter()
        .map(|t| (t.millis() / 3_600_000) % 24)
        .collect();
    assert_eq!(hours, [6, 12, 18, 0]);
}

fn any_field(first: u32, last: u32) -> impl Strategy<Value = String> {
    let number = first..=last;
    prop_oneof![
        3 => Just("*".to_owned()),
        2 => number.clone().prop_map(|n| n.to_string()),
        1 => (2_u32..10).prop_map(|n| format!("*/{n}")),
        1 => (number.clone(), number).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// croner is another implementation; it differs where a day field begins with a star and has a step, so those are left
    /// out.
    #[test]
    fn another_implementation_agrees_where_clocks_do_not_change(
        minute in any_field(0, 59), hour in any_field(0, 23), month in any_field(1, 12),
        day in prop_oneof![Just("*".to_owned()), (1_u32..28).prop_map(|n| n.to_string())],
        weekday in prop_oneof![Just("*".to_owned()), (0_u32..7).prop_map(|n| n.to_string())],
        start in 1_700_000_000_i64..1_900_000_000,
    ) {
        let line = format!("{minute} {hour} {day} {month} {weekday}");
        let (ours, theirs) = (Cron::parse(&line).unwrap(), croner::Cron::from_str(&line).unwrap());
        let mut last = Timestamp::from_millis(start * 1000);
        for _ in 0..5 {
            let next = ours.next_after(Tz::UTC, last).unwrap();
            let other: Timestamp = theirs.find_next_occurrence(&last.utc(), false).unwrap().into();
            prop_assert_eq!(next, other, "{}", line);
            last = next;
        }
    }

    #[test]
    fn the_next_fire_is_always_later(
        minute in any_field(0, 59), hour in any_field(0, 23),
        zone in prop_oneof![Just("Europe/Amsterdam"), Just("America/St_Johns"), Just("Australia/Lord_Howe"), Just("Pacific/Apia"), Just("Africa/Casablanca")],
        start in 1_300_000_000_i64..1_900_000_000,
    ) {
        let cron = Cron::parse(&format!("{minute} {hour} * * *")).unwrap();
        let zone: Tz = zone.parse().unwrap();
        let mut last = Timestamp::from_millis(start * 1000);
        for _ in 0..20 {
            let next = cron.next_after(zone, last).unwrap();
            prop_assert!(next > last);
            last = next;
        }
    }
}
