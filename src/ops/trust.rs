//! Host keys and the first contact with a host.

use std::time::Duration;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::backup::backed_up;
use super::context::ServerLookup;
use super::pull::resolve;
use super::{Context, Error};
use crate::core::model::{AbsolutePath, Hooks, HostName};
use crate::rsync::{self, OfferedKey};

/// The keys that a host offers, and where they would be trusted.
#[derive(Debug, Clone)]
pub struct Offered {
    /// The keys.
    pub keys: Vec<OfferedKey>,
    /// The file that trusts them.
    pub known_hosts: AbsolutePath,
}

/// Longer than a busy host takes to greet, shorter than anybody waits at a prompt.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks a host for its keys.
///
/// # Errors
/// When it cannot be reached or has none.
pub fn offered_keys(context: &Context, host: &HostName) -> Result<Offered, Error> {
    let facts = context.facts_about(|_| false)?;
    let host = backed_up(&facts, host)?;
    let resolved = resolve(context, host, &ServerLookup)?;
    let program = |message: String, help: &str| Error::Program {
        message,
        help: help.to_owned(),
    };
    if resolved.address.is_local() {
        return Err(program(
            format!("{} is this machine: it needs no key", host.name),
            "",
        ));
    }
    let keys = rsync::scan(&resolved.address, resolved.port(), PATIENCE).map_err(|error| {
        program(
            format!("{} offers no key: {error}", host.name),
            "check address and port, and that sshd runs there",
        )
    })?;
    Ok(Offered {
        keys,
        known_hosts: resolved.known_hosts,
    })
}

/// Trusts the keys.
///
/// # Errors
/// When the file cannot be written.
pub fn trust(offered: &Offered) -> Result<(), Error> {
    let path = Utf8PathBuf::from(offered.known_hosts.as_str());
    rsync::add_known_host(&path, &offered.keys).map_err(|source| Error::File {
        doing: "write",
        path: path.to_string(),
        source,
    })
}

/// One step of trying a host.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What was tried.
    pub what: &'static str,
    /// It worked.
    pub ok: bool,
    /// What was seen.
    pub message: String,
}

/// Tries ssh, rsync, the sources and the hooks of a host; without ssh and rsync the rest is not tried.
///
/// # Errors
/// When the host is unknown or a reference cannot be resolved.
pub fn test_host(context: &Context, host: &HostName) -> Result<Vec<Step>, Error> {
    let facts = context.facts_about(|_| false)?;
    let host = backed_up(&facts, host)?;
    let resolved = resolve(context, host, &ServerLookup)?;
    let pull = resolved.pull("/nonexistent", "/nonexistent".into(), Vec::new());
    let mut steps = Vec::new();
    match rsync::probe_remote(&pull) {
        Ok(version) => steps.push(Step {
            what: "ssh and rsync",
            ok: true,
            message: version,
        }),
        Err(message) => {
            steps.push(Step {
                what: "ssh and rsync",
                ok: false,
                message,
            });
            return Ok(steps);
        }
    }
    for (source, seen) in rsync::probe_sources(&pull) {
        steps.push(match seen {
            Ok(()) => Step {
                what: "source",
                ok: true,
                message: source.to_string(),
            },
            Err(message) => Step {
                what: "source",
                ok: false,
                message: format!("{source}: {message}"),
            },
        });
    }
    steps.extend(hooks(&pull, &host.settings.hooks));
    Ok(steps)
}

/// Looks for every hook, here and on the host, and runs none.
fn hooks(pull: &rsync::Pull, hooks: &Hooks) -> Vec<Step> {
    let folder = super::hooks_folder();
    let here = hooks.before.iter().chain(&hooks.after).map(|name| {
        let seen = folder.find(name).map(|_| ());
        ("hook", name, seen.map_err(|error| error.to_string()))
    });
    let there = hooks
        .remote_before
        .iter()
        .chain(&hooks.remote_after)
        .map(|name| {
            let seen = pull.probe_remote_hook(name);
            ("remote hook", name, seen.map_err(|error| error.to_string()))
        });
    here.chain(there)
        .map(|(what, name, seen)| Step {
            what,
            ok: seen.is_ok(),
            message: match seen {
                Ok(()) => name.to_string(),
                Err(message) => format!("{name}: {message}"),
            },
        })
        .collect()
}
