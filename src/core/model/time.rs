//! Moments.

use std::num::NonZeroU64;

use chrono::{
    DateTime, Datelike as _, NaiveDate, NaiveTime, SecondsFormat, TimeZone, Timelike as _, Utc,
};
use chrono_tz::Tz;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::digits::{put, text_of};
use super::{Invalid, Span};

/// A moment: milliseconds since 1970-01-01 UTC, between the years 0 and 9999. RFC 3339 in UTC on the wire.
///
/// Counted from 1 at the first of them, so that an absent one takes no more room: a plan of a large fleet holds millions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Timestamp(NonZeroU64);

/// 9999-12-31T23:59:59.999Z: later years do not have four digits.
const LAST: i64 = 253_402_300_799_999;
/// 0000-01-01T00:00:00Z.
const FIRST: i64 = -62_167_219_200_000;

impl Timestamp {
    /// The moment `millis` after 1970-01-01 UTC, clamped to the years 0 to 9999.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        let since = millis.clamp(FIRST, LAST).abs_diff(FIRST);
        Self(NonZeroU64::MIN.saturating_add(since))
    }

    /// Milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn millis(self) -> i64 {
        FIRST.saturating_add_unsigned(self.0.get() - 1)
    }

    /// The moment as chrono has it.
    #[must_use]
    pub fn utc(self) -> DateTime<Utc> {
        Utc.timestamp_millis_opt(self.millis())
            .single()
            .unwrap_or_default()
    }

    /// The moment as it is on the wire.
    #[must_use]
    pub fn text(self) -> CompactString {
        let time = self.utc();
        let (date, clock) = (time.date_naive(), time.time());
        if clock.nanosecond() != 0 {
            return time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into();
        }
        let mut text = *b"0000-00-00T00:00:00Z";
        let year = date.year().unsigned_abs();
        put(&mut text, 0, year / 100);
        put(&mut text, 2, year % 100);
        put(&mut text, 5, date.month());
        put(&mut text, 8, date.day());
        put(&mut text, 11, clock.hour());
        put(&mut text, 14, clock.minute());
        put(&mut text, 17, clock.second());
        text_of(&text)
    }

    /// The moment `span` later, clamped to the last that can be written.
    #[must_use]
    pub fn plus(self, span: Span) -> Self {
        Self::from_millis(self.millis().saturating_add(span.millis()))
    }

    /// The moment `span` earlier, clamped to the first that can be written.
    #[must_use]
    pub fn minus(self, span: Span) -> Self {
        Self::from_millis(self.millis().saturating_sub(span.millis()))
    }
}

/// The end of a day by the wall clock of a zone; nothing for the last day that there is.
#[must_use]
pub fn end_of_day(day: NaiveDate, zone: Tz) -> Option<Timestamp> {
    let midnight = day.succ_opt()?.and_time(NaiveTime::MIN);
    let at = midnight.and_local_timezone(zone).earliest().or_else(|| {
        // A midnight that a change of clocks skips begins an hour later.
        (midnight + chrono::TimeDelta::hours(1))
            .and_local_timezone(zone)
            .earliest()
    })?;
    Some(at.to_utc().into())
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self::from_millis(time.timestamp_millis())
    }
}

impl std::fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Timestamp").field(&self.millis()).finish()
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.text())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl std::str::FromStr for Timestamp {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| {
            Invalid::new(
                text,
                "a time",
                "write it as RFC 3339, for example 2026-11-23T10:00:00Z",
            )
        })?;
        Ok(time.with_timezone(&Utc).into())
    }
}

impl TryFrom<String> for Timestamp {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.text().into()
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn the_first_and_the_last_are_what_they_were_made_of_and_an_absent_one_takes_no_room() {
        for (millis, text) in [
            (i64::MIN, "0000-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            let time = Timestamp::from_millis(millis);
            assert_eq!(time.to_string(), text);
            assert_eq!(Timestamp::from_millis(time.millis()), time);
        }
        assert_eq!(Timestamp::from_millis(-1).millis(), -1);
        assert_eq!(size_of::<Option<Timestamp>>(), size_of::<i64>());
    }

    #[test]
    fn a_time_reads_back_as_it_was_written() {
        for text in ["2026-11-23T10:00:00Z", "2026-11-23T10:00:00.250Z"] {
            assert_eq!(
                text.parse::<Timestamp>().map(|t| t.to_string()).as_deref(),
                Ok(text)
            );
        }
        assert_eq!(
            "2026-11-23T10:00:00+01:00"
                .parse::<Timestamp>()
                .map(Timestamp::millis),
            Ok(1_795_424_400_000)
        );
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}
