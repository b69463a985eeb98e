//! The configuration as written: nothing is resolved yet, and every value knows its place.

use chrono_tz::Tz;

use super::At;
use crate::core::model::{
    AbsolutePath, Address, ByteCount, CalendarSpan, Count, CronText, ExcludePattern, HookName,
    HostName, Incremental, Kinds, Label, Notify, Percent, ProxyJump, Rule, SecretText, SmtpTls,
    SnapshotsOnRemoval, SourcePath, Span, UserName, Value,
};

/// A value and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub at: At,
}

/// A value that may be absent.
pub type Maybe<T> = Option<Spanned<T>>;

/// Every node of all files.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field holds the nodes of its name")]
pub struct Parts {
    pub globals: Vec<GlobalPart>,
    pub retentions: Vec<RetentionNode>,
    pub schedules: Vec<ScheduleNode>,
    pub groups: Vec<GroupPart>,
    pub servers: Vec<ServerPart>,
    pub hosts: Vec<HostPart>,
    pub removed: Vec<RemovedPart>,
}

impl Parts {
    /// Puts the nodes of the next file behind these.
    pub fn append(&mut self, mut next: Self) {
        self.globals.append(&mut next.globals);
        self.retentions.append(&mut next.retentions);
        self.schedules.append(&mut next.schedules);
        self.groups.append(&mut next.groups);
        self.servers.append(&mut next.servers);
        self.hosts.append(&mut next.hosts);
        self.removed.append(&mut next.removed);
    }
}

/// A `global` node.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each field is the setting of its name")]
pub struct GlobalPart {
    pub at: At,
    pub backup_root: Maybe<AbsolutePath>,
    pub max_concurrent: Maybe<u32>,
    pub guard: GuardPart,
    pub notify: Vec<Spanned<Notify>>,
    pub smtp: SmtpPart,
    pub layer: Layer,
}

/// A `server` node.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each field is the setting of its name")]
pub struct ServerPart {
    pub name: Spanned<Label>,
    pub backup_root: Maybe<AbsolutePath>,
    pub max_concurrent: Maybe<u32>,
}

/// A `smtp` node.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is the setting of its name")]
pub struct SmtpPart {
    pub at: Option<At>,
    pub host: Maybe<Value<Address>>,
    pub port: Maybe<u16>,
    pub tls: Maybe<SmtpTls>,
    pub from: Maybe<Value<SecretText>>,
    pub user: Maybe<Value<SecretText>>,
    pub password: Maybe<Value<SecretText>>,
}

/// A `guard` node.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is the limit of its name")]
pub struct GuardPart {
    pub max_delete: Maybe<u32>,
    pub max_delete_percent: Maybe<Percent>,
    pub max_retire_percent: Maybe<Percent>,
    pub max_fleet_delete_percent: Maybe<Percent>,
    pub min_free: Maybe<Percent>,
}

/// A `retention` node at the top, which names a policy.
#[derive(Debug, Clone)]
pub struct RetentionNode {
    /// Its name.
    pub name: Spanned<Label>,
    /// What it says.
    pub part: RetentionPart,
}

/// What a `retention` says, wherever it stands.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is the setting of its name")]
pub struct RetentionPart {
    /// Each rule that is named; nothing takes an inherited one away (`daily=0`).
    pub counts: Vec<(Rule, Spanned<Option<Count>>)>,
    pub withins: Vec<(Rule, Spanned<CalendarSpan>)>,
    pub protect_bases: Maybe<bool>,
    pub kinds: Maybe<Kinds>,
    pub incomplete_after: Maybe<Span>,
}

/// A `retention` in a group or host: names a policy, overrides some of it, or stands alone.
#[derive(Debug, Clone)]
pub struct RetentionUse {
    /// The node.
    pub at: At,
    /// The policy it names.
    pub name: Maybe<Label>,
    /// What it says itself.
    pub part: RetentionPart,
}

/// A `schedule` node at the top, which names a schedule.
#[derive(Debug, Clone)]
pub struct ScheduleNode {
    /// Its name.
    pub name: Spanned<Label>,
    /// What it says.
    pub part: SchedulePart,
}

/// What a `schedule` says, wherever it stands.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is the setting of its name")]
pub struct SchedulePart {
    pub cron: Maybe<CronText>,
    pub jitter: Maybe<Span>,
    pub prune: Maybe<bool>,
}

/// A `schedule` in a group or host.
#[derive(Debug, Clone)]
pub struct ScheduleUse {
    /// The node.
    pub at: At,
    /// The schedule it names.
    pub name: Maybe<Label>,
    /// Inherited ones go.
    pub reset: bool,
    /// What it says itself.
    pub part: SchedulePart,
}

/// A `group` node.
#[derive(Debug, Clone)]
pub struct GroupPart {
    /// Its name.
    pub name: Spanned<Label>,
    /// What it says.
    pub layer: Layer,
}

/// A `host` node.
#[derive(Debug, Clone)]
pub struct HostPart {
    /// Its name.
    pub name: Spanned<HostName>,
    /// The name it had.
    pub was: Maybe<HostName>,
    /// The groups it takes settings from, in order.
    pub groups: Vec<Spanned<Label>>,
    /// What it says.
    pub layer: Layer,
}

/// A `removed` node.
#[derive(Debug, Clone)]
pub struct RemovedPart {
    /// Its name.
    pub name: Spanned<HostName>,
    /// What becomes of its snapshots.
    pub snapshots: SnapshotsOnRemoval,
}

/// What a `source`, an `exclude` or a hook says.
#[derive(Debug, Clone)]
pub struct ListPart<T> {
    /// Inherited items go.
    pub reset: bool,
    /// Its items.
    pub items: Vec<Spanned<T>>,
    /// How many are written, with those that are no valid items: what is told once is not told to be missing too.
    pub written: usize,
}

/// The settings that `global`, a group and a host share: later ones win, lists add up. What few hosts say is apart, so that
/// those which do not say it are small.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is the setting of its name")]
pub struct Layer {
    pub address: Maybe<Value<Address>>,
    /// An address is written, valid or not.
    pub has_address: bool,
    pub enabled: Maybe<bool>,
    pub protect: Maybe<bool>,
    pub accept_partial: Maybe<bool>,
    pub timezone: Maybe<Tz>,
    pub server: Maybe<Label>,
    pub suspect_percent: Maybe<Percent>,
    pub stale_after: Maybe<Span>,
    pub ssh: Option<Box<SshPart>>,
    pub rsync: Option<Box<RsyncPart>>,
    pub sources: Vec<ListPart<SourcePath>>,
    pub excludes: Vec<ListPart<ExcludePattern>>,
    pub retention: Option<Box<RetentionUse>>,
    pub schedules: Vec<ScheduleUse>,
    pub hooks: Option<Box<HooksPart>>,
    pub verify: Option<Box<VerifyPart>>,
    pub limits: Option<Box<LimitsPart>>,
    pub prune: Option<Box<PrunePart>>,
}

/// A `verify` node.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is the setting of its name")]
pub struct VerifyPart {
    pub every: Maybe<Span>,
    pub sample: Maybe<Percent>,
}

/// A `prune` node.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is the setting of its name")]
pub struct PrunePart {
    pub max_per_second: Maybe<u32>,
}

/// A `limits` node.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is the limit of its name")]
pub struct LimitsPart {
    pub max_size: Maybe<ByteCount>,
    pub max_files: Maybe<u32>,
    pub quota: Maybe<ByteCount>,
}

/// An `ssh` node.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is the setting of its name")]
pub struct SshPart {
    pub user: Maybe<Value<UserName>>,
    pub port: Maybe<u16>,
    pub identity: Maybe<Value<AbsolutePath>>,
    pub known_hosts: Maybe<Value<AbsolutePath>>,
    pub proxy_jump: Maybe<Value<ProxyJump>>,
}

/// An `rsync` node.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is the setting of its name")]
pub struct RsyncPart {
    pub rsync_path: Maybe<AbsolutePath>,
    pub xattrs: Maybe<bool>,
    pub acls: Maybe<bool>,
    pub one_file_system: Maybe<bool>,
    pub specials: Maybe<bool>,
    pub fake_super: Maybe<bool>,
    pub secluded_args: Maybe<bool>,
    pub bwlimit: Maybe<ByteCount>,
    pub timeout: Maybe<Span>,
    pub deadline: Maybe<Span>,
    pub incremental: Maybe<Incremental>,
}

/// A `hooks` node.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is the moment of its name")]
pub struct HooksPart {
    pub before: Vec<ListPart<HookName>>,
    pub after: Vec<ListPart<HookName>>,
    pub remote_before: Vec<ListPart<HookName>>,
    pub remote_after: Vec<ListPart<HookName>>,
    pub timeout: Maybe<Span>,
}
