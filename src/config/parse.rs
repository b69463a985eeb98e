//! The top of a file: its nodes into parts.

use std::collections::HashSet;

use super::layer::{SHARED, push};
use super::node::Reader;
use super::syntax::Node;
use crate::core::desired::{
    At, Finding, GlobalPart, GroupPart, GuardPart, HostPart, Layer, Maybe, Parts, RemovedPart,
    RetentionNode, ScheduleNode, ServerPart, SmtpPart, Spanned,
};
use crate::core::model::{
    AbsolutePath, Label, Notify, NotifyEvent, NotifyTarget, SnapshotsOnRemoval,
};

/// Another file that is to be read.
#[derive(Debug, Clone)]
pub(super) struct Include {
    pub(super) at: At,
    pub(super) pattern: String,
    pub(super) optional: bool,
}

const TOP: [&str; 8] = [
    "global",
    "server",
    "retention",
    "schedule",
    "group",
    "host",
    "removed",
    "include",
];

/// Reads a node at the top of the file number `file` into `parts`; an include is told and not followed.
pub(super) fn read(
    file: usize,
    node: &Node<'_>,
    parts: &mut Parts,
    findings: &mut Vec<Finding>,
) -> Option<Include> {
    let mut reader = Reader { file, findings };
    match node.name().value() {
        "global" => reader.global(parts, node),
        "server" => reader.server(parts, node),
        "retention" => reader.retention(parts, node),
        "schedule" => reader.schedule(parts, node),
        "group" => reader.group(parts, node),
        "host" => reader.host(parts, node),
        "removed" => reader.removed(parts, node),
        "include" => return reader.include(node),
        _ => reader.unknown(node, "at the top of a file", &TOP),
    }
    None
}

impl Reader<'_> {
    fn global(&mut self, parts: &mut Parts, node: &Node<'_>) {
        const OWN: [&str; 5] = ["backup-root", "max-concurrent", "guard", "notify", "smtp"];
        /// What says something about one host alone.
        const NOT_HERE: [&str; 3] = ["source", "enabled", "protect"];
        self.shape(node, 0, &[]);
        let mut part = GlobalPart {
            at: self.at_node(node),
            backup_root: None,
            max_concurrent: None,
            guard: GuardPart::default(),
            notify: Vec::new(),
            smtp: SmtpPart::default(),
            layer: Layer::default(),
        };
        let known: Vec<&str> = OWN
            .into_iter()
            .chain(SHARED.into_iter().filter(|name| !NOT_HERE.contains(name)))
            .collect();
        for child in node.iter_children() {
            match child.name().value() {
                "backup-root" => self.backup_root(&mut part.backup_root, child),
                "max-concurrent" => self.max_concurrent(&mut part.max_concurrent, child),
                "guard" => self.guard(&mut part.guard, child),
                "smtp" => self.smtp(&mut part.smtp, child),
                "notify" => {
                    let Some(notify) = self.notify(child) else {
                        continue;
                    };
                    let name = &notify.value.name;
                    let mut others = part.notify.iter();
                    if let Some(first) = others.find(|other| other.value.name == *name) {
                        let message = format!("notify {name} is defined twice");
                        let help = "rename one of them, or put all of it into one";
                        let twice = Finding::error("twice", notify.at, message, "again here", help);
                        self.push(twice.also(first.at, "first here"));
                    }
                    part.notify.push(notify);
                }
                name if NOT_HERE.contains(&name) => self.unknown(child, "in `global`", &known),
                _ if self.layer_node(&mut part.layer, child) => {}
                _ => self.unknown(child, "in `global`", &known),
            }
        }
        parts.globals.push(part);
    }

    fn server(&mut self, parts: &mut Parts, node: &Node<'_>) {
        const KNOWN: [&str; 2] = ["backup-root", "max-concurrent"];
        self.shape(node, 1, &[]);
        let name = self
            .first(node, "a name")
            .and_then(|entry| self.parsed(entry));
        let (mut backup_root, mut max_concurrent) = (None, None);
        for child in node.iter_children() {
            match child.name().value() {
                "backup-root" => self.backup_root(&mut backup_root, child),
                "max-concurrent" => self.max_concurrent(&mut max_concurrent, child),
                _ => self.unknown(child, "in `server`", &KNOWN),
            }
        }
        parts.servers.extend(name.map(|name| ServerPart {
            name,
            backup_root,
            max_concurrent,
        }));
    }

    fn backup_root(&mut self, slot: &mut Maybe<AbsolutePath>, node: &Node<'_>) {
        let value = self
            .value(node, "a path")
            .and_then(|entry| self.parsed(entry));
        self.set(slot, node, value);
    }

    fn max_concurrent(&mut self, slot: &mut Maybe<u32>, node: &Node<'_>) {
        let value = self
            .value(node, "a number")
            .and_then(|entry| self.number(entry, 1, 256));
        self.set(slot, node, value);
    }

    fn guard(&mut self, part: &mut GuardPart, node: &Node<'_>) {
        const KNOWN: [&str; 5] = [
            "max-delete",
            "max-delete-percent",
            "max-retire-percent",
            "max-fleet-delete-percent",
            "min-free",
        ];
        self.shape(node, 0, &[]);
        for child in node.iter_children() {
            macro_rules! percent {
                ($field:ident) => {{
                    let value = self
                        .value(child, "a percentage")
                        .and_then(|entry| self.percent(entry));
                    self.set(&mut part.$field, child, value);
                }};
            }
            match child.name().value() {
                "max-delete" => {
                    let value = self
                        .value(child, "a number")
                        .and_then(|entry| self.number(entry, 0, 1_000_000));
                    self.set(&mut part.max_delete, child, value);
                }
                "max-delete-percent" => percent!(max_delete_percent),
                "max-retire-percent" => percent!(max_retire_percent),
                "max-fleet-delete-percent" => percent!(max_fleet_delete_percent),
                "min-free" => percent!(min_free),
                _ => self.unknown(child, "in `guard`", &KNOWN),
            }
        }
    }

    fn notify(&mut self, node: &Node<'_>) -> Option<Spanned<Notify>> {
        const KNOWN: [&str; 4] = ["webhook", "email", "ping", "command"];
        self.shape(node, 1, &["on"]);
        let at = self.at_node(node);
        let name = self
            .first(node, "a name")
            .and_then(|entry| self.parsed(entry));
        let mut on = vec![
            NotifyEvent::Failure,
            NotifyEvent::Recovery,
            NotifyEvent::Stale,
        ];
        if let Some(text) = self.property(node, "on").and_then(|entry| self.text(entry)) {
            on.clear();
            for word in text.value.split(',') {
                match word.trim().parse() {
                    Ok(event) => on.push(event),
                    Err(error) => {
                        self.wrong("invalid-value", text.at, error.to_string(), error.help)
                    }
                }
            }
        }
        let mut targets = Vec::new();
        for child in node.iter_children() {
            let mut take = |make: fn(_) -> NotifyTarget| {
                let value = self
                    .value(child, "an address")
                    .and_then(|entry| self.referable(entry));
                targets.extend(value.map(|value| make(value.value)));
            };
            match child.name().value() {
                "webhook" => take(NotifyTarget::Webhook),
                "email" => take(NotifyTarget::Email),
                "ping" => take(NotifyTarget::Ping),
                "command" => {
                    let name = self
                        .value(child, "the name of a hook")
                        .and_then(|entry| self.parsed(entry));
                    targets.extend(name.map(|name| NotifyTarget::Command(name.value)));
                }
                _ => self.unknown(child, "in `notify`", &KNOWN),
            }
        }
        if targets.is_empty() {
            self.wrong(
                "missing-value",
                at,
                "this `notify` tells nobody",
                "add `webhook`, `email`, `ping` or `command`",
            );
        }
        Some(Spanned {
            value: Notify {
                name: name?.value,
                on,
                targets,
            },
            at,
        })
    }

    fn retention(&mut self, parts: &mut Parts, node: &Node<'_>) {
        self.shape(node, 1, &[]);
        let part = self.retention_part(node);
        if let Some(name) = self
            .first(node, "a name")
            .and_then(|entry| self.parsed(entry))
        {
            if part.counts.iter().all(|(_, count)| count.value.is_none()) && part.withins.is_empty()
            {
                let message = format!("retention {} keeps nothing", name.value);
                self.wrong(
                    "keeps-nothing",
                    name.at,
                    message,
                    "name at least one rule, for example `keep last=3 daily=14`",
                );
            }
            parts.retentions.push(RetentionNode { name, part });
        }
    }

    fn schedule(&mut self, parts: &mut Parts, node: &Node<'_>) {
        self.shape(node, 1, &["cron", "jitter", "prune"]);
        let part = self.schedule_part(node);
        if let Some(name) = self
            .first(node, "a name")
            .and_then(|entry| self.parsed(entry))
        {
            let has_cron = part.cron.is_some()
                || self.property(node, "cron").is_some()
                || node.iter_children().any(|c| c.name().value() == "cron");
            if !has_cron {
                let message = format!("schedule {} never fires", name.value);
                self.wrong("no-cron", name.at, message, "add `cron=\"15 2 * * *\"`");
            }
            parts.schedules.push(ScheduleNode { name, part });
        }
    }

    fn group(&mut self, parts: &mut Parts, node: &Node<'_>) {
        self.shape(node, 1, &[]);
        let name = self
            .first(node, "a name")
            .and_then(|entry| self.parsed(entry));
        let mut layer = Layer::default();
        for child in node.iter_children() {
            if !self.layer_node(&mut layer, child) {
                self.unknown(child, "in `group`", &SHARED);
            }
        }
        parts
            .groups
            .extend(name.map(|name| GroupPart { name, layer }));
    }

    fn host(&mut self, parts: &mut Parts, node: &Node<'_>) {
        self.shape(node, 1, &["group", "was", "server"]);
        let name = self
            .first(node, "a name")
            .and_then(|entry| self.parsed(entry));
        let was = self
            .property(node, "was")
            .and_then(|entry| self.parsed(entry));
        let mut groups = Vec::new();
        if let Some(text) = self
            .property(node, "group")
            .and_then(|entry| self.text(entry))
        {
            for word in text.value.split(',') {
                match word.trim().parse::<Label>() {
                    Ok(value) => push(&mut groups, Spanned { value, at: text.at }),
                    Err(error) => {
                        self.wrong("invalid-value", text.at, error.to_string(), error.help)
                    }
                }
            }
        }
        let mut layer = Layer::default();
        if let Some(entry) = self.property(node, "server") {
            layer.server = self.parsed(entry);
        }
        for child in node.iter_children() {
            match child.name().value() {
                "address" => {
                    layer.has_address = true;
                    let value = self
                        .value(child, "an address")
                        .and_then(|entry| self.referable(entry));
                    self.set(&mut layer.address, child, value);
                }
                "group" => {
                    self.shape(child, usize::MAX - 1, &[]);
                    self.first(child, "a name");
                    let entries = self.arguments(child);
                    groups.extend(entries.filter_map(|entry| self.parsed(entry)));
                }
                _ if self.layer_node(&mut layer, child) => {}
                _ => {
                    let known: Vec<&str> = ["address", "group"].into_iter().chain(SHARED).collect();
                    self.unknown(child, "in `host`", &known);
                }
            }
        }
        let mut seen = HashSet::new();
        let mut again = groups.iter().filter(|_| groups.len() > 1);
        if let Some(group) = again.find(|group| !seen.insert(&group.value)) {
            let (at, message) = (group.at, format!("group {} is named twice", group.value));
            self.wrong("twice", at, message, "name it once");
        }
        parts.hosts.extend(name.map(|name| HostPart {
            name,
            was,
            groups,
            layer,
        }));
    }

    fn removed(&mut self, parts: &mut Parts, node: &Node<'_>) {
        self.shape(node, 1, &["snapshots"]);
        self.no_block(node);
        let name = self
            .first(node, "a name")
            .and_then(|entry| self.parsed(entry));
        let at = self.at_node(node);
        let Some(entry) = self.property(node, "snapshots") else {
            self.wrong(
                "missing-value",
                at,
                "`removed` does not say what becomes of the snapshots",
                "add `snapshots=\"keep\"` or `snapshots=\"delete\"`",
            );
            return;
        };
        let Some(text) = self.text(entry) else { return };
        match text.value.parse::<SnapshotsOnRemoval>() {
            Ok(snapshots) => parts
                .removed
                .extend(name.map(|name| RemovedPart { name, snapshots })),
            Err(_) => self.wrong(
                "invalid-value",
                text.at,
                "snapshots are kept or deleted",
                "write `\"keep\"` or `\"delete\"`",
            ),
        }
    }

    fn include(&mut self, node: &Node<'_>) -> Option<Include> {
        self.shape(node, 1, &["optional"]);
        self.no_block(node);
        let optional = self
            .property(node, "optional")
            .and_then(|entry| self.truth(entry))
            .is_some_and(|v| v.value);
        let text = self
            .first(node, "a path")
            .and_then(|entry| self.text(entry))?;
        let is_plain = !text.value.is_empty()
            && !text.value.starts_with('/')
            && !text.value.chars().any(char::is_control)
            && !text.value.split('/').any(|part| part == "..");
        if !is_plain {
            self.wrong(
                "outside-root",
                text.at,
                "an include stays below the folder of the configuration",
                "write a path relative to this file, without `..`, for example `hosts/*.kdl`",
            );
            return None;
        }
        Some(Include {
            at: text.at,
            pattern: text.value.to_owned(),
            optional,
        })
    }
}
