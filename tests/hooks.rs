//! Hooks around a backup, here and on a host behind a real sshd: their order, their words, and what their failures do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::program::Program;
use common::{Sshd, is_root};

/// Where hooks of a host lie; the host of these tests is this machine.
const REMOTE: &str = "/etc/pobsync/hooks.d";

/// A program with a hooks folder, a host behind an sshd, and a file in which every hook leaves a line.
struct Fixture {
    program: Program,
    sshd: Sshd,
    remote: Vec<PathBuf>,
}

impl Fixture {
    /// `hooks` is the block of the configuration; `NAME-` in it stands for a prefix of this test's own.
    fn new(hooks: &str) -> Self {
        Self::with(Sshd::start(), hooks, "")
    }

    fn with(sshd: Sshd, hooks: &str, settings: &str) -> Self {
        let program = Program::new();
        std::fs::create_dir_all(program.path("source")).unwrap();
        std::fs::write(program.path("source/file"), "x").unwrap();
        std::fs::create_dir_all(program.path("hooks")).unwrap();
        let fixture = Self {
            program,
            sshd,
            remote: Vec::new(),
        };
        fixture.configure(&format!("hooks {{ {hooks} }}; {settings}"));
        fixture.program.ends(0, &["init"]);
        fixture.program.ends(0, &["apply", "--yes"]);
        fixture
    }

    fn configure(&self, settings: &str) {
        let text = format!(
            "global {{ backup-root \"ROOT\"; ssh {{ port {}; identity \"{}\"; known-hosts \"{}\" }} }}\n\
             host \"web\" {{ address \"127.0.0.1\"; source \"{}\"; {} }}",
            self.sshd.port,
            self.sshd.identity.display(),
            self.sshd.known_hosts.display(),
            self.program.path("source").display(),
            settings.replace("NAME-", &self.prefix()),
        );
        self.program.write("pobsync.kdl", &text);
    }

    /// Of this test alone: the folder on the host is everybody's.
    fn prefix(&self) -> String {
        format!("pobsync-test-{}-{}-", std::process::id(), self.sshd.port)
    }

    fn local(&self, name: &str, script: &str) {
        self.install(&self.program.path("hooks").join(name), name, script);
    }

    fn remote(&mut self, name: &str, script: &str) {
        std::fs::create_dir_all(REMOTE).unwrap();
        let path = Path::new(REMOTE).join(format!("{}{name}", self.prefix()));
        self.install(&path, name, script);
        self.remote.push(path);
    }

    fn install(&self, path: &Path, name: &str, script: &str) {
        let text = format!(
            "#!/bin/sh\necho {name} \"$@\" >> {}\n{script}\n",
            self.program.path("trace").display()
        );
        // By another process: one that this one has open for writing, if only in a child that another test is just
        // starting, cannot be run (ETXTBSY).
        let plain = self.program.path("text");
        std::fs::write(&plain, text).unwrap();
        let made = Command::new("install")
            .args(["-m", "755"])
            .args([&plain, path])
            .status();
        assert!(made.unwrap().success());
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.program.command(args);
        command.env("POBSYNC_HOOKS", self.program.path("hooks"));
        command.env("SECRET", "of the caller");
        command
    }

    fn run(&self, code: i32, args: &[&str]) -> (String, String) {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
        (out, err)
    }

    /// The hooks that ran, with what they were given; the snapshot's name is `SNAPSHOT`.
    fn trace(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.program.path("trace")).unwrap_or_default();
        let _ = std::fs::remove_file(self.program.path("trace"));
        let is_name = |word: &str| word.len() == 24 && word.contains("Z__");
        text.lines()
            .map(|line| {
                line.split(' ')
                    .map(|word| if is_name(word) { "SNAPSHOT" } else { word })
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    }

    fn last_run(&self) -> serde_json::Value {
        self.program.json(0, &["runs"])[0].clone()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        for path in &self.remote {
            let _ = std::fs::remove_file(path);
        }
        // They stay if another test, or an operator, has something there.
        let _ = std::fs::remove_dir(REMOTE);
        let _ = std::fs::remove_dir("/etc/pobsync");
    }
}

const ALL: &str = "before \"one\" \"two\"; remote-before \"NAME-dump\"; remote-after \"NAME-undump\"; after \"tidy\"";

#[test]
fn hooks_run_in_order_and_are_told_what_it_is_about() {
    if !is_root() {
        return;
    }
    let mut fixture = Fixture::new(ALL);
    fixture.local(
        "one",
        "env | sort > \"${0%/*}/../environment\"; echo said by one",
    );
    fixture.local("two", "");
    fixture.local("tidy", "");
    fixture.remote("dump", "echo said there");
    fixture.remote("undump", "");
    fixture.run(0, &["backup", "web"]);
    assert_eq!(
        fixture.trace(),
        [
            "one before web manual SNAPSHOT running",
            "two before web manual SNAPSHOT running",
            "dump remote-before web manual SNAPSHOT running",
            "undump remote-after web manual SNAPSHOT complete",
            "tidy after web manual SNAPSHOT complete",
        ]
    );
    let name = fixture.program.visible("web", "manual").pop().unwrap();
    let environment = std::fs::read_to_string(fixture.program.path("environment")).unwrap();
    assert!(!environment.contains("SECRET"), "{environment}");
    for line in [
        "POBSYNC_HOOK=before".to_owned(),
        "POBSYNC_HOST=web".to_owned(),
        "POBSYNC_KIND=manual".to_owned(),
        format!("POBSYNC_SNAPSHOT={name}"),
        "POBSYNC_STATUS=running".to_owned(),
    ] {
        assert!(
            environment.lines().any(|l| l == line),
            "{line}: {environment}"
        );
    }
    let log = fixture
        .program
        .data("web", "manual", &name)
        .with_file_name("rsync.log");
    let log = std::fs::read_to_string(log).unwrap();
    for line in ["pobsync: hook before one", "said by one", "said there"] {
        assert!(log.lines().any(|l| l == line), "{line}: {log}");
    }
}

#[test]
fn a_hook_before_that_fails_stops_the_backup_and_says_so() {
    if !is_root() {
        return;
    }
    let mut fixture = Fixture::new(ALL);
    for name in ["one", "two", "tidy"] {
        fixture.local(name, "");
    }
    fixture.remote("dump", "echo no room for the dump >&2; exit 3");
    fixture.remote("undump", "");
    let (_, err) = fixture.run(1, &["backup", "web"]);
    assert!(
        err.contains("nothing was pulled: the `remote-before` hook"),
        "{err}"
    );
    assert!(err.contains("exit 3: no room for the dump"), "{err}");
    // What has begun is undone.
    assert_eq!(
        fixture.trace()[3..],
        [
            "undump remote-after web manual SNAPSHOT failed",
            "tidy after web manual SNAPSHOT failed"
        ]
    );
    let run = fixture.last_run();
    assert_eq!(run["status"], "failed");
    assert!(
        run["message"]
            .as_str()
            .unwrap()
            .contains("no room for the dump")
    );
    assert_eq!(
        fixture.program.visible("web", "manual"),
        Vec::<String>::new()
    );

    fixture.local("two", "exit 4");
    fixture.run(1, &["backup", "web"]);
    // The host was never asked to prepare anything: it has nothing to undo.
    assert_eq!(
        fixture.trace(),
        [
            "one before web manual SNAPSHOT running",
            "two before web manual SNAPSHOT running",
            "tidy after web manual SNAPSHOT failed"
        ]
    );

    fixture.local("two", "");
    fixture.remote("dump", "");
    fixture.run(0, &["backup", "web"]);
    assert_eq!(fixture.program.visible("web", "manual").len(), 1);
}

#[test]
fn hooks_run_once_however_many_connections_a_pull_takes() {
    let mut fixture = Fixture::new(ALL);
    for hook in ["one", "two", "tidy"] {
        fixture.local(hook, "");
    }
    for hook in ["dump", "undump"] {
        fixture.remote(hook, "");
    }
    // The first backup takes one rsync of the host's, the second compares and then is turned away twice.
    let wrapper = fixture.program.path("rsync-of-the-host");
    let calls = fixture.program.path("calls");
    let calls = calls.display();
    let script = format!(
        "echo >>{calls}; case $(wc -l <{calls}) in 3|4) exit 255;; esac; exec rsync \"$@\""
    );
    fixture.install(&wrapper, "rsync", &script);
    let wrapper = wrapper.display();
    fixture.configure(&format!(
        "hooks {{ {ALL} }}; rsync {{ incremental \"fast\"; rsync-path \"{wrapper}\" }}"
    ));
    fixture.run(0, &["apply", "--yes"]);
    let hooks = |fixture: &Fixture| -> Vec<String> {
        let trace = fixture.trace();
        let words = trace
            .iter()
            .map(|line| line.split(' ').next().unwrap_or_default());
        words.map(str::to_owned).collect()
    };
    fixture.run(0, &["backup", "web"]);
    assert_eq!(
        hooks(&fixture),
        ["one", "two", "dump", "rsync", "undump", "tidy"]
    );
    std::fs::write(fixture.program.path("source/file"), "changed").unwrap();
    fixture.run(0, &["backup", "web"]);
    assert_eq!(
        hooks(&fixture),
        [
            "one", "two", "dump", "rsync", "rsync", "rsync", "rsync", "undump", "tidy"
        ]
    );
}

#[test]
fn hooks_after_run_although_the_pull_failed() {
    if !is_root() {
        return;
    }
    let mut fixture = Fixture::new(ALL);
    for name in ["one", "two", "tidy"] {
        fixture.local(name, "");
    }
    fixture.remote("dump", "");
    fixture.remote("undump", "");
    std::fs::rename(fixture.program.path("source"), fixture.program.path("gone")).unwrap();
    let (_, err) = fixture.run(1, &["backup", "web"]);
    assert!(err.contains("a source is not there"), "{err}");
    assert_eq!(fixture.trace()[3..].len(), 2);
}

#[test]
fn a_hook_after_that_fails_is_told_and_unmakes_nothing() {
    if !is_root() {
        return;
    }
    let mut fixture = Fixture::new(ALL);
    for name in ["one", "two", "tidy"] {
        fixture.local(name, "");
    }
    fixture.remote("dump", "");
    fixture.remote("undump", "echo still frozen; exit 1");
    let (out, err) = fixture.run(13, &["backup", "web"]);
    assert!(out.contains(" files, "), "the snapshot stands: {out}");
    assert!(
        err.contains("remote-after") && err.contains("still frozen"),
        "{err}"
    );
    assert_eq!(fixture.trace().len(), 5, "the other one runs all the same");
    let run = fixture.last_run();
    assert_eq!(run["status"], "partial");
    assert!(
        run["message"].as_str().unwrap().contains("still frozen"),
        "{run}"
    );
    assert_eq!(
        fixture.program.json(0, &["snapshots"])[0]["status"],
        "complete"
    );
    // It is the base of the next one.
    fixture.remote("undump", "");
    let (out, _) = fixture.run(0, &["backup", "web"]);
    assert!(out.contains("linked against"), "{out}");
}

#[test]
fn a_hook_that_hangs_is_ended_after_its_time() {
    if !is_root() {
        return;
    }
    let fixture = Fixture::new("before \"hangs\"; timeout \"1s\"");
    fixture.local("hangs", "exec sleep 1000");
    let (_, err) = fixture.run(1, &["backup", "web"]);
    assert!(err.contains("took longer than 1s"), "{err}");
}

#[test]
fn a_hook_ends_with_the_run_and_what_undoes_it_still_runs() {
    if !is_root() {
        return;
    }
    let fixture = Fixture::new("before \"waits\"; after \"tidy\"");
    fixture.local("waits", "exec sleep 1000");
    fixture.local("tidy", "");
    let mut child = fixture
        .command(&["backup", "web"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !fixture.program.path("trace").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(
        fixture.trace()[1..],
        ["tidy after web manual SNAPSHOT cancelled"]
    );
    assert_eq!(fixture.last_run()["status"], "cancelled");
}

#[test]
fn a_hook_that_outlives_its_killed_parent_is_ended_before_the_next_backup() {
    if !is_root() {
        return;
    }
    let fixture = Fixture::new("before \"waits\"");
    fixture.local(
        "waits",
        &format!(
            "echo $$ > {}; exec sleep 1000",
            fixture.program.path("pid").display()
        ),
    );
    let mut child = fixture.command(&["backup", "web"]).spawn().unwrap();
    let lock = fixture.program.root().join("web/.lock");
    let pid = || std::fs::read_to_string(fixture.program.path("pid")).unwrap_or_default();
    while !pid().ends_with('\n')
        || !std::fs::read_to_string(&lock).is_ok_and(|note| note.contains("\"children\":{"))
    {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let pid = pid();
    child.kill().unwrap();
    child.wait().unwrap();
    let is_alive = || {
        std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
            .is_ok_and(|stat| !stat.contains(") Z "))
    };
    assert!(is_alive());
    fixture.local("waits", "");
    fixture.run(0, &["backup", "web"]);
    assert!(!is_alive());
    let runs = fixture.program.json(0, &["runs"]);
    assert_eq!(runs[1]["status"], "interrupted", "{runs}");
}

#[test]
fn missing_and_unsafe_hooks_are_found_before_the_night() {
    if !is_root() {
        return;
    }
    let mut fixture = Fixture::new(ALL);
    fixture.local("one", "");
    fixture.local("two", "");
    let anybody = fixture.program.path("hooks/two");
    std::fs::set_permissions(&anybody, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::os::unix::fs::symlink("/bin/true", fixture.program.path("hooks/tidy")).unwrap();
    fixture.remote("dump", "");
    let (out, _) = fixture.run(1, &["test", "web"]);
    for words in [
        "ok      hook: one",
        "PROBLEM hook: two: ",
        "can be written by its group or by everybody",
        "is a symbolic link",
        "ok      remote hook: ",
        "PROBLEM remote hook: ",
        "the host has no program /etc/pobsync/hooks.d/",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    let (out, _) = fixture.run(1, &["check"]);
    assert!(
        out.contains("is a symbolic link") && out.contains("by everybody"),
        "{out}"
    );
    assert!(fixture.trace().is_empty(), "looking runs nothing");
    // And a backup refuses them too.
    let (_, err) = fixture.run(1, &["backup", "web"]);
    assert!(err.contains("by everybody"), "{err}");
}

#[test]
fn a_host_that_is_not_reached_is_told_as_such() {
    if !is_root() {
        return;
    }
    let mut fixture = Fixture::new("remote-before \"NAME-dump\"");
    fixture.remote("dump", "");
    std::fs::write(&fixture.sshd.known_hosts, "").unwrap();
    let (_, err) = fixture.run(1, &["backup", "web"]);
    assert!(err.contains("pobsync trust"), "{err}");
}

#[test]
fn a_key_that_may_only_run_rsync_runs_no_hooks_and_says_why() {
    if !is_root() {
        return;
    }
    let sshd = Sshd::with_forced_command("rrsync -ro /");
    let mut fixture = Fixture::with(sshd, "remote-before \"NAME-dump\"", "");
    fixture.remote("dump", "");
    let (_, err) = fixture.run(1, &["backup", "web"]);
    assert!(err.contains("may run nothing but rsync"), "{err}");
    assert!(fixture.trace().is_empty());

    fixture.configure("");
    fixture.program.ends(0, &["apply", "--yes"]);
    let (_, err) = fixture.run(1, &["backup", "web"]);
    assert!(err.contains("secluded-args #false"), "{err}");
    fixture.configure("rsync { secluded-args #false }");
    fixture.program.ends(0, &["apply", "--yes"]);
    fixture.run(0, &["backup", "web"]);
    let (out, _) = fixture.run(0, &["test", "web"]);
    assert!(out.contains("ok      source"), "{out}");
}

#[test]
fn the_script_of_the_readme_lets_a_key_run_hooks_and_read() {
    if !is_root() {
        return;
    }
    let readme = include_str!("../README.md");
    let script = readme
        .split("```sh\n")
        .find(|block| block.starts_with("#!/bin/sh\nset -f"))
        .and_then(|block| block.split("```").next())
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let allowed = folder.path().join("allowed");
    std::fs::write(&allowed, "").unwrap();
    std::fs::set_permissions(&allowed, std::fs::Permissions::from_mode(0o755)).unwrap();
    let sshd = Sshd::with_forced_command(allowed.to_str().unwrap());
    let mut fixture = Fixture::with(
        sshd,
        "remote-before \"NAME-dump\"",
        "rsync { secluded-args #false }",
    );
    let hook = format!("{}dump", fixture.prefix());
    std::fs::write(&allowed, script.replace("dump-databases", &hook)).unwrap();
    fixture.remote("dump", "");
    fixture.run(0, &["backup", "web"]);
    assert_eq!(
        fixture.trace(),
        ["dump remote-before web manual SNAPSHOT running"]
    );
    // Whoever holds the key runs nothing else.
    let said = Command::new("ssh")
        .args(["-F", "none", "-o", "StrictHostKeyChecking=yes", "-T", "-p"])
        .arg(fixture.sshd.port.to_string())
        .arg("-i")
        .arg(&fixture.sshd.identity)
        .arg("-o")
        .arg(format!(
            "UserKnownHostsFile={}",
            fixture.sshd.known_hosts.display()
        ))
        .args([
            "root@127.0.0.1",
            "touch",
            folder.path().join("pwned").to_str().unwrap(),
        ])
        .output()
        .unwrap();
    assert!(!said.status.success() && !folder.path().join("pwned").exists());
}
