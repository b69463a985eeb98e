//! Waiting for a database that others hold.

use std::time::{Duration, Instant};

use crate::store::StoreError;

/// A copy or a large change of the configuration is long done by then.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Does `work` again while the database is busy, for some minutes at most; each try waits by itself before it gives up.
///
/// # Errors
/// Those of `work`.
pub(super) fn patiently<T>(work: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let begun = Instant::now();
    loop {
        match work() {
            Err(error) if error.is_retryable() && begun.elapsed() < LONGEST_WAIT => {
                tracing::warn!("{error}; trying again");
            }
            done => return done,
        }
    }
}
