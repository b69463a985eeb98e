//! Retention policies.

use std::cell::RefCell;
use std::collections::HashMap;
use std::num::NonZeroU32;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{CalendarSpan, Fingerprint, Invalid, SnapshotKind, Span};

/// How many buckets a rule keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Count {
    /// This many.
    Number(NonZeroU32),
    /// All there are.
    Unlimited,
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(n) => n.fmt(f),
            Self::Unlimited => f.pad("unlimited"),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum CountOnTheWire {
    Number(NonZeroU32),
    Word(String),
}

impl Serialize for Count {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(n) => CountOnTheWire::Number(*n),
            Self::Unlimited => CountOnTheWire::Word("unlimited".to_owned()),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match CountOnTheWire::deserialize(deserializer)? {
            CountOnTheWire::Number(n) => Ok(Self::Number(n)),
            CountOnTheWire::Word(word) if word == "unlimited" => Ok(Self::Unlimited),
            CountOnTheWire::Word(word) => Err(serde::de::Error::custom(Invalid::new(
                word,
                "a count",
                "write a number or \"unlimited\"",
            ))),
        }
    }
}

/// The calendar a rule cuts time by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// No calendar: each snapshot is a bucket of its own.
    Last,
    /// Clock hours.
    Hourly,
    /// Days.
    Daily,
    /// ISO weeks.
    Weekly,
    /// Months.
    Monthly,
    /// Quarters of a year.
    Quarterly,
    /// Years.
    Yearly,
}

impl Rule {
    /// All rules, finest first.
    pub const ALL: [Self; 7] = [
        Self::Last,
        Self::Hourly,
        Self::Daily,
        Self::Weekly,
        Self::Monthly,
        Self::Quarterly,
        Self::Yearly,
    ];

    /// The word for it, as a policy writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Quarterly => "quarterly",
            Self::Yearly => "yearly",
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The rules of a policy; absent ones keep nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[allow(missing_docs, reason = "each field is the rule of its name")]
pub struct Keep {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarterly: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yearly: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<CalendarSpan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_hourly: Option<CalendarSpan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_daily: Option<CalendarSpan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_weekly: Option<CalendarSpan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_monthly: Option<CalendarSpan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_quarterly: Option<CalendarSpan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_yearly: Option<CalendarSpan>,
}

impl Keep {
    /// How many buckets `rule` keeps.
    #[must_use]
    pub fn count(&self, rule: Rule) -> Option<Count> {
        match rule {
            Rule::Last => self.last,
            Rule::Hourly => self.hourly,
            Rule::Daily => self.daily,
            Rule::Weekly => self.weekly,
            Rule::Monthly => self.monthly,
            Rule::Quarterly => self.quarterly,
            Rule::Yearly => self.yearly,
        }
    }

    /// The slot of `rule`, to be set.
    pub fn count_mut(&mut self, rule: Rule) -> &mut Option<Count> {
        match rule {
            Rule::Last => &mut self.last,
            Rule::Hourly => &mut self.hourly,
            Rule::Daily => &mut self.daily,
            Rule::Weekly => &mut self.weekly,
            Rule::Monthly => &mut self.monthly,
            Rule::Quarterly => &mut self.quarterly,
            Rule::Yearly => &mut self.yearly,
        }
    }

    /// How far back one snapshot of each bucket of `rule` is kept; every snapshot for [`Rule::Last`].
    #[must_use]
    pub fn within(&self, rule: Rule) -> Option<CalendarSpan> {
        match rule {
            Rule::Last => self.within,
            Rule::Hourly => self.within_hourly,
            Rule::Daily => self.within_daily,
            Rule::Weekly => self.within_weekly,
            Rule::Monthly => self.within_monthly,
            Rule::Quarterly => self.within_quarterly,
            Rule::Yearly => self.within_yearly,
        }
    }

    /// The slot of `within` of `rule`, to be set.
    pub fn within_mut(&mut self, rule: Rule) -> &mut Option<CalendarSpan> {
        match rule {
            Rule::Last => &mut self.within,
            Rule::Hourly => &mut self.within_hourly,
            Rule::Daily => &mut self.within_daily,
            Rule::Weekly => &mut self.within_weekly,
            Rule::Monthly => &mut self.within_monthly,
            Rule::Quarterly => &mut self.within_quarterly,
            Rule::Yearly => &mut self.within_yearly,
        }
    }

    /// Says that no rule is set; such a policy must never be planned with.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The kinds of snapshot that a policy or a question is about. Never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<SnapshotKind>", into = "Vec<SnapshotKind>")]
pub struct Kinds {
    scheduled: bool,
    manual: bool,
}

impl Kinds {
    /// Both kinds.
    pub const ALL: Self = Self {
        scheduled: true,
        manual: true,
    };

    /// One kind alone.
    #[must_use]
    pub const fn only(kind: SnapshotKind) -> Self {
        Self {
            scheduled: matches!(kind, SnapshotKind::Scheduled),
            manual: matches!(kind, SnapshotKind::Manual),
        }
    }

    /// Says that `kind` is among them.
    #[must_use]
    pub const fn contains(self, kind: SnapshotKind) -> bool {
        match kind {
            SnapshotKind::Scheduled => self.scheduled,
            SnapshotKind::Manual => self.manual,
        }
    }

    /// Those in both; none if they share none.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Option<Self> {
        let both = Self {
            scheduled: self.scheduled && other.scheduled,
            manual: self.manual && other.manual,
        };
        if both.scheduled || both.manual {
            Some(both)
        } else {
            None
        }
    }

    /// Each of them, `scheduled` first.
    pub fn iter(self) -> impl Iterator<Item = SnapshotKind> {
        SnapshotKind::ALL
            .into_iter()
            .filter(move |kind| self.contains(*kind))
    }
}

impl TryFrom<Vec<SnapshotKind>> for Kinds {
    type Error = Invalid;

    fn try_from(kinds: Vec<SnapshotKind>) -> Result<Self, Invalid> {
        let found = Self {
            scheduled: kinds.contains(&SnapshotKind::Scheduled),
            manual: kinds.contains(&SnapshotKind::Manual),
        };
        if kinds.is_empty() {
            Err(Invalid::new(
                "",
                "a list of kinds",
                "name `scheduled`, `manual` or both",
            ))
        } else {
            Ok(found)
        }
    }
}

impl From<Kinds> for Vec<SnapshotKind> {
    fn from(kinds: Kinds) -> Self {
        kinds.iter().collect()
    }
}

impl std::str::FromStr for Kinds {
    type Err = Invalid;

    /// Reads `scheduled`, `manual`, `all`, or a list with commas.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text == "all" {
            return Ok(Self::ALL);
        }
        let kinds: Result<Vec<SnapshotKind>, _> =
            text.split(',').map(|word| word.trim().parse()).collect();
        kinds.and_then(Self::try_from).map_err(|_| {
            Invalid::new(
                text,
                "a selection of kinds",
                "write `scheduled`, `manual` or `all`",
            )
        })
    }
}

impl std::fmt::Display for Kinds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<&str> = self.iter().map(SnapshotKind::as_str).collect();
        f.pad(&words.join(","))
    }
}

/// The effective retention settings of one host: everything that decides, and nothing else.
///
/// On the wire the rules stand beside the other settings: `{"daily": 30, "kinds": ["scheduled"], …}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Policy {
    /// The rules.
    #[serde(flatten)]
    pub keep: Keep,
    /// What a kept snapshot was linked against is kept too.
    pub protect_bases: bool,
    /// The kinds that fill buckets and may be deleted.
    pub kinds: Kinds,
    /// The zone whose wall clock cuts the buckets.
    pub timezone: Tz,
    /// How long an incomplete snapshot stays.
    pub incomplete_after: Span,
}

impl Policy {
    /// How long incomplete snapshots stay unless a policy says otherwise.
    pub const INCOMPLETE_AFTER: Span = Span::from_hours(48);

    /// A policy of `keep` with every other setting as built in.
    #[must_use]
    pub fn of(keep: Keep) -> Self {
        Self {
            keep,
            protect_bases: false,
            kinds: Kinds::only(SnapshotKind::Scheduled),
            timezone: Tz::UTC,
            incomplete_after: Self::INCOMPLETE_AFTER,
        }
    }

    /// SHA-256 over the canonical JSON of everything that decides: approvals are given to this value.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        FINGERPRINTS.with_borrow_mut(|known| {
            if let Some(fingerprint) = known.get(self) {
                return fingerprint.clone();
            }
            let fingerprint = Fingerprint::of(self);
            if known.len() < REMEMBERED {
                known.insert(self.clone(), fingerprint.clone());
            }
            fingerprint
        })
    }
}

/// A fleet has some dozens of policies; the fingerprint of one beyond so many is computed each time.
const REMEMBERED: usize = 256;

thread_local! {
    /// Fingerprints that were computed: each host of a fleet is asked for that of one of a few policies.
    static FINGERPRINTS: RefCell<HashMap<Policy, Fingerprint>> = RefCell::default();
}

#[cfg(test)]
mod tests {
    use super::Policy;

    #[test]
    fn a_policy_reads_back_with_its_rules_beside_its_settings() {
        let text = r#"{"daily":14,"incomplete-after":"2d","kinds":["scheduled"],"last":"unlimited","protect-bases":true,"timezone":"Europe/Amsterdam","within-weekly":"1y2m"}"#;
        let policy: Policy = serde_json::from_str(text).unwrap();
        assert_eq!(
            crate::core::model::canonical_json(&serde_json::to_value(&policy).unwrap()),
            text
        );
    }
}
