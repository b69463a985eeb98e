//! How all hosts are, for the pages that everybody looks at: read once for all who ask within a few seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::app::App;
use super::failure::Failure;
use crate::ops::{self, Status, Upcoming};

/// What is older is read again. Reading ten thousand hosts takes a moment, and nothing on these pages is as fresh.
const FRESH: Duration = Duration::from_secs(5);
/// Runs that are to come.
const NEXT: usize = 8;

/// How all hosts are, and what comes next.
pub(super) struct Overview {
    pub(super) status: Status,
    pub(super) next: Vec<Upcoming>,
}

/// What was read last.
#[derive(Default)]
pub(super) struct Kept {
    read: Mutex<Option<Entry>>,
    /// Grows with everything that is done on the pages: whoever did it sees it.
    changes: AtomicU64,
}

struct Entry {
    at: Instant,
    changes: u64,
    overview: Arc<Overview>,
}

impl Kept {
    /// Something was done.
    pub(super) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

/// How all hosts are, at most a few seconds ago. Those who ask meanwhile wait for one reading.
pub(super) async fn overview(app: &App) -> Result<Arc<Overview>, Failure> {
    let kept = app.kept();
    let mut read = kept.read.lock().await;
    let changes = kept.changes.load(Ordering::Relaxed);
    if let Some(entry) = read.as_ref()
        && entry.changes == changes
        && entry.at.elapsed() < FRESH
    {
        return Ok(Arc::clone(&entry.overview));
    }
    let at = Instant::now();
    let overview = app
        .call(|context| {
            Ok(Overview {
                status: ops::status(context)?,
                next: ops::upcoming(context, NEXT)?,
            })
        })
        .await?;
    let overview = Arc::new(overview);
    *read = Some(Entry {
        at,
        changes,
        overview: Arc::clone(&overview),
    });
    Ok(overview)
}
