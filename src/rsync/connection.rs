//! One ssh connection for all transfers of a pull, by ssh's own means (ssh_config(5), ControlMaster): a child like any
//! other holds it, and each rsync's ssh asks that one for a session.
//!
//! ssh could hold it in the background (ControlPersist), and would leave its process group for that and outlive us.

use std::io::PipeWriter;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

use super::process::{Ear, LARGEST_LOG, Started, Task, attend, command};
use super::{Ended, Pull, Stop, Transfer};

/// Nobody of the group reads what ssh says on its standard output, which is nothing: the way there is a pipe that ends
/// with us, however we end, and the group with it. Else a killed program would leave a connection that nobody closes.
const ENDS_WITH_US: &str = "(read -r _ <&1; kill 0) </dev/null 2>/dev/null & exec \"$@\" 1>&2";
/// ssh lets nobody wait for longer until they are in (LoginGraceTime), and may go on without a socket where it cannot make one.
const LONGEST_OPEN: Duration = Duration::from_secs(150);
/// How long a wish to stop may go unheard.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// ssh's words where it cannot make the socket, which says nothing of the host.
const OF_THE_SOCKET: [&str; 3] = ["ControlSocket ", "mux listener", "unix_listener"];

/// A connection that transfers share. It ends when this is dropped.
pub struct Connection {
    socket: Utf8PathBuf,
    stop: Arc<Stop>,
    /// Open as long as we are there.
    alive: Option<PipeWriter>,
    master: Option<JoinHandle<std::io::Result<Ended>>>,
}

impl Connection {
    /// Connects to the host of `pull`. ssh listens at `socket`, and goes by its name alone: a path of any length may lead
    /// there, of which the kernel would take 108 bytes. Answers how ssh ended where it did not come about.
    ///
    /// # Errors
    /// When there can be no such connection, which says nothing of the host.
    pub fn open(
        pull: &Pull,
        socket: &Utf8Path,
        transfer: Transfer<'_>,
    ) -> std::io::Result<Result<Self, Ended>> {
        let begun = Instant::now();
        let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else {
            return Err(std::io::ErrorKind::InvalidInput.into());
        };
        let news = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        inotify::add_watch(&news, folder.as_std_path(), inotify::WatchFlags::CREATE)?;
        let mut argv = ["sh", "-c", ENDS_WITH_US, "sh"].map(String::from).to_vec();
        argv.extend(pull.master_argv(name));
        let (until_our_end, alive) = std::io::pipe()?;
        let (end, ending) = std::io::pipe()?;
        let stop = Arc::new(Stop::new());
        let (tell, told) = channel();
        let mut command = command(&argv);
        command
            .current_dir(folder)
            .stdin(transfer.stdin)
            .stdout(until_our_end)
            .stderr(Stdio::piped());
        let hold = {
            let (stop, log) = (Arc::clone(&stop), transfer.log);
            move || {
                let _ending = ending;
                let ear = Ear::new(Some(log), LARGEST_LOG, 0);
                held(command, &stop, ear, tell)
            }
        };
        let mut connection = Self {
            socket: socket.to_owned(),
            stop,
            alive: Some(alive),
            master: Some(std::thread::Builder::new().spawn(hold)?),
        };
        if let Ok(started) = told.recv() {
            (transfer.on_start)(started);
        }
        let end = OwnedFd::from(end);
        while !socket.as_std_path().exists() {
            let has_ended = wait(&news, &end)?;
            let is_cancelled = transfer.stop.is_asked();
            let is_late = begun.elapsed() > transfer.deadline;
            if begun.elapsed() > LONGEST_OPEN && !is_late {
                connection.end()?;
                let why = format!("ssh had made no socket after {LONGEST_OPEN:?}");
                return Err(std::io::Error::other(why));
            }
            if has_ended || is_cancelled || is_late {
                let mut ended = connection.end()?;
                ended.cancelled = is_cancelled;
                ended.timed_out = is_late && !is_cancelled;
                return without(ended).map(Err);
            }
        }
        Ok(Ok(connection))
    }

    /// The folder in which ssh finds the socket by its name.
    pub(super) fn folder(&self) -> &Utf8Path {
        self.socket.parent().unwrap_or(&self.socket)
    }

    /// The name of the socket.
    pub(super) fn name(&self) -> &str {
        self.socket.file_name().unwrap_or_default()
    }

    /// Ends it; says what ssh complained about meanwhile.
    pub fn close(mut self) -> Vec<String> {
        self.end().map(|ended| ended.complaints).unwrap_or_default()
    }

    fn end(&mut self) -> std::io::Result<Ended> {
        let Some(master) = self.master.take() else {
            return Ok(Ended::default());
        };
        // The pipe ends it at once, and this does should that fail.
        self.alive = None;
        self.stop.ask();
        let broken = |_| Err(std::io::Error::other("the thread that held it panicked"));
        master.join().unwrap_or_else(broken)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Runs ssh until it ends.
fn held(
    mut command: std::process::Command,
    stop: &Stop,
    mut ear: Ear,
    tell: Sender<Started>,
) -> std::io::Result<Ended> {
    let task = Task {
        command: &mut command,
        input: Vec::new(),
        // That of each transfer counts.
        deadline: Duration::MAX,
        stop,
        ceiling: None,
        has_last_words: false,
    };
    let mut on_start = |started| {
        let _ = tell.send(started);
    };
    let status = attend(task, &mut ear, &mut on_start, &mut |_| {})?;
    Ok(ear.finish(status).0)
}

/// Waits for news of the folder, for a moment; says whether ssh has ended.
fn wait(news: &OwnedFd, end: &OwnedFd) -> std::io::Result<bool> {
    let mut both = [
        PollFd::new(news, PollFlags::IN),
        PollFd::new(end, PollFlags::IN),
    ];
    match poll(&mut both, Some(&TICK)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let [_, end] = both.map(|fd| !fd.revents().is_empty());
    // What it is does not matter; it must not be news for ever.
    let mut events = [0; 4096];
    let _ = rustix::io::read(news, &mut events);
    Ok(end)
}

/// A connection that did not come about for want of a socket is no word on the host.
fn without(ended: Ended) -> std::io::Result<Ended> {
    let of_the_socket = ended
        .complaints
        .iter()
        .find(|line| OF_THE_SOCKET.iter().any(|words| line.contains(words)));
    match of_the_socket {
        Some(line) => Err(std::io::Error::other(line.clone())),
        None => Ok(ended),
    }
}
