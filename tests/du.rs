//! What `du` and plans say is freed, and what a file system then has more, to the block.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::program::Program;
use common::{build_tree, is_root};
use serde_json::Value;

/// A file system of its own for the root.
struct Loop {
    at: PathBuf,
}

impl Loop {
    /// Nothing, with a word, where that is not allowed.
    fn new(program: &Program) -> Option<Self> {
        let image = program.path("image");
        let file = std::fs::File::create(&image).unwrap();
        file.set_len(256 << 20).unwrap();
        let at = program.root();
        std::fs::create_dir(&at).unwrap();
        let made = run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
        let mounted = made
            && run(
                "mount",
                &["-o", "loop", image.to_str().unwrap(), at.to_str().unwrap()],
            );
        if !mounted {
            eprintln!("skipped: no loop device can be mounted here");
            return None;
        }
        Some(Self { at })
    }

    /// Bytes that are free once everything is on the disk.
    fn free(&self) -> u64 {
        assert!(run("sync", &["-f", self.at.to_str().unwrap()]));
        let stat = rustix::fs::statvfs(&self.at).unwrap();
        stat.f_bfree * stat.f_frsize
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        run("umount", &["-l", self.at.to_str().unwrap()]);
    }
}

fn run(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .output()
        .is_ok_and(|output| output.status.success())
}

fn configure(program: &Program, source: &Path, keep: u32) {
    let text = format!(
        "global {{ backup-root \"ROOT\" }}\n\
         host \"web\" {{ address \"local\"; source \"{}\"; retention {{ keep last={keep}; kinds \"manual\" }} }}",
        source.display()
    );
    program.write("pobsync.kdl", &text);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
}

fn du(program: &Program, more: &[&str]) -> Value {
    du_ending(program, 0, more)
}

fn du_ending(program: &Program, code: i32, more: &[&str]) -> Value {
    let args: Vec<&str> = ["du", "web"].iter().chain(more).copied().collect();
    let told = program.json(code, &args);
    let schema = include_str!("../schema/du.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    if let Err(error) = schema.validate(&told) {
        panic!("{error}: {told:#}");
    }
    told
}

/// The names of the snapshots as they are listed.
fn in_order(usage: &Value) -> Vec<&str> {
    let all = usage["snapshots"].as_array().unwrap().iter();
    all.map(|told| told["snapshot"].as_str().unwrap()).collect()
}

fn write(path: &Path, size: usize, with: u8) {
    std::fs::write(path, vec![with; size]).unwrap();
}

/// A host that changes between seven backups in every way that shares or frees: files that come, change, go and come
/// again, hard links, sparse files, attributes, directories that grow.
fn seven_backups(program: &Program) -> PathBuf {
    let source = program.path("source");
    std::fs::create_dir_all(source.join("many")).unwrap();
    build_tree(&source.join("odd"));
    write(&source.join("always"), 300_000, 1);
    write(&source.join("comes and goes"), 70_000, 2);
    configure(program, &source, 7);
    for n in 0..7_u8 {
        // Not zeros, which rsync would make sparse.
        write(
            &source.join("each time another"),
            50_000 + usize::from(n),
            n + 1,
        );
        write(&source.join(format!("from {n} on")), 10_000, n);
        if n == 2 {
            std::fs::remove_file(source.join("comes and goes")).unwrap();
            std::fs::hard_link(source.join("always"), source.join("always too")).unwrap();
        }
        if n == 4 {
            write(&source.join("comes and goes"), 70_000, 2);
            std::fs::remove_file(source.join("from 1 on")).unwrap();
        }
        for file in 0..40 * usize::from(n) {
            write(&source.join(format!("many/{n}-{file:0100}")), 3, n);
        }
        program.ends(0, &["backup", "web"]);
    }
    source
}

#[test]
fn a_prune_frees_what_du_and_the_plan_say_to_the_block() {
    if !is_root() {
        return;
    }
    let program = Program::new();
    let Some(disk) = Loop::new(&program) else {
        return;
    };
    let source = seven_backups(&program);
    let names = program.visible("web", "manual");

    // What each backup has measured, what is measured anew and what is measured without a database are the same.
    let usage = du(&program, &[]);
    assert_eq!(usage["is_now"], true);
    assert_eq!(usage["elsewhere_bytes"], 0);
    let anew = du(&program, &["--anew"]);
    assert_eq!(usage["snapshots"], anew["snapshots"]);
    let below = du(&program, &["--root", program.root().to_str().unwrap()]);
    assert_eq!(usage["snapshots"], below["snapshots"]);

    // Not neighbours: the third is held.
    program.ends(0, &["hold", "web", &names[2], "--reason", "kept"]);
    configure(&program, &source, 3);
    let plan = program.json(0, &["plan"]);
    let totals = &plan["retention"][0]["totals"];
    assert_eq!(totals["delete"], 3);
    assert_eq!(totals["frees"]["exact"], true);
    let asked = du(&program, &[&names[0], &names[1], &names[3]]);
    assert_eq!(asked["frees"], totals["frees"]);
    let said = program.ends(0, &["plan"]);
    assert!(said.out.contains("Frees "), "{}", said.out);
    assert!(!said.out.contains("at most"), "{}", said.out);

    let one = program.json(0, &["retention", "web"]);
    assert_eq!(one["totals"]["frees"], totals["frees"]);
    let said = program.ends(0, &["retention", "web"]);
    assert!(said.out.contains("4 stay, 3 go; frees "), "{}", said.out);
    assert!(!said.out.contains("at most"), "{}", said.out);

    let before = disk.free();
    let told = program.json(
        0,
        &["retention", "web", "--apply", "--yes", "--max-delete", "9"],
    );
    assert_eq!(program.visible("web", "manual").len(), 4);
    let freed = disk.free() - before;
    assert_eq!(Value::from(freed), totals["frees"]["bytes"]);
    assert_eq!(told["pruned"]["freed_bytes"], totals["frees"]["bytes"]);

    // The ledger goes on from there.
    program.ends(0, &["backup", "web"]);
    let usage = du(&program, &[]);
    assert_eq!(usage["snapshots"], du(&program, &["--anew"])["snapshots"]);
    assert_eq!(usage["snapshots"].as_array().unwrap().len(), 5);
}

#[test]
fn what_is_linked_from_elsewhere_is_not_freed_and_the_unmeasured_is_not_promised() {
    if !is_root() {
        return;
    }
    let program = Program::new();
    let source = seven_backups(&program);
    let names = program.visible("web", "manual");
    let below = source.strip_prefix("/").unwrap();
    let file = program
        .data("web", "manual", &names[0])
        .join(below)
        .join("each time another");
    let alone = |usage: &Value| usage["snapshots"][0]["alone_bytes"].as_u64().unwrap();
    let usage = du(&program, &[]);
    assert_eq!(in_order(&usage), names);
    let before = alone(&usage);
    std::fs::hard_link(&file, program.root().join("web/kept")).unwrap();
    let usage = du(&program, &["--anew"]);
    assert!(
        usage["elsewhere_bytes"].as_u64().unwrap() >= 50_000,
        "{usage:#}"
    );
    assert!(alone(&usage) + 50_000 <= before);

    // A ledger that was damaged is none.
    std::fs::write(
        program.root().join("web/.usage"),
        "pobsync-usage 1\nrubbish",
    )
    .unwrap();
    assert_eq!(du(&program, &[])["snapshots"], usage["snapshots"]);

    // Without any measure a plan says the most that it could be.
    for name in ["web/.usage", "web/kept"] {
        std::fs::remove_file(program.root().join(name)).unwrap();
    }
    let below = du(&program, &["--root", program.root().to_str().unwrap()]);
    assert_eq!(in_order(&below), names);
    std::fs::remove_dir_all(program.path("state")).unwrap();
    configure(&program, &source, 2);
    program.ends(0, &["adopt-root", "--yes"]);
    // The ledger beside the snapshots was lost too.
    let ledger = program.root().join("web/.usage");
    std::fs::remove_file(&ledger).unwrap_or_default();
    program.ends(0, &["discover-snapshots"]);
    let said = program.ends(0, &["plan"]);
    assert!(said.out.contains("Frees at most about "), "{}", said.out);
    // Only the database was lost: what was measured is found beside them.
    let told = du(&program, &[]);
    assert!(ledger.exists());
    std::fs::remove_dir_all(program.path("state")).unwrap();
    configure(&program, &source, 2);
    program.ends(0, &["adopt-root", "--yes"]);
    program.ends(0, &["discover-snapshots"]);
    let plan = program.json(0, &["plan"]);
    let frees = &plan["retention"][0]["totals"]["frees"];
    assert_eq!(frees["exact"], true, "{plan:#}");
    assert_eq!(du(&program, &[])["snapshots"], told["snapshots"]);
    program.ends(64, &["du", "web", "20200101-000000Z__aaaaaa"]);
    program.ends(64, &["du", "nobody"]);
}

#[test]
fn what_cannot_be_looked_at_is_left_out_and_told_and_nothing_more_is_promised() {
    if !is_root() {
        return;
    }
    let program = Program::new();
    let source = seven_backups(&program);
    let names = program.visible("web", "manual");
    let whole = du(&program, &[]);
    assert_eq!(whole["left_out"], serde_json::json!([]));

    // A file system over the tree of one, a link in the place of the tree of another, and no directory of a kind.
    let hidden = program.data("web", "manual", &names[1]);
    let args = ["-t", "tmpfs", "none", hidden.to_str().unwrap()];
    if !run("mount", &args) {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    let planted = program
        .root()
        .join("web/manual/20200101-000000Z__aaaaaa/data");
    std::fs::create_dir_all(planted.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/etc", &planted).unwrap();
    std::fs::create_dir_all(program.root().join("web/.incomplete")).unwrap();
    let kind = program.root().join("web/.incomplete/scheduled");
    std::os::unix::fs::symlink("/etc", &kind).unwrap();
    let ledger = std::fs::read(program.root().join("web/.usage")).unwrap();
    let told = du_ending(&program, 13, &[]);
    let anew = du_ending(&program, 13, &["--anew"]);
    let below = du_ending(&program, 13, &["--root", program.root().to_str().unwrap()]);
    assert!(run("umount", &[hidden.to_str().unwrap()]));

    let left_out = told["left_out"].as_array().unwrap();
    let said = |name: &str| {
        let mut all = left_out.iter();
        all.any(|out| out["why"].as_str().unwrap().contains(name))
    };
    assert_eq!(left_out.len(), 3, "{told:#}");
    assert!(said(&names[1]) && said("aaaaaa/data") && said(".incomplete/scheduled"));
    for other in [&anew, &below] {
        assert_eq!(other["left_out"], told["left_out"]);
        assert_eq!(other["snapshots"], told["snapshots"]);
    }
    for (was, is) in whole["snapshots"]
        .as_array()
        .unwrap()
        .iter()
        .zip(&told["snapshots"].as_array().unwrap()[1..])
    {
        assert_eq!(was["snapshot"], is["snapshot"]);
        assert_eq!(is["is_whole"], is["snapshot"] != names[1].as_str());
        for sum in ["held_bytes", "alone_bytes", "up_to_here_bytes"] {
            let (was, is) = (was[sum].as_u64().unwrap(), is[sum].as_u64().unwrap());
            // The planted one lies before all others and takes a directory.
            assert!(is <= was + 8192, "{sum}: {is} of {was}");
        }
    }
    // What was known before goes on once everything can be looked at.
    let now = std::fs::read(program.root().join("web/.usage")).unwrap();
    assert!(now == ledger);
    configure(&program, &source, 2);
    std::fs::remove_dir_all(planted.parent().unwrap()).unwrap();
    std::fs::remove_file(kind).unwrap();
    let plan = program.json(0, &["plan"]);
    let frees = &plan["retention"][0]["totals"]["frees"];
    assert_eq!(frees["exact"], false, "{plan:#}");
    let said = program.ends(0, &["plan"]);
    assert!(said.out.contains("Frees at least "), "{}", said.out);
    assert_eq!(du(&program, &[])["snapshots"], whole["snapshots"]);
    let plan = program.json(0, &["plan"]);
    assert_eq!(plan["retention"][0]["totals"]["frees"]["exact"], true);
}
