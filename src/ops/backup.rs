//! One pull of one host: locked, linked against its base, made durable, recorded.

use super::attempt::Attempt;
use super::context::{Facts, ServerLookup};
use super::cut_off::{finish_cut_off, log_finished};
use super::grip::Grip;
use super::lost_runs::settle_lost_runs;
use super::prune::{prune_locked, record_life};
use super::pull::resolve;
use super::pulse::with_pulse;
use super::reconcile::reconcile;
use super::root::{grip_host, open_root};
use super::space::check_room;
use super::usage::{check_quota, measure_after_backup};
use super::{Context, Error, PruneReport, PruneRequest};
use crate::core::model::{
    ByteCount, HostId, HostName, RunCause, RunId, RunKind, RunStatus, SnapshotKind, SnapshotName,
    SqlHost, Timestamp,
};
use crate::core::plan::Outcome;
use crate::disk::Root;
use crate::rsync::{self, Stats, Stop};
use crate::store::{HostKey, Lease, NewRun, RunEnd, Settled};

/// What is to be backed up, and how.
pub struct BackupRequest<'a> {
    /// The host.
    pub host: HostName,
    /// Why the snapshot is made.
    pub kind: SnapshotKind,
    /// Prune through the gate afterwards.
    pub prune: bool,
    /// The run that was claimed for it, with the lease of its host; new ones if absent.
    pub claimed: Option<(RunId, Lease)>,
    /// Asks it to stop.
    pub stop: &'a Stop,
    /// Hears how far it is.
    pub progress: &'a mut dyn FnMut(rsync::Progress),
}

/// What came of a backup.
#[derive(Debug)]
#[must_use = "a backup that failed has to be told"]
pub struct BackupReport {
    /// The host.
    pub host: HostName,
    /// The run.
    pub run: RunId,
    /// The snapshot it made, visible or not.
    pub snapshot: SnapshotName,
    /// How the run ended; partial where the snapshot is complete and a hook after it failed.
    pub status: RunStatus,
    /// Trying again by itself may help.
    pub retry: bool,
    /// Why it did not end well.
    pub cause: Option<RunCause>,
    /// Who cancelled the run in SQL.
    pub cancelled_by: Option<String>,
    /// What became of the snapshot.
    pub settled: Settled,
    /// Why the snapshot is suspect, if it is.
    pub suspect: Option<String>,
    /// One sentence.
    pub message: String,
    /// Further sentences.
    pub warnings: Vec<String>,
    /// What the transfer told.
    pub stats: Stats,
    /// What rsync ended with.
    pub rsync_exit: Option<i32>,
    /// The snapshot it was linked against.
    pub base: Option<SnapshotName>,
    /// What came of the prune, if one was asked for and the backup succeeded.
    pub pruned: Option<Result<PruneReport, Error>>,
}

impl BackupReport {
    /// Says that the snapshot is complete and visible.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.settled == Settled::Complete
    }

    /// Nothing becomes visible after all.
    pub(super) fn fail(&mut self, cause: RunCause, message: String) {
        self.status = RunStatus::Failed;
        self.settled = Settled::Failed;
        self.suspect = None;
        self.cause = Some(cause);
        self.message = message;
    }

    /// How a command ends with it. A refused prune does not make the backup fail, but is told.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let backup = match self.status {
            RunStatus::Complete => Outcome::Done,
            RunStatus::Partial => Outcome::PartlyDone,
            _ => Outcome::Failed,
        };
        let prune = match &self.pruned {
            None => Outcome::Done,
            Some(Ok(report)) => report.outcome(),
            Some(Err(error)) => error.outcome(),
        };
        if backup == Outcome::Done {
            prune
        } else {
            backup
        }
    }
}

/// Backs up one host now.
///
/// # Errors
/// When it cannot begin: the host is unknown, retired, paused or locked, the root is not there or too full. What goes
/// wrong after that is in the report, and recorded.
pub fn backup(context: &Context, request: BackupRequest<'_>) -> Result<BackupReport, Error> {
    let claimed = request.claimed.clone();
    let done = lock_and_pull(context, request);
    if let (Some((run, lease)), Err(error)) = (claimed, &done) {
        let ended = end_claimed(context, run, error);
        // It may not have come to the lock, with which the lease is given back.
        context.store.release_lease(&lease)?;
        ended?;
    }
    done
}

/// A run that was claimed has a row whatever happens: one that could not begin says why.
fn end_claimed(context: &Context, run: RunId, error: &Error) -> Result<(), Error> {
    let status = if error.outcome() == Outcome::Refused {
        RunStatus::Refused
    } else {
        RunStatus::Failed
    };
    finish_run(
        context,
        &RunEnd {
            run,
            status,
            at: super::clock::now(),
            message: super::sentence(error),
            cause: Some(error.cause()),
        },
    )
}

/// Ends a run, unless it has ended already: with its snapshot, say.
pub(super) fn finish_run(context: &Context, end: &RunEnd) -> Result<(), Error> {
    match context.store.finish_run(end) {
        Err(crate::store::StoreError::RunIs { .. }) => Ok(()),
        done => Ok(done?),
    }
}

fn lock_and_pull(context: &Context, request: BackupRequest<'_>) -> Result<BackupReport, Error> {
    let now = super::clock::now();
    let facts = context.own_facts_of(HostKey::Name(&request.host))?;
    let host = backed_up(&facts, &request.host)?;
    at_home(context, &facts, host)?;
    let resolved = resolve(context, host, &ServerLookup)?;
    let root = open_root(context, &facts, now)?;
    check_room(&root, &facts)?;
    let dir = root.host_dir(&host.directory)?;
    let (claimed, lease) = request.claimed.clone().unzip();
    let mut lock = grip_host(context, &dir, host, "backup", lease, now)?;
    settle_lost_runs(context, host)?;
    let facts = reconcile(context, &root, host.id, facts)?;
    let host = backed_up(&facts, &request.host)?;
    let (id, finished) = (host.id, finish_cut_off(context, host, &lock, request.stop)?);
    let within = within_quota(context, &request, &root, &mut lock, facts);
    if let Err(error @ Error::OverQuota { .. }) = &within
        && claimed.is_none()
    {
        // Else nobody but the one who asked would learn of it.
        let run = begin_run(context, id, &lock, now)?;
        end_claimed(context, run, error)?;
    }
    let facts = within?;
    let host = backed_up(&facts, &request.host)?;
    record_life(context, now)?;

    let run = match claimed {
        Some(run) => run,
        None => begin_run(context, host.id, &lock, now)?,
    };
    lock.record_run(run)?;
    let prune = request.prune;
    let mut attempt = Attempt {
        context,
        facts: &facts,
        host,
        root: &root,
        run,
        now,
        resolved,
        way: None,
    };
    let stop = request.stop;
    let watch = lock.watch();
    let pulled = with_pulse(context, run, stop, Some(&watch), |pulse| {
        attempt.pull(&mut lock, request, pulse)
    });
    let mut report = match pulled {
        Ok(report) => report,
        Err(error) => {
            log_finished(&host.name, &finished);
            attempt.end_failed(&error)?;
            return Err(error);
        }
    };
    report
        .warnings
        .extend(finished.iter().map(ToString::to_string));
    if report.is_complete() {
        attempt.drop_superseded(&lock, &mut report, stop)?;
    }
    // A quota counts what a failed pull has left, too.
    if report.is_complete() || host.settings.limits.quota.is_some() {
        measure_after_backup(context, host, &root, &lock, stop);
    }
    if report.is_complete() && prune {
        let request = PruneRequest::unattended(host.directory.clone());
        report.pruned = Some(prune_locked(context, &request, &mut lock, stop));
    }
    if let Err(error) = lock.release() {
        // The lock is free all the same, and what it says blocks nobody.
        tracing::warn!("{}: {}", host.name, super::sentence(&error));
    }
    Ok(report)
}

fn begin_run(
    context: &Context,
    host: HostId,
    lock: &Grip,
    started_at: Timestamp,
) -> Result<RunId, Error> {
    Ok(context.store.begin_run(&NewRun {
        host,
        kind: RunKind::Backup,
        started_at,
        process: super::process_name(),
        plan: None,
        log_path: None,
        lease: Some(lock.lease().clone()),
    })?)
}

/// Refuses a host over its quota. If it is to be pruned after the backup, it is pruned before that by the same gate: else
/// what its policy lets go would stay for ever, since no backup would come to its end.
///
/// # Errors
/// When it is over its quota, and still is after that.
fn within_quota(
    context: &Context,
    request: &BackupRequest<'_>,
    root: &Root,
    lock: &mut Grip,
    facts: Facts,
) -> Result<Facts, Error> {
    let host = backed_up(&facts, &request.host)?;
    match check_quota(context, host, root, lock, request.stop) {
        Err(Error::OverQuota { .. }) if request.prune => {}
        checked => return checked.map(|()| facts),
    }
    let prune = PruneRequest::unattended(host.directory.clone());
    match prune_locked(context, &prune, lock, request.stop) {
        Ok(report) => {
            for (name, why) in &report.left {
                tracing::warn!("{}: {name} was not pruned: {why}", host.name);
            }
        }
        Err(error) => tracing::warn!("{}: not pruned: {}", host.name, super::sentence(&error)),
    }
    let facts = context.own_facts_of(HostKey::Name(&request.host))?;
    let host = backed_up(&facts, &request.host)?;
    check_quota(context, host, root, lock, request.stop)?;
    Ok(facts)
}

/// Refuses what only the server may do that a host belongs to.
///
/// # Errors
/// When it belongs to another one.
fn at_home(context: &Context, facts: &Facts, host: &SqlHost) -> Result<(), Error> {
    match context.home_elsewhere(&facts.state, host)? {
        Some(server) => Err(Error::OtherServer {
            host: host.name.clone(),
            server,
        }),
        None => Ok(()),
    }
}

/// The host, if it may be backed up.
pub(super) fn backed_up<'a>(facts: &'a Facts, name: &HostName) -> Result<&'a SqlHost, Error> {
    let host = facts.host(name)?;
    if host.retired.is_some() {
        Err(Error::Retired { host: name.clone() })
    } else if host.is_paused() {
        Err(Error::Paused {
            host: name.clone(),
            pause: host.pause.clone(),
        })
    } else {
        Ok(host)
    }
}

/// One line on a snapshot that was made, for people.
#[must_use]
pub fn backup_line(report: &BackupReport) -> String {
    let size = |n: Option<u64>| n.map_or("?".to_owned(), |n| ByteCount(n).to_string());
    let base = report
        .base
        .as_ref()
        .map_or("no base: a full pull".to_owned(), |base| {
            format!("linked against {base}")
        });
    format!(
        "{} {}: {} files, {}, {} transferred, {base}",
        report.host,
        report.snapshot,
        report.stats.files.map_or("?".to_owned(), |n| n.to_string()),
        size(report.stats.bytes),
        size(report.stats.bytes_transferred)
    )
}
