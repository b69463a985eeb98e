//! The five fields of a crontab line as sets of numbers.

use crate::core::model::Invalid;

/// One of the five fields.
pub(super) struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    words: &'static [&'static str],
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

pub(super) const MINUTE: Field = Field {
    name: "minute",
    first: 0,
    last: 59,
    words: &[],
};
pub(super) const HOUR: Field = Field {
    name: "hour",
    first: 0,
    last: 23,
    words: &[],
};
pub(super) const DAY: Field = Field {
    name: "day of the month",
    first: 1,
    last: 31,
    words: &[],
};
pub(super) const MONTH: Field = Field {
    name: "month",
    first: 1,
    last: 12,
    words: &MONTHS,
};
/// Sunday is 0 and 7.
pub(super) const WEEKDAY: Field = Field {
    name: "day of the week",
    first: 0,
    last: 7,
    words: &DAYS,
};

impl Field {
    /// Reads lists, ranges and steps into an ascending set. crontab(5), "EXAMPLE" and "EXTENSIONS": a step needs a range
    /// or `*`.
    pub(super) fn parse(&self, text: &str, line: &str) -> Result<Vec<u32>, Invalid> {
        let mut set = Vec::new();
        for item in text.split(',') {
            self.parse_item(item, line, &mut set)?;
        }
        set.sort_unstable();
        set.dedup();
        Ok(set)
    }

    fn parse_item(&self, item: &str, line: &str, set: &mut Vec<u32>) -> Result<(), Invalid> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => {
                let step = number(step).filter(|n| *n > 0);
                (
                    range,
                    Some(step.ok_or_else(|| {
                        self.refused(item, line, "a step is a number above zero")
                    })?),
                )
            }
            None => (item, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.first, self.last),
            Some((from, to)) => {
                let (from, to) = (self.value(from, item, line)?, self.value(to, item, line)?);
                // A week may end on Sunday: `fri-sun` is 5-7.
                let ends_on_sunday = self.last == 7 && to == 0 && from > 0;
                (from, if ends_on_sunday { 7 } else { to })
            }
            None if step.is_some() => {
                return Err(self.refused(item, line, "a step needs `*` or a range before it"));
            }
            None => {
                let value = self.value(range, item, line)?;
                (value, value)
            }
        };
        if from > to {
            return Err(self.refused(item, line, "the range runs backwards"));
        }
        set.extend((from..=to).step_by(step.unwrap_or(1) as usize));
        Ok(())
    }

    fn value(&self, text: &str, item: &str, line: &str) -> Result<u32, Invalid> {
        let word = self
            .words
            .iter()
            .position(|word| word.eq_ignore_ascii_case(text));
        let value = match word {
            Some(i) => u32::try_from(i).ok().map(|i| i + self.first),
            None => number(text),
        };
        if text.chars().any(|c| matches!(c, 'L' | 'W' | '#' | '?')) && word.is_none() {
            return Err(self.refused(
                item,
                line,
                "`L`, `W`, `#` and `?` are not crontab(5); name days by number or word",
            ));
        }
        value
            .filter(|n| (self.first..=self.last).contains(n))
            .ok_or_else(|| {
                self.refused(
                    item,
                    line,
                    &format!("it lies between {} and {}", self.first, self.last),
                )
            })
    }

    fn refused(&self, item: &str, line: &str, why: &str) -> Invalid {
        let item = crate::core::model::visible(item);
        Invalid::new(
            line,
            "a crontab line",
            format!("`{item}` is no {}: {why}", self.name),
        )
    }
}

fn number(text: &str) -> Option<u32> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())?
}
