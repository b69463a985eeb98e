//! Telling people: what has happened becomes events, and events reach their receivers.
//!
//! **Never twice for one event, and nothing lost.** An event is one by its key, whoever raises it and however often. Each
//! receiver and target has one row for it, and one process at a time has the right to send it: the attempt is counted
//! and durable before the first byte leaves, and what came of it is recorded after. Between the two lies the one gap that
//! no sender can close: a process that dies after the receiver took the event and before that was recorded, or an answer
//! that gets lost on its way back. Then it is sent again, since the other choice would be to lose news. Every copy carries
//! the same id (`X-Pobsync-Event`, `Message-ID`, `id` in the document), so that a receiver drops it.

mod deliver;
mod raise;
mod send;
mod trial;

pub use deliver::{Told, deliver_due};
pub use raise::raise_events;
pub use trial::{Heard, tell_test};

use std::time::Duration;

use super::{Context, Error};
use crate::core::model::{GlobalSettings, Span, Timestamp};

/// How long what everybody has had is kept: successes and tests. Failures and recoveries are few, and stay.
const KEPT: Span = Span::from_hours(30 * 24);

/// Raises what has happened, and sends what is due for about as long as `budget`.
///
/// For every tick of a scheduler, in a thread of its own: a receiver that hangs must not hold up a backup.
///
/// # Errors
/// When the database cannot be worked with. A receiver that cannot be reached is no error: it is tried again.
pub fn tell(context: &Context, budget: Duration) -> Result<Told, Error> {
    let raised = raise_events(context)?;
    let mut told = deliver_due(context, budget)?;
    told.raised = raised;
    let now = super::clock::now();
    context.store.forget_events(now.minus(KEPT))?;
    Ok(told)
}

/// The settings in force.
fn settings(context: &Context) -> Result<GlobalSettings, Error> {
    let state = context.store.load_state()?;
    Ok(state
        .global
        .map(|global| global.settings)
        .unwrap_or_default())
}

/// The name of this machine, as receivers are told.
fn machine() -> String {
    let name = rustix::system::uname();
    crate::core::model::visible(&name.nodename().to_string_lossy())
}

/// How long an undelivered event waits before somebody should look: most outages of a receiver are shorter.
const OVERDUE: Span = Span::from_hours(1);

/// Says that something has waited for its receivers for too long.
pub(super) fn is_overdue(waiting_since: Option<Timestamp>, now: Timestamp) -> bool {
    waiting_since.is_some_and(|since| since.plus(OVERDUE) < now)
}
