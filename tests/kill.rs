//! kill -9 at many points of a backup and of a prune: nothing half is ever visible, nothing is lost, and the next run
//! mends what was left.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use common::program::{Program, names_below};
use common::{assert_same_tree, build_tree};

/// Calls of the system after each of which the disk or the database is in another state.
const CALLS: [&str; 8] = [
    "mkdirat",
    "openat2",
    "renameat2",
    "fsync",
    "syncfs",
    "pwrite64",
    "unlinkat",
    "fdatasync",
];

/// Runs the program so that it is killed at its n-th `call`; false if it ended before that.
fn killed_at(program: &Program, call: &str, n: usize, args: &[&str]) -> bool {
    let command = program.command(args);
    let mut traced = Command::new("strace");
    traced
        .args(["-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal=KILL:when={n}"), "--"])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    let status = traced.status().expect("strace is installed by tests/run");
    // strace passes the death of its child on as its own.
    status.signal() == Some(9) || status.code() == Some(137)
}

/// The first calls one by one, then fewer and fewer: what differs between the hundredth and the next is the same.
fn points() -> impl Iterator<Item = usize> {
    (1..=8)
        .chain((1..).map(|i| 8 + i * (i + 5) / 2))
        .take_while(|n| *n < 4_000)
}

/// Every visible snapshot is whole, and every row that says so is true.
fn check(program: &Program, source: &std::path::Path) {
    let rows = program.json(0, &["snapshots", "--all"]);
    let rows = rows.as_array().unwrap();
    for name in program.visible("web", "manual") {
        let tree = program
            .data("web", "manual", &name)
            .join(source.strip_prefix("/").unwrap());
        assert_same_tree(source, &tree);
        let meta = std::fs::read_to_string(
            program
                .data("web", "manual", &name)
                .with_file_name("meta.json"),
        )
        .unwrap();
        assert!(
            meta.contains(&name) && meta.contains("\"complete\""),
            "{meta}"
        );
    }
    for row in rows {
        let name = row["name"].as_str().unwrap();
        let is_there = program.data("web", "manual", name).exists();
        match row["status"].as_str().unwrap() {
            "complete" => assert!(is_there, "{row}"),
            "deleted" => assert!(!is_there && !row["plan"].is_null(), "{row}"),
            _ => {}
        }
    }
}

fn prepared() -> (Program, std::path::PathBuf) {
    let program = Program::new();
    let source = program.path("source");
    std::fs::create_dir(&source).unwrap();
    build_tree(&source);
    program.write(
        "pobsync.kdl",
        &format!(
            "global {{ backup-root \"ROOT\" }}\nhost \"web\" {{ address \"local\"; source \"{}\"; retention {{ keep last=2; kinds \"manual\" }} }}",
            source.display()
        ),
    );
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["backup", "web"]);
    (program, source)
}

#[test]
fn a_backup_killed_anywhere_leaves_nothing_half_and_the_next_one_mends_it() {
    let (program, source) = prepared();
    let mut kills = 0;
    for call in CALLS {
        for n in points() {
            if !killed_at(&program, call, n, &["backup", "web"]) {
                break;
            }
            kills += 1;
            check(&program, &source);
            program.ends(0, &["backup", "web"]);
            check(&program, &source);
            assert_eq!(
                names_below(&program.root().join("web/.incomplete/manual")),
                Vec::<String>::new(),
                "{call} {n}"
            );
            let runs = program.json(0, &["runs", "-n", "3"]);
            assert!(
                runs.as_array()
                    .unwrap()
                    .iter()
                    .all(|run| run["status"] != "running"),
                "{call} {n}: {runs}"
            );
            // What was killed right behind the rename is whole and has no row: discovery finds it.
            program.ends(0, &["discover-snapshots"]);
            program.ends(0, &["retention", "web", "--apply", "--yes"]);
            assert_eq!(program.visible("web", "manual").len(), 2, "{call} {n}");
        }
    }
    println!("killed {kills} backups");
    assert!(kills > 40);
}

#[test]
fn a_prune_killed_anywhere_is_finished_by_the_next_one() {
    let (program, source) = prepared();
    let (mut kills, mut told) = (0, 0);
    for call in CALLS {
        for n in points() {
            while program.visible("web", "manual").len() < 4 {
                program.ends(0, &["backup", "web"]);
            }
            let stay = program.visible("web", "manual")[2..].to_vec();
            if !killed_at(&program, call, n, &["retention", "web", "--apply", "--yes"]) {
                break;
            }
            kills += 1;
            check(&program, &source);
            assert!(
                stay.iter()
                    .all(|name| program.visible("web", "manual").contains(name)),
                "{call} {n}"
            );
            let said = program.ends(0, &["retention", "web", "--apply", "--yes"]);
            told += said.err.matches("whose prune had been cut off").count();
            check(&program, &source);
            assert_eq!(program.visible("web", "manual"), stay, "{call} {n}");
            if let Some(left) = names_below(&program.root().join("web/.trash")).first() {
                panic!("{call} {n}: {left} is left in the trash");
            }
            let rows = program.json(0, &["snapshots", "--all"]);
            assert!(
                rows.as_array()
                    .unwrap()
                    .iter()
                    .all(|row| row["status"] != "deleting"),
                "{call} {n}: {rows}"
            );
        }
    }
    println!("killed {kills} prunes, told of {told} deletions that were finished");
    assert!(kills > 40);
    assert!(
        told > 0,
        "a deletion is told, also one that an earlier command began"
    );
}

#[test]
fn an_rsync_that_outlives_its_killed_parent_is_ended_before_the_next_backup() {
    let (program, source) = prepared();
    std::fs::write(source.join("large"), vec![7; 8 << 20]).unwrap();
    let slow = std::fs::read_to_string(program.path("pobsync.kdl"))
        .unwrap()
        .replace("address", "rsync { bwlimit \"64KiB\" }; address");
    program.write("pobsync.kdl", &slow);
    program.ends(0, &["apply", "--yes"]);
    let mut child = program
        .command(&["backup", "web"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lock = program.root().join("web/.lock");
    let group = loop {
        let note: serde_json::Value = std::fs::read_to_string(&lock)
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        if let Some(id) = note["children"]["id"]
            .as_u64()
            .filter(|_| note["pid"] == child.id())
        {
            break id;
        }
        assert!(
            child.try_wait().unwrap().is_none(),
            "the backup ended before it was killed"
        );
        std::thread::yield_now();
    };
    child.kill().unwrap();
    child.wait().unwrap();
    // A zombie is gone, whoever should have buried it.
    let is_there = || {
        let stat = std::fs::read_to_string(format!("/proc/{group}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    assert!(is_there(), "rsync goes on without its parent");
    program.write(
        "pobsync.kdl",
        &slow.replace("rsync { bwlimit \"64KiB\" }; ", ""),
    );
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["backup", "web"]);
    assert!(!is_there(), "and is ended before the next one begins");
    let newest = program.visible("web", "manual").pop().unwrap();
    assert_same_tree(
        &source,
        &program
            .data("web", "manual", &newest)
            .join(source.strip_prefix("/").unwrap()),
    );
}
