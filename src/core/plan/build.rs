//! Putting a plan together.

mod several;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use self::several::Places;
use super::document::Counting;
use super::guards::{self, Asked, Limits};
use super::{
    Allow, DeleteEntry, FORMAT_VERSION, KeepEntry, Outcome, Plan, Refusal, RetentionPlan, Source,
    Summary, Totals,
};
use crate::core::desired::{DesiredHost, DesiredState};
use crate::core::diff::{Change, Comparison, Object, Scope, compare};
use crate::core::model::{
    AbsolutePath, Fingerprint, Guard, HostId, HostName, Kinds, Label, Policy, RootId, Schedule,
    Snapshot, SnapshotName, SnapshotsOnRemoval, Span, SqlHost, SqlState, Timestamp, Written,
};
use crate::core::retention::{
    Decision, EmptyPolicy, Mode, Question, Reason, Side, Verdict, plan_host,
};
use crate::core::schedule::upcoming;
use crate::core::usage::{Frees, Key, Present, Usage};

/// Looking further ahead says nothing that a person would plan by, and costs time for every host.
const HORIZON: Span = Span::from_hours(24 * 366 * 6);
/// Enough for six years of nightly backups, and for a quarter of hourly ones.
const UPCOMING: usize = 2_200;

/// What a plan is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// These hosts alone; all if absent.
    pub hosts: Option<BTreeSet<HostName>>,
    /// These kinds alone; those of each policy if absent.
    pub kinds: Option<Kinds>,
}

/// What is known of the root the database uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RootFacts {
    /// Snapshots are, or may be, on the root that SQL names.
    pub is_in_use: bool,
    /// The same root was found at this path; looked for by an apply, not by a plan.
    pub found_at: Option<AbsolutePath>,
    /// Where it is.
    pub path: Option<AbsolutePath>,
    /// The server that it belongs to; a lone one needs no name.
    pub server: Option<Label>,
    /// Where the roots of other servers are that are in use.
    pub others: Vec<(Label, AbsolutePath)>,
}

impl RootFacts {
    /// Says that one root is in use and no more.
    #[must_use]
    pub(super) fn is_only(&self) -> bool {
        usize::from(self.is_in_use) + self.others.len() == 1
    }
}

/// What a server has of a host that belongs to another one: under retention there, by its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The host.
    pub host: HostId,
    /// The server that has them.
    pub server: Label,
    /// Its root.
    pub root: RootId,
    /// They.
    pub snapshots: Vec<Snapshot>,
    /// What was measured of them, as it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
}

/// The snapshots of every host. Those that are owned are let go of host by host, as their retention is planned: a million of
/// them and what is planned for each need not stand in memory together.
pub type Snapshots<'a> = Cow<'a, BTreeMap<HostId, Vec<Snapshot>>>;

/// Everything a plan is made from but the desired state.
#[derive(Debug, Clone)]
pub struct Planner<'a> {
    /// The SQL state.
    pub state: &'a SqlState,
    /// The snapshots of every host on the root of its server.
    pub snapshots: Snapshots<'a>,
    /// What was measured of hosts, as it was recorded.
    pub usage: &'a BTreeMap<HostId, String>,
    /// Those on roots of other servers.
    pub elsewhere: &'a [Elsewhere],
    /// The server whose root alone was looked at, and that root, where there are several.
    pub only: Option<(&'a Label, &'a RootId)>,
    /// The root.
    pub root: RootFacts,
    /// The moment to plan for.
    pub as_of: Timestamp,
    /// The moment the plan is made.
    pub created_at: Timestamp,
    /// What it is about.
    pub selection: Selection,
    /// The limits lifted for it.
    pub allow: &'a [Allow],
    /// The program's version.
    pub version: &'a str,
}

/// One host on one root to plan retention for: what is in force, and what the plan proposes.
#[derive(Clone)]
struct HostSides<'a> {
    host: HostName,
    directory: HostName,
    id: Option<HostId>,
    /// What another server than its own has of it; else it is about what lies with its own.
    elsewhere: Option<&'a Elsewhere>,
    /// What was measured of them.
    usage: Option<&'a str>,
    /// The server that has them, where there are several.
    server: Option<&'a Label>,
    /// The root, if it is not that of the host's own server.
    root: Option<&'a RootId>,
    in_force: Side<'a>,
    proposed: Side<'a>,
    approved: Option<&'a Fingerprint>,
    /// It stands in the file: an apply approves its policy.
    is_of_file: bool,
    schedules: &'a [Schedule],
}

impl<'a> Planner<'a> {
    /// Plans what applying `desired` would do.
    ///
    /// # Errors
    /// When a policy keeps nothing; checks of the desired state refuse such a file before.
    pub fn against(self, desired: &DesiredState, source: Source) -> Result<Plan, EmptyPolicy> {
        self.against_written(desired, || desired.written(), source)
    }

    /// The same where somebody else writes `desired` for the fingerprint meanwhile: `written` is asked for it last.
    ///
    /// # Errors
    /// As [`Planner::against`].
    pub fn against_written(
        mut self,
        desired: &DesiredState,
        written: impl FnOnce() -> Written,
        source: Source,
    ) -> Result<Plan, EmptyPolicy> {
        let scope = self
            .selection
            .hosts
            .clone()
            .map_or(Scope::Everything, Scope::Hosts);
        let compared = compare(desired, self.state, &scope);
        let fleet = self.fleet();
        let mut snapshots = std::mem::take(&mut self.snapshots);
        let places = Places::of(&self);
        let sides = self.sides(desired, &compared, &places);
        let leaving = self.leaving(desired, &places, &snapshots);
        let moves = self.moves(desired, &sides, &places, &snapshots);
        let retention = self.retention(&sides, &mut snapshots)?;
        let awaiting = sides.iter().filter(|side| side.awaits_approval());
        let awaiting = awaiting.map(|side| side.directory.clone()).collect();
        let by_change = guards::deletions_by_change(&retention, &compared, &awaiting);
        let limits = Limits::of(
            self.guard(&desired.global.guard),
            desired,
            self.state,
            self.allow,
        );
        let refusals = guards::refusals(
            &limits,
            &Asked {
                desired,
                state: self.state,
                compared: &compared,
                retention: &retention,
                by_change,
                root: &self.root,
                leaving: &leaving,
                fleet,
            },
        );
        let mut plan = self.finish(
            source,
            compared,
            refusals,
            (retention, by_change),
            Some(&written()),
        );
        plan.moves = moves;
        plan.leaving = leaving;
        Ok(plan)
    }

    /// Plans the retention that is in force for `hosts`, whatever a file says.
    ///
    /// # Errors
    /// When a policy keeps nothing.
    pub fn in_force(mut self, hosts: &[&'a SqlHost]) -> Result<Plan, EmptyPolicy> {
        let mut snapshots = std::mem::take(&mut self.snapshots);
        let places = Places::of(&self);
        let sides: Vec<HostSides<'_>> = hosts
            .iter()
            .flat_map(|sql| {
                let to = sql.settings.server.as_ref();
                self.on_each_root(HostSides::unchanged(sql), to, &places)
            })
            .collect();
        let retention = self.retention(&sides, &mut snapshots)?;
        let limits = Limits::in_force(self.state, self.allow);
        let refusals = guards::prune_refusals(&limits, retention.iter());
        let mut plan = self.finish(
            Source::default(),
            Comparison::default(),
            refusals,
            (retention, 0),
            None,
        );
        plan.partial = true;
        plan.hosts = hosts.iter().map(|host| host.name.clone()).collect();
        plan.seal(None);
        Ok(plan)
    }

    /// The guards that count for this change: a change of the guards themselves counts from the next apply.
    fn guard(&self, wanted: &Guard) -> Guard {
        self.state
            .global
            .as_ref()
            .map(|g| g.settings.guard)
            .unwrap_or_default()
            .stricter(*wanted)
    }

    /// How many snapshots the whole fleet has on disk.
    fn fleet(&self) -> usize {
        let elsewhere = self.elsewhere.iter().flat_map(|other| &other.snapshots);
        self.snapshots
            .values()
            .flatten()
            .chain(elsewhere)
            .filter(|snapshot| snapshot.status.is_on_disk())
            .count()
    }

    fn sides<'b>(
        &'b self,
        desired: &'b DesiredState,
        compared: &'b Comparison,
        places: &Places<'b>,
    ) -> Vec<HostSides<'b>>
    where
        'a: 'b,
    {
        let changes: HashMap<&str, &Change> = compared
            .changes
            .iter()
            .filter(|c| c.object == Object::Host)
            .map(|c| (c.name.as_str(), c))
            .collect();
        let by_name: HashMap<&str, &DesiredHost> =
            desired.hosts.iter().map(|h| (h.name.as_str(), h)).collect();
        let renamed: BTreeMap<&HostName, &DesiredHost> = compared
            .changes
            .iter()
            .filter_map(|change| {
                let host = by_name.get(change.name.as_str()).copied()?;
                Some((change.was.as_ref()?, host))
            })
            .collect();
        let includes = |name: &HostName| {
            self.selection
                .hosts
                .as_ref()
                .is_none_or(|hosts| hosts.contains(name))
        };

        // A name in use again is that of the new host: what becomes of it says nothing of the one that left earlier.
        let in_use: HashSet<&HostName> = self
            .state
            .hosts
            .iter()
            .filter(|sql| sql.retired.is_none())
            .map(|sql| &sql.name)
            .collect();
        let change_of = |sql: &SqlHost| {
            let change = changes.get(sql.name.as_str()).copied();
            change.filter(|_| sql.retired.is_none() || !in_use.contains(&sql.name))
        };

        let mut sides = Vec::new();
        let mut known = HashSet::with_capacity(desired.hosts.len());
        for sql in &self.state.hosts {
            let renamed_to = renamed
                .get(&sql.name)
                .copied()
                .filter(|_| sql.retired.is_none());
            let wanted = renamed_to
                .or_else(|| by_name.get(sql.name.as_str()).copied())
                .filter(|_| sql.retired.is_none());
            if !includes(&sql.name) && !renamed_to.is_some_and(|host| includes(&host.name)) {
                continue;
            }
            let side = match wanted {
                Some(host) => {
                    known.insert(&host.name);
                    HostSides::matched(sql, host)
                }
                None => HostSides::without_file(sql, change_of(sql)),
            };
            let settings = wanted.map_or(&sql.settings, |host| &host.settings);
            sides.extend(self.on_each_root(side, settings.server.as_ref(), places));
        }
        let new = desired
            .hosts
            .iter()
            .filter(|host| includes(&host.name) && !known.contains(&host.name));
        sides.extend(new.map(HostSides::created));
        sides
    }

    fn retention(
        &self,
        sides: &[HostSides<'_>],
        snapshots: &mut Snapshots<'_>,
    ) -> Result<Vec<RetentionPlan>, EmptyPolicy> {
        let mut fires: HashMap<&[Schedule], Rc<Vec<Timestamp>>> = HashMap::new();
        let mut plans = Vec::with_capacity(sides.len());
        for side in sides {
            let upcoming = fires.entry(side.schedules).or_insert_with(|| {
                Rc::new(upcoming(side.schedules, self.as_of, UPCOMING, HORIZON))
            });
            let found = side.snapshots(snapshots);
            plans.push(self.retention_of(side, &found, upcoming)?);
        }
        plans.sort_by(|a, b| {
            (&a.host, &a.directory, &a.root).cmp(&(&b.host, &b.directory, &b.root))
        });
        Ok(plans)
    }

    fn retention_of(
        &self,
        side: &HostSides<'_>,
        snapshots: &[Snapshot],
        upcoming: &[Timestamp],
    ) -> Result<RetentionPlan, EmptyPolicy> {
        let decided = plan_host(&Question {
            snapshots,
            in_force: side.in_force,
            proposed: side.proposed,
            kinds: self.selection.kinds,
            now: self.as_of,
            upcoming,
        })?;
        let (mut keep, mut delete) = room(&decided.decisions);
        for decision in decided.decisions {
            let s = decision.snapshot;
            match decision.verdict {
                Verdict::Keep {
                    reasons,
                    rules,
                    rescued,
                    expires_on,
                } => {
                    let is_held = reasons.contains(&Reason::Hold);
                    keep.push(KeepEntry {
                        snapshot: s.name.clone(),
                        kind: s.kind,
                        status: s.status,
                        started_at: s.started_at,
                        reasons,
                        rules,
                        expires_on,
                        bytes: s.bytes,
                        rescued,
                        suspect: s.suspect,
                        hold: s.hold.clone().filter(|_| is_held),
                    });
                }
                Verdict::Delete {
                    cause,
                    previously_kept_by,
                } => delete.push(DeleteEntry {
                    snapshot: s.name.clone(),
                    kind: s.kind,
                    status: s.status,
                    started_at: s.started_at,
                    reason: cause,
                    previously_kept_by,
                    bytes: s.bytes,
                    suspect: s.suspect,
                }),
            }
        }
        let mut totals = Totals::of(&keep, &delete);
        totals.frees = Self::frees(side, snapshots, &delete);
        let policy = side.proposed.policy;
        let fingerprint = policy.map(Policy::fingerprint);
        Ok(RetentionPlan {
            host: side.host.clone(),
            directory: side.directory.clone(),
            server: side.server.cloned(),
            root: side.root.cloned(),
            retired: matches!(side.proposed.mode, Mode::Retired | Mode::RemoveAll),
            paused: side.proposed.mode == Mode::Paused,
            kinds: self
                .selection
                .kinds
                .or(policy.map(|p| p.kinds))
                .unwrap_or(Kinds::ALL),
            approved: fingerprint.is_some() && fingerprint.as_ref() == side.approved,
            policy: policy.cloned(),
            policy_fingerprint: fingerprint,
            totals,
            damage: None,
            keep,
            delete,
        })
    }

    /// What comes free on disk, as far as that was measured.
    fn frees(
        side: &HostSides<'_>,
        snapshots: &[Snapshot],
        delete: &[DeleteEntry],
    ) -> Option<Frees> {
        if delete.is_empty() {
            return None;
        }
        let usage = Usage::parse(side.usage?).ok()?;
        let on_disk: Vec<(Key, Option<&SnapshotName>)> = snapshots
            .iter()
            .filter(|s| s.status.is_on_disk())
            .map(|s| ((s.kind, s.name.clone()), s.base.as_ref()))
            .collect();
        let present: Vec<Present<'_>> = on_disk
            .iter()
            .map(|(key, base)| Present { key, base: *base })
            .collect();
        let doomed: Vec<Key> = delete
            .iter()
            .map(|entry| (entry.kind, entry.snapshot.clone()))
            .collect();
        Some(usage.frees(&present, &doomed.iter().collect()))
    }

    fn finish(
        &self,
        source: Source,
        compared: Comparison,
        refusals: Vec<Refusal>,
        (retention, by_change): (Vec<RetentionPlan>, usize),
        desired: Option<&Written>,
    ) -> Plan {
        let mut summary = Summary {
            drift: compared.drift.len(),
            ..Summary::default()
        };
        summary.count_changes(&compared.changes);
        summary.count_retention(&retention);
        summary.delete_by_change = by_change;
        let outcome = match (compared.changes.is_empty(), by_change) {
            (true, 0) => Outcome::NoChanges,
            (false, 0) => Outcome::Changes,
            (_, _) => Outcome::ChangesDelete,
        };
        let nothing = Fingerprint::of(&());
        let mut plan = Plan {
            format_version: FORMAT_VERSION,
            pobsync_version: self.version.to_owned(),
            outcome,
            created_at: self.created_at,
            as_of: self.as_of,
            source,
            lineage: self.state.lineage.clone(),
            serial: self.state.serial,
            fingerprint: nothing.clone(),
            deletions_fingerprint: nothing,
            partial: self.selection.hosts.is_some() || self.selection.kinds.is_some(),
            hosts: self.selection.hosts.iter().flatten().cloned().collect(),
            kinds: self.selection.kinds,
            counting: Counting::Independent,
            allow: self.allow.to_vec(),
            changes: compared.changes,
            moves: Vec::new(),
            leaving: Vec::new(),
            unmanaged: compared.unmanaged,
            drift: compared.drift,
            refusals,
            retention,
            summary,
            digest: None,
            desired: None,
        };
        plan.seal(desired);
        plan
    }
}

impl<'a> HostSides<'a> {
    /// Its snapshots, taken from `all` where those are owned.
    fn snapshots<'s>(&self, all: &'s mut Snapshots<'_>) -> Cow<'s, [Snapshot]>
    where
        'a: 's,
    {
        let other = self.elsewhere.map(|other| other.snapshots.as_slice());
        match (other, self.id, all) {
            (Some(other), _, _) => Cow::Borrowed(other),
            (None, None, _) => Cow::Borrowed(&[]),
            (None, Some(id), Cow::Borrowed(all)) => {
                Cow::Borrowed(all.get(&id).map_or(&[], Vec::as_slice))
            }
            (None, Some(id), Cow::Owned(all)) => Cow::Owned(all.remove(&id).unwrap_or_default()),
        }
    }

    /// Nobody has approved the policy in force, so that no night carries it out, and an apply would change that.
    fn awaits_approval(&self) -> bool {
        let in_force = self.in_force.policy.map(Policy::fingerprint);
        self.is_of_file && in_force.as_ref() != self.approved
    }

    fn unchanged(sql: &'a SqlHost) -> Self {
        Self {
            host: sql.name.clone(),
            directory: sql.directory.clone(),
            id: Some(sql.id),
            elsewhere: None,
            usage: None,
            server: None,
            root: None,
            in_force: side_in_force(sql),
            proposed: side_in_force(sql),
            approved: sql.approved_policy.as_ref(),
            is_of_file: false,
            schedules: if sql.retired.is_none() && !sql.is_paused() {
                &sql.settings.schedules
            } else {
                &[]
            },
        }
    }

    fn matched(sql: &'a SqlHost, host: &'a DesiredHost) -> Self {
        Self {
            host: host.name.clone(),
            proposed: side_desired(host, sql.pause.is_some()),
            is_of_file: true,
            schedules: if host.settings.enabled && sql.pause.is_none() {
                &host.settings.schedules
            } else {
                &[]
            },
            ..Self::unchanged(sql)
        }
    }

    /// A host of SQL that the file does not have: unmanaged, retired, or leaving by `change`.
    fn without_file(sql: &'a SqlHost, change: Option<&Change>) -> Self {
        let leaves_with = change
            .and_then(|c| c.fields.iter().find(|f| f.path == "snapshots"))
            .map(|f| &f.new);
        let mode = match leaves_with {
            None => return Self::unchanged(sql),
            Some(word) if *word == SnapshotsOnRemoval::Delete.as_str() => Mode::RemoveAll,
            Some(_) => Mode::Retired,
        };
        Self {
            proposed: Side {
                mode,
                ..side_in_force(sql)
            },
            schedules: &[],
            ..Self::unchanged(sql)
        }
    }

    fn created(host: &'a DesiredHost) -> Self {
        Self {
            host: host.name.clone(),
            directory: host.name.clone(),
            id: None,
            elsewhere: None,
            usage: None,
            server: None,
            root: None,
            in_force: Side {
                policy: None,
                mode: Mode::Active,
            },
            proposed: side_desired(host, false),
            approved: None,
            is_of_file: true,
            schedules: &host.settings.schedules,
        }
    }
}

/// Lists with room for what they will hold and no more.
fn room(decisions: &[Decision<'_>]) -> (Vec<KeepEntry>, Vec<DeleteEntry>) {
    let stays = |decision: &&Decision<'_>| matches!(decision.verdict, Verdict::Keep { .. });
    let keep = decisions.iter().filter(stays).count();
    (
        Vec::with_capacity(keep),
        Vec::with_capacity(decisions.len() - keep),
    )
}

fn side_in_force(sql: &SqlHost) -> Side<'_> {
    let mode = match sql.retired.map(|r| r.snapshots) {
        Some(SnapshotsOnRemoval::Delete) => Mode::RemoveAll,
        Some(SnapshotsOnRemoval::Keep) => Mode::Retired,
        None if sql.is_paused() => Mode::Paused,
        None => Mode::Active,
    };
    Side {
        policy: sql.settings.retention.as_ref(),
        mode,
    }
}

fn side_desired(host: &DesiredHost, is_paused: bool) -> Side<'_> {
    let mode = if host.settings.enabled && !is_paused {
        Mode::Active
    } else {
        Mode::Paused
    };
    Side {
        policy: host.settings.retention.as_ref(),
        mode,
    }
}
