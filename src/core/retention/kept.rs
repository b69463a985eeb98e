//! What keeps the snapshots of a host.

use super::{Reason, RuleHit};

/// Why one snapshot stays, and how the rules counted it.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    /// Those of the rules in their order; empty if it goes.
    pub(super) reasons: Vec<Reason>,
    /// How each of them counted it.
    pub(super) hits: Vec<RuleHit>,
}

/// What keeps each snapshot: room for those alone that something keeps, since of a hundred thousand most go.
#[derive(Debug)]
pub(super) struct AllKept {
    /// For each snapshot its place in `kept`, counted from 1; 0 where nothing keeps it.
    places: Vec<u32>,
    kept: Vec<Kept>,
}

impl AllKept {
    /// Nothing keeps any of `count` snapshots.
    pub(super) fn none(count: usize) -> Self {
        Self {
            places: vec![0; count],
            kept: Vec::new(),
        }
    }

    /// What keeps a snapshot, if anything does.
    pub(super) fn get(&self, i: usize) -> Option<&Kept> {
        let kept = self.kept.get(index(*self.places.get(i)?)?)?;
        Some(kept).filter(|kept| !kept.reasons.is_empty())
    }

    /// Takes out what keeps a snapshot, if anything does.
    pub(super) fn take(&mut self, i: usize) -> Option<Kept> {
        let kept = self.kept.get_mut(index(*self.places.get(i)?)?)?;
        Some(std::mem::take(kept)).filter(|kept| !kept.reasons.is_empty())
    }

    /// What keeps a snapshot, to be changed; nothing for one that there is not.
    pub(super) fn get_mut(&mut self, i: usize) -> Option<&mut Kept> {
        let place = self.places.get_mut(i)?;
        if *place == 0 {
            self.kept.push(Kept::default());
            *place = u32::try_from(self.kept.len()).ok()?;
        }
        self.kept.get_mut(index(*place)?)
    }

    pub(super) fn add(&mut self, i: usize, reason: Reason) {
        if let Some(kept) = self.get_mut(i) {
            kept.reasons.push(reason);
        }
    }

    /// Which snapshots stay, newest first, and what keeps each.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, &Kept)> {
        let places = self.places.iter().enumerate();
        places
            .filter(|(_, place)| **place != 0)
            .filter_map(|(i, _)| Some((i, self.get(i)?)))
    }
}

fn index(place: u32) -> Option<usize> {
    usize::try_from(place).ok()?.checked_sub(1)
}
