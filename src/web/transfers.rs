//! The backups that this server carries out itself: each on a thread, all ended when the server ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::failure::Failure;
use crate::core::model::HostName;
use crate::ops::{self, Begun, Context, Stop};

/// Shared by all who begin and end backups.
#[derive(Clone)]
pub(super) struct Transfers(Arc<Inner>);

struct Inner {
    stop: Stop,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Transfers {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            stop: Stop::new(),
            threads: Mutex::new(Vec::new()),
        }))
    }

    /// Backs a host up; answers once the run is claimed, or left to another server.
    pub(super) async fn begin(&self, context: Context, host: HostName) -> Result<Begun, Failure> {
        if self.0.stop.is_asked() {
            return Err(Failure::new(
                axum::http::StatusCode::SERVICE_UNAVAILABLE,
                "This server is about to stop.",
            ));
        }
        let (tell, told) = oneshot::channel();
        let inner = Arc::clone(&self.0);
        let thread = std::thread::Builder::new()
            .name(format!("backup {host}"))
            .spawn(move || {
                ops::back_up_now(&context, &host, &inner.stop, |claimed| {
                    // Whoever asked may have gone; the run goes on.
                    let _ = tell.send(claimed);
                });
            })
            .map_err(|error| {
                tracing::error!("no thread for a backup: {error}");
                Failure::internal()
            })?;
        self.keep(thread);
        match told.await {
            Ok(claimed) => Ok(claimed?),
            Err(_) => Err(Failure::internal()),
        }
    }

    fn keep(&self, thread: JoinHandle<()>) {
        let mut threads = self
            .0
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
    }

    /// The server is to end, and everything with it.
    pub(super) fn is_stopping(&self) -> bool {
        self.0.stop.is_asked()
    }

    /// Asks all to end; asked again, kills them.
    pub(super) fn stop(&self) {
        if self.0.stop.is_asked() {
            self.0.stop.hurry();
        }
        self.0.stop.ask();
    }

    /// Waits until all have ended and said so.
    pub(super) async fn finish(&self) {
        self.0.stop.ask();
        let threads = std::mem::take(
            &mut *self
                .0
                .threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a backup panicked, which is a bug");
                }
            }
        });
        // Only a runtime that ends at once cuts this off; a next start then settles the rows.
        let _ = joined.await;
    }
}
