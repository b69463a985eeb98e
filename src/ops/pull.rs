//! From the settings of a host to the pull that rsync is asked for: references are resolved here, on use.

use camino::Utf8PathBuf;

use super::backup::backed_up;
use super::context::{Facts, ServerLookup};
use super::links::damaged_of;
use super::{Context, Error};
use crate::core::model::{
    AbsolutePath, Address, ExcludePattern, HostName, HostSettings, Invalid, Lookup, ProxyJump,
    SnapshotId, SqlHost, UserName, Value, ValueError,
};
use crate::rsync::Pull;

/// The settings of a host with every reference resolved, and what of them must not be shown.
pub(super) struct Resolved {
    settings: HostSettings,
    pub(super) address: Address,
    user: UserName,
    identity: Option<AbsolutePath>,
    pub(super) known_hosts: AbsolutePath,
    proxy_jump: Option<ProxyJump>,
    hidden: Vec<(String, String)>,
}

/// Resolves the references of a host's settings.
///
/// # Errors
/// When one cannot be resolved; the message never holds what it stands for.
pub(super) fn resolve(
    context: &Context,
    host: &SqlHost,
    lookup: &dyn Lookup,
) -> Result<Resolved, Error> {
    resolve_settings(&host.name, &host.settings, lookup, || {
        context.default_known_hosts()
    })
}

/// Resolves the references of settings, wherever they are from.
///
/// # Errors
/// As [`resolve`].
pub(super) fn resolve_settings(
    host: &HostName,
    settings: &HostSettings,
    lookup: &dyn Lookup,
    default_known_hosts: impl FnOnce() -> Result<AbsolutePath, Error>,
) -> Result<Resolved, Error> {
    let failed = |source: ValueError| Error::Reference {
        host: host.clone(),
        source,
    };
    let ssh = &settings.ssh;
    let mut hidden = Vec::new();
    let address = find(&settings.address, lookup, &mut hidden).map_err(failed)?;
    let user = find(&ssh.user, lookup, &mut hidden).map_err(failed)?;
    let identity = ssh
        .identity
        .as_ref()
        .map(|v| find(v, lookup, &mut hidden))
        .transpose()
        .map_err(failed)?;
    let known_hosts = ssh
        .known_hosts
        .as_ref()
        .map(|v| find(v, lookup, &mut hidden))
        .transpose()
        .map_err(failed)?;
    let proxy_jump = ssh
        .proxy_jump
        .as_ref()
        .map(|v| find(v, lookup, &mut hidden))
        .transpose()
        .map_err(failed)?;
    let known_hosts = match known_hosts {
        Some(path) => path,
        None => default_known_hosts()?,
    };
    Ok(Resolved {
        settings: settings.clone(),
        address,
        user,
        identity,
        known_hosts,
        proxy_jump,
        hidden,
    })
}

fn find<T>(
    value: &Value<T>,
    lookup: &dyn Lookup,
    hidden: &mut Vec<(String, String)>,
) -> Result<T, ValueError>
where
    T: std::str::FromStr<Err = Invalid> + Clone + std::fmt::Display,
{
    let found = value.resolve(lookup)?;
    if value.literal().is_none() {
        hidden.push((found.to_string(), value.to_string()));
    }
    Ok(found)
}

impl Resolved {
    /// The pull into `destination`, linked against `link_dests`.
    ///
    /// A pull from this machine leaves `root` out: a root that holds itself would never end.
    pub(super) fn pull(
        &self,
        root: &str,
        destination: Utf8PathBuf,
        link_dests: Vec<Utf8PathBuf>,
    ) -> Pull {
        let mut excludes = self.settings.excludes.clone();
        if self.address.is_local() {
            excludes.extend(literal_pattern(root).parse::<ExcludePattern>());
        }
        Pull {
            address: self.address.clone(),
            user: self.user.clone(),
            port: self.settings.ssh.port,
            identity: self.identity.clone(),
            known_hosts: self.known_hosts.clone(),
            proxy_jump: self.proxy_jump.clone(),
            rsync: self.settings.rsync.clone(),
            sources: self.settings.sources.clone(),
            excludes,
            destination,
            link_dests,
            checksum: false,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.settings.ssh.port
    }
}

/// A path as a pattern that matches it alone: rsync(1), a backslash means itself unless a wildcard stands beside it.
fn literal_pattern(path: &str) -> String {
    if !path.contains(['*', '?', '[']) {
        return path.to_owned();
    }
    path.chars()
        .flat_map(|c| {
            matches!(c, '*' | '?' | '[' | '\\')
                .then_some('\\')
                .into_iter()
                .chain([c])
        })
        .collect()
}

/// The exact argument vector of the next backup of `host`, as a shell would be given it, and nothing done.
///
/// # Errors
/// When the host may not be backed up or a reference cannot be resolved.
pub fn dry_run(context: &Context, facts: &Facts, host: &HostName) -> Result<String, Error> {
    let host = backed_up(facts, host)?;
    let resolved = resolve(context, host, &ServerLookup)?;
    let root = context.backup_root(&facts.state)?;
    let folder = Utf8PathBuf::from(root.as_str()).join(host.directory.as_str());
    let snapshots = facts.snapshots.get(&host.id).map_or(&[][..], Vec::as_slice);
    let base = snapshots
        .iter()
        .filter(|s| s.status == crate::core::model::SnapshotStatus::Complete)
        .max_by_key(|s| (!s.suspect, s.started_at, &s.name));
    let link_dests = base
        .iter()
        .map(|s| {
            folder
                .join(s.kind.as_str())
                .join(s.name.as_str())
                .join("data")
        })
        .collect();
    let mut pull = resolved.pull(
        root.as_str(),
        folder.join(".incomplete/manual/NEW/data"),
        link_dests,
    );
    let linked: Vec<SnapshotId> = base.iter().map(|s| s.id).collect();
    pull.checksum = !damaged_of(context, host.id, &linked)?.is_empty();
    Ok(pull.shown(&resolved.hidden))
}
