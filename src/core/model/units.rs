//! Sizes, durations and percentages as people write them.

use compact_str::{CompactString, ToCompactString as _, format_compact};
use serde::{Deserialize, Serialize};

use super::Invalid;
use super::invalid::Parsing;

/// A length of time, written with one unit: `90s`, `20m`, `36h`, `7d`, `4w`. At most 100 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parsing::new())
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
/// A longer one is a typing error, and sums of two must not overflow.
const LONGEST: u64 = 36_525 * DAY;

impl Span {
    /// A span of `seconds`, at most 100 years.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(if seconds > LONGEST { LONGEST } else { seconds })
    }

    /// A span of `hours`, at most 100 years.
    #[must_use]
    pub const fn from_hours(hours: u64) -> Self {
        Self::from_seconds(hours.saturating_mul(HOUR))
    }

    /// Whole seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// Milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        // At most 100 years, which is far below i64::MAX milliseconds.
        (self.0 * 1000).cast_signed()
    }

    /// With the largest unit that it is whole in.
    fn text(self) -> CompactString {
        let (n, unit) = [(WEEK, 'w'), (DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm')]
            .into_iter()
            .find(|(size, _)| self.0 != 0 && self.0.is_multiple_of(*size))
            .map_or((self.0, 's'), |(size, unit)| (self.0 / size, unit));
        format_compact!("{n}{unit}")
    }
}

impl From<Span> for std::time::Duration {
    fn from(span: Span) -> Self {
        Self::from_secs(span.0)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.text())
    }
}

impl std::str::FromStr for Span {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused = || {
            Invalid::new(
                text,
                "a duration",
                "write a number and one unit: `90s`, `20m`, `36h`, `7d`, `4w`",
            )
        };
        let unit = text.chars().last().ok_or_else(refused)?;
        let size = match unit {
            's' => 1,
            'm' => MINUTE,
            'h' => HOUR,
            'd' => DAY,
            'w' => WEEK,
            _ => return Err(refused()),
        };
        let number = &text[..text.len() - unit.len_utf8()];
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refused());
        }
        let seconds = number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(size))
            .filter(|s| *s <= LONGEST);
        seconds
            .map(Self)
            .ok_or_else(|| Invalid::new(text, "a duration", "it is longer than 100 years"))
    }
}

impl TryFrom<String> for Span {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

/// A calendar length as restic writes it: `1y2m3d4h`, where `m` is months. Never empty.
///
/// Source: restic's manual, "Removing snapshots according to a policy".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CalendarSpan {
    /// Whole years.
    pub years: u32,
    /// Whole months.
    pub months: u32,
    /// Whole days.
    pub days: u32,
    /// Whole hours.
    pub hours: u32,
}

/// Keeps sums within what a calendar can hold.
const MAX_CALENDAR: u32 = 9_999;

impl std::fmt::Display for CalendarSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            (self.years, 'y'),
            (self.months, 'm'),
            (self.days, 'd'),
            (self.hours, 'h'),
        ];
        let text: String = parts
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, unit)| format!("{n}{unit}"))
            .collect();
        f.pad(&text)
    }
}

impl std::str::FromStr for CalendarSpan {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused = || {
            Invalid::new(
                text,
                "a calendar length",
                "write years, months, days and hours, for example `30d` or `1y2m3d4h`; `m` is months",
            )
        };
        let mut span = Self {
            years: 0,
            months: 0,
            days: 0,
            hours: 0,
        };
        let mut rest = text;
        let mut seen = String::new();
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            let unit = tail.chars().next().ok_or_else(refused)?;
            let slot = match unit {
                'y' => &mut span.years,
                'm' => &mut span.months,
                'd' => &mut span.days,
                'h' => &mut span.hours,
                _ => return Err(refused()),
            };
            if seen.contains(unit) {
                return Err(refused());
            }
            *slot = number
                .parse()
                .ok()
                .filter(|n| *n <= MAX_CALENDAR)
                .ok_or_else(refused)?;
            seen.push(unit);
            rest = &tail[1..];
        }
        let is_zero = span.years == 0 && span.months == 0 && span.days == 0 && span.hours == 0;
        if !is_zero { Ok(span) } else { Err(refused()) }
    }
}

impl TryFrom<String> for CalendarSpan {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<CalendarSpan> for String {
    fn from(span: CalendarSpan) -> Self {
        span.to_string()
    }
}

/// A number of bytes. Written `10MiB` in configuration, a plain number on the wire.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ByteCount(pub u64);

const UNITS: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

impl ByteCount {
    /// Shows it with the largest unit that loses nothing, as a file says it: `500GiB`, `1025B`.
    #[must_use]
    pub fn exact(self) -> String {
        let exact = |(_, size): &(&str, u64)| self.0 != 0 && self.0.is_multiple_of(*size);
        match UNITS.into_iter().find(exact) {
            Some((unit, size)) => format!("{}{unit}", self.0 / size),
            None => format!("{}B", self.0),
        }
    }

    /// The same as it is shown: without the general way to format, which a million sizes of a large plan would wait for.
    #[must_use]
    pub fn short(self) -> CompactString {
        let Some((unit, size)) = UNITS.into_iter().find(|(_, size)| self.0 >= *size) else {
            let mut text = self.0.to_compact_string();
            text.push_str(" B");
            return text;
        };
        let tenths = (u128::from(self.0) * 10 + u128::from(size / 2)) >> size.trailing_zeros();
        let tenths = u64::try_from(tenths).unwrap_or(u64::MAX);
        let mut text = if tenths < 100 {
            let mut text = (tenths / 10).to_compact_string();
            text.push('.');
            text.push_str(&(tenths % 10).to_compact_string());
            text
        } else {
            ((tenths + 5) / 10).to_compact_string()
        };
        text.push(' ');
        text.push_str(unit);
        text
    }
}

impl std::fmt::Display for ByteCount {
    /// Shows three digits at most: `41 GiB`, `4.1 GiB`, `512 B`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.short())
    }
}

impl std::str::FromStr for ByteCount {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused = || {
            Invalid::new(
                text,
                "a size",
                "write a whole number with `B`, `KiB`, `MiB`, `GiB` or `TiB`",
            )
        };
        let (number, size) = UNITS
            .into_iter()
            .find_map(|(unit, size)| text.strip_suffix(unit).map(|n| (n, size)))
            .or_else(|| text.strip_suffix('B').map(|n| (n, 1)))
            .ok_or_else(refused)?;
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refused());
        }
        number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(size))
            .map(Self)
            .ok_or_else(refused)
    }
}

/// A whole percentage from 0 to 100. Written `"5%"` or `5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(u8);

impl Percent {
    /// A percentage; more than 100 becomes 100.
    #[must_use]
    pub const fn clamped(value: u8) -> Self {
        Self(if value > 100 { 100 } else { value })
    }

    /// The number, 0 to 100.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Says that `part` of `whole` is more than this percentage; nothing is more of an empty whole.
    #[must_use]
    pub fn is_exceeded_by(self, part: usize, whole: usize) -> bool {
        (part as u128) * 100 > (whole as u128) * u128::from(self.0)
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}%", self.0))
    }
}

impl TryFrom<u8> for Percent {
    type Error = Invalid;

    fn try_from(value: u8) -> Result<Self, Invalid> {
        if value <= 100 {
            Ok(Self(value))
        } else {
            Err(Invalid::new(
                value.to_string(),
                "a percentage",
                "it lies between 0 and 100",
            ))
        }
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> Self {
        percent.0
    }
}

impl std::str::FromStr for Percent {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let number = text.strip_suffix('%').unwrap_or(text);
        let refused = || {
            Invalid::new(
                text,
                "a percentage",
                "write a whole number from 0 to 100, for example `5%`",
            )
        };
        number
            .parse::<u8>()
            .map_err(|_| refused())
            .and_then(|n| Self::try_from(n).map_err(|_| refused()))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{ByteCount, CalendarSpan, Percent, Span};

    #[rstest]
    #[case("90s", Some(90), "90s")]
    #[case("20m", Some(1_200), "20m")]
    #[case("36h", Some(129_600), "36h")]
    #[case("48h", Some(172_800), "2d")]
    #[case("4w", Some(2_419_200), "4w")]
    #[case("0s", Some(0), "0s")]
    #[case("1y", None, "")]
    #[case("5", None, "")]
    #[case("-5m", None, "")]
    #[case("m", None, "")]
    #[case("99999999999999999999s", None, "")]
    #[case("5é", None, "")]
    fn a_span_has_one_unit(#[case] text: &str, #[case] seconds: Option<u64>, #[case] shown: &str) {
        let span = text.parse::<Span>().ok();
        assert_eq!(span.map(Span::seconds), seconds, "{text:?}");
        assert!(span.is_none_or(|s| s.to_string() == shown));
    }

    #[rstest]
    #[case("30d", true)]
    #[case("1y2m3d4h", true)]
    #[case("2m2h", true)]
    #[case("", false)]
    #[case("0d", false)]
    #[case("3d4h", true)]
    #[case("d", false)]
    #[case("2w", false)]
    #[case("30", false)]
    #[case("1d1d", false)]
    #[case("99999d", false)]
    fn a_calendar_span_is_restics(#[case] text: &str, #[case] ok: bool) {
        let span = text.parse::<CalendarSpan>();
        assert_eq!(span.is_ok(), ok, "{text:?}");
        assert!(span.is_err() || span.map(|s| s.to_string()).as_deref() == Ok(text));
    }

    #[rstest]
    #[case(0, "0 B")]
    #[case(1023, "1023 B")]
    #[case(1536, "1.5 KiB")]
    #[case(44_023_414_784, "41 GiB")]
    #[case(10_737_418_239, "10 GiB")]
    fn sizes_have_few_digits(#[case] bytes: u64, #[case] shown: &str) {
        assert_eq!(ByteCount(bytes).to_string(), shown);
    }

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!("10MiB".parse(), Ok(ByteCount(10 << 20)));
        assert!(
            "10".parse::<ByteCount>().is_err() && "99999999999TiB".parse::<ByteCount>().is_err()
        );
    }

    #[test]
    fn a_percentage_counts_exactly() {
        let thirty = Percent::clamped(30);
        assert!(
            !thirty.is_exceeded_by(3, 10)
                && thirty.is_exceeded_by(4, 10)
                && !thirty.is_exceeded_by(0, 0)
        );
        assert_eq!("5%".parse(), Ok(Percent::clamped(5)));
        assert!("101%".parse::<Percent>().is_err());
    }
}
