//! What every handler is given.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use chrono_tz::Tz;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::failure::Failure;
use super::metrics::Told;
use super::origin::Origin;
use super::places::Places;
use super::transfers::Transfers;
use crate::ops::{Context, Error};

/// Use cases at once: each holds a thread and a database connection.
const AT_ONCE: usize = 16;
/// Logs that are followed at once: each holds a thread for as long as somebody looks.
const FOLLOWERS: usize = 16;
/// Passwords hashed at once: each takes 19 MiB and a core.
const HASHING_AT_ONCE: usize = 2;

/// Configurations planned at once: each may hold every snapshot of the fleet.
const PLANNING_AT_ONCE: usize = 2;
/// How long one waits for its turn to be planned.
const PATIENCE: Duration = Duration::from_secs(10);

/// The state that handlers share.
#[derive(Clone)]
pub(super) struct App(Arc<Inner>);

struct Inner {
    context: Context,
    origin: Origin,
    proxies: Vec<IpAddr>,
    zone: Tz,
    at_once: Semaphore,
    followers: Arc<Semaphore>,
    transfers: Transfers,
    places: Places,
    hashing: Semaphore,
    planning: Arc<Semaphore>,
    figures: Told,
}

impl App {
    pub(super) fn new(context: Context, origin: Origin, proxies: Vec<IpAddr>, zone: Tz) -> Self {
        Self(Arc::new(Inner {
            context,
            origin,
            proxies,
            zone,
            at_once: Semaphore::new(AT_ONCE),
            followers: Arc::new(Semaphore::new(FOLLOWERS)),
            transfers: Transfers::new(),
            places: Places::new(None),
            hashing: Semaphore::new(HASHING_AT_ONCE),
            planning: Arc::new(Semaphore::new(PLANNING_AT_ONCE)),
            figures: Told::default(),
        }))
    }

    /// The same with a configuration file, whose lines are shown beside what is in force.
    pub(super) fn with_file(self, file: Option<Utf8PathBuf>) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => Self(Arc::new(Inner {
                places: Places::new(file),
                ..inner
            })),
            Err(shared) => Self(shared),
        }
    }

    /// The figures for monitoring that were told last.
    pub(super) fn figures(&self) -> &Told {
        &self.0.figures
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// Where times are shown in.
    pub(super) fn zone(&self) -> Tz {
        self.0.zone
    }

    /// Says that `X-Forwarded-For` of this peer is believed.
    pub(super) fn is_proxy(&self, peer: IpAddr) -> bool {
        self.0.proxies.contains(&peer)
    }

    /// The backups that this server carries out.
    pub(super) fn transfers(&self) -> &Transfers {
        &self.0.transfers
    }

    /// What the configuration file says of places.
    pub(super) fn places(&self) -> &Places {
        &self.0.places
    }

    /// A place among those who follow a log, held until it is dropped; nothing if all are taken.
    pub(super) fn follower(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.followers).try_acquire_owned().ok()
    }

    /// The database for another thread, for whoever asks.
    pub(super) fn context_of(&self, actor: String) -> Context {
        self.0.context.acting_as(actor)
    }

    /// Calls a use case off the threads that serve requests.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Context) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Failure> {
        self.run(&self.0.at_once, work).await
    }

    /// Calls a use case that hashes a password.
    pub(super) async fn hash<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Context) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Failure> {
        self.run(&self.0.hashing, work).await
    }

    /// Calls a use case that reads a configuration which was sent: few at once. One that nobody waits for any more still
    /// counts for as long as it works.
    pub(super) async fn plan<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Context) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let turn = Arc::clone(&self.0.planning).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(PATIENCE, turn).await else {
            return Err(Failure::busy("Other plans are being made."));
        };
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&inner.context);
            drop(permit);
            done
        });
        match done.await {
            Ok(done) => done.map_err(Failure::from),
            Err(_) => Err(Failure::internal()),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        limit: &Semaphore,
        work: impl FnOnce(&Context) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let _permit = limit.acquire().await.map_err(|_| Failure::internal())?;
        let inner = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || work(&inner.context)).await {
            Ok(done) => done.map_err(Failure::from),
            Err(_) => Err(Failure::internal()),
        }
    }
}
