//! The manifest that is made with a snapshot.

use super::links::Links;
use crate::core::manifest::ManifestHead;
use crate::core::model::{Excess, Limits, SnapshotKind};
use crate::disk::{DiskError, HostLock, Incomplete, ManifestRequest};
use crate::rsync::Stop;

/// More threads read no faster from one disk, and the server has other hosts to serve.
const MOST_THREADS: usize = 4;
/// Where the base has no manifest, as after an upgrade, a night reads so much of what is old, and the next one goes on: a
/// backup does not take hours longer for it.
const OLD_BYTES: u64 = 16 << 30;

/// How many threads read files.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS))
}

/// Writes the manifest of what was just pulled, before it is visible, and counts it on the way. Says what went wrong: a
/// snapshot without a manifest is whole all the same, and the next verification makes up for it.
///
/// # Errors
/// The tree is over a limit.
pub(super) fn write_with_pull(
    lock: &HostLock,
    incomplete: &Incomplete,
    links: &Links,
    kind: SnapshotKind,
    limits: Limits,
    stop: &Stop,
) -> Result<Option<String>, Excess> {
    let head = ManifestHead {
        kind,
        snapshot: incomplete.name().clone(),
        made_at: super::clock::now(),
        with_pull: true,
    };
    let begun = std::time::Instant::now();
    let made = lock.write_manifest(
        incomplete,
        ManifestRequest {
            head: &head,
            base: links.manifest.as_ref().map(|(kind, name)| (*kind, name)),
            old_bytes: OLD_BYTES,
            limits,
            threads: threads(),
            bytes_per_second: None,
            stop: &|| stop.is_asked(),
        },
    );
    let later = "the next `pobsync verify` makes one";
    let wrong = match made {
        Ok(Some(made)) => {
            tracing::debug!(
                names = made.names,
                read = made.read,
                taken_over = made.taken_over,
                open = made.open,
                ms = begun.elapsed().as_millis(),
                "manifest of {}",
                head.snapshot
            );
            return Ok(None);
        }
        Ok(None) => format!("its manifest was not finished: {later}"),
        Err(DiskError::OverLimit(excess)) => return Err(excess),
        Err(error) => {
            let why = super::sentence(&error.into());
            format!("it has no manifest: {why}; {later}")
        }
    };
    // It did not come to the end of the tree.
    if !limits.is_default()
        && let Ok(Some(excess)) = incomplete.excess(&limits, &|| false)
    {
        return Err(excess);
    }
    Ok(Some(wrong))
}
