//! A block of settings, out of which known words are taken: what is left is told.

use super::notes::{Notes, Weight};
use super::yaml::{Node, Yaml};
use crate::core::model::Invalid;

/// A scalar and its line.
pub(super) type Word = (String, u64);

/// A block of settings.
#[derive(Debug, Default)]
pub(super) struct Section<'a> {
    entries: Vec<Entry<'a>>,
}

#[derive(Debug)]
struct Entry<'a> {
    key: &'a str,
    folded: String,
    line: u64,
    node: &'a Node,
    is_used: bool,
}

/// A value under the key that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) key: &'a str,
    pub(super) line: u64,
    pub(super) node: &'a Node,
}

impl<'a> Section<'a> {
    /// The block that `node` is; an empty one if it is none.
    pub(super) fn of(node: &'a Node, what: &str, notes: &mut Notes<'_>) -> Self {
        match &node.value {
            Yaml::Map(entries) => Self {
                entries: entries
                    .iter()
                    .map(|(key, line, node)| Entry {
                        key,
                        folded: key.trim().to_ascii_lowercase().replace(['-', ' '], "_"),
                        line: *line,
                        node,
                        is_used: false,
                    })
                    .collect(),
            },
            Yaml::Null => Self::default(),
            _ => {
                notes.push(
                    Weight::Wrong,
                    node.line,
                    format!("{what} is no block of settings"),
                );
                Self::default()
            }
        }
    }

    /// Takes the value of whichever of `names` is there. Synonyms that disagree are a mistake; a key without a value
    /// says nothing.
    pub(super) fn take(&mut self, names: &[&str], notes: &mut Notes<'_>) -> Option<Found<'a>> {
        let mut found: Option<Found<'a>> = None;
        for entry in &mut self.entries {
            if !names.contains(&entry.folded.as_str()) {
                continue;
            }
            entry.is_used = true;
            match found {
                _ if entry.node.value == Yaml::Null => {}
                None => {
                    found = Some(Found {
                        key: entry.key,
                        line: entry.line,
                        node: entry.node,
                    });
                }
                Some(first) if first.node.value == entry.node.value => {}
                Some(first) => notes.push(
                    Weight::Wrong,
                    entry.line,
                    format!(
                        "{} and {} (line {}) mean the same and differ",
                        entry.key, first.key, first.line
                    ),
                ),
            }
        }
        found
    }

    /// Takes one word.
    pub(super) fn word(&mut self, names: &[&str], notes: &mut Notes<'_>) -> Option<Word> {
        let found = self.take(names, notes)?;
        match &found.node.value {
            Yaml::Scalar(text) => Some((text.clone(), found.line)),
            _ => {
                notes.push(
                    Weight::Wrong,
                    found.line,
                    format!("{} is no single value", found.key),
                );
                None
            }
        }
    }

    /// Takes one checked value.
    pub(super) fn parsed<T: std::str::FromStr<Err = Invalid>>(
        &mut self,
        names: &[&str],
        notes: &mut Notes<'_>,
    ) -> Option<T> {
        let word = self.word(names, notes)?;
        checked(&word, Weight::Wrong, notes)
    }

    /// Takes a truth value, in any of the spellings of YAML 1.1.
    pub(super) fn truth(&mut self, names: &[&str], notes: &mut Notes<'_>) -> Option<bool> {
        let (text, line) = self.word(names, notes)?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" | "1" => Some(true),
            "false" | "no" | "off" | "n" | "0" => Some(false),
            _ => {
                notes.push(Weight::Wrong, line, format!("{text} is neither yes nor no"));
                None
            }
        }
    }

    /// Takes a whole number.
    pub(super) fn number<T: TryFrom<u64>>(
        &mut self,
        names: &[&str],
        notes: &mut Notes<'_>,
    ) -> Option<T> {
        let word = self.word(names, notes)?;
        number(&word, notes)
    }

    /// Takes a list of words; one word is a list of one.
    pub(super) fn words(&mut self, names: &[&str], notes: &mut Notes<'_>) -> Option<Vec<Word>> {
        let found = self.take(names, notes)?;
        let nodes: &[Node] = match &found.node.value {
            Yaml::List(items) => items,
            Yaml::Scalar(_) => std::slice::from_ref(found.node),
            _ => {
                notes.push(
                    Weight::Wrong,
                    found.line,
                    format!("{} is no list", found.key),
                );
                return None;
            }
        };
        let words = nodes.iter().filter_map(|node| match &node.value {
            Yaml::Scalar(text) => Some((text.clone(), node.line)),
            Yaml::Null => None,
            _ => {
                notes.push(
                    Weight::Wrong,
                    node.line,
                    format!("{} holds something that is no word", found.key),
                );
                None
            }
        });
        Some(words.collect())
    }

    /// Tells what was not taken. What is among `idle` has no meaning here, or this program sees to it by itself.
    pub(super) fn finish(self, idle: &[&str], notes: &mut Notes<'_>) {
        for entry in self.entries.iter().filter(|entry| !entry.is_used) {
            if entry.node.value == Yaml::Null {
                continue;
            }
            if idle.contains(&entry.folded.as_str()) {
                let what = format!("{} has no meaning here", entry.key);
                notes.push(Weight::Told, entry.line, what);
            } else {
                let what = format!("{} is not known and was not carried over", entry.key);
                notes.push(Weight::Lost, entry.line, what);
            }
        }
    }
}

/// Checks a word.
pub(super) fn checked<T: std::str::FromStr<Err = Invalid>>(
    (text, line): &Word,
    weight: Weight,
    notes: &mut Notes<'_>,
) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            let error: Invalid = error;
            let help = if error.help.is_empty() {
                String::new()
            } else {
                format!(": {}", error.help)
            };
            notes.push(weight, *line, format!("{error}{help}"));
            None
        }
    }
}

/// Reads a whole number. One that begins with a zero means another number to every YAML there is.
pub(super) fn number<T: TryFrom<u64>>((text, line): &Word, notes: &mut Notes<'_>) -> Option<T> {
    let is_plain = text == "0" || !text.starts_with('0');
    let digits = is_plain && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let value = digits
        .then(|| text.parse::<u64>().ok())
        .flatten()
        .and_then(|n| T::try_from(n).ok());
    if value.is_none() {
        let what =
            format!("{text} is not a whole number that fits here, written without leading zeros");
        notes.push(Weight::Wrong, *line, what);
    }
    value
}
