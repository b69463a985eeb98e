//! One try of a pull, from its row and its directory to what becomes of them.

use std::collections::BTreeSet;
use std::time::Instant;

use super::backup::{BackupReport, BackupRequest, finish_run};
use super::context::Facts;
use super::grip::Grip;
use super::hooks::HooksOfPull;
use super::links::{Links, find_links, utf8};
use super::manifest::write_with_pull;
use super::patience::patiently;
use super::pull::Resolved;
use super::pulse::Pulse;
use super::space::{room_of, scarce};
use super::transfers::{Transfers, Way};
use super::verdict::{cause_of, not_begun, pulled, settled, status_of};
use super::{Context, Error, PruneReport, Stop};
use crate::core::model::{
    Percent, RunCause, RunId, RunStatus, SnapshotId, SnapshotKind, SnapshotName, SnapshotStatus,
    SqlHost, Timestamp,
};
use crate::disk::{DiskError, HostLock, Incomplete, Root, SnapshotMeta, Suspect};
use crate::rsync::{self, Ceiling, Stats, Verdict};
use crate::store::{HostKey, NewSnapshot, RunEnd, RunFilter, Settled, SnapshotEnd};

/// In `meta.json` of a snapshot whose owners, modes and devices stand in its extended attributes.
pub(super) const FAKE_SUPER: &str = "fake_super";

pub(super) struct Attempt<'a> {
    pub(super) context: &'a Context,
    pub(super) facts: &'a Facts,
    pub(super) host: &'a SqlHost,
    pub(super) root: &'a Root,
    pub(super) run: RunId,
    pub(super) now: Timestamp,
    pub(super) resolved: Resolved,
    /// How unchanged files were found, once that is known.
    pub(super) way: Option<Way>,
}

impl Attempt<'_> {
    pub(super) fn pull(
        &mut self,
        lock: &mut Grip,
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
        lock: &mut Grip,
        name: &SnapshotName,
        links: &Links,
        request: BackupRequest<'_>,
        pulse: &Pulse,
    ) -> Result<BackupReport, Error> {
        let incomplete = lock.begin(request.kind, name)?;
        let root = utf8(self.root.path().to_owned())?;
        let mut pull = self.resolved.pull(
            root.as_str(),
            utf8(incomplete.data_path())?,
            links.data.clone(),
        );
        pull.checksum = !links.damaged.is_empty();
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
            None => {
                let ceiling = Ceiling::new(self.host.settings.limits);
                let transfers = Transfers {
                    host: self.host,
                    lock,
                    pull: &pull,
                    incomplete: &incomplete,
                    progress: request.progress,
                    pulse,
                    begun: Instant::now(),
                    ceiling: &ceiling,
                    connection: None,
                };
                transfers.run(links).map(|(ended, way)| {
                    self.way = Some(way);
                    let room = self.root.space().map(room_of).unwrap_or_default();
                    let verdict = rsync::classify(&ended, self.host.settings.accept_partial, room);
                    self.report(name, links, &ended, verdict)
                })
            }
        };
        let report = report.map(|report| self.keep(lock, &incomplete, links, kind, pulse, report));
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
        lock: &Grip,
        incomplete: &Incomplete,
        links: &Links,
        kind: SnapshotKind,
        pulse: &Pulse,
        mut report: BackupReport,
    ) -> BackupReport {
        if report.is_complete() {
            let limits = self.host.settings.limits;
            match write_with_pull(lock, incomplete, links, kind, limits, &pulse.stop) {
                Ok(warning) => report.warnings.extend(warning),
                Err(excess) => report.fail(RunCause::Lasting, excess.to_string()),
            }
        }
        let mut meta = self.meta(kind, &report, report.rsync_exit);
        meta.changed_percent = links
            .earlier
            .and_then(|earlier| pulled(&report.stats, links).changed_since(&earlier))
            .map(Percent::get);
        let written = if !report.is_complete() {
            keep_incomplete(lock, incomplete, &meta, &report).map_err(Error::from)
        } else if lock.is_lost() {
            // Nothing would record it, and whoever has taken the host over may be at work on it. The next pull links
            // against what has come.
            let host = lock.lease().host;
            Err(crate::store::StoreError::LeaseLost { host }.into())
        } else {
            mark(incomplete, &report)
                .and_then(|()| lock.publish(incomplete, &meta).map(|_| ()))
                .map_err(Error::from)
        };
        if let Err(error) = written {
            let said = super::sentence(&error);
            if report.is_complete() {
                report.fail(error.cause(), said);
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
        if let Some(way) = &self.way {
            way.note(&mut meta);
        }
        meta.pobsync_version = Some(super::VERSION.to_owned());
        if settings.rsync.fake_super {
            meta.other.insert(FAKE_SUPER.to_owned(), true.into());
        }
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
    pub(super) fn end_failed(&self, error: &Error) -> Result<(), Error> {
        finish_run(self.context, &self.failed(error))
    }

    /// Whatever earlier pulls left incomplete is superseded by a complete one: a plan that lists it is recorded, and it
    /// goes.
    pub(super) fn drop_superseded(
        &self,
        lock: &Grip,
        report: &mut BackupReport,
        stop: &Stop,
    ) -> Result<(), Error> {
        let mut left: BTreeSet<(SnapshotKind, SnapshotName)> =
            lock.list_incomplete()?.into_iter().collect();
        // A pull that was killed before it came to the disk has a row alone.
        let facts = self.context.own_facts_of(HostKey::Id(self.host.id))?;
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
        match super::superseded::drop_superseded(self.context, self.host, lock, &left, stop) {
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
