//! Files into settings. Pure: what is on disk was read before.

use std::collections::BTreeSet;

use super::folder::LegacyFile;
use super::host;
use super::notes::{LegacyNote, Notes, Weight};
use super::part::Part;
use super::section::{Section, checked};
use super::yaml::{self, Node, Yaml};
use crate::core::model::{AbsolutePath, Address, GlobalSettings, HostName, HostSettings, UserName};

/// What belongs to the machine and the program that is left behind.
const IDLE: [&str; 24] = [
    "version",
    "schema_version",
    "pobsync_home",
    "home",
    "prefix",
    "log_dir",
    "log_level",
    "log_file",
    "logging",
    "logs",
    "output",
    "lock_dir",
    "run_dir",
    "state_dir",
    "database",
    "databases",
    "debug",
    "secret_key",
    "description",
    "comment",
    "notes",
    "python",
    "verbose",
    "dry_run",
];

/// What the older service was configured for.
#[derive(Debug, Clone, Default)]
pub struct Legacy {
    /// The settings of the whole service; built-in ones where it says nothing.
    pub global: GlobalSettings,
    /// Hosts, sorted by name.
    pub hosts: Vec<(HostName, HostSettings)>,
    /// Everything there is to say, in the order of the files. With a [`Weight::Wrong`] one among them the rest is
    /// incomplete and must not be used.
    pub notes: Vec<LegacyNote>,
}

impl Legacy {
    /// Says that a mistake stands in the files.
    #[must_use]
    pub fn has_mistakes(&self) -> bool {
        self.notes.iter().any(|note| note.weight == Weight::Wrong)
    }
}

/// Reads `global.yaml`, if there is one, and the files of hosts.
#[must_use]
pub fn read_legacy(global: Option<&LegacyFile>, hosts: &[LegacyFile]) -> Legacy {
    let mut legacy = Legacy::default();
    let mut base = Part::default();
    if let Some(file) = global
        && let Some(node) = parse(file, &mut legacy.notes)
    {
        let mut notes = Notes {
            file: &file.path,
            list: &mut legacy.notes,
        };
        base = read_global(&node, &mut legacy.global, &mut notes);
    }
    let mut seen = BTreeSet::new();
    let mut is_by_default = false;
    for file in hosts {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let node = parse(file, &mut legacy.notes);
        let mut notes = Notes {
            file: &file.path,
            list: &mut legacy.notes,
        };
        let Some(name) = checked::<HostName>(&(stem.to_owned(), 1), Weight::Wrong, &mut notes)
        else {
            continue;
        };
        if !seen.insert(name.folded()) {
            notes.push(
                Weight::Wrong,
                1,
                format!("a second file is about host {name}"),
            );
        }
        let Some(node) = node else { continue };
        if let Some((settings, names_zone)) = read_host(&name, &node, &base, &mut notes) {
            is_by_default |=
                !names_zone && (!settings.schedules.is_empty() || settings.retention.is_some());
            if settings.schedules.is_empty() && settings.enabled {
                // The older program left the times to cron.
                let what = "it has no schedule here, so nothing backs it up by itself: set one";
                notes.push(Weight::Told, 1, what);
            }
            legacy.hosts.push((name, settings));
        }
    }
    legacy.hosts.sort_by(|a, b| a.0.cmp(&b.0));
    if is_by_default {
        legacy.notes.push(LegacyNote {
            at: global.map_or("global.yaml", |file| &file.path).to_owned(),
            what: "no time zone is named: schedules and retention go by UTC".to_owned(),
            weight: Weight::Told,
        });
    }
    legacy
}

fn parse(file: &LegacyFile, notes: &mut Vec<LegacyNote>) -> Option<Node> {
    match yaml::read(&file.text) {
        Ok(node) => Some(node),
        Err(error) => {
            let line = error
                .line
                .map(|line| format!(":{line}"))
                .unwrap_or_default();
            notes.push(LegacyNote {
                at: format!("{}{line}", file.path),
                what: format!("it cannot be read as YAML: {}", error.why),
                weight: Weight::Wrong,
            });
            None
        }
    }
}

fn read_global(node: &Node, global: &mut GlobalSettings, notes: &mut Notes<'_>) -> Part {
    let mut section = Section::of(node, "the file", notes);
    let root = [
        "backup_root",
        "backuproot",
        "backup_dir",
        "root",
        "destination",
        "dest",
    ];
    global.backup_root = section.parsed(&root, notes);
    if global.backup_root.as_ref().map(AbsolutePath::as_str) == Some("/") {
        notes.push(
            Weight::Wrong,
            1,
            "a backup root is a folder of its own, and not /",
        );
    }
    let at_once = [
        "max_concurrent",
        "max_parallel",
        "concurrency",
        "parallel",
        "workers",
    ];
    if let Some(n) = section.number::<u32>(&at_once, notes) {
        global.max_concurrent = n.clamp(1, 256);
    }
    let limit = section.number::<u32>(&["max_delete", "prune_max_delete"], notes);
    global.guard.max_delete = limit.unwrap_or(global.guard.max_delete).min(1_000_000);
    let mut part = Part::read(&mut section, notes);
    if let Some(found) = section.take(&["defaults", "host_defaults"], notes) {
        let mut inner = Section::of(found.node, found.key, notes);
        part = Part::read(&mut inner, notes).over(&part);
        inner.finish(&IDLE, notes);
    }
    section.finish(&IDLE, notes);
    part
}

/// The settings of a host, and whether a time zone is named for it.
fn read_host(
    name: &HostName,
    node: &Node,
    base: &Part,
    notes: &mut Notes<'_>,
) -> Option<(HostSettings, bool)> {
    let mut section = Section::of(node, "the file", notes);
    if let Some((said, line)) = section.word(&["host", "name"], notes)
        && said != name.as_str()
    {
        let what = format!("it says {said}, and its file is about {name}: that is the name");
        notes.push(Weight::Told, line, what);
    }
    let address = [
        "address",
        "hostname",
        "ssh_host",
        "remote_host",
        "fqdn",
        "ip",
    ];
    let said = section.word(&address, notes);
    let adds_excludes = !base.excludes.is_empty() && is_there(node, &["excludes", "exclude"]);
    let mut part = Part::read(&mut section, notes);
    section.finish(&IDLE, notes);
    if adds_excludes {
        let what = "its excludes are added to those of global.yaml";
        notes.push(Weight::Told, 1, what);
    }
    let (text, line) = said.unwrap_or_else(|| {
        notes.push(
            Weight::Told,
            1,
            "it has no address: its name is taken for it",
        );
        (name.as_str().to_owned(), 1)
    });
    let text = match text.split_once('@') {
        Some((user, rest)) => {
            let user = checked::<UserName>(&(user.to_owned(), line), Weight::Wrong, notes);
            part.user = part.user.or(user);
            rest.to_owned()
        }
        None => text,
    };
    let address: Address = checked(&(text, line), Weight::Wrong, notes)?;
    let part = part.over(base);
    let names_zone = part.timezone.is_some();
    Some((host::settings(part, address, notes), names_zone))
}

fn is_there(node: &Node, keys: &[&str]) -> bool {
    match &node.value {
        Yaml::Map(entries) => entries.iter().any(|(key, ..)| keys.contains(&key.as_str())),
        _ => false,
    }
}
