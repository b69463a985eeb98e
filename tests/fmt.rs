//! `fmt` as a user runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use common::program::{Program, names_below};

const ROOT: &str = "global {backup-root \"/mnt/b\"} // where\ninclude \"hosts/*.kdl\"";
const HOST: &str = "host \"web\" {\n  address \"local\" // here\n}\n";
const HOST_LAID_OUT: &str = "host \"web\" {\n    address \"local\" // here\n}\n";

fn text(program: &Program, name: &str) -> String {
    std::fs::read_to_string(program.path(name)).unwrap()
}

#[test]
fn a_check_shows_what_would_change_and_writes_nothing() {
    let program = Program::new();
    program.write("pobsync.kdl", ROOT);
    program.write("hosts/web.kdl", HOST);
    program.write("hosts/ok.kdl", "host \"ok\"\n");
    let said = program.ends(1, &["fmt", "pobsync.kdl", "--check"]);
    assert_eq!(
        said.out,
        "--- pobsync.kdl\n+++ pobsync.kdl (laid out)\n@@ -1,2 +1,2 @@\n\
         -global {backup-root \"/mnt/b\"} // where\n\
         -include \"hosts/*.kdl\"\n\\ No newline at end of file\n\
         +global { backup-root \"/mnt/b\" } // where\n+include \"hosts/*.kdl\"\n\
         --- hosts/web.kdl\n+++ hosts/web.kdl (laid out)\n@@ -1,3 +1,3 @@\n \
         host \"web\" {\n-  address \"local\" // here\n+    address \"local\" // here\n }\n"
    );
    assert!(said.err.contains("2 of 3 files"), "{}", said.err);
    let json = program.json(1, &["fmt", "--check"]);
    let changed: Vec<bool> = json["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["changed"].as_bool().unwrap())
        .collect();
    assert_eq!(
        (json["outcome"].as_str(), changed),
        (Some("failed"), vec![true, false, true])
    );
    assert_eq!(
        (
            text(&program, "pobsync.kdl").as_str(),
            text(&program, "hosts/web.kdl").as_str()
        ),
        (ROOT, HOST)
    );
}

#[test]
fn files_and_includes_are_laid_out_where_links_lead() {
    let program = Program::new();
    program.write("pobsync.kdl", ROOT);
    let shared = program.write("shared/web.kdl", HOST);
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o604)).unwrap();
    std::fs::create_dir(program.path("hosts")).unwrap();
    let link = program.path("hosts/web.kdl");
    std::os::unix::fs::symlink("../shared/web.kdl", &link).unwrap();

    let said = program.ends(0, &["fmt", "pobsync.kdl", "--no-includes"]);
    assert_eq!(said.out, "pobsync.kdl\n");
    assert_eq!(text(&program, "shared/web.kdl"), HOST);
    let said = program.ends(0, &["fmt", "pobsync.kdl"]);
    assert_eq!(said.out, "shared/web.kdl\n");
    assert_eq!(text(&program, "shared/web.kdl"), HOST_LAID_OUT);
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(
        shared.metadata().unwrap().permissions().mode() & 0o7777,
        0o604
    );
    assert_eq!(names_below(&program.path("shared")), ["web.kdl"]);
    assert_eq!(program.ends(0, &["fmt", "--check"]).out, "");
}

#[test]
fn one_file_that_does_not_parse_and_none_is_touched() {
    let program = Program::new();
    program.write("pobsync.kdl", ROOT);
    program.write("hosts/a.kdl", "host \"a {\n");
    program.write("hosts/web.kdl", HOST);
    // A link that leads elsewhere is told of by `validate`; what it leads to is not ours to lay out.
    std::os::unix::fs::symlink("/etc/hostname", program.path("elsewhere.kdl")).unwrap();
    for args in [&["fmt"][..], &["fmt", "--check"]] {
        let said = program.ends(65, args);
        assert!(
            said.err.contains("hosts/a.kdl:1: this text is not closed"),
            "{}",
            said.err
        );
        assert_eq!(said.out, "");
    }
    assert_eq!(text(&program, "hosts/web.kdl"), HOST);
    program.write(
        "hosts/a.kdl",
        "include \"elsewhere.kdl\"\nhost 1 // not valid\n",
    );
    assert_eq!(program.ends(0, &["fmt", "-q"]).out.lines().count(), 2);
    assert_eq!(text(&program, "hosts/web.kdl"), HOST_LAID_OUT);
}

#[test]
fn stdin_is_laid_out_to_stdout() {
    let program = Program::new();
    let fmt = |text: &[u8], args: &[&str]| {
        let mut child = program
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text).unwrap();
        let done = child.wait_with_output().unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap())
    };
    assert_eq!(
        fmt(HOST.as_bytes(), &["fmt", "-"]),
        (Some(0), HOST_LAID_OUT.to_owned())
    );
    assert_eq!(
        fmt(HOST_LAID_OUT.as_bytes(), &["fmt", "-", "--check"]),
        (Some(0), String::new())
    );
    assert_eq!(fmt(HOST.as_bytes(), &["fmt", "-", "--check"]).0, Some(1));
    assert_eq!(fmt(b"a \xff", &["fmt", "-"]), (Some(65), String::new()));
    assert_eq!(
        fmt(&vec![b' '; (4 << 20) + 1], &["fmt", "-"]),
        (Some(65), String::new())
    );
}
