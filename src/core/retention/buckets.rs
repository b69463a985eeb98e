//! Cutting time by the wall clock of a zone.

use chrono::{DateTime, Datelike, Months, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike};
use chrono_tz::Tz;
use compact_str::{CompactString, format_compact};

use crate::core::model::{CalendarSpan, Rule, Timestamp};

/// A moment on the wall clock of `zone`. The hour repeated in autumn is one hour here, as people see it.
pub(super) fn wall_clock(time: Timestamp, zone: Tz) -> NaiveDateTime {
    time.utc().with_timezone(&zone).naive_local()
}

/// The bucket of `rule` that a wall-clock time falls into; keys of one rule grow with time.
///
/// [`Rule::Last`] has no buckets: each snapshot is one of its own, and the caller counts.
pub(super) fn bucket(rule: Rule, wall: NaiveDateTime) -> i64 {
    let day = i64::from(wall.num_days_from_ce());
    match rule {
        Rule::Last => 0,
        Rule::Hourly => day * 24 + i64::from(wall.hour()),
        Rule::Daily => day,
        // A week belongs to the ISO year it lies in, so that the last days of December may be week 1 (ISO 8601).
        Rule::Weekly => i64::from(wall.iso_week().year()) * 100 + i64::from(wall.iso_week().week()),
        Rule::Monthly => i64::from(wall.year()) * 12 + i64::from(wall.month0()),
        Rule::Quarterly => i64::from(wall.year()) * 4 + i64::from(wall.month0() / 3),
        Rule::Yearly => i64::from(wall.year()),
    }
}

/// How far a wall-clock time is into its bucket, of those that are longer than a week.
pub(super) fn since_start(rule: Rule, wall: NaiveDateTime) -> Option<TimeDelta> {
    let first = match rule {
        Rule::Monthly => wall.date().with_day(1)?,
        Rule::Quarterly => {
            let month = wall.month0() / 3 * 3 + 1;
            wall.date().with_day(1)?.with_month(month)?
        }
        Rule::Yearly => wall.date().with_ordinal(1)?,
        Rule::Last | Rule::Hourly | Rule::Daily | Rule::Weekly => return None,
    };
    Some(wall - first.and_time(NaiveTime::MIN))
}

/// The bucket as people name it; empty for [`Rule::Last`]. Years, months and hours as chrono's `%Y`, `%m` and `%H`, of
/// which there are few where days are many.
pub(super) fn bucket_name(rule: Rule, wall: NaiveDateTime) -> CompactString {
    match rule {
        Rule::Last => CompactString::default(),
        Rule::Hourly => format_compact!("{}T{:02}", wall.date(), wall.hour()),
        Rule::Daily => format_compact!("{}", wall.date()),
        Rule::Weekly => format_compact!(
            "{:04}-W{:02}",
            wall.iso_week().year(),
            wall.iso_week().week()
        ),
        Rule::Monthly => format_compact!("{}", wall.format("%Y-%m")),
        Rule::Quarterly => format_compact!("{:04}-Q{}", wall.year(), wall.month0() / 3 + 1),
        Rule::Yearly => format_compact!("{:04}", wall.year()),
    }
}

/// The moment `span` before `newest`: years, months and days by the calendar of `zone`, then hours.
///
/// A day that a month does not have is its last one. A wall-clock time that a zone skips is taken an hour later, and of
/// one that it has twice the earlier is taken, which keeps more.
pub(super) fn start_of_window(newest: Timestamp, span: CalendarSpan, zone: Tz) -> Timestamp {
    let months = span.years.saturating_mul(12).saturating_add(span.months);
    let wall = wall_clock(newest, zone);
    let earliest = Timestamp::from_millis(i64::MIN);
    let Some(day) = wall
        .checked_sub_months(Months::new(months))
        .and_then(|t| t.checked_sub_signed(TimeDelta::days(i64::from(span.days))))
    else {
        return earliest;
    };
    let hours = TimeDelta::hours(i64::from(span.hours));
    in_zone(day, zone)
        .and_then(|t| t.checked_sub_signed(hours))
        .map_or(earliest, |t| t.to_utc().into())
}

/// The moment of a wall-clock time; one that a zone skips is taken an hour or a day later.
pub(super) fn in_zone(wall: NaiveDateTime, zone: Tz) -> Option<DateTime<Tz>> {
    zone.from_local_datetime(&wall)
        .earliest()
        .or_else(|| {
            zone.from_local_datetime(&wall.checked_add_signed(TimeDelta::hours(1))?)
                .earliest()
        })
        // Some zones have skipped a whole day.
        .or_else(|| {
            zone.from_local_datetime(&wall.checked_add_signed(TimeDelta::days(1))?)
                .earliest()
        })
}
