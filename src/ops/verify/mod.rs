//! Looking whether snapshots still hold what they held when they were made. Nothing is repaired or deleted.
//!
//! It takes no lock, so that no backup waits for it: snapshots never change, one that a prune takes away meanwhile is
//! passed over, and what comes meanwhile is looked at the next time.

mod damage;
mod engine;
mod manifests;
mod report;

use std::num::NonZeroU64;

use super::backup::finish_run;
use super::context::Facts;
use super::pulse::with_pulse;
use super::{Context, Error, Shelf};
use crate::core::manifest::Sample;
use crate::core::model::{
    AbsolutePath, HostName, Percent, RunCause, RunId, RunKind, RunStatus, SnapshotId, SnapshotKind,
    SnapshotName, SnapshotStatus, SqlHost,
};
use crate::disk::{DiskError, HostDir, Root, RootView, Suspect};
use crate::rsync::Stop;
use crate::store::{HostKey, NewRun, RunEnd, Verification};

pub use damage::{Damage, InSnapshot, Intact};
use engine::{Engine, Subject};
pub use report::{HostVerification, SnapshotVerification, State};

/// What is to be verified, and how.
pub struct VerifyRequest<'a> {
    /// The host.
    pub host: HostName,
    /// This snapshot alone.
    pub snapshot: Option<(SnapshotKind, SnapshotName)>,
    /// The part of all files to be read; all if absent. Names and attributes are compared of all.
    pub sample: Option<Percent>,
    /// How many bytes may be read in a second.
    pub bytes_per_second: Option<NonZeroU64>,
    /// Asks it to stop.
    pub stop: &'a Stop,
    /// Hears which snapshot it is at, the how manieth of how many, and how many bytes were read so far.
    pub progress: &'a (dyn Fn(&SnapshotName, usize, usize, u64) + Sync),
}

/// Verifies one host by the database: the run, what was found and how far samples have come are recorded, and snapshots
/// with new damage are marked suspect.
///
/// # Errors
/// When there is no such host or snapshot, or the root is not there. What is wrong with snapshots is in the report.
pub fn verify(context: &Context, request: &VerifyRequest<'_>) -> Result<HostVerification, Error> {
    let facts = context.own_facts_of(HostKey::Name(&request.host))?;
    let host = facts.host(&request.host)?;
    let path = context.backup_root(&facts.state)?;
    let root = Root::open(&path, facts.root_id())?;
    let is_ours = root.require_lineage(&facts.state.lineage).is_ok();
    let rows = rows_of(&facts, host, request.snapshot.as_ref())?;
    if let Some(server) = context.home_elsewhere(&facts.state, host)?
        && rows.is_empty()
    {
        return Err(Error::OtherServer {
            host: host.name.clone(),
            server,
        });
    }
    let dir = root.find_host_dir(&host.directory)?;
    let sample = match request.sample {
        None => Sample::ALL,
        Some(share) => {
            let next = context.store.inspected()?.get(&host.id).copied();
            Sample::new(next.unwrap_or_default().next_slot, basis_points(share))
        }
    };
    let run = context.store.begin_run(&NewRun {
        host: host.id,
        kind: RunKind::Verify,
        started_at: super::clock::now(),
        process: super::process_name(),
        plan: None,
        log_path: None,
        lease: None,
    })?;
    let done = with_pulse(context, run, request.stop, None, |pulse| {
        let stop = || pulse.stop.is_asked();
        let told = |name: &SnapshotName, at, of, bytes| {
            pulse.is_at(bytes);
            (request.progress)(name, at, of, bytes);
        };
        let subjects = rows.iter().map(|(_, subject)| subject.clone()).collect();
        let Some(dir) = &dir else {
            let mut report = HostVerification::nothing(&host.name);
            report.run = Some(run);
            report.snapshots = looked_for(&rows, request.snapshot.as_ref());
            tell_missing(context, &mut report)?;
            return Ok(report);
        };
        let mut report = Engine {
            host: &host.name,
            dir,
            subjects,
            only: request.snapshot.as_ref(),
            sample,
            bytes_per_second: request.bytes_per_second,
            stop: &stop,
            progress: &told,
            writes: is_ours,
        }
        .run();
        report.run = Some(run);
        tell_missing(context, &mut report)?;
        record(context, dir, host, &rows, sample, &report)?;
        report.prunes_stop = Some(has_suspects(context, host)?);
        if request.snapshot.is_none() && !report.is_stopped() {
            context
                .store
                .record_inspected(host.id, super::clock::now(), sample)?;
        }
        Ok(report)
    });
    finish_run(context, &end_of(run, &done))?;
    done
}

/// The hosts that a verification of all on this server is about: those it backs up, and those it has snapshots of.
///
/// # Errors
/// When the database cannot be read, or it is not known which server this is.
pub fn hosts_to_verify(context: &Context) -> Result<Vec<HostName>, Error> {
    let facts = context.own_facts()?;
    let mut hosts = Vec::new();
    for host in facts.state.hosts.iter().filter(|h| h.retired.is_none()) {
        let is_here = || facts.snapshots.get(&host.id).is_some_and(|s| !s.is_empty());
        if context.home_elsewhere(&facts.state, host)?.is_none() || is_here() {
            hosts.push(host.name.clone());
        }
    }
    Ok(hosts)
}

/// What is to be looked at where the whole directory of the host is not there.
fn looked_for(
    rows: &[(SnapshotId, Subject)],
    only: Option<&(SnapshotKind, SnapshotName)>,
) -> Vec<SnapshotVerification> {
    rows.iter()
        .map(|(_, subject)| subject)
        .filter(|s| only.is_none_or(|(kind, name)| s.kind == *kind && s.name == *name))
        .map(|subject| SnapshotVerification::not_looked_at(subject, State::Gone))
        .collect()
}

/// A snapshot that a prune takes away says so in its row before it goes. One that is gone and still stands there as whole
/// went by another way.
fn tell_missing(context: &Context, report: &mut HostVerification) -> Result<(), Error> {
    if report.count(State::Gone) == 0 {
        return Ok(());
    }
    let facts = context.own_facts_of(HostKey::Name(&report.host))?;
    let rows = rows_of(&facts, facts.host(&report.host)?, None)?;
    for seen in &mut report.snapshots {
        let is_there =
            |(_, s): &(SnapshotId, Subject)| s.kind == seen.kind && s.name == seen.snapshot;
        if seen.state == State::Gone && rows.iter().any(is_there) {
            seen.state = State::Missing;
            seen.problem = Some(
                "it is not on disk, and no prune took it: pobsync check --repair shows what can be done"
                    .to_owned(),
            );
        }
    }
    report.settle();
    Ok(())
}

/// Verifies a host of a root without any database: reads alone, and records nothing.
///
/// # Errors
/// As [`verify`].
pub fn verify_below(shelf: &Shelf, request: &VerifyRequest<'_>) -> Result<HostVerification, Error> {
    let found = shelf.host(&request.host)?;
    let mut subjects: Vec<Subject> = found
        .snapshots
        .into_iter()
        .map(|on_disk| Subject {
            kind: on_disk.kind,
            name: on_disk.name,
            started_at: on_disk.started_at,
        })
        .collect();
    subjects.reverse();
    require(&request.host, request.snapshot.as_ref(), subjects.iter())?;
    let report = Engine {
        host: &request.host,
        dir: &found.dir,
        subjects,
        only: request.snapshot.as_ref(),
        sample: request
            .sample
            .map_or(Sample::ALL, |share| Sample::new(0, basis_points(share))),
        bytes_per_second: request.bytes_per_second,
        stop: &|| request.stop.is_asked(),
        progress: request.progress,
        writes: false,
    }
    .run();
    Ok(report)
}

/// The hosts that have a directory below a root.
///
/// # Errors
/// When it is no root, or cannot be listed.
pub fn hosts_below(root: &AbsolutePath) -> Result<Vec<HostName>, Error> {
    Ok(RootView::open(root, None)?.host_dirs()?.hosts)
}

fn basis_points(share: Percent) -> u32 {
    u32::from(share.get()) * 100
}

/// The complete snapshots of a host, oldest first, with their rows.
fn rows_of(
    facts: &Facts,
    host: &SqlHost,
    only: Option<&(SnapshotKind, SnapshotName)>,
) -> Result<Vec<(SnapshotId, Subject)>, Error> {
    let mut rows: Vec<(SnapshotId, Subject)> = facts
        .snapshots
        .get(&host.id)
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .filter(|snapshot| snapshot.status == SnapshotStatus::Complete)
        .map(|snapshot| {
            let subject = Subject {
                kind: snapshot.kind,
                name: snapshot.name.clone(),
                started_at: snapshot.started_at,
            };
            (snapshot.id, subject)
        })
        .collect();
    rows.sort_by(|a, b| (a.1.started_at, &a.1.name).cmp(&(b.1.started_at, &b.1.name)));
    require(&host.name, only, rows.iter().map(|(_, subject)| subject))?;
    Ok(rows)
}

/// Says that the snapshot that is asked for is not among those that can be looked at.
fn require<'s>(
    host: &HostName,
    only: Option<&(SnapshotKind, SnapshotName)>,
    mut subjects: impl Iterator<Item = &'s Subject>,
) -> Result<(), Error> {
    match only {
        Some((kind, name)) if !subjects.any(|s| s.kind == *kind && s.name == *name) => {
            Err(Error::UnknownSnapshot {
                host: host.clone(),
                name: name.clone(),
            })
        }
        _ => Ok(()),
    }
}

/// Records what each look came to, and marks what is newly damaged: on disk too, so that a lost database loses no mark.
fn record(
    context: &Context,
    dir: &HostDir,
    host: &SqlHost,
    rows: &[(SnapshotId, Subject)],
    sample: Sample,
    report: &HostVerification,
) -> Result<(), Error> {
    let Some(run) = report.run else {
        return Ok(());
    };
    for seen in &report.snapshots {
        let is_settled = matches!(seen.state, State::Sound | State::Damaged);
        let row = rows
            .iter()
            .find(|(_, subject)| subject.kind == seen.kind && subject.name == seen.snapshot);
        let Some((row, _)) = row.filter(|_| is_settled) else {
            continue;
        };
        let at = super::clock::now();
        let look = Verification {
            snapshot: *row,
            run,
            at,
            share: sample.basis_points(),
            names: seen.names,
            compared: seen.compared,
            unknown: seen.unknown,
            found: seen.found,
        };
        let damage = report.damage_of(seen.kind, &seen.snapshot);
        // What this user may not read is as damaged as it was.
        let looked_at = seen.problem.is_none().then_some(sample);
        let news = context
            .store
            .record_verification(&look, looked_at, &damage)?;
        if news > 0 {
            mark(dir, seen.kind, &seen.snapshot, seen.found)
                .unwrap_or_else(|error| tracing::warn!("{}: {error}", host.name));
        }
    }
    // Where one snapshot alone was looked at, others have the damage too: when that one is deleted it is still there.
    for (row, subject) in rows {
        let was_seen = |seen: &SnapshotVerification| {
            let is_settled = matches!(seen.state, State::Sound | State::Damaged);
            is_settled && seen.kind == subject.kind && seen.snapshot == subject.name
        };
        let damage = report.damage_of(subject.kind, &subject.name);
        if !damage.is_empty() && !report.snapshots.iter().any(was_seen) {
            let at = super::clock::now();
            context.store.record_shared_damage(*row, at, &damage)?;
        }
    }
    Ok(())
}

/// Says that unattended prunes of the host wait for somebody to look, whatever was found just now: who has looked already is
/// not stopped again.
fn has_suspects(context: &Context, host: &SqlHost) -> Result<bool, Error> {
    let facts = context.own_facts_of(HostKey::Id(host.id))?;
    let snapshots = facts.snapshots.get(&host.id).into_iter().flatten();
    Ok(snapshots
        .filter(|snapshot| snapshot.status.is_on_disk())
        .any(|snapshot| snapshot.suspect))
}

fn mark(
    dir: &HostDir,
    kind: SnapshotKind,
    name: &SnapshotName,
    found: u64,
) -> Result<(), DiskError> {
    if !dir.has_snapshot(kind, name)? || dir.read_suspect(kind, name)?.is_some() {
        return Ok(());
    }
    let suspect = Suspect {
        since: super::clock::now(),
        reason: format!("verification found {found} damaged files"),
    };
    dir.write_suspect(kind, name, &suspect)
}

fn end_of(run: RunId, done: &Result<HostVerification, Error>) -> RunEnd {
    let (status, message, cause) = match done {
        Ok(report) => (
            report.run_status(),
            report.sentence(),
            match report.run_status() {
                RunStatus::Failed => Some(RunCause::Lasting),
                RunStatus::Partial => Some(RunCause::Unreadable),
                _ => None,
            },
        ),
        Err(error) => (
            RunStatus::Failed,
            super::sentence(error),
            Some(error.cause()),
        ),
    };
    RunEnd {
        run,
        status,
        at: super::clock::now(),
        message,
        cause,
    }
}
