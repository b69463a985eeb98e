//! What every handler is given.

use std::net::IpAddr;
use std::sync::Arc;

use chrono_tz::Tz;
use tokio::sync::Semaphore;

use super::failure::Failure;
use super::origin::Origin;
use crate::ops::{Context, Error};

/// Use cases at once: each holds a thread and a database connection.
const AT_ONCE: usize = 16;
/// Passwords hashed at once: each takes 19 MiB and a core.
const HASHING_AT_ONCE: usize = 2;

/// The state that handlers share.
#[derive(Clone)]
pub(super) struct App(Arc<Inner>);

struct Inner {
    context: Context,
    origin: Origin,
    proxies: Vec<IpAddr>,
    zone: Tz,
    at_once: Semaphore,
    hashing: Semaphore,
}

impl App {
    pub(super) fn new(context: Context, origin: Origin, proxies: Vec<IpAddr>, zone: Tz) -> Self {
        Self(Arc::new(Inner {
            context,
            origin,
            proxies,
            zone,
            at_once: Semaphore::new(AT_ONCE),
            hashing: Semaphore::new(HASHING_AT_ONCE),
        }))
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
