//! One crontab line.

use std::cell::RefCell;
use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::Arc;

use chrono::{
    DateTime, LocalResult, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Timelike as _, Utc,
};
use chrono_tz::Tz;

use super::fields::{DAY, HOUR, MINUTE, MONTH, WEEKDAY};
use crate::core::model::{Invalid, Timestamp};

/// A crontab(5) line that fires.
#[derive(Debug, Clone)]
pub struct Cron {
    /// One schedule, or two where both day fields are given and either may match.
    any_of: Vec<cron::Schedule>,
    /// Minute or hour is `*`: such a line runs by real time through the hour that autumn repeats, cron(8).
    is_wildcard: bool,
}

/// A leap day on one day of the week comes every forty years at worst (across 2100, which has none).
const LONGEST_WAIT: i64 = 366 * 41;

/// A fleet has some dozens of lines; what is longer, or beyond so many, is read each time it is asked about.
const REMEMBERED: usize = 1024;
const LONGEST_REMEMBERED: usize = 256;

thread_local! {
    /// Lines that were read: ten thousand hosts share a few, and each of them is asked about every minute.
    static READ: RefCell<HashMap<String, Arc<Cron>>> = RefCell::default();
}

impl Cron {
    /// Reads five fields or an `@` word.
    ///
    /// # Errors
    /// When it is not crontab(5), or can never fire.
    pub fn parse(text: &str) -> Result<Arc<Self>, Invalid> {
        if let Some(cron) = READ.with_borrow(|read| read.get(text).cloned()) {
            return Ok(cron);
        }
        let cron = Arc::new(Self::read(text)?);
        READ.with_borrow_mut(|read| {
            if read.len() < REMEMBERED && text.len() <= LONGEST_REMEMBERED {
                read.insert(text.to_owned(), Arc::clone(&cron));
            }
        });
        Ok(cron)
    }

    fn read(text: &str) -> Result<Self, Invalid> {
        let refused = |help: &str| Invalid::new(text, "a crontab line", help);
        if text.chars().any(char::is_control) {
            return Err(refused("it holds a line end or another control character"));
        }
        let line = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@reboot" => return Err(refused("`@reboot` has no time; name one")),
            word if word.starts_with('@') => {
                return Err(refused(
                    "the words are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually",
                ));
            }
            line => line,
        };
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(refused(match fields.len() {
                6 | 7 => {
                    "write five fields, without seconds and years: minute, hour, day of the month, month, day of the week"
                }
                _ => {
                    "write five fields: minute, hour, day of the month, month, day of the week; for example `15 2 * * *`"
                }
            }));
        };
        let minutes = list(&MINUTE.parse(minute, text)?);
        let hours = list(&HOUR.parse(hour, text)?);
        let days = list(&DAY.parse(day, text)?);
        let months = list(&MONTH.parse(month, text)?);
        // The crate's Sunday is 1; crontab's is 0 and 7.
        let weekdays: Vec<u32> = WEEKDAY
            .parse(weekday, text)?
            .into_iter()
            .map(|d| d % 7 + 1)
            .collect();
        let weekdays = list(&weekdays);

        // crontab(5): where neither field begins with `*`, either may match.
        let lines = if day.starts_with('*') || weekday.starts_with('*') {
            vec![format!("0 {minutes} {hours} {days} {months} {weekdays} *")]
        } else {
            vec![
                format!("0 {minutes} {hours} {days} {months} * *"),
                format!("0 {minutes} {hours} * {months} {weekdays} *"),
            ]
        };
        let any_of: Result<Vec<cron::Schedule>, _> = lines
            .iter()
            .map(|line| cron::Schedule::from_str(line))
            .collect();
        let cron = Self {
            any_of: any_of.map_err(|_| refused("the scheduler does not understand it"))?,
            is_wildcard: minute.starts_with('*') || hour.starts_with('*'),
        };
        // From a date before which a leap day lies, so that 29 February is found.
        let start = DateTime::<Utc>::from_timestamp(1_700_000_000, 0)
            .unwrap_or_default()
            .naive_utc();
        match cron.next_wall_clock(start) {
            Some(_) => Ok(cron),
            None => Err(refused("it never fires: no month it names has such a day")),
        }
    }

    /// The first moment strictly after `after` at which the line fires by the wall clock of `zone`.
    ///
    /// A time that spring skips runs right after the gap, once. In the hour that autumn repeats, a fixed time runs once,
    /// the first time; a line with `*` as minute or hour goes on by real time (cron(8), "daylight saving time").
    /// Nothing if it does not fire within forty-one years, or after 2100, where the `cron` crate ends.
    #[must_use]
    pub fn next_after(&self, zone: Tz, after: Timestamp) -> Option<Timestamp> {
        let here = after.utc().with_timezone(&zone);
        // A time that a gap swallowed lies after the wall clock before the gap; one that a fold repeats is looked at below.
        let mut wall = here.naive_local() - TimeDelta::minutes(1);
        let mut candidates = 0;
        let found = loop {
            let next = self.next_wall_clock(wall)?;
            if let Some(time) = self.in_zone(zone, next, after) {
                break time;
            }
            wall = next;
            candidates += 1;
            // Passing a fold or a swallowed day takes at most this many minutes.
            if candidates > 60 * 24 * 2 {
                return None;
            }
        };
        let is_near_fold = here.offset().fix() != found.utc().with_timezone(&zone).offset().fix()
            || matches!(
                zone.from_local_datetime(&here.naive_local()),
                LocalResult::Ambiguous(..)
            );
        let repeated =
            (self.is_wildcard && is_near_fold).then(|| self.repeated_hour(zone, after, found));
        Some(repeated.flatten().unwrap_or(found))
    }

    /// The moment of a wall-clock time, if it lies after `after`.
    fn in_zone(&self, zone: Tz, wall: NaiveDateTime, after: Timestamp) -> Option<Timestamp> {
        let time = match zone.from_local_datetime(&wall) {
            LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => time,
            LocalResult::None => end_of_gap(zone, wall)?,
        };
        let time: Timestamp = time.to_utc().into();
        (time > after).then_some(time)
    }

    /// A fire of the second pass through a repeated hour that comes before `found`.
    fn repeated_hour(&self, zone: Tz, after: Timestamp, found: Timestamp) -> Option<Timestamp> {
        let mut wall = after.utc().with_timezone(&zone).naive_local() - TimeDelta::hours(2);
        let until = found.utc().with_timezone(&zone).naive_local();
        while let Some(next) = self.next_wall_clock(wall) {
            if next > until {
                return None;
            }
            if let LocalResult::Ambiguous(_, second) = zone.from_local_datetime(&next) {
                let second: Timestamp = second.to_utc().into();
                if second > after && second < found {
                    return Some(second);
                }
            }
            wall = next;
        }
        None
    }

    fn next_wall_clock(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let disguised = after.and_utc();
        let end = disguised + TimeDelta::days(LONGEST_WAIT);
        self.any_of
            .iter()
            .filter_map(|schedule| schedule.after(&disguised).next())
            .min()
            .filter(|next| *next <= end)
            .map(|next| next.naive_utc())
    }
}

/// The first minute after the gap that `wall` lies in.
fn end_of_gap(zone: Tz, wall: NaiveDateTime) -> Option<DateTime<Tz>> {
    let mut later = wall.with_second(0)?;
    // The longest gap is a whole day.
    for _ in 0..(24 * 60 + 1) {
        later = later.checked_add_signed(TimeDelta::minutes(1))?;
        if let Some(time) = zone.from_local_datetime(&later).earliest() {
            return Some(time);
        }
    }
    None
}

fn list(numbers: &[u32]) -> String {
    numbers
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}
