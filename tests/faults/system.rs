//! System calls that fail: no descriptors, no processes, and disks that cannot write what they took.

use std::os::unix::fs::MetadataExt as _;

use crate::common::assert_same_tree;
use crate::common::program::{Program, Said, names_below};
use crate::disks::Mount;
use crate::rig::Rig;

/// Runs a backup in which the n-th `call` of the program's main thread fails with `error`; nothing if there is none.
fn injected(rig: &Rig, call: &str, error: &str, n: usize) -> Option<Said> {
    let log = rig.program.path("calls");
    let inject = format!("inject={call}:error={error}:when={n}");
    let trace = format!("trace={call}");
    let strace = [
        "strace",
        "-qq",
        "-o",
        log.to_str().unwrap(),
        "-e",
        &trace,
        "-e",
        &inject,
    ];
    let said = rig.program.run_under(&strace, &["backup", "web"]);
    let when = format!("{call} {n} {error}: exit {}", said.code);
    eprintln!(
        "seen: {when} | {}",
        said.err.lines().next().unwrap_or_default()
    );
    assert!(!said.err.contains("panicked"), "{when}: {}", said.err);
    assert!(matches!(said.code, 0 | 1 | 69), "{when}: {}", said.err);
    let calls = std::fs::read_to_string(log).unwrap();
    calls.contains("(INJECTED)").then_some(said)
}

/// What is visible is whole, and no row says anything else of it; the next backup mends the rest.
fn check(rig: &Rig, when: &str) {
    let rows = rig.program.json(0, &["snapshots", "--all"]);
    let rows = rows.as_array().unwrap();
    let visible = rig.program.visible("web", "manual");
    for name in &visible {
        assert_same_tree(&rig.source, &rig.tree(name));
    }
    for row in rows {
        let name = row["name"].as_str().unwrap();
        let is_visible = visible.iter().any(|v| v == name);
        match row["status"].as_str().unwrap() {
            "complete" => assert!(is_visible, "{when}: {row}"),
            // The database could not be told: `running`, without a run.
            "running" => {}
            status => assert!(!is_visible, "{when}: {status} {row}"),
        }
    }
    rig.check_let_go();
}

#[test]
fn no_call_that_fails_on_a_bad_disk_makes_a_row_that_lies_or_a_snapshot_that_is_half() {
    let rig = Rig::local();
    // Both that stay are of the source as it is now.
    for _ in 0..2 {
        rig.program.ends(0, &["backup", "web", "--prune"]);
    }
    let mut failures = 0;
    let all = [
        "fsync",
        "syncfs",
        "fdatasync",
        "renameat2",
        "renameat",
        "mkdirat",
        "ftruncate",
        "pwrite64",
    ];
    let of_a_full_disk = ["mkdirat", "pwrite64"];
    let of_a_bad_disk = all.map(|call| (call, "EIO"));
    let faults = of_a_bad_disk.into_iter();
    for (call, error) in faults.chain(of_a_full_disk.map(|call| (call, "ENOSPC"))) {
        // The first ones one by one: those around the publish are among them.
        for n in (1..=14).chain([24, 44, 72]) {
            let Some(said) = injected(&rig, call, error, n) else {
                break;
            };
            let when = format!("{call} {n} {error}: exit {}", said.code);
            check(&rig, &when);
            failures += 1;
            rig.program.ends(0, &["backup", "web", "--prune"]);
            check(&rig, &format!("after {when}"));
            let left = names_below(&rig.program.root().join("web/.incomplete/manual"));
            assert_eq!(left, Vec::<String>::new(), "{when}");
        }
    }
    eprintln!("seen: {failures} failures");
    assert!(failures > 20);
    rig.recovers();
}

#[test]
fn without_processes_threads_or_pipes_a_backup_fails_and_leaves_nothing_at_work() {
    let mut rig = Rig::local();
    for (call, error) in [
        ("clone3", "EAGAIN"),
        ("clone3", "ENOMEM"),
        ("pipe2", "EMFILE"),
        ("pidfd_open", "EMFILE"),
        ("ppoll", "ENOMEM"),
    ] {
        for n in 1..8 {
            let Some(said) = injected(&rig, call, error, n) else {
                break;
            };
            // The very last ones may be of what is no longer needed.
            rig.check_let_go();
            if said.code != 0 {
                rig.check_untouched();
            }
        }
        rig.settle();
    }
}

#[test]
fn with_few_descriptors_a_backup_works_or_fails_and_leaves_nothing_half() {
    let mut rig = Rig::local();
    let mut ends = Vec::new();
    for limit in 5..64 {
        let limit = format!("--nofile={limit}:{limit}");
        let said = rig
            .program
            .run_under(&["prlimit", &limit], &["backup", "web"]);
        assert!(!said.err.contains("panicked"), "{limit}: {}", said.err);
        ends.push(said.code);
        if said.code == 0 {
            break;
        }
        rig.check_untouched();
    }
    eprintln!("seen: exits {ends:?}");
    assert!(ends.len() > 3 && ends.ends_with(&[0]), "{ends:?}");
    rig.settle();
}

/// ext4 takes 65,000 links to a file. rsync copies it then, ends with 0 and says nothing; no harm is done, since the next
/// pull is linked against the copy.
#[test]
fn a_file_that_can_take_no_more_links_is_copied_once() {
    let program = Program::new();
    let image = program.path("image");
    let Some(_mount) = Mount::ext4(&program.root(), &image, 64 << 20, "rw") else {
        return;
    };
    let rig = Rig::prepared(program, "address \"local\"", "");
    let base = rig.program.visible("web", "manual").pop().unwrap();
    let full = rig.tree(&base).join("stays");
    let links = rig.program.root().join("links");
    std::fs::create_dir(&links).unwrap();
    let is_linked = |n: &u32| std::fs::hard_link(&full, links.join(n.to_string())).is_ok();
    assert_eq!((0..).take_while(is_linked).count(), 64_999);

    rig.program.ends(0, &["backup", "web"]);
    let copy = rig.program.visible("web", "manual").pop().unwrap();
    assert_same_tree(&rig.source, &rig.tree(&copy));
    assert_eq!(rig.tree(&copy).join("stays").metadata().unwrap().nlink(), 1);
    rig.recovers();
    assert_eq!(rig.tree(&copy).join("stays").metadata().unwrap().nlink(), 2);
}
