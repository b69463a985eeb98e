//! The effective settings of a host and of the whole service: what the desired state resolves to, what SQL holds,
//! and what a diff compares.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{
    AbsolutePath, Address, ByteCount, ExcludePattern, Guard, HookName, Invalid, Label, Limits,
    Percent, Policy, ProxyJump, Schedule, SmtpSettings, SourcePath, Span, UserName, Value,
};

/// The settings that are numbers of bytes, by the path that a diff names: plain numbers on the wire, sizes for people.
pub const SIZES: [&str; 3] = ["rsync.bwlimit", "limits.max-size", "limits.quota"];

/// Excluded unless a host says `exclude reset=#true`: they hold no data and can block a reader.
pub const BUILT_IN_EXCLUDES: [&str; 4] = ["/proc/*", "/sys/*", "/dev/*", "/run/*"];

/// Every effective value of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HostSettings {
    /// Where the host is reached.
    pub address: Value<Address>,
    /// A paused host has no runs and loses nothing.
    pub enabled: bool,
    /// Retiring or deleting it needs one apply that lifts this and a second one that does it.
    pub protect: bool,
    /// The groups it takes settings from, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Label>,
    /// The server that owns it; a lone server needs no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Label>,
    /// How ssh is called.
    pub ssh: SshSettings,
    /// How rsync is called.
    pub rsync: RsyncSettings,
    /// What is pulled, in the order written.
    pub sources: Vec<SourcePath>,
    /// What is left out, built-in patterns included.
    pub excludes: Vec<ExcludePattern>,
    /// What is kept; everything if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Policy>,
    /// When it is backed up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<Schedule>,
    /// Its time zone.
    pub timezone: Tz,
    /// Files that run around a backup.
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// rsync's exit 23 counts as complete, with a list of what could not be read.
    pub accept_partial: bool,
    /// A snapshot with this share of files or bytes gone is suspect.
    pub suspect_percent: Percent,
    /// The host is stale when its newest complete snapshot is older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<Span>,
    /// When its snapshots are verified.
    #[serde(default, skip_serializing_if = "VerifySettings::is_default")]
    pub verify: VerifySettings,
    /// How much it may bring.
    #[serde(default, skip_serializing_if = "Limits::is_default")]
    pub limits: Limits,
    /// How its snapshots are deleted.
    #[serde(default, skip_serializing_if = "PruneSettings::is_default")]
    pub prune: PruneSettings,
}

impl HostSettings {
    /// A host at `address` with every other setting as built in, and nothing to back up yet.
    #[must_use]
    pub fn at(address: Value<Address>) -> Self {
        Self {
            address,
            enabled: true,
            protect: false,
            groups: Vec::new(),
            server: None,
            ssh: SshSettings::default(),
            rsync: RsyncSettings::default(),
            sources: Vec::new(),
            excludes: BUILT_IN_EXCLUDES
                .into_iter()
                .filter_map(|pattern| pattern.parse().ok())
                .collect(),
            retention: None,
            schedules: Vec::new(),
            timezone: Tz::UTC,
            hooks: Hooks::default(),
            accept_partial: false,
            suspect_percent: Self::SUSPECT_PERCENT,
            stale_after: None,
            verify: VerifySettings::default(),
            limits: Limits::default(),
            prune: PruneSettings::default(),
        }
    }

    /// A snapshot that lost half its files or bytes is suspect unless a host says otherwise.
    pub const SUSPECT_PERCENT: Percent = Percent::clamped(50);
}

/// How the snapshots of a host are deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PruneSettings {
    /// No more names a second, one after the other and at the lowest priority; as fast as it goes if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_second: Option<u32>,
}

impl PruneSettings {
    /// Says that nothing is set.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// When the snapshots of a host are verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VerifySettings {
    /// How long after the last verification the scheduler begins the next; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// The part of all files that each one reads; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Percent>,
}

impl VerifySettings {
    /// Says that nothing is set.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How ssh is called for a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SshSettings {
    /// The user to log in as: root.
    pub user: Value<UserName>,
    /// The port: 22.
    pub port: u16,
    /// The private key; ssh's defaults if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Value<AbsolutePath>>,
    /// The file of known host keys; the one beside the database if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<Value<AbsolutePath>>,
    /// A host to jump through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_jump: Option<Value<ProxyJump>>,
}

impl Default for SshSettings {
    fn default() -> Self {
        Self {
            user: Value::Literal(UserName::root()),
            port: 22,
            identity: None,
            known_hosts: None,
            proxy_jump: None,
        }
    }
}

/// How rsync finds what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Incremental {
    /// Fast where the base has so many files that it pays.
    Auto,
    /// rsync only compares, and unchanged files are linked here.
    Fast,
    /// rsync links unchanged files itself.
    LinkDest,
}

impl Incremental {
    /// Every way, by the word that a file has for it.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("auto", Self::Auto),
        ("fast", Self::Fast),
        ("link-dest", Self::LinkDest),
    ];
}

fn yes() -> bool {
    true
}

/// How rsync is called for a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RsyncSettings {
    /// rsync on the host, if it is not on the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rsync_path: Option<AbsolutePath>,
    /// Keep extended attributes: true.
    pub xattrs: bool,
    /// Keep access control lists: true.
    pub acls: bool,
    /// Stay on the file system of each source: false.
    pub one_file_system: bool,
    /// Keep devices, sockets and fifos: false, they are skipped.
    pub specials: bool,
    /// Keep owners, modes and devices as extended attributes, for a user who may not set them: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fake_super: bool,
    /// Send names to the host where its shell never sees them: true. `rrsync` refuses that.
    #[serde(default = "yes")]
    pub secluded_args: bool,
    /// At most this many bytes a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bwlimit: Option<ByteCount>,
    /// No data for this long ends the transfer: 10m.
    pub timeout: Span,
    /// The whole transfer may take this long by the server's own clock, whatever the host does: 24h.
    pub deadline: Span,
    /// How unchanged files are found and linked.
    pub incremental: Incremental,
}

impl Default for RsyncSettings {
    fn default() -> Self {
        Self {
            rsync_path: None,
            xattrs: true,
            acls: true,
            one_file_system: false,
            specials: false,
            fake_super: false,
            secluded_args: true,
            bwlimit: None,
            timeout: Span::from_seconds(600),
            deadline: Span::from_hours(24),
            incremental: Incremental::Auto,
        }
    }
}

/// Files that run around a backup, by name only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the moment of its name")]
pub struct Hooks {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<HookName>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<HookName>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remote_before: Vec<HookName>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remote_after: Vec<HookName>,
    /// How long each of them may take.
    #[serde(skip_serializing_if = "Hooks::is_usual")]
    pub timeout: Span,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            before: Vec::new(),
            after: Vec::new(),
            remote_before: Vec::new(),
            remote_after: Vec::new(),
            timeout: Self::TIMEOUT,
        }
    }
}

impl Hooks {
    /// A hook that takes longer hangs, unless a host says otherwise.
    pub const TIMEOUT: Span = Span::from_seconds(600);

    fn is_usual(timeout: &Span) -> bool {
        *timeout == Self::TIMEOUT
    }

    /// Says that nothing runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The settings of the whole service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GlobalSettings {
    /// The directory that holds every snapshot; absolute and not `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_root: Option<AbsolutePath>,
    /// How many transfers run at once: 2.
    pub max_concurrent: u32,
    /// The limits on deletions.
    pub guard: Guard,
    /// Who is told what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<Notify>,
    /// The mail server; the one of this machine if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp: Option<SmtpSettings>,
    /// The servers that share the database, by name; a lone one needs no name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerSettings>,
}

impl GlobalSettings {
    /// The server called `name`.
    #[must_use]
    pub fn server(&self, name: &Label) -> Option<&ServerSettings> {
        self.servers.iter().find(|server| server.name == *name)
    }

    /// The server that a host belongs to whose settings say `named`: that one, else the only one there is.
    #[must_use]
    pub fn home<'a>(&'a self, named: Option<&'a Label>) -> Option<&'a Label> {
        match (named, self.servers.as_slice()) {
            (Some(_), []) => None,
            (Some(name), _) => Some(name),
            (None, [only]) => Some(&only.name),
            (None, _) => None,
        }
    }

    /// Says that a server has no place here any more whose root is in use at `root`. The one whose root alone is in use
    /// may give up its name and goes on with it; where several are, often at the same path of their machines, nobody
    /// could say whose goes on.
    #[must_use]
    pub fn is_left_by(&self, server: &Label, root: &AbsolutePath, is_only_root: bool) -> bool {
        let goes_on =
            is_only_root && self.servers.is_empty() && self.backup_root.as_ref() == Some(root);
        self.server(server).is_none() && !goes_on
    }

    /// Where the root of a server is.
    #[must_use]
    pub fn root_of(&self, server: Option<&Label>) -> Option<&AbsolutePath> {
        let own = server.and_then(|name| self.server(name)?.backup_root.as_ref());
        own.or(self.backup_root.as_ref())
    }

    /// How many transfers run at once on a server.
    #[must_use]
    pub fn max_concurrent_of(&self, server: Option<&Label>) -> u32 {
        let own = server.and_then(|name| self.server(name)?.max_concurrent);
        own.unwrap_or(self.max_concurrent)
    }
}

/// One of several servers that share the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServerSettings {
    /// Its name.
    pub name: Label,
    /// The directory that holds its snapshots; that of `global` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_root: Option<AbsolutePath>,
    /// How many transfers run at once on it; as `global` says if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
}

impl Default for GlobalSettings {
    fn default() -> Self {
        Self {
            backup_root: None,
            max_concurrent: 2,
            guard: Guard::default(),
            notify: Vec::new(),
            smtp: None,
            servers: Vec::new(),
        }
    }
}

/// One receiver of news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Notify {
    /// Its name.
    pub name: Label,
    /// What it is told about.
    pub on: Vec<NotifyEvent>,
    /// How it is told.
    pub targets: Vec<NotifyTarget>,
}

/// What a receiver can be told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each variant is the event of its name")]
pub enum NotifyEvent {
    Failure,
    Recovery,
    Stale,
    Success,
}

impl std::str::FromStr for NotifyEvent {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "failure" => Ok(Self::Failure),
            "recovery" => Ok(Self::Recovery),
            "stale" => Ok(Self::Stale),
            "success" => Ok(Self::Success),
            _ => Err(Invalid::new(
                text,
                "an event",
                "write `failure`, `recovery`, `stale` or `success`",
            )),
        }
    }
}

/// A way to tell a receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum NotifyTarget {
    /// A JSON document is sent to this address.
    Webhook(Value<SecretText>),
    /// A mail is sent to this address.
    Email(Value<SecretText>),
    /// This address is called, as healthchecks services want it.
    Ping(Value<SecretText>),
    /// A file of the hooks folder is run.
    Command(HookName),
}

/// One line of text without control characters: an URL or a mail address, which its user checks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretText(String);

super::invalid::text_newtype!(SecretText);

impl std::str::FromStr for SecretText {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || text.len() > 4096 || text.chars().any(char::is_control) {
            return Err(Invalid::new(text, "one line of text", ""));
        }
        Ok(Self(text.to_owned()))
    }
}
