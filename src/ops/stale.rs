//! Saved plans against the database: may they still be applied, and if not, what moved, when and by whom.

use std::collections::HashMap;

use camino::Utf8Path;

use super::context::Facts;
use super::plan::{Asked, plan_desired, plan_in_force};
use super::saved::read_plan;
use super::{Context, Error};
use crate::core::desired::DesiredState;
use crate::core::model::{HostName, Snapshot, SqlHost};
use crate::core::plan::{Moved, Plan, Selection, what_moved};
use crate::store::{PlanKind, SnapshotFilter};

/// How a saved plan stands.
#[derive(Debug, Clone, Default)]
pub struct Staleness {
    /// What moved; nothing if it may be applied.
    pub moved: Vec<Moved>,
    /// Who changed the configuration since, when, and what.
    pub since: Vec<String>,
}

impl Staleness {
    /// A line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.moved
            .iter()
            .map(ToString::to_string)
            .chain(self.since.iter().cloned())
            .collect()
    }
}

/// More changes since a plan was made than anybody reads.
const TOLD: u32 = 20;

/// Says how a saved plan stands against the database.
///
/// # Errors
/// When the database cannot be read.
pub fn staleness(context: &Context, saved: &Plan) -> Result<Staleness, Error> {
    let facts = context.facts()?;
    let fresh = made_today(&facts, saved)?;
    compare(context, &facts, saved, &fresh)
}

/// A saved plan made again today from the state it carries, if it may be applied: with today's snapshots, of which only
/// those go that the saved plan listed too.
///
/// # Errors
/// When it is stale or was applied already.
pub fn saved_for_apply(
    context: &Context,
    facts: &Facts,
    path: &Utf8Path,
) -> Result<(Plan, DesiredState), Error> {
    let saved = read_plan(path)?;
    let desired = saved.desired.clone().ok_or(Error::PlanWithoutState)?;
    // Its apply would approve policies whole, of which it shows, and the guards count, a part.
    if let Some(kinds) = saved.kinds {
        return Err(Error::PlanOfKinds { kinds });
    }
    let applied = context
        .store
        .plan_by_fingerprint(PlanKind::Apply, &saved.fingerprint)?;
    // The same plan may come again after others; what was applied at a later serial than it was made is this one.
    if let Some(row) =
        applied.filter(|row| row.serial >= saved.serial && row.created_at >= saved.created_at)
    {
        return Err(Error::AppliedAlready {
            plan: row.id,
            at: row.created_at,
        });
    }
    let mut fresh = made_today(facts, &saved)?;
    let stale = compare(context, facts, &saved, &fresh)?;
    if !stale.moved.is_empty() {
        return Err(Error::Stale {
            moved: stale.lines(),
        });
    }
    fresh.source = saved.source.clone();
    fresh.only_what_was_listed(&saved);
    Ok((fresh, desired))
}

fn made_today(facts: &Facts, saved: &Plan) -> Result<Plan, Error> {
    match &saved.desired {
        Some(desired) => {
            let asked = Asked {
                selection: Selection {
                    hosts: (!saved.hosts.is_empty()).then(|| saved.hosts.iter().cloned().collect()),
                    kinds: saved.kinds,
                },
                allow: saved.allow.clone(),
                look_for_root: true,
                as_of: None,
            };
            plan_desired(facts, desired, saved.source.clone(), &asked)
        }
        None => {
            let hosts: Vec<SqlHost> = facts
                .state
                .hosts
                .iter()
                .filter(|host| saved.hosts.contains(&host.name))
                .cloned()
                .collect();
            plan_in_force(facts, &hosts, saved.kinds, &saved.allow)
        }
    }
}

fn compare(
    context: &Context,
    facts: &Facts,
    saved: &Plan,
    fresh: &Plan,
) -> Result<Staleness, Error> {
    // Deleted rows too: what a recorded prune has deleted since is no loss.
    let filter = SnapshotFilter {
        root: facts.root_id().cloned(),
        with_deleted: true,
        ..SnapshotFilter::default()
    };
    let directories: HashMap<_, _> = facts
        .state
        .hosts
        .iter()
        .map(|host| (host.id, &host.directory))
        .collect();
    let mut rows: HashMap<HostName, Vec<Snapshot>> = HashMap::new();
    for record in context.store.snapshots(&filter)? {
        if let Some(directory) = directories.get(&record.host) {
            rows.entry((*directory).clone())
                .or_default()
                .push(record.snapshot);
        }
    }
    let moved = what_moved(saved, fresh, &facts.state, &rows);
    let is_changed = moved.iter().any(|m| matches!(m, Moved::Serial { .. }));
    let since = if is_changed {
        context
            .store
            .history(TOLD)?
            .into_iter()
            .filter(|entry| {
                entry.serial_after > saved.serial && entry.serial_after != entry.serial_before
            })
            .map(|entry| {
                format!(
                    "{} by {} (serial {}): {}",
                    entry.at, entry.actor, entry.serial_after, entry.summary
                )
            })
            .collect()
    } else {
        Vec::new()
    };
    Ok(Staleness { moved, since })
}
