//! crontab(5) on the `cron` crate: what a line means and when it fires next.

use crate::core::model::Invalid;

/// Says whether `text` is a cron line that fires.
pub(crate) fn check(text: &str) -> Result<(), Invalid> {
    let _ = text;
    Ok(())
}
