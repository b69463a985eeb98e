//! A backup that a person asks for on the pages: claimed as the scheduler claims, so that its bounds hold for all; or left
//! to the scheduler of the server that the host belongs to.

use super::backup::{backed_up, backup};
use super::{BackupRequest, Context, Error, Stop, clock, process_name, sentence};
use crate::core::model::{
    HostName, Label, RunCause, RunId, RunStatus, SnapshotKind, Span, SqlHost, visible,
};
use crate::store::{BackupWish, Claim, Claimed, DueCause, HostKey, Lease, RunEnd};

/// For so long a backup that was asked for waits for a scheduler that is not at work: nobody who said "now" meant days
/// later.
pub(super) const WISHES_LAST: Span = Span::from_hours(24);

/// What comes of asking for a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// This run.
    Run(RunId),
    /// The scheduler of this server begins it on its next tick.
    LeftTo(Label),
}

/// Backs a host up now, as a manual snapshot. `told` hears the run once it is claimed, or why none is; then the run is
/// carried out, and its row says what came of it. Prunes nothing. A host of another server is left to that.
pub fn back_up_now(
    context: &Context,
    host: &HostName,
    stop: &Stop,
    told: impl FnOnce(Result<Begun, Error>),
) {
    let (run, lease) = match leave(context, host) {
        Ok(Some(server)) => return told(Ok(Begun::LeftTo(server))),
        Ok(None) => match claim(context, host) {
            Ok(claimed) => claimed,
            Err(error) => return told(Err(error)),
        },
        Err(error) => return told(Err(error)),
    };
    told(Ok(Begun::Run(run)));
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

/// The backup that somebody asked for and that the server of the host has still to begin, and that server.
///
/// # Errors
/// When the database cannot be read.
pub fn backup_wish(
    context: &Context,
    host: &SqlHost,
) -> Result<Option<(BackupWish, Label)>, Error> {
    let global = context.store.global_settings()?;
    let Some(home) = global.home(host.settings.server.as_ref()) else {
        return Ok(None);
    };
    let since = clock::now().minus(WISHES_LAST);
    let mut wishes = context.store.backup_wishes(since)?.into_iter();
    Ok(wishes
        .find(|wish| wish.host == host.id)
        .map(|wish| (wish, home.clone())))
}

/// Leaves a host of another server to that; says which it is.
fn leave(context: &Context, host: &HostName) -> Result<Option<Label>, Error> {
    let facts = context.facts_of(HostKey::Name(host))?;
    let found = backed_up(&facts, host)?;
    let global = facts.state.settings();
    let Some(home) = global.home(found.settings.server.as_ref()) else {
        return Ok(None);
    };
    match context.me(&global) {
        Ok(Some(me)) if me == *home => Ok(None),
        // Pages may be served where no server is.
        Ok(_) | Err(Error::WhichServer { .. }) => {
            let now = clock::now();
            context.store.wish_backup(found.id, &context.actor, now)?;
            tracing::info!(%host, server = %home, by = context.actor, "backup left to its server");
            Ok(Some(home.clone()))
        }
        Err(error) => Err(error),
    }
}

fn claim(context: &Context, host: &HostName) -> Result<(RunId, Lease), Error> {
    let facts = context.facts_of(HostKey::Name(host))?;
    let found = backed_up(&facts, host)?;
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
