//! The plan itself: the document that people review, that is recorded, and that a prune points at.
//!
//! Its JSON is a contract: `schema/plan.schema.json`, `format_version` 1. New fields may be added; none changes its
//! meaning.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Allow, Leaving, Move, Outcome, RetentionPlan, Summary, Totals};
use crate::core::desired::DesiredState;
use crate::core::diff::{Change, Drift};
use crate::core::model::{
    Fingerprint, HostName, Kinds, Lineage, ListFingerprint, Serial, Timestamp, Written,
};

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

impl Plan {
    /// Computes both fingerprints over what the plan says now.
    pub(super) fn seal(&mut self, desired: Option<&Written>) {
        self.fingerprint = self.configuration_fingerprint(desired);
        self.deletions_fingerprint = self.listed_deletions_fingerprint();
    }

    /// SHA-256 over the lineage, the desired state, the changes, the policies, which hosts were looked at and which limits
    /// are lifted: what a person approves. Snapshots, times and versions are not part of it, so that a night between review and apply
    /// changes nothing; nor are the places of the file, which move with a comment and with the folder it is read from.
    pub(super) fn configuration_fingerprint(&self, desired: Option<&Written>) -> Fingerprint {
        let mut policies: Vec<_> = self
            .retention
            .iter()
            .map(|r| (&r.host, &r.directory, r.retired, &r.policy_fingerprint))
            .collect();
        // On how many servers a host has snapshots is no configuration: those that it left lose their last one some day.
        policies.dedup();
        let scope = self.partial.then_some((&self.hosts, &self.kinds));
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
        let list = ListFingerprint::default().item(&self.lineage);
        let list = match desired {
            Some(desired) => list.written(desired),
            None => list.item(&()),
        };
        list.item(&changes)
            .item(&policies)
            .item(&scope)
            .item(&self.allow)
            .finish()
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
        let desired = self.desired.as_ref().map(DesiredState::written);
        (!is_saved || self.digest == Some(self.content_digest()))
            && self.fingerprint == self.configuration_fingerprint(desired.as_ref())
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
