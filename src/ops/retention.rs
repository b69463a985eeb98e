//! One host's retention plan: approved, or carried out because a person asked for it by name.

use camino::Utf8Path;

use super::context::Facts;
use super::plan::{as_row, plan_in_force};
use super::saved::read_plan;
use super::stale::staleness;
use super::{Context, Error};
use crate::core::model::HostName;
use crate::core::plan::{Plan, RetentionPlan, intersect};
use crate::store::{ConfigChange, Configured, PlanKind};

/// Approves the policy in force of `name`, as `plan` shows it: what an apply does, for hosts that no file manages.
///
/// # Errors
/// When the host has no policy, the configuration has changed since the plan was made, or the database refuses.
pub fn approve(
    context: &Context,
    facts: &Facts,
    name: &HostName,
    plan: &Plan,
) -> Result<Configured, Error> {
    let host = facts.host(name)?;
    let policy = host
        .settings
        .retention
        .as_ref()
        .ok_or_else(|| Error::NoPolicy { host: name.clone() })?;
    Ok(context.store.configure(&ConfigChange {
        expected_serial: plan.serial,
        actor: context.actor.clone(),
        at: super::clock::now(),
        summary: format!("retention {name} --approve"),
        global: None,
        hosts: Vec::new(),
        plan: Some(as_row(facts, plan, PlanKind::Retention)?),
        approvals: vec![(name.clone(), policy.fingerprint())],
    })?)
}

/// The plan of one host as it is in force.
///
/// # Errors
/// When the host is unknown, or `kinds` is wider than the policy's where the plan is to be carried out.
pub fn plan_host(
    facts: &Facts,
    name: &HostName,
    kinds: Option<crate::core::model::Kinds>,
    to_delete: bool,
) -> Result<Plan, Error> {
    let host = facts.host(name)?;
    let allowed = host.settings.retention.as_ref().map(|policy| policy.kinds);
    let narrowed = match (to_delete, kinds, allowed) {
        // When something is deleted, the selection can only narrow the policy's kinds.
        (true, Some(asked), Some(allowed)) => {
            let both = asked.intersection(allowed);
            Some(both.ok_or(Error::KindsOutsidePolicy {
                host: name.clone(),
                asked,
                allowed,
            })?)
        }
        _ => kinds,
    };
    plan_in_force(facts, std::slice::from_ref(host), narrowed, &[])
}

/// Cuts today's plan of one host down to what the saved plan at `path` listed too.
///
/// # Errors
/// When that plan cannot be read, is stale, or does not speak of the host.
pub fn listed_by_saved(
    context: &Context,
    path: &Utf8Path,
    today: RetentionPlan,
) -> Result<RetentionPlan, Error> {
    let saved = read_plan(path)?;
    let stale = staleness(context, &saved)?;
    if !stale.moved.is_empty() {
        return Err(Error::Stale {
            moved: stale.lines(),
        });
    }
    let listed = saved
        .retention
        .iter()
        .find(|plan| plan.directory == today.directory && plan.root == today.root);
    let listed = listed.ok_or_else(|| Error::NotInPlan {
        host: today.host.clone(),
    })?;
    Ok(intersect(listed, today))
}
