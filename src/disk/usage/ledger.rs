//! Of every inode, in which snapshots it is and how often.

use std::collections::{BTreeMap, HashMap};

use crate::core::usage::Key;

/// Which snapshots, by place, and under how many names in each; places ascend.
pub(super) type Holders = Vec<(u32, u32)>;

/// One inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Who holds it, by place among the sets.
    pub(super) holders: u32,
    /// Names that it had outside of all snapshots when it was last looked at.
    pub(super) elsewhere: u32,
    /// Bytes on disk.
    pub(super) bytes: u64,
}

/// The ledger of one host. Few sets of holders are shared by many inodes, so each is kept once.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) snapshots: Vec<Key>,
    pub(super) sets: Vec<Holders>,
    pub(super) inodes: HashMap<u64, Entry>,
    by_holders: HashMap<Holders, u32>,
}

/// What a walk says of one name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) inode: u64,
    /// How many names it has; 1 for a directory.
    pub(super) links: u32,
    pub(super) bytes: u64,
}

impl Ledger {
    pub(super) fn new(
        snapshots: Vec<Key>,
        sets: Vec<Holders>,
        inodes: HashMap<u64, Entry>,
    ) -> Self {
        let by_holders = (0_u32..).zip(&sets).map(|(at, set)| (set.clone(), at));
        Self {
            by_holders: by_holders.collect(),
            snapshots,
            sets,
            inodes,
        }
    }

    /// Keeps the snapshots of which `stays` says so; inodes that only others held have gone with them.
    pub(super) fn keep(&mut self, stays: impl Fn(&Key) -> bool) {
        if self.snapshots.iter().all(&stays) {
            return;
        }
        let mut places: Vec<Option<u32>> = Vec::new();
        let mut next = 0;
        for key in &self.snapshots {
            places.push(stays(key).then_some(next));
            next += u32::from(stays(key));
        }
        self.snapshots.retain(&stays);
        let old = std::mem::take(&mut self.sets);
        self.by_holders.clear();
        let moved: Vec<Option<u32>> = old
            .iter()
            .map(|set| {
                let left: Holders = set
                    .iter()
                    .filter_map(|(place, names)| {
                        let at = usize::try_from(*place).ok()?;
                        Some((places.get(at).copied().flatten()?, *names))
                    })
                    .collect();
                (!left.is_empty()).then(|| self.set(left))
            })
            .collect();
        self.inodes.retain(|_, entry| {
            let at = usize::try_from(entry.holders).unwrap_or(usize::MAX);
            match moved.get(at).copied().flatten() {
                Some(holders) => {
                    entry.holders = holders;
                    true
                }
                None => false,
            }
        });
    }

    /// Adds a snapshot that [`Ledger::see`] is then told the names of; the answer is its place.
    pub(super) fn add(&mut self, key: Key) -> u32 {
        self.snapshots.push(key);
        u32::try_from(self.snapshots.len() - 1).unwrap_or(u32::MAX)
    }

    /// Notes one name of the snapshot added last.
    pub(super) fn see(&mut self, place: u32, seen: Seen) {
        let before = self.inodes.get(&seen.inode).copied();
        let mut holders = before
            .and_then(|entry| self.holders(entry))
            .cloned()
            .unwrap_or_default();
        match holders.last_mut() {
            Some((last, names)) if *last == place => *names += 1,
            _ => holders.push((place, 1)),
        }
        let known: u32 = holders.iter().map(|(_, names)| names).sum();
        let entry = Entry {
            elsewhere: seen.links.saturating_sub(known),
            bytes: seen.bytes,
            holders: self.set(holders),
        };
        self.inodes.insert(seen.inode, entry);
    }

    /// Which snapshots share how many bytes, and bytes that are in use elsewhere too.
    pub(super) fn classes(&self) -> (BTreeMap<Vec<usize>, u64>, u64) {
        let mut by_set: HashMap<u32, u64> = HashMap::new();
        let mut elsewhere = 0_u64;
        for entry in self.inodes.values() {
            if entry.elsewhere > 0 {
                elsewhere = elsewhere.saturating_add(entry.bytes);
            } else {
                let sum = by_set.entry(entry.holders).or_default();
                *sum = sum.saturating_add(entry.bytes);
            }
        }
        let mut classes: BTreeMap<Vec<usize>, u64> = BTreeMap::new();
        for (set, bytes) in by_set.into_iter().filter(|(_, bytes)| *bytes > 0) {
            let holders = usize::try_from(set).ok().and_then(|at| self.sets.get(at));
            let members = holders.into_iter().flatten();
            let members = members.filter_map(|(place, _)| usize::try_from(*place).ok());
            let sum = classes.entry(members.collect()).or_default();
            *sum = sum.saturating_add(bytes);
        }
        (classes, elsewhere)
    }

    fn holders(&self, entry: Entry) -> Option<&Holders> {
        self.sets.get(usize::try_from(entry.holders).ok()?)
    }

    fn set(&mut self, holders: Holders) -> u32 {
        if let Some(at) = self.by_holders.get(&holders) {
            return *at;
        }
        let at = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        self.sets.push(holders.clone());
        self.by_holders.insert(holders, at);
        at
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use super::{Ledger, Seen};
    use crate::core::model::SnapshotKind;
    use crate::core::usage::Key;

    fn key(n: u32) -> Key {
        (SnapshotKind::Manual, format!("s{n}").parse().unwrap())
    }

    fn see(ledger: &mut Ledger, place: u32, inode: u64, links: u32) {
        ledger.see(
            place,
            Seen {
                inode,
                links,
                bytes: 10,
            },
        );
    }

    #[test]
    fn inodes_move_from_class_to_class_as_snapshots_come_and_go() {
        let mut ledger = Ledger::default();
        let one = ledger.add(key(1));
        see(&mut ledger, one, 100, 1);
        // Two names in one snapshot.
        see(&mut ledger, one, 101, 2);
        see(&mut ledger, one, 101, 2);
        let two = ledger.add(key(2));
        see(&mut ledger, two, 100, 2);
        see(&mut ledger, two, 102, 2);
        let classes = |ledger: &Ledger| ledger.classes();
        assert_eq!(
            classes(&ledger),
            (BTreeMap::from([(vec![0], 10), (vec![0, 1], 10)]), 10)
        );
        ledger.keep(|key| key.1.as_str() == "s2");
        assert_eq!(classes(&ledger), (BTreeMap::from([(vec![0], 10)]), 10));
        // Its inode is another file by now.
        let three = ledger.add(key(3));
        see(&mut ledger, three, 101, 1);
        assert_eq!(
            classes(&ledger),
            (BTreeMap::from([(vec![0], 10), (vec![1], 10)]), 10)
        );
    }
}
