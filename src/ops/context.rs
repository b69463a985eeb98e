//! What every use case is given.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::Error;
use crate::core::health::Activity;
use crate::core::model::{
    AbsolutePath, GlobalSettings, HostId, HostName, Label, Lookup, RootId, Snapshot, SnapshotId,
    SnapshotKind, SnapshotName, Span, SqlHost, SqlState,
};
use crate::core::plan::{Elsewhere, Plan, RootFacts};
use crate::rsync::{HOOKS, HooksFolder};
use crate::store::{DatabaseAddress, HostKey, Opened, RootRecord, SnapshotFilter, Store};

/// The database, and who is asking.
pub struct Context {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Who is asking, for the history.
    pub actor: String,
    /// The folder of what belongs to this server alone: that of the database, or the default one where that is elsewhere.
    pub state_folder: Utf8PathBuf,
    /// The server that this process works for, if one was named.
    pub server: Option<Label>,
    /// How long a host stays ours after the last sign of life.
    pub lease: Span,
}

/// Long enough for a database that is restarted, short enough that a night goes on once a server has died.
pub(super) const LEASE: Span = Span::from_seconds(120);

/// Everything a plan is made from, read at one time.
pub struct Facts {
    /// The SQL state.
    pub state: SqlState,
    /// The snapshots of every host on the root of its server; or on the root of this one.
    pub snapshots: BTreeMap<HostId, Vec<Snapshot>>,
    /// What was measured of hosts on that root, as it was recorded: [`crate::core::usage::Usage`] as text.
    pub usage: BTreeMap<HostId, String>,
    /// The root of this server, if it was ever seen.
    pub root: Option<RootRecord>,
    /// What servers have of hosts that belong to others; empty where only one root is looked at.
    pub elsewhere: Vec<Elsewhere>,
    /// The server whose root alone was looked at, where there are several.
    pub only: Option<Label>,
    /// Where the roots of other servers are that were seen.
    pub other_roots: Vec<(Label, AbsolutePath)>,
}

type Found = (BTreeMap<HostId, Vec<Snapshot>>, BTreeMap<HostId, String>);

/// Which roots are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// Of every host the one of its server, and apart from them what others have of it.
    Fleet,
    /// That of this server, for every host.
    Own,
}

impl Context {
    /// Opens the database at `address`.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub fn open(address: impl Into<DatabaseAddress>) -> Result<Self, Error> {
        let address = address.into();
        Ok(Self::with(Opened::open(&address)?, &address))
    }

    /// Opens the database at `address` and makes it if there is none.
    ///
    /// # Errors
    /// When it cannot be made or used.
    pub fn create(address: impl Into<DatabaseAddress>) -> Result<Self, Error> {
        let address = address.into();
        Ok(Self::with(Opened::open_or_create(&address)?, &address))
    }

    fn with(store: Opened, address: &DatabaseAddress) -> Self {
        Self {
            store: Arc::new(store),
            actor: actor(),
            state_folder: state_folder_of(address),
            server: None,
            lease: LEASE,
        }
    }

    /// The same database for another actor: the pages serve many people.
    #[must_use]
    pub fn acting_as(&self, actor: String) -> Self {
        Self {
            store: Arc::clone(&self.store),
            actor,
            state_folder: self.state_folder.clone(),
            server: self.server.clone(),
            lease: self.lease,
        }
    }

    /// The same database for the server that was named on the command line.
    #[must_use]
    pub(super) fn working_for(&self, server: Option<&Label>) -> Self {
        Self {
            store: Arc::clone(&self.store),
            actor: self.actor.clone(),
            state_folder: self.state_folder.clone(),
            server: server.cloned(),
            lease: self.lease,
        }
    }

    /// The server that this process works for, as claims name it.
    ///
    /// # Errors
    /// When the database cannot be read; as [`Context::me`].
    pub fn server_name(&self) -> Result<Option<Label>, Error> {
        self.me(&self.store.global_settings()?)
    }

    /// The server that this process works for: the one that was named, else the only one there is. Nothing where no
    /// server has a name.
    ///
    /// # Errors
    /// When there are several and none was named, or there is none of that name.
    pub fn me(&self, global: &GlobalSettings) -> Result<Option<Label>, Error> {
        let names = || {
            global
                .servers
                .iter()
                .map(|server| server.name.clone())
                .collect()
        };
        match (&self.server, global.servers.as_slice()) {
            (Some(name), _) if global.server(name).is_none() => Err(Error::UnknownServer {
                name: name.clone(),
                servers: names(),
            }),
            (Some(name), _) => Ok(Some(name.clone())),
            (None, []) => Ok(None),
            (None, [only]) => Ok(Some(only.name.clone())),
            (None, _) => Err(Error::WhichServer { servers: names() }),
        }
    }

    /// The server that a host belongs to, if it is another one than this.
    ///
    /// # Errors
    /// When it is not known which server this is.
    pub fn home_elsewhere(&self, state: &SqlState, host: &SqlHost) -> Result<Option<Label>, Error> {
        let global = state.settings();
        let me = self.me(&global)?;
        let home = global.home(host.settings.server.as_ref());
        Ok(home.filter(|home| me.as_ref() != Some(home)).cloned())
    }

    /// The file of host keys that hosts without one of their own use: in the state folder.
    ///
    /// # Errors
    /// When the state folder has no absolute path.
    pub fn default_known_hosts(&self) -> Result<AbsolutePath, Error> {
        known_hosts_in(&self.state_folder)
    }

    /// Reads everything a plan of the whole fleet is made from.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn facts(&self) -> Result<Facts, Error> {
        self.read(self.store.load_state()?, View::Fleet, &|_| true, true)
    }

    /// Reads the configuration, and the snapshots of those hosts alone that are `wanted`: what is done to one host does
    /// not read a million rows of others.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn facts_about(&self, wanted: impl Fn(&SqlHost) -> bool) -> Result<Facts, Error> {
        self.read(self.store.load_state()?, View::Fleet, &wanted, false)
    }

    /// Reads the configuration and the snapshots of one host alone: a night of a large fleet does not read every host for
    /// each of them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn facts_of(&self, host: HostKey<'_>) -> Result<Facts, Error> {
        let state = self.store.load_state_of(host)?;
        if state.hosts.is_empty() {
            // Whoever says that there is none suggests another.
            return self.facts_about(|_| false);
        }
        self.read(state, View::Fleet, &|_| true, false)
    }

    /// As [`Context::facts`], of what lies on the root of this server: what is done there is done by that alone.
    ///
    /// # Errors
    /// When the database cannot be read, or which server this is cannot be told.
    pub fn own_facts(&self) -> Result<Facts, Error> {
        self.read(self.store.load_state()?, View::Own, &|_| true, true)
    }

    /// As [`Context::facts_about`], of what lies on the root of this server.
    ///
    /// # Errors
    /// As [`Context::own_facts`].
    pub fn own_facts_about(&self, wanted: impl Fn(&SqlHost) -> bool) -> Result<Facts, Error> {
        self.read(self.store.load_state()?, View::Own, &wanted, false)
    }

    /// As [`Context::facts_of`], of what lies on the root of this server.
    ///
    /// # Errors
    /// As [`Context::own_facts`].
    pub fn own_facts_of(&self, host: HostKey<'_>) -> Result<Facts, Error> {
        let state = self.store.load_state_of(host)?;
        if state.hosts.is_empty() {
            return self.own_facts_about(|_| false);
        }
        self.read(state, View::Own, &|_| true, false)
    }

    fn read(
        &self,
        state: SqlState,
        view: View,
        wanted: &dyn Fn(&SqlHost) -> bool,
        is_all: bool,
    ) -> Result<Facts, Error> {
        let global = state.settings();
        let me = match self.me(&global) {
            Ok(me) => Some(me),
            // Whoever only reads is shown all of them.
            Err(_) if view == View::Fleet => None,
            Err(error) => return Err(error),
        };
        let roots = self.store.roots()?;
        let own = match &me {
            Some(me) => RootRecord::of_server(&roots, &global, me.as_ref()),
            None => None,
        };
        let are_several = global.servers.len() > 1;
        let by_server = RootRecord::of_servers(&roots, &global);
        let is_own = |root: &RootRecord| own.is_some_and(|own| own.id == root.id);
        let other_roots = by_server
            .iter()
            .filter(|(name, _)| me.as_ref().and_then(Option::as_ref) != Some(name))
            .filter_map(|(name, root)| {
                let root = root.filter(|root| !is_own(root))?;
                Some(((*name).clone(), root.path.clone()))
            })
            .collect();
        let mut facts = Facts {
            state,
            snapshots: BTreeMap::new(),
            usage: BTreeMap::new(),
            root: own.cloned(),
            elsewhere: Vec::new(),
            only: me.flatten().filter(|_| are_several && view == View::Own),
            other_roots,
        };
        if !are_several {
            let on = own.map(|root| &root.id);
            (facts.snapshots, facts.usage) = self.found_on(&facts.state, on, wanted, is_all)?;
            return Ok(facts);
        }
        if view == View::Own {
            // Where none was ever seen there is nothing, whatever others have.
            if let Some(root) = own {
                (facts.snapshots, facts.usage) =
                    self.found_on(&facts.state, Some(&root.id), wanted, is_all)?;
            }
            return Ok(facts);
        }
        let homes: BTreeMap<HostId, Label> = facts
            .state
            .hosts
            .iter()
            .filter_map(|sql| Some((sql.id, global.home(sql.settings.server.as_ref())?.clone())))
            .collect();
        for (server, root) in by_server {
            let Some(root) = root else { continue };
            let (found, mut usage) = self.found_on(&facts.state, Some(&root.id), wanted, is_all)?;
            for (host, snapshots) in found {
                let usage = usage.remove(&host);
                if homes.get(&host) == Some(server) {
                    facts.snapshots.insert(host, snapshots);
                    facts.usage.extend(usage.map(|usage| (host, usage)));
                } else if snapshots.iter().any(|s| s.status.is_on_disk()) {
                    facts.elsewhere.push(Elsewhere {
                        host,
                        server: server.clone(),
                        root: root.id.clone(),
                        snapshots,
                        usage,
                    });
                }
            }
        }
        Ok(facts)
    }

    /// The snapshots on one root, and what was measured of them; on any where none was ever seen, for which there are no
    /// rows.
    fn found_on(
        &self,
        state: &SqlState,
        root: Option<&RootId>,
        wanted: &dyn Fn(&SqlHost) -> bool,
        is_all: bool,
    ) -> Result<Found, Error> {
        if is_all {
            return Ok((self.store.snapshots_by_host(root)?, self.usage(None, root)?));
        }
        let mut snapshots = BTreeMap::new();
        let mut usage = BTreeMap::new();
        for host in state.hosts.iter().filter(|host| wanted(host)) {
            let filter = SnapshotFilter {
                host: Some(host.id),
                root: root.cloned(),
                ..SnapshotFilter::default()
            };
            let records = self.store.snapshots(&filter)?;
            snapshots.insert(host.id, records.into_iter().map(|r| r.snapshot).collect());
            usage.extend(self.usage(Some(host.id), root)?);
        }
        Ok((snapshots, usage))
    }

    /// What was measured, of one host or all.
    fn usage(
        &self,
        host: Option<HostId>,
        root: Option<&RootId>,
    ) -> Result<BTreeMap<HostId, String>, Error> {
        let Some(root) = root else {
            return Ok(BTreeMap::new());
        };
        let rows = self.store.usage(host, root)?;
        Ok(rows.into_iter().map(|row| (row.host, row.body)).collect())
    }

    /// The root of this server, if it was ever seen; nothing if which server this is cannot be told.
    pub(super) fn root_of(&self, state: &SqlState) -> Result<Option<RootRecord>, Error> {
        let global = state.settings();
        let Ok(me) = self.me(&global) else {
            return Ok(None);
        };
        let roots = self.store.roots()?;
        Ok(RootRecord::of_server(&roots, &global, me.as_ref()).cloned())
    }

    /// The newest of what happened to each host, by what is on the root of its server.
    pub(super) fn activity(&self, state: &SqlState) -> Result<BTreeMap<HostId, Activity>, Error> {
        let global = state.settings();
        if global.servers.len() < 2 {
            let root = self.root_in_use(state)?;
            return Ok(self.store.activity(root.as_ref())?);
        }
        let roots = self.store.roots()?;
        let mut found = BTreeMap::new();
        for (server, root) in RootRecord::of_servers(&roots, &global) {
            let mut there = self.store.activity(root.map(|root| &root.id))?;
            let hosts = state
                .hosts
                .iter()
                .filter(|host| global.home(host.settings.server.as_ref()) == Some(server));
            found.extend(hosts.filter_map(|host| Some((host.id, there.remove(&host.id)?))));
        }
        Ok(found)
    }

    /// The id of the root of this server, if it was ever seen; nothing if which server this is cannot be told.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn root_in_use(&self, state: &SqlState) -> Result<Option<RootId>, Error> {
        Ok(self.root_of(state)?.map(|root| root.id))
    }

    /// The path of the root of this server, as SQL names it.
    ///
    /// # Errors
    /// When none was set, or which server this is cannot be told.
    pub fn backup_root(&self, state: &SqlState) -> Result<AbsolutePath, Error> {
        let global = state.settings();
        let me = self.me(&global)?;
        global
            .root_of(me.as_ref())
            .cloned()
            .ok_or(Error::NoBackupRoot)
    }
}

impl Facts {
    /// The host called `name`, retired or not.
    ///
    /// # Errors
    /// When there is none; the message suggests the nearest name.
    pub fn host(&self, name: &HostName) -> Result<&SqlHost, Error> {
        self.state.host(name).ok_or_else(|| Error::UnknownHost {
            name: name.clone(),
            nearest: nearest(name, self.state.hosts.iter().map(|host| &host.name)),
        })
    }

    /// The host whose snapshots lie in `directory`.
    ///
    /// # Errors
    /// When there is none any more.
    pub fn by_directory(&self, directory: &HostName) -> Result<&SqlHost, Error> {
        let found = self
            .state
            .hosts
            .iter()
            .find(|host| host.directory == *directory);
        found.ok_or_else(|| Error::UnknownHost {
            name: directory.clone(),
            nearest: None,
        })
    }

    /// The hosts of `names`, each once.
    ///
    /// # Errors
    /// When one is unknown.
    pub fn hosts(&self, names: &[HostName]) -> Result<Vec<&SqlHost>, Error> {
        let names: BTreeSet<&HostName> = names.iter().collect();
        names.into_iter().map(|name| self.host(name)).collect()
    }

    /// What a plan needs to know of the root.
    #[must_use]
    pub fn root_facts(&self) -> RootFacts {
        RootFacts {
            is_in_use: self.root.is_some(),
            found_at: None,
            path: self.root.as_ref().map(|root| root.path.clone()),
            server: self.root.as_ref().and_then(|root| root.server.clone()),
            others: self.other_roots.clone(),
        }
    }

    /// Whether a host belongs to the server whose root was looked at; where there is but one, all do.
    #[must_use]
    pub(super) fn is_at_home(&self, host: &SqlHost) -> bool {
        let global = self.state.global.as_ref().map(|global| &global.settings);
        match (&self.only, global) {
            (Some(only), Some(global)) => global.home(host.settings.server.as_ref()) == Some(only),
            _ => true,
        }
    }

    /// The id of the root in use.
    #[must_use]
    pub fn root_id(&self) -> Option<&RootId> {
        self.root.as_ref().map(|root| &root.id)
    }

    /// The rows of every snapshot that `plan` lists for deletion.
    #[must_use]
    pub fn listed(&self, plan: &Plan) -> Vec<SnapshotId> {
        let by_directory: HashMap<&HostName, &SqlHost> = self
            .state
            .hosts
            .iter()
            .map(|host| (&host.directory, host))
            .collect();
        let elsewhere: HashMap<(HostId, &RootId), &Elsewhere> = self
            .elsewhere
            .iter()
            .map(|other| ((other.host, &other.root), other))
            .collect();
        let mut rows = Vec::new();
        for retention in plan
            .retention
            .iter()
            .filter(|retention| !retention.delete.is_empty())
        {
            let Some(host) = by_directory.get(&retention.directory) else {
                continue;
            };
            let by_name = match &retention.root {
                Some(root) if self.only.is_none() => {
                    let found = elsewhere.get(&(host.id, root));
                    by_name(found.map_or(&[][..], |other| &other.snapshots))
                }
                _ => self.rows(host.id),
            };
            rows.extend(
                retention
                    .delete
                    .iter()
                    .filter_map(|d| by_name.get(&(d.kind, &d.snapshot)).copied()),
            );
        }
        rows
    }

    /// The rows of a host's snapshots by kind and name.
    #[must_use]
    pub fn rows(&self, host: HostId) -> BTreeMap<(SnapshotKind, &SnapshotName), SnapshotId> {
        by_name(self.snapshots.get(&host).map_or(&[][..], Vec::as_slice))
    }
}

/// The file of host keys in the folder of a database.
///
/// # Errors
/// When the folder has no absolute path.
pub(super) fn known_hosts_in(folder: &Utf8Path) -> Result<AbsolutePath, Error> {
    let path = folder.join("known_hosts");
    let path = std::path::absolute(&path).unwrap_or_else(|_| path.clone().into());
    Ok(path.to_string_lossy().parse()?)
}

fn by_name(snapshots: &[Snapshot]) -> BTreeMap<(SnapshotKind, &SnapshotName), SnapshotId> {
    snapshots
        .iter()
        .map(|s| ((s.kind, &s.name), s.id))
        .collect()
}

/// The folder of this server's hooks: `POBSYNC_HOOKS`, else `/etc/pobsync/hooks.d`. No configuration file can name it.
#[must_use]
pub fn hooks_folder() -> HooksFolder {
    let named = std::env::var("POBSYNC_HOOKS")
        .ok()
        .filter(|path| path.starts_with('/'));
    HooksFolder::new(named.map_or_else(|| HOOKS.into(), Utf8PathBuf::from))
}

/// Who is asking: the person behind sudo or CI, where they are known.
fn actor() -> String {
    let named = [
        "POBSYNC_ACTOR",
        "SUDO_USER",
        "GITLAB_USER_LOGIN",
        "GITHUB_ACTOR",
        "LOGNAME",
        "USER",
    ];
    let found = named.into_iter().find_map(|name| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.trim().is_empty())
    });
    found.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// The database where nobody names one: `/var/lib/pobsync/pobsync.db` for root, else the XDG state folder.
#[must_use]
pub fn default_database() -> DatabaseAddress {
    DatabaseAddress::File(default_state_folder().join("pobsync.db"))
}

/// Where this server keeps what belongs to it alone: beside its database, or in the default folder if that is elsewhere.
#[must_use]
pub fn state_folder_of(address: &DatabaseAddress) -> Utf8PathBuf {
    match address {
        DatabaseAddress::File(path) => path
            .parent()
            .filter(|p| !p.as_str().is_empty())
            .unwrap_or(Utf8Path::new("."))
            .to_owned(),
        DatabaseAddress::Server(_) => default_state_folder(),
    }
}

/// Where this server keeps what belongs to it alone, unless it is beside a database of its own.
fn default_state_folder() -> Utf8PathBuf {
    if rustix::process::geteuid().is_root() {
        return "/var/lib/pobsync".into();
    }
    let folder = |name: &str| {
        std::env::var(name)
            .ok()
            .filter(|value| value.starts_with('/'))
            .map(Utf8PathBuf::from)
    };
    let state =
        folder("XDG_STATE_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(|| ".".into()).join("pobsync")
}

/// The name most like `name`, if one is like it at all.
pub(super) fn nearest<'a>(
    name: &HostName,
    all: impl Iterator<Item = &'a HostName>,
) -> Option<HostName> {
    let like = |other: &HostName| strsim::jaro_winkler(&name.folded(), &other.folded());
    let best = all
        .map(|other| (like(other), other))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then(|| best.1.clone())
}

/// Looks references up in the environment and the files of this server.
pub(super) struct ServerLookup;

/// A credential longer than this is none.
const LONGEST_VALUE: u64 = 64 * 1024;

impl Lookup for ServerLookup {
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &AbsolutePath) -> std::io::Result<String> {
        use std::io::Read as _;
        let mut text = String::new();
        std::fs::File::open(path.as_str())?
            .take(LONGEST_VALUE)
            .read_to_string(&mut text)?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }
}
