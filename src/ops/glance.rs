//! The whole service at a glance, however large the fleet is.

use std::collections::BTreeMap;

use super::check::{self, Finding, Level};
use super::context::Facts;
use super::servers::ServerStatus;
use super::status::{HostStatus, are_overdue};
use super::{Context, Error, servers};
use crate::core::model::{Span, Timestamp};
use crate::core::plan::ClockFacts;
use crate::store::{Backlog, ConfigurationTotals, FleetTotals, HostOrder, HostSearch, RootRecord};

/// A scheduler that looks every minute and has not been heard of for so long is not at work.
pub(super) const SILENCE: Span = Span::from_seconds(15 * 60);

/// What an operator wants to see first.
#[derive(Debug, Clone)]
pub struct Glance {
    /// When it was looked at.
    pub at: Timestamp,
    /// The fleet in figures.
    pub totals: FleetTotals,
    /// The first hosts that need attention, the worst first.
    pub troubled: Vec<HostStatus>,
    /// The configuration in figures.
    pub configuration: ConfigurationTotals,
    /// The servers that share the database, by name.
    pub servers: Vec<ServerStatus>,
    /// What is wrong with the installation, worst first.
    pub findings: Vec<Finding>,
    /// What has not reached its receivers.
    pub notifications: Backlog,
    /// It was given up, or has waited for so long that somebody should look.
    pub notifications_overdue: bool,
}

/// Reads the whole service at a glance, with so many hosts that need attention.
///
/// # Errors
/// When the database cannot be read.
pub fn glance(context: &Context, troubled: u32) -> Result<Glance, Error> {
    let at = super::clock::now();
    let search = HostSearch {
        troubled: true,
        ..HostSearch::default()
    };
    let order = HostOrder::Standing;
    let (worst, _) = context
        .store
        .reading_page(&search, order, at, 0, troubled)?;
    let notifications = context.store.backlog()?;
    let servers = servers(context)?;
    Ok(Glance {
        at,
        totals: context.store.totals(at)?,
        troubled: worst.into_iter().map(|r| HostStatus::of(r, at)).collect(),
        configuration: context.store.configuration_totals()?,
        findings: findings(context, &servers)?,
        servers,
        notifications_overdue: are_overdue(&notifications, at),
        notifications,
    })
}

/// What `check` would find wrong with clock, root, space and news, without what it asks each host's settings for; and
/// whether a scheduler is at work, by what is known of all `servers`. Records nothing.
///
/// # Errors
/// When the database cannot be read.
pub(super) fn findings(context: &Context, servers: &[ServerStatus]) -> Result<Vec<Finding>, Error> {
    let state = context.store.without_hosts()?;
    let global = state.settings();
    let are_several = global.servers.len() > 1;
    let facts = Facts {
        root: context.root_of(&state)?,
        state,
        snapshots: BTreeMap::new(),
        usage: BTreeMap::new(),
        elsewhere: Vec::new(),
        only: None,
        other_roots: Vec::new(),
    };
    let last_seen = context.store.sign_of_life()?;
    // Taken after it: a scheduler may record a moment in between.
    let now = super::clock::now();
    let mut found: Vec<Finding> = Vec::new();
    match (ClockFacts { now, last_seen }).doubt() {
        Some(doubt) => found.push(check::doubted(doubt)),
        None if are_several => found.extend(servers::silent(servers)),
        None => found.extend(silence(context, last_seen, now)?),
    }
    match context.me(&global) {
        // Whoever works for no server shows what is in the database; the roots are elsewhere.
        Err(Error::WhichServer { .. }) => {}
        Ok(_) | Err(_) => found.extend(check::root(context, &facts)),
    }
    let mut missing = 0_usize;
    if are_several {
        let roots = context.store.roots()?;
        for (_, root) in RootRecord::of_servers(&roots, &global) {
            let there = context.store.missing(root.map(|root| &root.id))?;
            missing = missing.saturating_add(there);
        }
    } else {
        missing = context.store.missing(facts.root_id())?;
    }
    found.extend(check::missing(missing));
    found.push(check::telling(context, &facts));
    found.retain(|finding| finding.level != Level::Good);
    found.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    Ok(found)
}

/// That no scheduler is at work, and something has waited for one.
fn silence(
    context: &Context,
    last_seen: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Finding>, Error> {
    let since = now.minus(SILENCE);
    if last_seen.is_some_and(|last| last >= since) {
        return Ok(None);
    }
    let next = super::upcoming(context, 1)?;
    if next.first().is_none_or(|run| run.starts_at >= since) {
        return Ok(None);
    }
    let message = match last_seen {
        Some(last) => format!("none has been at work since {last}, and backups are overdue"),
        None => "none has been at work yet, and backups are overdue".to_owned(),
    };
    Ok(Some(Finding {
        level: Level::Problem,
        what: "scheduler",
        message,
        help: "start it: pobsync scheduler --loop".to_owned(),
    }))
}
