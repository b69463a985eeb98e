//! Some threads that share one stack of jobs, each of which may bring more.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The stack: last in, first out, so that a tree is gone through depth first and few directories are open at once.
pub(super) struct Crew<J> {
    queue: Mutex<Queue<J>>,
    changed: Condvar,
}

struct Queue<J> {
    jobs: Vec<J>,
    /// Jobs that are in the hands of somebody and may bring more.
    in_work: usize,
    is_stopped: bool,
}

impl<J: Send> Crew<J> {
    /// Does all `jobs` and those that they bring, by `workers` threads of which the caller's is one; without further
    /// threads that one does all.
    pub(super) fn work(
        workers: usize,
        jobs: impl IntoIterator<Item = J>,
        job: impl Fn(&Self, J) + Sync,
    ) {
        let crew = Self {
            queue: Mutex::new(Queue {
                jobs: jobs.into_iter().collect(),
                in_work: 0,
                is_stopped: false,
            }),
            changed: Condvar::new(),
        };
        let all = || {
            while let Some(next) = crew.next() {
                // Given back even if the job panics: the others must not wait for ever.
                let _in_work = InWork(&crew);
                job(&crew, next);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..workers {
                let _ = std::thread::Builder::new().spawn_scoped(scope, all);
            }
            all();
        });
    }

    pub(super) fn push(&self, jobs: impl IntoIterator<Item = J>) {
        let mut queue = lock(&self.queue);
        let before = queue.jobs.len();
        queue.jobs.extend(jobs);
        if queue.jobs.len() > before {
            self.changed.notify_all();
        }
    }

    /// Nobody begins another job.
    pub(super) fn stop(&self) {
        lock(&self.queue).is_stopped = true;
        self.changed.notify_all();
    }

    fn next(&self) -> Option<J> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.is_stopped {
                return None;
            }
            if let Some(job) = queue.jobs.pop() {
                queue.in_work += 1;
                return Some(job);
            }
            if queue.in_work == 0 {
                return None;
            }
            queue = self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct InWork<'a, J>(&'a Crew<J>);

impl<J> Drop for InWork<'_, J> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        queue.in_work -= 1;
        queue.is_stopped |= std::thread::panicking();
        // Those who wait need to know only when it was the last one.
        if queue.in_work == 0 || queue.is_stopped {
            self.0.changed.notify_all();
        }
    }
}

/// A panic elsewhere leaves the counts as they are, which is what they are then.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn jobs_that_bring_jobs_are_all_done() {
        let done = AtomicU32::new(0);
        Crew::work(3, [10u32], |crew, depth| {
            done.fetch_add(1, Ordering::Relaxed);
            if depth > 0 {
                crew.push([depth - 1, depth - 1]);
            }
        });
        assert_eq!(done.load(Ordering::Relaxed), 2047);
    }

    #[test]
    fn a_stop_ends_it_with_jobs_left() {
        let done = AtomicU32::new(0);
        Crew::work(2, 0..100, |crew, _| {
            done.fetch_add(1, Ordering::Relaxed);
            crew.stop();
        });
        assert!(done.load(Ordering::Relaxed) <= 2);
    }
}
