//! What the scheduler does beside backups, on every tick.
//!
//! To add one: a function that looks whether there is anything to do and does it, in [`CHORES`]. Chores run one after
//! another on a thread of their own, and keep no backup waiting; one that fails is told and tried on the next tick.

use std::time::Duration;

use super::super::{Context, Error, Stop, clock, database_copy, moved, prune, sentence, tell};
use crate::core::model::Timestamp;

/// Something that is looked at on every tick.
struct Chore {
    /// What a failure is called in the log.
    name: &'static str,
    run: fn(&Context, Timestamp, &Beside) -> Result<(), Error>,
}

/// What chores of all ticks share.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// The scheduler ends: what can be done another time is.
    pub(super) stop: Stop,
    moved: moved::Tried,
}

const CHORES: &[Chore] = &[
    Chore {
        name: "sign of life",
        run: |context, now, _| prune::record_life(context, now),
    },
    Chore {
        name: "database copy",
        run: |context, now, _| database_copy::copy_if_due(context, now),
    },
    Chore {
        name: "hosts that have moved",
        run: |context, now, beside| moved::prune_moved(context, now, &beside.stop, &beside.moved),
    },
    // Last, since a receiver may hang for a while.
    Chore {
        name: "notifications",
        run: tell_people,
    },
];

/// How long deliveries go on in one tick: what is due after it waits for the next one, and an end that was asked for waits
/// for no more than the last attempt.
const TELLING: Duration = Duration::from_secs(20);

fn tell_people(context: &Context, _: Timestamp, _: &Beside) -> Result<(), Error> {
    tell(context, TELLING).map(|_| ())
}

/// Runs every chore once.
pub(super) fn run_all(context: &Context, beside: &Beside) {
    for chore in CHORES {
        if let Err(error) = (chore.run)(context, clock::now(), beside) {
            tracing::error!("{}: {}", chore.name, sentence(&error));
        }
    }
}
