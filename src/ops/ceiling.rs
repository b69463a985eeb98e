//! Watching what a pull brings, from this side: what a host says of itself may be a lie, and of folders rsync says nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::disk::{Incomplete, Space};
use crate::rsync::Ceiling;

/// How often the file system is asked whether it has grown, which is one call.
const LOOK: Duration = Duration::from_secs(1);
/// Counting takes at most this part of the time of a pull.
const PART: u32 = 20;
/// Where a file system does not count its inodes, the tree is counted after so long, and then each time twice as long after.
const FIRST_COUNT: Duration = Duration::from_secs(60);

/// Does `work` while what has come is held against the limits. The tree is counted only where the whole file system has grown
/// by as much as the host may bring: nothing of an ordinary pull is looked at twice.
pub(super) fn watched<T>(
    incomplete: &Incomplete,
    ceiling: &Ceiling,
    work: impl FnOnce() -> T,
) -> T {
    if ceiling.limits().max_files.is_none() && ceiling.limits().max_size.is_none() {
        return work();
    }
    let has_ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = std::thread::Builder::new()
            .spawn_scoped(scope, || watch(incomplete, ceiling, &has_ended));
        // Without a thread, what rsync says and the count at the end are what is left.
        let _end = End(&has_ended, watching.ok().map(|w| w.thread().clone()));
        work()
    })
}

fn watch(incomplete: &Incomplete, ceiling: &Ceiling, has_ended: &AtomicBool) {
    let is_over = || has_ended.load(Ordering::Acquire) || ceiling.excess().is_some();
    let (begun, before) = (Instant::now(), incomplete.space().ok());
    let mut next_count = begun;
    let mut next_blind_count = begun + FIRST_COUNT;
    while !is_over() {
        std::thread::park_timeout(LOOK);
        let now = Instant::now();
        let is_blind = now >= next_blind_count;
        if is_over() || now < next_count {
            continue;
        }
        let (Some(before), Ok(space)) = (before, incomplete.space()) else {
            continue;
        };
        let is_due = match has_grown(before, space, ceiling) {
            Some(has_grown) => has_grown,
            None => is_blind,
        };
        if !is_due {
            continue;
        }
        if is_blind {
            next_blind_count = now + begun.elapsed();
        }
        // rsync is at work in it: what moves away under the walk is counted the next time.
        if let Ok(Some(excess)) = incomplete.excess(ceiling.limits(), &is_over) {
            ceiling.tell(excess);
        }
        next_count = Instant::now() + now.elapsed().saturating_mul(PART);
    }
}

/// Says that the file system has grown by as much as the host may bring; nothing where it does not say.
fn has_grown(before: Space, now: Space, ceiling: &Ceiling) -> Option<bool> {
    let limits = ceiling.limits();
    let bytes = before.bytes_available.saturating_sub(now.bytes_available);
    if limits.on_bytes(bytes).is_some() {
        return Some(true);
    }
    if limits.max_files.is_none() {
        return Some(false);
    }
    let inodes = before
        .inodes_available?
        .saturating_sub(now.inodes_available?);
    Some(limits.on_names(inodes).is_some())
}

struct End<'e>(&'e AtomicBool, Option<std::thread::Thread>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
        if let Some(thread) = &self.1 {
            thread.unpark();
        }
    }
}
