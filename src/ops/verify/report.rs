//! What a verification has come to.

use serde::Serialize;

use super::damage::Damage;
use super::engine::Subject;
use crate::core::manifest::Sample;
use crate::core::model::{
    ByteCount, HostName, RunId, RunStatus, SnapshotKind, SnapshotName, Timestamp, counted,
};
use crate::core::plan::Outcome;
use crate::store::NewDamage;

/// How a snapshot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// All that was looked at is as it was.
    Sound,
    /// Something is not.
    Damaged,
    /// It has no manifest, and none could be made.
    NoManifest,
    /// It cannot be looked at.
    Unreadable,
    /// A prune took it away meanwhile.
    Gone,
    /// The database has it, no prune took it, and it is not on disk.
    Missing,
    /// It was not looked at to its end.
    Stopped,
}

impl State {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Damaged => "damaged",
            Self::NoManifest => "no manifest",
            Self::Unreadable => "unreadable",
            Self::Gone => "gone",
            Self::Missing => "missing",
            Self::Stopped => "stopped",
        }
    }
}

/// What a look at one snapshot has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotVerification {
    /// Its kind.
    pub kind: SnapshotKind,
    /// Its name.
    pub snapshot: SnapshotName,
    /// How it stands.
    pub state: State,
    /// When its manifest was made; what was damaged before counts as sound.
    pub manifest_made_at: Option<Timestamp>,
    /// Its manifest was made with it, and not later.
    pub manifest_with_pull: bool,
    /// Its manifest was made by this verification.
    pub manifest_is_new: bool,
    /// Names that were compared.
    pub names: u64,
    /// Files that were compared with their digest.
    pub compared: u64,
    /// Files of which the manifest has no digest.
    pub unknown: u64,
    /// How much is wrong.
    pub found: u64,
    /// Why it, or some of it, could not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What the verification of one host has come to (`schema/verify.schema.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use = "damage has to be told"]
pub struct HostVerification {
    /// The host.
    pub host: HostName,
    /// How a command ends with it.
    pub outcome: Outcome,
    /// The run, where there is a database.
    pub run: Option<RunId>,
    /// The share of files that was to be read, in percent.
    pub sample_percent: u32,
    /// Files that were read, each inode once.
    pub files_read: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// The snapshots, oldest first.
    pub snapshots: Vec<SnapshotVerification>,
    /// What is wrong, each file once.
    pub damage: Vec<Damage>,
    /// There is more than is listed.
    pub damage_is_cut: bool,
    /// Unattended prunes of the host stop until somebody acknowledges what is suspect; nothing is known of that without
    /// a database.
    pub prunes_stop: Option<bool>,
}

impl SnapshotVerification {
    /// Nothing has been looked at yet.
    pub(super) fn not_looked_at(subject: &Subject, state: State) -> Self {
        Self {
            kind: subject.kind,
            snapshot: subject.name.clone(),
            state,
            manifest_made_at: None,
            manifest_with_pull: false,
            manifest_is_new: false,
            names: 0,
            compared: 0,
            unknown: 0,
            found: 0,
            problem: None,
        }
    }
}

impl HostVerification {
    /// Of a host without snapshots.
    pub(super) fn nothing(host: &HostName) -> Self {
        Self {
            host: host.clone(),
            outcome: Outcome::Done,
            run: None,
            sample_percent: percent(Sample::ALL),
            files_read: 0,
            bytes_read: 0,
            snapshots: Vec::new(),
            damage: Vec::new(),
            damage_is_cut: false,
            prunes_stop: None,
        }
    }

    /// Says that it was stopped before its end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.count(State::Stopped) > 0
    }

    /// How many snapshots stand so.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.snapshots.iter().filter(|s| s.state == state).count()
    }

    /// How it ends: damage and a snapshot that is not there are failures, what could not be looked at is half a success.
    pub(super) fn settle(&mut self) {
        self.outcome = if !self.damage.is_empty() || self.count(State::Missing) > 0 {
            Outcome::Failed
        } else if self
            .snapshots
            .iter()
            .all(|s| matches!(s.state, State::Sound | State::Gone))
        {
            Outcome::Done
        } else {
            Outcome::PartlyDone
        };
    }

    pub(super) fn run_status(&self) -> RunStatus {
        match self.outcome {
            Outcome::Failed => RunStatus::Failed,
            Outcome::PartlyDone if self.is_stopped() => RunStatus::Cancelled,
            Outcome::PartlyDone => RunStatus::Partial,
            _ => RunStatus::Complete,
        }
    }

    /// What came of it, as one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let read = format!(
            "{}, {} read ({})",
            counted(self.snapshots.len(), "snapshot"),
            counted(self.files_read, "file"),
            ByteCount(self.bytes_read)
        );
        let mut more = Vec::new();
        if let Some(first) = self.damage.first() {
            let of = if self.damage_is_cut { "more than " } else { "" };
            more.push(format!(
                "{of}{} damaged in {} snapshots, the first is {} ({})",
                self.damage.len(),
                self.count(State::Damaged),
                first.problem.place(&first.path),
                first.problem
            ));
        }
        for state in [
            State::Missing,
            State::Unreadable,
            State::NoManifest,
            State::Gone,
        ] {
            let count = self.count(state);
            if count > 0 {
                more.push(format!("{count} {}", state.as_str()));
            }
        }
        if self.is_stopped() {
            more.push("stopped before the end".to_owned());
        }
        if self.snapshots.is_empty() {
            return "no snapshots here to verify".to_owned();
        }
        if more.is_empty() {
            more.push("all sound".to_owned());
        }
        format!("{read}: {}", more.join(", "))
    }

    /// What is wrong with one snapshot, as it is recorded.
    pub(super) fn damage_of(&self, kind: SnapshotKind, name: &SnapshotName) -> Vec<NewDamage> {
        self.damage
            .iter()
            .filter(|damage| {
                damage
                    .snapshots
                    .iter()
                    .any(|of| of.kind == kind && of.snapshot == *name)
            })
            .map(|damage| NewDamage {
                path: damage.path.clone(),
                slot: damage.slot,
                inode: damage.inode,
                problem: damage.problem,
                detail: damage.detail.clone(),
                intact: damage.intact.snapshot().map(|whole| whole.snapshot.clone()),
            })
            .collect()
    }
}

pub(super) fn percent(sample: Sample) -> u32 {
    sample.basis_points() / 100
}
