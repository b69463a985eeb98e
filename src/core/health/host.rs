//! The state of one host: what is wrong with it, and how much that matters.

use serde::{Deserialize, Serialize};

use super::{Damaged, stale_at};
use crate::core::model::{
    Fingerprint, HostSettings, Invalid, Run, RunCause, RunStatus, SqlHost, Timestamp, visible,
};

/// The newest of what happened to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// When it was first configured.
    pub created_at: Timestamp,
    /// When its newest complete snapshot began.
    pub newest: Option<Timestamp>,
    /// Its last backup that has ended and was not stopped by anybody.
    pub backup: Option<LastRun>,
    /// Its last prune of that kind.
    pub prune: Option<LastRun>,
    /// Its last verification of that kind.
    pub verify: Option<LastRun>,
    /// When all its snapshots were looked at last.
    pub verified_at: Option<Timestamp>,
    /// What is damaged.
    pub damage: Option<Damaged>,
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// The run.
    pub run: Run,
    /// Why it did not end well.
    pub cause: Option<RunCause>,
}

/// What can be wrong with a host, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// A snapshot shrank or changed too much, and nobody has looked yet.
    Suspect,
    /// Its last backup did not end well.
    Failed,
    /// It has had no complete snapshot for too long.
    Stale,
    /// Its snapshots are not what they were.
    Damaged,
    /// It has no snapshot yet.
    Never,
    /// Its last prune did not end well.
    Prune,
    /// Its prunes wait for an approval.
    Unapproved,
}

impl Problem {
    /// All of them, worst first.
    pub const ALL: [Self; 7] = [
        Self::Suspect,
        Self::Failed,
        Self::Stale,
        Self::Damaged,
        Self::Never,
        Self::Prune,
        Self::Unapproved,
    ];
}

/// A host in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Something is wrong with it: the worst of it.
    Problem(Problem),
    /// Nothing is.
    Well,
    /// It is paused.
    Paused,
    /// It has left.
    Retired,
}

impl Standing {
    /// All of them, what needs somebody most first.
    pub fn all() -> impl Iterator<Item = Self> {
        let problems = Problem::ALL.into_iter().map(Self::Problem);
        problems.chain([Self::Well, Self::Paused, Self::Retired])
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Problem(problem) => problem.as_str(),
            Self::Well => "well",
            Self::Paused => "paused",
            Self::Retired => "retired",
        }
    }

    /// Somebody should look at the host.
    #[must_use]
    pub fn needs_attention(self) -> bool {
        matches!(self, Self::Problem(_))
    }
}

impl std::str::FromStr for Standing {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::all()
            .find(|standing| standing.as_str() == text)
            .ok_or_else(|| Invalid::new(text, "the state of a host", ""))
    }
}

/// How much something matters, as monitoring has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing is wrong.
    Good,
    /// Somebody should look at it some day soon.
    Warning,
    /// Backups are missing, or may be worth nothing.
    Critical,
}

impl Problem {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspect => "suspect",
            Self::Failed => "failed",
            Self::Stale => "stale",
            Self::Damaged => "damaged",
            Self::Never => "never",
            Self::Prune => "prune",
            Self::Unapproved => "unapproved",
        }
    }

    /// How much it matters.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Suspect | Self::Failed | Self::Stale | Self::Damaged => Severity::Critical,
            Self::Never | Self::Prune | Self::Unapproved => Severity::Warning,
        }
    }
}

/// How a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostState {
    /// Its worst problem, or that there is none.
    pub standing: Standing,
    /// What is wrong and why, worst first.
    pub problems: Vec<(Problem, String)>,
}

impl HostState {
    /// How much the worst of it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let all = self.problems.iter().map(|(problem, _)| problem.severity());
        all.max().unwrap_or(Severity::Good)
    }
}

/// How a host is from now on: time alone makes nothing of it but staleness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// How it is until then.
    pub before: HostState,
    /// When it becomes stale, if ever.
    pub stale_at: Option<Timestamp>,
    /// How it is afterwards.
    pub after: HostState,
}

impl Judgement {
    /// How it is at `now`.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> &HostState {
        match self.stale_at {
            Some(deadline) if deadline < now => &self.after,
            _ => &self.before,
        }
    }
}

/// Judges a host by all that is known of it. Nothing is wrong with one that is paused or has retired.
#[must_use]
pub fn judge(host: &SqlHost, activity: &Activity, suspect: usize) -> Judgement {
    let stale_at = if host.retired.is_some() || host.is_paused() {
        None
    } else {
        stale_at(&host.settings, activity.newest, activity.created_at)
    };
    Judgement {
        before: state_of(host, activity, suspect, false),
        stale_at,
        after: state_of(host, activity, suspect, stale_at.is_some()),
    }
}

fn state_of(host: &SqlHost, activity: &Activity, suspect: usize, is_stale: bool) -> HostState {
    let settings = &host.settings;
    if host.retired.is_some() || host.is_paused() {
        return HostState {
            standing: if host.retired.is_some() {
                Standing::Retired
            } else {
                Standing::Paused
            },
            problems: Vec::new(),
        };
    }
    let mut problems = Vec::new();
    if suspect > 0 {
        let text = format!("snapshots that wait for `pobsync ack`: {suspect}");
        problems.push((Problem::Suspect, text));
    }
    if let Some(text) = ended_badly(activity.backup.as_ref()) {
        problems.push((Problem::Failed, text));
    }
    if is_stale {
        problems.push((Problem::Stale, stale_text(settings, activity)));
    }
    // What is damaged says more than that a run has found it, and stands until it is healed or gone.
    let damage = activity.damage.as_ref().map(|found| found.sentence(host));
    if let Some(text) = damage.or_else(|| ended_badly(activity.verify.as_ref())) {
        problems.push((Problem::Damaged, text));
    }
    if activity.newest.is_none() && !is_stale {
        let text = "no complete snapshot yet".to_owned();
        problems.push((Problem::Never, text));
    }
    let is_unapproved = waits_for_approval(settings, host.approved_policy.as_ref());
    let last_prune = activity.prune.as_ref();
    // A missing approval that has been given since stands against nothing, and what was stopped goes on the next night.
    let counts = |last: &&LastRun| {
        last.cause != Some(RunCause::Approval) && last.run.status != RunStatus::Cancelled
    };
    if let Some(text) = ended_badly(last_prune.filter(counts)) {
        problems.push((Problem::Prune, text));
    }
    if is_unapproved {
        let text = "its retention policy is not the approved one: nothing is pruned".to_owned();
        problems.push((Problem::Unapproved, text));
    }
    HostState {
        standing: problems
            .first()
            .map_or(Standing::Well, |(problem, _)| Standing::Problem(*problem)),
        problems,
    }
}

fn ended_badly(last: Option<&LastRun>) -> Option<String> {
    let run = &last?.run;
    (run.status != RunStatus::Complete)
        .then(|| format!("{} {}: {}", run.kind, run.status, visible(&run.message)))
}

fn stale_text(settings: &HostSettings, activity: &Activity) -> String {
    let why = match settings.stale_after {
        Some(span) => format!("stale-after is {span}"),
        None => "its schedule has come due twice since".to_owned(),
    };
    match activity.newest {
        Some(newest) => format!("no complete snapshot since {newest}; {why}"),
        None => format!("no complete snapshot yet; {why}"),
    }
}

fn waits_for_approval(settings: &HostSettings, approved: Option<&Fingerprint>) -> bool {
    settings.schedules.iter().any(|schedule| schedule.prune)
        && settings
            .retention
            .as_ref()
            .is_some_and(|policy| approved != Some(&policy.fingerprint()))
}
