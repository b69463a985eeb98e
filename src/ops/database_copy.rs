//! A copy of the database beside the snapshots, every night: one disk carries all.

use super::root::open_root;
use super::{Context, Error};
use crate::core::model::Timestamp;
use crate::core::schedule::Cron;

/// Before people come to work, after most backups.
const WHEN: &str = "0 5 * * *";
/// A week of them: damage that nobody sees for some days is not in every copy.
const KEPT: usize = 7;

/// Copies the database into the root if the last copy is from before the last time at which one is made.
///
/// # Errors
/// When the root is not there, or the copy cannot be made; older copies are left then.
pub(super) fn copy_if_due(context: &Context, now: Timestamp) -> Result<(), Error> {
    let facts = context.own_facts_about(|_| false)?;
    // Nothing is taken into use for a copy: without a root there are no backups either.
    if facts.root.is_none() {
        return Ok(());
    }
    let root = open_root(context, &facts, now)?;
    let copies = root.database_copies()?;
    let made = copies.list()?.into_iter().map(|copy| copy.at);
    if !is_due(made, now)? {
        return Ok(());
    }
    let path = copies.path_of(now);
    context
        .store
        .backup_to(&super::links::utf8(path.clone())?)?;
    copies.keep_newest(KEPT)?;
    tracing::info!("the database is copied to {}", path.display());
    Ok(())
}

fn is_due(made: impl Iterator<Item = Timestamp>, now: Timestamp) -> Result<bool, Error> {
    // A copy from the future was made by a clock that was wrong, and says nothing of when the last one was made.
    let Some(newest) = made.filter(|at| *at <= now).max() else {
        return Ok(true);
    };
    let next = Cron::parse(WHEN)?.next_after(chrono_tz::Tz::UTC, newest);
    Ok(next.is_some_and(|next| next <= now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_made_at_first_and_then_once_a_night() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let due = |made: &[&str], now| is_due(made.iter().map(|text| at(text)), at(now)).unwrap();
        assert!(due(&[], "2026-11-24T12:00:00Z"));
        assert!(!due(&["2026-11-24T12:00:00Z"], "2026-11-25T04:59:59Z"));
        assert!(due(&["2026-11-24T12:00:00Z"], "2026-11-25T05:00:00Z"));
        assert!(due(&["2026-11-20T05:00:00Z"], "2026-11-24T12:00:00Z"));
        assert!(due(&["2036-11-24T12:00:00Z"], "2026-11-24T12:00:00Z"));
        let after_a_wrong_clock = ["2026-11-24T12:00:00Z", "2036-11-24T12:00:00Z"];
        assert!(!due(&after_a_wrong_clock, "2026-11-24T12:01:00Z"));
    }
}
