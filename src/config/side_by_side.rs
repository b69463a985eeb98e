//! Pieces of work done by all processors at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// More gain nothing: one thread is through ten thousand hosts before others have begun.
const MOST_WORKERS: usize = 8;

/// How many threads work at once, as the system said when it was first asked.
pub(super) fn most_workers() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| {
        let here = std::thread::available_parallelism();
        here.map_or(1, usize::from).min(MOST_WORKERS)
    })
}

/// Fewer pieces bring little.
const MANY: usize = 8;
/// What a large fleet takes of one thread; it costs addresses alone until it is used.
const ROOM: usize = 16 << 20;

/// Has the allocator make room at once for what this thread does with so many pieces.
///
/// That of glibc (2.36: `sysmalloc`, `grow_heap`) asks the kernel for every further page that a thread needs which is not the
/// first one, and all threads wait for each other there: a tenth of the time. What it once got it goes on with. The first
/// of the two is too large for that place, and raises the size of what is.
pub(super) fn make_room(pieces: usize) {
    if pieces >= MANY {
        for _ in 0..2 {
            let mut room: Vec<u8> = Vec::new();
            // Where there is none, it goes on by pages.
            let _ = room.try_reserve_exact(ROOM);
            drop(std::hint::black_box(room));
        }
    }
}

/// What `work` makes of each number below `count`, in their order. The caller's thread works too; where no other can be
/// had, it does all.
pub(super) fn side_by_side<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(count));
    let all = || {
        make_room(count);
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= count {
                return;
            }
            let made = work(i);
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((i, made));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..most_workers().min(count) {
            let _ = std::thread::Builder::new().spawn_scoped(scope, all);
        }
        all();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    use super::side_by_side;

    #[test]
    fn every_piece_is_done_once_and_stands_in_its_place() {
        for count in [0, 1, 2, 100] {
            let made = side_by_side(count, |i| i * 2);
            assert_eq!(made, (0..count).map(|i| i * 2).collect::<Vec<_>>());
        }
    }
}
