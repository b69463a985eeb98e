//! The scheduler: what is due becomes runs, some at a time, until somebody wants it to stop.
//!
//! It holds no state that a kill could lose: what is due, claimed, failed and paused is in SQL, which is read anew on
//! every tick, so that a changed configuration needs no restart and two schedulers never do one thing twice.

mod chores;
mod queue;
mod recover;
mod verifications;
mod work;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::{Context, Error, Stop};
use crate::core::model::{HostId, HostName, RunId, Timestamp};
use crate::core::plan::Outcome;
use crate::store::{Claim, Claimed, Lease};

use queue::{Of, Wanted, wanted};
pub(super) use queue::{Scheduled, by_host, waiting};
use work::{Done, Job, work};

/// How often a bound that others have filled is looked at again by a scheduler that runs once.
const FULL_PAUSE: Duration = Duration::from_millis(500);
/// How often it is looked whether a verification is due: that reads the settings of every host.
const VERIFICATIONS: Duration = Duration::from_secs(900);
/// Where the service manager has no watchdog.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How the scheduler runs.
#[derive(Debug, Clone)]
pub struct SchedulerOptions {
    /// How often SQL is read; nothing for one round.
    pub interval: Option<Duration>,
    /// How long running transfers may go on once it is to stop.
    pub grace: Duration,
    /// How often it says that it lives.
    pub beat: Option<Duration>,
}

/// How the scheduler is, for a service manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beat {
    /// It works.
    Working {
        /// Backups at work.
        running: usize,
        /// Hosts that are due and wait.
        waiting: usize,
    },
    /// It stops: nothing new begins.
    Stopping {
        /// Backups at work still.
        running: usize,
    },
}

/// What wakes the scheduler.
enum Event {
    Signal,
    Ended(RunId),
}

/// Wakes a scheduler that waits.
#[derive(Clone)]
pub struct Waker(Sender<Event>);

impl Waker {
    /// Makes the scheduler look at its [`Stop`].
    pub fn wake(&self) {
        // A scheduler that has ended has nobody to wake.
        let _ = self.0.send(Event::Signal);
    }
}

/// A scheduler that has not begun.
pub struct Scheduler<'c> {
    context: &'c Context,
    options: SchedulerOptions,
    events: (Sender<Event>, Receiver<Event>),
}

impl<'c> Scheduler<'c> {
    /// Makes one.
    #[must_use]
    pub fn new(context: &'c Context, options: SchedulerOptions) -> Self {
        Self {
            context,
            options,
            events: channel(),
        }
    }

    /// What wakes it when its [`Stop`] has changed.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(self.events.0.clone())
    }

    /// Runs until `stop` asks for an end or, for one round, until all that was due has been done; says how that went.
    ///
    /// The first wish of `stop` begins nothing new and gives transfers their grace, the second one kills them.
    ///
    /// # Errors
    /// When the database cannot be read at first, or, for one round, at all.
    pub fn run(self, stop: &Arc<Stop>, tell: &mut dyn FnMut(&Beat)) -> Result<Outcome, Error> {
        std::thread::scope(|scope| {
            let mut round = Round {
                context: self.context,
                options: &self.options,
                stop,
                transfers: Arc::new(Stop::new()),
                events: &self.events,
                scope,
                queue: VecDeque::new(),
                running: BTreeMap::new(),
                chores: None,
                beside: Arc::default(),
                verifications: None,
                verifying: Arc::new(Stop::new()),
                max_concurrent: 1,
                ended: Vec::new(),
                stopping_since: None,
            };
            round.tick()?;
            match self.options.interval {
                Some(interval) => round.go_on(interval, tell),
                None => round.finish_once(tell)?,
            }
            round.stop_all(tell);
            round.finish_chores();
            round.finish_verifications();
            Ok(match self.options.interval {
                Some(_) => Outcome::Done,
                None => outcome_of(&round.ended),
            })
        })
    }
}

/// How one round ends: well only if all went well, partly if some backups stand and others do not.
fn outcome_of(ended: &[Ending]) -> Outcome {
    let stands = ended.iter().any(|end| end.backup_stands);
    let fails = ended.iter().any(|end| !end.backup_stands);
    if stands && fails {
        Outcome::PartlyDone
    } else {
        Outcome::worst(ended.iter().map(|end| end.outcome))
    }
}

struct Ending {
    outcome: Outcome,
    backup_stands: bool,
}

/// A backup at work, with the prune behind it.
struct AtWork<'s> {
    host: HostId,
    name: HostName,
    thread: ScopedJoinHandle<'s, Done>,
}

struct Round<'s, 'e> {
    context: &'e Context,
    options: &'e SchedulerOptions,
    stop: &'e Arc<Stop>,
    /// What all transfers hear.
    transfers: Arc<Stop>,
    events: &'e (Sender<Event>, Receiver<Event>),
    scope: &'s Scope<'s, 'e>,
    queue: VecDeque<Wanted>,
    running: BTreeMap<RunId, AtWork<'s>>,
    chores: Option<ScopedJoinHandle<'s, ()>>,
    /// What chores hear, and remember.
    beside: Arc<chores::Beside>,
    /// The verifications at work, and when they began.
    verifications: Option<(ScopedJoinHandle<'s, ()>, Instant)>,
    /// What verifications hear.
    verifying: Arc<Stop>,
    max_concurrent: usize,
    ended: Vec<Ending>,
    stopping_since: Option<Instant>,
}

impl<'e> Round<'_, 'e> {
    /// Reads what is due, and begins as much of it as may run at once.
    fn tick(&mut self) -> Result<(), Error> {
        let at_work: BTreeSet<HostId> = self.running.values().map(|work| work.host).collect();
        recover::recover(self.context, &at_work, self.stop)?;
        let now = super::clock::now();
        let state = self.context.store.global_settings()?;
        let me = self.context.me(&state)?;
        if me.is_some() {
            // Of a lone server without a name nobody asks which one is silent: its sign of life says it.
            let process = super::process_name();
            let store = &self.context.store;
            store.server_seen(me.as_ref(), &process, super::VERSION)?;
        }
        let max_concurrent = state.max_concurrent_of(me.as_ref());
        self.max_concurrent = usize::try_from(max_concurrent).unwrap_or(usize::MAX);
        self.queue = wanted(self.context, now, Of::Server(me.as_ref()))?.into();
        self.fill(now)
    }

    /// Claims what is due while there is room.
    fn fill(&mut self, now: Timestamp) -> Result<(), Error> {
        let server = self.context.server_name()?;
        while !self.stop.is_asked() && self.running.len() < self.max_concurrent {
            let Some(wanted) = self.queue.pop_front() else {
                break;
            };
            let claim = Claim {
                host: wanted.host,
                cause: wanted.cause.clone(),
                prune: wanted.prune,
                at: super::clock::now(),
                process: super::process_name(),
                max_concurrent: u32::try_from(self.max_concurrent).unwrap_or(u32::MAX),
                server: server.clone(),
                lease: self.context.lease,
            };
            match self.context.store.claim(&claim)? {
                Claimed::Run(run, fence) => {
                    let lease = claim.lease_of(fence);
                    self.begin(run, lease, wanted, now);
                }
                Claimed::Held => {
                    tracing::info!(host = %wanted.name, "due, but somebody is at work on it");
                }
                Claimed::Busy(run) => {
                    tracing::info!(host = %wanted.name, "due, but run {run} is at work on it");
                }
                Claimed::Gone => {}
                Claimed::Full => {
                    self.queue.push_front(wanted);
                    break;
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, run: RunId, lease: Lease, wanted: Wanted, now: Timestamp) {
        let context: &'e Context = self.context;
        let (host, name) = (wanted.host, wanted.name.clone());
        let job = Job {
            run,
            lease,
            wanted,
            claimed_at: now,
        };
        let transfers = Arc::clone(&self.transfers);
        let told = Told(self.events.0.clone(), run);
        let thread = self.scope.spawn(move || {
            let _told = told;
            work(context, &job, &transfers)
        });
        self.running.insert(run, AtWork { host, name, thread });
    }

    /// Until somebody wants it to stop.
    fn go_on(&mut self, interval: Duration, tell: &mut dyn FnMut(&Beat)) {
        let mut next = Instant::now() + interval;
        self.begin_chores();
        self.begin_verifications();
        while !self.stop.is_asked() {
            tell(&self.beat());
            self.wait(next.saturating_duration_since(Instant::now()));
            if self.stop.is_asked() {
                break;
            }
            let is_due = Instant::now() >= next;
            let done = if is_due {
                next = Instant::now() + interval;
                self.begin_chores();
                self.begin_verifications();
                self.tick()
            } else {
                self.fill(super::clock::now())
            };
            // A database that is busy or away now may be back on the next tick.
            if let Err(error) = done {
                tracing::error!("{}", super::sentence(&error));
            }
        }
    }

    /// Until what is due has been done.
    fn finish_once(&mut self, tell: &mut dyn FnMut(&Beat)) -> Result<(), Error> {
        while !(self.stop.is_asked() || self.queue.is_empty() && self.running.is_empty()) {
            tell(&self.beat());
            self.wait(FULL_PAUSE);
            self.fill(super::clock::now())?;
        }
        if !self.stop.is_asked() {
            self.begin_chores();
            // Beside nothing, now that the backups are over; a stop that is asked for ends it, too.
            self.begin_verifications();
        }
        while self
            .verifications
            .as_ref()
            .is_some_and(|(thread, _)| !thread.is_finished())
            && !self.stop.is_asked()
        {
            tell(&self.beat());
            self.wait(FULL_PAUSE);
        }
        Ok(())
    }

    /// Waits for an event, at most for `patience` and not beyond the next beat.
    fn wait(&mut self, patience: Duration) {
        let patience = patience.min(self.options.beat.unwrap_or(LONGEST_WAIT));
        match self.events.1.recv_timeout(patience) {
            Ok(Event::Ended(run)) => self.end(run),
            Ok(Event::Signal) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            }
        }
    }

    fn end(&mut self, run: RunId) {
        let Some(AtWork { name, thread, .. }) = self.running.remove(&run) else {
            return;
        };
        match thread.join() {
            Ok(done) => self.ended.push(Ending {
                outcome: done.outcome,
                backup_stands: done.backup_stands,
            }),
            Err(_) => {
                tracing::error!(host = %name, %run, "the run panicked, which is a bug; the next tick settles its row");
                self.ended.push(Ending {
                    outcome: Outcome::Failed,
                    backup_stands: false,
                });
            }
        }
    }

    /// Begins nothing more, and waits for what runs: first with patience, then without.
    fn stop_all(&mut self, tell: &mut dyn FnMut(&Beat)) {
        self.verifying.ask();
        self.beside.stop.ask();
        tell(&Beat::Stopping {
            running: self.running.len(),
        });
        while !self.running.is_empty() {
            let since = *self.stopping_since.get_or_insert_with(|| {
                tracing::info!(
                    running = self.running.len(),
                    "stopping: transfers have {} s to end",
                    self.options.grace.as_secs()
                );
                Instant::now()
            });
            tell(&Beat::Stopping {
                running: self.running.len(),
            });
            let left = self.options.grace.saturating_sub(since.elapsed());
            if left.is_zero() {
                self.transfers.ask();
            }
            if self.stop.is_hurried() {
                self.transfers.hurry();
            }
            self.wait(if left.is_zero() { LONGEST_WAIT } else { left });
        }
    }

    fn beat(&self) -> Beat {
        Beat::Working {
            running: self.running.len(),
            waiting: self.queue.len(),
        }
    }

    /// Chores may take their time, deliveries above all: they keep no backup waiting, and run one round at a time.
    fn begin_chores(&mut self) {
        if self
            .chores
            .as_ref()
            .is_some_and(|chores| !chores.is_finished())
        {
            return;
        }
        self.finish_chores();
        let context: &'e Context = self.context;
        let beside = Arc::clone(&self.beside);
        let thread = self.scope.spawn(move || chores::run_all(context, &beside));
        self.chores = Some(thread);
    }

    /// What is due is verified in a thread of its own, one host at a time.
    fn begin_verifications(&mut self) {
        if self
            .verifications
            .as_ref()
            .is_some_and(|(thread, since)| !thread.is_finished() || since.elapsed() < VERIFICATIONS)
        {
            return;
        }
        self.finish_verifications();
        let context: &'e Context = self.context;
        let stop = Arc::clone(&self.verifying);
        let thread = self
            .scope
            .spawn(move || verifications::verify_due(context, &stop));
        self.verifications = Some((thread, Instant::now()));
    }

    fn finish_verifications(&mut self) {
        if let Some((thread, _)) = self.verifications.take()
            && thread.join().is_err()
        {
            tracing::error!("a verification panicked, which is a bug");
        }
    }

    fn finish_chores(&mut self) {
        if let Some(chores) = self.chores.take()
            && chores.join().is_err()
        {
            tracing::error!("a chore panicked, which is a bug");
        }
    }
}

/// Says that a run has ended, however it did.
struct Told(Sender<Event>, RunId);

impl Drop for Told {
    fn drop(&mut self) {
        // Nobody hears it once the scheduler has gone.
        let _ = self.0.send(Event::Ended(self.1));
    }
}
