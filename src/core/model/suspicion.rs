//! Whether a pull came home with so much less, or with so much changed, that nobody should rely on it before looking.
//!
//! An unmounted disk and ransomware make complete snapshots: rsync has no reason to complain. Night by night they would
//! take the place of the good ones.

use super::{ByteCount, Percent};

/// Hosts with fewer files change by halves every day, and it means nothing.
const FEWEST_FILES: u64 = 20;
/// So do a few small logs.
const FEWEST_BYTES: u64 = 16 << 20;
/// Four fifths of the files: no update of a system changes as many, and whatever encrypts them changes all.
const MOST_CHANGED: u8 = 80;

/// What a pull came home with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Files of every type.
    pub files: Option<u64>,
    /// Regular files.
    pub regular_files: Option<u64>,
    /// Regular files that were not found unchanged in the base.
    pub transferred: Option<u64>,
    /// Bytes of all files together.
    pub bytes: Option<u64>,
    /// It was linked against the earlier one; else every file came anew.
    pub is_linked: bool,
}

/// The earlier snapshot that it is compared with: the newest complete one that is not suspect, or was acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Earlier {
    /// Files of every type.
    pub files: Option<u64>,
    /// Bytes of all files together.
    pub bytes: Option<u64>,
    /// How much had changed in it.
    pub changed: Option<Percent>,
}

impl Pulled {
    /// How much of what the earlier one held has changed; nothing where that cannot be said. New files are no change.
    #[must_use]
    pub fn changed_since(&self, earlier: &Earlier) -> Option<Percent> {
        let (rewritten, old) = self.rewritten(earlier)?;
        let percent = u128::from(rewritten) * 100 / u128::from(old.max(1));
        Some(Percent::clamped(u8::try_from(percent).unwrap_or(100)))
    }

    /// Why it is suspect, one sentence; nothing if it is not. A `limit` of zero suspects nothing.
    ///
    /// The figures come from both ends, so that a host can lie in them: it can hide what became of its own files, and no
    /// more.
    #[must_use]
    pub fn suspicion(&self, earlier: Option<&Earlier>, limit: Percent) -> Option<String> {
        if limit.get() == 0 {
            return None;
        }
        let usual = earlier.copied().unwrap_or_default();
        if self.regular_files == Some(0) && !is_as_large(usual.files, self.files) {
            return Some("its sources hold no files at all".to_owned());
        }
        if let Some((before, now)) = fell(usual.files, self.files, FEWEST_FILES, limit) {
            return Some(format!("its files fell from {before} to {now}"));
        }
        if let Some((before, now)) = fell(usual.bytes, self.bytes, FEWEST_BYTES, limit) {
            let (before, now) = (ByteCount(before), ByteCount(now));
            return Some(format!("its bytes fell from {before} to {now}"));
        }
        let earlier = earlier.filter(|earlier| earlier.changed.is_none_or(|c| !is_much(c)))?;
        let (rewritten, old) = self.rewritten(earlier)?;
        let is_suspect = old >= FEWEST_FILES && self.changed_since(earlier).is_some_and(is_much);
        is_suspect.then(|| format!("{rewritten} of its {old} files have changed"))
    }

    /// How many of the files that were there have changed, and how many were there.
    fn rewritten(&self, earlier: &Earlier) -> Option<(u64, u64)> {
        if !self.is_linked {
            return None;
        }
        let new = self.files?.saturating_sub(earlier.files?);
        let old = self.regular_files?.saturating_sub(new);
        Some((self.transferred?.saturating_sub(new).min(old), old))
    }
}

fn is_much(changed: Percent) -> bool {
    changed.get() >= MOST_CHANGED
}

fn is_as_large(before: Option<u64>, now: Option<u64>) -> bool {
    before.zip(now).is_some_and(|(before, now)| now >= before)
}

/// Both, if there was much before and `limit` percent of it or more are gone.
fn fell(before: Option<u64>, now: Option<u64>, least: u64, limit: Percent) -> Option<(u64, u64)> {
    let (before, now) = before.zip(now)?;
    let gone = u128::from(before.saturating_sub(now));
    let is_much = gone * 100 >= u128::from(before) * u128::from(limit.get());
    (before >= least && is_much).then_some((before, now))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const HALF: Percent = Percent::clamped(50);

    fn pulled(files: u64, bytes: u64, transferred: u64) -> Pulled {
        Pulled {
            files: Some(files + 5),
            regular_files: Some(files),
            transferred: Some(transferred),
            bytes: Some(bytes),
            is_linked: true,
        }
    }

    fn earlier(files: u64, bytes: u64) -> Earlier {
        Earlier {
            files: Some(files + 5),
            bytes: Some(bytes),
            changed: Some(Percent::clamped(3)),
        }
    }

    #[rstest]
    #[case::the_same(pulled(1000, 1 << 30, 0), earlier(1000, 1 << 30), None)]
    #[case::an_ordinary_day(pulled(1010, 1 << 30, 90), earlier(1000, 1 << 30), None)]
    #[case::a_large_update(pulled(1000, 1 << 30, 700), earlier(1000, 1 << 30), None)]
    #[case::growth_by_much(pulled(9000, 1 << 33, 8100), earlier(1000, 1 << 30), None)]
    #[case::half_gone(pulled(490, 1 << 29, 0), earlier(1000, 1 << 29), Some("files fell from 1005 to 495"))]
    #[case::not_quite_half(pulled(600, 700 << 20, 0), earlier(1000, 1 << 30), None)]
    #[case::one_large_file_gone(pulled(3, 1 << 20, 0), earlier(4, 1 << 30), Some("bytes fell from 1"))]
    #[case::small_hosts(pulled(2, 100, 2), earlier(9, 1000), None)]
    #[case::all_rewritten(pulled(1000, 1 << 30, 1000), earlier(1000, 1 << 30), Some("1000 of its 1000 files have changed"))]
    #[case::all_rewritten_and_a_note_in_each_folder(pulled(1100, 1 << 30, 1100), earlier(1000, 1 << 30), Some("1000 of its 1000"))]
    #[case::four_fifths(pulled(1000, 1 << 30, 800), earlier(1000, 1 << 30), Some("800 of its 1000"))]
    #[case::few_files_rewritten(pulled(19, 1 << 20, 19), earlier(19, 1 << 20), None)]
    #[case::empty(pulled(0, 0, 0), earlier(4, 1000), Some("no files at all"))]
    #[case::empty_as_it_was(pulled(0, 0, 0), earlier(0, 0), None)]
    fn what_shrank_or_changed_beyond_measure_is_suspect(
        #[case] now: Pulled,
        #[case] before: Earlier,
        #[case] why: Option<&str>,
    ) {
        let found = now.suspicion(Some(&before), HALF);
        match why {
            None => assert_eq!(found, None),
            Some(why) => assert!(found.as_ref().is_some_and(|f| f.contains(why)), "{found:?}"),
        }
        assert_eq!(now.suspicion(Some(&before), Percent::clamped(0)), None);
    }

    #[test]
    fn a_first_pull_is_suspect_only_if_it_is_empty() {
        let first = |files| Pulled {
            is_linked: false,
            ..pulled(files, 1 << 30, files)
        };
        assert_eq!(first(1000).suspicion(None, HALF), None);
        assert!(first(0).suspicion(None, HALF).is_some());
    }

    #[test]
    fn a_full_pull_beside_an_earlier_snapshot_is_no_change() {
        let now = Pulled {
            is_linked: false,
            ..pulled(1000, 1 << 30, 1000)
        };
        assert_eq!(now.suspicion(Some(&earlier(1000, 1 << 30)), HALF), None);
    }

    #[test]
    fn what_always_changes_is_not_suspect_for_it() {
        let now = pulled(30, 1 << 30, 30);
        let before = Earlier {
            changed: Some(Percent::clamped(100)),
            ..earlier(30, 1 << 30)
        };
        assert_eq!(now.suspicion(Some(&before), HALF), None);
        assert_eq!(now.changed_since(&before), Some(Percent::clamped(100)));
    }

    #[test]
    fn the_limit_is_the_share_that_is_gone() {
        let before = earlier(1000, 1 << 30);
        let now = pulled(700, 1 << 30, 0);
        assert_eq!(now.suspicion(Some(&before), HALF), None);
        assert!(now.suspicion(Some(&before), Percent::clamped(20)).is_some());
        let all_but_one = pulled(1, 1 << 30, 0);
        assert_eq!(
            all_but_one.suspicion(Some(&before), Percent::clamped(100)),
            None
        );
    }

    proptest! {
        #[test]
        fn figures_of_any_size_are_compared_without_a_panic(
            files: Option<u64>, regular: Option<u64>, transferred: Option<u64>, bytes: Option<u64>,
            earlier_files: Option<u64>, earlier_bytes: Option<u64>, limit in 0u8..=100, is_linked: bool,
        ) {
            let now = Pulled { files, regular_files: regular, transferred, bytes, is_linked };
            let before = Earlier { files: earlier_files, bytes: earlier_bytes, changed: None };
            let _ = now.suspicion(Some(&before), Percent::clamped(limit));
            let _ = now.changed_since(&before);
        }
    }
}
