//! The gate between plan and prune. A [`DeletionOrder`] is what a prune takes, and it is made nowhere else: whoever
//! holds one holds a recorded plan that lists every deletion, and the authority for it.

use super::guards::{self, Limits};
use super::{Allow, Outcome, Refusal, RefusalScope, RetentionPlan};
use crate::core::model::{
    Fingerprint, HostName, PlanId, SnapshotKind, SnapshotName, SnapshotStatus, Span, SqlState,
    Timestamp,
};
use crate::core::retention::Cause;

/// After so long without a sign of life the clock is not believed: a machine that was off comes back with people
/// near it, and one whose battery died may come back in another year.
const LONGEST_SILENCE: Span = Span::from_hours(7 * 24);

/// On whose word snapshots are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Nobody asked: a schedule, or `--prune` after a backup. Needs an approved policy, and every limit counts.
    Unattended,
    /// A person or CI applied a plan with `--prune`. The approval is that apply's own; every limit counts, and what is
    /// suspect stays until somebody has looked at it.
    Applied,
    /// A person asked for this host by name.
    ByName {
        /// What they allow instead of `max-delete`.
        max_delete: Option<u32>,
    },
}

/// What the clock says, and what it said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockFacts {
    /// Now.
    pub now: Timestamp,
    /// The latest time the database has recorded.
    pub last_seen: Option<Timestamp>,
}

/// One snapshot to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderedDeletion {
    /// Its kind.
    pub kind: SnapshotKind,
    /// Its name.
    pub name: SnapshotName,
    /// The status it had in the plan.
    pub status: SnapshotStatus,
}

/// The order to delete: at most what the recorded plan lists.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an order that is not carried out deletes nothing"]
pub struct DeletionOrder {
    plan: PlanId,
    host: HostName,
    directory: HostName,
    delete: Vec<OrderedDeletion>,
    keep: Vec<(SnapshotKind, SnapshotName)>,
}

impl DeletionOrder {
    /// The recorded plan it carries out.
    #[must_use]
    pub fn plan(&self) -> PlanId {
        self.plan
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// The host's directory.
    #[must_use]
    pub fn directory(&self) -> &HostName {
        &self.directory
    }

    /// What goes, oldest first.
    #[must_use]
    pub fn deletions(&self) -> &[OrderedDeletion] {
        &self.delete
    }

    /// The visible snapshots that stay: each must be found whole on disk before the first deletion.
    #[must_use]
    pub fn must_be_whole(&self) -> &[(SnapshotKind, SnapshotName)] {
        &self.keep
    }
}

/// Why a prune may not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The policy in force is not the approved one.
    #[error("the retention policy of {host} is not approved: {}", approval_text(approved.as_ref()))]
    ApprovalMissing {
        /// The host.
        host: HostName,
        /// The policy that is approved, if any.
        approved: Option<Fingerprint>,
    },
    /// Guards stand against it.
    #[error("{}", refusals.iter().map(|r| r.message.as_str()).collect::<Vec<_>>().join("; "))]
    Refused {
        /// Each of them.
        refusals: Vec<Refusal>,
    },
}

fn approval_text(approved: Option<&Fingerprint>) -> String {
    match approved {
        None => "none has been".to_owned(),
        Some(print) => format!("the approved one is {}", print.short()),
    }
}

impl GateError {
    /// How a command ends that this stops.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::ApprovalMissing { .. } => Outcome::ApprovalMissing,
            Self::Refused { .. } => Outcome::Refused,
        }
    }

    /// What the operator may do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::ApprovalMissing { host, .. } => {
                format!(
                    "apply the configuration that holds it, or look at it and approve it: pobsync retention {host} --approve"
                )
            }
            Self::Refused { refusals } => refusals
                .iter()
                .map(|r| r.lift.as_str())
                .collect::<Vec<_>>()
                .join("; or "),
        }
    }
}

/// Opens the gate for one host of a recorded plan.
///
/// `plan` is the host's retention plan, made now from SQL as it stands, already cut down to what a saved plan listed
/// where there is one; `recorded` is its row.
///
/// # Errors
/// When no approved policy allows it, or a guard stands against it. Nothing may be deleted then.
pub fn authorise(
    authority: Authority,
    plan: &RetentionPlan,
    recorded: PlanId,
    state: &SqlState,
    allow: &[Allow],
    clock: ClockFacts,
) -> Result<DeletionOrder, GateError> {
    require_approval(authority, plan, state)?;
    let mut refusals = limit_refusals(authority, plan, state, allow);
    refusals.extend(from_the_future(plan, clock.now));
    if authority == Authority::Unattended {
        refusals.extend(doubtful_clock(plan, clock));
    }
    let is_suspect_in_the_way = match authority {
        Authority::Unattended => true,
        // An apply speaks of a whole file, and CI says it with nobody there to look. A host whose snapshots the file says
        // to delete, it names.
        Authority::Applied => !deletes_a_removed_host(plan),
        Authority::ByName { .. } => false,
    };
    if is_suspect_in_the_way {
        refusals.extend(suspect(plan));
    }
    if !refusals.is_empty() {
        return Err(GateError::Refused { refusals });
    }

    let mut delete: Vec<OrderedDeletion> = plan
        .delete
        .iter()
        .map(|d| OrderedDeletion {
            kind: d.kind,
            name: d.snapshot.clone(),
            status: d.status,
        })
        .collect();
    delete.reverse();
    let keep = plan
        .keep
        .iter()
        .filter(|k| k.status == SnapshotStatus::Complete)
        .map(|k| (k.kind, k.snapshot.clone()))
        .collect();
    Ok(DeletionOrder {
        plan: recorded,
        host: plan.host.clone(),
        directory: plan.directory.clone(),
        delete,
        keep,
    })
}

/// Demands that the policy in force is the approved one, where nobody asked by name. An unattended prune is told so also
/// while there is nothing to delete yet: the night on which there is would be too late to hear of it.
///
/// # Errors
/// [`GateError::ApprovalMissing`].
pub fn require_approval(
    authority: Authority,
    plan: &RetentionPlan,
    state: &SqlState,
) -> Result<(), GateError> {
    let needs_approval = match authority {
        Authority::Unattended => true,
        // The apply that says `snapshots="delete"` is itself the approval of that.
        Authority::Applied => !deletes_a_removed_host(plan),
        Authority::ByName { .. } => false,
    };
    // Without a policy everything is kept, and there is nothing to approve.
    if !needs_approval || plan.approved || (plan.policy.is_none() && plan.delete.is_empty()) {
        return Ok(());
    }
    let approved = state
        .host(&plan.host)
        .and_then(|host| host.approved_policy.clone());
    Err(GateError::ApprovalMissing {
        host: plan.host.clone(),
        approved,
    })
}

/// Says that whatever goes does so because the file says of a host that it is removed with its snapshots.
fn deletes_a_removed_host(plan: &RetentionPlan) -> bool {
    let mut deleted = plan.delete.iter();
    deleted.all(|entry| entry.reason == Cause::HostRemoved)
}

fn limit_refusals(
    authority: Authority,
    plan: &RetentionPlan,
    state: &SqlState,
    allow: &[Allow],
) -> Vec<Refusal> {
    let mut limits = Limits::in_force(state, allow);
    match authority {
        Authority::ByName { max_delete } => {
            if let Some(n) = max_delete {
                limits.replace_max_delete(n);
            }
            guards::max_delete(&limits, plan).into_iter().collect()
        }
        Authority::Unattended | Authority::Applied => {
            guards::prune_refusals(&limits, std::iter::once(plan))
        }
    }
}

/// A snapshot dated in the future would take the place of the newest and let go of what is younger than it looks.
fn from_the_future(plan: &RetentionPlan, now: Timestamp) -> Option<Refusal> {
    let dates = plan.keep.iter().map(|k| (&k.snapshot, k.started_at));
    let (name, at) = dates
        .chain(plan.delete.iter().map(|d| (&d.snapshot, d.started_at)))
        .find(|(_, started_at)| *started_at > now)?;
    Some(refusal(
        "future-snapshot",
        plan,
        format!(
            "snapshot {name} of {} is dated {at}, which is in the future",
            plan.host
        ),
        "mend the clock of this server; if the clock is right, move that snapshot away and run pobsync discover-snapshots",
    ))
}

impl ClockFacts {
    /// Why the clock is not to be believed; nothing if it is.
    ///
    /// Whoever records signs of life records none while there is a doubt: a clock that jumped would vouch for itself.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        let last = self.last_seen?;
        if self.now < last {
            Some(format!(
                "the clock says {}, which is before the last time recorded, {last}",
                self.now
            ))
        } else if self.now > last.plus(LONGEST_SILENCE) {
            Some(format!(
                "the clock says {}, more than seven days after the last sign of life, {last}",
                self.now
            ))
        } else {
            None
        }
    }
}

fn doubtful_clock(plan: &RetentionPlan, clock: ClockFacts) -> Option<Refusal> {
    let lift = "look at the clock; if it is right, pobsync check --clock-is-right; a prune by name goes on at once";
    clock
        .doubt()
        .map(|message| refusal("clock", plan, message, lift))
}

/// One that goes counts like one that stays: what came before it may be the only good one.
fn suspect(plan: &RetentionPlan) -> Option<Refusal> {
    let kept = plan.keep.iter().map(|k| (&k.snapshot, k.suspect));
    let (snapshot, _) = kept
        .chain(plan.delete.iter().map(|d| (&d.snapshot, d.suspect)))
        .find(|(_, is_suspect)| *is_suspect)?;
    let host = &plan.host;
    Some(refusal(
        "suspect",
        plan,
        format!(
            "snapshot {snapshot} of {host} is suspect: it shrank or changed far more than usual, or `pobsync verify` found it damaged"
        ),
        &format!(
            "look at it; if all is well, pobsync ack {host}; a prune by name goes on at once: pobsync retention {host} --apply"
        ),
    ))
}

fn refusal(guard: &str, plan: &RetentionPlan, message: String, lift: &str) -> Refusal {
    Refusal {
        guard: guard.to_owned(),
        scope: RefusalScope::Prune,
        host: Some(plan.host.clone()),
        message,
        limit: None,
        actual: None,
        of: None,
        set_at: "built in".to_owned(),
        lift: lift.to_owned(),
    }
}
