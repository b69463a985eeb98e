//! What the signals of a person, a terminal or a service manager mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::ops::{Error, Stop};

/// Hears SIGINT, SIGTERM and SIGHUP from now on.
///
/// The first one asks, the second one loses patience: what is being transferred is killed, and its rows are still left
/// true. The third one ends the program where it stands. `on_signal` is told of each.
///
/// # Errors
/// When signals cannot be listened for.
pub(super) fn listen(mut on_signal: impl FnMut() + Send + 'static) -> Result<Arc<Stop>, Error> {
    let stop = Arc::new(Stop::new());
    let failed = |error| Error::Program {
        message: format!("cannot listen for signals: {error}"),
        help: String::new(),
    };
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
    let heard = Arc::clone(&stop);
    let count = AtomicUsize::new(0);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                match count.fetch_add(1, Ordering::Relaxed) {
                    0 => heard.ask(),
                    1 => heard.hurry(),
                    // The shell's way to say that a signal ended a program.
                    _ => std::process::exit(128 + signal),
                }
                on_signal();
            }
        })
        .map_err(failed)?;
    Ok(stop)
}
