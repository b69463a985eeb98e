//! The settings that `global`, a group and a host share.

use super::node::Reader;
use super::syntax::{Entry, Node, Scalar, Word};
use crate::core::desired::{
    HooksPart, Layer, LimitsPart, ListPart, Maybe, PrunePart, RetentionPart, RetentionUse,
    RsyncPart, SchedulePart, ScheduleUse, Spanned, SshPart, VerifyPart,
};
use crate::core::model::{
    ByteCount, Count, HookName, Incremental, Invalid, Kinds, Label, Percent, Rule, Span,
};

/// What a layer may say, wherever it stands.
pub(super) const SHARED: [&str; 17] = [
    "ssh",
    "rsync",
    "source",
    "exclude",
    "retention",
    "schedule",
    "timezone",
    "hooks",
    "suspect-percent",
    "stale-after",
    "verify",
    "limits",
    "prune",
    "accept-partial",
    "enabled",
    "server",
    "protect",
];

/// What `keep` may name: each rule in the order of [`Rule::ALL`], and in the same order how far back it keeps one of each.
const RULES: [&str; 2 * Rule::ALL.len()] = [
    "last",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "quarterly",
    "yearly",
    "within",
    "within-hourly",
    "within-daily",
    "within-weekly",
    "within-monthly",
    "within-quarterly",
    "within-yearly",
];

impl Reader<'_> {
    /// Reads a node of a layer; false if it is none.
    pub(super) fn layer_node(&mut self, layer: &mut Layer, node: &Node<'_>) -> bool {
        match node.name().value() {
            "ssh" => self.ssh(layer.ssh.get_or_insert_default(), node),
            "rsync" => self.rsync(layer.rsync.get_or_insert_default(), node),
            "source" => {
                let list = self.list(node);
                push(&mut layer.sources, list);
            }
            "exclude" => {
                let list = self.list(node);
                push(&mut layer.excludes, list);
            }
            "retention" => self.retention_use(layer, node),
            "schedule" => self.schedule_use(layer, node),
            "timezone" => {
                let zone = self
                    .value(node, "a time zone")
                    .and_then(|entry| self.timezone(entry));
                self.set(&mut layer.timezone, node, zone);
            }
            "hooks" => self.hooks(layer.hooks.get_or_insert_default(), node),
            "suspect-percent" => {
                let percent = self
                    .value(node, "a percentage")
                    .and_then(|entry| self.percent(entry));
                self.set(&mut layer.suspect_percent, node, percent);
            }
            "stale-after" => {
                let span = self
                    .value(node, "a duration")
                    .and_then(|entry| self.parsed(entry));
                self.set(&mut layer.stale_after, node, span);
            }
            "verify" => self.verify(layer.verify.get_or_insert_default(), node),
            "limits" => self.limits(layer.limits.get_or_insert_default(), node),
            "prune" => self.prune(layer.prune.get_or_insert_default(), node),
            "accept-partial" => {
                let value = self.switch(node);
                self.set(&mut layer.accept_partial, node, value);
            }
            "enabled" => {
                let value = self.switch(node);
                self.set(&mut layer.enabled, node, value);
            }
            "protect" => {
                let value = self.switch(node);
                self.set(&mut layer.protect, node, value);
            }
            "server" => {
                let name = self
                    .value(node, "a name")
                    .and_then(|entry| self.parsed(entry));
                self.set(&mut layer.server, node, name);
            }
            _ => return false,
        }
        true
    }

    pub(super) fn timezone(&mut self, entry: &Entry<'_>) -> Option<Spanned<chrono_tz::Tz>> {
        let text = self.text(entry)?;
        match text.value.parse() {
            Ok(value) => Some(Spanned { value, at: text.at }),
            Err(_) => {
                let help = match Some(text.value)
                    .filter(|_| self.findings.len() < SUGGESTIONS)
                    .and_then(nearest_zone)
                {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => "write an IANA name such as `Europe/Amsterdam`, or `UTC`".to_owned(),
                };
                self.wrong("unknown-timezone", text.at, "this is no time zone", help);
                None
            }
        }
    }

    /// `30` or `"30%"`.
    pub(super) fn percent(&mut self, entry: &Entry<'_>) -> Option<Spanned<Percent>> {
        if matches!(entry.value(), Scalar::Integer(_)) {
            let number = self.number(entry, 0, 100)?;
            return Some(Spanned {
                value: Percent::clamped(u8::try_from(number.value).unwrap_or(100)),
                at: number.at,
            });
        }
        self.parsed(entry)
    }

    fn list<T: std::str::FromStr<Err = Invalid>>(&mut self, node: &Node<'_>) -> ListPart<T> {
        self.shape(node, usize::MAX - 1, &["reset"]);
        self.no_block(node);
        let reset = self.reset(node);
        let written = self.arguments(node).count();
        if written == 0 && !reset {
            self.first(node, "at least one value");
        }
        let mut items = Vec::with_capacity(written);
        items.extend(self.arguments(node).filter_map(|entry| self.parsed(entry)));
        ListPart {
            reset,
            items,
            written,
        }
    }

    fn reset(&mut self, node: &Node<'_>) -> bool {
        let entry = self.property(node, "reset");
        entry
            .and_then(|entry| self.truth(entry))
            .is_some_and(|value| value.value)
    }

    fn ssh(&mut self, part: &mut SshPart, node: &Node<'_>) {
        const KNOWN: [&str; 5] = ["user", "port", "identity", "known-hosts", "proxy-jump"];
        self.shape(node, 0, &[]);
        for child in node.iter_children() {
            match child.name().value() {
                "user" => {
                    let value = self
                        .value(child, "a user")
                        .and_then(|entry| self.referable(entry));
                    self.set(&mut part.user, child, value);
                }
                "port" => {
                    let port = self
                        .value(child, "a port")
                        .and_then(|entry| self.number(entry, 1, 65_535));
                    let port = port.map(|n| Spanned {
                        value: u16::try_from(n.value).unwrap_or(22),
                        at: n.at,
                    });
                    self.set(&mut part.port, child, port);
                }
                "identity" => {
                    let value = self
                        .value(child, "a path")
                        .and_then(|entry| self.referable(entry));
                    self.set(&mut part.identity, child, value);
                }
                "known-hosts" => {
                    let value = self
                        .value(child, "a path")
                        .and_then(|entry| self.referable(entry));
                    self.set(&mut part.known_hosts, child, value);
                }
                "proxy-jump" => {
                    let value = self
                        .value(child, "a host")
                        .and_then(|entry| self.referable(entry));
                    self.set(&mut part.proxy_jump, child, value);
                }
                _ => self.unknown(child, "in `ssh`", &KNOWN),
            }
        }
    }

    fn rsync(&mut self, part: &mut RsyncPart, node: &Node<'_>) {
        const KNOWN: [&str; 11] = [
            "xattrs",
            "acls",
            "one-file-system",
            "specials",
            "fake-super",
            "secluded-args",
            "bwlimit",
            "timeout",
            "deadline",
            "rsync-path",
            "incremental",
        ];
        self.shape(node, 0, &[]);
        for child in node.iter_children() {
            macro_rules! switch {
                ($field:ident) => {{
                    let value = self.switch(child);
                    self.set(&mut part.$field, child, value);
                }};
            }
            macro_rules! parsed {
                ($field:ident, $what:literal) => {{
                    let value = self
                        .value(child, $what)
                        .and_then(|entry| self.parsed(entry));
                    self.set(&mut part.$field, child, value);
                }};
            }
            match child.name().value() {
                "xattrs" => switch!(xattrs),
                "acls" => switch!(acls),
                "one-file-system" => switch!(one_file_system),
                "specials" => switch!(specials),
                "fake-super" => switch!(fake_super),
                "secluded-args" => switch!(secluded_args),
                "bwlimit" => parsed!(bwlimit, "a size a second"),
                "timeout" => parsed!(timeout, "a duration"),
                "deadline" => parsed!(deadline, "a duration"),
                "rsync-path" => parsed!(rsync_path, "a path"),
                "incremental" => {
                    let text = self
                        .value(child, "a word")
                        .and_then(|entry| self.text(entry));
                    let value = text.and_then(|text| {
                        let known = Incremental::WORDS.into_iter();
                        let mut meant = known.filter(|(word, _)| text.value == *word);
                        if let Some((_, value)) = meant.next() {
                            return Some(Spanned { value, at: text.at });
                        }
                        self.wrong(
                            "invalid-value",
                            text.at,
                            "there is no such way",
                            "write `auto`, `fast` or `link-dest`",
                        );
                        None
                    });
                    self.set(&mut part.incremental, child, value);
                }
                _ => self.unknown(child, "in `rsync`", &KNOWN),
            }
        }
    }

    fn hooks(&mut self, part: &mut HooksPart, node: &Node<'_>) {
        const KNOWN: [&str; 5] = [
            "before",
            "after",
            "remote-before",
            "remote-after",
            "timeout",
        ];
        self.shape(node, 0, &[]);
        for child in node.iter_children() {
            if child.name().value() == "timeout" {
                let value: Option<Spanned<Span>> = self
                    .value(child, "a duration")
                    .and_then(|entry| self.parsed(entry));
                if let Some(zero) = value.as_ref().filter(|span| span.value.seconds() == 0) {
                    self.wrong(
                        "invalid-value",
                        zero.at,
                        "no hook can end in no time",
                        "write how long each may take, `10m`",
                    );
                }
                self.set(&mut part.timeout, child, value);
                continue;
            }
            let parts: &mut Vec<ListPart<HookName>> = match child.name().value() {
                "before" => &mut part.before,
                "after" => &mut part.after,
                "remote-before" => &mut part.remote_before,
                "remote-after" => &mut part.remote_after,
                _ => {
                    self.unknown(child, "in `hooks`", &KNOWN);
                    continue;
                }
            };
            parts.push(self.list(child));
        }
    }

    /// `verify every="30d"`, or the same in a block.
    fn verify(&mut self, part: &mut VerifyPart, node: &Node<'_>) {
        const KNOWN: [&str; 2] = ["every", "sample"];
        self.shape(node, 0, &KNOWN);
        if let Some(entry) = self.property(node, "every") {
            part.every = self.parsed(entry);
        }
        if let Some(entry) = self.property(node, "sample") {
            part.sample = self.percent(entry);
        }
        for child in node.iter_children() {
            match child.name().value() {
                "every" => {
                    let value = self
                        .value(child, "a duration")
                        .and_then(|entry| self.parsed(entry));
                    self.set(&mut part.every, child, value);
                }
                "sample" => {
                    let value = self
                        .value(child, "a percentage")
                        .and_then(|entry| self.percent(entry));
                    self.set(&mut part.sample, child, value);
                }
                _ => self.unknown(child, "in `verify`", &KNOWN),
            }
        }
        let spans = part
            .every
            .as_ref()
            .map(|every| (every.at, every.value.seconds()));
        if let Some((at, _)) = spans.filter(|(_, seconds)| *seconds < 3600) {
            let help = "write how long after one the next begins, an hour or more: `30d`";
            self.wrong("invalid-value", at, "no disk is read so often", help);
        }
        let sample = part
            .sample
            .as_ref()
            .filter(|sample| sample.value.get() == 0);
        if let Some(at) = sample.map(|sample| sample.at) {
            let help = "write what part of all files each verification reads, `5%`";
            self.wrong("invalid-value", at, "this reads nothing", help);
        }
    }

    fn limits(&mut self, part: &mut LimitsPart, node: &Node<'_>) {
        const KNOWN: [&str; 3] = ["max-size", "max-files", "quota"];
        self.shape(node, 0, &[]);
        for child in node.iter_children() {
            match child.name().value() {
                "max-size" => {
                    let size = self.limit_of_size(child);
                    self.set(&mut part.max_size, child, size);
                }
                "max-files" => {
                    let value = self
                        .value(child, "a number")
                        .and_then(|entry| self.number(entry, 1, u32::MAX));
                    self.set(&mut part.max_files, child, value);
                }
                "quota" => {
                    let size = self.limit_of_size(child);
                    self.set(&mut part.quota, child, size);
                }
                _ => self.unknown(child, "in `limits`", &KNOWN),
            }
        }
    }

    fn prune(&mut self, part: &mut PrunePart, node: &Node<'_>) {
        self.shape(node, 0, &[]);
        for child in node.iter_children() {
            match child.name().value() {
                "max-per-second" => {
                    let value = self
                        .value(child, "a number")
                        .and_then(|entry| self.number(entry, 1, u32::MAX));
                    self.set(&mut part.max_per_second, child, value);
                }
                _ => self.unknown(child, "in `prune`", &["max-per-second"]),
            }
        }
    }

    fn limit_of_size(&mut self, node: &Node<'_>) -> Maybe<ByteCount> {
        let size: Maybe<ByteCount> = self
            .value(node, "a size")
            .and_then(|entry| self.parsed(entry));
        if let Some(zero) = size.as_ref().filter(|size| size.value.0 == 0) {
            let help = "write a size, `500GiB`; to pause a host write `enabled #false`";
            self.wrong("invalid-value", zero.at, "no snapshot fits into this", help);
        }
        size
    }

    fn retention_use(&mut self, layer: &mut Layer, node: &Node<'_>) {
        self.shape(node, 1, &[]);
        let at = self.at_node(node);
        let entry = self.arguments(node).next();
        let name = entry.and_then(|entry| self.parsed::<Label>(entry));
        let part = self.retention_part(node);
        if entry.is_none() && !node.has_children() {
            self.wrong(
                "missing-value",
                at,
                "this `retention` says nothing",
                "name a policy, or write rules: `retention { keep daily=14 }`",
            );
        }
        if layer.retention.is_some() {
            self.wrong(
                "twice",
                at,
                "`retention` stands twice",
                "a host has one policy: put the rules together",
            );
            return;
        }
        layer.retention = Some(Box::new(RetentionUse { at, name, part }));
    }

    pub(super) fn retention_part(&mut self, node: &Node<'_>) -> RetentionPart {
        const KNOWN: [&str; 4] = ["keep", "protect-bases", "kinds", "incomplete-after"];
        let mut part = RetentionPart::default();
        for child in node.iter_children() {
            match child.name().value() {
                "keep" => self.keep(&mut part, child),
                "protect-bases" => {
                    let value = self.switch(child);
                    self.set(&mut part.protect_bases, child, value);
                }
                "kinds" => {
                    let kinds = self.kinds(child);
                    self.set(&mut part.kinds, child, kinds);
                }
                "incomplete-after" => {
                    let value = self
                        .value(child, "a duration")
                        .and_then(|entry| self.parsed(entry));
                    self.set(&mut part.incomplete_after, child, value);
                }
                _ => self.unknown(child, "in `retention`", &KNOWN),
            }
        }
        part
    }

    fn kinds(&mut self, node: &Node<'_>) -> Option<Spanned<Kinds>> {
        let at = self.at_node(node);
        let kinds: Vec<Spanned<Kinds>> = self.list(node).items;
        let all: Vec<_> = kinds.iter().flat_map(|kind| kind.value.iter()).collect();
        Kinds::try_from(all).ok().map(|value| Spanned { value, at })
    }

    fn keep(&mut self, part: &mut RetentionPart, node: &Node<'_>) {
        self.shape(node, 0, &RULES);
        self.no_block(node);
        if node.entries().is_empty() {
            let at = self.at_node(node);
            self.wrong(
                "missing-value",
                at,
                "this `keep` says nothing",
                "name rules: `keep last=3 daily=14 within=\"30d\"`",
            );
        }
        for entry in node.entries() {
            let Some(name) = entry.name().map(Word::value) else {
                continue;
            };
            let Some(i) = RULES.iter().position(|known| *known == name) else {
                continue;
            };
            let Some(rule) = Rule::ALL.get(i % Rule::ALL.len()).copied() else {
                continue;
            };
            if i < Rule::ALL.len() {
                if let Some(count) = self.count(entry) {
                    part.counts.push((rule, count));
                }
            } else if let Some(span) = self.parsed(entry) {
                part.withins.push((rule, span));
            }
        }
    }

    /// A number, `"unlimited"`, or 0 to take an inherited rule away.
    fn count(&mut self, entry: &Entry<'_>) -> Option<Spanned<Option<Count>>> {
        if let Scalar::Text(word) = entry.value() {
            let at = self.at(entry.span());
            if *word == "unlimited" {
                return Some(Spanned {
                    value: Some(Count::Unlimited),
                    at,
                });
            }
            self.wrong(
                "invalid-value",
                at,
                "this is no count",
                "write a number without quotes, or `\"unlimited\"`",
            );
            return None;
        }
        let number = self.number(entry, 0, 100_000)?;
        Some(Spanned {
            value: std::num::NonZeroU32::new(number.value).map(Count::Number),
            at: number.at,
        })
    }

    fn schedule_use(&mut self, layer: &mut Layer, node: &Node<'_>) {
        self.shape(node, 1, &["cron", "jitter", "prune", "reset"]);
        let at = self.at_node(node);
        let name = self
            .arguments(node)
            .next()
            .and_then(|entry| self.parsed::<Label>(entry));
        let reset = self.reset(node);
        let part = self.schedule_part(node);
        let is_only_reset = reset && name.is_none() && part.cron.is_none();
        let usage = ScheduleUse {
            at,
            name,
            reset,
            part,
        };
        push(&mut layer.schedules, usage);
        if is_only_reset {
            // It takes the inherited ones away and brings none.
            layer.schedules.pop();
            self.wrong(
                "missing-value",
                at,
                "this `schedule` resets and brings none",
                "name a schedule or write `cron`; to pause a host write `enabled #false`",
            );
        }
    }

    pub(super) fn schedule_part(&mut self, node: &Node<'_>) -> SchedulePart {
        const KNOWN: [&str; 3] = ["cron", "jitter", "prune"];
        let mut part = SchedulePart::default();
        if let Some(entry) = self.property(node, "cron") {
            part.cron = self.parsed(entry);
        }
        if let Some(entry) = self.property(node, "jitter") {
            part.jitter = self.parsed(entry);
        }
        if let Some(entry) = self.property(node, "prune") {
            part.prune = self.truth(entry);
        }
        for child in node.iter_children() {
            match child.name().value() {
                "cron" => {
                    let value = self
                        .value(child, "a crontab line")
                        .and_then(|entry| self.parsed(entry));
                    self.set(&mut part.cron, child, value);
                }
                "jitter" => {
                    let value = self
                        .value(child, "a duration")
                        .and_then(|entry| self.parsed(entry));
                    self.set(&mut part.jitter, child, value);
                }
                "prune" => {
                    let value = self.switch(child);
                    self.set(&mut part.prune, child, value);
                }
                _ => self.unknown(child, "in `schedule`", &KNOWN),
            }
        }
        part
    }
}

/// Adds an item to a list that nearly always has no other: a list makes room for four.
pub(super) fn push<T>(list: &mut Vec<T>, item: T) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
    list.push(item);
}

/// Six hundred zones are compared for each suggestion, and nobody reads further.
const SUGGESTIONS: usize = 50;

fn nearest_zone(word: &str) -> Option<&'static str> {
    let word = word.to_lowercase();
    let likeness = |name: &str| strsim::jaro_winkler(&word, &name.to_lowercase());
    let best = chrono_tz::TZ_VARIANTS
        .iter()
        .map(|zone| (likeness(zone.name()), zone.name()))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then_some(best.1)
}
