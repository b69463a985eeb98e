//! The table of checks: each has a name, all run, and every finding is collected.

use std::collections::{BTreeSet, HashMap};

use compact_str::CompactString;

use super::parts::{HostPart, Layer, Parts, Spanned};
use super::resolve::{Index, Stacks};
use super::{At, Finding};
use crate::core::model::{HostName, Label};

/// What a check looks at.
pub(super) struct Given<'a> {
    pub(super) parts: &'a Parts,
    pub(super) index: &'a Index<'a>,
    pub(super) stacks: &'a Stacks<'a>,
    /// Every file was read: what is not there is missing.
    pub(super) is_whole: bool,
}

impl<'a> Given<'a> {
    /// Each host with its layers, weakest first.
    fn hosts(&self) -> impl Iterator<Item = (&'a HostPart, &'a [&'a Layer])> {
        self.stacks.hosts(self.parts)
    }
}

type Check = fn(&Given<'_>) -> Vec<Finding>;

const CHECKS: [(&str, Check); 14] = [
    ("global-twice", global_twice),
    ("duplicate-host", duplicate_hosts),
    ("duplicate-name", duplicate_names),
    ("unknown-group", unknown_groups),
    ("unknown-retention", unknown_retentions),
    ("unknown-schedule", unknown_schedules),
    ("unknown-server", unknown_servers),
    ("no-server", no_server),
    ("no-address", no_address),
    ("no-source", no_source),
    ("rename", renames),
    ("removed", removed),
    ("root-is-slash", root_is_slash),
    ("unused", unused),
];

/// Those that nothing is built for which does not pass them.
const BOUNDS: [(&str, Check); 2] = [
    ("too-many-schedules", too_many_schedules),
    ("too-many-settings", too_many_settings),
];

/// Runs every check but those of the bounds.
pub(super) fn run(given: &Given<'_>) -> Vec<Finding> {
    CHECKS.iter().flat_map(|(_, check)| check(given)).collect()
}

/// What is asked for beyond all bounds.
pub(super) fn beyond_bounds(given: &Given<'_>) -> Vec<Finding> {
    BOUNDS.iter().flat_map(|(_, check)| check(given)).collect()
}

fn global_twice(given: &Given<'_>) -> Vec<Finding> {
    let Some(first) = given.parts.globals.first() else {
        return Vec::new();
    };
    let again = given.parts.globals.iter().skip(1);
    again
        .map(|part| {
            Finding::error(
                "global-twice",
                part.at,
                "`global` stands twice",
                "a second one",
                "put all of it into one node",
            )
            .also(first.at, "the first one")
        })
        .collect()
}

fn duplicate_hosts(given: &Given<'_>) -> Vec<Finding> {
    let mut seen: HashMap<CompactString, &Spanned<HostName>> =
        HashMap::with_capacity(given.parts.hosts.len());
    let mut found = Vec::new();
    for name in given.parts.hosts.iter().map(|host| &host.name) {
        match seen.get(&name.value.folded()) {
            Some(first) => found.push(
                Finding::error(
                    "duplicate-host",
                    name.at,
                    format!("host {} is defined twice", name.value),
                    "defined again here",
                    "host names are unique whatever their case: rename or remove one of them",
                )
                .also(first.at, "first defined here"),
            ),
            None => {
                seen.insert(name.value.folded(), name);
            }
        }
    }
    found
}

fn duplicate_names(given: &Given<'_>) -> Vec<Finding> {
    let parts = given.parts;
    let twice = |kind: &str, names: Vec<&Spanned<Label>>| -> Vec<Finding> {
        let mut seen: HashMap<&Label, At> = HashMap::new();
        let mut found = Vec::new();
        for name in names {
            match seen.get(&name.value) {
                Some(first) => found.push(
                    Finding::error(
                        "duplicate-name",
                        name.at,
                        format!("{kind} {} is defined twice", name.value),
                        "defined again here",
                        "rename or remove one of them",
                    )
                    .also(*first, "first defined here"),
                ),
                None => {
                    seen.insert(&name.value, name.at);
                }
            }
        }
        found
    };
    let mut found = twice("group", parts.groups.iter().map(|p| &p.name).collect());
    found.extend(twice(
        "retention",
        parts.retentions.iter().map(|p| &p.name).collect(),
    ));
    found.extend(twice(
        "server",
        parts.servers.iter().map(|p| &p.name).collect(),
    ));
    found.extend(twice(
        "schedule",
        parts.schedules.iter().map(|p| &p.name).collect(),
    ));
    found
}

fn all_layers(parts: &Parts) -> impl Iterator<Item = &Layer> {
    let globals = parts.globals.iter().map(|part| &part.layer);
    let groups = parts.groups.iter().map(|part| &part.layer);
    globals
        .chain(groups)
        .chain(parts.hosts.iter().map(|part| &part.layer))
}

/// Looking for a likeness takes time, and nobody reads further.
const SUGGESTIONS: usize = 50;

fn unknown<'a>(
    code: &'static str,
    kind: &str,
    used: impl Iterator<Item = &'a Spanned<Label>>,
    known: &BTreeSet<&Label>,
) -> Vec<Finding> {
    let names = || known.iter().map(|label| label.as_str());
    used.filter(|name| !known.contains(&name.value))
        .enumerate()
        .map(|(i, name)| {
            let near = (i < SUGGESTIONS).then(|| nearest(name.value.as_str(), names()));
            let help = match near.flatten() {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => format!(
                    "no {kind} is defined; write `{kind} \"{}\" …` at the top",
                    name.value
                ),
                None if known.len() > 8 => format!("there are {} others", known.len()),
                None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            };
            let message = format!("there is no {kind} called {}", name.value);
            Finding::error(code, name.at, message, "unknown", help)
        })
        .collect()
}

fn unknown_groups(given: &Given<'_>) -> Vec<Finding> {
    if !given.is_whole {
        return Vec::new();
    }
    let known = given.index.groups.keys().copied().collect();
    unknown(
        "unknown-group",
        "group",
        given.parts.hosts.iter().flat_map(|host| &host.groups),
        &known,
    )
}

fn unknown_retentions(given: &Given<'_>) -> Vec<Finding> {
    if !given.is_whole {
        return Vec::new();
    }
    let known = given.index.retentions.keys().copied().collect();
    let used = all_layers(given.parts).filter_map(|layer| layer.retention.as_ref()?.name.as_ref());
    unknown("unknown-retention", "retention", used, &known)
}

fn unknown_schedules(given: &Given<'_>) -> Vec<Finding> {
    if !given.is_whole {
        return Vec::new();
    }
    let known = given.index.schedules.keys().copied().collect();
    let used = all_layers(given.parts)
        .flat_map(|layer| &layer.schedules)
        .filter_map(|usage| usage.name.as_ref());
    unknown("unknown-schedule", "schedule", used, &known)
}

fn unknown_servers(given: &Given<'_>) -> Vec<Finding> {
    if !given.is_whole {
        return Vec::new();
    }
    let known = given
        .parts
        .servers
        .iter()
        .map(|part| &part.name.value)
        .collect();
    let used = all_layers(given.parts).filter_map(|layer| layer.server.as_ref());
    let mut found = unknown("unknown-server", "server", used, &known);
    if known.is_empty() {
        for finding in &mut found {
            finding
                .help
                .push_str(", or take it out here: a lone server needs no name");
        }
    }
    found
}

/// Where there are several servers, each host says to which it belongs.
fn no_server(given: &Given<'_>) -> Vec<Finding> {
    let servers: Vec<&str> = given
        .parts
        .servers
        .iter()
        .map(|part| part.name.value.as_str())
        .collect();
    if !given.is_whole || servers.len() < 2 {
        return Vec::new();
    }
    let has = |layers: &[&Layer]| layers.iter().any(|layer| layer.server.is_some());
    let hosts = given.hosts().filter(|(_, layers)| !has(layers));
    hosts
        .map(|(host, _)| {
            let name = &host.name;
            let first = servers.first().copied().unwrap_or_default();
            let help = format!(
                "add `server=\"{first}\"` to it, or `server \"{first}\"` to a group of it or to `global`; there are {}",
                servers.join(", ")
            );
            let message = format!("host {} belongs to no server", name.value);
            Finding::error("no-server", name.at, message, "nothing says which one backs it up", help)
        })
        .collect()
}

fn no_address(given: &Given<'_>) -> Vec<Finding> {
    let has = |layers: &[&Layer]| layers.iter().any(|layer| layer.has_address);
    given
        .hosts()
        .filter(|(_, layers)| given.is_whole && !has(layers))
        .map(|(host, _)| {
            Finding::error(
                "no-address",
                host.name.at,
                format!("host {} has no address", host.name.value),
                "nothing says where it is",
                format!("add `address \"{}.example.net\"`, an IP address, or `address \"local\"` for this machine", host.name.value),
            )
        })
        .collect()
}

fn no_source(given: &Given<'_>) -> Vec<Finding> {
    // A reset takes away what stands before it, and may bring nothing.
    let has = |layers: &[&Layer]| {
        let parts = layers.iter().flat_map(|layer| &layer.sources);
        parts.fold(false, |has, part| (has && !part.reset) || part.written > 0)
    };
    given
        .hosts()
        .filter(|(_, layers)| given.is_whole && !has(layers))
        .map(|(host, _)| {
            Finding::error(
                "no-source",
                host.name.at,
                format!("host {} has nothing to back up", host.name.value),
                "neither it nor its groups name a source",
                "add `source \"/etc\" \"/home\"` to it or to a group of it",
            )
        })
        .collect()
}

fn renames(given: &Given<'_>) -> Vec<Finding> {
    if given.parts.hosts.iter().all(|host| host.was.is_none()) {
        return Vec::new();
    }
    let live: HashMap<CompactString, &Spanned<HostName>> = given
        .parts
        .hosts
        .iter()
        .map(|host| (host.name.value.folded(), &host.name))
        .collect();
    let mut seen: HashMap<CompactString, At> = HashMap::new();
    let mut found = Vec::new();
    for (name, was) in given
        .parts
        .hosts
        .iter()
        .filter_map(|host| Some((&host.name, host.was.as_ref()?)))
    {
        // A host may change the case of its own name.
        let other = live
            .get(&was.value.folded())
            .filter(|other| other.at != name.at || other.value == was.value);
        if let Some(other) = other {
            found.push(
                Finding::error(
                    "rename-of-a-host",
                    was.at,
                    format!("{} is still a host of its own", was.value),
                    "renamed from it here",
                    "take the old host out, or take `was` off",
                )
                .also(other.at, "defined here"),
            );
        }
        match seen.get(&was.value.folded()) {
            Some(at) => found.push(
                Finding::error(
                    "renamed-twice",
                    was.at,
                    format!("two hosts were {}", was.value),
                    "again here",
                    "only one of them can keep its snapshots",
                )
                .also(*at, "first here"),
            ),
            None => {
                seen.insert(was.value.folded(), was.at);
            }
        }
    }
    found
}

fn removed(given: &Given<'_>) -> Vec<Finding> {
    if given.parts.removed.is_empty() {
        return Vec::new();
    }
    let live: HashMap<CompactString, At> = given
        .parts
        .hosts
        .iter()
        .map(|host| (host.name.value.folded(), host.name.at))
        .collect();
    let renamed: HashMap<CompactString, At> = given
        .parts
        .hosts
        .iter()
        .filter_map(|host| host.was.as_ref())
        .map(|was| (was.value.folded(), was.at))
        .collect();
    let mut seen: HashMap<CompactString, At> = HashMap::new();
    let mut found = Vec::new();
    for part in &given.parts.removed {
        let name = &part.name;
        let there = live
            .get(&name.value.folded())
            .or_else(|| renamed.get(&name.value.folded()));
        if let Some(at) = there {
            found.push(
                Finding::error(
                    "removed-and-there",
                    name.at,
                    format!("{} is removed and there", name.value),
                    "said to be gone here",
                    "take out one of the two",
                )
                .also(*at, "and there here"),
            );
        }
        if let Some(first) = seen.insert(name.value.folded(), name.at) {
            found.push(
                Finding::error(
                    "removed-twice",
                    name.at,
                    format!("{} is removed twice", name.value),
                    "again here",
                    "take out one of the two",
                )
                .also(first, "first here"),
            );
        }
    }
    found
}

fn root_is_slash(given: &Given<'_>) -> Vec<Finding> {
    let roots = given
        .parts
        .globals
        .iter()
        .filter_map(|part| part.backup_root.as_ref());
    let of_servers = given.parts.servers.iter();
    let roots = roots.chain(of_servers.filter_map(|part| part.backup_root.as_ref()));
    roots
        .filter(|root| root.value.as_str() == "/")
        .map(|root| {
            Finding::error(
                "root-is-slash",
                root.at,
                "`/` cannot be the backup root",
                "the whole server",
                "name a folder of its own, on the disk that holds the backups: /mnt/backups/pobsync",
            )
        })
        .collect()
}

fn too_many_schedules(given: &Given<'_>) -> Vec<Finding> {
    const MOST: usize = 100;
    let of = |layers: &[&Layer]| -> usize { layers.iter().map(|l| l.schedules.len()).sum() };
    let hosts = given.hosts().filter(|(_, layers)| of(layers) > MOST);
    hosts
        .map(|(host, _)| {
            let name = &host.name;
            let message = format!("host {} has more than {MOST} schedules", name.value);
            Finding::error(
                "too-many-schedules",
                name.at,
                message,
                "",
                "one cron line can fire often: `0 */2 * * *`",
            )
        })
        .collect()
}

/// A small file can ask for very much: a long list in a group counts once for each host in it.
fn too_many_settings(given: &Given<'_>) -> Vec<Finding> {
    const MOST: usize = 1_000_000;
    let mut sum = 0_usize;
    for (host, layers) in given.hosts() {
        sum += layers.iter().map(|layer| items(layer)).sum::<usize>();
        if sum > MOST {
            let message =
                format!("all hosts together have more than {MOST} sources, excludes and hooks");
            let help = "shorten the lists of the groups; one pattern can stand for many";
            return vec![Finding::error(
                "too-many-settings",
                host.name.at,
                message,
                "counted up to here",
                help,
            )];
        }
    }
    Vec::new()
}

fn items(layer: &Layer) -> usize {
    let sources = layer.sources.iter().map(|part| part.items.len());
    let excludes = layer.excludes.iter().map(|part| part.items.len());
    let hooks = layer.hooks.iter().flat_map(|hooks| {
        [
            &hooks.before,
            &hooks.after,
            &hooks.remote_before,
            &hooks.remote_after,
        ]
    });
    let hooks = hooks.flatten().map(|part| part.items.len());
    sources.chain(excludes).chain(hooks).sum()
}

fn unused(given: &Given<'_>) -> Vec<Finding> {
    if !given.is_whole {
        return Vec::new();
    }
    let parts = given.parts;
    let groups: BTreeSet<&Label> = parts
        .hosts
        .iter()
        .flat_map(|host| &host.groups)
        .map(|name| &name.value)
        .collect();
    let retentions: BTreeSet<&Label> = all_layers(parts)
        .filter_map(|layer| Some(&layer.retention.as_ref()?.name.as_ref()?.value))
        .collect();
    let schedules: BTreeSet<&Label> = all_layers(parts)
        .flat_map(|layer| &layer.schedules)
        .filter_map(|usage| Some(&usage.name.as_ref()?.value))
        .collect();
    let tell = |kind: &str, name: &Spanned<Label>| {
        Finding::error(
            "unused",
            name.at,
            format!("{kind} {} is never used", name.value),
            "",
            "",
        )
        .as_warning()
    };
    let mut found: Vec<Finding> = Vec::new();
    found.extend(
        parts
            .groups
            .iter()
            .filter(|p| !groups.contains(&p.name.value))
            .map(|p| tell("group", &p.name)),
    );
    found.extend(
        parts
            .retentions
            .iter()
            .filter(|p| !retentions.contains(&p.name.value))
            .map(|p| tell("retention", &p.name)),
    );
    found.extend(
        parts
            .schedules
            .iter()
            .filter(|p| !schedules.contains(&p.name.value))
            .map(|p| tell("schedule", &p.name)),
    );
    found
}

/// The word most like `word`, if one is like it at all.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let best = known
        .map(|other| (strsim::jaro_winkler(word, other), other))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then_some(best.1)
}
