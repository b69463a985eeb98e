//! Settings into files of the older service. What its format cannot say is told by name.

use std::fmt::Write as _;

use super::folder::LegacyFile;
use super::notes::{LegacyNote, Weight};
use crate::config::table::{Setting, global_table, host_table};
use crate::core::model::{
    BUILT_IN_EXCLUDES, ByteCount, Count, GlobalSettings, HostName, HostSettings, Rule, Schedule,
    Span, Value,
};

/// The first line of each file.
const HEAD: &str = "# Written by pobsync export-legacy.\n";
/// The rules that the older service had.
const RULES: [Rule; 4] = [Rule::Daily, Rule::Weekly, Rule::Monthly, Rule::Yearly];

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyText {
    /// Files, by their paths below a prefix.
    pub files: Vec<LegacyFile>,
    /// What they do not say: the object and the path of each setting.
    pub notes: Vec<LegacyNote>,
}

/// Writes the settings of the service and of hosts.
#[must_use]
pub fn write_legacy(global: &GlobalSettings, hosts: &[(&HostName, &HostSettings)]) -> LegacyText {
    let mut notes = Vec::new();
    let mut files = vec![LegacyFile {
        path: "config/global.yaml".to_owned(),
        text: global_text(global),
    }];
    let said = ["backup-root", "max-concurrent", "guard.max-delete"];
    let rest = global_table(global)
        .into_iter()
        .zip(global_table(&GlobalSettings::default()));
    for (setting, built_in) in rest {
        if setting != built_in && !said.contains(&setting.path) {
            notes.push(lost("global", &setting));
        }
    }
    for (name, settings) in hosts {
        let at = format!("host {name}");
        let literal = settings.address.literal();
        // It knows hosts that ssh reaches, and no references.
        let Some(address) = literal.filter(|address| !address.is_local()) else {
            notes.push(LegacyNote {
                at,
                what: "address cannot be said in this format: the host was left out".to_owned(),
                weight: Weight::Lost,
            });
            continue;
        };
        files.push(LegacyFile {
            path: format!("config/hosts/{name}.yaml"),
            text: host_text(name, address.as_str(), settings),
        });
        let said = host_table(&sayable(settings));
        for (setting, said) in host_table(settings).into_iter().zip(said) {
            if setting != said {
                notes.push(lost(&at, &setting));
            }
        }
    }
    LegacyText { files, notes }
}

fn lost(at: &str, setting: &Setting) -> LegacyNote {
    LegacyNote {
        at: at.to_owned(),
        what: format!("{} cannot be said in this format", setting.path),
        weight: Weight::Lost,
    }
}

/// The settings as they come back out of the files: everything else is as built in.
fn sayable(settings: &HostSettings) -> HostSettings {
    let mut said = HostSettings::at(settings.address.clone());
    said.enabled = settings.enabled;
    said.timezone = settings.timezone;
    said.sources.clone_from(&settings.sources);
    said.excludes.clone_from(&settings.excludes);
    said.ssh.port = settings.ssh.port;
    if settings.ssh.user.literal().is_some() {
        said.ssh.user.clone_from(&settings.ssh.user);
    }
    said.ssh.identity = settings
        .ssh
        .identity
        .clone()
        .filter(|v| v.literal().is_some());
    said.ssh.known_hosts = settings
        .ssh
        .known_hosts
        .clone()
        .filter(|v| v.literal().is_some());
    said.ssh.proxy_jump = settings
        .ssh
        .proxy_jump
        .clone()
        .filter(|v| v.literal().is_some());
    said.rsync.rsync_path.clone_from(&settings.rsync.rsync_path);
    said.rsync.one_file_system = settings.rsync.one_file_system;
    said.rsync.bwlimit = settings
        .rsync
        .bwlimit
        .filter(|limit| in_kib(*limit).is_some());
    if in_seconds(settings.rsync.timeout).is_some() {
        said.rsync.timeout = settings.rsync.timeout;
    }
    said.retention = settings.retention.as_ref().and_then(|policy| {
        let mut keep = crate::core::model::Keep::default();
        for rule in RULES {
            *keep.count_mut(rule) = policy.keep.count(rule);
        }
        let said = crate::core::model::Policy {
            timezone: settings.timezone,
            protect_bases: policy.protect_bases,
            kinds: policy.kinds,
            ..crate::core::model::Policy::of(keep)
        };
        (!said.keep.is_empty()).then_some(said)
    });
    said.schedules = settings
        .schedules
        .iter()
        .map(|schedule| Schedule {
            name: None,
            cron: schedule.cron.clone(),
            timezone: settings.timezone,
            jitter: Span::from_seconds(0),
            prune: schedule.prune,
        })
        .collect();
    said
}

fn in_kib(limit: ByteCount) -> Option<u64> {
    (limit.0 > 0 && limit.0.is_multiple_of(1024)).then_some(limit.0 / 1024)
}

fn in_seconds(span: Span) -> Option<u32> {
    u32::try_from(span.seconds())
        .ok()
        .filter(|seconds| *seconds > 0)
}

fn global_text(global: &GlobalSettings) -> String {
    let mut text = HEAD.to_owned();
    if let Some(root) = &global.backup_root {
        let _ = writeln!(text, "backup_root: {}", quoted(root.as_str()));
    }
    let _ = writeln!(text, "max_concurrent: {}", global.max_concurrent);
    let _ = writeln!(text, "max_delete: {}", global.guard.max_delete);
    text
}

fn host_text(name: &HostName, address: &str, settings: &HostSettings) -> String {
    let mut text = HEAD.to_owned();
    let _ = writeln!(text, "host: {}", quoted(name.as_str()));
    let _ = writeln!(text, "address: {}", quoted(address));
    let _ = writeln!(text, "enabled: {}", settings.enabled);
    let _ = writeln!(text, "timezone: {}", quoted(settings.timezone.name()));
    let said = sayable(settings);
    text.push_str("ssh:\n");
    if let Some(user) = said.ssh.user.literal() {
        let _ = writeln!(text, "  user: {}", quoted(user.as_str()));
    }
    let _ = writeln!(text, "  port: {}", said.ssh.port);
    for (key, value) in [
        ("identity_file", &said.ssh.identity),
        ("known_hosts", &said.ssh.known_hosts),
    ] {
        if let Some(path) = value.as_ref().and_then(Value::literal) {
            let _ = writeln!(text, "  {key}: {}", quoted(path.as_str()));
        }
    }
    if let Some(jump) = said.ssh.proxy_jump.as_ref().and_then(Value::literal) {
        let _ = writeln!(text, "  proxy_jump: {}", quoted(jump.as_str()));
    }
    text.push_str("rsync:\n");
    if let Some(path) = &said.rsync.rsync_path {
        let _ = writeln!(text, "  rsync_path: {}", quoted(path.as_str()));
    }
    let _ = writeln!(text, "  one_file_system: {}", said.rsync.one_file_system);
    if let Some(kib) = said.rsync.bwlimit.and_then(in_kib) {
        let _ = writeln!(text, "  bwlimit_kbps: {kib}");
    }
    if let Some(seconds) = in_seconds(said.rsync.timeout) {
        let _ = writeln!(text, "  timeout_seconds: {seconds}");
    }
    list(
        &mut text,
        "sources",
        said.sources.iter().map(|path| path.as_str()),
    );
    let excludes: Vec<&str> = said
        .excludes
        .iter()
        .map(|pattern| pattern.as_str())
        .collect();
    match excludes.strip_prefix(&BUILT_IN_EXCLUDES) {
        Some(own) => list(&mut text, "excludes", own.iter().copied()),
        None => list(&mut text, "excludes_replace", excludes.iter().copied()),
    }
    if let Some(policy) = &said.retention {
        text.push_str("retention:\n");
        for rule in RULES {
            match policy.keep.count(rule) {
                Some(Count::Number(n)) => drop(writeln!(text, "  {rule}: {n}")),
                Some(Count::Unlimited) => drop(writeln!(text, "  {rule}: -1")),
                None => {}
            }
        }
        let _ = writeln!(text, "  protect_bases: {}", policy.protect_bases);
        let _ = writeln!(text, "  kinds: {}", quoted(&policy.kinds.to_string()));
    }
    if !said.schedules.is_empty() {
        text.push_str("schedules:\n");
        for schedule in &said.schedules {
            let _ = writeln!(text, "  - cron: {}", quoted(schedule.cron.as_str()));
            let _ = writeln!(text, "    prune: {}", schedule.prune);
        }
    }
    text
}

fn list<'a>(text: &mut String, key: &str, items: impl Iterator<Item = &'a str>) {
    let items: Vec<&str> = items.collect();
    if items.is_empty() {
        let _ = writeln!(text, "{key}: []");
        return;
    }
    let _ = writeln!(text, "{key}:");
    for item in items {
        let _ = writeln!(text, "  - {}", quoted(item));
    }
}

/// A double-quoted scalar: every YAML reads back the same text, whatever it holds.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            ' '..='~' => quoted.push(c),
            _ if u32::from(c) <= 0xffff => drop(write!(quoted, "\\u{:04x}", u32::from(c))),
            _ => drop(write!(quoted, "\\U{:08x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}
