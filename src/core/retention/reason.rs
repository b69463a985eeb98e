//! Why a snapshot stays or goes: values, of which the words are only the spelling.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::core::model::{CalendarSpan, Count, Invalid, Rule, SnapshotName};

/// Why a snapshot stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Reason {
    /// It is the newest complete one of its host, whatever its kind.
    Newest,
    /// A rule counted it: `last`, `daily` and their kin.
    Rule(Rule),
    /// It is the oldest, and a rule has buckets left: `oldest-daily` and its kin.
    Oldest(Rule),
    /// It lies within a time counted back from the newest: `within`, `within-daily` and its kin.
    Within(Rule),
    /// It is the oldest, and lies within such a time: `oldest-within-daily` and its kin.
    OldestWithin(Rule),
    /// Somebody pinned it.
    Hold,
    /// A kept snapshot was linked against it; guards the speed of nothing but history, since hard links need no base.
    BaseOf(SnapshotName),
    /// A run is making it.
    Running,
    /// Its kind was not asked about, or is not the policy's.
    KindNotSelected,
    /// It is incomplete, and not yet old enough.
    Grace,
    /// Its host has left.
    Retired,
    /// Its host is paused.
    Paused,
    /// Its host has no policy.
    NoPolicy,
}

impl Reason {
    /// The word for it, but for [`Reason::BaseOf`], which also names the child.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Rule(rule) => rule.as_str(),
            Self::Oldest(rule) => match rule {
                Rule::Last => "oldest-last",
                Rule::Hourly => "oldest-hourly",
                Rule::Daily => "oldest-daily",
                Rule::Weekly => "oldest-weekly",
                Rule::Monthly => "oldest-monthly",
                Rule::Quarterly => "oldest-quarterly",
                Rule::Yearly => "oldest-yearly",
            },
            Self::Within(rule) => match rule {
                Rule::Last => "within",
                Rule::Hourly => "within-hourly",
                Rule::Daily => "within-daily",
                Rule::Weekly => "within-weekly",
                Rule::Monthly => "within-monthly",
                Rule::Quarterly => "within-quarterly",
                Rule::Yearly => "within-yearly",
            },
            Self::OldestWithin(rule) => match rule {
                Rule::Last => "oldest-within-last",
                Rule::Hourly => "oldest-within-hourly",
                Rule::Daily => "oldest-within-daily",
                Rule::Weekly => "oldest-within-weekly",
                Rule::Monthly => "oldest-within-monthly",
                Rule::Quarterly => "oldest-within-quarterly",
                Rule::Yearly => "oldest-within-yearly",
            },
            Self::Hold => "hold",
            Self::BaseOf(_) => "base-of",
            Self::Running => "running",
            Self::KindNotSelected => "kind-not-selected",
            Self::Grace => "grace",
            Self::Retired => "retired",
            Self::Paused => "paused",
            Self::NoPolicy => "no-policy",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::BaseOf(child) => write!(f, ":{child}"),
            _ => Ok(()),
        }
    }
}

impl std::str::FromStr for Reason {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let rule = |word: &str| Rule::ALL.into_iter().find(|rule| rule.as_str() == word);
        let parsed = match text {
            "newest" => Some(Self::Newest),
            "within" => Some(Self::Within(Rule::Last)),
            "hold" => Some(Self::Hold),
            "running" => Some(Self::Running),
            "kind-not-selected" => Some(Self::KindNotSelected),
            "grace" => Some(Self::Grace),
            "retired" => Some(Self::Retired),
            "paused" => Some(Self::Paused),
            "no-policy" => Some(Self::NoPolicy),
            _ => None,
        };
        parsed
            .or_else(|| rule(text).map(Self::Rule))
            .or_else(|| {
                text.strip_prefix("oldest-")
                    .and_then(rule)
                    .map(Self::Oldest)
            })
            .or_else(|| {
                text.strip_prefix("oldest-within-")
                    .and_then(rule)
                    .filter(|r| *r != Rule::Last)
                    .map(Self::OldestWithin)
            })
            .or_else(|| {
                text.strip_prefix("within-")
                    .and_then(rule)
                    .filter(|r| *r != Rule::Last)
                    .map(Self::Within)
            })
            .or_else(|| {
                text.strip_prefix("base-of:")
                    .and_then(|name| name.parse().ok())
                    .map(Self::BaseOf)
            })
            .ok_or_else(|| Invalid::new(text, "a reason to keep a snapshot", ""))
    }
}

impl TryFrom<String> for Reason {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::BaseOf(_) => serializer.collect_str(self),
            _ => serializer.serialize_str(self.word()),
        }
    }
}

/// Why a snapshot goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The policy in force deletes it too.
    Expired,
    /// Only the new policy does.
    PolicyChange,
    /// Its host was removed with its snapshots.
    HostRemoved,
    /// It is incomplete and old enough.
    Incomplete,
}

/// How one rule counted one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleHit {
    /// The rule, as the reason is spelled.
    pub rule: Reason,
    /// The how-manieth it counted, from 1; nothing for rules that measure time.
    pub n: Option<u32>,
    /// Of how many, or within which time.
    pub of: Extent,
    /// The bucket, as its zone's wall clock names it; empty for `last` and `within`.
    pub bucket: CompactString,
}

/// How far a rule reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Extent {
    /// So many buckets.
    Count(Count),
    /// So far back in time.
    Span(CalendarSpan),
}

impl std::fmt::Display for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Span(span) => span.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;
    use crate::core::model::Rule;

    #[test]
    fn every_reason_reads_back() {
        let mut all = vec![
            Reason::Newest,
            Reason::Hold,
            Reason::BaseOf("20261122-021500Z__ab12cd".parse().unwrap()),
            Reason::Running,
            Reason::KindNotSelected,
            Reason::Grace,
            Reason::Retired,
            Reason::Paused,
            Reason::NoPolicy,
        ];
        for rule in Rule::ALL {
            all.extend([
                Reason::Rule(rule),
                Reason::Oldest(rule),
                Reason::Within(rule),
            ]);
        }
        for reason in all {
            assert_eq!(reason.to_string().parse(), Ok(reason.clone()), "{reason}");
        }
        assert!("within-last".parse::<Reason>().is_err());
    }
}
