//! Nights on which snapshots are lost elsewhere, each played on the real program and looked at by the checker.
//!
//! Others of their kind stand where they belong: a change that raises a limit and makes use of it in `slips`, a clock that
//! steps back or jumps in `faults/clock`, a root that is unmounted in `gate` and `faults/storage`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use common::assert_same_tree;
use common::checker::{Checker, Event};
use common::program::{Program, Said, names_below};

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

const NIGHTLY: &str = "schedule cron=\"15 2 * * *\" prune=#true; retention { keep KEEP; kinds \"scheduled\" \"manual\" }";

/// Hosts that are pulled from this machine, and the checker beside them.
struct Scene {
    program: Program,
    checker: Checker,
    hosts: Vec<String>,
}

impl Scene {
    /// With so many snapshots of each host, one a day, of which the policy keeps all.
    fn new(hosts: &[&str], snapshots: u32) -> Self {
        let program = Program::new();
        for folder in ["source", "outside"] {
            std::fs::create_dir(program.path(folder)).unwrap();
        }
        std::fs::write(program.path("source/file"), "one").unwrap();
        std::fs::write(program.path("outside/canary"), "sings").unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        write(&program, &hosts, "", &NIGHTLY.replace("KEEP", "last=50"));
        program.ends(0, &["init"]);
        program.ends(0, &["apply", "--yes"]);
        program.ends(0, &["discover-snapshots"]);
        for host in &hosts {
            for day in 1..=snapshots {
                program.plant(host, "scheduled", &name(day));
            }
        }
        program.ends(0, &["discover-snapshots"]);
        let checker = Checker::new(&program);
        Self {
            program,
            checker,
            hosts,
        }
    }

    /// Another file, not applied yet.
    fn write(&self, global: &str, host: &str) {
        write(&self.program, &self.hosts, global, host);
    }

    /// Another retention, not applied yet.
    fn keep(&self, rules: &str) {
        self.write("", &NIGHTLY.replace("KEEP", rules));
    }

    /// All is well, and what has come or gone did so by the rules.
    fn look(&mut self) {
        self.look_after(&Event {
            adds: true,
            ..Event::default()
        });
    }

    /// As [`look`](Self::look), after a prune that had begun before the last one.
    fn look_at_the_end(&mut self) {
        self.look_after(&Event {
            goes_on: true,
            adds: true,
            ..Event::default()
        });
    }

    fn look_after(&mut self, event: &Event) {
        let broken = self.checker.look(event);
        assert!(broken.is_empty(), "{broken:#?}");
    }

    fn left(&self) -> Vec<String> {
        names_below(&self.program.root().join("web/scheduled"))
    }

    /// Runs it at another time: `+1d`, or `@2030-01-01 02:15:00`.
    fn at(&self, time: &str, args: &[&str]) -> Said {
        let faked = ["faketime", "--exclude-monotonic", "-f", time];
        self.program.run_under(&faked, args)
    }

    fn source(&self) -> PathBuf {
        self.program.path("source")
    }

    fn tree(&self, snapshot: &str) -> PathBuf {
        let data = self.program.data("web", "manual", snapshot);
        data.join(self.source().strip_prefix("/").unwrap())
    }

    fn backup(&self) -> PathBuf {
        self.program.ends(0, &["backup", "web"]);
        self.tree(&self.program.visible("web", "manual").pop().unwrap())
    }
}

fn write(program: &Program, hosts: &[String], global: &str, host: &str) {
    let source = program.path("source");
    let mut text = format!("/- kdl-version 2\nglobal {{ backup-root \"ROOT\"; {global} }}\n");
    for name in hosts {
        let source = source.display();
        text.push_str(&format!(
            "host \"{name}\" {{ address \"local\"; source \"{source}\"; {host} }}\n"
        ));
    }
    program.write("pobsync.kdl", &text);
}

fn name(day: u32) -> String {
    format!("202511{day:02}-021500Z__abc{day:03}")
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

/// Waits until `is_so`.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A call that was stopped, as a machine that is put to sleep stops all that runs on it.
struct Asleep {
    strace: Option<Child>,
    pid: Pid,
}

impl Asleep {
    /// Stops right after its n-th `call`.
    fn at(scene: &Scene, call: &str, n: usize, args: &[&str]) -> Self {
        let log = scene.program.path("calls");
        let _ = std::fs::remove_file(&log);
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:signal=STOP:when={n}");
        let log_name = log.to_str().unwrap();
        let strace = ["strace", "-o", log_name, "-e", &trace, "-e", &inject, "--"];
        let mut command = scene.program.command_under(&strace, args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut strace = command.spawn().expect("strace is installed by tests/run");
        until("it is stopped", || {
            assert!(strace.try_wait().unwrap().is_none(), "it ended before that");
            std::fs::read_to_string(&log).is_ok_and(|log| log.contains("stopped by SIGSTOP"))
        });
        let id = strace.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let pid = children.trim().parse().unwrap();
        Self {
            strace: Some(strace),
            pid: Pid::from_raw(pid).unwrap(),
        }
    }

    /// Goes on, and ends.
    fn wakes(mut self) -> Said {
        kill_process(self.pid, Signal::CONT).unwrap();
        Said::of(self.strace.take().unwrap().wait_with_output().unwrap())
    }
}

impl Drop for Asleep {
    fn drop(&mut self) {
        if let Some(mut strace) = self.strace.take() {
            let _ = kill_process(self.pid, Signal::KILL);
            let _ = strace.wait();
        }
    }
}

#[test]
fn a_mode_that_changes_between_an_interrupted_pull_and_the_next_changes_no_older_snapshot() {
    let mut scene = Scene::new(&["web"], 0);
    let shared = scene.source().join("a-shared");
    std::fs::write(&shared, "the same").unwrap();
    std::fs::set_permissions(&shared, PermissionsExt::from_mode(0o644)).unwrap();
    let base = scene.backup();
    scene.look();

    // A pull that is killed once the shared file is linked and the large one is on its way.
    std::fs::write(scene.source().join("large"), vec![7; 6 << 20]).unwrap();
    let slow = format!(
        "rsync {{ bwlimit \"1MiB\" }}; {}",
        NIGHTLY.replace("KEEP", "last=50")
    );
    scene.write("", &slow);
    scene.program.ends(0, &["apply", "--yes"]);
    let mut pull = scene.program.command(&["backup", "web"]);
    let mut pull = pull
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let incomplete = scene.program.root().join("web/.incomplete/manual");
    let inner = scene.source().strip_prefix("/").unwrap().to_owned();
    until("the large file is on its way", || {
        names_below(&incomplete).iter().any(|name| {
            let tree = incomplete.join(name).join("data").join(&inner);
            let names = names_below(&tree);
            tree.join("a-shared").exists() && names.iter().any(|name| name.starts_with(".large."))
        })
    });
    pull.kill().unwrap();
    pull.wait().unwrap();

    std::fs::set_permissions(&shared, PermissionsExt::from_mode(0o600)).unwrap();
    scene.keep("last=50");
    scene.program.ends(0, &["apply", "--yes"]);
    let next = scene.backup();
    assert_same_tree(&scene.source(), &next);
    assert_eq!(mode(&base.join("a-shared")), 0o644);
    assert_eq!(mode(&next.join("a-shared")), 0o600);
    scene.look();
}

#[test]
fn a_file_that_becomes_a_folder_and_a_folder_that_becomes_a_file_come_whole() {
    let mut scene = Scene::new(&["web"], 0);
    let (first, second) = (scene.source().join("first"), scene.source().join("second"));
    std::fs::write(&first, "a file").unwrap();
    std::fs::create_dir(&second).unwrap();
    std::fs::write(second.join("inner"), "a folder").unwrap();
    scene.backup();
    scene.look();

    std::fs::remove_file(&first).unwrap();
    std::fs::create_dir(&first).unwrap();
    std::fs::write(first.join("inner"), "a folder now").unwrap();
    std::fs::remove_dir_all(&second).unwrap();
    std::fs::write(&second, "a file now").unwrap();
    let next = scene.backup();
    assert_same_tree(&scene.source(), &next);
    scene.look();
}

#[test]
fn one_line_by_which_every_host_loses_a_little_is_refused_before_any_night() {
    let names: Vec<String> = (1..=12).map(|n| format!("web-{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut scene = Scene::new(&names, 10);
    // Three of ten are within every limit of a host: 30 % of it, and less than 25.
    scene.keep("last=7");
    let plan = scene.program.ends(3, &["plan", "--detailed-exitcode"]);
    assert!(
        plan.out.contains("delete 36 of 120 snapshots"),
        "{}",
        plan.out
    );
    for args in [&["apply", "--yes"][..], &["apply", "--yes", "--prune"]] {
        let said = scene.program.ends(10, args);
        assert!(
            said.err.contains("max-fleet-delete-percent"),
            "{}",
            said.err
        );
        assert!(said.err.contains("--allow fleet-delete:36"), "{}", said.err);
    }
    let said = scene.at("+1d", &["scheduler", "--once"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let left = |name: &str| names_below(&scene.program.root().join(name).join("scheduled")).len();
    assert!(names.iter().all(|name| left(name) == 11));
    scene.look();
}

#[test]
fn a_staging_copy_of_the_file_neither_backs_up_nor_prunes_on_the_root_of_production() {
    let mut scene = Scene::new(&["web"], 8);
    scene.keep("last=1");
    let staging = scene
        .program
        .path("staging/pobsync.db")
        .display()
        .to_string();
    let on_staging = |args: &[&str]| {
        scene
            .program
            .run(&[args, &["--database", &staging]].concat())
    };
    std::fs::create_dir(scene.program.path("staging")).unwrap();
    on_staging(&["init"]);
    on_staging(&["apply", "--yes"]);
    // It may look.
    on_staging(&["discover-snapshots"]);
    for args in [
        &["apply", "--yes", "--prune"][..],
        &["retention", "web", "--apply", "--yes"],
        &["backup", "web", "--scheduled", "--prune"],
        &["scheduler", "--once"],
    ] {
        let said = on_staging(args);
        eprintln!(
            "seen: {args:?} exit {} | {}",
            said.code,
            said.err.trim_end()
        );
        scene.checker.look(&Event::default());
        assert_eq!(scene.left().len(), 8, "{args:?}");
    }
    scene.look_after(&Event::default());
    // Production does not mind.
    scene.keep("last=50");
    scene.program.ends(0, &["backup", "web"]);
    scene.look();
}

#[test]
fn a_night_in_2030_deletes_nothing_and_the_night_after_it_neither() {
    let mut scene = Scene::new(&["web"], 8);
    scene.keep("daily=5");
    scene.program.ends(0, &["apply", "--yes"]);
    scene.program.ends(0, &["scheduler", "--once"]);
    // The battery died, and every snapshot is years old.
    let said = scene.at("@2030-01-01 02:20:00", &["scheduler", "--once"]);
    assert!(
        said.err.contains("after the last sign of life"),
        "{}",
        said.err
    );
    assert_eq!(scene.left().len(), 9, "eight, and the one of 2030");
    scene.look();
    // Somebody sets it right: what is dated in the future would take the place of the newest.
    let said = scene
        .program
        .ends(10, &["backup", "web", "--scheduled", "--prune"]);
    assert!(said.err.contains("in the future"), "{}", said.err);
    scene
        .program
        .ends(10, &["retention", "web", "--apply", "--yes"]);
    assert_eq!(scene.left().len(), 10);
    scene.look();
}

#[test]
fn a_database_of_last_week_deletes_nothing_that_came_since() {
    let mut scene = Scene::new(&["web"], 6);
    scene.keep("last=4");
    scene.program.ends(0, &["apply", "--yes"]);
    let database = scene.program.path("state/pobsync.db");
    let copy = scene.program.path("copy.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    drop(connection);
    // A week of nights.
    for day in 1..=6 {
        let said = scene.at(
            &format!("+{day}d"),
            &["backup", "web", "--scheduled", "--prune"],
        );
        assert_eq!(said.code, 0, "{}", said.err);
        scene.look();
    }
    let of_the_week = scene.left();
    assert_eq!(of_the_week.len(), 4);

    for beside in ["state/pobsync.db-wal", "state/pobsync.db-shm"] {
        let _ = std::fs::remove_file(scene.program.path(beside));
    }
    std::fs::copy(&copy, &database).unwrap();
    let swapped = Event {
        database_swapped: true,
        ..Event::default()
    };
    scene.look_after(&swapped);
    // It believes in snapshots that are long gone, and knows none of those that are there.
    let at = "+6d";
    for args in [
        &["retention", "web", "--apply", "--yes"][..],
        &["backup", "web", "--scheduled", "--prune"],
        &["apply", "--yes", "--prune"],
    ] {
        let said = scene.at(at, args);
        eprintln!(
            "seen: {args:?} exit {} | {}",
            said.code,
            said.err.trim_end()
        );
        let left = scene.left();
        assert!(
            of_the_week.iter().all(|name| left.contains(name)),
            "{args:?}: {left:?}"
        );
        scene.look();
    }
    let said = scene.at(at, &["discover-snapshots"]);
    assert_eq!(said.code, 0, "{}", said.err);
    scene.look_after(&Event {
        discovered: true,
        ..Event::default()
    });
    let said = scene.at(at, &["backup", "web", "--scheduled", "--prune"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(scene.left().len(), 4);
    scene.look();
}

#[test]
fn a_root_that_becomes_an_empty_path_is_refused_and_taken_by_nothing() {
    let mut scene = Scene::new(&["web"], 5);
    let file = scene.program.path("pobsync.kdl");
    scene.keep("last=1");
    let text = std::fs::read_to_string(&file).unwrap();
    let root = scene.program.root();
    let empty = scene.program.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let moved = text.replace(
        &format!("{:?}", root.to_str().unwrap()),
        &format!("{:?}", empty.to_str().unwrap()),
    );
    assert_ne!(moved, text);
    std::fs::write(&file, moved).unwrap();
    for args in [&["apply", "--yes"][..], &["apply", "--yes", "--prune"]] {
        let said = scene.program.ends(10, args);
        assert!(said.err.contains("backup-root-moved"), "{}", said.err);
    }
    // Nights go on as before, with the root and the policy that were applied.
    scene
        .program
        .ends(0, &["backup", "web", "--scheduled", "--prune"]);
    assert_eq!(scene.left().len(), 6);
    assert_eq!(names_below(&empty), Vec::<String>::new());
    scene.look();
}

/// With a prune of six that has come to its second, and stands still.
fn in_the_middle_of_a_prune(args: &[&str]) -> (Scene, Asleep, Vec<String>) {
    let mut scene = Scene::new(&["web"], 8);
    scene.keep("last=2");
    scene.program.ends(0, &["apply", "--yes"]);
    scene.look();
    let asleep = Asleep::at(&scene, "renameat2", 2, args);
    let left = scene.left();
    assert!(left.len() > 4 && left.len() < 8, "{left:?}");
    scene.look();
    (scene, asleep, left)
}

#[test]
fn a_hold_that_is_set_while_a_prune_runs_holds_or_says_that_it_is_too_late() {
    let args = ["retention", "web", "--apply", "--yes"];
    let (mut scene, asleep, left) = in_the_middle_of_a_prune(&args);
    let hold = |name: &str| {
        scene
            .program
            .run(&["hold", "web", name, "--reason", "court"])
    };
    let pinned = &left[left.len() - 4];
    assert_eq!(hold(pinned).code, 0);
    let late = hold(&name(1));
    assert_ne!(late.code, 0, "{}", late.out);
    let said = asleep.wakes();
    eprintln!("seen: exit {} | {} {}", said.code, said.out, said.err);
    assert_eq!(said.code, 13, "{}", said.err);
    assert!(scene.left().contains(pinned));
    scene.look_at_the_end();
    scene.program.ends(0, &args);
    assert!(scene.left().contains(pinned));
    assert_eq!(scene.left().len(), 3);
    scene.look();
}

#[test]
fn a_server_that_wakes_in_the_middle_of_its_prune_deletes_nothing_by_a_policy_of_yesterday() {
    let args = ["backup", "web", "--scheduled", "--prune"];
    let mut scene = Scene::new(&["web"], 8);
    scene.keep("last=2");
    scene.program.ends(0, &["apply", "--yes"]);
    scene.look();
    // The first is the publish of its own pull.
    let asleep = Asleep::at(&scene, "renameat2", 3, &args);
    let left = scene.left();
    assert!(left.len() > 3 && left.len() < 9, "{left:?}");
    // Meanwhile somebody regrets the policy.
    scene.keep("last=50");
    scene.program.ends(0, &["apply", "--yes"]);
    scene.look();
    let said = asleep.wakes();
    eprintln!("seen: exit {} | {} {}", said.code, said.out, said.err);
    assert_eq!(scene.left(), left, "{}", said.err);
    scene.look_at_the_end();
    scene.program.ends(0, &args);
    assert_eq!(scene.left().len(), left.len() + 1);
    scene.look();
}

#[test]
fn a_server_that_wakes_after_its_host_was_paused_or_its_run_cancelled_deletes_nothing_more() {
    for meanwhile in ["pause", "cancel"] {
        let args = ["retention", "web", "--apply", "--yes"];
        let (mut scene, asleep, left) = in_the_middle_of_a_prune(&args);
        let runs = scene.program.json(0, &["runs", "-n", "1"]);
        let run = runs[0]["id"].to_string();
        let said = match meanwhile {
            "pause" => scene.program.run(&["pause", "web"]),
            _ => scene.program.run(&["cancel", &run]),
        };
        eprintln!(
            "seen: {meanwhile} exit {} | {}",
            said.code,
            said.err.trim_end()
        );
        let woken = asleep.wakes();
        eprintln!("seen: exit {} | {} {}", woken.code, woken.out, woken.err);
        assert_eq!((said.code, woken.code), (0, 13), "{meanwhile}");
        assert_eq!(scene.left(), left, "{meanwhile}: {}", woken.err);
        scene.look_at_the_end();
    }
}

/// Nobody else may prune or back up the host while the one that sleeps holds its lock, however long.
#[test]
fn while_a_server_sleeps_in_the_middle_of_its_prune_others_keep_away_from_its_host() {
    let args = ["retention", "web", "--apply", "--yes"];
    let (mut scene, asleep, left) = in_the_middle_of_a_prune(&args);
    for args in [
        &["backup", "web", "--scheduled", "--prune"][..],
        &["retention", "web", "--apply", "--yes"],
    ] {
        scene.program.ends(12, args);
        let said = scene.at("+3h", args);
        assert_eq!(said.code, 12, "{}", said.err);
    }
    scene.at("+1d", &["scheduler", "--once"]);
    assert_eq!(scene.left(), left);
    scene.look();
    let said = asleep.wakes();
    eprintln!("seen: exit {} | {} {}", said.code, said.out, said.err);
    scene.look_at_the_end();
    scene.program.ends(0, &args);
    assert_eq!(scene.left().len(), 2);
    scene.look();
}

/// A checker that says nothing proves nothing.
#[test]
fn the_checker_says_what_was_done_behind_its_back() {
    let mut scene = Scene::new(&["web"], 4);
    scene
        .program
        .ends(0, &["hold", "web", &name(2), "--reason", "court"]);
    scene.look();
    let web = scene.program.root().join("web/scheduled");
    let sql = |text: &str| {
        let database = scene.program.path("state/pobsync.db");
        let connection = rusqlite::Connection::open(database).unwrap();
        assert_eq!(connection.execute(text, []).unwrap(), 1);
    };
    std::fs::remove_dir_all(web.join(name(2))).unwrap();
    std::fs::remove_dir_all(web.join(name(4))).unwrap();
    std::fs::remove_file(web.join(name(1)).join("meta.json")).unwrap();
    std::fs::write(web.join(name(3)).join("data/etc/hostname"), "x").unwrap();
    std::fs::write(scene.program.path("outside/canary"), "dead").unwrap();
    sql("UPDATE snapshots SET status = 'missing' WHERE name LIKE '%abc003'");
    let said = scene.checker.look(&Event::default()).join("\n");
    for words in [
        "abc002 is gone and no plan says so",
        "abc002 was held, and is gone",
        "abc002 says complete: it is not on disk",
        "abc004 was the newest of its host, and is gone without another",
        "abc001 is visible and its meta.json says",
        "abc003 is not what it was",
        "abc003 says missing: it is on disk",
        "a file outside the root has changed",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
