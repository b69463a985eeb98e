//! Running a transfer: its own process group, a deadline by our own clock, and everything it says kept within bounds.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use super::Pull;
use super::argv::Control;
use super::ceiling::Ceiling;
use super::connection::Connection;
use super::cut::Cutter;
use super::difference::{Difference, DifferenceReader, Surprise};
use super::group::{GRACE, signal_group};
use super::progress::{At, progress};
use super::stats::Stats;
use super::stop::Stop;
use crate::core::model::Excess;

/// What is kept of the complaints of a transfer: enough for every kind, not for a million of one.
const KEPT_LINES: usize = 400;
/// What one transfer may add to its log.
pub(super) const LARGEST_LOG: u64 = 64 << 20;
/// Lines that wait to be heard: a host that talks faster is made to wait.
const HEARD_AT_ONCE: usize = 1024;
/// What a group has said is read within moments of its end: who is silent for so long says nothing more.
const SILENCE: Duration = Duration::from_secs(2);
/// However much is left to be heard.
const LAST_WORDS: Duration = Duration::from_secs(60);
/// What is read at once of a list of names: as much as a pipe holds.
const RAW_AT_ONCE: usize = 64 * 1024;
/// How long a wish to stop may go unheard.
const TICK: Duration = Duration::from_millis(200);

/// The transfer has begun.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// The process, which leads its group.
    pub pid: u32,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Bytes of files handled so far.
    pub bytes: u64,
}

/// How a transfer ended.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// The exit code; nothing if a signal ended it.
    pub exit: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Somebody asked for it to stop.
    pub cancelled: bool,
    /// It took longer than it may.
    pub timed_out: bool,
    /// The figures.
    pub stats: Stats,
    /// What it complained about, in order, within bounds.
    pub complaints: Vec<String>,
    /// How many more complaints there were.
    pub dropped: u64,
    /// It brought more than the host may bring, and was ended.
    pub excess: Option<Excess>,
    /// How many lines would be complaints, had nobody understood them.
    pub understood: u64,
}

/// What a transfer runs with.
pub struct Transfer<'a> {
    /// Its standard input, which it reads nothing from: the host's lock.
    pub stdin: Stdio,
    /// What it says goes here too.
    pub log: File,
    /// It may take so long.
    pub deadline: Duration,
    /// Asks it to stop.
    pub stop: &'a Stop,
    /// What it must not exceed.
    pub ceiling: &'a Ceiling,
    /// The connection that it shares with others; it makes one of its own without, and where that has gone.
    pub connection: Option<&'a Connection>,
    /// Hears that it has begun.
    pub on_start: &'a mut dyn FnMut(Started),
    /// Hears how far it is.
    pub on_progress: &'a mut dyn FnMut(Progress),
}

/// Runs a transfer until it ends, takes longer than it may, or is asked to stop; the whole group is gone then.
///
/// # Errors
/// When rsync cannot be started or waited for.
pub fn run(pull: &Pull, transfer: Transfer<'_>) -> std::io::Result<Ended> {
    transfer_by(&pull.argv_by(transfer.control()), transfer)
}

impl Transfer<'_> {
    fn control(&self) -> Control<'_> {
        self.connection
            .map_or(Control::Alone, |shared| Control::Shared(shared.name()))
    }

    /// Where ssh finds the connection; every path in the words of a transfer is absolute.
    fn command(&self, argv: &[String]) -> Command {
        let mut command = command(argv);
        if let Some(shared) = self.connection {
            command.current_dir(shared.folder());
        }
        command
    }
}

fn transfer_by(argv: &[String], transfer: Transfer<'_>) -> std::io::Result<Ended> {
    let mut command = transfer.command(argv);
    let mut ear = Ear::new(Some(transfer.log), LARGEST_LOG, 0);
    let status = attend(
        Task {
            command: piped(&mut command, transfer.stdin),
            input: Vec::new(),
            deadline: transfer.deadline,
            stop: transfer.stop,
            ceiling: Some(transfer.ceiling),
            has_last_words: false,
        },
        &mut ear,
        transfer.on_start,
        transfer.on_progress,
    )?;
    Ok(measured(ear.finish(status).0, transfer.ceiling))
}

/// The figures at the end are held against the limits too: a short transfer tells of nothing before.
fn measured(mut ended: Ended, ceiling: &Ceiling) -> Ended {
    let stats = &ended.stats;
    ceiling.hear(stats.files.unwrap_or(0), stats.bytes.unwrap_or(0));
    ended.excess = ceiling.excess();
    ended
}

fn piped(command: &mut Command, stdin: Stdio) -> &mut Command {
    command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
}

/// Asks what differs from the tree `base`, and writes nothing anywhere but to `log`; bounds and errors as for [`run`].
///
/// # Errors
/// When rsync cannot be started or waited for.
pub fn compare(
    pull: &Pull,
    base: &Utf8Path,
    transfer: Transfer<'_>,
) -> std::io::Result<(Ended, Result<Difference, Surprise>)> {
    let mut command = transfer.command(&pull.difference_argv(base, transfer.control()));
    let mut ear = Ear::new(Some(transfer.log), LARGEST_LOG, 0);
    ear.difference = Some(DifferenceReader::default());
    let status = attend(
        Task {
            command: piped(&mut command, transfer.stdin),
            input: Vec::new(),
            deadline: transfer.deadline,
            stop: transfer.stop,
            ceiling: Some(transfer.ceiling),
            has_last_words: false,
        },
        &mut ear,
        transfer.on_start,
        transfer.on_progress,
    )?;
    let difference = ear.difference.take().unwrap_or_default();
    let ended = measured(ear.finish(status).0, transfer.ceiling);
    let difference = difference.finish(&ended.stats);
    Ok((ended, difference))
}

/// Brings the names in the file `names`; bounds and errors as for [`run`].
///
/// # Errors
/// When rsync cannot be started or waited for.
pub fn bring(pull: &Pull, names: &Utf8Path, transfer: Transfer<'_>) -> std::io::Result<Ended> {
    transfer_by(&pull.listed_argv(names, transfer.control()), transfer)
}

/// Runs a short question and keeps at most `longest` bytes of its answer.
///
/// # Errors
/// When it cannot be started or waited for.
pub(super) fn collect(
    command: &mut Command,
    deadline: Duration,
    stop: &Stop,
    longest: usize,
) -> std::io::Result<(Ended, String)> {
    let task = Task {
        command,
        input: Vec::new(),
        deadline,
        stop,
        ceiling: None,
        has_last_words: false,
    };
    let mut ear = Ear::new(None, 0, longest);
    let status = attend(task, &mut ear, &mut |_| {}, &mut |_| {})?;
    Ok(ear.finish(status))
}

/// A process to run, and how long.
pub(super) struct Task<'a> {
    pub(super) command: &'a mut Command,
    /// What is written to its standard input, if that is a pipe.
    pub(super) input: Vec<u8>,
    pub(super) deadline: Duration,
    pub(super) stop: &'a Stop,
    /// What it must not exceed, if anything.
    pub(super) ceiling: Option<&'a Ceiling>,
    /// The rest of its group may have something to say when it has ended, unless somebody waits for its end.
    pub(super) has_last_words: bool,
}

/// Runs a task to its end and hears all that it says.
///
/// # Errors
/// When it cannot be started or waited for.
pub(super) fn attend(
    task: Task<'_>,
    ear: &mut Ear,
    on_start: &mut dyn FnMut(Started),
    on_progress: &mut dyn FnMut(Progress),
) -> std::io::Result<ExitStatus> {
    let mut child = task.command.spawn()?;
    on_start(Started { pid: child.id() });
    let (said, hear) = sync_channel(HEARD_AT_ONCE);
    let stdin = child.stdin.take();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let input = task.input;
    // Without threads to hear it with, it is ended at once.
    let readers = (|| {
        // One that reads nothing of it breaks the pipe when it ends, and the thread ends with that.
        stdin.map(|stdin| write(stdin, input)).transpose()?;
        let is_raw = ear.difference.is_some();
        let out = out.map(|out| match is_raw {
            true => read_raw(out, said.clone()),
            false => read(out, said.clone(), Said::Out),
        });
        let err = err.map(|err| read(err, said, Said::Err));
        std::io::Result::Ok([out.transpose()?, err.transpose()?])
    })();
    let waited = match &readers {
        Ok(_) => wait(
            &mut child,
            (task.deadline, task.stop, task.ceiling),
            &hear,
            ear,
            on_progress,
        ),
        Err(_) => Ok(()),
    };
    if task.has_last_words && !ear.ended.cancelled && !ear.ended.timed_out {
        hear_the_rest(&hear, ear, on_progress);
    }
    // Nothing of the group may outlive it, whatever it did.
    signal_group(child.id(), Signal::KILL);
    let status = child.wait();
    if hear_the_rest(&hear, ear, on_progress) {
        for reader in readers?.into_iter().flatten() {
            let _ = reader.join();
        }
    }
    waited?;
    status
}

/// Hears what was said and not yet heard; false if somebody who has left the group holds the pipes still, a daemon that a
/// hook has started: nobody waits for that, and the readers end with it.
fn hear_the_rest(
    hear: &Receiver<Said>,
    ear: &mut Ear,
    on_progress: &mut dyn FnMut(Progress),
) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < LAST_WORDS {
        match hear.recv_timeout(SILENCE) {
            Ok(heard) => ear.hear(heard, on_progress),
            Err(RecvTimeoutError::Disconnected) => return true,
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
    false
}

/// A command of its own group with a clean environment: no agent, no locale, nothing of the caller's.
pub(super) fn command<S: AsRef<OsStr>>(argv: &[S]) -> Command {
    let mut words = argv.iter();
    let mut command = Command::new(words.next().map_or(OsStr::new("rsync"), AsRef::as_ref));
    command.args(words).env_clear().process_group(0);
    command
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("LC_ALL", "C");
    if let Some(home) = std::env::var_os("HOME") {
        command.env("HOME", home);
    }
    command
}

/// Waits for the leader of the group and leaves it unreaped, so that its number stays its own.
fn wait(
    child: &mut Child,
    (deadline, stop, ceiling): (Duration, &Stop, Option<&Ceiling>),
    hear: &Receiver<Said>,
    ear: &mut Ear,
    on_progress: &mut dyn FnMut(Progress),
) -> std::io::Result<()> {
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(std::io::ErrorKind::InvalidData)?;
    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    let begun = Instant::now();
    let mut asked: Option<Instant> = None;
    let mut is_silent = false;
    loop {
        match hear.recv_timeout(if is_silent { Duration::ZERO } else { TICK }) {
            Ok(heard) => ear.hear(heard, on_progress),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => is_silent = true,
        }
        let patience = if is_silent { TICK } else { Duration::ZERO };
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(patience.subsec_nanos()),
        };
        match poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&timeout)) {
            Ok(n) if n > 0 => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        match asked {
            Some(since) if since.elapsed() > GRACE || stop.is_hurried() => {
                signal_group(child.id(), Signal::KILL);
            }
            Some(_) => {}
            None => {
                ear.ended.cancelled = stop.is_asked();
                ear.ended.timed_out = begun.elapsed() > deadline;
                let is_over = ceiling.is_some_and(|ceiling| ear.is_over(ceiling));
                if ear.ended.cancelled || ear.ended.timed_out || is_over {
                    signal_group(child.id(), Signal::TERM);
                    asked = Some(Instant::now());
                }
            }
        }
    }
}

/// A line of one of the two streams.
pub(super) enum Said {
    Out(String),
    Err(String),
    /// Bytes of the output as they come.
    Raw(Vec<u8>),
}

/// A line for each of a million names would be a million wake-ups.
fn read_raw<R: Read + Send + 'static>(
    mut from: R,
    to: SyncSender<Said>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().spawn(move || {
        let mut chunk = vec![0; RAW_AT_ONCE];
        while let Ok(n) = from.read(&mut chunk) {
            let Some(read) = chunk.get(..n).filter(|read| !read.is_empty()) else {
                break;
            };
            if to.send(Said::Raw(read.to_vec())).is_err() {
                return;
            }
        }
    })
}

fn write(mut to: ChildStdin, input: Vec<u8>) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().spawn(move || {
        let _ = to.write_all(&input);
    })
}

fn read<R: Read + Send + 'static>(
    mut from: R,
    to: SyncSender<Said>,
    as_said: fn(String) -> Said,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().spawn(move || {
        let mut cutter = Cutter::default();
        let mut chunk = [0; 16 * 1024];
        let mut hear = |line| to.send(as_said(line)).is_ok();
        while let Ok(n) = from.read(&mut chunk) {
            let Some(read) = chunk.get(..n).filter(|read| !read.is_empty()) else {
                break;
            };
            if !cutter.take(read, &mut hear) {
                return;
            }
        }
        cutter.end(&mut hear);
    })
}

/// Makes of the words of a transfer that has ended what [`run`] makes of them while it works; with a `list`, what
/// [`compare`] makes of them.
#[must_use]
pub fn heard(
    out: &[u8],
    err: &[u8],
    exit: i32,
    list: bool,
) -> (Ended, Option<Result<Difference, Surprise>>) {
    let mut ear = Ear::new(None, 0, 0);
    ear.difference = list.then(DifferenceReader::default);
    let mut hear = |said| ear.hear(said, &mut |_| {});
    if list {
        hear(Said::Raw(out.to_vec()));
    } else {
        let mut cutter = Cutter::default();
        let mut line = |line| {
            hear(Said::Out(line));
            true
        };
        cutter.take(out, &mut line);
        cutter.end(&mut line);
    }
    let mut cutter = Cutter::default();
    let mut line = |line| {
        hear(Said::Err(line));
        true
    };
    cutter.take(err, &mut line);
    cutter.end(&mut line);
    let difference = ear.difference.take();
    let (mut ended, _) = ear.finish(ExitStatus::default());
    ended.exit = Some(exit);
    let difference = difference.map(|reader| reader.finish(&ended.stats));
    (ended, difference)
}

/// Which of the two streams of a process says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

/// Whoever wants to hear each line as it comes; says whether it was understood, and so is no complaint.
pub(super) type Listener = Box<dyn FnMut(Stream, &str) -> bool>;

/// Hears what a process says, and keeps of it what there is room for.
pub(super) struct Ear {
    log: Option<File>,
    logged: u64,
    largest_log: u64,
    last: Option<String>,
    answer: String,
    longest_answer: usize,
    /// Told of each line that is no progress, as it comes.
    listener: Option<Listener>,
    ended: Ended,
    difference: Option<DifferenceReader>,
    /// How far the transfer has said it is.
    at: At,
}

impl Ear {
    pub(super) fn new(log: Option<File>, largest_log: u64, longest_answer: usize) -> Self {
        Self {
            log,
            logged: 0,
            largest_log,
            last: None,
            answer: String::new(),
            longest_answer,
            listener: None,
            ended: Ended::default(),
            difference: None,
            at: At::default(),
        }
    }

    /// Holds what was heard so far against the limits.
    fn is_over(&self, ceiling: &Ceiling) -> bool {
        let listed = self.difference.as_ref().map_or(0, DifferenceReader::count);
        ceiling.hear(self.at.names.max(listed), self.at.bytes);
        ceiling.excess().is_some()
    }

    pub(super) fn telling(listener: Listener) -> Self {
        Self {
            listener: Some(listener),
            ..Self::new(None, 0, 0)
        }
    }

    fn hear(&mut self, said: Said, on_progress: &mut dyn FnMut(Progress)) {
        match said {
            Said::Out(line) => {
                if let Some(at) = progress(&line) {
                    self.at = at;
                    on_progress(Progress { bytes: at.bytes });
                } else {
                    if let Some(listener) = &mut self.listener {
                        listener(Stream::Out, &line);
                    }
                    self.ended.stats.take(&line);
                    if self.answer.len() + line.len() < self.longest_answer {
                        self.answer.push_str(&line);
                        self.answer.push('\n');
                    }
                    self.write(&line);
                    self.last = Some(line);
                }
            }
            Said::Raw(bytes) => {
                let mut figures = Vec::new();
                if let Some(reader) = &mut self.difference {
                    reader.take(&bytes, &mut |line| figures.push(line.to_owned()));
                }
                for line in figures {
                    self.ended.stats.take(&line);
                    self.write(&line);
                }
            }
            Said::Err(line) => {
                self.write(&line);
                self.last = Some(line.clone());
                let listener = self.listener.as_mut();
                if listener.is_some_and(|listener| listener(Stream::Err, &line)) {
                    self.ended.understood += 1;
                } else if self.ended.complaints.len() < KEPT_LINES {
                    self.ended.complaints.push(line);
                } else {
                    self.ended.dropped += 1;
                }
            }
        }
    }

    /// A log that cannot be written makes no backup fail.
    fn write(&mut self, line: &str) {
        if let Some(log) = self.log.as_mut().filter(|_| self.logged < self.largest_log) {
            self.logged += line.len() as u64 + 1;
            let _ = writeln!(log, "{line}");
        }
    }

    /// The last line of either stream.
    pub(super) fn last_line(&self) -> Option<String> {
        self.last.clone()
    }

    pub(super) fn finish(mut self, status: ExitStatus) -> (Ended, String) {
        use std::os::unix::process::ExitStatusExt as _;
        self.ended.exit = status.code();
        self.ended.signal = status.signal();
        (self.ended, self.answer)
    }
}
