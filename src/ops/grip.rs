//! The hold on one host: its lock on this disk, and its lease in the database. Whoever works on a host has both.
//!
//! The lock keeps processes of one disk apart. The lease keeps apart whatever shares a database, and says to all others
//! that somebody is at work. A thread renews it; a process that stood still for longer than it lasts has to look whether it
//! is still its own before it renames or records anything.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::{Context, Error, process_name, sentence};
use crate::core::model::{HostName, Label, SqlHost};
use crate::disk::{HostLock, Liveness, ProcessName};
use crate::store::{Lease, LeaseWish, Leased, Store, StoreError};

/// How often a lease is renewed at the least; a short one is renewed three times in its life.
const BEAT: Duration = Duration::from_secs(5);

/// The lock and the lease of one host.
pub(super) struct Grip {
    // Given back before the lock: whoever finds the lock free is not told that the host is leased.
    lease: KeptLease,
    lock: HostLock,
}

impl Grip {
    /// Takes the lease of a host whose lock the caller holds; `claimed` came with the run.
    ///
    /// # Errors
    /// When another process has the lease, or the database cannot be worked with.
    pub(super) fn new(
        context: &Context,
        host: &SqlHost,
        lock: HostLock,
        claimed: Option<Lease>,
    ) -> Result<Self, Error> {
        let lease = match claimed {
            Some(lease) => lease,
            None => take(context, host)?,
        };
        Ok(Self {
            lease: KeptLease::keep(context, host.name.clone(), lease)?,
            lock,
        })
    }

    /// The lease, as rows are written under it.
    pub(super) fn lease(&self) -> &Lease {
        &self.lease.shared.lease
    }

    /// Looks whether the host is still ours, right before something is renamed: the answer of the database is not older
    /// than the lease lasts.
    ///
    /// # Errors
    /// When somebody else has taken the host over, or the database does not say.
    pub(super) fn must_be_ours(&self) -> Result<(), Error> {
        self.lease.shared.look()?;
        // A process that stood still since the question was asked asks again.
        while !self.lease.shared.is_sure() {
            self.lease.shared.look()?;
        }
        Ok(())
    }

    /// Says that somebody else is known to have taken the host over. A database that is away for a while takes nothing.
    pub(super) fn is_lost(&self) -> bool {
        match self.lease.shared.look() {
            Ok(()) => false,
            Err(_) => self.lease.shared.is_taken.load(Ordering::Acquire),
        }
    }

    /// An ear for the loss of the lease, for whoever works under it.
    pub(super) fn watch(&self) -> LeaseWatch {
        LeaseWatch(Arc::clone(&self.lease.shared))
    }

    /// Gives both back.
    ///
    /// # Errors
    /// When the note of the lock could not be cleared; the lock is free all the same.
    pub(super) fn release(self) -> Result<(), Error> {
        let Self { lease, lock } = self;
        drop(lease);
        Ok(lock.release()?)
    }
}

impl Deref for Grip {
    type Target = HostLock;

    fn deref(&self) -> &HostLock {
        &self.lock
    }
}

impl DerefMut for Grip {
    fn deref_mut(&mut self) -> &mut HostLock {
        &mut self.lock
    }
}

/// Hears whether a lease is lost.
pub(super) struct LeaseWatch(Arc<Shared>);

impl LeaseWatch {
    /// Says that somebody else has taken the host over.
    pub(super) fn is_taken(&self) -> bool {
        self.0.is_taken.load(Ordering::Acquire)
    }
}

fn take(context: &Context, host: &SqlHost) -> Result<Lease, Error> {
    let mut wish = LeaseWish {
        host: host.id,
        server: context.server_name()?,
        process: process_name(),
        length: context.lease,
        gone: None,
    };
    // Twice at most: a process that is gone is replaced by nobody but who holds the lock of this host.
    for _ in 0..2 {
        match context.store.take_lease(&wish)? {
            Leased::Ours(lease) => return Ok(lease),
            Leased::Theirs { process, fence, .. } if is_gone(&process) => wish.gone = Some(fence),
            Leased::Theirs {
                process,
                expires_at,
                ..
            } => {
                return Err(leased(host, wish.server.as_ref(), &process, expires_at));
            }
        }
    }
    Err(leased(
        host,
        wish.server.as_ref(),
        "another one",
        super::clock::now(),
    ))
}

fn leased(
    host: &SqlHost,
    server: Option<&Label>,
    process: &str,
    expires_at: crate::core::model::Timestamp,
) -> Error {
    let of = server.map_or(String::new(), |server| format!(" of {server}"));
    Error::Locked {
        host: host.name.clone(),
        holder: format!(
            "process {process}{of}, which is at work on it by the database until {expires_at} at least"
        ),
    }
}

/// Says that a process of this machine has ended.
pub(super) fn is_gone(process: &str) -> bool {
    ProcessName::parse(process).is_some_and(|process| process.liveness() == Liveness::Gone)
}

/// A lease that a thread renews.
struct KeptLease {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    store: Arc<dyn Store>,
    host: HostName,
    lease: Lease,
    /// Until when it is ours whatever others do, in milliseconds of a clock that goes on while the machine sleeps.
    sure_until: AtomicI64,
    is_taken: AtomicBool,
    has_ended: AtomicBool,
}

impl Shared {
    fn look(&self) -> Result<(), Error> {
        // Before the question: the database counts from when it answers.
        let asked = since_boot();
        if !self.is_taken.load(Ordering::Acquire) && self.store.renew_lease(&self.lease)? {
            let sure = asked.saturating_add(self.lease.length.millis());
            self.sure_until.store(sure, Ordering::Release);
            return Ok(());
        }
        self.is_taken.store(true, Ordering::Release);
        let host = self.lease.host;
        Err(StoreError::LeaseLost { host }.into())
    }

    fn is_sure(&self) -> bool {
        !self.is_taken.load(Ordering::Acquire)
            && since_boot() < self.sure_until.load(Ordering::Acquire)
    }
}

/// `CLOCK_BOOTTIME`, which goes on while the machine sleeps; `Instant` does not.
fn since_boot() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec
        .saturating_mul(1000)
        .saturating_add(now.tv_nsec / 1_000_000)
}

impl KeptLease {
    fn keep(context: &Context, host: HostName, lease: Lease) -> Result<Self, Error> {
        let length = Duration::from_secs(lease.length.seconds());
        let beat = BEAT.min(length / 3);
        let shared = Arc::new(Shared {
            store: Arc::clone(&context.store),
            host,
            lease,
            sure_until: AtomicI64::new(0),
            is_taken: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        });
        let kept = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .spawn(move || renew(&kept, beat))
            .map_err(|source| Error::File {
                doing: "start",
                path: "a thread".to_owned(),
                source,
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }
}

fn renew(shared: &Shared, beat: Duration) {
    loop {
        std::thread::park_timeout(beat);
        if shared.has_ended.load(Ordering::Acquire) {
            return;
        }
        match shared.look() {
            Ok(()) => {}
            Err(error) if shared.is_taken.load(Ordering::Acquire) => {
                tracing::error!(host = %shared.host, "{}", sentence(&error));
                return;
            }
            // A database that is away for a while takes nothing: whoever renames or records asks by itself.
            Err(error) => {
                tracing::warn!(host = %shared.host, "the lease was not renewed: {}", sentence(&error));
            }
        }
    }
}

impl Drop for KeptLease {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It panicked only if it was a bug, and then has told so.
            let _ = thread.join();
        }
        if self.shared.is_taken.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = self.shared.store.release_lease(&self.shared.lease) {
            tracing::warn!(host = %self.shared.host, "the lease was not given back and runs out by itself: {error}");
        }
    }
}
