//! Carrying out an order to delete, and nothing but an order.
//!
//! The order is given by the gate for a plan that is recorded, under the host's lock, after a plan made there and then.
//! Every snapshot that stays is looked at before the first one goes.

use super::context::Facts;
use super::cut_off::{FinishedDeletion, finish_cut_off, log_finished};
use super::grip::Grip;
use super::lost_runs::settle_lost_runs;
use super::plan::plan_in_force;
use super::reconcile::reconcile;
use super::root::{grip_host, open_root};
use super::trash::TrashView;
use super::{Context, Error, Stop};
use crate::core::model::{
    HostName, Kinds, PlanId, RunCause, RunId, RunKind, RunStatus, SnapshotId, SnapshotName,
    SnapshotStatus, SqlHost, Timestamp,
};
use crate::core::plan::{
    Allow, Authority, ClockFacts, DeletionOrder, OrderedDeletion, Outcome, Plan, RetentionPlan,
    authorise, intersect, require_approval,
};
use crate::disk::{Damage, DiskError, Expected};
use crate::store::{HostKey, Marking, NewRun, PlanKind, RunEnd, StoreError};

/// What is to be pruned, and on whose word.
#[derive(Debug, Clone)]
pub struct PruneRequest {
    /// The directory of the host, which tells two apart that had one name.
    pub directory: HostName,
    /// On whose word.
    pub authority: Authority,
    /// These kinds alone; those of the policy if absent.
    pub kinds: Option<Kinds>,
    /// The limits lifted for it.
    pub allow: Vec<Allow>,
    /// What a person has seen: only what this lists may go.
    pub listed: Option<RetentionPlan>,
}

impl PruneRequest {
    /// What is pruned while nobody looks: as the approved policy says, and no limit is lifted.
    #[must_use]
    pub fn unattended(directory: HostName) -> Self {
        Self {
            directory,
            authority: Authority::Unattended,
            kinds: None,
            allow: Vec::new(),
            listed: None,
        }
    }
}

/// What came of a prune.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "what could not be deleted has to be told"]
pub struct PruneReport {
    /// The host.
    pub host: HostName,
    /// The recorded plan, if there was something to delete.
    pub plan: Option<PlanId>,
    /// What is gone.
    pub deleted: Vec<SnapshotName>,
    /// What is not, and why.
    pub left: Vec<(SnapshotName, String)>,
    /// Bytes on disk that came free.
    pub freed: u64,
    /// What an earlier prune had committed to before it was cut off, and is gone now.
    pub finished: Vec<FinishedDeletion>,
}

impl PruneReport {
    pub(super) fn nothing(host: &HostName) -> Self {
        Self {
            host: host.clone(),
            plan: None,
            deleted: Vec::new(),
            left: Vec::new(),
            freed: 0,
            finished: Vec::new(),
        }
    }

    /// How a command ends with it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.left.is_empty() {
            Outcome::Done
        } else {
            Outcome::PartlyDone
        }
    }
}

/// Prunes one host. What has gone into the trash when `stop` is asked is deleted by the next run, and nothing more goes
/// there.
///
/// # Errors
/// When the host is locked, the root is not there, the gate stays shut, or a snapshot that should stay is not whole:
/// nothing was deleted then.
pub fn prune(context: &Context, request: &PruneRequest, stop: &Stop) -> Result<PruneReport, Error> {
    let now = super::clock::now();
    let facts = context.own_facts_of(HostKey::Directory(&request.directory))?;
    let host = facts.by_directory(&request.directory)?;
    let root = open_root(context, &facts, now)?;
    let Some(dir) = root.find_host_dir(&host.directory)? else {
        return Ok(PruneReport::nothing(&host.name));
    };
    let mut lock = grip_host(context, &dir, host, "prune", None, now)?;
    settle_lost_runs(context, host)?;
    reconcile(
        context,
        &root,
        host.id,
        context.own_facts_of(HostKey::Id(host.id))?,
    )?;
    prune_locked(context, request, &mut lock, stop)
}

/// Prunes one host whose lock the caller holds.
///
/// # Errors
/// As [`prune`].
pub(super) fn prune_locked(
    context: &Context,
    request: &PruneRequest,
    lock: &mut Grip,
    stop: &Stop,
) -> Result<PruneReport, Error> {
    let facts = context.own_facts_of(HostKey::Directory(&request.directory))?;
    let host = facts.by_directory(&request.directory)?;
    settle_lost_runs(context, host)?;
    let finished = finish_cut_off(context, host, lock, stop)?;
    match prune_listed(context, request, lock, stop) {
        Ok(report) => Ok(PruneReport { finished, ..report }),
        Err(error) => {
            // They are gone whatever stands against the rest.
            log_finished(&host.name, &finished);
            Err(error)
        }
    }
}

/// Makes the plan, records it, has it authorised, and carries it out.
fn prune_listed(
    context: &Context,
    request: &PruneRequest,
    lock: &mut Grip,
    stop: &Stop,
) -> Result<PruneReport, Error> {
    let facts = context.own_facts_of(HostKey::Directory(&request.directory))?;
    let host = facts.by_directory(&request.directory)?;
    let mut plan = plan_in_force(
        &facts,
        std::slice::from_ref(host),
        request.kinds,
        &request.allow,
    )?;
    narrow(&mut plan, request.listed.as_ref());
    if let Some(retention) = plan.retention.first()
        && let Err(refused) = require_approval(request.authority, retention, &facts.state)
    {
        return refused_unseen(context, host, lock, refused.into());
    }
    let Some(retention) = plan
        .retention
        .first()
        .filter(|retention| !retention.delete.is_empty())
        .cloned()
    else {
        return Ok(PruneReport::nothing(&host.name));
    };
    let kind = if request.authority == Authority::Unattended {
        PlanKind::Prune
    } else {
        PlanKind::Retention
    };
    let recorded = context.record(&facts, &plan, kind)?;
    let now = super::clock::now();
    let run = context.store.begin_run(&NewRun {
        host: host.id,
        kind: RunKind::Prune,
        started_at: now,
        process: super::process_name(),
        plan: Some(recorded),
        log_path: None,
        lease: Some(lock.lease().clone()),
    })?;
    lock.record_run(run)?;
    // In this order: another run may record a moment in between, and a time taken before it would look like a step back.
    let last_seen = context.store.sign_of_life()?;
    let clock = ClockFacts {
        now: super::clock::now(),
        last_seen,
    };
    let done = authorise(
        request.authority,
        &retention,
        recorded,
        &facts.state,
        &request.allow,
        clock,
    )
    .map_err(Error::from)
    .and_then(|order| carry_out(context, &facts, host, &order, lock, (run, stop)));
    finish_run(context, run, &done, stop.is_asked())?;
    done
}

/// Records a prune that stopped before there was a plan to carry out: nobody sits before an unattended one, so its row
/// has to say it.
fn refused_unseen(
    context: &Context,
    host: &SqlHost,
    lock: &mut Grip,
    error: Error,
) -> Result<PruneReport, Error> {
    let run = context.store.begin_run(&NewRun {
        host: host.id,
        kind: RunKind::Prune,
        started_at: super::clock::now(),
        process: super::process_name(),
        plan: None,
        log_path: None,
        lease: Some(lock.lease().clone()),
    })?;
    lock.record_run(run)?;
    let done = Err(error);
    finish_run(context, run, &done, false)?;
    done
}

/// Cuts the plan down to what a person has seen.
fn narrow(plan: &mut Plan, listed: Option<&RetentionPlan>) {
    let Some(listed) = listed else { return };
    let cut: Vec<RetentionPlan> = plan
        .retention
        .drain(..)
        .map(|today| intersect(listed, today))
        .collect();
    plan.retention = cut;
    plan.reseal();
}

fn carry_out(
    context: &Context,
    facts: &Facts,
    host: &SqlHost,
    order: &DeletionOrder,
    lock: &Grip,
    (run, stop): (RunId, &Stop),
) -> Result<PruneReport, Error> {
    lock.check_in_place()?;
    everything_kept_is_whole(context, facts, host, order, lock)?;
    let rows = facts.rows(host.id);
    let mut report = PruneReport {
        plan: Some(order.plan()),
        ..PruneReport::nothing(&host.name)
    };
    let mut going: Vec<(SnapshotId, SnapshotName)> = Vec::new();
    for (at, deletion) in order.deletions().iter().enumerate() {
        let now = super::clock::now();
        if stop.is_asked() {
            let why = "it was stopped before: the next prune decides anew";
            let rest = order.deletions().iter().skip(at);
            let rest = rest.map(|deletion| (deletion.name.clone(), why.to_owned()));
            report.left.extend(rest);
            break;
        }
        if !context.store.heartbeat(run, now)? {
            report.left.push((
                deletion.name.clone(),
                "the run was ended from elsewhere".to_owned(),
            ));
            break;
        }
        let Some(row) = rows.get(&(deletion.kind, &deletion.name)).copied() else {
            continue;
        };
        if let Some(why) = held_on_disk(lock, deletion, now) {
            report.left.push((deletion.name.clone(), why));
            continue;
        }
        if let Some(why) = in_use(lock, deletion)? {
            report.left.push((deletion.name.clone(), why));
            continue;
        }
        if deletion.status == SnapshotStatus::Complete
            && !lock.has_snapshot(deletion.kind, &deletion.name)?
        {
            // Somebody has moved it away, or a disk has lost it: it was not deleted, and nothing came free.
            context.store.mark_missing(&[row])?;
            report.left.push((
                deletion.name.clone(),
                "it is not on disk, and nothing was deleted: recorded as missing".to_owned(),
            ));
            continue;
        }
        match context
            .store
            .mark_deleting(row, order.plan(), lock.lease(), now)?
        {
            Marking::Marked => match to_trash(lock, deletion) {
                Ok(()) => going.push((row, deletion.name.clone())),
                // A database that is away, or says that the host is another's: nothing more is renamed.
                Err(error @ Error::Store(_)) => return Err(error),
                Err(error) => {
                    if matches!(error, Error::Disk(DiskError::InUse { .. })) {
                        // It stands where it stood, and a restore that began a moment ago should not see it go.
                        context.store.take_back_deletion(row, lock.lease())?;
                    }
                    report
                        .left
                        .push((deletion.name.clone(), super::sentence(&error)));
                }
            },
            Marking::LeaseLost => return Err(StoreError::LeaseLost { host: host.id }.into()),
            refused => report
                .left
                .push((deletion.name.clone(), marking_text(refused).to_owned())),
        }
    }
    empty_trash(context, host, lock, going, &mut report, stop)?;
    Ok(report)
}

/// A hold that stands beside the snapshot: SQL may not know it, as after an older database was put back, or it has been
/// set since the plan was made.
fn held_on_disk(lock: &Grip, deletion: &OrderedDeletion, now: Timestamp) -> Option<String> {
    match lock.read_hold(deletion.kind, &deletion.name) {
        Ok(Some(hold)) if hold.is_in_force(now) => Some(format!(
            "it is held on disk by {}; if the database does not know that, pobsync discover-snapshots takes it over",
            hold.by
        )),
        // An incomplete one has no place for a hold.
        Ok(_) | Err(DiskError::Absent { .. }) => None,
        Err(error) => Some(format!("whether it is held cannot be read: {error}")),
    }
}

/// A snapshot that somebody restores from goes another time.
fn in_use(lock: &Grip, deletion: &OrderedDeletion) -> Result<Option<String>, Error> {
    let is_in_use = deletion.status == SnapshotStatus::Complete
        && lock.is_in_use(deletion.kind, &deletion.name)?;
    Ok(is_in_use.then(|| "somebody restores from it: the next prune takes it".to_owned()))
}

/// If one snapshot that the plan keeps is not on disk, whole and under its name, then the disk is not what the plan was
/// made for: nothing goes.
fn everything_kept_is_whole(
    context: &Context,
    facts: &Facts,
    host: &SqlHost,
    order: &DeletionOrder,
    lock: &Grip,
) -> Result<(), Error> {
    let rows = facts.rows(host.id);
    let known_as = [host.name.clone()];
    let mut first = None;
    for (kind, name) in order.must_be_whole() {
        let expected = Expected {
            kind: *kind,
            name,
            known_as: &known_as,
            is_legacy: false,
        };
        let Err(damage) = lock.check_whole(expected) else {
            continue;
        };
        if let Some(row) = rows
            .get(&(*kind, name))
            .filter(|_| !matches!(damage, Damage::Unreadable(_)))
        {
            context.store.mark_missing(&[*row])?;
        }
        first.get_or_insert(Error::KeptIsNotWhole {
            host: host.name.clone(),
            kind: *kind,
            name: name.clone(),
            problem: damage.to_string(),
        });
    }
    first.map_or(Ok(()), Err)
}

/// Takes a snapshot off its place, if the host is still ours.
///
/// # Errors
/// When it is not, or the database does not say: nothing was renamed then. When it cannot be moved.
pub(super) fn to_trash(lock: &Grip, deletion: &OrderedDeletion) -> Result<(), Error> {
    lock.must_be_ours()?;
    let moved = match deletion.status {
        SnapshotStatus::Complete => lock.trash(deletion.kind, &deletion.name),
        SnapshotStatus::Deleting => lock
            .trash(deletion.kind, &deletion.name)
            .or_else(|_| lock.trash_incomplete(deletion.kind, &deletion.name)),
        _ => lock.trash_incomplete(deletion.kind, &deletion.name),
    };
    match moved {
        // An incomplete one may have left nothing on disk, and a cut-off prune has moved it already.
        Err(DiskError::Absent { .. }) => Ok(()),
        moved => Ok(moved.map(|_| ())?),
    }
}

/// Deletes what recorded plans have put into the trash, and says of each row that its snapshot is gone, which is so only
/// once all of it is. Whatever else lies there stays.
pub(super) fn empty_trash(
    context: &Context,
    host: &SqlHost,
    lock: &Grip,
    going: Vec<(SnapshotId, SnapshotName)>,
    report: &mut PruneReport,
    stop: &Stop,
) -> Result<TrashView, Error> {
    let facts = context.own_facts_of(HostKey::Id(host.id))?;
    let trash = TrashView::of(context, &facts, host, lock)?;
    let pace = host.settings.prune.max_per_second;
    let emptied = lock.empty_trash(&trash.goes, pace, &|_| stop.flow())?;
    report.freed += emptied.removed.bytes;
    if emptied.is_finished() {
        for (row, name) in going {
            if let Some(stays) = trash.staying(&name) {
                report.left.push((name, stays.what.clone()));
                continue;
            }
            context
                .store
                .mark_deleted(row, lock.lease(), super::clock::now())?;
            report.deleted.push(name);
        }
        return Ok(trash);
    }
    let why = emptied.unremoved.first().map_or(
        "it was stopped, and the next run of the host goes on".to_owned(),
        |left| format!("{}: {}", left.path.display(), left.cause),
    );
    report.left.extend(
        going
            .into_iter()
            .map(|(_, name)| (name, format!("in the trash, not empty yet: {why}"))),
    );
    Ok(trash)
}

fn marking_text(marking: Marking) -> &'static str {
    match marking {
        Marking::Marked => "marked",
        Marking::Unknown => "there is no row of it any more",
        Marking::NotListed => "the recorded plan does not list it",
        Marking::SerialMoved => "the configuration has changed meanwhile: make a new plan",
        Marking::Held => "it is held",
        Marking::Paused => "its host was paused meanwhile",
        Marking::Live => "a run is at work on it",
        Marking::LaterPlan => "a later plan is deleting it",
        Marking::LeaseLost => "another process has taken the host over",
        Marking::Gone(_) => "it is gone already",
    }
}

fn finish_run(
    context: &Context,
    run: RunId,
    done: &Result<PruneReport, Error>,
    is_stopped: bool,
) -> Result<(), Error> {
    let (status, message, cause) = match done {
        Ok(report) if report.left.is_empty() => (
            RunStatus::Complete,
            format!("{} deleted", report.deleted.len()),
            None,
        ),
        Ok(report) => {
            let (deleted, left) = (report.deleted.len(), report.left.len());
            let told = format!("{deleted} deleted, {left} left");
            if is_stopped {
                (RunStatus::Cancelled, format!("stopped: {told}"), None)
            } else {
                (RunStatus::Partial, told, Some(RunCause::Lasting))
            }
        }
        Err(error) => {
            let is_refusal = matches!(
                error.outcome(),
                Outcome::Refused | Outcome::ApprovalMissing | Outcome::Stale
            );
            (
                if is_refusal {
                    RunStatus::Refused
                } else {
                    RunStatus::Failed
                },
                error.to_string(),
                Some(error.cause()),
            )
        }
    };
    Ok(context.store.finish_run(&RunEnd {
        run,
        status,
        at: super::clock::now(),
        message,
        cause,
    })?)
}

/// Records that the program was at work at `now`, unless the clock is in doubt: then only a person can say that it is
/// right, and no unattended prune runs until one did.
///
/// # Errors
/// When the database cannot be worked with.
pub(super) fn record_life(context: &Context, now: Timestamp) -> Result<(), Error> {
    // In this order: another run may record a moment in between, and a time taken before it would look like a step back.
    let last_seen = context.store.sign_of_life()?;
    let clock = ClockFacts {
        now: super::clock::now(),
        last_seen,
    };
    if clock.doubt().is_none() {
        context.store.record_sign_of_life(now)?;
    }
    Ok(())
}
