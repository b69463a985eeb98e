//! The house rules: which room may name which, and that the core stays pure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The rooms in the order data flows; each may name those before it.
const ROOMS: [&str; 10] = [
    "core", "config", "store", "disk", "rsync", "courier", "render", "ops", "cli", "web",
];
/// Edges that never name each other.
const EDGES: [&str; 6] = ["config", "store", "disk", "rsync", "courier", "render"];
/// The parts of the core in their own order.
const CORE: [&str; 10] = [
    "model",
    "manifest",
    "usage",
    "schedule",
    "desired",
    "retention",
    "diff",
    "plan",
    "health",
    "notify",
];
/// What a pure room cannot name: clocks, files, processes, the network, threads, and the crates of the edges.
const IMPURE: [&str; 19] = [
    "std::fs",
    "std::io::Read",
    "std::net::Tcp",
    "std::net::Udp",
    "ToSocketAddrs",
    "std::process",
    "std::env",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
    "rusqlite",
    "mysql",
    "kdl",
    "clap",
    "rustix",
    "tokio",
    "Utc::now",
    "Local::now",
    "tracing",
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Every `crate::…` path of a file that is code, with its line; doc comments may point anywhere.
fn names(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (start, _) in code.match_indices("crate::") {
            let rest = &code[start + "crate::".len()..];
            let path = rest
                .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                .next()
                .unwrap_or_default();
            found.push((number + 1, path.split("::").map(str::to_owned).collect()));
        }
    }
    found
}

fn rank(order: &[&str], name: &str) -> Option<usize> {
    order.iter().position(|room| *room == name)
}

fn house() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 30, "the walk found the sources");
    files
        .into_iter()
        .map(|path| {
            (
                path.strip_prefix(&root).unwrap().to_owned(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

fn component(path: &Path, n: usize) -> Option<String> {
    Some(
        path.components()
            .nth(n)?
            .as_os_str()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_owned(),
    )
}

#[test]
fn every_room_names_only_rooms_before_it() {
    let mut wrong = Vec::new();
    for (path, text) in house() {
        let room = component(&path, 0).unwrap();
        let Some(own) = rank(&ROOMS, &room) else {
            continue;
        };
        for (line, name) in names(&text) {
            let Some(other) = rank(&ROOMS, &name[0]) else {
                continue;
            };
            let both_edges = EDGES.contains(&ROOMS[own]) && EDGES.contains(&ROOMS[other]);
            let is_serve = room == "cli" && name[0] == "web" && path.ends_with("serve.rs");
            if own != other && (other > own || both_edges) && !is_serve {
                wrong.push(format!(
                    "src/{}:{line}: {room} names {}",
                    path.display(),
                    name[0]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_parts_of_the_core_keep_their_order() {
    let mut wrong = Vec::new();
    for (path, text) in house()
        .into_iter()
        .filter(|(path, _)| path.starts_with("core"))
    {
        let Some(own) = component(&path, 1).and_then(|part| rank(&CORE, &part)) else {
            continue;
        };
        for (line, name) in names(&text)
            .into_iter()
            .filter(|(_, name)| name[0] == "core" && name.len() > 1)
        {
            // A cron line is checked where its type is made.
            let is_cron_check =
                path.ends_with("model/schedule.rs") && name.get(1).is_some_and(|n| n == "schedule");
            if rank(&CORE, &name[1]).is_some_and(|other| other > own) && !is_cron_check {
                wrong.push(format!(
                    "src/{}:{line}: {} names {}",
                    path.display(),
                    CORE[own],
                    name[1]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_is_pure() {
    let mut wrong = Vec::new();
    for (path, text) in house()
        .into_iter()
        .filter(|(path, _)| path.starts_with("core"))
    {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for impure in IMPURE {
                let is_word = code.match_indices(impure).any(|(at, _)| {
                    let before = code[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"' || c == '.')
                        && (impure.contains("::") || code[at + impure.len()..].starts_with("::"))
                });
                if is_word {
                    wrong.push(format!("src/{}:{}: {impure}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_store_speaks_sql_and_only_the_configuration_speaks_kdl() {
    let mut wrong = Vec::new();
    for (path, text) in house() {
        let room = component(&path, 0).unwrap();
        for (word, owner) in [
            ("rusqlite::", "store"),
            ("refinery::", "store"),
            ("mysql::", "store"),
            ("kdl::", "config"),
            ("clap::", "cli"),
        ] {
            if room != owner
                && text
                    .lines()
                    .any(|l| l.split("//").next().unwrap_or_default().contains(word))
            {
                wrong.push(format!("src/{} names {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
