//! kill -9 at many points of a backup and of a prune: nothing half is ever visible, nothing is lost, and the next run
//! mends what was left.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use common::program::{Program, names_below};
use common::{On, assert_same_tree, build_tree};
use rstest::rstest;

/// Calls of the system at each of which the disk or a database in a file is in another state than before.
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

/// Those that matter where the database is none of files here: its own points are those of the talk with the server.
const CALLS_BESIDE_A_SERVER: [&str; 2] = ["renameat2", "unlinkat"];

/// Where the program is killed: as it begins its n-th call of the system of this name, which then does not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Point {
    call: &'static str,
    n: usize,
}

impl Point {
    /// Runs the program until it gets there; false if it ended before that.
    fn kills(self, program: &Program, args: &[&str]) -> bool {
        let Self { call, n } = self;
        let status = traced(
            program,
            args,
            &format!("trace={call}"),
            &["-e", &format!("inject={call}:signal=KILL:when={n}")],
            "/dev/null".as_ref(),
        );
        // strace passes the death of its child on as its own.
        status.signal() == Some(9) || status.code() == Some(137)
    }
}

/// Runs the program under strace, which writes down what it traces.
fn traced(
    program: &Program,
    args: &[&str],
    trace: &str,
    more: &[&str],
    to: &std::path::Path,
) -> std::process::ExitStatus {
    let mut under = vec!["strace", "-qq", "-o", to.to_str().unwrap(), "-e", trace];
    under.extend(more);
    under.push("--");
    program
        .command_under(&under, args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("strace is installed by tests/run")
}

/// Points of the talk with a server: of each transaction that writes its beginning, its middle, before its commit is sent
/// and before the answer to it is read; and the first and the last word of all.
fn points_of_the_talk(program: &Program, args: &[&str]) -> Vec<Point> {
    let record = program.path("talk");
    let status = traced(
        program,
        args,
        "trace=sendto,recvfrom",
        &["-s", "64"],
        &record,
    );
    assert!(status.success(), "{args:?}: {status}");
    let (mut sent, mut received) = (0_usize, 0_usize);
    let mut begun: Option<usize> = None;
    let mut points = vec![("sendto", 1)];
    for line in std::fs::read_to_string(&record).unwrap().lines() {
        if line.starts_with("recvfrom(") {
            received += 1;
        }
        if !line.starts_with("sendto(") {
            continue;
        }
        sent += 1;
        if line.contains("START TRANSACTION") {
            // What only reads is one state, whenever it ends.
            begun = (!line.contains("READ ONLY") && !line.contains("CONS")).then_some(sent);
        } else if line.contains("\\3COMMIT\"")
            && let Some(begun) = begun.take()
        {
            points.extend([
                ("sendto", begun),
                ("sendto", begun.midpoint(sent)),
                ("sendto", sent),
                ("recvfrom", received + 1),
            ]);
        }
    }
    points.push(("sendto", sent));
    points
        .into_iter()
        .map(|(call, n)| Point { call, n })
        .collect()
}

/// Goes a round for every point that matters; a round says whether the program was killed in it. How many were.
fn everywhere(
    on: On,
    program: &Program,
    args: &[&str],
    mut round: impl FnMut(Point) -> bool,
) -> usize {
    let (calls, talk) = match on {
        On::Sqlite => (&CALLS[..], Vec::new()),
        On::MariaDb => (
            &CALLS_BESIDE_A_SERVER[..],
            points_of_the_talk(program, args),
        ),
    };
    let mut kills = 0;
    for &call in calls {
        kills += points().take_while(|&n| round(Point { call, n })).count();
    }
    let said = talk.len();
    let hit = talk.into_iter().filter(|&point| round(point)).count();
    // The end is a little earlier where there is less to do than there was in the recorded run.
    assert!(
        said == 0 || (hit > 12 && hit + 3 >= said),
        "{hit} of {said}"
    );
    kills + hit
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

fn prepared(on: On) -> (Program, std::path::PathBuf) {
    let program = on.program();
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

#[rstest]
fn a_backup_killed_anywhere_leaves_nothing_half_and_the_next_one_mends_it(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let (program, source) = prepared(on);
    let kills = everywhere(on, &program, &["backup", "web"], |point| {
        if !point.kills(&program, &["backup", "web"]) {
            return false;
        }
        check(&program, &source);
        program.ends(0, &["backup", "web"]);
        check(&program, &source);
        assert_eq!(
            names_below(&program.root().join("web/.incomplete/manual")),
            Vec::<String>::new(),
            "{point:?}"
        );
        let runs = program.json(0, &["runs", "-n", "3"]);
        assert!(
            runs.as_array()
                .unwrap()
                .iter()
                .all(|run| run["status"] != "running"),
            "{point:?}: {runs}"
        );
        // What was killed right behind the rename is whole and has no row: discovery finds it.
        program.ends(0, &["discover-snapshots"]);
        program.ends(0, &["retention", "web", "--apply", "--yes"]);
        assert_eq!(program.visible("web", "manual").len(), 2, "{point:?}");
        true
    });
    println!("killed {kills} backups");
    assert!(kills > if on == On::Sqlite { 40 } else { 20 });
}

#[rstest]
fn a_prune_killed_anywhere_is_finished_by_the_next_one(#[values(On::Sqlite, On::MariaDb)] on: On) {
    const PRUNE: [&str; 4] = ["retention", "web", "--apply", "--yes"];
    let (program, source) = prepared(on);
    let fill = || {
        while program.visible("web", "manual").len() < 4 {
            program.ends(0, &["backup", "web"]);
        }
    };
    fill();
    let mut told = 0;
    let kills = everywhere(on, &program, &PRUNE, |point| {
        fill();
        let stay = program.visible("web", "manual")[2..].to_vec();
        if !point.kills(&program, &PRUNE) {
            return false;
        }
        check(&program, &source);
        assert!(
            stay.iter()
                .all(|name| program.visible("web", "manual").contains(name)),
            "{point:?}"
        );
        let said = program.ends(0, &PRUNE);
        told += said.err.matches("whose prune had been cut off").count();
        check(&program, &source);
        assert_eq!(program.visible("web", "manual"), stay, "{point:?}");
        if let Some(left) = names_below(&program.root().join("web/.trash")).first() {
            panic!("{point:?}: {left} is left in the trash");
        }
        let rows = program.json(0, &["snapshots", "--all"]);
        assert!(
            rows.as_array()
                .unwrap()
                .iter()
                .all(|row| row["status"] != "deleting"),
            "{point:?}: {rows}"
        );
        true
    });
    println!("killed {kills} prunes, told of {told} deletions that were finished");
    assert!(kills > if on == On::Sqlite { 40 } else { 20 });
    assert!(
        told > 0,
        "a deletion is told, also one that an earlier command began"
    );
}

#[test]
fn an_rsync_that_outlives_its_killed_parent_is_ended_before_the_next_backup() {
    let (program, source) = prepared(On::Sqlite);
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
