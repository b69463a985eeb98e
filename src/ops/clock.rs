//! The one clock of the program.

use crate::core::model::Timestamp;

/// Now. Everything else is handed the time.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> Timestamp {
    chrono::Utc::now().into()
}
