//! What a file says of hosts: the same words in `global.yaml`, for all of them, and in the file of one.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use chrono_tz::Tz;

use super::notes::{Notes, Weight};
use super::section::{Section, Word, checked, number};
use super::yaml::{Node, Yaml};
use crate::core::model::{
    AbsolutePath, ByteCount, Count, CronText, ExcludePattern, Keep, Kinds, ProxyJump, Rule,
    SourcePath, Span, UserName,
};

/// More than any rule can need; the configuration takes no more either.
const LARGEST_COUNT: u32 = 100_000;

/// Settings of hosts; absent ones are said elsewhere or nowhere.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    pub(super) user: Option<UserName>,
    pub(super) port: Option<u16>,
    pub(super) identity: Option<AbsolutePath>,
    pub(super) known_hosts: Option<AbsolutePath>,
    pub(super) proxy_jump: Option<ProxyJump>,
    pub(super) rsync_path: Option<AbsolutePath>,
    pub(super) one_file_system: Option<bool>,
    /// Inside, nothing stands for no limit.
    pub(super) bwlimit: Option<Option<ByteCount>>,
    pub(super) timeout: Option<Span>,
    pub(super) source_root: Option<SourcePath>,
    pub(super) sources: Option<Vec<SourcePath>>,
    pub(super) includes: Option<Vec<Word>>,
    pub(super) excludes: Vec<ExcludePattern>,
    pub(super) only_excludes: Option<Vec<ExcludePattern>>,
    /// Inside, nothing takes the rule away.
    pub(super) rules: BTreeMap<Rule, Option<Count>>,
    pub(super) protect_bases: Option<bool>,
    pub(super) kinds: Option<Kinds>,
    pub(super) schedules: Option<Vec<(CronText, bool)>>,
    pub(super) timezone: Option<Tz>,
    pub(super) enabled: Option<bool>,
}

impl Part {
    /// Takes every word about hosts out of `section`.
    pub(super) fn read(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Self {
        let mut part = Self::default();
        part.ssh(section, notes);
        part.rsync(section, notes);
        part.content(section, notes);
        part.retention(section, notes);
        part.schedules(section, notes);
        part.timezone = zone(section, notes);
        part.enabled = section.truth(&["enabled", "active", "is_enabled"], notes);
        if let Some(disabled) = section.truth(&["disabled", "paused"], notes) {
            part.enabled = Some(part.enabled.unwrap_or(true) && !disabled);
        }
        part
    }

    /// This part put on `base`: what it says wins, excludes add up, and rules count each by itself.
    pub(super) fn over(self, base: &Self) -> Self {
        let base = base.clone();
        let mut rules = base.rules;
        rules.extend(self.rules);
        let (excludes, only_excludes) = match self.only_excludes {
            Some(only) => (self.excludes, Some(only)),
            None => {
                let mut all = base.excludes;
                all.extend(self.excludes);
                (all, base.only_excludes)
            }
        };
        // What one host says about its content stands against all that is said for every host.
        let says_content =
            self.sources.is_some() || self.source_root.is_some() || self.includes.is_some();
        let (source_root, sources, includes) = if says_content {
            (self.source_root, self.sources, self.includes)
        } else {
            (base.source_root, base.sources, base.includes)
        };
        Self {
            user: self.user.or(base.user),
            port: self.port.or(base.port),
            identity: self.identity.or(base.identity),
            known_hosts: self.known_hosts.or(base.known_hosts),
            proxy_jump: self.proxy_jump.or(base.proxy_jump),
            rsync_path: self.rsync_path.or(base.rsync_path),
            one_file_system: self.one_file_system.or(base.one_file_system),
            bwlimit: self.bwlimit.or(base.bwlimit),
            timeout: self.timeout.or(base.timeout),
            source_root,
            sources,
            includes,
            excludes,
            only_excludes,
            rules,
            protect_bases: self.protect_bases.or(base.protect_bases),
            kinds: self.kinds.or(base.kinds),
            schedules: self.schedules.or(base.schedules),
            timezone: self.timezone.or(base.timezone),
            enabled: self.enabled.or(base.enabled),
        }
    }

    fn ssh(&mut self, section: &mut Section<'_>, notes: &mut Notes<'_>) {
        const USER: [&str; 4] = ["ssh_user", "user", "remote_user", "username"];
        const PORT: [&str; 2] = ["ssh_port", "port"];
        const KEY: [&str; 8] = [
            "ssh_key",
            "ssh_identity_file",
            "ssh_identity",
            "identity_file",
            "identity",
            "key",
            "key_file",
            "private_key",
        ];
        const HOSTS: [&str; 3] = ["ssh_known_hosts", "known_hosts", "known_hosts_file"];
        const JUMP: [&str; 4] = ["ssh_proxy_jump", "proxy_jump", "proxyjump", "jump_host"];
        let mut take = |from: &mut Section<'_>, notes: &mut Notes<'_>| {
            self.user = from.parsed(&USER, notes).or(self.user.take());
            self.port = from.number(&PORT, notes).or(self.port);
            if self.port == Some(0) {
                notes.push(Weight::Wrong, 1, "0 is no port");
            }
            self.identity = from.parsed(&KEY, notes).or(self.identity.take());
            self.known_hosts = from.parsed(&HOSTS, notes).or(self.known_hosts.take());
            self.proxy_jump = from.parsed(&JUMP, notes).or(self.proxy_jump.take());
            let options = from.words(
                &["ssh_options", "options", "ssh_args", "ssh_extra_args"],
                notes,
            );
            for (option, line) in options.unwrap_or_default() {
                ssh_option(&option, line, notes);
            }
        };
        take(section, notes);
        if let Some(found) = section.take(&["ssh"], notes) {
            let mut inner = Section::of(found.node, found.key, notes);
            take(&mut inner, notes);
            inner.finish(
                &["connect_timeout", "connecttimeout", "batch_mode", "binary"],
                notes,
            );
        }
    }

    fn rsync(&mut self, section: &mut Section<'_>, notes: &mut Notes<'_>) {
        const PATH: [&str; 3] = ["rsync_path", "remote_rsync", "remote_rsync_path"];
        const STAY: [&str; 2] = ["one_file_system", "rsync_one_file_system"];
        const LIMIT: [&str; 5] = [
            "bwlimit",
            "bwlimit_kbps",
            "rsync_bwlimit",
            "rsync_bwlimit_kbps",
            "bandwidth_limit",
        ];
        const TIMEOUT: [&str; 4] = [
            "timeout",
            "timeout_seconds",
            "rsync_timeout",
            "rsync_timeout_seconds",
        ];
        const ARGS: [&str; 4] = ["args", "extra_args", "rsync_args", "rsync_extra_args"];
        let mut take = |from: &mut Section<'_>, notes: &mut Notes<'_>| {
            self.rsync_path = from.parsed(&PATH, notes).or(self.rsync_path.take());
            self.one_file_system = from.truth(&STAY, notes).or(self.one_file_system);
            if let Some(kib) = from.number::<u64>(&LIMIT, notes) {
                self.bwlimit = Some((kib > 0).then(|| ByteCount(kib.saturating_mul(1024))));
            }
            if let Some(seconds) = from.number::<u32>(&TIMEOUT, notes)
                && seconds > 0
            {
                self.timeout = Some(Span::from_seconds(seconds.into()));
            }
            for word in from.words(&ARGS, notes).unwrap_or_default() {
                self.rsync_argument(&word, notes);
            }
        };
        take(section, notes);
        if let Some(found) = section.take(&["rsync"], notes) {
            let mut inner = Section::of(found.node, found.key, notes);
            take(&mut inner, notes);
            inner.finish(&["binary", "bin", "path", "verbose", "stats"], notes);
        }
    }

    fn rsync_argument(&mut self, (argument, line): &Word, notes: &mut Notes<'_>) {
        /// What every pull says by itself, or sees to by other means.
        const OWN: [&str; 20] = [
            "-a",
            "-aHAX",
            "-aHAXx",
            "--archive",
            "--numeric-ids",
            "--delete",
            "--delete-excluded",
            "--delete-delay",
            "--hard-links",
            "-H",
            "--acls",
            "-A",
            "--xattrs",
            "-X",
            "--sparse",
            "-S",
            "--stats",
            "--partial",
            "--relative",
            "--protect-args",
        ];
        if matches!(argument.as_str(), "-x" | "--one-file-system" | "-aHAXx") {
            self.one_file_system = Some(true);
        } else if let Some(pattern) = argument.strip_prefix("--exclude=") {
            let word = (pattern.to_owned(), *line);
            self.excludes
                .extend(checked::<ExcludePattern>(&word, Weight::Lost, notes));
        } else if !OWN.contains(&argument.as_str()) {
            let what = format!("the rsync argument {argument} was not carried over");
            notes.push(Weight::Lost, *line, what);
        }
    }

    fn content(&mut self, section: &mut Section<'_>, notes: &mut Notes<'_>) {
        self.source_root = section.parsed(&["source_root", "sourceroot", "remote_root"], notes);
        let sources = section.words(
            &["sources", "source", "paths", "path", "directories"],
            notes,
        );
        self.sources = sources.map(|words| {
            let words = words.iter();
            words
                .filter_map(|word| checked(word, Weight::Wrong, notes))
                .collect()
        });
        if self.sources.as_ref().is_some_and(Vec::is_empty) {
            self.sources = None;
        }
        let includes = section.words(&["includes", "include", "include_paths"], notes);
        self.includes = includes.filter(|words| !words.is_empty());
        let patterns = |words: Vec<Word>, notes: &mut Notes<'_>| {
            let words = words.iter();
            words
                .filter_map(|word| checked::<ExcludePattern>(word, Weight::Lost, notes))
                .collect::<Vec<_>>()
        };
        let add = [
            "excludes",
            "exclude",
            "excludes_add",
            "extra_excludes",
            "excludes_default",
            "default_excludes",
            "exclude_patterns",
        ];
        let words = section.words(&add, notes).unwrap_or_default();
        self.excludes.extend(patterns(words, notes));
        let only = section.words(&["excludes_replace", "replace_excludes"], notes);
        self.only_excludes = only.map(|words| patterns(words, notes));
    }

    fn retention(&mut self, section: &mut Section<'_>, notes: &mut Notes<'_>) {
        const BLOCK: [&str; 4] = [
            "retention",
            "keep",
            "retention_defaults",
            "retention_policy",
        ];
        self.rules("retention_", section, notes);
        self.rules("keep_", section, notes);
        let Some(found) = section.take(&BLOCK, notes) else {
            return;
        };
        if let Yaml::Scalar(text) = &found.node.value {
            if let Some(keep) = checked::<Keep>(&(text.clone(), found.line), Weight::Wrong, notes) {
                let within = Rule::ALL
                    .into_iter()
                    .any(|rule| keep.within(rule).is_some());
                if within {
                    notes.push(
                        Weight::Wrong,
                        found.line,
                        "`within` is not known in this format",
                    );
                }
                self.rules
                    .extend(Rule::ALL.map(|rule| (rule, keep.count(rule))));
            }
            return;
        }
        let mut inner = Section::of(found.node, found.key, notes);
        self.rules("", &mut inner, notes);
        self.rules("keep_", &mut inner, notes);
        if let Some(found) = inner.take(&["keep"], notes) {
            let mut deeper = Section::of(found.node, found.key, notes);
            self.rules("", &mut deeper, notes);
            deeper.finish(&[], notes);
        }
        self.protect_bases = inner
            .truth(&["protect_bases"], notes)
            .or(self.protect_bases);
        self.kinds = inner.parsed(&["kinds", "kind"], notes).or(self.kinds);
        inner.finish(&[], notes);
    }

    fn rules(&mut self, prefix: &str, section: &mut Section<'_>, notes: &mut Notes<'_>) {
        for rule in Rule::ALL {
            let (long, short) = (
                format!("{prefix}{rule}"),
                rule.as_str().trim_end_matches("ly"),
            );
            let plural = match rule {
                Rule::Daily => format!("{prefix}days"),
                _ => format!("{prefix}{short}s"),
            };
            let Some(word) = section.word(&[&long, &plural], notes) else {
                continue;
            };
            let count = match word.0.to_ascii_lowercase().as_str() {
                "-1" | "unlimited" | "all" | "forever" => Some(Count::Unlimited),
                "none" | "no" | "false" => None,
                _ => match number::<u32>(&word, notes) {
                    Some(n) if n > LARGEST_COUNT => {
                        notes.push(
                            Weight::Wrong,
                            word.1,
                            format!("{n} is more than {LARGEST_COUNT}"),
                        );
                        continue;
                    }
                    Some(n) => NonZeroU32::new(n).map(Count::Number),
                    None => continue,
                },
            };
            self.rules.insert(rule, count);
        }
    }

    fn schedules(&mut self, section: &mut Section<'_>, notes: &mut Notes<'_>) {
        let Some(found) = section.take(&["schedule", "schedules", "cron"], notes) else {
            return;
        };
        let nodes: &[Node] = match &found.node.value {
            Yaml::List(items) => items,
            _ => std::slice::from_ref(found.node),
        };
        let prune = section
            .truth(&["prune", "auto_prune"], notes)
            .unwrap_or(false);
        let mut schedules = Vec::new();
        for node in nodes {
            if let Yaml::Scalar(text) = &node.value {
                let cron = checked(&(text.trim().to_owned(), node.line), Weight::Wrong, notes);
                schedules.extend(cron.map(|cron| (cron, prune)));
                continue;
            }
            let mut inner = Section::of(node, found.key, notes);
            let cron = inner.parsed(
                &[
                    "cron",
                    "cron_expr",
                    "cron_expression",
                    "expression",
                    "schedule",
                ],
                notes,
            );
            let prune = inner
                .truth(&["prune", "auto_prune"], notes)
                .unwrap_or(prune);
            let is_on = inner.truth(&["enabled", "active"], notes).unwrap_or(true);
            let protect = inner.truth(&["protect_bases", "prune_protect_bases"], notes);
            self.protect_bases = protect.or(self.protect_bases);
            if let Some(zone) = zone(&mut inner, notes) {
                self.timezone = Some(zone);
            }
            inner.finish(&["user", "last_run", "next_run"], notes);
            match cron {
                Some(cron) if is_on => schedules.push((cron, prune)),
                Some(_) => notes.push(
                    Weight::Told,
                    node.line,
                    "a schedule that is switched off was left out",
                ),
                None => notes.push(
                    Weight::Lost,
                    node.line,
                    "a schedule without a cron line was left out",
                ),
            }
        }
        self.schedules = Some(schedules);
    }
}

fn zone(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<Tz> {
    let (text, line) = section.word(&["timezone", "time_zone", "tz"], notes)?;
    let zone = text.parse().ok();
    if zone.is_none() {
        notes.push(Weight::Wrong, line, format!("{text} is no time zone"));
    }
    zone
}

/// Most of what people gave ssh is what every pull gives it here.
fn ssh_option(option: &str, line: u64, notes: &mut Notes<'_>) {
    const OWN: [&str; 6] = [
        "batchmode",
        "connecttimeout",
        "serveraliveinterval",
        "serveralivecountmax",
        "stricthostkeychecking",
        "loglevel",
    ];
    let folded = option.trim_start_matches("-o").trim().to_ascii_lowercase();
    let name = folded.split(['=', ' ']).next().unwrap_or_default();
    if OWN.contains(&name) || option == "-o" {
        notes.push(
            Weight::Told,
            line,
            format!("the ssh option {option} is seen to by every pull"),
        );
    } else {
        notes.push(
            Weight::Lost,
            line,
            format!("the ssh option {option} was not carried over"),
        );
    }
}
