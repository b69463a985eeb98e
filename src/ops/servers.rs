//! The servers that share the database, as they are right now.

use serde::Serialize;
use utoipa::ToSchema;

use super::check::{Finding, Level};
use super::glance::SILENCE;
use super::{Context, Error};
use crate::core::model::{AbsolutePath, Label, RunStatus, Timestamp};
use crate::store::RunFilter;

/// One of several servers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServerStatus {
    /// Its name.
    #[schema(value_type = String)]
    pub server: Label,
    /// Where its snapshots are.
    #[schema(value_type = Option<String>)]
    pub backup_root: Option<AbsolutePath>,
    /// Its scheduler was heard of not long ago.
    pub is_at_work: bool,
    /// When its scheduler was heard of last, by the clock of the database.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Timestamp>,
    /// The version of that.
    pub version: Option<String>,
    /// The hosts that belong to it.
    pub hosts: usize,
    /// Its runs at work.
    pub running: usize,
}

/// Reads how every server is, by name; nothing where no server has a name.
///
/// # Errors
/// When the database cannot be read.
pub fn servers(context: &Context) -> Result<Vec<ServerStatus>, Error> {
    let global = context.store.global_settings()?;
    if global.servers.is_empty() {
        return Ok(Vec::new());
    }
    let seen = context.store.servers()?;
    let hosts = context.store.hosts_by_server()?;
    let running = RunFilter {
        status: Some(RunStatus::Running),
        ..RunFilter::default()
    };
    let running = context.store.runs(&running, u32::MAX)?;
    let of = |name: &Label| {
        let seen = seen
            .iter()
            .find(|record| record.name.as_ref() == Some(name));
        let own = hosts
            .iter()
            .filter(|(server, _)| global.home(server.as_ref()) == Some(name));
        let runs = running
            .iter()
            .filter(|run| run.server.as_ref() == Some(name));
        ServerStatus {
            server: name.clone(),
            backup_root: global.root_of(Some(name)).cloned(),
            is_at_work: seen.is_some_and(|record| record.silent_for < SILENCE),
            last_seen: seen.map(|record| record.last_seen),
            version: seen.map(|record| record.version.clone()),
            hosts: own.map(|(_, count)| count).sum(),
            running: runs.count(),
        }
    };
    Ok(global
        .servers
        .iter()
        .map(|server| of(&server.name))
        .collect())
}

/// The servers whose hosts nobody backs up.
pub(super) fn silent(servers: &[ServerStatus]) -> Vec<Finding> {
    let silent = servers
        .iter()
        .filter(|one| !one.is_at_work && one.hosts > 0);
    silent
        .map(|one| {
            let name = &one.server;
            let message = match one.last_seen {
                Some(last) => format!("{name} has not been at work since {last}"),
                None => format!("{name} has not been at work yet"),
            };
            Finding {
                level: Level::Problem,
                what: "server",
                message: format!("{message}; hosts of it: {}", one.hosts),
                help: format!("start it there: pobsync --as {name} scheduler --loop"),
            }
        })
        .collect()
}
