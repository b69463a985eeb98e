//! What bad input gets: a clear error, exit 65, and nothing changed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::program::{Program, names_below};
use common::{Sshd, is_root};

const GOOD: &str = "global { backup-root \"ROOT\" }\nhost \"web\" { address \"local\"; source \"/etc/hostname\" }\n";

/// A file that is wrong, and a piece of what is said about it.
fn bad_files() -> Vec<(Vec<u8>, &'static str)> {
    let host =
        |inner: &str| format!("host \"a\" {{ address \"a\"; source \"/\"; {inner} }}").into_bytes();
    vec![
        (host("nonsense 1"), "`nonsense` is not known in `host`"),
        (
            b"host \"a\" { source \"/\" }".to_vec(),
            "host a has no address",
        ),
        (
            [host(""), b"\n".to_vec(), host("")].concat(),
            "host a is defined twice",
        ),
        (host("source \"etc\""), "it must begin with `/`"),
        (host("source \"/a/../b\""), "`.` or `..`"),
        (
            b"host \"-oProxyCommand=x\" { address \"a\"; source \"/\" }".to_vec(),
            "it must not begin with `-`",
        ),
        (
            b"host \"a\" { address \"a\\nb\"; source \"/\" }".to_vec(),
            "a\\nb is not an IP address or a DNS name",
        ),
        (host("schedule cron=\"0 0 31 2 *\""), "it never fires"),
        (host("retention { keep daily=0 }"), "keeps nothing"),
        (
            b"global { backup-root \"/\" }".to_vec(),
            "`/` cannot be the backup root",
        ),
        (b"include \"pobsync.kdl\"".to_vec(), "includes itself"),
        (
            b"include \"../other.kdl\"".to_vec(),
            "stays below the folder",
        ),
        (vec![b'\n'; 5 << 20], "larger than 4 MiB"),
        ("a {\n".repeat(17).into_bytes(), "nested more than 16 deep"),
        ("a /-{\n".repeat(16).into_bytes(), "commented out by `/-`"),
        (b"host \"\xff\"".to_vec(), "not UTF-8: byte 6"),
        (host("enabled true"), "KDL 2 writes `#true`"),
    ]
}

#[test]
fn every_bad_file_is_refused_by_every_command_and_changes_nothing() {
    let program = Program::new();
    program.write("pobsync.kdl", GOOD);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    for (text, why) in bad_files() {
        std::fs::write(program.path("pobsync.kdl"), &text).unwrap();
        for args in [&["validate"][..], &["plan"], &["apply", "--yes", "--prune"]] {
            let said = program.ends(65, args);
            assert!(said.err.contains(why), "{why}:\n{}", said.err);
            assert!(said.out.is_empty(), "{}", said.out);
            let json = program.json(65, args);
            assert_eq!(json["outcome"], "invalid");
            assert!(!json["findings"].as_array().unwrap().is_empty());
        }
    }
    program.write("pobsync.kdl", GOOD);
    let plan = program.json(0, &["plan", "--detailed-exitcode"]);
    assert_eq!(
        (&plan["serial"], &plan["outcome"]),
        (&1.into(), &"no-changes".into())
    );
}

#[test]
fn words_of_the_command_line_are_checked_like_those_of_the_file() {
    let program = Program::new();
    program.ends(
        0,
        &[
            "configure-global",
            "--backup-root",
            program.root().to_str().unwrap(),
        ],
    );
    for args in [
        &["configure-host", "-oProxyCommand=x", "--address", "a"][..],
        &["configure-host", "a", "--address", "-oProxyCommand=x"],
        &["configure-host", "a", "--address", "a/b:c"],
        &["configure-host", "a", "--address", "a", "--source", "etc"],
        &["configure-host", "a", "--address", "a", "--user", "-l"],
        &["backup", "../a"],
        &["apply", "--allow", "everything"],
    ] {
        program.ends(64, args);
    }
    program.ends(65, &["configure-global", "--backup-root", "/"]);
    program.ends(
        65,
        &["configure-host", "a", "--address", "a", "--keep", "daily=0"],
    );
    program.ends(64, &["configure-host", "a"]);
    program.ends(0, &["configure-host", "a", "--address", "a"]);
    program.ends(65, &["schedule", "a", "--cron", "0 0 30 2 *"]);
    program.ends(64, &["backup", "b"]);
    assert_eq!(program.json(0, &["hosts"]).as_array().unwrap().len(), 1);
}

#[test]
fn names_that_are_commands_elsewhere_are_only_names() {
    let sshd = Sshd::start();
    let program = Program::new();
    let pwned = program.path("pwned");
    for name in [
        "with space",
        "; touch pwned",
        "$(touch pwned)",
        "`touch pwned`",
        "a'b\"c",
        "[x]*?",
        "back\\slash",
    ] {
        let source = program.path("s").join(name);
        std::fs::create_dir_all(&source).unwrap();
        std::fs::write(source.join("file"), name).unwrap();
    }
    // Beside `[x]*?`, a folder that the pattern would match.
    std::fs::create_dir_all(program.path("s/xyz")).unwrap();
    let quoted = |name: &str| {
        format!(
            "\"{}\"",
            program
                .path("s")
                .join(name)
                .display()
                .to_string()
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
        )
    };
    let sources: Vec<String> = [
        "with space",
        "; touch pwned",
        "$(touch pwned)",
        "`touch pwned`",
        "a'b\"c",
        "[x]*?",
        "back\\slash",
    ]
    .map(quoted)
    .into();
    program.write(
        "pobsync.kdl",
        &format!(
            "global {{ backup-root \"ROOT\"; ssh {{ port {}; identity \"{}\"; known-hosts \"{}\" }} }}\nhost \"web\" {{ address \"127.0.0.1\"; source {} }}",
            sshd.port, sshd.identity.display(), sshd.known_hosts.display(), sources.join(" ")
        ),
    );
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["backup", "web"]);
    let name = program.visible("web", "manual").pop().unwrap();
    let tree = program
        .data("web", "manual", &name)
        .join(program.path("s").strip_prefix("/").unwrap());
    assert_eq!(
        names_below(&tree),
        [
            "$(touch pwned)",
            "; touch pwned",
            "[x]*?",
            "`touch pwned`",
            "a'b\"c",
            "back\\slash",
            "with space"
        ]
    );
    assert!(!pwned.exists() && names_below(&program.path("s")).len() == 8);
}

#[test]
fn a_full_disk_fails_the_backup_and_leaves_the_older_snapshots() {
    if !is_root() {
        return;
    }
    let program = Program::new();
    std::fs::create_dir(program.root()).unwrap();
    let mounted = |args: &[&str]| {
        std::process::Command::new("mount")
            .args(args)
            .arg(program.root())
            .status()
            .unwrap()
            .success()
    };
    if !mounted(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"]) {
        eprintln!("skipped: no tmpfs can be mounted here");
        return;
    }
    let source = program.path("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("small"), "small").unwrap();
    program.write(
        "pobsync.kdl",
        &format!("global {{ backup-root \"ROOT\"; guard {{ min-free 1 }} }}\nhost \"web\" {{ address \"local\"; source \"{}\" }}", source.display()),
    );
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["backup", "web"]);
    let before = program.visible("web", "manual");
    std::fs::write(source.join("large"), vec![1; 8 << 20]).unwrap();
    let said = program.ends(1, &["backup", "web"]);
    assert!(said.err.contains("full: make room"), "{}", said.err);
    assert_eq!(program.visible("web", "manual"), before);
    assert_eq!(program.json(0, &["runs"])[0]["status"], "failed");
    std::fs::remove_file(source.join("large")).unwrap();
    // What the failed pull left takes the room that the next one needs: the guard says so, and a person frees it.
    let said = program.run(&["backup", "web"]);
    assert!(
        said.code == 0 || said.err.contains("min-free"),
        "{}",
        said.err
    );
    let _ = std::process::Command::new("umount")
        .arg(program.root())
        .status();
}
