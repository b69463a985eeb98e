//! Which snapshots share how many bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::model::{SnapshotKind, SnapshotName};

/// A snapshot by kind and name.
pub type Key = (SnapshotKind, SnapshotName);

/// So many bytes that belong to exactly these snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Places of the snapshots, ascending.
    pub members: Vec<usize>,
    /// Bytes on disk.
    pub bytes: u64,
}

/// What could not be looked at when it was measured, and so is in no class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The place of the snapshot; nothing if it is none that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<usize>,
    /// Where the first of it is, and why it could not be looked at.
    pub why: String,
    /// How many more places of the same snapshot there are.
    pub more: u64,
}

/// What was measured of the snapshots of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// The snapshots that were measured.
    pub snapshots: Vec<Key>,
    /// Which of them share how much.
    pub classes: Vec<Class>,
    /// Bytes that something else is linked to as well: no deletion of a snapshot frees them.
    pub elsewhere: u64,
    /// What could not be looked at: where there is such a thing, all sums are the least that it can be.
    pub left_out: Vec<LeftOut>,
}

/// Text that no [`Usage`] was written as.
#[derive(Debug, thiserror::Error)]
#[error("what was measured of disk usage cannot be read")]
pub struct BadUsage;

#[derive(Serialize, Deserialize)]
struct Body {
    snapshots: Vec<Key>,
    /// Places as runs, `0-4,7`, and bytes.
    classes: Vec<(String, u64)>,
    elsewhere: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<LeftOut>,
}

impl Usage {
    /// Reads what [`Usage::to_text`] wrote.
    ///
    /// # Errors
    /// It makes no sense.
    pub fn parse(text: &str) -> Result<Self, BadUsage> {
        let body: Body = serde_json::from_str(text).map_err(|_| BadUsage)?;
        let count = body.snapshots.len();
        let class = |(runs, bytes): (String, u64)| {
            let members = members_of(&runs, count).ok_or(BadUsage)?;
            Ok(Class { members, bytes })
        };
        Ok(Self {
            classes: body
                .classes
                .into_iter()
                .map(class)
                .collect::<Result<_, _>>()?,
            snapshots: body.snapshots,
            elsewhere: body.elsewhere,
            left_out: body.left_out,
        })
    }

    /// The text that SQL keeps.
    #[must_use]
    pub fn to_text(&self) -> String {
        let body = Body {
            snapshots: self.snapshots.clone(),
            classes: self
                .classes
                .iter()
                .map(|class| (runs_of(&class.members), class.bytes))
                .collect(),
            elsewhere: self.elsewhere,
            left_out: self.left_out.clone(),
        };
        serde_json::to_string(&body).unwrap_or_default()
    }

    /// All bytes on disk.
    #[must_use]
    pub fn total(&self) -> u64 {
        let classes = self.classes.iter().map(|class| class.bytes);
        classes.fold(self.elsewhere, u64::saturating_add)
    }

    /// Says that all of a snapshot could be looked at.
    #[must_use]
    pub fn is_whole(&self, place: usize) -> bool {
        !self.left_out.iter().any(|out| out.member == Some(place))
    }

    /// The places of snapshots by key.
    #[must_use]
    pub fn places(&self) -> BTreeMap<&Key, usize> {
        let places = self.snapshots.iter().enumerate();
        places.map(|(place, key)| (key, place)).collect()
    }
}

/// Ascending places as runs.
fn runs_of(members: &[usize]) -> String {
    let mut out = String::new();
    let mut rest = members;
    while let Some((first, tail)) = rest.split_first() {
        let more = tail
            .iter()
            .zip(first + 1..)
            .take_while(|(member, next)| **member == *next)
            .count();
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(&first.to_string());
        if more > 0 {
            out.push_str(&format!("-{}", first + more));
        }
        rest = tail.get(more..).unwrap_or_default();
    }
    out
}

/// The places of runs; nothing unless they ascend and stay below `count`.
fn members_of(runs: &str, count: usize) -> Option<Vec<usize>> {
    let mut members = Vec::new();
    for run in runs.split(',') {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        let follows = members.last().is_none_or(|before| *before < first);
        if !follows || last < first || last >= count {
            return None;
        }
        members.extend(first..=last);
    }
    Some(members)
}
