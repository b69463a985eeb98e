//! `watch` as it runs beside editors, git and links that are swapped. Nothing here sleeps: each step waits for what the
//! program says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::program::Program;
use serde_json::Value;

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);
const ROOT: &str = "global { backup-root \"ROOT\" }\ninclude \"hosts/*.kdl\"\n";

fn host(name: &str) -> String {
    format!(
        "host \"{name}\" {{ address \"local\"; source \"/etc\"; retention {{ keep daily=7 }} }}\n"
    )
}

/// A watcher that runs, and the lines it writes.
struct Watcher {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (line, lines) = channel();
    std::thread::spawn(move || {
        for text in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = line.send(text);
        }
    });
    lines
}

impl Watcher {
    fn start(program: &Program, args: &[&str]) -> Self {
        let all: Vec<&str> = ["watch", "-vv", "--format", "json"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        let mut child = program
            .command(&all)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self {
            child,
            out: lines(out),
            err: lines(err),
        }
    }

    /// The next document on stdout.
    fn document(&self) -> Value {
        let line = self.out.recv_timeout(DEADLINE).expect("a line on stdout");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
    }

    /// The hosts that the next plan would make, in their order.
    fn planned(&self) -> Vec<String> {
        let plan = self.document();
        let changes = plan["changes"]
            .as_array()
            .unwrap_or_else(|| panic!("{plan}"));
        let hosts = changes.iter().filter(|change| change["object"] == "host");
        hosts
            .map(|change| change["name"].as_str().unwrap().to_owned())
            .collect()
    }

    fn wait_for(&self, text: &str) {
        while !self
            .err
            .recv_timeout(DEADLINE)
            .expect("a line on stderr")
            .contains(text)
        {}
    }

    /// Waits until what was told is done with, so that what comes next is another change.
    fn idle(&self) {
        self.wait_for("Waiting for");
    }

    fn end(mut self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        let more: Vec<String> = self.out.iter().collect();
        assert!(more.is_empty(), "{more:?}");
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program whose file names one host; nothing is applied yet.
fn with_one_host() -> Program {
    let program = Program::new();
    program.write("pobsync.kdl", ROOT);
    program.write("hosts/a.kdl", &host("a"));
    program.ends(0, &["init"]);
    program
}

/// Writes as many editors do: a new file, moved to the old one's place.
fn save(program: &Program, name: &str, text: &str) {
    let new = program.write(".save~", text);
    std::fs::rename(new, program.path(name)).unwrap();
}

fn git(program: &Program, args: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.net"])
        .args(["-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(program.path(""))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(done.status.success(), "git {args:?}: {done:?}");
}

#[test]
fn each_change_is_planned_once_and_a_touch_is_none() {
    let program = with_one_host();
    let watcher = Watcher::start(&program, &[]);
    assert_eq!(watcher.planned(), ["a"]);
    watcher.idle();

    save(&program, "hosts/a.kdl", &host("a"));
    watcher.wait_for("nothing is new");
    save(&program, "hosts/a.kdl", &host("b"));
    assert_eq!(watcher.planned(), ["b"]);
    watcher.idle();
    program.write("hosts/c.kdl", &host("c"));
    assert_eq!(watcher.planned(), ["b", "c"]);
    watcher.idle();
    std::fs::remove_file(program.path("hosts/a.kdl")).unwrap();
    assert_eq!(watcher.planned(), ["c"]);
    watcher.end(rustix::process::Signal::TERM);
}

#[test]
fn what_is_broken_is_told_once_and_what_is_mended_too() {
    let program = with_one_host();
    let watcher = Watcher::start(&program, &[]);
    assert_eq!(watcher.planned(), ["a"]);
    watcher.idle();

    program.write("hosts/a.kdl", "host \"a\" {\n");
    let told = watcher.document();
    assert_eq!(told["outcome"], "invalid");
    assert_eq!(told["findings"][0]["message"], "this `{` is never closed");
    watcher.idle();
    save(&program, "hosts/a.kdl", "host \"a\" {\n");
    watcher.wait_for("nothing is new");
    program.write("hosts/a.kdl", &host("a"));
    watcher.wait_for("valid again");
    assert_eq!(watcher.planned(), ["a"]);
    watcher.idle();

    // Nothing matches the include any more, and then something in a new folder does.
    std::fs::remove_dir_all(program.path("hosts")).unwrap();
    assert_eq!(watcher.document()["findings"][0]["code"], "no-match");
    watcher.idle();
    program.write("hosts/b.kdl", &host("b"));
    assert_eq!(watcher.planned(), ["b"]);
    watcher.end(rustix::process::Signal::INT);
}

#[test]
fn the_whole_folder_may_go_and_come_again() {
    let program = with_one_host();
    program.write("conf/pobsync.kdl", ROOT);
    program.write("conf/hosts/a.kdl", &host("a"));
    let watcher = Watcher::start(&program, &["conf/pobsync.kdl"]);
    assert_eq!(watcher.planned(), ["a"]);
    watcher.idle();
    std::fs::rename(program.path("conf"), program.path("old")).unwrap();
    assert_eq!(watcher.document()["findings"][0]["code"], "unreadable");
    watcher.idle();
    program.write("new/pobsync.kdl", ROOT);
    program.write("new/hosts/b.kdl", &host("b"));
    std::fs::rename(program.path("new"), program.path("conf")).unwrap();
    assert_eq!(watcher.planned(), ["b"]);
    watcher.idle();
    // The new folder is watched, and the old one is no longer.
    program.write("old/hosts/x.kdl", &host("x"));
    program.write("conf/hosts/c.kdl", &host("c"));
    assert_eq!(watcher.planned(), ["b", "c"]);
    watcher.end(rustix::process::Signal::TERM);
}

#[test]
fn links_that_are_swapped_are_followed_anew() {
    let program = with_one_host();
    for (version, name) in [("v1", "a"), ("v2", "b")] {
        program.write(&format!("{version}/pobsync.kdl"), ROOT);
        program.write(&format!("{version}/shared/h.kdl"), &host(name));
        std::fs::create_dir(program.path(&format!("{version}/hosts"))).unwrap();
        let link = program.path(&format!("{version}/hosts/h.kdl"));
        symlink("../shared/h.kdl", link).unwrap();
    }
    symlink("v1", program.path("current")).unwrap();
    symlink("current/pobsync.kdl", program.path("linked.kdl")).unwrap();
    let watcher = Watcher::start(&program, &["linked.kdl"]);
    assert_eq!(watcher.planned(), ["a"]);
    watcher.idle();
    symlink("v2", program.path("next")).unwrap();
    std::fs::rename(program.path("next"), program.path("current")).unwrap();
    assert_eq!(watcher.planned(), ["b"]);
    watcher.idle();
    save(&program, "v2/shared/h.kdl", &host("c"));
    assert_eq!(watcher.planned(), ["c"]);
    watcher.end(rustix::process::Signal::TERM);
}

#[test]
fn checkouts_are_applied_whole_and_within_the_limits() {
    let program = with_one_host();
    git(&program, &["init", "-q"]);
    git(&program, &["add", "pobsync.kdl", "hosts"]);
    git(&program, &["commit", "-qm", "a"]);
    git(&program, &["checkout", "-qb", "more"]);
    git(&program, &["mv", "hosts", "fleet"]);
    program.write("fleet/b.kdl", &host("b"));
    program.write("pobsync.kdl", &ROOT.replace("hosts", "fleet"));
    git(&program, &["add", "fleet", "pobsync.kdl"]);
    git(&program, &["commit", "-qm", "b"]);
    git(&program, &["checkout", "-q", "main"]);

    let watcher = Watcher::start(&program, &["--apply"]);
    let first = watcher.document();
    assert_eq!(
        (&first["outcome"], &first["serial"]),
        (&"done".into(), &1.into())
    );
    watcher.idle();
    git(&program, &["checkout", "-q", "more"]);
    let second = watcher.document();
    assert_eq!(
        (&second["outcome"], &second["serial"]),
        (&"done".into(), &2.into())
    );
    assert_eq!(second["plan"]["summary"]["create"], 1);
    watcher.idle();

    // A checkout under way: half of it is valid, and would let a host go.
    let lock = program.write(".git/index.lock", "");
    std::fs::remove_file(program.path("fleet/a.kdl")).unwrap();
    watcher.wait_for("a checkout is under way");
    program.write("fleet/c.kdl", &host("a"));
    std::fs::remove_file(lock).unwrap();
    let third = watcher.document();
    assert_eq!(third["outcome"], "no-changes");
    assert_eq!(third["plan"]["summary"]["retire"], 0);
    watcher.idle();

    // A file that asks for nothing is refused, and everything stays.
    program.write("pobsync.kdl", "global { backup-root \"ROOT\" }\n");
    let refused = watcher.document();
    assert_eq!(refused["outcome"], "refused", "{refused}");
    watcher.idle();
    let hosts = program.json(0, &["hosts"]);
    assert!(!hosts.to_string().contains("retired\":true"), "{hosts}");
    git(&program, &["checkout", "-q", "--", "pobsync.kdl"]);
    assert_eq!(watcher.document()["outcome"], "no-changes");
    watcher.end(rustix::process::Signal::TERM);
    let history = program.json(0, &["history"]);
    assert_eq!(history.as_array().map(Vec::len), Some(2), "{history}");
}

#[test]
fn what_may_pass_is_tried_again() {
    let program = with_one_host();
    program.ends(0, &["apply", "--yes"]);
    let watcher = Watcher::start(&program, &["--apply"]);
    assert_eq!(watcher.document()["outcome"], "no-changes");
    watcher.idle();
    let (database, away) = (
        program.path("state/pobsync.db"),
        program.path("state/away.db"),
    );
    std::fs::rename(&database, &away).unwrap();
    program.write("hosts/b.kdl", &host("b"));
    assert_eq!(watcher.document()["outcome"], "unreachable");
    watcher.wait_for("tried again");
    std::fs::rename(&away, &database).unwrap();
    assert_eq!(watcher.document()["outcome"], "done");
    watcher.end(rustix::process::Signal::TERM);
    assert!(program.ends(0, &["hosts"]).out.contains("\nb "));
}

#[test]
fn without_a_database_it_does_not_begin() {
    let program = Program::new();
    program.write("pobsync.kdl", ROOT);
    program.ends(69, &["watch"]);
}
