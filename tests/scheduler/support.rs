//! A fleet of hosts, its database, and schedulers that are started, watched and ended.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::common::On;
use crate::common::program::{Program, Said};
use crate::common::sql::Sql;

/// Far beyond what anything here takes: a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Hosts that are pulled from this machine, with a source of some files. Without a host nothing is applied yet.
pub(crate) fn fleet(hosts: &[&str], global: &str, host: &str) -> Program {
    fleet_on(On::Sqlite, hosts, global, host)
}

/// As [`fleet`], on either kind of database.
pub(crate) fn fleet_on(on: On, hosts: &[&str], global: &str, host: &str) -> Program {
    let program = on.program();
    let source = program.path("source");
    std::fs::create_dir_all(source.join("folder")).unwrap();
    for name in ["one", "two", "folder/three"] {
        std::fs::write(source.join(name), name).unwrap();
    }
    configure(&program, hosts, global, host);
    program.ends(0, &["init"]);
    if !hosts.is_empty() {
        program.ends(0, &["apply", "--yes"]);
    }
    program
}

/// Writes the configuration of a fleet; `apply` makes it so.
pub(crate) fn configure(program: &Program, hosts: &[&str], global: &str, host: &str) {
    let source = program.path("source");
    let address = if host.contains("address ") {
        ""
    } else {
        "address \"local\";"
    };
    let hosts: String = hosts
        .iter()
        .map(|name| {
            let source = source.display();
            format!("host \"{name}\" {{ {address} source \"{source}\"; {host} }}\n")
        })
        .collect();
    program.write(
        "pobsync.kdl",
        &format!("/- kdl-version 2\nglobal {{ backup-root \"ROOT\"; {global} }}\n{hosts}"),
    );
}

/// Makes every schedule due, as if nothing had been answered for two days.
pub(crate) fn make_due(program: &Program) {
    let changed = Sql::of(program)
        .execute("UPDATE schedule_progress SET settled_until = settled_until - 172800000");
    assert!(changed > 0, "there are schedules");
}

/// The rows of runs of a kind, oldest first, each as `host status attempt`.
pub(crate) fn runs(program: &Program, kind: &str) -> Vec<String> {
    Sql::of(program).texts(&format!(
        "SELECT h.name || ' ' || r.status || ' ' || coalesce(r.attempt, '-') \
         FROM runs r JOIN hosts h ON h.id = r.host_id WHERE r.kind = '{kind}' ORDER BY r.id"
    ))
}

/// One number from the database.
pub(crate) fn number(program: &Program, sql: &str) -> i64 {
    Sql::of(program).number(sql)
}

/// Waits until `is_so`.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running program whose log is read line by line.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    pub(crate) log: Vec<String>,
}

impl Running {
    pub(crate) fn start(program: &Program, args: &[&str]) -> Self {
        Self::of(program.command(args))
    }

    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        let (said, lines) = channel();
        std::thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            lines,
            log: Vec::new(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for a line of the log that holds `words`.
    pub(crate) fn says(&mut self, words: &str) {
        if self.log.iter().any(|line| line.contains(words)) {
            return;
        }
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|e| panic!("never {words:?}: {e}\n{:#?}", self.log));
            let is_it = line.contains(words);
            self.log.push(line);
            if is_it {
                break;
            }
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.log.extend(self.lines.iter());
                return status;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "it never ended: {:#?}",
                self.log
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes whose command line or working directory names the folder of the program, but for zombies.
pub(crate) fn processes(program: &Program) -> Vec<String> {
    let folder = program.root().parent().unwrap().to_owned();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let bytes = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&bytes).replace('\0', " ");
        let is_in =
            std::fs::read_link(entry.path().join("cwd")).is_ok_and(|d| d.starts_with(&folder));
        if words.contains(folder.to_str().unwrap()) || is_in {
            found.push(words);
        }
    }
    found
}

/// The program at another time, such as `2026-11-24 12:00:00`, UTC.
pub(crate) fn at(program: &Program, time: &str, args: &[&str]) -> Said {
    let plain = program.command(args);
    let mut command = Command::new("faketime");
    command.args(["-f", &format!("@{time}")]);
    command.env("TZ", "UTC");
    // Waiting goes by the other clock, and an end that is years away would be waited for. Releases differ in the name.
    command.env("DONT_FAKE_MONOTONIC", "1");
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command.arg(plain.get_program()).args(plain.get_args());
    command.current_dir(plain.get_current_dir().unwrap());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("faketime is installed by tests/run");
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// As [`at`], and demands how it ends.
pub(crate) fn ends_at(program: &Program, time: &str, code: i32, args: &[&str]) -> Said {
    let said = at(program, time, args);
    assert_eq!(
        said.code, code,
        "at {time}: pobsync {args:?}\n--- stdout\n{}\n--- stderr\n{}",
        said.out, said.err
    );
    said
}
