//! How much of a plan a page holds: what a browser opens at once, whatever the size of the fleet.

/// Rows that are left of each kind; what does not fit is counted.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) refusals: Allotment,
    pub(super) pictures: Allotment,
    pub(super) deletions: Allotment,
    pub(super) kept: Allotment,
    pub(super) drift: Allotment,
    pub(super) changes: Allotment,
    pub(super) quiet: Allotment,
}

/// So many of one kind.
#[derive(Debug)]
pub(super) struct Allotment {
    /// What they are called, one and several.
    words: (&'static str, &'static str),
    left: usize,
    cut: usize,
}

impl Allotment {
    fn of(one: &'static str, several: &'static str, left: usize) -> Self {
        Self {
            words: (one, several),
            left,
            cut: 0,
        }
    }

    /// Takes as many of `wanted` as there are left, and counts the rest.
    pub(super) fn take(&mut self, wanted: usize) -> usize {
        let taken = wanted.min(self.left);
        self.left -= taken;
        self.cut += wanted - taken;
        taken
    }
}

impl Default for Budget {
    /// A row is 150 to 400 bytes and a picture up to 60,000: together a page stays below 15 MB, and an ordinary one far
    /// below one. Deletions have the most room: they are what the page is for.
    fn default() -> Self {
        Self {
            refusals: Allotment::of("refusal", "refusals", 1_000),
            pictures: Allotment::of("picture", "pictures", 100),
            deletions: Allotment::of("deletion", "deletions", 20_000),
            kept: Allotment::of("snapshot that stays", "snapshots that stay", 5_000),
            drift: Allotment::of("drifted object", "drifted objects", 1_000),
            changes: Allotment::of("change", "changes", 2_000),
            quiet: Allotment::of("host that loses nothing", "hosts that lose nothing", 2_000),
        }
    }
}

impl Budget {
    /// What did not fit, a phrase each.
    pub(super) fn cut(&self) -> Vec<String> {
        let all = [
            &self.refusals,
            &self.deletions,
            &self.changes,
            &self.drift,
            &self.kept,
            &self.pictures,
            &self.quiet,
        ];
        all.into_iter()
            .filter(|kind| kind.cut > 0)
            .map(|kind| {
                let (one, several) = kind.words;
                format!("{} {}", kind.cut, if kind.cut == 1 { one } else { several })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut budget = Budget::default();
        assert_eq!(budget.changes.take(1_999), 1_999);
        assert_eq!(budget.changes.take(3), 1);
        assert_eq!(budget.changes.take(1), 0);
        assert_eq!(budget.pictures.take(101), 100);
        assert_eq!(budget.cut(), ["3 changes", "1 picture"]);
    }
}
