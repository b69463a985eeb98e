//! The plan itself: the document that people review, that is recorded, and that a prune points at.
//!
//! Its JSON is a contract: `schema/plan.schema.json`, `format_version` 1. New fields may be added; none changes its
//! meaning.

use std::collections::{BTreeSet, HashMap};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Allow, Outcome};
use crate::core::desired::DesiredState;
use crate::core::diff::{Action, Change, Drift};
use crate::core::model::{
    AbsolutePath, Fingerprint, Hold, HostName, Kinds, Label, Lineage, Policy, RootId, Serial,
    SnapshotKind, SnapshotName, SnapshotStatus, Timestamp,
};
use crate::core::retention::{Cause, Reason, RuleHit};
use crate::core::usage::Frees;

/// The version of the plan's JSON. A newer one is refused: its meaning is unknown.
pub const FORMAT_VERSION: u32 = 1;

/// What would change, and what would be kept and deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a plan that is neither shown nor applied was made for nothing"]
pub struct Plan {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The program that made it.
    pub pobsync_version: String,
    /// Whether there is something to do.
    pub outcome: Outcome,
    /// When it was made.
    pub created_at: Timestamp,
    /// The moment it was made for.
    pub as_of: Timestamp,
    /// The configuration it was made from.
    pub source: Source,
    /// The database it was made against.
    pub lineage: Lineage,
    /// The serial the configuration had there.
    pub serial: Serial,
    /// Over configuration and policies, without snapshots.
    pub fingerprint: Fingerprint,
    /// Over the deletions.
    pub deletions_fingerprint: Fingerprint,
    /// Only some hosts were looked at.
    pub partial: bool,
    /// Those hosts; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostName>,
    /// The kinds that were asked about; those of each policy if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Kinds>,
    /// How rules count: each by itself.
    pub counting: Counting,
    /// The limits lifted for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Allow>,
    /// What an apply would do.
    pub changes: Vec<Change>,
    /// Hosts that come to belong to another server, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Move>,
    /// Servers that leave, with what is on their roots, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<Leaving>,
    /// Hosts no KDL file manages.
    pub unmanaged: Vec<HostName>,
    /// What drifted since the last apply.
    pub drift: Vec<Drift>,
    /// What stands against it.
    pub refusals: Vec<Refusal>,
    /// One for each host, sorted by host and directory.
    pub retention: Vec<RetentionPlan>,
    /// The counts.
    pub summary: Summary,
    /// Of a saved plan: over all it says but the times, so that no number which people read was changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Fingerprint>,
    /// The resolved state, so that a saved plan applies without the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<DesiredState>,
}

/// A host that comes to belong to another server. Its snapshots stay where they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The host.
    pub host: HostName,
    /// The server that it belongs to.
    pub from: Label,
    /// The one that it is to belong to.
    pub to: Label,
    /// Nothing on that server can be linked against: its next backup is a full one.
    pub full: bool,
    /// Snapshots that stay where they are, under retention there by their own.
    pub left: usize,
    /// The server that it belongs to leaves: nobody looks after what stays there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaves: bool,
}

impl std::fmt::Display for Move {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            host,
            from,
            to,
            full,
            left,
            leaves,
        } = self;
        write!(f, "{host} moves from {from} to {to}: ")?;
        f.write_str(if *full {
            "its next backup is a full one"
        } else {
            "its next backup is linked against what is there from before"
        })?;
        match (left, leaves) {
            (0, _) => Ok(()),
            (1, false) => write!(
                f,
                "; 1 snapshot stays on {from}, under retention there by its own"
            ),
            (n, false) => write!(
                f,
                "; {n} snapshots stay on {from}, under retention there by their own"
            ),
            (1, true) => write!(f, "; 1 snapshot is lost sight of with {from}"),
            (n, true) => write!(f, "; {n} snapshots are lost sight of with {from}"),
        }
    }
}

/// A server that leaves, and whose root is in use. Nothing on it is deleted, and nobody looks after it any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// Its name.
    pub server: Label,
    /// Where its root is.
    pub root: AbsolutePath,
    /// Snapshots on it.
    pub snapshots: usize,
    /// Hosts that they are of.
    pub hosts: usize,
}

impl std::fmt::Display for Leaving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            server,
            root,
            snapshots,
            hosts,
        } = self;
        if *snapshots == 0 {
            return write!(f, "server {server} leaves; nothing is on its root {root}");
        }
        let s = |n: usize| if n == 1 { "" } else { "s" };
        write!(
            f,
            "server {server} leaves, and {snapshots} snapshot{} of {hosts} host{} on its root {root} with it: nothing there is \
             deleted, and nothing there is listed, counted, pruned or restored any more",
            s(*snapshots),
            s(*hosts)
        )
    }
}

/// How the buckets of different rules are counted: other tools count in sequence and keep other sets by the same
/// numbers, so the document says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counting {
    /// Each rule by itself; one snapshot may serve several.
    #[default]
    Independent,
}

/// The configuration a plan was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Each file read, in the order read.
    pub files: Vec<SourceFile>,
    /// The git revision, if known.
    pub revision: Option<String>,
    /// The files differ from that revision.
    pub dirty: bool,
}

/// One file of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Its path, relative to the first file's directory.
    pub path: String,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

/// What a refusal stands against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalScope {
    /// Changing the configuration.
    Apply,
    /// Deleting snapshots.
    Prune,
}

/// One reason why the plan would not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The guard, `max-delete-percent`.
    pub guard: String,
    /// What it stands against.
    pub scope: RefusalScope,
    /// The host, where it is about one.
    pub host: Option<HostName>,
    /// One sentence with the numbers.
    pub message: String,
    /// The limit.
    pub limit: Option<u64>,
    /// How much was asked for.
    pub actual: Option<u64>,
    /// Of how much.
    pub of: Option<u64>,
    /// Where the limit is set.
    pub set_at: String,
    /// What would lift it.
    pub lift: String,
}

/// The retention plan of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionPlan {
    /// The host, by the name it has after the change.
    pub host: HostName,
    /// Its directory, which tells two hosts apart that had one name.
    pub directory: HostName,
    /// The server that has its snapshots, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Label>,
    /// Their root, if it is not that of the server that the host belongs to: what was made before it was moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<RootId>,
    /// It has left, or leaves by this change.
    pub retired: bool,
    /// It is paused.
    pub paused: bool,
    /// The kinds that were asked about.
    pub kinds: Kinds,
    /// The policy of the plan; nothing keeps everything.
    pub policy: Option<Policy>,
    /// The policy's fingerprint.
    pub policy_fingerprint: Option<Fingerprint>,
    /// That policy stands approved.
    pub approved: bool,
    /// What stays, newest first.
    pub keep: Vec<KeepEntry>,
    /// What goes, newest first.
    pub delete: Vec<DeleteEntry>,
    /// The counts.
    pub totals: Totals,
    /// What verification has found damaged in these snapshots; nothing where there is none, or nobody looked it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<PlanDamage>,
}

/// What is damaged of the snapshots of a host: a deletion may take the last whole copy along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDamage {
    /// Paths, each counted once.
    pub files: usize,
    /// Snapshots with some.
    pub snapshots: usize,
    /// The first of the paths, as text.
    pub first: String,
    /// Snapshots that go, and hold whole what is damaged in others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub whole_copies_go: Vec<SnapshotName>,
}

/// A snapshot that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of a snapshot")]
pub struct KeepEntry {
    pub snapshot: SnapshotName,
    pub kind: SnapshotKind,
    pub status: SnapshotStatus,
    pub started_at: Timestamp,
    /// Why it stays.
    pub reasons: Vec<Reason>,
    /// How the rules of the policy counted it.
    pub rules: Vec<RuleHit>,
    /// The day it would go if backups go on as scheduled, in the policy's zone.
    pub expires_on: Option<NaiveDate>,
    pub bytes: Option<u64>,
    /// The policy in force deletes it.
    pub rescued: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspect: bool,
    /// Who holds it, why, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Box<Hold>>,
}

/// A snapshot that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of a snapshot")]
pub struct DeleteEntry {
    pub snapshot: SnapshotName,
    pub kind: SnapshotKind,
    pub status: SnapshotStatus,
    pub started_at: Timestamp,
    /// Why it goes.
    pub reason: Cause,
    /// What kept it under the policy in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previously_kept_by: Vec<Reason>,
    pub bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspect: bool,
}

impl DeleteEntry {
    /// Says that the snapshot is of the kind `incomplete`, which is counted apart.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.reason == Cause::Incomplete
    }
}

/// The counts of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// How many stay.
    pub keep: usize,
    /// How many go.
    pub delete: usize,
    /// How many the policy in force would have deleted and this one keeps.
    pub rescued: usize,
    /// How many go, by kind.
    pub delete_by_kind: KindCounts,
    /// How many go, by reason.
    pub delete_by_reason: DeletionCounts,
    /// Bytes of what goes; shared files are counted, so that less comes free.
    pub delete_bytes: u64,
    /// Bytes on disk that come free; nothing where that was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frees: Option<Frees>,
}

/// Counts by kind; each snapshot is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is the kind of its name")]
pub struct KindCounts {
    pub scheduled: usize,
    pub manual: usize,
    pub incomplete: usize,
}

/// Counts by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each field is the reason of its name")]
pub struct DeletionCounts {
    pub expired: usize,
    pub policy_change: usize,
    pub host_removed: usize,
    pub incomplete: usize,
}

/// The counts of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the counted actions")]
pub struct Summary {
    pub create: usize,
    pub update: usize,
    pub retire: usize,
    pub rename: usize,
    /// Objects that drifted.
    pub drift: usize,
    /// Snapshots on disk of the hosts looked at.
    pub snapshots: usize,
    /// Hosts that lose a snapshot.
    pub hosts_with_deletions: usize,
    /// Snapshots that go because of this change and not anyway.
    pub delete_by_change: usize,
    pub delete_by_kind: KindCounts,
    pub delete_by_reason: DeletionCounts,
    pub delete_bytes: u64,
    /// Bytes on disk that come free; nothing where no host was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frees: Option<Frees>,
    pub rescued: usize,
}

/// Turns a plan of one host into the plan to delete incomplete snapshots that a complete pull has superseded: `left`,
/// but for held ones and those a run is at work on.
pub fn superseded_plan(plan: &mut Plan, left: &BTreeSet<(SnapshotKind, SnapshotName)>) {
    for retention in &mut plan.retention {
        let is_superseded =
            |kind: SnapshotKind, name: &SnapshotName| left.contains(&(kind, name.clone()));
        retention
            .delete
            .retain(|entry| is_superseded(entry.kind, &entry.snapshot));
        for entry in &mut retention.delete {
            entry.reason = Cause::Incomplete;
        }
        let keep = std::mem::take(&mut retention.keep);
        for entry in keep {
            let is_pinned = entry
                .reasons
                .iter()
                .any(|reason| matches!(reason, Reason::Hold | Reason::Running));
            let is_incomplete = entry.status != SnapshotStatus::Complete;
            if is_superseded(entry.kind, &entry.snapshot) && is_incomplete && !is_pinned {
                retention.delete.push(DeleteEntry {
                    snapshot: entry.snapshot,
                    kind: entry.kind,
                    status: entry.status,
                    started_at: entry.started_at,
                    reason: Cause::Incomplete,
                    previously_kept_by: Vec::new(),
                    bytes: entry.bytes,
                    suspect: entry.suspect,
                });
            } else {
                retention.keep.push(entry);
            }
        }
        retention.totals = Totals::of(&retention.keep, &retention.delete);
    }
    plan.reseal();
}

impl Summary {
    /// How many snapshots go.
    #[must_use]
    pub fn deletions(&self) -> usize {
        self.delete_by_kind.scheduled + self.delete_by_kind.manual + self.delete_by_kind.incomplete
    }

    pub(super) fn count_changes(&mut self, changes: &[Change]) {
        for change in changes {
            match change.action {
                Action::Create => self.create += 1,
                Action::Update => self.update += 1,
                Action::Retire => self.retire += 1,
                Action::Rename => self.rename += 1,
            }
        }
    }

    pub(super) fn count_retention(&mut self, plans: &[RetentionPlan]) {
        // A host of which several servers delete something is one host.
        let mut hosts: BTreeSet<(&HostName, &HostName)> = BTreeSet::new();
        for plan in plans {
            let totals = &plan.totals;
            self.snapshots += totals.keep + totals.delete;
            if totals.delete > 0 {
                self.frees = match (self.frees, totals.frees) {
                    (None, frees) if hosts.is_empty() => frees,
                    (None, None) => None,
                    (Some(a), Some(b)) => Some(Frees {
                        bytes: a.bytes.saturating_add(b.bytes),
                        exact: a.exact && b.exact,
                    }),
                    (Some(some), None) | (None, Some(some)) => Some(Frees {
                        exact: false,
                        ..some
                    }),
                };
                hosts.insert((&plan.host, &plan.directory));
            }
            self.rescued += totals.rescued;
            self.delete_bytes = self.delete_bytes.saturating_add(totals.delete_bytes);
            self.delete_by_kind.scheduled += totals.delete_by_kind.scheduled;
            self.delete_by_kind.manual += totals.delete_by_kind.manual;
            self.delete_by_kind.incomplete += totals.delete_by_kind.incomplete;
            self.delete_by_reason.expired += totals.delete_by_reason.expired;
            self.delete_by_reason.policy_change += totals.delete_by_reason.policy_change;
            self.delete_by_reason.host_removed += totals.delete_by_reason.host_removed;
            self.delete_by_reason.incomplete += totals.delete_by_reason.incomplete;
        }
        self.hosts_with_deletions = hosts.len();
    }
}

impl Totals {
    pub(super) fn of(keep: &[KeepEntry], delete: &[DeleteEntry]) -> Self {
        let mut totals = Self {
            keep: keep.len(),
            delete: delete.len(),
            ..Self::default()
        };
        totals.rescued = keep.iter().filter(|entry| entry.rescued).count();
        for entry in delete {
            totals.delete_bytes = totals.delete_bytes.saturating_add(entry.bytes.unwrap_or(0));
            match entry.reason {
                Cause::Expired => totals.delete_by_reason.expired += 1,
                Cause::PolicyChange => totals.delete_by_reason.policy_change += 1,
                Cause::HostRemoved => totals.delete_by_reason.host_removed += 1,
                Cause::Incomplete => totals.delete_by_reason.incomplete += 1,
            }
            match entry.kind {
                _ if entry.is_incomplete() => totals.delete_by_kind.incomplete += 1,
                SnapshotKind::Scheduled => totals.delete_by_kind.scheduled += 1,
                SnapshotKind::Manual => totals.delete_by_kind.manual += 1,
            }
        }
        totals
    }
}

impl Plan {
    /// Computes both fingerprints over what the plan says now.
    pub(super) fn seal(&mut self, desired: Option<&DesiredState>) {
        self.fingerprint = self.configuration_fingerprint(desired);
        self.deletions_fingerprint = self.listed_deletions_fingerprint();
    }

    /// SHA-256 over the lineage, the desired state, the changes, the policies, which hosts were looked at and which limits
    /// are lifted: what a person approves. Snapshots, times and versions are not part of it, so that a night between review and apply
    /// changes nothing; nor are the places of the file, which move with a comment and with the folder it is read from.
    pub(super) fn configuration_fingerprint(&self, desired: Option<&DesiredState>) -> Fingerprint {
        let mut policies: Vec<_> = self
            .retention
            .iter()
            .map(|r| (&r.host, &r.directory, r.retired, &r.policy_fingerprint))
            .collect();
        // On how many servers a host has snapshots is no configuration: those that it left lose their last one some day.
        policies.dedup();
        let scope = self.partial.then_some((&self.hosts, &self.kinds));
        let desired = desired.map(|state| {
            let hosts: Vec<_> = state
                .hosts
                .iter()
                .map(|host| (&host.name, &host.was, &host.settings))
                .collect();
            let removed: Vec<_> = state
                .removed
                .iter()
                .map(|gone| (&gone.name, gone.snapshots))
                .collect();
            (&state.global, hosts, removed)
        });
        let changes: Vec<_> = self
            .changes
            .iter()
            .map(|change| {
                let Change {
                    action,
                    object,
                    name,
                    was,
                    at: _,
                    fields,
                } = change;
                (action, object, name, was, fields)
            })
            .collect();
        Fingerprint::of(&(
            &self.lineage,
            desired,
            changes,
            policies,
            scope,
            &self.allow,
        ))
    }

    fn listed_deletions_fingerprint(&self) -> Fingerprint {
        Fingerprint::of_rows(self.retention.iter().flat_map(|r| {
            r.delete
                .iter()
                .map(|d| (&r.host, &r.directory, d.kind, &d.snapshot, d.reason))
        }))
    }

    /// Takes off every deletion that `saved` did not list.
    pub fn only_what_was_listed(&mut self, saved: &Self) {
        let by_host: HashMap<_, _> = saved
            .retention
            .iter()
            .map(|s| ((&s.host, &s.directory, &s.root), s))
            .collect();
        let today = std::mem::take(&mut self.retention);
        self.retention = today
            .into_iter()
            .map(
                |plan| match by_host.get(&(&plan.host, &plan.directory, &plan.root)) {
                    Some(listed) => super::intersect(listed, plan),
                    None => RetentionPlan {
                        delete: Vec::new(),
                        totals: Totals::of(&plan.keep, &[]),
                        damage: None,
                        ..plan
                    },
                },
            )
            .collect();
        self.reseal();
    }

    /// Counts again, after deletions were taken off. What was approved stays the same: it is the configuration.
    pub fn reseal(&mut self) {
        let mut summary = Summary {
            drift: self.drift.len(),
            ..Summary::default()
        };
        summary.count_changes(&self.changes);
        summary.count_retention(&self.retention);
        summary.delete_by_change = self.summary.delete_by_change.min(summary.deletions());
        self.summary = summary;
        self.digest = None;
        self.deletions_fingerprint = self.listed_deletions_fingerprint();
    }

    /// The plan as it is saved: with the resolved state in it, so that it applies without the file.
    #[must_use = "the saved form is a new plan"]
    pub fn saved(mut self, desired: DesiredState) -> Self {
        self.desired = Some(desired);
        self.digest = Some(self.content_digest());
        self
    }

    fn content_digest(&self) -> Fingerprint {
        let start = Timestamp::from_millis(0);
        Fingerprint::of(&Self {
            created_at: start,
            as_of: start,
            digest: None,
            ..self.clone()
        })
    }

    /// Says that the fingerprints are those of the content: a plan whose text was edited is not the one reviewed.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        let is_saved = self.desired.is_some() || self.digest.is_some();
        (!is_saved || self.digest == Some(self.content_digest()))
            && self.fingerprint == self.configuration_fingerprint(self.desired.as_ref())
            && self.deletions_fingerprint == self.listed_deletions_fingerprint()
    }

    /// Says that an apply of this plan may prune the host of `retention`: not one that no file manages and whose policy
    /// nobody approved.
    #[must_use]
    pub fn may_prune(&self, retention: &RetentionPlan) -> bool {
        retention.approved || !self.unmanaged.contains(&retention.host)
    }

    /// What stands against `scope`.
    pub fn refusals_of(&self, scope: RefusalScope) -> impl Iterator<Item = &Refusal> {
        self.refusals
            .iter()
            .filter(move |refusal| refusal.scope == scope)
    }
}
