//! When a host is backed up.

use chrono_tz::Tz;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::invalid::{text_newtype, text_on_the_wire};
use super::{Invalid, Label, Span};

/// A crontab(5) line of five fields or an `@` word that `core::schedule` has accepted, so that it fires.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CronText(CompactString);

text_newtype!(CronText);
text_on_the_wire!(CronText);

impl std::str::FromStr for CronText {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        crate::core::schedule::check(text).map(|()| Self(text.into()))
    }
}

/// One schedule of a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Schedule {
    /// The named schedule it came from, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// When it fires.
    pub cron: CronText,
    /// The zone whose wall clock the cron line means.
    pub timezone: Tz,
    /// A start is put off by a stable part of this, so that a fleet does not start at once.
    pub jitter: Span,
    /// Prune through the gate after a successful backup.
    pub prune: bool,
}
