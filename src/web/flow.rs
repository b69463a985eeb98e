//! Bodies that are never whole in memory: a file as it is read, a log as it is written.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_core::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Read at once: large enough that the hand-over costs nothing, small enough for many readers.
const CHUNK: usize = 256 * 1024;
/// Lines that wait for a reader who is slow.
const WAITING: usize = 256;
/// How often somebody who follows is looked after.
const LOOK: Duration = Duration::from_millis(500);

/// The next `length` bytes of a file. No thread waits for a reader who is slow.
pub(super) fn of_file(file: File, length: u64) -> Body {
    Body::from_stream(FileFlow {
        left: length,
        state: State::Idle(file),
    })
}

struct FileFlow {
    left: u64,
    state: State,
}

enum State {
    Idle(File),
    Reading(JoinHandle<(File, io::Result<Bytes>)>),
    Ended,
}

impl Stream for FileFlow {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Poll::Ready(None),
                State::Idle(_) if self.left == 0 => return Poll::Ready(None),
                State::Idle(file) => {
                    let most = self.left.min(CHUNK as u64);
                    self.state =
                        State::Reading(tokio::task::spawn_blocking(move || read(file, most)));
                }
                State::Reading(mut reading) => {
                    let polled = Pin::new(&mut reading).poll(cx);
                    if polled.is_pending() {
                        self.state = State::Reading(reading);
                    }
                    let Ok((file, done)) = ready!(polled) else {
                        return Poll::Ready(Some(Err(io::Error::other("the reader has gone"))));
                    };
                    return Poll::Ready(match done {
                        // Fewer bytes than were promised: the reader is not told that this was all.
                        Ok(bytes) if bytes.is_empty() => {
                            Some(Err(io::ErrorKind::UnexpectedEof.into()))
                        }
                        Ok(bytes) => {
                            self.left = self.left.saturating_sub(bytes.len() as u64);
                            self.state = State::Idle(file);
                            Some(Ok(bytes))
                        }
                        Err(error) => Some(Err(error)),
                    });
                }
            }
        }
    }
}

fn read(file: File, most: u64) -> (File, io::Result<Bytes>) {
    let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or(CHUNK));
    let done = (&file).take(most).read_to_end(&mut bytes);
    (file, done.map(|_| Bytes::from(bytes)))
}

/// What a thread says, line by line.
pub(super) struct Lines(mpsc::Sender<Bytes>);

/// A body, and what a thread writes into it.
pub(super) fn lines() -> (Lines, Body) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Lines(sender), Body::from_stream(LineFlow(receiver)))
}

impl Lines {
    /// Says something, and waits for a reader who is slow; false if nobody reads any more.
    pub(super) fn say(&self, text: String) -> bool {
        self.0.blocking_send(Bytes::from(text)).is_ok()
    }

    /// Calls `end` once nobody reads any more, or `is_over` says so; gives up once all has been said.
    pub(super) fn watch(
        &self,
        is_over: impl Fn() -> bool + Send + 'static,
        end: impl FnOnce() + Send + 'static,
    ) {
        let watched = self.0.downgrade();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                match watched.upgrade() {
                    Some(sender) if sender.is_closed() || is_over() => return end(),
                    Some(_) => {}
                    None => return,
                }
            }
        });
    }
}

struct LineFlow(mpsc::Receiver<Bytes>);

impl Stream for LineFlow {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(Ok))
    }
}
