//! The pulse of a run: signs of life while it works, and an ear for whoever wants it to stop.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::grip::LeaseWatch;
use super::{Context, Error};
use crate::core::model::RunId;
use crate::rsync::Stop;

/// How long a wish to stop may go unheard.
const TICK: Duration = Duration::from_millis(100);
/// How often the database is told: a run that is silent for many times as long has lost its process.
const BEAT: Duration = Duration::from_secs(5);

/// What is shared with the work.
pub(super) struct Pulse {
    /// What stops the work.
    pub(super) stop: Stop,
    bytes: AtomicU64,
    has_ended: AtomicBool,
}

impl Pulse {
    /// Says how far the work is.
    pub(super) fn is_at(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

/// Does `work` while the row of `run` is told that it lives, and hands on the wish of `stop`, or of somebody who cancels
/// the run in SQL or has taken the host over.
///
/// # Errors
/// Those of `work`, which does not begin without a thread that hears these wishes.
pub(super) fn with_pulse<T>(
    context: &Context,
    run: RunId,
    stop: &Stop,
    lease: Option<&LeaseWatch>,
    work: impl FnOnce(&Pulse) -> Result<T, Error>,
) -> Result<T, Error> {
    let pulse = Pulse {
        stop: Stop::new(),
        bytes: AtomicU64::new(0),
        has_ended: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let beating = std::thread::Builder::new()
            .spawn_scoped(scope, || beat(context, run, stop, lease, &pulse))
            .map_err(|source| Error::File {
                doing: "start",
                path: "a thread".to_owned(),
                source,
            })?;
        // Also when the work panics: a scope waits for its threads.
        let _end = End(&pulse, beating.thread().clone());
        work(&pulse)
    })
}

fn beat(context: &Context, run: RunId, stop: &Stop, lease: Option<&LeaseWatch>, pulse: &Pulse) {
    let mut last: Option<Instant> = None;
    while !pulse.has_ended.load(Ordering::Acquire) {
        pulse.stop.follow(stop);
        if lease.is_some_and(LeaseWatch::is_taken) {
            pulse.stop.ask();
        }
        if last.is_none_or(|last| last.elapsed() >= BEAT) {
            let bytes = pulse.bytes.load(Ordering::Relaxed);
            match context
                .store
                .record_progress(run, bytes, super::clock::now())
            {
                Ok(true) => {}
                Ok(false) => pulse.stop.ask(),
                // A database that is busy for a while ends no transfer.
                Err(error) => tracing::warn!("run {run}: no sign of life recorded: {error}"),
            }
            last = Some(Instant::now());
        }
        std::thread::park_timeout(TICK);
    }
}

struct End<'p>(&'p Pulse, std::thread::Thread);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::Release);
        self.1.unpark();
    }
}
