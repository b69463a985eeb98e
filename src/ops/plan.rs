//! Making plans from what the database holds.

use std::borrow::Cow;

use super::context::Facts;
use super::{Context, Error};
use crate::core::desired::DesiredState;
use crate::core::model::{HostName, Kinds, SqlHost, Timestamp};
use crate::core::plan::{Allow, Plan, Planner, RootFacts, Selection, Snapshots, Source};
use crate::store::{NewPlan, PlanKind};

/// The version that plans carry.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How a plan is asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// What it is about.
    pub selection: Selection,
    /// The moment to plan for; now if absent.
    pub as_of: Option<Timestamp>,
    /// The limits lifted for it.
    pub allow: Vec<Allow>,
    /// Look for the root at the path the file names, as an apply does.
    pub look_for_root: bool,
}

/// Plans what applying `desired` would do.
///
/// # Errors
/// When a selected host is in neither the file nor SQL, or the database cannot be read.
pub fn plan_desired(
    facts: &Facts,
    desired: &DesiredState,
    source: Source,
    asked: &Asked,
) -> Result<Plan, Error> {
    let snapshots = Cow::Borrowed(&facts.snapshots);
    planned(facts, snapshots, desired, source, asked)
}

/// As [`plan_desired`], for whoever only shows the plan: the snapshots are let go of as they are planned, and `facts` has
/// none left.
///
/// # Errors
/// As [`plan_desired`].
pub fn plan_to_show(
    facts: &mut Facts,
    desired: &DesiredState,
    source: Source,
    asked: &Asked,
) -> Result<Plan, Error> {
    let snapshots = Cow::Owned(std::mem::take(&mut facts.snapshots));
    planned(facts, snapshots, desired, source, asked)
}

fn planned(
    facts: &Facts,
    snapshots: Snapshots<'_>,
    desired: &DesiredState,
    source: Source,
    asked: &Asked,
) -> Result<Plan, Error> {
    if let Some(hosts) = &asked.selection.hosts {
        known_hosts(facts, desired, hosts.iter())?;
    }
    let root = root_facts(facts, desired, asked.look_for_root);
    let planner = Planner {
        snapshots,
        ..planner(facts, asked, root)
    };
    std::thread::scope(|scope| {
        // Of a large fleet that takes as long as the planning.
        let writer = std::thread::Builder::new().spawn_scoped(scope, || desired.written());
        let written = || match writer {
            Ok(writer) => match writer.join() {
                Ok(written) => written,
                Err(panic) => std::panic::resume_unwind(panic),
            },
            Err(_) => desired.written(),
        };
        Ok(planner.against_written(desired, written, source)?)
    })
}

/// Plans the retention that is in force for `hosts`.
///
/// # Errors
/// When a policy keeps nothing.
pub fn plan_in_force(
    facts: &Facts,
    hosts: &[SqlHost],
    kinds: Option<Kinds>,
    allow: &[Allow],
) -> Result<Plan, Error> {
    let asked = Asked {
        selection: Selection { hosts: None, kinds },
        allow: allow.to_vec(),
        ..Asked::default()
    };
    let hosts: Vec<&SqlHost> = hosts.iter().collect();
    Ok(planner(facts, &asked, facts.root_facts()).in_force(&hosts)?)
}

/// The plan as a row: its body, and every snapshot that it lists.
pub(super) fn as_row(facts: &Facts, plan: &Plan, kind: PlanKind) -> Result<NewPlan, Error> {
    Ok(NewPlan {
        kind,
        fingerprint: plan.fingerprint.clone(),
        deletions_fingerprint: plan.deletions_fingerprint.clone(),
        revision: plan.source.revision.clone(),
        body: serde_json::to_string(plan).map_err(Error::Json)?,
        deletions: facts.listed(plan),
    })
}

fn planner<'a>(facts: &'a Facts, asked: &'a Asked, root: RootFacts) -> Planner<'a> {
    let now = super::clock::now();
    Planner {
        state: &facts.state,
        snapshots: Cow::Borrowed(&facts.snapshots),
        usage: &facts.usage,
        elsewhere: &facts.elsewhere,
        only: facts.only.as_ref().zip(facts.root_id()),
        root,
        as_of: asked.as_of.unwrap_or(now),
        created_at: now,
        selection: asked.selection.clone(),
        allow: &asked.allow,
        version: VERSION,
    }
}

fn known_hosts<'a>(
    facts: &Facts,
    desired: &DesiredState,
    names: impl Iterator<Item = &'a HostName>,
) -> Result<(), Error> {
    for name in names {
        if !desired.hosts.iter().any(|host| host.name == *name) {
            facts.host(name)?;
        }
    }
    Ok(())
}

/// An apply looks whether the root was moved to where the file says; a plan opens nothing that a file names.
fn root_facts(facts: &Facts, desired: &DesiredState, look: bool) -> RootFacts {
    let mut found = facts.root_facts();
    let server = facts.root.as_ref().and_then(|root| root.server.as_ref());
    let (Some(root), Some(path)) = (&facts.root, desired.global.root_of(server)) else {
        return found;
    };
    let is_same = || crate::disk::Root::open(path, Some(&root.id)).is_ok();
    if look && *path != root.path && is_same() {
        found.found_at = Some(path.clone());
    }
    found
}

impl Context {
    /// Records a plan that is carried out without a change of the configuration.
    pub(super) fn record(
        &self,
        facts: &Facts,
        plan: &Plan,
        kind: PlanKind,
    ) -> Result<crate::core::model::PlanId, Error> {
        let row = as_row(facts, plan, kind)?;
        Ok(self
            .store
            .record_plan(plan.serial, &row, &self.actor, super::clock::now())?)
    }
}
