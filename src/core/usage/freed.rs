//! What a deletion frees.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::shares::{Key, Usage};
use crate::core::model::SnapshotName;

/// Bytes on disk that a deletion frees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frees {
    /// So many for sure.
    pub bytes: u64,
    /// And no more. Otherwise something has come since it was measured, and more may come free.
    pub exact: bool,
}

/// A snapshot that is on disk now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present<'a> {
    /// Which.
    pub key: &'a Key,
    /// What it was linked against, as far as that is known.
    pub base: Option<&'a SnapshotName>,
}

impl Usage {
    /// What deleting `doomed` frees, of the snapshots that are `present` now.
    ///
    /// What was measured and has gone since is no member of any class any more. What has come since shares nothing but
    /// with its base: bytes that the base has may be in use, and do not count.
    #[must_use]
    pub fn frees(&self, present: &[Present<'_>], doomed: &BTreeSet<&Key>) -> Frees {
        let places = self.places();
        let mut is_present = vec![false; self.snapshots.len()];
        let mut is_doomed = vec![false; self.snapshots.len()];
        let mut may_share = vec![false; self.snapshots.len()];
        let mut exact = true;
        for snapshot in present {
            let dies = doomed.contains(snapshot.key);
            if let Some(place) = places.get(snapshot.key) {
                set(&mut is_present, *place);
                if dies {
                    set(&mut is_doomed, *place);
                    // Of one that stays nothing is promised: what others share with it had a name too many.
                    exact &= self.is_whole(*place);
                }
                continue;
            }
            if dies {
                exact = false;
                continue;
            }
            // Its base, or anything where that is not known or has not been measured either.
            let base = snapshot
                .base
                .filter(|base| self.snapshots.iter().any(|(_, name)| name == *base));
            for (place, (_, name)) in self.snapshots.iter().enumerate() {
                if base.is_none_or(|base| base == name) {
                    set(&mut may_share, place);
                }
            }
        }
        let has = |list: &[bool], place: &usize| list.get(*place).copied().unwrap_or(false);
        let mut bytes = 0_u64;
        for class in &self.classes {
            let mut members = class
                .members
                .iter()
                .filter(|place| has(&is_present, place))
                .peekable();
            if members.peek().is_none() || !members.all(|place| has(&is_doomed, place)) {
                continue;
            }
            // What has gone since may have been the base of what has come since.
            if class.members.iter().any(|place| has(&may_share, place)) {
                exact = false;
            } else {
                bytes = bytes.saturating_add(class.bytes);
            }
        }
        Frees { bytes, exact }
    }

    /// What one snapshot alone holds: what deleting it, and nothing else, frees.
    #[must_use]
    pub fn alone(&self, place: usize) -> u64 {
        let own = self.classes.iter().filter(|class| class.members == [place]);
        own.map(|class| class.bytes).fold(0, u64::saturating_add)
    }

    /// What one snapshot holds, shared or not.
    #[must_use]
    pub fn held(&self, place: usize) -> u64 {
        let held = self.classes.iter();
        held.filter(|class| class.members.binary_search(&place).is_ok())
            .map(|class| class.bytes)
            .fold(0, u64::saturating_add)
    }
}

fn set(list: &mut [bool], place: usize) {
    if let Some(flag) = list.get_mut(place) {
        *flag = true;
    }
}
