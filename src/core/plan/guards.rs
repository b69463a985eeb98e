//! The limits a plan is held against. Each refusal names the limit, the ratio, where it is set, and what would lift it.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Allow, Leaving, MovedRoot, Refusal, RefusalScope, RetentionPlan, RootFacts};
use crate::core::desired::DesiredState;
use crate::core::diff::{Action, Comparison, Conflict, Object};
use crate::core::model::{Guard, HostName, Label, ManagedBy, Percent, SqlHost, SqlState};
use crate::core::retention::Cause;

/// The limits in force, where they come from, and what a person lifts of them.
#[derive(Debug, Clone)]
pub(super) struct Limits<'a> {
    pub(super) guard: Guard,
    place: String,
    /// The word of the command line that replaced the number for one host.
    max_delete_flag: Option<&'static str>,
    allow: &'a [Allow],
}

impl<'a> Limits<'a> {
    pub(super) fn of(
        guard: Guard,
        desired: &DesiredState,
        state: &SqlState,
        allow: &'a [Allow],
    ) -> Self {
        let wanted = desired.global.guard;
        let place = match &desired.global_at {
            Some(at) if wanted == guard && guard != Guard::default() => format!("`guard` in {at}"),
            _ if guard == Guard::default() => "built in".to_owned(),
            _ if state.global.is_some() => {
                "the guard last applied; a change of it counts from the next apply".to_owned()
            }
            _ => "built in; a change of it counts from the next apply".to_owned(),
        };
        Self::with(guard, place, allow)
    }

    pub(super) fn in_force(state: &SqlState, allow: &'a [Allow]) -> Self {
        let guard = state
            .global
            .as_ref()
            .map(|g| g.settings.guard)
            .unwrap_or_default();
        let place = if guard == Guard::default() {
            "built in"
        } else {
            "the guard last applied"
        };
        Self::with(guard, place.to_owned(), allow)
    }

    fn with(guard: Guard, place: String, allow: &'a [Allow]) -> Self {
        let mut limits = Self {
            guard,
            place,
            max_delete_flag: None,
            allow,
        };
        let number = allow.iter().find_map(|allow| match allow {
            Allow::MaxDelete { at_most } => Some(*at_most),
            _ => None,
        });
        if let Some(number) = number {
            limits.replace_max_delete(number);
        }
        limits
    }

    /// Puts a number of the command line in the place of the guard's for one host; it lifts no other limit.
    pub(super) fn replace_max_delete(&mut self, number: u32) {
        self.guard.max_delete = number;
        self.max_delete_flag = Some("--max-delete");
    }
}

/// What is held against the limits.
pub(super) struct Asked<'a> {
    pub(super) desired: &'a DesiredState,
    pub(super) state: &'a SqlState,
    pub(super) compared: &'a Comparison,
    pub(super) retention: &'a [RetentionPlan],
    /// How many snapshots go because of the change.
    pub(super) by_change: usize,
    pub(super) root: &'a RootFacts,
    /// Servers that leave, whose roots are in use.
    pub(super) leaving: &'a [Leaving],
    /// Snapshots on disk of all hosts, whether looked at or not.
    pub(super) fleet: usize,
}

/// Everything that stands against the plan, most general first.
pub(super) fn refusals(limits: &Limits<'_>, asked: &Asked<'_>) -> Vec<Refusal> {
    let mut found: Vec<Refusal> = Vec::new();
    found.extend(empty_desired_state(limits, asked));
    found.extend(asked.compared.conflicts.iter().map(conflict));
    found.extend(moved_roots(asked));
    found.extend(leaving_servers(limits, asked));
    let unmanaged: HashSet<&HostName> = asked.compared.unmanaged.iter().collect();
    found.extend(hosts_without_server(asked, &unmanaged));
    found.extend(max_retire(limits, asked));
    found.extend(fleet_delete(limits, asked));
    // What an apply does not prune does not stand in its way.
    let is_left_alone = |plan: &RetentionPlan| !plan.approved && unmanaged.contains(&plan.host);
    let pruned = asked.retention.iter().filter(|plan| !is_left_alone(plan));
    let pruned: Vec<&RetentionPlan> = pruned.collect();
    let mut waiting: HashMap<&HostName, Vec<&RetentionPlan>> = HashMap::new();
    for plan in pruned.iter().filter(|plan| !plan.approved) {
        waiting.entry(&plan.host).or_default().push(plan);
    }
    let looser = Limits {
        guard: asked.desired.global.guard,
        ..limits.clone()
    };
    let of_prune = prune_refusals(limits, pruned.iter().copied());
    found.extend(of_prune.into_iter().map(|mut refusal| {
        let of_host = refusal.host.as_ref().and_then(|host| waiting.get(host));
        if is_lifted_by_this_change(&looser, of_host.map_or(&[], Vec::as_slice), &refusal) {
            // The next night would have the looser limit: what it stood against is refused now.
            refusal.scope = RefusalScope::Apply;
            refusal
                .message
                .push_str(", and this change raises that limit");
        }
        refusal
    }));
    found
}

/// Says that a limit stands against deletions that wait for this change, those of `waiting`, and that the same change
/// raises the limit so far, to `looser`, that it would not.
fn is_lifted_by_this_change(
    looser: &Limits<'_>,
    waiting: &[&RetentionPlan],
    refusal: &Refusal,
) -> bool {
    waiting.iter().any(|plan| {
        let still = [max_delete(looser, plan), max_delete_percent(looser, plan)];
        !still
            .into_iter()
            .flatten()
            .any(|other| other.guard == refusal.guard)
    })
}

/// What stands against pruning the hosts of `retention`.
pub(super) fn prune_refusals<'a>(
    limits: &Limits<'_>,
    retention: impl Iterator<Item = &'a RetentionPlan>,
) -> Vec<Refusal> {
    retention
        .flat_map(|plan| [max_delete(limits, plan), max_delete_percent(limits, plan)])
        .flatten()
        .collect()
}

/// How many snapshots go because of the change, and would stay without it: what only the new policies delete, and what a
/// policy in force deletes that nobody has approved yet, in the directories `awaiting` it.
pub(super) fn deletions_by_change(
    retention: &[RetentionPlan],
    compared: &Comparison,
    awaiting: &BTreeSet<HostName>,
) -> usize {
    let leaving: BTreeSet<&str> = compared
        .changes
        .iter()
        .filter(|change| change.action == Action::Retire && change.object == Object::Host)
        .map(|change| change.name.as_str())
        .collect();
    let of_host = |plan: &RetentionPlan| {
        let counts = plan.totals.delete_by_reason;
        counts.policy_change
            + if awaiting.contains(&plan.directory) {
                counts.expired
            } else {
                0
            }
            + if leaving.contains(plan.host.as_str()) {
                counts.host_removed
            } else {
                0
            }
    };
    retention.iter().map(of_host).sum()
}

fn empty_desired_state(limits: &Limits<'_>, asked: &Asked<'_>) -> Option<Refusal> {
    let managed = asked
        .state
        .hosts
        .iter()
        .filter(|h| h.managed_by == ManagedBy::Kdl && h.retired.is_none())
        .count();
    if !asked.desired.hosts.is_empty() || managed == 0 || limits.allow.contains(&Allow::Empty) {
        return None;
    }
    Some(Refusal {
        guard: "empty-desired-state".to_owned(),
        scope: RefusalScope::Apply,
        host: None,
        message: format!("the configuration has no host left, and would retire all {managed}"),
        limit: None,
        actual: Some(managed as u64),
        of: Some(managed as u64),
        set_at: "built in".to_owned(),
        lift: "check that the right file was read; if all hosts really leave, say --allow empty"
            .to_owned(),
    })
}

fn conflict(conflict: &Conflict) -> Refusal {
    let (guard, host, message, set_at, lift) = match conflict {
        Conflict::Protected { host } => (
            "protected",
            host,
            format!("{host} is protected and would leave"),
            "`protect #true`, remembered in SQL".to_owned(),
            "apply `protect #false` for it first, then take it out in a second apply".to_owned(),
        ),
        Conflict::NotManaged { host, at } => (
            "not-managed",
            host,
            format!("`removed` in {at} names {host}, which no KDL file manages"),
            "built in".to_owned(),
            "write it as a `host` and apply, so that the file manages it; then remove it"
                .to_owned(),
        ),
        Conflict::RenameOntoExisting { was, name, at } => (
            "rename-onto-existing",
            name,
            format!("{at} renames {was} to {name}, but both are hosts already"),
            "built in".to_owned(),
            format!("take `was=\"{was}\"` off if the rename is done, or choose another name"),
        ),
        Conflict::CaseOnly { existing, name, at } => (
            "case-only",
            name,
            format!("{name} in {at} differs from the existing host {existing} only by case"),
            "built in".to_owned(),
            format!("write `was=\"{existing}\"` to rename it, or use its name as it is"),
        ),
    };
    Refusal {
        guard: guard.to_owned(),
        scope: RefusalScope::Apply,
        host: Some(host.clone()),
        message,
        limit: None,
        actual: None,
        of: None,
        set_at,
        lift,
    }
}

/// Changing the path of a root that is in use, unless the same root was found at the new path.
fn moved_roots(asked: &Asked<'_>) -> Vec<Refusal> {
    let in_force = asked.state.global.as_ref().map(|global| &global.settings);
    let moved = MovedRoot::all(&asked.desired.global, in_force, asked.root);
    moved.iter().map(|one| moved_root(asked, one)).collect()
}

fn moved_root(asked: &Asked<'_>, moved: &MovedRoot) -> Refusal {
    let MovedRoot { server, old, new } = moved;
    let wanted = &asked.desired.global;
    let of = match server {
        Some(name) => format!(" of server {name}"),
        None if wanted.servers.is_empty() => String::new(),
        None => " of the server that had no name".to_owned(),
    };
    let has = |name: &&Label, path| wanted.root_of(Some(name)) == Some(path);
    let to = match (new, server) {
        (None, _) => "nothing".to_owned(),
        (Some(path), Some(_)) => path.to_string(),
        (Some(path), None) => {
            let mut servers = wanted.servers.iter().map(|server| &server.name);
            let whose = servers.find(|name| has(name, path));
            whose.map_or(path.to_string(), |name| format!("{path} of server {name}"))
        }
    };
    Refusal {
        guard: "backup-root-moved".to_owned(),
        scope: RefusalScope::Apply,
        host: None,
        message: format!("`backup-root`{of} changes from {old} to {to} while {old} is in use"),
        limit: None,
        actual: None,
        of: None,
        set_at: asked
            .desired
            .global_at
            .clone()
            .unwrap_or_else(|| "no `global` node".to_owned()),
        lift: format!(
            "move or mount the root with its .pobsync-root marker at the new path first, or set it back to {old}"
        ),
    }
}

/// What is on the root of a server that leaves is out of sight for good: it may be the only copy of something.
fn leaving_servers(limits: &Limits<'_>, asked: &Asked<'_>) -> Vec<Refusal> {
    let is_allowed = |one: &Leaving| {
        limits
            .allow
            .iter()
            .any(|a| matches!(a, Allow::Server { name } if *name == one.server))
    };
    let refused = asked.leaving.iter();
    let refused = refused.filter(|one| one.snapshots > 0 && !is_allowed(one));
    refused
        .map(|one| Refusal {
            guard: "server-leaves".to_owned(),
            scope: RefusalScope::Apply,
            host: None,
            message: one.to_string(),
            limit: None,
            actual: Some(one.snapshots as u64),
            of: Some(asked.fleet as u64),
            set_at: "built in".to_owned(),
            lift: format!(
                "put the `server` node of {0} back; if it is gone for good, say --allow server:{0}",
                one.server
            ),
        })
        .collect()
}

/// Hosts that no file manages, where the file has several servers and they name none of them: nobody would back them up.
fn hosts_without_server(asked: &Asked<'_>, unmanaged: &HashSet<&HostName>) -> Vec<Refusal> {
    let global = &asked.desired.global;
    if global.servers.len() < 2 {
        return Vec::new();
    }
    let has_none = |host: &&SqlHost| {
        let named = host.settings.server.as_ref();
        unmanaged.contains(&host.name) && named.is_none_or(|name| global.server(name).is_none())
    };
    let hosts = asked.state.hosts.iter();
    hosts
        .filter(|host| host.retired.is_none())
        .filter(has_none)
        .map(|host| Refusal {
            guard: "no-server".to_owned(),
            scope: RefusalScope::Apply,
            host: Some(host.name.clone()),
            message: format!(
                "{}, which this file does not manage, belongs to none of its servers: nobody would back it up",
                host.name
            ),
            limit: None,
            actual: None,
            of: None,
            set_at: "built in".to_owned(),
            lift: "write it into the file as a `host` with a `server`; pobsync export prints it"
                .to_owned(),
        })
        .collect()
}

fn max_retire(limits: &Limits<'_>, asked: &Asked<'_>) -> Option<Refusal> {
    let managed: BTreeSet<&str> = asked
        .state
        .hosts
        .iter()
        .filter(|h| h.managed_by == ManagedBy::Kdl && h.retired.is_none())
        .map(|h| h.name.as_str())
        .collect();
    let leaving = asked
        .compared
        .changes
        .iter()
        .filter(|c| c.action == Action::Retire && managed.contains(c.name.as_str()))
        .count();
    let limit = limits.guard.max_retire_percent;
    let is_lifted = limits
        .allow
        .iter()
        .any(|a| matches!(a, Allow::Retire { at_most } if leaving <= *at_most));
    if managed.len() < Guard::PERCENT_FROM_HOSTS
        || !limit.is_exceeded_by(leaving, managed.len())
        || is_lifted
    {
        return None;
    }
    Some(over_percent(
        "max-retire-percent",
        RefusalScope::Apply,
        None,
        format!("{leaving} of {} hosts would leave", managed.len()),
        (limit, leaving, managed.len()),
        limits,
        format!("--allow retire:{leaving}"),
    ))
}

fn fleet_delete(limits: &Limits<'_>, asked: &Asked<'_>) -> Option<Refusal> {
    let deleted = asked.by_change;
    let fleet = asked.fleet;
    let limit = limits.guard.max_fleet_delete_percent;
    let is_lifted = limits
        .allow
        .iter()
        .any(|a| matches!(a, Allow::FleetDelete { at_most } if deleted <= *at_most));
    if fleet < Guard::FLEET_FROM_SNAPSHOTS || !limit.is_exceeded_by(deleted, fleet) || is_lifted {
        return None;
    }
    Some(over_percent(
        "max-fleet-delete-percent",
        RefusalScope::Apply,
        None,
        format!("this change would delete {deleted} of the fleet's {fleet} snapshots"),
        (limit, deleted, fleet),
        limits,
        format!("--allow fleet-delete:{deleted}"),
    ))
}

fn is_allowed(limits: &Limits<'_>, host: &HostName, deleted: usize) -> bool {
    limits.allow.iter().any(
        |a| matches!(a, Allow::Delete { host: h, at_most } if h == host && deleted <= *at_most),
    )
}

/// More snapshots of one host than one run may delete.
pub(super) fn max_delete(limits: &Limits<'_>, plan: &RetentionPlan) -> Option<Refusal> {
    let (limit, deleted) = (limits.guard.max_delete as usize, plan.totals.delete);
    if deleted <= limit || is_allowed(limits, &plan.host, deleted) {
        return None;
    }
    let host = &plan.host;
    Some(Refusal {
        guard: "max-delete".to_owned(),
        scope: RefusalScope::Prune,
        host: Some(host.clone()),
        message: format!(
            "a prune of {host} would delete {deleted} snapshots, over the limit of {limit} for one run"
        ),
        limit: Some(limit as u64),
        actual: Some(deleted as u64),
        of: Some((plan.totals.keep + deleted) as u64),
        set_at: limits
            .max_delete_flag
            .map_or_else(|| limits.place.clone(), str::to_owned),
        lift: format!(
            "--allow delete:{host}:{deleted}, or pobsync retention {host} --apply --max-delete {deleted}"
        ),
    })
}

/// A larger share of one host's snapshots than one run may delete.
///
/// A host that is removed on purpose loses all it has: for it the number alone counts.
pub(super) fn max_delete_percent(limits: &Limits<'_>, plan: &RetentionPlan) -> Option<Refusal> {
    let (limit, deleted) = (limits.guard.max_delete_percent, plan.totals.delete);
    let all = plan.totals.keep + deleted;
    let is_removed = plan
        .delete
        .iter()
        .any(|entry| entry.reason == Cause::HostRemoved);
    if all < Guard::PERCENT_FROM_SNAPSHOTS
        || is_removed
        || !limit.is_exceeded_by(deleted, all)
        || is_allowed(limits, &plan.host, deleted)
    {
        return None;
    }
    let host = &plan.host;
    Some(over_percent(
        "max-delete-percent",
        RefusalScope::Prune,
        Some(host.clone()),
        format!("a prune of {host} would delete {deleted} of {all} snapshots"),
        (limit, deleted, all),
        limits,
        format!(
            "--allow delete:{host}:{deleted}, or pobsync retention {host} --apply --max-delete {deleted}"
        ),
    ))
}

fn over_percent(
    guard: &str,
    scope: RefusalScope,
    host: Option<HostName>,
    what: String,
    (limit, part, whole): (Percent, usize, usize),
    limits: &Limits<'_>,
    lift: String,
) -> Refusal {
    // Two decimals, rounded up: 30.004 % must not read as "30.00 %, over 30 %".
    let hundredths = (part * 10_000).div_ceil(whole.max(1));
    Refusal {
        guard: guard.to_owned(),
        scope,
        host,
        message: format!(
            "{what}, {}.{:02} %, over the limit of {limit}",
            hundredths / 100,
            hundredths % 100
        ),
        limit: Some(u64::from(limit.get())),
        actual: Some(part as u64),
        of: Some(whole as u64),
        set_at: limits.place.clone(),
        lift,
    }
}
