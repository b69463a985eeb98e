//! How much room the backup root has: enough for a run to begin, and for how long.

use super::Error;
use super::context::Facts;
use crate::core::model::{AbsolutePath, Percent};
use crate::disk::{Root, Space};
use crate::rsync::Room;

/// Refuses a run on a root with less room than `min-free`.
///
/// # Errors
/// [`Error::TooFull`]; or the root cannot be looked at.
pub(super) fn check_room(root: &Root, facts: &Facts) -> Result<(), Error> {
    let space = root.space()?;
    let path: AbsolutePath = root.path().to_string_lossy().parse()?;
    let limit = min_free(facts);
    if space.is_short_of_bytes(limit) {
        let free = percent(space.bytes_available, space.bytes_total);
        return Err(Error::TooFull {
            what: "bytes",
            root: path,
            free,
            limit,
        });
    }
    if let (true, Some(available), Some(total)) = (
        space.is_short_of_inodes(limit),
        space.inodes_available,
        space.inodes_total,
    ) {
        return Err(Error::TooFull {
            what: "inodes",
            root: path,
            free: percent(available, total),
            limit,
        });
    }
    Ok(())
}

/// What is short, before it bites: less than twice `min-free`. One that cannot be looked at is told by others.
pub(super) fn scarce(root: &Root, facts: &Facts) -> Vec<String> {
    let limit = min_free(facts);
    let early = Percent::clamped(limit.get().saturating_mul(2));
    let Ok(space) = root.space() else {
        return Vec::new();
    };
    let line = |what: &str, free: u8| {
        format!(
            "only {free}% of the {what} of the backup root are free: with less than {limit} no run begins (`min-free`)"
        )
    };
    let mut lines = Vec::new();
    if space.is_short_of_bytes(early) {
        let free = percent(space.bytes_available, space.bytes_total);
        lines.push(line("bytes", free));
    }
    if let (true, Some(available), Some(total)) = (
        space.is_short_of_inodes(early),
        space.inodes_available,
        space.inodes_total,
    ) {
        lines.push(line("inodes", percent(available, total)));
    }
    lines
}

fn min_free(facts: &Facts) -> Percent {
    let global = facts.state.global.as_ref();
    global
        .map(|global| global.settings.guard)
        .unwrap_or_default()
        .min_free
}

fn percent(part: u64, whole: u64) -> u8 {
    u8::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(100)
}

/// What the meaning of rsync's end depends on.
pub(super) fn room_of(space: Space) -> Room {
    Room {
        bytes_free: space.bytes_available,
        inodes_free: space.inodes_available.unwrap_or(u64::MAX),
    }
}
