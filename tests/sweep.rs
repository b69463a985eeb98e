//! Every call that fails, one after the other, over the whole main job: apply with a prune, backup with a prune, prune by
//! name, discovery. After each the checker reads SQL and disk, and the next backup mends what is left.
//!
//! ```text
//! POBSYNC_SWEEP=all cargo test --locked --test sweep -- --nocapture     every call; a sample runs with all tests
//! POBSYNC_SWEEP=apply …                                                 those of one job: apply, backup, retention, discover
//! POBSYNC_SWEEP=1800 …                                                  any of them by chance, for so many seconds
//! ```
//!
//! And the same jobs with MariaDB, whose server is killed while the program waits for its answer, at every call to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "sweep/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::checker::{Checker, Event};
use common::mariadb::Server;
use common::program::{Program, Said, names_below};
use server::copy;

/// Of the disk, then of the database.
const CALLS: [&str; 18] = [
    "mkdirat",
    "write",
    "linkat",
    "symlinkat",
    "fchmodat",
    "openat2",
    "openat",
    "renameat2",
    "unlinkat",
    "getdents64",
    "statx",
    "fsync",
    "syncfs",
    "flock",
    "pwrite64",
    "pread64",
    "fdatasync",
    "ftruncate",
];

const FAULTS: [&str; 5] = [
    "error=EIO",
    "error=ENOSPC",
    "error=EMFILE",
    "error=EINTR",
    "signal=KILL",
];

#[derive(Debug, Clone, Copy)]
enum Job {
    Apply,
    Backup,
    Retention,
    Discover,
}

impl Job {
    fn args(self) -> &'static [&'static str] {
        match self {
            Self::Apply => &["apply", "--yes", "--prune"],
            Self::Backup => &["backup", "web", "--scheduled", "--prune"],
            Self::Retention => &["retention", "web", "--apply", "--yes"],
            Self::Discover => &["discover-snapshots"],
        }
    }
}

const JOBS: [Job; 4] = [Job::Apply, Job::Backup, Job::Retention, Job::Discover];

struct Bench {
    program: Program,
    checker: Checker,
    round: u32,
    /// The database, where it is none in a file.
    server: Option<Server>,
}

impl Bench {
    fn new() -> Self {
        Self::with(Program::new(), None)
    }

    fn with(program: Program, server: Option<Server>) -> Self {
        for folder in ["source/folder", "outside"] {
            std::fs::create_dir_all(program.path(folder)).unwrap();
        }
        std::fs::write(program.path("source/folder/file"), "one").unwrap();
        std::fs::write(program.path("outside/canary"), "sings").unwrap();
        write(&program, 2);
        program.ends(0, &["init"]);
        program.ends(0, &["apply", "--yes"]);
        for _ in 0..3 {
            program.ends(0, &["backup", "web", "--scheduled", "--prune"]);
        }
        if server.is_some() {
            copy(&program);
        }
        let checker = Checker::new(&program);
        Self {
            program,
            checker,
            round: 0,
            server,
        }
    }

    /// Makes something to prune, something to apply and something to pull.
    fn prepare(&mut self, job: Job) {
        self.round += 1;
        let n = self.round;
        let name = format!(
            "2025{:02}{:02}-{:02}{:02}00Z__{n:06}",
            n / 30_000 % 12 + 1,
            n / 1_200 % 28 + 1,
            n / 60 % 24,
            n % 60
        );
        self.program.plant("web", "scheduled", &name);
        let event = Event {
            by_hand: [("web".to_owned(), "scheduled".to_owned(), name)].into(),
            ..Event::default()
        };
        self.copied();
        let broken = self.checker.look(&event);
        assert!(broken.is_empty(), "{broken:#?}");
        std::fs::write(self.program.path("source/folder/file"), n.to_string()).unwrap();
        if !matches!(job, Job::Discover) {
            self.program.ends(0, &["discover-snapshots"]);
        }
        if matches!(job, Job::Apply) {
            write(&self.program, 2 + n % 2);
        }
    }

    /// Does the job while the n-th `call` fails; says whether there was one.
    fn fails_at(&mut self, job: Job, call: &str, fault: &str, n: usize) -> bool {
        self.prepare(job);
        let log = self.program.path("calls");
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:{fault}:when={n}");
        let mut strace = vec![
            "strace",
            "-qq",
            "-o",
            log.to_str().unwrap(),
            "-e",
            &trace,
            "-e",
            &inject,
        ];
        // What is removed is removed by threads.
        if call == "unlinkat" {
            strace.push("-f");
        }
        let said = run(&self.program, &strace, job.args());
        let calls = std::fs::read_to_string(&log).unwrap_or_default();
        let is_hit = calls.contains("(INJECTED)") || calls.contains("killed by SIGKILL");
        let when = format!(
            "{job:?} {call} {n} {fault}: exit {} | {}",
            said.code,
            said.err.trim_end()
        );
        self.check(&said, &when);
        if matches!(job, Job::Discover) {
            // What was not found would pile up until a limit stands in the way of a prune.
            self.program.ends(0, &["discover-snapshots"]);
            self.look(&format!("found after {when}"));
        }
        is_hit
    }

    /// Holds what must be true after any failure, lets the next backup mend what is left, and looks again.
    fn check(&mut self, said: &Said, when: &str) {
        // 127 is the loader's, which could not load the program.
        assert!(!said.err.contains("panicked"), "{when}");
        assert!(
            matches!(said.code, -1 | 0 | 1 | 10..=14 | 65 | 69 | 127 | 137),
            "{when}"
        );
        self.look(when);
        let mended = self
            .program
            .run(&["backup", "web", "--scheduled", "--prune"]);
        let mended_text = format!("{} {}", mended.code, mended.err);
        assert_eq!(mended.code, 0, "after {when}\n{mended_text}");
        self.look(&format!("after {when}\n{mended_text}"));
        let web = self.program.root().join("web");
        for place in [".incomplete/scheduled", ".trash"] {
            let left = names_below(&web.join(place));
            assert!(left.is_empty(), "after {when}: {place} holds {left:?}");
        }
        let unsettled = self
            .checker
            .last
            .rows
            .values()
            .filter(|row| matches!(row.status.as_str(), "running" | "deleting"));
        assert_eq!(unsettled.count(), 0, "after {when}");
    }

    fn look(&mut self, when: &str) {
        let adds = Event {
            adds: true,
            ..Event::default()
        };
        self.copied();
        let broken = self.checker.look(&adds);
        assert!(broken.is_empty(), "{when}\n{broken:#?}");
    }

    /// The checker reads a file.
    fn copied(&self) {
        if self.server.is_some() {
            copy(&self.program);
        }
    }
}

fn run(program: &Program, under: &[&str], args: &[&str]) -> Said {
    let output = program.command_under(under, args).output();
    let output = output.expect("strace is installed by tests/run");
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn write(program: &Program, keep: u32) {
    let source = program.path("source");
    program.write(
        "pobsync.kdl",
        &format!(
            "global {{ backup-root \"ROOT\" }}\nhost \"web\" {{ address \"local\"; source \"{}\"; \
             retention {{ keep last={keep}; kinds \"scheduled\" \"manual\" }} }}\n",
            source.display()
        ),
    );
}

/// Chance, for as long as somebody has said.
struct Chance {
    until: Instant,
    state: usize,
}

impl Chance {
    fn of(sweep: Option<&str>) -> Option<Self> {
        let seconds = sweep?.parse().ok()?;
        let state = std::process::id() as usize;
        println!("seed {state}");
        Some(Self {
            until: Instant::now() + Duration::from_secs(seconds),
            state,
        })
    }

    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// Knuth's MMIX, whose high bits are good enough.
    fn below(&mut self, n: usize) -> usize {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % n
    }
}

/// What was broken, and how many faults there were.
#[derive(Default)]
struct Found {
    broken: Vec<String>,
    hits: BTreeMap<String, u32>,
}

impl Found {
    /// Goes on with another bench after what was broken; says whether there was a call to fail.
    fn one(&mut self, bench: &mut Bench, job: Job, call: &str, fault: &str, n: usize) -> bool {
        let done = std::panic::AssertUnwindSafe(|| bench.fails_at(job, call, fault, n));
        let is_hit = std::panic::catch_unwind(done).unwrap_or_else(|_| {
            println!("BROKEN {job:?} {call} {n} {fault}");
            self.broken.push(format!("{job:?} {call} {n} {fault}"));
            *bench = Bench::new();
            true
        });
        let hits = self.hits.entry(format!("{job:?} {fault}")).or_default();
        *hits += u32::from(is_hit);
        is_hit
    }
}

#[test]
fn no_call_that_fails_or_kills_breaks_a_promise() {
    let whole = std::env::var("POBSYNC_SWEEP").ok();
    let is_meant = |job: &Job| {
        let word = whole.as_deref().unwrap_or("all");
        word == "all" || word == format!("{job:?}").to_lowercase()
    };
    let mut bench = Bench::new();
    let mut found = Found::default();
    if let Some(mut chance) = Chance::of(whole.as_deref()) {
        while chance.goes_on() {
            let (job, call) = (
                JOBS[chance.below(JOBS.len())],
                CALLS[chance.below(CALLS.len())],
            );
            let fault = FAULTS[chance.below(FAULTS.len())];
            // Each job has few of most calls.
            let longest = 1 << (1 + chance.below(8));
            found.one(&mut bench, job, call, fault, 1 + chance.below(longest));
        }
    }
    let mut turn = 0;
    for job in JOBS.into_iter().filter(is_meant) {
        for call in CALLS {
            for fault in FAULTS {
                turn += 1;
                if whole.is_none() {
                    if turn % 9 == 0 {
                        found.one(&mut bench, job, call, fault, 1 + turn % 5);
                    }
                    continue;
                }
                // Those far on differ in nothing but their number.
                let points = (1..=40).chain((1..).map(|i| 40 + i * i));
                let mut hits = 0;
                for n in points.take_while(|n| *n < 2_000) {
                    if !found.one(&mut bench, job, call, fault, n) {
                        break;
                    }
                    hits += 1;
                }
                println!("{job:?} {call} {fault}: {hits} faults");
            }
        }
    }
    let hits: u32 = found.hits.values().sum();
    println!("{:#?}\n{hits} faults", found.hits);
    assert!(found.broken.is_empty(), "{:#?}", found.broken);
    assert!(hits > 10);
}
