//! Running a hook: a program that an operator put into a hooks folder, here or on the host.
//!
//! An argument vector, no shell of ours, a clean environment, a process group of its own and a time limit, like a transfer.

use std::fs::File;
use std::process::{Command, Stdio};

use super::process::{self, Ear, Started, Task};
use super::{HookProblem, HooksFolder, Stop};
use crate::core::model::{HookName, Span, visible};

/// What one hook may add to a log.
const LARGEST_LOG: u64 = 1 << 20;
/// What is shown of the last line that it said.
const SHOWN: usize = 300;

/// One call of a hook.
pub struct HookCall<'a> {
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it finds in its environment beside `PATH`, `HOME` and `LC_ALL`.
    pub environment: Vec<(&'static str, String)>,
    /// What it reads; nothing if empty.
    pub input: Vec<u8>,
    /// How long it may take.
    pub timeout: Span,
    /// Asks it to stop.
    pub stop: &'a Stop,
    /// Where what it says goes.
    pub log: Option<File>,
}

/// Why a hook did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It is not there, or not safe to run.
    #[error(transparent)]
    Problem(#[from] HookProblem),
    /// It could not be started.
    #[error("it could not be started: {0}")]
    Start(#[source] std::io::Error),
    /// It said that it failed.
    #[error("it ended with exit {exit}: {}", said(last.as_deref()))]
    Failed {
        /// Its exit code.
        exit: i32,
        /// The last line it said.
        last: Option<String>,
    },
    /// A signal ended it.
    #[error("signal {signal} ended it: {}", said(last.as_deref()))]
    Signal {
        /// The signal.
        signal: i32,
        /// The last line it said.
        last: Option<String>,
    },
    /// It took too long.
    #[error("it took longer than {limit} and was ended")]
    TimedOut {
        /// How long it might take.
        limit: Span,
    },
    /// Somebody asked for the run to stop.
    #[error("it was stopped on request")]
    Cancelled,
    /// It never ran: the host was not reached, or does not let it run.
    #[error("{message}")]
    Unreached {
        /// What happened and what to do.
        message: String,
        /// Trying again by itself may help.
        retry: bool,
        /// It may be an attack, and a person must look.
        alarm: bool,
    },
}

impl HookError {
    /// It never ran, and trying again by itself would not help.
    pub(super) fn not_run(message: String) -> Self {
        Self::Unreached {
            message,
            retry: false,
            alarm: false,
        }
    }
}

fn said(last: Option<&str>) -> String {
    let Some(last) = last else {
        return "it said nothing".to_owned();
    };
    let line: String = last.trim().chars().take(SHOWN).collect();
    visible(&line)
}

impl HooksFolder {
    /// Runs the hook called `name` and waits for its end. `on_start` hears of its process group.
    ///
    /// # Errors
    /// When it may not be run, fails, or is ended.
    pub fn run(
        &self,
        name: &HookName,
        call: HookCall<'_>,
        on_start: &mut dyn FnMut(Started),
    ) -> Result<(), HookError> {
        let mut argv = vec![self.find(name)?.into_string()];
        argv.extend(call.arguments.iter().cloned());
        let mut command = process::command(&argv);
        command
            .envs(call.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/");
        let (ended, last) = attend(command, call, on_start)?;
        match ended.exit {
            Some(0) => Ok(()),
            _ => Err(failure(&ended, last)),
        }
    }
}

/// Runs a hook's process to its end; an error of its own making only where it was not left to end by itself.
pub(super) fn attend(
    mut command: Command,
    call: HookCall<'_>,
    on_start: &mut dyn FnMut(Started),
) -> Result<(super::Ended, Option<String>), HookError> {
    let limit = call.timeout;
    let stdin = if call.input.is_empty() {
        Stdio::null()
    } else {
        Stdio::piped()
    };
    command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let task = Task {
        command: &mut command,
        input: call.input,
        deadline: limit.into(),
        stop: call.stop,
        ceiling: None,
        has_last_words: false,
    };
    let mut ear = Ear::new(call.log, LARGEST_LOG, 0);
    let status =
        process::attend(task, &mut ear, on_start, &mut |_| {}).map_err(HookError::Start)?;
    let last = ear.last_line();
    let (ended, _) = ear.finish(status);
    if ended.cancelled {
        Err(HookError::Cancelled)
    } else if ended.timed_out {
        Err(HookError::TimedOut { limit })
    } else {
        Ok((ended, last))
    }
}

pub(super) fn failure(ended: &super::Ended, last: Option<String>) -> HookError {
    match (ended.exit, ended.signal) {
        (Some(exit), _) => HookError::Failed { exit, last },
        (None, signal) => HookError::Signal {
            signal: signal.unwrap_or_default(),
            last,
        },
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    struct Fixture {
        dir: tempfile::TempDir,
        folder: HooksFolder,
    }

    impl Fixture {
        fn with(script: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let text = dir.path().join("text");
            std::fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
            // By another process: a program that this one has open for writing, if only in a child that another test is
            // just starting, cannot be run (ETXTBSY).
            let made = Command::new("install")
                .args(["-m", "755"])
                .args([&text, &dir.path().join("hook")])
                .status();
            assert!(made.unwrap().success());
            let folder = HooksFolder::new(dir.path().to_owned().try_into().unwrap());
            Self { dir, folder }
        }

        fn run(&self, call: HookCall<'_>) -> Result<(), HookError> {
            self.folder.run(&"hook".parse().unwrap(), call, &mut |_| {})
        }

        fn log(&self) -> String {
            std::fs::read_to_string(self.dir.path().join("log")).unwrap()
        }
    }

    fn call<'a>(fixture: &Fixture, stop: &'a Stop) -> HookCall<'a> {
        HookCall {
            arguments: vec!["one".into(), "$(two)".into()],
            environment: vec![("POBSYNC_HOST", "web-01".into())],
            input: Vec::new(),
            timeout: Span::from_seconds(60),
            stop,
            log: Some(File::create(fixture.dir.path().join("log")).unwrap()),
        }
    }

    #[test]
    fn a_hook_gets_its_words_and_a_clean_environment() {
        let never = Stop::new();
        let fixture = Fixture::with("echo \"$1 $2 $#\"; cat; pwd; env | sort");
        fixture.run(call(&fixture, &never)).unwrap();
        let log = fixture.log();
        let names: Vec<&str> = log
            .lines()
            .skip(2)
            .filter_map(|line| Some(line.split_once('=')?.0))
            .filter(|name| *name != "HOME")
            .collect();
        assert!(log.starts_with("one $(two) 2\n/\n"), "{log}");
        assert_eq!(names, ["LC_ALL", "PATH", "POBSYNC_HOST", "PWD"], "{log}");
    }

    #[test]
    fn what_it_is_given_to_read_it_reads() {
        let never = Stop::new();
        let fixture = Fixture::with("wc -c");
        let mut call = call(&fixture, &never);
        // More than a pipe holds at once.
        call.input = vec![b'x'; 200_000];
        fixture.run(call).unwrap();
        assert_eq!(fixture.log().trim(), "200000");
    }

    #[test]
    fn one_that_reads_nothing_of_it_ends_all_the_same() {
        let never = Stop::new();
        let fixture = Fixture::with("exit 0");
        let mut call = call(&fixture, &never);
        call.input = vec![b'x'; 200_000];
        fixture.run(call).unwrap();
    }

    #[test]
    fn a_failure_tells_exit_code_and_last_line() {
        let never = Stop::new();
        let fixture = Fixture::with("seq 1000 >&2; printf 'no \\033[31mroom\\n' >&2; exit 3");
        let error = fixture.run(call(&fixture, &never)).unwrap_err().to_string();
        assert!(error.contains("exit 3") && error.contains("no "), "{error}");
        assert!(
            error.ends_with("room") && !error.contains('\u{1b}'),
            "{error}"
        );
    }

    #[test]
    fn one_that_hangs_is_ended() {
        let never = Stop::new();
        let fixture = Fixture::with("exec sleep 1000");
        let mut call = call(&fixture, &never);
        call.timeout = Span::from_seconds(1);
        let error = fixture.run(call).unwrap_err();
        assert!(matches!(error, HookError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn one_is_stopped_on_request_with_its_children() {
        let stop = Stop::new();
        let fixture = Fixture::with("sleep 1000 & echo $!; wait");
        let call = call(&fixture, &stop);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !fixture.log().ends_with('\n') {
                    std::thread::yield_now();
                }
                stop.ask();
            });
            let error = fixture.run(call).unwrap_err();
            assert!(matches!(error, HookError::Cancelled), "{error}");
        });
        let child: u32 = fixture.log().trim().parse().unwrap();
        // Its end was asked for; the kernel takes its own time on a machine that is busy.
        while super::super::group::start_time(child).is_some() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_it_leaves_running_elsewhere_holds_nobody_up() {
        let never = Stop::new();
        let fixture = Fixture::with(
            "mkfifo $0.fifo; setsid sh -c 'echo $$; echo > $0.fifo; exec sleep 1000' $0 & read x < $0.fifo",
        );
        fixture.run(call(&fixture, &never)).unwrap();
        let left: u32 = fixture.log().trim().parse().unwrap();
        let start = super::super::group::start_time(left);
        assert!(start.is_some(), "it runs on");
        super::super::end_group(left, start).unwrap();
    }

    #[test]
    fn a_signal_is_told() {
        let never = Stop::new();
        let fixture = Fixture::with("kill -9 $$");
        let error = fixture.run(call(&fixture, &never)).unwrap_err().to_string();
        assert_eq!(error, "signal 9 ended it: it said nothing");
    }
}
