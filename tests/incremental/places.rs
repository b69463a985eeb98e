//! Where trees lie: on several file systems, at the root of a machine, on a disk that takes no more links.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{assert_same_tree, is_root};
use crate::rig::{Rig, shared};

/// More links than ext4 takes.
const LINKS: usize = 65_100;

#[test]
fn a_file_that_takes_no_more_links_is_copied() {
    let rig = Rig::new();
    rig.file("file", "linked by very many");
    rig.file("other", "not");
    let first = rig.backup("fast");
    let file = rig.pulled(&first).join("file");
    let many = rig.program.root().join("many");
    std::fs::create_dir(&many).unwrap();
    let is_full = (0..LINKS).any(|n| std::fs::hard_link(&file, many.join(n.to_string())).is_err());
    if !is_full {
        eprintln!("skipped: this file system takes more links");
        return;
    }
    let before = std::fs::metadata(&file).unwrap();
    let now = rig.backup("fast");
    assert_same_tree(&rig.source, &rig.pulled(&now));
    let meta = rig.meta("fast", &now);
    let why = meta["incremental_fallback"].as_str().unwrap();
    assert!(why.contains("Too many links"), "{why}");
    let after = std::fs::metadata(&file).unwrap();
    assert_eq!(
        (before.ino(), before.nlink(), before.mtime()),
        (after.ino(), after.nlink(), after.mtime())
    );
    // The copy takes links again.
    let next = rig.backup("fast");
    assert_eq!(rig.meta("fast", &next)["incremental"], "fast");
    assert_eq!(shared(&now, &next).len(), 2);
}

struct Mounted(PathBuf);

impl Mounted {
    fn at(path: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let mut mount = Command::new("mount");
        let done = mount
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(&path)
            .status();
        if !done.unwrap().success() {
            eprintln!("skipped: nothing can be mounted here");
            return None;
        }
        Some(Self(path))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn other_file_systems_are_left_out_and_what_lay_under_them_is_not_linked() {
    if !is_root() {
        return;
    }
    let rig = Rig::with("rsync { one-file-system #true }");
    rig.file("folder/file", "of the disk");
    rig.file("mounted/inside/file", "under it");
    rig.both();
    let Some(mounted) = Mounted::at(rig.source.join("mounted")) else {
        return;
    };
    rig.file("mounted/other", "of another file system");
    for n in 0..3 {
        rig.file("folder/new", &"n".repeat(n));
        let (fast, plain) = rig.both();
        assert_same_tree(&rig.pulled(&plain), &rig.pulled(&fast));
        let names = std::fs::read_dir(rig.pulled(&fast).join("mounted")).unwrap();
        assert_eq!(names.count(), 0);
        assert_eq!(rig.meta("fast", &fast)["incremental"], "fast");
    }
    drop(mounted);
    let (fast, plain) = rig.both();
    assert_same_tree(&rig.pulled(&plain), &rig.pulled(&fast));
    assert_same_tree(&rig.source, &rig.pulled(&fast));
}

#[test]
fn the_root_of_a_machine_comes_to_the_same_tree() {
    if !is_root() {
        return;
    }
    for address in ["127.0.0.1", "local"] {
        let rig = Rig::at(address, "");
        let only = format!("source reset=#true \"/\"; {}", all_but(&rig.source));
        rig.configure_both(&only);
        rig.file("folder/file", "x");
        rig.file("folder/cache/left out", "x");
        rig.file("[odd] *name?", "x");
        rig.both();
        rig.file("folder/file", "changed");
        rig.file("folder/more/file", "new");
        std::fs::remove_file(rig.source.join("[odd] *name?")).unwrap();
        let (fast, plain) = rig.both();
        assert_same_tree(&rig.pulled(&plain), &rig.pulled(&fast));
        assert!(!rig.pulled(&fast).join("folder/cache").exists());
        assert_eq!(
            std::fs::read(rig.pulled(&fast).join("folder/file")).unwrap(),
            b"changed"
        );
        let meta = rig.meta("fast", &fast);
        assert_eq!(meta["incremental"], "fast", "{address}: {meta}");
    }
}

/// Excludes of all but the way to `path`, whatever lies beside it and comes or goes meanwhile; and of every `cache`.
fn all_but(path: &Path) -> String {
    let mut excludes = vec!["cache".to_owned()];
    let mut above = String::new();
    for name in path.iter().skip(1).map(|name| name.to_str().unwrap()) {
        for (at, c) in name.char_indices() {
            let start = &name[..at];
            excludes.push(format!("{above}/{start}[!{c}]*"));
            excludes.push(format!("{above}/{start}"));
        }
        excludes.push(format!("{above}/{name}?*"));
        above = format!("{above}/{name}");
    }
    let words: Vec<_> = excludes
        .iter()
        .filter(|pattern| !pattern.ends_with('/'))
        .map(|pattern| format!("\"{pattern}\""))
        .collect();
    format!("exclude {}", words.join(" "))
}
