//! Files that commands write: new ones and their own, and never in the place of another file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use common::program::{Program, names_below};

const CONFIG: &str = "global { backup-root \"ROOT\" }\nhost \"web\" { address \"local\"; source \"/etc/hostname\"; retention { keep daily=2 } }\n";

fn program() -> Program {
    let program = Program::new();
    program.write("pobsync.kdl", CONFIG);
    program.ends(0, &["init"]);
    program
}

/// Every option that names a file, with the call it belongs to; the file's name goes at the end.
const WRITERS: [&[&str]; 5] = [
    &["plan", "--out"],
    &["plan", "--json-into"],
    &["plan", "--markdown-into"],
    &["plan", "--html-into"],
    &["inventory", "--out"],
];

#[test]
fn a_new_file_an_empty_one_and_its_own_are_written_for_their_owner_alone() {
    let program = program();
    for (i, writer) in WRITERS.iter().enumerate() {
        let file = format!("out-{i}");
        let path = program.path(&file);
        let call: Vec<&str> = writer.iter().copied().chain([file.as_str()]).collect();
        program.ends(0, &call);
        let first = std::fs::metadata(&path).unwrap();
        assert_eq!(first.permissions().mode() & 0o7777, 0o600, "{call:?}");
        program.ends(0, &call);
        assert_ne!(
            std::fs::metadata(&path).unwrap().ino(),
            first.ino(),
            "{call:?}"
        );
        std::fs::write(&path, "").unwrap();
        program.ends(0, &call);
        assert!(std::fs::metadata(&path).unwrap().len() > 0, "{call:?}");
    }
    let all = names_below(&program.path(""));
    assert!(!all.iter().any(|name| name.ends_with(".new")), "{all:?}");
}

#[test]
fn several_forms_are_written_by_one_call() {
    let program = program();
    let call = [
        "plan",
        "--out",
        "a",
        "--json-into",
        "b",
        "--markdown-into",
        "c",
        "--html-into",
        "d",
        "--format",
        "json",
    ];
    let printed = program.ends(0, &call).out;
    let read = |name: &str| std::fs::read_to_string(program.path(name)).unwrap();
    assert_eq!(read("b"), printed);
    assert!(read("a").contains("\"desired\"") && read("c").starts_with("<!-- pobsync:plan v=1 "));
    assert!(read("d").starts_with("<!DOCTYPE html><!-- pobsync:plan v=1 "));
    let shown = |format: &str| program.ends(0, &["show-plan", "a", "--format", format]).out;
    assert_eq!((shown("markdown"), shown("html")), (read("c"), read("d")));
}

#[test]
fn no_other_file_is_replaced() {
    let program = program();
    program.ends(0, &["apply", "--yes"]);
    program.plant("web", "scheduled", "20260101-000000Z__abcdef");
    let meta = "root/web/scheduled/20260101-000000Z__abcdef/meta.json";
    std::fs::write(program.path("passwd"), "root:x:0:0::/:/bin/sh\n").unwrap();
    std::fs::write(
        program.path("other.json"),
        "{\"format_version\":1,\"pobsync_version\":\"1\"}",
    )
    .unwrap();
    std::fs::write(program.path("page.html"), "<!DOCTYPE html><html></html>").unwrap();
    symlink("passwd", program.path("link")).unwrap();
    symlink("nowhere", program.path("dangling")).unwrap();
    std::fs::write(program.path("root/web/.lock"), "").unwrap();
    std::fs::write(program.path("state/pobsync.db-journal"), "").unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(program.path("pipe"))
        .status();
    assert!(made.unwrap().success());
    let cases = [
        ("pobsync.kdl", "stays as it is"),
        ("state/pobsync.db", "stays as it is"),
        (meta, "stays as it is"),
        ("passwd", "stays as it is"),
        ("other.json", "stays as it is"),
        ("page.html", "stays as it is"),
        ("link", "symbolic link"),
        ("dangling", "symbolic link"),
        ("root", "not a regular file"),
        ("pipe", "not a regular file"),
        ("/dev/null", "not a regular file"),
        ("root/web/.lock", "name of a lock"),
        ("state/pobsync.db-journal", "part of a database"),
    ];
    let look = |name: &str| {
        let path = program.path(name);
        let meta = path.symlink_metadata().unwrap();
        let text = meta.is_file().then(|| std::fs::read(&path).unwrap());
        (meta.ino(), meta.mode(), text)
    };
    for (name, why) in cases {
        for writer in WRITERS {
            let before = look(name);
            let call: Vec<&str> = writer.iter().copied().chain([name]).collect();
            let said = program.ends(64, &call);
            assert!(said.err.contains(why), "{call:?}: {}", said.err);
            assert!(said.out.is_empty(), "{call:?}: {}", said.out);
            assert_eq!(program.json(64, &call)["outcome"], "usage");
            assert_eq!(look(name), before, "{call:?}");
        }
    }
    // The kind of plan that a merge request reads is no saved plan, and an inventory is neither.
    program.ends(0, &["plan", "--markdown-into", "plan.md"]);
    program.ends(0, &["inventory", "--out", "inventory.json"]);
    program.ends(64, &["plan", "--out", "plan.md"]);
    program.ends(64, &["plan", "--out", "inventory.json"]);
    program.ends(64, &["retention", "web", "--out", "passwd"]);
    // Two outputs into one file would leave one of them.
    let twice = ["plan", "--out", "new.json", "--json-into", "./new.json"];
    assert!(program.ends(64, &twice).err.contains("named twice"));
    assert!(!program.path("new.json").exists());
}

#[test]
fn a_folder_that_is_not_there_is_said_before_anything_is_done() {
    let program = program();
    let said = program.ends(1, &["plan", "--out", "nowhere/plan.json"]);
    assert!(
        said.err.contains("cannot write nowhere/plan.json"),
        "{}",
        said.err
    );
    assert!(said.out.is_empty());
}

#[test]
fn init_does_not_write_through_a_dangling_link() {
    let program = Program::new();
    symlink("elsewhere.kdl", program.path("pobsync.kdl")).unwrap();
    let said = program.ends(1, &["init"]);
    assert!(said.err.contains("is there already"), "{}", said.err);
    assert!(!program.path("elsewhere.kdl").exists());
}
