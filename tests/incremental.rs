//! The fast incremental: the same tree as `--link-dest` makes, and no older snapshot changed whatever a host does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "incremental/changes.rs"]
mod changes;
mod common;
#[path = "incremental/connections.rs"]
mod connections;
#[path = "incremental/places.rs"]
mod places;
#[path = "incremental/rig.rs"]
mod rig;
#[path = "incremental/sharing.rs"]
mod sharing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use changes::Changes;
use common::{Entry, assert_same_tree, build_tree, is_root, read_tree};
use rig::{Rig, shared};

#[test]
fn random_changes_come_to_the_same_tree_as_link_dest() {
    if is_root() {
        come_to_the_same(&Rig::new(), 12, false);
    }
}

#[test]
fn specials_come_to_the_same_tree_too() {
    if is_root() {
        come_to_the_same(&Rig::with("rsync { specials #true }"), 8, true);
    }
}

#[test]
fn this_machine_comes_to_the_same_tree_too() {
    if is_root() {
        come_to_the_same(&Rig::at("local", ""), 8, false);
    }
}

fn come_to_the_same(rig: &Rig, rounds: usize, has_specials: bool) {
    build_tree(&rig.source);
    let mut changes = Changes::new(1);
    for _ in 0..60 {
        changes.apply(&rig.source);
    }
    rig.both();
    for round in 0..rounds {
        for _ in 0..[0, 1, 5, 40][round % 4] {
            changes.apply(&rig.source);
        }
        let (fast, plain) = rig.both();
        let mut source = read_tree(&rig.source);
        source.retain(|_, entry| has_specials || entry.mode & 0o170_000 != 0o010_000);
        let pulled = read_tree(&rig.pulled(&fast));
        for name in source.keys().chain(pulled.keys()) {
            // Names that were links of one file and part with all they have stay links: rsync sees no difference.
            let alone = |tree: &BTreeMap<PathBuf, Entry>| {
                let entry = tree.get(name).cloned();
                entry.map(|entry| Entry {
                    linked_with: None,
                    ..entry
                })
            };
            let (on_host, here) = (alone(&source), alone(&pulled));
            assert_eq!(on_host, here, "round {round}: {}", name.display());
        }
        rig::assert_links_stay(&source, &source, &pulled);
        assert_same_tree(&rig.pulled(&plain), &rig.pulled(&fast));
        let shared = [("fast", &fast), ("plain", &plain)]
            .map(|(host, now)| shared(&rig.base_of(host, now), now));
        assert_eq!(
            shared[0], shared[1],
            "round {round}: files shared with the base"
        );
        assert_eq!(
            rig.meta("fast", &fast)["files"],
            rig.meta("plain", &plain)["files"]
        );
        for field in ["bytes", "skipped", "rsync_exit", "changed_percent"] {
            let of = |host, now| rig.meta(host, now)[field].clone();
            assert_eq!(
                of("fast", &fast),
                of("plain", &plain),
                "{field} in round {round}"
            );
        }
    }
    let ways = rig.ways();
    assert!(
        ways.iter().filter(|way| *way == "fast").count() >= rounds / 4,
        "{ways:?}"
    );
}

#[test]
fn whatever_changes_between_comparing_and_bringing_no_older_snapshot_does() {
    if !is_root() {
        return;
    }
    let rig = Rig::new();
    build_tree(&rig.source);
    let mut changes = Changes::new(2);
    for _ in 0..80 {
        changes.apply(&rig.source);
    }
    rig.backup("fast");
    let mut older = Vec::new();
    for round in 0..40 {
        for _ in 0..10 {
            changes.apply(&rig.source);
        }
        // Something always has to be brought.
        std::fs::write(rig.source.join(format!("new {round}")), "new").unwrap();
        let before = read_tree(&rig.source);
        let snapshots = rig.snapshots("fast");
        older.push(read_tree(snapshots.last().unwrap()));
        let (now, is_fast) = rig.backup_with(|| {
            for _ in 0..50 {
                changes.apply(&rig.source);
            }
        });
        let after = read_tree(&rig.source);
        for (path, tree) in snapshots.iter().zip(&older) {
            assert_eq!(&read_tree(path), tree, "round {round}: {}", path.display());
        }
        let pulled = read_tree(&rig.pulled(&now));
        rig::assert_each_is_of_some_moment(&before, &after, &pulled, is_fast);
    }
    let ways = rig.ways();
    eprintln!(
        "{} of {} went the fast way",
        ways.iter().filter(|w| *w == "fast").count(),
        ways.len()
    );
}

#[test]
fn what_is_no_longer_part_of_a_backup_is_not_linked_for_ever() {
    let rig = Rig::new();
    for path in ["kept/file", "kept/cache/x", "left/file"] {
        rig.file(path, path);
    }
    rig.backup("fast");
    let source = rig.source.display();
    rig.configure(
        "fast",
        &format!("source reset=#true \"{source}/kept\"; exclude \"cache\""),
    );
    let now = rig.backup("fast");
    let names: Vec<_> = read_tree(&rig.pulled(&now)).into_keys().collect();
    assert_eq!(names, ["", "kept", "kept/file"].map(PathBuf::from));
    assert_eq!(rig.meta("fast", &now)["incremental"], "fast");
}

#[test]
fn a_folder_that_becomes_a_file_is_pulled_by_rsync_alone_and_that_is_told() {
    let rig = Rig::new();
    rig.file("folder/file", "x");
    rig.file("other", "y");
    rig.backup("fast");
    std::fs::remove_dir_all(rig.source.join("folder")).unwrap();
    rig.file("folder", "now a file");
    let now = rig.backup("fast");
    assert_same_tree(&rig.source, &rig.pulled(&now));
    let meta = rig.meta("fast", &now);
    assert_eq!(meta["incremental"], "link-dest");
    assert!(meta["incremental_fallback"].is_string(), "{meta}");
    let log = std::fs::read_to_string(now.parent().unwrap().join("rsync.log")).unwrap();
    assert!(log.contains("begun anew with --link-dest"), "{log}");
    let trash = rig.program.root().join("fast/.trash");
    assert_eq!(std::fs::read_dir(trash).unwrap().count(), 0);
}

#[test]
fn folders_that_do_not_change_keep_all_they_have() {
    if !is_root() {
        return;
    }
    let rig = Rig::new();
    rig.file("folder/deep/file", "x");
    rig.file("other/file", "y");
    let folder = rig.source.join("folder");
    let made = std::process::Command::new("sh")
        .args(["-c", "setfacl -m u:daemon:rwx,g::r-x \"$1\" && setfacl -dm g:1001:r \"$1\" && \
             setfattr -n user.a -v b \"$1\" && chown 1000:1001 \"$1/deep\" && chmod 2551 \"$1/deep\" && \
             touch -d @1700000000.123456789 \"$1/deep\" \"$1\"", "sh"])
        .arg(&folder)
        .status();
    assert!(made.unwrap().success());
    let first = rig.backup("fast");
    assert_same_tree(&rig.source, &rig.pulled(&first));
    std::fs::write(rig.source.join("other/file"), "changed").unwrap();
    let second = rig.backup("fast");
    assert_same_tree(&rig.source, &rig.pulled(&second));
    assert_eq!(rig.meta("fast", &second)["incremental"], "fast");
}

#[test]
fn without_a_change_nothing_is_brought_and_everything_is_shared() {
    let rig = Rig::new();
    build_tree(&rig.source);
    let first = rig.backup("fast");
    let second = rig.backup("fast");
    assert_same_tree(&rig.source, &rig.pulled(&second));
    let files = |path: &Path| {
        read_tree(path)
            .values()
            .filter(|e| e.mode & 0o170_000 != 0o040_000)
            .count()
    };
    assert_eq!(shared(&first, &second).len(), files(&second));
    let meta = rig.meta("fast", &second);
    assert_eq!(meta["incremental"], "fast");
    assert_eq!(meta["rsync_exit"], 0);
    assert!(!second.parent().unwrap().join("names").exists());
}
