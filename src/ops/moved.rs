//! What a server still has of hosts that belong to another one by now: it stays under retention here, by its own.
//!
//! No backup of such a host ends here any more, after which it would be pruned; so the scheduler looks after it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::context::Facts;
use super::plan::plan_in_force;
use super::{Context, Error, PruneRequest, Stop, prune, sentence};
use crate::core::model::{HostId, Label, RunKind, RunStatus, Span, SqlHost, Timestamp};
use crate::store::RunFilter;

/// As often as a nightly backup would do it, and never so often that a refusal fills the list of runs.
const EVERY: Span = Span::from_hours(24);
/// More runs than a host has in that time on all servers.
const LOOKED_AT: u32 = 200;

/// When a host was tried in vain. One whose disk is away has no run that would say so; a scheduler that is started anew
/// tries it once more.
#[derive(Debug, Default)]
pub(super) struct Tried(Mutex<HashMap<HostId, Timestamp>>);

impl Tried {
    fn is_lately(&self, host: HostId, now: Timestamp) -> bool {
        let tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tried.get(&host).is_some_and(|at| *at > now.minus(EVERY))
    }

    fn note(&self, host: HostId, now: Timestamp) {
        let mut tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tried.insert(host, now);
    }
}

/// Prunes what is here of hosts that have moved away, where a schedule of theirs wants it and their policy is approved.
/// Goes on with nothing once `stop` is asked.
///
/// # Errors
/// When the database cannot be read. What goes wrong with one host is told, and tried again the next day.
pub(super) fn prune_moved(
    context: &Context,
    now: Timestamp,
    stop: &Stop,
    tried: &Tried,
) -> Result<(), Error> {
    let global = context.store.global_settings()?;
    let Some(me) = context.me(&global)? else {
        return Ok(());
    };
    if global.servers.len() < 2 {
        return Ok(());
    }
    let has_left = |host: &SqlHost| {
        let home = global.home(host.settings.server.as_ref());
        host.retired.is_none()
            && !host.is_paused()
            && home.is_some_and(|home| *home != me)
            && host.settings.schedules.iter().any(|line| line.prune)
    };
    let facts = context.own_facts_about(has_left)?;
    for host in facts.state.hosts.iter().filter(|host| has_left(host)) {
        if stop.is_asked() {
            break;
        }
        if tried.is_lately(host.id, now) || !is_due(context, &facts, host, &me, now)? {
            continue;
        }
        let request = PruneRequest::unattended(host.directory.clone());
        match prune(context, &request, stop) {
            Ok(report) => {
                tracing::info!(host = %host.name, deleted = report.deleted.len(), "pruned what was made here before the host moved");
            }
            // Its own server is at work on it just now: its turn comes on one of the next ticks.
            Err(Error::Locked { .. } | Error::AtWork { .. }) => {}
            Err(error) => {
                tried.note(host.id, now);
                tracing::error!(host = %host.name, "what was made here before the host moved is not pruned: {}", sentence(&error));
            }
        }
    }
    Ok(())
}

/// Something would go, nobody has to approve it first, and this server has not tried today.
fn is_due(
    context: &Context,
    facts: &Facts,
    host: &SqlHost,
    me: &Label,
    now: Timestamp,
) -> Result<bool, Error> {
    let plan = plan_in_force(facts, std::slice::from_ref(host), None, &[])?;
    let would = plan
        .retention
        .first()
        .is_some_and(|plan| plan.approved && !plan.delete.is_empty());
    if !would {
        return Ok(false);
    }
    let filter = RunFilter {
        host: Some(host.id),
        kind: Some(RunKind::Prune),
        ..RunFilter::default()
    };
    let runs = context.store.runs(&filter, LOOKED_AT)?;
    Ok(!runs.iter().any(|record| {
        record.server.as_ref() == Some(me)
            && record.run.started_at > now.minus(EVERY)
            && record.run.status != RunStatus::Cancelled
    }))
}
