//! What the end of a transfer means for its run and its snapshot.

use super::hooks::FailedHook;
use super::links::Links;
use crate::core::model::{Pulled, RunCause, RunStatus};
use crate::rsync::{self, Class, Stats, Verdict};
use crate::store::Settled;

pub(super) fn pulled(stats: &Stats, links: &Links) -> Pulled {
    Pulled {
        files: stats.files,
        regular_files: stats.regular_files,
        transferred: stats.transferred,
        bytes: stats.bytes,
        is_linked: links.base.is_some(),
    }
}

/// What a pull came to that a hook stopped before it began.
pub(super) fn not_begun(failed: &FailedHook) -> (rsync::Ended, Verdict) {
    let class = if failed.is_cancelled() {
        Class::Cancelled
    } else {
        Class::Failed
    };
    let (retry, alarm) = failed.retry_and_alarm();
    let verdict = Verdict {
        class,
        retry,
        alarm,
        message: format!("nothing was pulled: {failed}"),
        warnings: Vec::new(),
    };
    (rsync::Ended::default(), verdict)
}

pub(super) fn settled(status: RunStatus) -> Settled {
    match status {
        RunStatus::Complete => Settled::Complete,
        RunStatus::Partial => Settled::Partial,
        _ => Settled::Failed,
    }
}

pub(super) fn status_of(verdict: &Verdict) -> RunStatus {
    match verdict.class {
        Class::Complete => RunStatus::Complete,
        Class::Partial => RunStatus::Partial,
        Class::Failed => RunStatus::Failed,
        Class::Cancelled => RunStatus::Cancelled,
    }
}

pub(super) fn cause_of(verdict: &Verdict) -> Option<RunCause> {
    match verdict.class {
        Class::Complete | Class::Cancelled => None,
        _ if verdict.alarm => Some(RunCause::Alarm),
        Class::Partial => Some(RunCause::Unreadable),
        Class::Failed if verdict.retry => Some(RunCause::Passing),
        Class::Failed => Some(RunCause::Lasting),
    }
}
