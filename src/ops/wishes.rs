//! The daily wishes of an operator: a host that pauses, a run that stops, and what a run has said.

use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::time::Duration;

use super::root::open_root_to_read;
use super::{Context, Error, Stop};
use crate::core::model::{HostName, Pause, RunId, RunKind, RunStatus};
use crate::disk::HostDir;
use crate::store::{HostKey, RunFilter, RunRecord, SnapshotFilter, SnapshotRecord, StoreError};

/// Pauses a host: no unattended runs, nothing pruned, until it is resumed. Its configuration stays as it is. False if it
/// was paused already.
///
/// # Errors
/// When the host is unknown or retired.
pub fn pause(context: &Context, host: &HostName, reason: String) -> Result<bool, Error> {
    let facts = context.facts_of(HostKey::Name(host))?;
    let pause = Pause {
        at: super::clock::now(),
        by: context.actor.clone(),
        reason,
    };
    Ok(context.store.pause(facts.host(host)?.id, &pause)?)
}

/// Ends the pause of a host. False if there was none.
///
/// # Errors
/// When the host is unknown, or its configuration keeps it from running: that is changed there.
pub fn resume(context: &Context, host: &HostName) -> Result<bool, Error> {
    let facts = context.facts_of(HostKey::Name(host))?;
    let found = facts.host(host)?;
    let done = context
        .store
        .resume(found.id, &context.actor, super::clock::now())?;
    if found.settings.enabled {
        Ok(done)
    } else {
        Err(Error::Paused {
            host: host.clone(),
            pause: None,
        })
    }
}

/// Asks a run to stop, whatever process works on it.
///
/// # Errors
/// When there is no such run, or it has ended.
pub fn cancel(context: &Context, run: RunId) -> Result<(), Error> {
    Ok(context
        .store
        .cancel_run(run, &context.actor, super::clock::now())?)
}

/// Whose log is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOf {
    /// The last backup of a host.
    Host(HostName),
    /// One run.
    Run(RunId),
}

/// The end of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTail {
    /// Its last lines. What they say comes from a host: whoever shows them escapes them.
    pub lines: Vec<String>,
    /// There is more before them.
    pub is_cut: bool,
}

/// One run.
///
/// # Errors
/// When there is no such run.
pub fn run(context: &Context, run: RunId) -> Result<RunRecord, Error> {
    let filter = RunFilter {
        run: Some(run),
        ..RunFilter::default()
    };
    let found = context.store.runs(&filter, 1)?.pop();
    found.ok_or(Error::UnknownRun { run })
}

/// The last lines of the log of a run, of at most `limit` bytes; nothing if it never had one, or it is gone.
///
/// # Errors
/// When the root is not there or the log cannot be read.
pub fn log_tail(
    context: &Context,
    record: &RunRecord,
    limit: u64,
) -> Result<Option<LogTail>, Error> {
    let Some((dir, snapshot)) = place(context, record)? else {
        return Ok(None);
    };
    let Some(mut file) = dir.open_log(snapshot.snapshot.kind, &snapshot.snapshot.name)? else {
        return Ok(None);
    };
    let failed = |source| Error::File {
        doing: "read",
        path: "rsync.log".to_owned(),
        source,
    };
    let end = file.seek(SeekFrom::End(0)).map_err(failed)?;
    let from = end.saturating_sub(limit);
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    let is_cut = from > 0;
    // The first line of a cut log is the end of one.
    let lines = text.lines().skip(usize::from(is_cut));
    Ok(Some(LogTail {
        lines: lines.map(str::to_owned).collect(),
        is_cut,
    }))
}

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Hands the lines of a log to `each`, and with `follow` goes on until the run has ended, or `stop` asks for an end.
/// Returns the run, as it is then.
///
/// What the lines say comes from a host: whoever prints them escapes them.
///
/// # Errors
/// When there is no such run, or its log is gone with its snapshot.
pub fn read_log(
    context: &Context,
    of: &LogOf,
    follow: Option<&Stop>,
    each: &mut dyn FnMut(&str),
) -> Result<RunRecord, Error> {
    let mut record = find(context, of)?;
    let mut log: Option<Log> = None;
    loop {
        let has_ended = record.run.status != RunStatus::Running;
        if log.is_none() {
            log = open(context, &record)?;
        }
        if let Some(log) = &mut log {
            log.read(has_ended, each)?;
        }
        let is_enough = follow.is_none_or(Stop::is_asked);
        if has_ended || is_enough {
            break;
        }
        std::thread::sleep(LOOK);
        record = find(context, &LogOf::Run(record.run.id))?;
    }
    match log {
        Some(_) => Ok(record),
        // A run that had nothing to log says what came of it.
        None if record.snapshot_id.is_none() => Ok(record),
        None => Err(Error::NoLog { run: record.run.id }),
    }
}

fn find(context: &Context, of: &LogOf) -> Result<RunRecord, Error> {
    let filter = match of {
        LogOf::Run(run) => RunFilter {
            run: Some(*run),
            ..RunFilter::default()
        },
        LogOf::Host(name) => RunFilter {
            host: Some(context.facts_of(HostKey::Name(name))?.host(name)?.id),
            kind: Some(RunKind::Backup),
            ..RunFilter::default()
        },
    };
    let found = context.store.runs(&filter, 1)?.pop();
    found.ok_or_else(|| match of {
        LogOf::Run(run) => StoreError::Unknown {
            what: "run",
            id: run.to_string(),
        }
        .into(),
        LogOf::Host(host) => Error::NoRuns { host: host.clone() },
    })
}

/// A log that is being read.
struct Log {
    file: BufReader<std::fs::File>,
    line: Vec<u8>,
}

impl Log {
    /// The lines that have come since; one that is not whole waits for its end, unless there is none.
    fn read(&mut self, has_ended: bool, each: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let failed = |source| Error::File {
            doing: "read",
            path: "rsync.log".to_owned(),
            source,
        };
        while self
            .file
            .read_until(b'\n', &mut self.line)
            .map_err(failed)?
            > 0
        {
            let is_whole = self.line.last() == Some(&b'\n');
            if is_whole {
                self.line.pop();
            }
            if is_whole || has_ended {
                each(&String::from_utf8_lossy(&self.line));
                self.line.clear();
            }
        }
        Ok(())
    }
}

/// The log of the snapshot that a run makes or made, wherever that is by now.
fn open(context: &Context, record: &RunRecord) -> Result<Option<Log>, Error> {
    let Some((dir, snapshot)) = place(context, record)? else {
        return Ok(None);
    };
    let file = dir.open_log(snapshot.snapshot.kind, &snapshot.snapshot.name)?;
    Ok(file.map(|file| Log {
        file: BufReader::new(file),
        line: Vec::new(),
    }))
}

fn place(
    context: &Context,
    record: &RunRecord,
) -> Result<Option<(HostDir, SnapshotRecord)>, Error> {
    let Some(id) = record.snapshot_id else {
        return Ok(None);
    };
    let filter = SnapshotFilter {
        host: Some(record.host),
        with_deleted: true,
        ..SnapshotFilter::default()
    };
    let snapshots = context.store.snapshots(&filter)?;
    let facts = context.facts_of(HostKey::Id(record.host))?;
    let host = facts.state.hosts.iter().find(|host| host.id == record.host);
    let snapshot = snapshots.into_iter().find(|s| s.snapshot.id == id);
    let (Some(host), Some(snapshot)) = (host, snapshot) else {
        return Ok(None);
    };
    let root = open_root_to_read(context, &facts, super::clock::now())?;
    let dir = root.find_host_dir(&host.directory)?;
    Ok(dir.map(|dir| (dir, snapshot)))
}
