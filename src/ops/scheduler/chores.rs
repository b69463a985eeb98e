//! What the scheduler does beside backups, on every tick.
//!
//! To add one: a function that looks whether there is anything to do and does it, in [`CHORES`]. Chores run one after
//! another on a thread of their own, and keep no backup waiting; one that fails is told and tried on the next tick.

use super::super::{Context, Error, clock, database_copy, prune, sentence};
use crate::core::model::Timestamp;

/// Something that is looked at on every tick.
struct Chore {
    /// What a failure is called in the log.
    name: &'static str,
    run: fn(&Context, Timestamp) -> Result<(), Error>,
}

const CHORES: &[Chore] = &[
    Chore {
        name: "sign of life",
        run: prune::record_life,
    },
    Chore {
        name: "database copy",
        run: database_copy::copy_if_due,
    },
];

/// Runs every chore once.
pub(super) fn run_all(context: &Context) {
    for chore in CHORES {
        if let Err(error) = (chore.run)(context, clock::now()) {
            tracing::error!("{}: {}", chore.name, sentence(&error));
        }
    }
}
