//! One pull of one host: locked, linked against its base, made durable, recorded.

use std::collections::BTreeSet;

use super::context::{Facts, ServerLookup};
use super::cut_off::{finish_cut_off, log_finished};
use super::hooks::{FailedHook, HooksOfPull};
use super::links::{Links, find_links, utf8};
use super::patience::patiently;
use super::prune::{prune_locked, record_life, settle_lost_runs};
use super::pull::{Resolved, resolve};
use super::pulse::{Pulse, with_pulse};
use super::reconcile::reconcile;
use super::root::{lock_host, open_root};
use super::space::{check_room, room_of, scarce};
use super::{Context, Error, PruneReport, PruneRequest};
use crate::core::model::{
    ByteCount, HostName, Percent, Pulled, RunCause, RunId, RunKind, RunStatus, SnapshotId,
    SnapshotKind, SnapshotName, SnapshotStatus, SqlHost, Timestamp,
};
use crate::core::plan::{Authority, Outcome};
use crate::disk::{DiskError, HostLock, Incomplete, Root, SnapshotMeta, Suspect};
use crate::rsync::{self, Class, Stats, Stop, Verdict};
use crate::store::{HostKey, NewRun, NewSnapshot, RunEnd, RunFilter, Settled, SnapshotEnd};

/// What is to be backed up, and how.
pub struct BackupRequest<'a> {
    /// The host.
    pub host: HostName,
    /// Why the snapshot is made.
    pub kind: SnapshotKind,
    /// Prune through the gate afterwards.
    pub prune: bool,
    /// The run that was claimed for it; a new one if absent.
    pub claimed: Option<RunId>,
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
    let claimed = request.claimed;
    let done = lock_and_pull(context, request);
    if let (Some(run), Err(error)) = (claimed, &done) {
        end_claimed(context, run, error)?;
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
fn finish_run(context: &Context, end: &RunEnd) -> Result<(), Error> {
    match context.store.finish_run(end) {
        Err(crate::store::StoreError::RunIs { .. }) => Ok(()),
        done => Ok(done?),
    }
}

fn lock_and_pull(context: &Context, request: BackupRequest<'_>) -> Result<BackupReport, Error> {
    let now = super::clock::now();
    let facts = context.facts_of(HostKey::Name(&request.host))?;
    let host = backed_up(&facts, &request.host)?;
    let resolved = resolve(context, host, &ServerLookup)?;
    let root = open_root(context, &facts, now)?;
    check_room(&root, &facts)?;
    let dir = root.host_dir(&host.directory)?;
    let mut lock = lock_host(&dir, host, "backup", now)?;
    settle_lost_runs(context, host)?;
    let facts = reconcile(context, &root, host.id, facts)?;
    let host = backed_up(&facts, &request.host)?;
    let finished = finish_cut_off(context, host, &lock)?;
    record_life(context, now)?;

    let run = match request.claimed {
        Some(run) => run,
        None => context.store.begin_run(&NewRun {
            host: host.id,
            kind: RunKind::Backup,
            started_at: now,
            process: super::process_name(),
            plan: None,
            log_path: None,
        })?,
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
    };
    let stop = request.stop;
    let pulled = with_pulse(context, run, stop, |pulse| {
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
        attempt.drop_superseded(&lock, &mut report)?;
        if prune {
            let request = PruneRequest {
                directory: host.directory.clone(),
                authority: Authority::Unattended,
                kinds: None,
                allow: Vec::new(),
                listed: None,
            };
            report.pruned = Some(prune_locked(context, &request, &mut lock));
        }
    }
    if let Err(error) = lock.release() {
        // The lock is free all the same, and what it says blocks nobody.
        tracing::warn!("{}: {}", host.name, super::sentence(&error.into()));
    }
    Ok(report)
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

struct Attempt<'a> {
    context: &'a Context,
    facts: &'a Facts,
    host: &'a SqlHost,
    root: &'a Root,
    run: RunId,
    now: Timestamp,
    resolved: Resolved,
}

impl Attempt<'_> {
    fn pull(
        &mut self,
        lock: &mut HostLock,
        request: BackupRequest<'_>,
        pulse: &Pulse,
    ) -> Result<BackupReport, Error> {
        let name = SnapshotName::new(self.now, super::random_bytes()?);
        let links = find_links(self.context, self.facts, self.host, lock)?;
        let snapshot = self.context.store.begin_snapshot(&NewSnapshot {
            run: self.run,
            root: self.root.id().clone(),
            kind: request.kind,
            name: name.clone(),
            started_at: self.now,
            base: links.base.clone(),
        })?;
        let outcome = self.transfer(lock, &name, &links, request, pulse);
        match outcome {
            Ok(mut report) => {
                if report.status == RunStatus::Cancelled {
                    report.cancelled_by = self.cancelled_by()?;
                }
                if let Some(by) = &report.cancelled_by {
                    report.message = format!("{by} cancelled it");
                }
                self.record(snapshot, &report)?;
                Ok(report)
            }
            Err(error) => {
                let end =
                    self.snapshot_end(snapshot, Settled::Failed, &Stats::default(), None, None);
                let run = self.failed(&error);
                self.context.store.finish_snapshot(&end, Some(&run))?;
                Err(error)
            }
        }
    }

    fn transfer(
        &mut self,
        lock: &mut HostLock,
        name: &SnapshotName,
        links: &Links,
        request: BackupRequest<'_>,
        pulse: &Pulse,
    ) -> Result<BackupReport, Error> {
        let incomplete = lock.begin(request.kind, name)?;
        let root = utf8(self.root.path().to_owned())?;
        let pull = self.resolved.pull(
            root.as_str(),
            utf8(incomplete.data_path())?,
            links.data.clone(),
        );
        let kind = request.kind;
        let hooks = HooksOfPull {
            hooks: &self.host.settings.hooks,
            pull: &pull,
            host: &self.host.name,
            kind,
            snapshot: name,
            stop: &pulse.stop,
            log: incomplete.open_log().ok(),
        };
        let prepared = hooks.before(lock);
        let report = match &prepared.failed {
            Some(failed) => {
                let (ended, verdict) = not_begun(failed);
                Ok(self.report(name, links, &ended, verdict))
            }
            None => self
                .run_rsync(lock, &pull, &incomplete, request, pulse)
                .map(|ended| {
                    let room = self.root.space().map(room_of).unwrap_or_default();
                    let verdict = rsync::classify(&ended, self.host.settings.accept_partial, room);
                    self.report(name, links, &ended, verdict)
                }),
        };
        let report = report.map(|report| self.keep(lock, &incomplete, links, kind, report));
        let status = report.as_ref().map_or(RunStatus::Failed, |r| r.status);
        let failed = hooks.after(lock, &prepared, status);
        let mut report = report?;
        if !failed.is_empty() && report.status == RunStatus::Complete {
            report.status = RunStatus::Partial;
            report.cause = Some(RunCause::Lasting);
        }
        report
            .warnings
            .extend(failed.iter().map(ToString::to_string));
        report.warnings.extend(scarce(self.root, self.facts));
        Ok(report)
    }

    fn run_rsync(
        &self,
        lock: &mut HostLock,
        pull: &rsync::Pull,
        incomplete: &Incomplete,
        request: BackupRequest<'_>,
        pulse: &Pulse,
    ) -> Result<rsync::Ended, Error> {
        let log = incomplete.open_log()?;
        let stdin = lock.stdin()?;
        let mut group = None;
        let ended = rsync::run(
            pull,
            stdin,
            log,
            self.host.settings.rsync.deadline.into(),
            &pulse.stop,
            &mut |started: rsync::Started| {
                group = Some(lock.record_children(started.pid));
            },
            &mut |seen: rsync::Progress| {
                pulse.is_at(seen.bytes);
                (request.progress)(seen);
            },
        )
        .map_err(|source| Error::File {
            doing: "run",
            path: "rsync".to_owned(),
            source,
        })?;
        if let Some(Err(error)) = group {
            tracing::warn!("{}: {error}", self.host.name);
        }
        Ok(ended)
    }

    fn report(
        &self,
        name: &SnapshotName,
        links: &Links,
        ended: &rsync::Ended,
        verdict: Verdict,
    ) -> BackupReport {
        let status = status_of(&verdict);
        let is_complete = settled(status) == Settled::Complete;
        let suspect = pulled(&ended.stats, links)
            .suspicion(links.earlier.as_ref(), self.host.settings.suspect_percent)
            .filter(|_| is_complete);
        let cause = cause_of(&verdict);
        let mut warnings = verdict.warnings;
        warnings.extend(suspect.as_ref().map(|why| {
            let host = &self.host.name;
            format!("suspect: {why}; unattended prunes of {host} wait until you have looked at it: pobsync ack {host}")
        }));
        BackupReport {
            host: self.host.name.clone(),
            run: self.run,
            snapshot: name.clone(),
            status,
            retry: verdict.retry,
            cause,
            cancelled_by: None,
            settled: settled(status),
            suspect,
            message: verdict.message,
            warnings,
            stats: ended.stats.clone(),
            rsync_exit: ended.exit,
            base: links.base.clone(),
            pruned: None,
        }
    }

    /// Makes what was pulled visible, or leaves it where the next pull finds it.
    fn keep(
        &self,
        lock: &HostLock,
        incomplete: &Incomplete,
        links: &Links,
        kind: SnapshotKind,
        mut report: BackupReport,
    ) -> BackupReport {
        let mut meta = self.meta(kind, &report, report.rsync_exit);
        meta.changed_percent = links
            .earlier
            .and_then(|earlier| pulled(&report.stats, links).changed_since(&earlier))
            .map(Percent::get);
        let written = if report.is_complete() {
            mark(incomplete, &report).and_then(|()| lock.publish(incomplete, &meta).map(|_| ()))
        } else {
            keep_incomplete(lock, incomplete, &meta, &report)
        };
        if let Err(error) = written {
            let error = Error::from(error);
            let said = super::sentence(&error);
            if report.is_complete() {
                report.status = RunStatus::Failed;
                report.settled = Settled::Failed;
                report.suspect = None;
                report.cause = Some(error.cause());
                report.message = said;
            } else {
                // Why the pull itself failed is what matters.
                report.warnings.push(said);
            }
        }
        report
    }

    fn meta(&self, kind: SnapshotKind, report: &BackupReport, exit: Option<i32>) -> SnapshotMeta {
        let settings = &self.host.settings;
        let mut meta = SnapshotMeta::new(self.host.name.clone(), kind, report.snapshot.clone());
        meta.status = Some(report.settled.into());
        meta.started_at = Some(self.now);
        meta.finished_at = Some(super::clock::now());
        meta.base.clone_from(&report.base);
        meta.sources = settings.sources.iter().map(ToString::to_string).collect();
        meta.excludes = settings.excludes.iter().map(ToString::to_string).collect();
        meta.rsync_exit = exit;
        meta.files = report.stats.files;
        meta.bytes = report.stats.bytes;
        meta.bytes_transferred = report.stats.bytes_transferred;
        meta.skipped = Some(report.stats.skipped);
        meta.policy = settings
            .retention
            .as_ref()
            .and_then(|policy| serde_json::to_value(policy).ok());
        meta.pobsync_version = Some(super::VERSION.to_owned());
        // A renamed host keeps its directory, and the snapshots in it say whose directory that is.
        meta.other
            .insert("directory".to_owned(), self.host.directory.as_str().into());
        meta
    }

    fn record(&self, snapshot: SnapshotId, report: &BackupReport) -> Result<(), Error> {
        let base = report.base.clone();
        let mut end = self.snapshot_end(
            snapshot,
            report.settled,
            &report.stats,
            base,
            report.rsync_exit,
        );
        end.suspect = report.suspect.is_some();
        let mut message = report.message.clone();
        for warning in &report.warnings {
            message.push_str("; ");
            message.push_str(warning);
        }
        let run = self.run_end(report.status, message, report.cause);
        // The work of hours: a database that is busy for longer than usual does not lose it.
        Ok(patiently(|| {
            self.context.store.finish_snapshot(&end, Some(&run))
        })?)
    }

    /// Who wanted the run to stop, if it was asked for in SQL.
    fn cancelled_by(&self) -> Result<Option<String>, Error> {
        let filter = RunFilter {
            run: Some(self.run),
            ..RunFilter::default()
        };
        let found = self.context.store.runs(&filter, 1)?;
        Ok(found.into_iter().find_map(|record| record.cancel_by))
    }

    fn snapshot_end(
        &self,
        snapshot: SnapshotId,
        settled: Settled,
        stats: &Stats,
        base: Option<SnapshotName>,
        rsync_exit: Option<i32>,
    ) -> SnapshotEnd {
        SnapshotEnd {
            snapshot,
            settled,
            finished_at: super::clock::now(),
            base,
            bytes: stats.bytes,
            files: stats.files,
            bytes_transferred: stats.bytes_transferred,
            rsync_exit,
            suspect: false,
        }
    }

    fn run_end(&self, status: RunStatus, message: String, cause: Option<RunCause>) -> RunEnd {
        RunEnd {
            run: self.run,
            status,
            at: super::clock::now(),
            message,
            cause,
        }
    }

    fn failed(&self, error: &Error) -> RunEnd {
        let message = super::sentence(error);
        self.run_end(RunStatus::Failed, message, Some(error.cause()))
    }

    /// A run that failed before there was a snapshot to tell of.
    fn end_failed(&self, error: &Error) -> Result<(), Error> {
        finish_run(self.context, &self.failed(error))
    }

    /// Whatever earlier pulls left incomplete is superseded by a complete one: a plan that lists it is recorded, and it
    /// goes.
    fn drop_superseded(&self, lock: &HostLock, report: &mut BackupReport) -> Result<(), Error> {
        let mut left: BTreeSet<(SnapshotKind, SnapshotName)> =
            lock.list_incomplete()?.into_iter().collect();
        // A pull that was killed before it came to the disk has a row alone.
        let facts = self.context.facts_of(HostKey::Id(self.host.id))?;
        let rows = facts.snapshots.into_values().flatten();
        left.extend(
            rows.filter(|row| {
                matches!(row.status, SnapshotStatus::Failed | SnapshotStatus::Partial)
            })
            .map(|row| (row.kind, row.name)),
        );
        if left.is_empty() {
            return Ok(());
        }
        match super::superseded::drop_superseded(self.context, self.host, lock, &left) {
            Ok(None) => {}
            Ok(Some(done)) => report.warnings.extend(superseded_lines(&done)),
            Err(error) => report.warnings.push(format!(
                "an earlier incomplete pull is still there: {error}"
            )),
        }
        Ok(())
    }
}

/// What a complete pull has made needless, a line each: a deletion is told to whoever runs the command.
fn superseded_lines(done: &PruneReport) -> Vec<String> {
    let plan = done
        .plan
        .map_or(String::new(), |plan| format!(" by plan {plan}"));
    let gone = done.deleted.iter().map(|name| {
        format!("{name} deleted{plan}: an incomplete pull that this complete one supersedes")
    });
    let left = done
        .left
        .iter()
        .map(|(name, why)| format!("{name}, an incomplete pull, is still there: {why}"));
    gone.chain(left).collect()
}

fn pulled(stats: &Stats, links: &Links) -> Pulled {
    Pulled {
        files: stats.files,
        regular_files: stats.regular_files,
        transferred: stats.transferred,
        bytes: stats.bytes,
        is_linked: links.base.is_some(),
    }
}

/// Before it is visible: no moment may pass in which it is there without its mark.
fn mark(incomplete: &Incomplete, report: &BackupReport) -> Result<(), DiskError> {
    match &report.suspect {
        None => Ok(()),
        Some(reason) => incomplete.write_suspect(&Suspect {
            since: super::clock::now(),
            reason: reason.clone(),
        }),
    }
}

/// What a pull came to that a hook stopped before it began.
fn not_begun(failed: &FailedHook) -> (rsync::Ended, Verdict) {
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

fn keep_incomplete(
    lock: &HostLock,
    incomplete: &Incomplete,
    meta: &SnapshotMeta,
    report: &BackupReport,
) -> Result<(), DiskError> {
    if report.stats.files.is_some_and(|files| files > 0)
        || report.stats.bytes_transferred.is_some_and(|n| n > 0)
    {
        return incomplete.write_meta(meta);
    }
    // Nothing came: there is nothing that the next pull could be linked against.
    if lock
        .open_incomplete(incomplete.kind(), incomplete.name())?
        .is_some()
    {
        incomplete.write_meta(meta)?;
    }
    Ok(())
}

fn settled(status: RunStatus) -> Settled {
    match status {
        RunStatus::Complete => Settled::Complete,
        RunStatus::Partial => Settled::Partial,
        _ => Settled::Failed,
    }
}

fn status_of(verdict: &Verdict) -> RunStatus {
    match verdict.class {
        Class::Complete => RunStatus::Complete,
        Class::Partial => RunStatus::Partial,
        Class::Failed => RunStatus::Failed,
        Class::Cancelled => RunStatus::Cancelled,
    }
}

fn cause_of(verdict: &Verdict) -> Option<RunCause> {
    match verdict.class {
        Class::Complete | Class::Cancelled => None,
        _ if verdict.alarm => Some(RunCause::Alarm),
        Class::Partial => Some(RunCause::Unreadable),
        Class::Failed if verdict.retry => Some(RunCause::Passing),
        Class::Failed => Some(RunCause::Lasting),
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
