//! Carrying out a plan: SQL in one transaction, with the approval of every policy of the file.

use super::context::Facts;
use super::plan::as_row;
use super::{Context, Error};
use crate::core::desired::DesiredState;
use crate::core::diff::{Action, Change, Object};
use crate::core::model::{Fingerprint, HostName, ManagedBy, SnapshotsOnRemoval, SqlHost};
use crate::core::plan::{ApprovedPlan, Plan};
use crate::store::{ConfigChange, Configured, GlobalWrite, HostContent, HostWrite, PlanKind};

/// Writes what `approved` changes and approves the policies of its file.
///
/// Touches no disk and deletes nothing: a prune is another step, which needs what this one records.
///
/// # Errors
/// When the configuration has changed since the plan was made, or the database refuses.
pub fn apply(
    context: &Context,
    facts: &Facts,
    approved: &ApprovedPlan,
) -> Result<Configured, Error> {
    let plan = approved.plan();
    let change = ConfigChange {
        expected_serial: plan.serial,
        actor: context.actor.clone(),
        at: super::clock::now(),
        summary: summary(plan),
        global: global_write(approved, facts),
        hosts: plan
            .changes
            .iter()
            .filter(|change| change.object == Object::Host)
            .flat_map(|change| host_writes(change, approved, facts))
            .chain(
                agreed(facts, plan, approved.desired()).map(|host| HostWrite::Update {
                    host: host.id,
                    content: Box::new(HostContent {
                        managed_by: host.managed_by,
                        settings: host.settings.clone(),
                        applied: Some(host.settings.clone()),
                    }),
                }),
            )
            .collect(),
        approvals: approved.approvals(),
        plan: Some(as_row(facts, plan, PlanKind::Apply)?),
    };
    Ok(context.store.configure(&change)?)
}

/// Holds a plan against what somebody said it is.
///
/// # Errors
/// When it has another fingerprint.
pub fn expect_plan(plan: &Plan, expected: &Fingerprint) -> Result<(), Error> {
    if *expected == plan.fingerprint {
        return Ok(());
    }
    Err(Error::NotTheExpectedPlan {
        expected: expected.clone(),
        actual: plan.fingerprint.clone(),
    })
}

/// The plan as it may be applied, and whether that would change nothing and approve nothing new.
///
/// # Errors
/// With the refusals that stand against it.
pub fn to_be_applied(
    facts: &Facts,
    plan: Plan,
    desired: DesiredState,
    prune: bool,
) -> Result<(ApprovedPlan, bool), Error> {
    let is_nothing = plan.changes.is_empty()
        && approves_nothing_new(facts, &plan, &desired)
        && records_nothing_new(facts, &plan, &desired);
    let approved =
        ApprovedPlan::new(plan, desired, prune).map_err(|refusals| Error::Refused { refusals })?;
    Ok((approved, is_nothing))
}

/// Says that every policy that the plan approves stands approved already, so that an apply without changes has nothing to do.
#[must_use]
pub fn approves_nothing_new(facts: &Facts, plan: &Plan, desired: &DesiredState) -> bool {
    plan.approvals(desired).iter().all(|(host, policy)| {
        active(facts, host.as_str()).and_then(|sql| sql.approved_policy.as_ref()) == Some(policy)
    })
}

/// Says that the file has taken up nothing that drifted, so that there is nothing to record either.
#[must_use]
pub fn records_nothing_new(facts: &Facts, plan: &Plan, desired: &DesiredState) -> bool {
    agreed(facts, plan, desired).next().is_none() && !global_agrees(facts, plan, desired)
}

/// Hosts that drifted to what the file says now: nothing changes, and they were last applied so.
fn agreed<'a>(
    facts: &'a Facts,
    plan: &'a Plan,
    desired: &'a DesiredState,
) -> impl Iterator<Item = &'a SqlHost> {
    let hosts = desired.hosts.iter().filter(|host| {
        (plan.hosts.is_empty() || plan.hosts.contains(&host.name))
            && plan
                .changes
                .iter()
                .all(|change| change.object != Object::Host || change.name != host.name.as_str())
    });
    hosts.filter_map(|host| {
        active(facts, host.name.as_str()).filter(|sql| {
            sql.managed_by == ManagedBy::Kdl
                && sql.settings == host.settings
                && sql.applied.as_ref() != Some(&sql.settings)
        })
    })
}

fn global_agrees(facts: &Facts, plan: &Plan, desired: &DesiredState) -> bool {
    let is_changed = plan
        .changes
        .iter()
        .any(|change| change.object == Object::Global);
    let sql = facts.state.global.as_ref();
    !is_changed
        && plan.hosts.is_empty()
        && sql.is_some_and(|global| {
            global.managed_by == ManagedBy::Kdl
                && global.settings == desired.global
                && global.applied.as_ref() != Some(&global.settings)
        })
}

/// One line for the history.
fn summary(plan: &Plan) -> String {
    let s = &plan.summary;
    let counts = [
        (s.create, "created"),
        (s.update, "changed"),
        (s.retire, "retired"),
        (s.rename, "renamed"),
    ];
    let words: Vec<String> = counts
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
    let what = if words.is_empty() {
        "nothing changed, policies approved".to_owned()
    } else {
        words.join(", ")
    };
    let lifted: Vec<String> = plan.allow.iter().map(ToString::to_string).collect();
    if lifted.is_empty() {
        format!("apply: {what}")
    } else {
        format!("apply: {what}; allowed {}", lifted.join(" "))
    }
}

fn global_write(approved: &ApprovedPlan, facts: &Facts) -> Option<GlobalWrite> {
    let is_changed = approved
        .plan()
        .changes
        .iter()
        .any(|change| change.object == Object::Global);
    let settings = &approved.desired().global;
    let is_written = is_changed || global_agrees(facts, approved.plan(), approved.desired());
    is_written.then(|| GlobalWrite {
        managed_by: ManagedBy::Kdl,
        settings: settings.clone(),
        applied: Some(settings.clone()),
    })
}

fn host_writes(change: &Change, approved: &ApprovedPlan, facts: &Facts) -> Vec<HostWrite> {
    let wanted = approved
        .desired()
        .hosts
        .iter()
        .find(|host| host.name.as_str() == change.name);
    let content = || {
        wanted.map(|host| {
            Box::new(HostContent {
                managed_by: ManagedBy::Kdl,
                settings: host.settings.clone(),
                applied: Some(host.settings.clone()),
            })
        })
    };
    match change.action {
        Action::Create => wanted
            .zip(content())
            .map(|(host, content)| HostWrite::Create {
                name: host.name.clone(),
                content,
            })
            .into_iter()
            .collect(),
        Action::Update => active(facts, &change.name)
            .zip(content())
            .map(|(sql, content)| HostWrite::Update {
                host: sql.id,
                content,
            })
            .into_iter()
            .collect(),
        Action::Rename => {
            let old = change
                .was
                .as_ref()
                .map(HostName::as_str)
                .unwrap_or_default();
            let (Some(sql), Some(host), Some(content)) = (active(facts, old), wanted, content())
            else {
                return Vec::new();
            };
            vec![
                HostWrite::Rename {
                    host: sql.id,
                    to: host.name.clone(),
                },
                HostWrite::Update {
                    host: sql.id,
                    content,
                },
            ]
        }
        Action::Retire => {
            let word = change
                .fields
                .iter()
                .find(|field| field.path == "snapshots")
                .and_then(|f| f.new.as_str());
            let Some(snapshots) = word.and_then(|word| word.parse::<SnapshotsOnRemoval>().ok())
            else {
                return Vec::new();
            };
            leaving(facts, &change.name)
                .map(|sql| HostWrite::Retire {
                    host: sql.id,
                    snapshots,
                })
                .collect()
        }
    }
}

fn active<'a>(facts: &'a Facts, name: &str) -> Option<&'a SqlHost> {
    facts
        .state
        .hosts
        .iter()
        .find(|host| host.name.as_str() == name && host.retired.is_none())
}

/// The active host of that name; else every retired one that had it.
fn leaving<'a>(facts: &'a Facts, name: &str) -> impl Iterator<Item = &'a SqlHost> {
    let active = active(facts, name);
    let name = name.to_owned();
    facts.state.hosts.iter().filter(move |host| {
        host.name.as_str() == name && active.is_none_or(|active| active.id == host.id)
    })
}
