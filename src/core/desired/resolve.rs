//! From parts to the desired state. Precedence, last wins: built in, `global`, groups in the order named, the host.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use chrono_tz::Tz;

use super::checks;
use super::parts::{
    GlobalPart, GroupPart, HostPart, Layer, ListPart, Maybe, Parts, RetentionNode, RetentionPart,
    RetentionUse, ScheduleNode, ScheduleUse, ServerPart, SmtpPart, Spanned,
};
use super::{At, DesiredHost, DesiredState, Finding, Removed};
use crate::core::model::{
    Address, GlobalSettings, Guard, HookName, HostSettings, Keep, Label, Policy, Schedule,
    ServerSettings, SmtpSettings, Span, Value,
};

/// Turns a place into `file:line`.
pub trait Places {
    /// The place as people write it.
    fn place(&self, at: At) -> String;
}

/// Resolves `parts` and runs every check. The state is there only if no finding is an error; `is_whole` says that all
/// files could be read, so that what seems to be missing is missing.
#[must_use]
pub fn resolve(
    parts: &Parts,
    places: &dyn Places,
    is_whole: bool,
) -> (Option<DesiredState>, Vec<Finding>) {
    let index = Index::of(parts);
    let mut findings = checks::run(parts, &index, is_whole);
    // What is asked for beyond these bounds is told and not built.
    let is_bounded = findings
        .iter()
        .all(|finding| !finding.code.starts_with("too-many-"));
    let mut hosts: Vec<DesiredHost> = parts
        .hosts
        .iter()
        .filter(|_| is_bounded)
        .filter_map(|host| resolve_host(parts, host, &index, places, &mut findings))
        .collect();
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    let mut removed: Vec<Removed> = parts
        .removed
        .iter()
        .map(|part| Removed {
            name: part.name.value.clone(),
            snapshots: part.snapshots,
            at: places.place(part.name.at),
        })
        .collect();
    removed.sort_by(|a, b| a.name.cmp(&b.name));
    let global = parts.globals.first();
    let state = DesiredState {
        global: GlobalSettings {
            servers: resolve_servers(&parts.servers),
            ..global.map_or_else(GlobalSettings::default, resolve_global)
        },
        global_at: global.map(|part| places.place(part.at)),
        hosts,
        removed,
    };
    let is_valid = findings
        .iter()
        .all(|finding| finding.severity == super::Severity::Warning);
    (is_valid.then_some(state), findings)
}

/// Every policy that the file names, as it is by itself: cut by UTC until a host uses it.
#[must_use]
pub fn named_policies(parts: &Parts) -> BTreeMap<Label, Policy> {
    let policy = |node: &RetentionNode| {
        let mut policy = Policy::of(Keep::default());
        lay_on(&mut policy, &node.part);
        (!policy.keep.is_empty()).then(|| (node.name.value.clone(), policy))
    };
    parts.retentions.iter().rev().filter_map(policy).collect()
}

/// Named nodes by name.
pub(super) struct Index<'a> {
    pub(super) groups: HashMap<&'a Label, &'a GroupPart>,
    pub(super) retentions: HashMap<&'a Label, &'a RetentionNode>,
    pub(super) schedules: HashMap<&'a Label, &'a ScheduleNode>,
}

impl<'a> Index<'a> {
    pub(super) fn of(parts: &'a Parts) -> Self {
        // Of two with one name the first counts; a check tells of the second.
        Self {
            groups: parts
                .groups
                .iter()
                .rev()
                .map(|part| (&part.name.value, part))
                .collect(),
            retentions: parts
                .retentions
                .iter()
                .rev()
                .map(|part| (&part.name.value, part))
                .collect(),
            schedules: parts
                .schedules
                .iter()
                .rev()
                .map(|part| (&part.name.value, part))
                .collect(),
        }
    }
}

fn resolve_global(part: &GlobalPart) -> GlobalSettings {
    let limits = &part.guard;
    let built_in = Guard::default();
    let or = |value: &Maybe<_>, otherwise| value.as_ref().map_or(otherwise, |v| v.value);
    GlobalSettings {
        backup_root: part.backup_root.as_ref().map(|path| path.value.clone()),
        max_concurrent: part
            .max_concurrent
            .map_or(GlobalSettings::default().max_concurrent, |n| n.value),
        guard: Guard {
            max_delete: limits.max_delete.map_or(built_in.max_delete, |n| n.value),
            max_delete_percent: or(&limits.max_delete_percent, built_in.max_delete_percent),
            max_retire_percent: or(&limits.max_retire_percent, built_in.max_retire_percent),
            max_fleet_delete_percent: or(
                &limits.max_fleet_delete_percent,
                built_in.max_fleet_delete_percent,
            ),
            min_free: or(&limits.min_free, built_in.min_free),
        },
        notify: part
            .notify
            .iter()
            .map(|notify| notify.value.clone())
            .collect(),
        smtp: resolve_smtp(&part.smtp),
        servers: Vec::new(),
    }
}

/// By name, so that their order in the files means nothing.
fn resolve_servers(parts: &[ServerPart]) -> Vec<ServerSettings> {
    let mut servers: Vec<ServerSettings> = parts
        .iter()
        .map(|part| ServerSettings {
            name: part.name.value.clone(),
            backup_root: part.backup_root.as_ref().map(|path| path.value.clone()),
            max_concurrent: part.max_concurrent.map(|n| n.value),
        })
        .collect();
    servers.sort_by(|a, b| a.name.cmp(&b.name));
    servers
}

/// An empty `smtp` says nothing.
fn resolve_smtp(part: &SmtpPart) -> Option<SmtpSettings> {
    let smtp = SmtpSettings {
        host: part.host.as_ref().map(|v| v.value.clone()),
        port: part.port.map(|v| v.value),
        tls: part.tls.map(|v| v.value),
        from: part.from.as_ref().map(|v| v.value.clone()),
        user: part.user.as_ref().map(|v| v.value.clone()),
        password: part.password.as_ref().map(|v| v.value.clone()),
    };
    (smtp != SmtpSettings::default()).then_some(smtp)
}

/// The layers of a host, weakest first.
pub(super) fn layers<'a>(
    parts: &'a Parts,
    host: &'a HostPart,
    index: &Index<'a>,
) -> Vec<&'a Layer> {
    let global = parts.globals.first().map(|global| &global.layer);
    let groups = host
        .groups
        .iter()
        .filter_map(|name| index.groups.get(&name.value).map(|group| &group.layer));
    global
        .into_iter()
        .chain(groups)
        .chain([&host.layer])
        .collect()
}

pub(super) fn resolve_host(
    parts: &Parts,
    host: &HostPart,
    index: &Index<'_>,
    places: &dyn Places,
    findings: &mut Vec<Finding>,
) -> Option<DesiredHost> {
    let layers = layers(parts, host, index);
    let mut origins = Origins {
        places,
        found: BTreeMap::new(),
    };
    let address: Value<Address> = origins.last("address", layers.iter().map(|l| &l.address))?;
    let mut settings = HostSettings::at(address);
    settings.groups = host.groups.iter().map(|name| name.value.clone()).collect();
    if let Some(first) = host.groups.first() {
        origins.set("groups", first.at);
    }
    plain_settings(&mut settings, &layers, &mut origins);
    settings.sources = list(
        "sources",
        Vec::new(),
        layers.iter().map(|l| &l.sources),
        &mut origins,
    );
    settings.excludes = list(
        "excludes",
        settings.excludes,
        layers.iter().map(|l| &l.excludes),
        &mut origins,
    );
    settings.retention = retention(&layers, index, settings.timezone, &mut origins, findings);
    settings.schedules = schedules(&layers, index, settings.timezone, &mut origins, findings);
    Some(DesiredHost {
        name: host.name.value.clone(),
        was: host.was.as_ref().map(|was| was.value.clone()),
        at: places.place(host.name.at),
        settings,
        origins: origins.found,
    })
}

fn plain_settings(settings: &mut HostSettings, layers: &[&Layer], origins: &mut Origins<'_>) {
    macro_rules! take {
        ($($path:literal: $slot:expr => $($field:ident).+;)*) => {
            $(if let Some(value) = origins.last($path, layers.iter().map(|l| &l.$($field).+)) {
                $slot = value.into();
            })*
        };
    }
    take! {
        "enabled": settings.enabled => enabled;
        "protect": settings.protect => protect;
        "accept-partial": settings.accept_partial => accept_partial;
        "timezone": settings.timezone => timezone;
        "server": settings.server => server;
        "suspect-percent": settings.suspect_percent => suspect_percent;
        "stale-after": settings.stale_after => stale_after;
        "verify.every": settings.verify.every => verify.every;
        "verify.sample": settings.verify.sample => verify.sample;
        "limits.max-size": settings.limits.max_size => limits.max_size;
        "limits.max-files": settings.limits.max_files => limits.max_files;
        "limits.quota": settings.limits.quota => limits.quota;
        "ssh.user": settings.ssh.user => ssh.user;
        "ssh.port": settings.ssh.port => ssh.port;
        "ssh.identity": settings.ssh.identity => ssh.identity;
        "ssh.known-hosts": settings.ssh.known_hosts => ssh.known_hosts;
        "ssh.proxy-jump": settings.ssh.proxy_jump => ssh.proxy_jump;
        "rsync.rsync-path": settings.rsync.rsync_path => rsync.rsync_path;
        "rsync.xattrs": settings.rsync.xattrs => rsync.xattrs;
        "rsync.acls": settings.rsync.acls => rsync.acls;
        "rsync.one-file-system": settings.rsync.one_file_system => rsync.one_file_system;
        "rsync.specials": settings.rsync.specials => rsync.specials;
        "rsync.fake-super": settings.rsync.fake_super => rsync.fake_super;
        "rsync.secluded-args": settings.rsync.secluded_args => rsync.secluded_args;
        "rsync.bwlimit": settings.rsync.bwlimit => rsync.bwlimit;
        "rsync.timeout": settings.rsync.timeout => rsync.timeout;
        "rsync.deadline": settings.rsync.deadline => rsync.deadline;
        "rsync.incremental": settings.rsync.incremental => rsync.incremental;
        "hooks.timeout": settings.hooks.timeout => hooks.timeout;
    }
    macro_rules! hooks {
        ($($path:literal: $field:ident;)*) => {
            $(settings.hooks.$field = hooks($path, layers.iter().flat_map(|l| &l.hooks.$field), origins);)*
        };
    }
    hooks! {
        "hooks.before": before;
        "hooks.after": after;
        "hooks.remote-before": remote_before;
        "hooks.remote-after": remote_after;
    }
}

/// Hooks add up too, and one that is named twice runs twice.
fn hooks<'a>(
    path: &str,
    parts: impl Iterator<Item = &'a ListPart<HookName>>,
    origins: &mut Origins<'_>,
) -> Vec<HookName> {
    let mut items = Vec::new();
    for part in parts {
        if part.reset {
            items.clear();
        }
        items.extend(&part.items);
    }
    let set = |(i, hook): (usize, &Spanned<HookName>)| {
        origins.set(&format!("{path}.{i}"), hook.at);
        hook.value.clone()
    };
    items.into_iter().enumerate().map(set).collect()
}

/// Lists add up; a reset starts anew.
fn list<'a, T: Clone + Eq + Hash + 'a>(
    path: &str,
    built_in: Vec<T>,
    layers: impl Iterator<Item = &'a Vec<ListPart<T>>>,
    origins: &mut Origins<'_>,
) -> Vec<T> {
    let mut there: HashSet<T> = built_in.iter().cloned().collect();
    let mut items: Vec<(T, Option<At>)> = built_in.into_iter().map(|item| (item, None)).collect();
    for part in layers.flatten() {
        if part.reset {
            items.clear();
            there.clear();
        }
        for item in &part.items {
            if there.insert(item.value.clone()) {
                items.push((item.value.clone(), Some(item.at)));
            }
        }
    }
    for (i, (_, at)) in items.iter().enumerate() {
        match at {
            Some(at) => origins.set(&format!("{path}.{i}"), *at),
            None => origins.built_in(&format!("{path}.{i}")),
        }
    }
    items.into_iter().map(|(item, _)| item).collect()
}

/// Each layer's `retention` is put on those before it. One that names a policy starts anew from that.
fn retention(
    layers: &[&Layer],
    index: &Index<'_>,
    timezone: Tz,
    origins: &mut Origins<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Policy> {
    let mut stack: Vec<&RetentionPart> = Vec::new();
    let mut last: Option<&RetentionUse> = None;
    for usage in layers.iter().filter_map(|layer| layer.retention.as_ref()) {
        if let Some(name) = &usage.name {
            stack.clear();
            stack.extend(index.retentions.get(&name.value).map(|node| &node.part));
        }
        stack.push(&usage.part);
        last = Some(usage);
    }
    let last = last?;
    let mut policy = Policy {
        timezone,
        ..Policy::of(Keep::default())
    };
    for part in stack {
        lay_on(&mut policy, part);
        note_origins(part, origins);
    }
    if let Some(at) = origins.found.get("timezone").cloned() {
        origins.found.insert("retention.timezone".to_owned(), at);
    }
    if policy.keep.is_empty() {
        findings.push(Finding::error(
            "keeps-nothing",
            last.at,
            "this retention keeps nothing",
            "no rule is left here",
            "name at least one rule, for example `keep last=3 daily=14`; without any `retention` a host keeps everything",
        ));
        return None;
    }
    Some(policy)
}

fn lay_on(policy: &mut Policy, part: &RetentionPart) {
    for (rule, count) in &part.counts {
        *policy.keep.count_mut(*rule) = count.value;
    }
    for (rule, span) in &part.withins {
        *policy.keep.within_mut(*rule) = Some(span.value);
    }
    if let Some(value) = part.protect_bases {
        policy.protect_bases = value.value;
    }
    if let Some(value) = part.kinds {
        policy.kinds = value.value;
    }
    if let Some(value) = part.incomplete_after {
        policy.incomplete_after = value.value;
    }
}

fn note_origins(part: &RetentionPart, origins: &mut Origins<'_>) {
    for (rule, count) in &part.counts {
        origins.set(&format!("retention.{rule}"), count.at);
    }
    for (rule, span) in &part.withins {
        let name = if *rule == crate::core::model::Rule::Last {
            "within".to_owned()
        } else {
            format!("within-{rule}")
        };
        origins.set(&format!("retention.{name}"), span.at);
    }
    let settings = [
        ("protect-bases", part.protect_bases.map(|v| v.at)),
        ("kinds", part.kinds.map(|v| v.at)),
        ("incomplete-after", part.incomplete_after.map(|v| v.at)),
    ];
    for (name, at) in settings {
        if let Some(at) = at {
            origins.set(&format!("retention.{name}"), at);
        }
    }
}

fn schedules(
    layers: &[&Layer],
    index: &Index<'_>,
    timezone: Tz,
    origins: &mut Origins<'_>,
    findings: &mut Vec<Finding>,
) -> Vec<Schedule> {
    let mut used: Vec<&ScheduleUse> = Vec::new();
    for usage in layers.iter().flat_map(|layer| &layer.schedules) {
        if usage.reset {
            used.clear();
        }
        // A later use of one name takes the place of the earlier.
        used.retain(|earlier| {
            earlier.name.is_none()
                || earlier.name.as_ref().map(|n| &n.value) != usage.name.as_ref().map(|n| &n.value)
        });
        used.push(usage);
    }
    let mut found = Vec::new();
    for usage in used {
        let named = usage
            .name
            .as_ref()
            .and_then(|name| index.schedules.get(&name.value));
        let cron = usage
            .part
            .cron
            .as_ref()
            .or(named.and_then(|node| node.part.cron.as_ref()));
        let Some(cron) = cron else {
            // An unknown name has a finding of its own.
            if usage.name.is_none() {
                findings.push(Finding::error(
                    "no-cron",
                    usage.at,
                    "this schedule never fires",
                    "neither a name nor `cron`",
                    "name a schedule, or write `schedule cron=\"15 2 * * *\"`",
                ));
            }
            continue;
        };
        let path = format!("schedules.{}", found.len());
        origins.set(&path, usage.at);
        origins.set(&format!("{path}.cron"), cron.at);
        let jitter = usage
            .part
            .jitter
            .or(named.and_then(|node| node.part.jitter));
        let prune = usage.part.prune.or(named.and_then(|node| node.part.prune));
        if let Some(at) = jitter.map(|j| j.at) {
            origins.set(&format!("{path}.jitter"), at);
        }
        if let Some(at) = prune.map(|p| p.at) {
            origins.set(&format!("{path}.prune"), at);
        }
        found.push(Schedule {
            name: usage.name.as_ref().map(|name| name.value.clone()),
            cron: cron.value.clone(),
            timezone,
            jitter: jitter.map_or(Span::from_seconds(0), |j| j.value),
            prune: prune.is_some_and(|p| p.value),
        });
    }
    found
}

struct Origins<'a> {
    places: &'a dyn Places,
    found: BTreeMap<String, String>,
}

impl Origins<'_> {
    fn set(&mut self, path: &str, at: At) {
        self.found.insert(path.to_owned(), self.places.place(at));
    }

    fn built_in(&mut self, path: &str) {
        self.found.insert(path.to_owned(), "built in".to_owned());
    }

    fn take<T: Clone>(&mut self, path: &str, value: &Maybe<T>) -> Option<T> {
        value.as_ref().map(|value| {
            self.set(path, value.at);
            value.value.clone()
        })
    }

    /// The strongest value, and its place.
    fn last<'v, T: Clone + 'v>(
        &mut self,
        path: &str,
        layers: impl Iterator<Item = &'v Maybe<T>>,
    ) -> Option<T> {
        let strongest = layers.filter(|value| value.is_some()).last()?;
        self.take(path, strongest)
    }
}
