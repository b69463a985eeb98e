//! A database server that is killed in the middle of what the program asks of it.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::mariadb::Server;
use crate::common::program::{Program, Said, names_below};
use crate::{Bench, Chance, JOBS, Job};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Copies the database of a server to where the checker reads it.
pub(crate) fn copy(program: &Program) {
    let file = program.path("state/pobsync.db");
    for name in names_below(&program.path("state")) {
        if name.starts_with("pobsync.db") {
            std::fs::remove_file(program.path("state").join(name)).unwrap();
        }
    }
    program.ends(
        0,
        &["copy-database", &program.database(), file.to_str().unwrap()],
    );
}

impl Bench {
    fn on_a_server() -> Self {
        let server = Server::start(&[]);
        let program = Program::with_database(server.url(&server.new_database()));
        Self::with(program, Some(server))
    }

    /// Does the job, and kills the server once the program has sent the n-th message to it, or is about to read the n-th
    /// answer; says whether there was one.
    fn loses_its_server_at(&mut self, job: Job, call: &str, n: usize) -> bool {
        self.prepare(job);
        let log = self.program.path("calls");
        let _ = std::fs::remove_file(&log);
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:signal=STOP:when={n}");
        let strace = [
            "strace",
            "-o",
            log.to_str().unwrap(),
            "-e",
            &trace,
            "-e",
            &inject,
            "--",
        ];
        let mut command = self.program.command_under(&strace, job.args());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut strace = command.spawn().expect("strace is installed by tests/run");
        let is_hit = stops(&mut strace, &log);
        if is_hit {
            let server = self.server.as_mut().unwrap();
            server.kill();
            let id = strace.id();
            let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
            let pid = children
                .unwrap()
                .trim()
                .parse()
                .ok()
                .and_then(Pid::from_raw);
            // What was on its way is answered by nobody, and then there is a server again.
            kill_process(pid.unwrap(), Signal::CONT).unwrap();
            server.run();
        }
        let said = Said::of(strace.wait_with_output().unwrap());
        let when = format!(
            "{job:?} without a server from {call} {n} on: exit {} | {}",
            said.code,
            said.err.trim_end()
        );
        self.check(&said, &when);
        is_hit
    }
}

/// Waits until the program is stopped; false if it ended before that.
fn stops(strace: &mut Child, log: &std::path::Path) -> bool {
    let begun = Instant::now();
    loop {
        if std::fs::read_to_string(log).is_ok_and(|log| log.contains("stopped by SIGSTOP")) {
            return true;
        }
        if strace.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(begun.elapsed() < PATIENCE, "it neither stops nor ends");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_server_that_dies_at_any_word_breaks_no_promise() {
    let whole = std::env::var("POBSYNC_SWEEP").ok();
    let mut bench = Bench::on_a_server();
    let (mut deaths, mut broken) = (0, Vec::new());
    if let Some(mut chance) = Chance::of(whole.as_deref()) {
        while chance.goes_on() {
            let job = JOBS[chance.below(JOBS.len())];
            let (call, n) = (
                ["sendto", "recvfrom"][chance.below(2)],
                1 + chance.below(120),
            );
            let done = std::panic::AssertUnwindSafe(|| bench.loses_its_server_at(job, call, n));
            let is_hit = std::panic::catch_unwind(done).unwrap_or_else(|_| {
                println!("BROKEN {job:?} {call} {n}");
                broken.push(format!("{job:?} {call} {n}"));
                bench = Bench::on_a_server();
                true
            });
            deaths += u32::from(is_hit);
            println!("{deaths} deaths");
        }
    }
    for job in JOBS {
        let word = format!("{job:?}").to_lowercase();
        if whole
            .as_deref()
            .is_some_and(|whole| whole != "all" && whole != word)
        {
            continue;
        }
        for call in ["sendto", "recvfrom"] {
            // A few of some two hundred words of each job.
            let points: Box<dyn Iterator<Item = usize>> = match &whole {
                Some(_) => Box::new(1..),
                None if call == "sendto" => Box::new([20, 45].into_iter()),
                None => Box::new([60].into_iter()),
            };
            let before = deaths;
            for n in points {
                let done = std::panic::AssertUnwindSafe(|| bench.loses_its_server_at(job, call, n));
                match std::panic::catch_unwind(done) {
                    Ok(true) => deaths += 1,
                    Ok(false) => break,
                    Err(_) => {
                        broken.push(format!("{job:?} {call} {n}"));
                        bench = Bench::on_a_server();
                    }
                }
            }
            println!("{job:?} {call}: {} deaths", deaths - before);
        }
    }
    println!("{deaths} deaths");
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(deaths > 4);
}
