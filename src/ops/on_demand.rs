//! A backup that a person asks for on the pages: claimed as the scheduler claims, so that its bounds hold for all.

use super::backup::{at_home, backed_up, backup};
use super::{BackupRequest, Context, Error, Stop, clock, process_name, sentence};
use crate::core::model::{HostName, RunCause, RunId, RunStatus, SnapshotKind, visible};
use crate::store::{Claim, Claimed, DueCause, HostKey, Lease, RunEnd};

/// Backs a host up now, as a manual snapshot. `told` hears the run once it is claimed, or why none is; then the run is
/// carried out, and its row says what came of it. Prunes nothing.
pub fn back_up_now(
    context: &Context,
    host: &HostName,
    stop: &Stop,
    told: impl FnOnce(Result<RunId, Error>),
) {
    let (run, lease) = match claim(context, host) {
        Ok(claimed) => claimed,
        Err(error) => return told(Err(error)),
    };
    told(Ok(run));
    let _settled = Settled { context, run };
    tracing::info!(%host, %run, by = context.actor, "backup begins");
    let done = backup(
        context,
        BackupRequest {
            host: host.clone(),
            kind: SnapshotKind::Manual,
            prune: false,
            claimed: Some((run, lease)),
            stop,
            progress: &mut |_| {},
        },
    );
    match done {
        Ok(report) if report.status == RunStatus::Complete => {
            tracing::info!(%host, %run, snapshot = %report.snapshot, "backup ends");
        }
        Ok(report) => {
            tracing::error!(%host, %run, status = %report.status, "backup ends: {}", visible(&report.message));
        }
        Err(error) => {
            tracing::error!(%host, %run, "backup ends: {}", visible(&sentence(&error)));
        }
    }
}

fn claim(context: &Context, host: &HostName) -> Result<(RunId, Lease), Error> {
    let facts = context.facts_of(HostKey::Name(host))?;
    let found = backed_up(&facts, host)?;
    at_home(context, &facts, found)?;
    let server = context.me(&facts.state.settings())?;
    let max_concurrent = facts.state.settings().max_concurrent_of(server.as_ref());
    let claim = Claim {
        host: found.id,
        cause: DueCause::Asked {
            by: context.actor.clone(),
        },
        prune: false,
        at: clock::now(),
        process: process_name(),
        max_concurrent,
        server,
        lease: context.lease,
    };
    match context.store.claim(&claim)? {
        Claimed::Run(run, fence) => Ok((run, claim.lease_of(fence))),
        Claimed::Busy(run) => Err(Error::AtWork {
            host: host.clone(),
            run,
        }),
        Claimed::Held => Err(Error::Locked {
            host: host.clone(),
            holder: "another process".to_owned(),
        }),
        Claimed::Full => Err(Error::EnoughAtWork {
            limit: max_concurrent,
        }),
        // It was paused or retired meanwhile.
        Claimed::Gone => Err(Error::Paused {
            host: host.clone(),
            pause: None,
        }),
    }
}

/// A claimed run keeps its host and its place: one whose thread panics is ended.
struct Settled<'c> {
    context: &'c Context,
    run: RunId,
}

impl Drop for Settled<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let end = RunEnd {
            run: self.run,
            status: RunStatus::Interrupted,
            at: clock::now(),
            message: "it panicked, which is a bug; the log of the server says more".to_owned(),
            cause: Some(RunCause::Lost),
        };
        if let Err(error) = self.context.store.finish_run(&end) {
            tracing::error!(run = %self.run, "the run panicked, and its end could not be recorded: {error}");
        }
    }
}
