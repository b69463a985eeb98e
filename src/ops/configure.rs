//! The imperative way: settings written to SQL without a file.

use std::collections::BTreeSet;

use super::context::Facts;
use super::{Context, Error};
use crate::core::model::{
    AbsolutePath, Address, BUILT_IN_EXCLUDES, CronText, ExcludePattern, GlobalSettings, HostName,
    HostSettings, Keep, ManagedBy, Policy, Schedule, SourcePath, Span, UserName, Value,
};
use crate::core::plan::MovedRoot;
use crate::store::{ConfigChange, Configured, GlobalWrite, HostContent, HostWrite, StoreError};

/// What `configure-global` sets; absent ones stay.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is the setting of its name")]
pub struct GlobalEdit {
    pub backup_root: Option<AbsolutePath>,
    pub max_concurrent: Option<u32>,
    pub max_delete: Option<u32>,
}

/// What `configure-host` sets; absent ones stay.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is the setting of its name")]
pub struct HostEdit {
    pub address: Option<Address>,
    pub sources: Vec<SourcePath>,
    pub excludes: Vec<ExcludePattern>,
    pub keep: Option<Keep>,
    pub user: Option<UserName>,
    pub port: Option<u16>,
    pub identity: Option<AbsolutePath>,
    pub known_hosts: Option<AbsolutePath>,
    pub enabled: Option<bool>,
}

/// What `schedule` sets; nothing takes every schedule away.
pub type ScheduleEdit = Option<(CronText, Span, bool)>;

/// Sets the settings of the service.
///
/// # Errors
/// When the root in use would change its path, or the database refuses.
pub fn configure_global(context: &Context, edit: &GlobalEdit) -> Result<Configured, Error> {
    again(|| configure_global_once(context, edit))
}

fn configure_global_once(context: &Context, edit: &GlobalEdit) -> Result<Configured, Error> {
    let facts = context.facts_about(|_| false)?;
    let sql = facts.state.global.as_ref();
    let mut settings = sql.map_or_else(GlobalSettings::default, |global| global.settings.clone());
    if let Some(path) = &edit.backup_root {
        check_root_path(path)?;
        settings.backup_root = Some(path.clone());
        may_move_roots(&facts, &settings)?;
    }
    settings.max_concurrent = edit.max_concurrent.unwrap_or(settings.max_concurrent);
    settings.guard.max_delete = edit.max_delete.unwrap_or(settings.guard.max_delete);
    let write = GlobalWrite {
        managed_by: sql.map_or(ManagedBy::Cli, |global| global.managed_by),
        settings,
        applied: sql.and_then(|global| global.applied.clone()),
    };
    configure(context, &facts, "configure-global", Some(write), Vec::new())
}

/// A root must be a folder of its own.
///
/// # Errors
/// When it is `/`.
pub(super) fn check_root_path(path: &AbsolutePath) -> Result<(), Error> {
    if path.as_str() == "/" {
        Err(Error::RootIsSlash)
    } else {
        Ok(())
    }
}

/// As an apply refuses it: a server that inherits the root would find none at the new path, and begin a fresh one.
fn may_move_roots(facts: &Facts, wanted: &GlobalSettings) -> Result<(), Error> {
    let mut root = facts.root_facts();
    if let Some(own) = &facts.root {
        // The same root may have been moved or mounted there before.
        let at = wanted.root_of(own.server.as_ref());
        let at = at.filter(|at| crate::disk::Root::open(at, Some(&own.id)).is_ok());
        root.found_at = at.cloned();
    }
    let in_force = facts.state.global.as_ref().map(|global| &global.settings);
    match MovedRoot::all(wanted, in_force, &root).into_iter().next() {
        Some(MovedRoot { server, old, new }) => Err(Error::RootInUse { server, old, new }),
        None => Ok(()),
    }
}

/// Adds or changes one host.
///
/// # Errors
/// When a new host has no address, the host is managed by KDL and retired, or the database refuses.
pub fn configure_host(
    context: &Context,
    name: &HostName,
    edit: &HostEdit,
) -> Result<Configured, Error> {
    again(|| configure_host_once(context, name, edit))
}

fn configure_host_once(
    context: &Context,
    name: &HostName,
    edit: &HostEdit,
) -> Result<Configured, Error> {
    let facts = context.facts_about(|_| false)?;
    let sql = facts.state.host(name).filter(|host| host.retired.is_none());
    let mut settings = match (sql, &edit.address) {
        (Some(host), _) => host.settings.clone(),
        (None, Some(address)) => HostSettings::at(Value::Literal(address.clone())),
        (None, None) => return Err(Error::NeedsAddress { host: name.clone() }),
    };
    change(&mut settings, edit);
    let global = facts.state.settings();
    if global.servers.len() > 1 && settings.server.is_none() {
        // Else nobody would back it up.
        settings.server = context.me(&global)?;
    }
    if settings.sources.is_empty() {
        settings.sources.extend("/".parse::<SourcePath>());
    }
    let write = write_of(sql, name, settings);
    configure(
        context,
        &facts,
        &format!("configure-host {name}"),
        None,
        vec![write],
    )
}

/// Sets or takes away the schedules of a host.
///
/// # Errors
/// When the host is unknown or the database refuses.
pub fn schedule(
    context: &Context,
    name: &HostName,
    edit: &ScheduleEdit,
) -> Result<Configured, Error> {
    again(|| schedule_once(context, name, edit))
}

fn schedule_once(
    context: &Context,
    name: &HostName,
    edit: &ScheduleEdit,
) -> Result<Configured, Error> {
    let facts = context.facts_about(|_| false)?;
    let sql = facts.host(name)?;
    let mut settings = sql.settings.clone();
    settings.schedules = edit
        .iter()
        .map(|(cron, jitter, prune)| Schedule {
            name: None,
            cron: cron.clone(),
            timezone: settings.timezone,
            jitter: *jitter,
            prune: *prune,
        })
        .collect();
    let write = write_of(Some(sql), name, settings);
    configure(
        context,
        &facts,
        &format!("schedule {name}"),
        None,
        vec![write],
    )
}

/// Tries again when another command changed the configuration in between: what was read is read anew, and one setting
/// set by one command and another by another both stand. Each round lets one of them through.
pub(super) fn again<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    /// More commands at once than this come of a loop that went wrong.
    const ROUNDS: usize = 100;
    for _ in 1..ROUNDS {
        match attempt() {
            Err(Error::Store(StoreError::Stale(_))) => {}
            done => return done,
        }
    }
    attempt()
}

pub(super) fn change(settings: &mut HostSettings, edit: &HostEdit) {
    if let Some(address) = &edit.address {
        settings.address = Value::Literal(address.clone());
    }
    if !edit.sources.is_empty() {
        settings.sources = once_each(edit.sources.iter().cloned());
    }
    if !edit.excludes.is_empty() {
        let built_in = BUILT_IN_EXCLUDES
            .into_iter()
            .filter_map(|pattern| pattern.parse().ok());
        settings.excludes = once_each(built_in.chain(edit.excludes.iter().cloned()));
    }
    if let Some(keep) = &edit.keep {
        let timezone = settings.timezone;
        let old = settings.retention.take();
        settings.retention = Some(match old {
            Some(policy) => Policy {
                keep: keep.clone(),
                ..policy
            },
            None => Policy {
                timezone,
                ..Policy::of(keep.clone())
            },
        });
    }
    if let Some(user) = &edit.user {
        settings.ssh.user = Value::Literal(user.clone());
    }
    settings.ssh.port = edit.port.unwrap_or(settings.ssh.port);
    if let Some(identity) = &edit.identity {
        settings.ssh.identity = Some(Value::Literal(identity.clone()));
    }
    if let Some(known_hosts) = &edit.known_hosts {
        settings.ssh.known_hosts = Some(Value::Literal(known_hosts.clone()));
    }
    settings.enabled = edit.enabled.unwrap_or(settings.enabled);
}

/// A file says each item once, and an export has to say the same.
pub(super) fn once_each<T: Clone + Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    items.filter(|item| seen.insert(item.clone())).collect()
}

/// A host that KDL manages stays managed by it: the next plan shows the difference as drift.
fn write_of(
    sql: Option<&crate::core::model::SqlHost>,
    name: &HostName,
    settings: HostSettings,
) -> HostWrite {
    match sql {
        Some(host) => HostWrite::Update {
            host: host.id,
            content: Box::new(HostContent {
                managed_by: host.managed_by,
                settings,
                applied: host.applied.clone(),
            }),
        },
        None => HostWrite::Create {
            name: name.clone(),
            content: Box::new(HostContent {
                managed_by: ManagedBy::Cli,
                settings,
                applied: None,
            }),
        },
    }
}

pub(super) fn configure(
    context: &Context,
    facts: &Facts,
    summary: &str,
    global: Option<GlobalWrite>,
    hosts: Vec<HostWrite>,
) -> Result<Configured, Error> {
    Ok(context.store.configure(&ConfigChange {
        expected_serial: facts.state.serial,
        actor: context.actor.clone(),
        at: super::clock::now(),
        summary: summary.to_owned(),
        global,
        hosts,
        plan: None,
        approvals: Vec::new(),
    })?)
}
