//! From parts to the desired state. Precedence, last wins: built in, `global`, groups in the order named, the host.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Arguments;
use std::hash::Hash;

use chrono_tz::Tz;

use super::checks::{self, Given};
use super::parts::{
    GlobalPart, GroupPart, HostPart, Layer, ListPart, Maybe, Parts, RetentionNode, RetentionPart,
    RetentionUse, ScheduleNode, ScheduleUse, ServerPart, SmtpPart, Spanned,
};
use super::{At, DesiredHost, DesiredState, Finding, Removed};
use crate::core::model::{
    Address, GlobalSettings, Guard, HookName, HostName, HostSettings, Keep, Label, Policy,
    Schedule, ServerSettings, SmtpSettings, Span, Value,
};

/// Turns a place into `file:line`.
pub trait Places {
    /// The place as people write it.
    fn place(&self, at: At) -> String;

    /// Says that the place of every single setting is asked for: of ten thousand hosts they are more than all else.
    fn are_all_told(&self) -> bool {
        true
    }
}

/// Hosts of one piece.
const PIECE: usize = 512;

/// Parts on their way to the desired state, in pieces that can be made side by side.
pub struct Resolving<'a> {
    parts: &'a Parts,
    places: &'a (dyn Places + Sync),
    is_whole: bool,
    index: Index<'a>,
    stacks: Stacks<'a>,
    /// What is asked for beyond all bounds: it is told and not built.
    beyond: Vec<Finding>,
    /// The numbers of the hosts, sorted by their names.
    order: Vec<usize>,
}

/// What was made of one piece.
#[derive(Default)]
#[must_use = "the desired state is made of all pieces"]
pub struct Piece {
    hosts: Vec<DesiredHost>,
    findings: Vec<Finding>,
}

impl<'a> Resolving<'a> {
    /// Begins with `parts`; `is_whole` says that all files could be read, so that what seems to be missing is missing.
    #[must_use]
    pub fn of(parts: &'a Parts, places: &'a (dyn Places + Sync), is_whole: bool) -> Self {
        let index = Index::of(parts);
        let stacks = Stacks::of(parts, &index);
        let beyond = checks::beyond_bounds(&Given {
            parts,
            index: &index,
            stacks: &stacks,
            is_whole,
        });
        let mut order: Vec<usize> = Vec::new();
        if beyond.is_empty() {
            // Names beside each other are compared in half the time.
            let names = parts.hosts.iter().map(|host| host.name.value.clone());
            let mut names: Vec<(HostName, usize)> = names.zip(0..).collect();
            names.sort_by(|(a, _), (b, _)| a.cmp(b));
            order.extend(names.into_iter().map(|(_, i)| i));
        }
        Self {
            parts,
            places,
            is_whole,
            index,
            stacks,
            beyond,
            order,
        }
    }

    /// How many pieces there are.
    #[must_use]
    pub fn pieces(&self) -> usize {
        1 + self.order.len().div_ceil(PIECE)
    }

    /// Makes a piece: the first is every check, each other one some hosts.
    pub fn piece(&self, i: usize) -> Piece {
        let Some(hosts) = i.checked_sub(1) else {
            return Piece {
                findings: checks::run(&Given {
                    parts: self.parts,
                    index: &self.index,
                    stacks: &self.stacks,
                    is_whole: self.is_whole,
                }),
                ..Piece::default()
            };
        };
        let order = self.order.iter().skip(hosts * PIECE).take(PIECE);
        let mut findings = Vec::new();
        let mut hosts = Vec::with_capacity(order.len());
        hosts.extend(order.filter_map(|i| {
            let host = self.parts.hosts.get(*i)?;
            let layers = self.stacks.of_host(*i);
            resolve_host(host, layers, &self.index, self.places, &mut findings)
        }));
        Piece { hosts, findings }
    }

    /// Puts all `pieces` together, which stand in their order. The state is there only if no finding is an error.
    #[must_use]
    pub fn finish(self, pieces: Vec<Piece>) -> (Option<DesiredState>, Vec<Finding>) {
        let mut hosts = Vec::with_capacity(self.order.len());
        let mut findings = Vec::new();
        let mut beyond = Some(self.beyond);
        for mut piece in pieces {
            hosts.append(&mut piece.hosts);
            findings.append(&mut piece.findings);
            findings.extend(beyond.take().into_iter().flatten());
        }
        let place = |at: At| self.places.place(at);
        let mut removed: Vec<Removed> = self
            .parts
            .removed
            .iter()
            .map(|part| Removed {
                name: part.name.value.clone(),
                snapshots: part.snapshots,
                at: place(part.name.at),
            })
            .collect();
        removed.sort_by(|a, b| a.name.cmp(&b.name));
        let global = self.parts.globals.first();
        let state = DesiredState {
            global: GlobalSettings {
                servers: resolve_servers(&self.parts.servers),
                ..global.map_or_else(GlobalSettings::default, resolve_global)
            },
            global_at: global.map(|part| place(part.at)),
            hosts,
            removed,
        };
        let is_valid = findings
            .iter()
            .all(|finding| finding.severity == super::Severity::Warning);
        (is_valid.then_some(state), findings)
    }
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

/// The layers of every host, in one list.
pub(super) struct Stacks<'a> {
    layers: Vec<&'a Layer>,
    /// Where those of each host end.
    ends: Vec<usize>,
}

impl<'a> Stacks<'a> {
    fn of(parts: &'a Parts, index: &Index<'a>) -> Self {
        let mut stacks = Self {
            layers: Vec::with_capacity(parts.hosts.len() * 3),
            ends: Vec::with_capacity(parts.hosts.len()),
        };
        for host in &parts.hosts {
            stacks.layers.extend(layers(parts, host, index));
            stacks.ends.push(stacks.layers.len());
        }
        stacks
    }

    /// The layers of the host with this number, weakest first.
    fn of_host(&self, i: usize) -> &[&'a Layer] {
        let start = i.checked_sub(1).and_then(|before| self.ends.get(before));
        let end = self.ends.get(i).copied().unwrap_or_default();
        let layers = self.layers.get(start.copied().unwrap_or_default()..end);
        layers.unwrap_or_default()
    }

    /// Each host of `parts`, which the stacks are of, with its layers.
    pub(super) fn hosts<'s>(
        &'s self,
        parts: &'s Parts,
    ) -> impl Iterator<Item = (&'s HostPart, &'s [&'a Layer])> {
        let hosts = parts.hosts.iter().enumerate();
        hosts.map(|(i, host)| (host, self.of_host(i)))
    }
}

/// The layers of a host, weakest first.
pub(super) fn layers<'a>(
    parts: &'a Parts,
    host: &'a HostPart,
    index: &Index<'a>,
) -> impl Iterator<Item = &'a Layer> {
    let global = parts.globals.first().map(|global| &global.layer);
    let groups = host
        .groups
        .iter()
        .filter_map(|name| index.groups.get(&name.value).map(|group| &group.layer));
    global.into_iter().chain(groups).chain([&host.layer])
}

pub(super) fn resolve_host(
    host: &HostPart,
    layers: &[&Layer],
    index: &Index<'_>,
    places: &dyn Places,
    findings: &mut Vec<Finding>,
) -> Option<DesiredHost> {
    let mut origins = Origins {
        places: places.are_all_told().then_some(places),
        found: BTreeMap::new(),
    };
    let address: Value<Address> = origins.last("address", layers, |l| l.address.as_ref())?;
    let mut settings = HostSettings::at(address);
    settings.groups = host.groups.iter().map(|name| name.value.clone()).collect();
    if let Some(first) = host.groups.first() {
        origins.set(format_args!("groups"), first.at);
    }
    plain_settings(&mut settings, layers, &mut origins);
    let lists = layers.iter().flat_map(|layer| &layer.sources);
    settings.sources = list("sources", &[], lists, &mut origins);
    let lists = layers.iter().flat_map(|layer| &layer.excludes);
    settings.excludes = list("excludes", &settings.excludes, lists, &mut origins);
    settings.retention = retention(layers, index, settings.timezone, &mut origins, findings);
    settings.schedules = schedules(layers, index, settings.timezone, &mut origins, findings);
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
        ($($path:literal: $field:ident;)*) => {
            $(if let Some(value) = origins.last($path, layers, |l| l.$field.as_ref()) {
                settings.$field = value.into();
            })*
        };
    }
    take! {
        "enabled": enabled;
        "protect": protect;
        "accept-partial": accept_partial;
        "timezone": timezone;
        "server": server;
        "suspect-percent": suspect_percent;
        "stale-after": stale_after;
    }
    macro_rules! take_from {
        ($part:ident: $($path:literal: $field:ident;)*) => {
            if layers.iter().any(|layer| layer.$part.is_some()) {
                $(if let Some(value) = origins.last($path, layers, |l| l.$part.as_ref()?.$field.as_ref()) {
                    settings.$part.$field = value.into();
                })*
            }
        };
    }
    take_from! { verify:
        "verify.every": every;
        "verify.sample": sample;
    }
    take_from! { limits:
        "limits.max-size": max_size;
        "limits.max-files": max_files;
        "limits.quota": quota;
    }
    take_from! { prune:
        "prune.max-per-second": max_per_second;
    }
    take_from! { ssh:
        "ssh.user": user;
        "ssh.port": port;
        "ssh.identity": identity;
        "ssh.known-hosts": known_hosts;
        "ssh.proxy-jump": proxy_jump;
    }
    take_from! { rsync:
        "rsync.rsync-path": rsync_path;
        "rsync.xattrs": xattrs;
        "rsync.acls": acls;
        "rsync.one-file-system": one_file_system;
        "rsync.specials": specials;
        "rsync.fake-super": fake_super;
        "rsync.secluded-args": secluded_args;
        "rsync.bwlimit": bwlimit;
        "rsync.timeout": timeout;
        "rsync.deadline": deadline;
        "rsync.incremental": incremental;
    }
    take_from! { hooks:
        "hooks.timeout": timeout;
    }
    macro_rules! hooks {
        ($($path:literal: $field:ident;)*) => {
            $(
                let parts = layers.iter().filter_map(|layer| layer.hooks.as_ref());
                settings.hooks.$field = hooks($path, parts.flat_map(|part| &part.$field), origins);
            )*
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
        origins.set(format_args!("{path}.{i}"), hook.at);
        hook.value.clone()
    };
    items.into_iter().enumerate().map(set).collect()
}

/// More are found by their hash.
const FEW: usize = 16;

/// Lists add up; a reset starts anew.
fn list<'a, T: Clone + Eq + Hash>(
    path: &str,
    built_in: &'a [T],
    parts: impl Iterator<Item = &'a ListPart<T>>,
    origins: &mut Origins<'_>,
) -> Vec<T> {
    let mut items: Vec<(&T, Option<At>)> = built_in.iter().map(|item| (item, None)).collect();
    let mut there: HashSet<&T> = HashSet::new();
    for part in parts {
        if part.reset {
            items.clear();
            there.clear();
        }
        for item in &part.items {
            let is_new = if items.len() < FEW {
                items.iter().all(|(other, _)| **other != item.value)
            } else {
                if there.is_empty() {
                    there.extend(items.iter().map(|(item, _)| *item));
                }
                there.insert(&item.value)
            };
            if is_new {
                items.push((&item.value, Some(item.at)));
            }
        }
    }
    for (i, (_, at)) in items.iter().enumerate() {
        match at {
            Some(at) => origins.set(format_args!("{path}.{i}"), *at),
            None => origins.built_in(format_args!("{path}.{i}")),
        }
    }
    items.into_iter().map(|(item, _)| item.clone()).collect()
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
    for usage in layers.iter().filter_map(|layer| layer.retention.as_deref()) {
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
        origins.set(format_args!("retention.{rule}"), count.at);
    }
    for (rule, span) in &part.withins {
        if *rule == crate::core::model::Rule::Last {
            origins.set(format_args!("retention.within"), span.at);
        } else {
            origins.set(format_args!("retention.within-{rule}"), span.at);
        }
    }
    let settings = [
        ("protect-bases", part.protect_bases.map(|v| v.at)),
        ("kinds", part.kinds.map(|v| v.at)),
        ("incomplete-after", part.incomplete_after.map(|v| v.at)),
    ];
    for (name, at) in settings {
        if let Some(at) = at {
            origins.set(format_args!("retention.{name}"), at);
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
    let mut found = Vec::with_capacity(used.len());
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
        let i = found.len();
        origins.set(format_args!("schedules.{i}"), usage.at);
        origins.set(format_args!("schedules.{i}.cron"), cron.at);
        let jitter = usage
            .part
            .jitter
            .or(named.and_then(|node| node.part.jitter));
        let prune = usage.part.prune.or(named.and_then(|node| node.part.prune));
        if let Some(at) = jitter.map(|j| j.at) {
            origins.set(format_args!("schedules.{i}.jitter"), at);
        }
        if let Some(at) = prune.map(|p| p.at) {
            origins.set(format_args!("schedules.{i}.prune"), at);
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

/// Where each setting of a host comes from, if that is asked for.
struct Origins<'a> {
    places: Option<&'a dyn Places>,
    found: BTreeMap<String, String>,
}

impl Origins<'_> {
    fn set(&mut self, path: Arguments<'_>, at: At) {
        if let Some(places) = self.places {
            self.found.insert(path.to_string(), places.place(at));
        }
    }

    fn built_in(&mut self, path: Arguments<'_>) {
        if self.places.is_some() {
            self.found.insert(path.to_string(), "built in".to_owned());
        }
    }

    /// The strongest value that `of` finds in a layer, and its place.
    fn last<'v, T: Clone + 'v>(
        &mut self,
        path: &str,
        layers: &[&'v Layer],
        of: impl Fn(&'v Layer) -> Option<&'v Spanned<T>>,
    ) -> Option<T> {
        let strongest = layers.iter().rev().find_map(|layer| of(layer))?;
        self.set(format_args!("{path}"), strongest.at);
        Some(strongest.value.clone())
    }
}
