//! What an exit of rsync means. Checked, not believed: each case was seen on the real program (3.5.0).

use super::Ended;
use super::unescape::unescaped;
use crate::core::manifest::shown;

/// What becomes of what was pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It may become visible.
    Complete,
    /// Some files are missing.
    Partial,
    /// Nothing can be said of it.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

/// The room left on the server after a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that can be written.
    pub bytes_free: u64,
    /// Files that can be made.
    pub inodes_free: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            bytes_free: u64::MAX,
            inodes_free: u64::MAX,
        }
    }
}

/// The meaning of a transfer's end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "what a transfer came to decides what becomes visible"]
pub struct Verdict {
    /// What becomes of what was pulled.
    pub class: Class,
    /// Trying again by itself may help.
    pub retry: bool,
    /// It may be an attack, and a person must look.
    pub alarm: bool,
    /// One sentence: what happened and what to do.
    pub message: String,
    /// What happened beside it.
    pub warnings: Vec<String>,
}

/// Complaints that are listed; the log has all.
const LISTED: usize = 5;

/// Says what a transfer came to.
pub fn classify(ended: &Ended, accept_partial: bool, room: Room) -> Verdict {
    let mut verdict = by_exit(ended, accept_partial, room);
    if verdict.class == Class::Complete
        && let Some(line) = complaint(ended, &["--link-dest arg does not exist"])
    {
        // rsync goes on with a full copy and ends with 0.
        verdict = failed(
            format!("the base went away under the transfer: {line}"),
            true,
        );
    }
    if ended.stats.skipped > 0 {
        verdict.warnings.push(format!(
            "{} devices, sockets or fifos were left out",
            ended.stats.skipped
        ));
    }
    if verdict.class == Class::Complete && ended.stats.regular_files == Some(0) {
        verdict.warnings.push(
            "the sources hold no files at all: is a disk of the host not mounted?".to_owned(),
        );
    }
    verdict
}

fn by_exit(ended: &Ended, accept_partial: bool, room: Room) -> Verdict {
    if ended.cancelled {
        return Verdict {
            class: Class::Cancelled,
            ..failed("it was stopped on request".to_owned(), false)
        };
    }
    if let Some(excess) = ended.excess {
        return failed(excess.to_string(), false);
    }
    if ended.timed_out {
        return failed(
            "it took longer than `deadline` allows, and was ended".to_owned(),
            true,
        );
    }
    let Some(exit) = ended.exit else {
        let signal = ended.signal.unwrap_or_default();
        return failed(format!("rsync was ended by signal {signal}"), true);
    };
    match exit {
        0 => complete("complete".to_owned()),
        24 => {
            let mut verdict =
                complete("complete; some files vanished while they were read".to_owned());
            verdict.warnings = listed(ended, &["file has vanished"]);
            verdict
        }
        23 => partial(ended, accept_partial, room),
        10 | 12 | 30 | 35 | 127 | 255 => unreachable_host(ended, exit),
        11 => failed(server_io(ended, room), false),
        2 => failed(noisy(), false),
        20 => failed("rsync was told to stop by a signal".to_owned(), true),
        1 | 3 | 4 | 5 => failed(
            format!("rsync refused the transfer (exit {exit}): {}", last(ended)),
            exit == 5,
        ),
        _ => failed(
            format!("rsync failed with exit {exit}: {}", last(ended)),
            false,
        ),
    }
}

/// Says what a restore came to: nothing if all of it is there; else whether some of it is, and why not all.
#[must_use]
pub fn restored(ended: &Ended, to_host: bool) -> Option<(Class, String)> {
    if ended.cancelled {
        return Some((
            Class::Cancelled,
            "it was stopped; the same command goes on with it".to_owned(),
        ));
    }
    let Some(exit) = ended.exit else {
        let signal = ended.signal.unwrap_or_default();
        return Some((Class::Failed, format!("rsync was ended by signal {signal}")));
    };
    let failed = |message: String| Some((Class::Failed, message));
    match exit {
        0 => None,
        _ if is_full(ended) => failed(
            "the target is full; make room there, and the same command goes on with it".to_owned(),
        ),
        // All that it complains about was understood: things that stay as they are.
        23 if ended.understood > 0 && restore_complaints(ended).0.is_empty() => None,
        23 | 24 => Some((Class::Partial, "some of it could not be written".to_owned())),
        2 if to_host => failed(noisy()),
        10 | 12 | 30 | 35 | 127 | 255 if to_host => failed(unreachable_host(ended, exit).message),
        _ => failed(format!("rsync failed with exit {exit}: {}", last(ended))),
    }
}

/// What a restore complained about, without rsync's own last line, its names as they may be shown; how many more there
/// were.
#[must_use]
pub fn restore_complaints(ended: &Ended) -> (Vec<String>, u64) {
    let lines = ended.complaints.iter().filter(|line| !is_summary(line));
    let as_shown = |line: &String| shown(&unescaped(line.as_bytes()));
    (lines.map(as_shown).collect(), ended.dropped)
}

/// 23 has many meanings: files that cannot be read, a source that is not there, or the server's own disk.
fn partial(ended: &Ended, accept_partial: bool, room: Room) -> Verdict {
    if is_full(ended) || room.inodes_free == 0 || room.bytes_free == 0 {
        return failed(server_io(ended, room), false);
    }
    if let Some(line) = complaint(ended, &["[sender] link_stat ", "[sender] change_dir "]) {
        let is_gone = line.contains("No such file or directory");
        let message = if is_gone {
            format!("a source is not there: {line}; correct `source`, or bring it back")
        } else {
            format!(
                "a source cannot be reached: {line}; may the ssh user enter the folders above it?"
            )
        };
        return failed(message, false);
    }
    if let Some(line) = complaint_of_server(ended) {
        return failed(format!("the server could not write: {line}"), false);
    }
    let mut missing = listed(ended, &["Permission denied", "failed", "error"]);
    if missing.is_empty() {
        missing.push(last(ended));
    }
    if accept_partial {
        let mut verdict = complete(
            "complete but for files that cannot be read, as `accept-partial` says".to_owned(),
        );
        verdict.warnings = missing;
        return verdict;
    }
    Verdict {
        class: Class::Partial,
        retry: false,
        alarm: false,
        message: format!("some files could not be read: {}", last_of(&missing)),
        warnings: missing,
    }
}

/// What this side could not do for a reason that is not about one file: a name that this file system cannot hold makes
/// a backup partial, a file system that takes no writes says nothing of the host.
fn complaint_of_server(ended: &Ended) -> Option<&str> {
    const OF_ONE_FILE: [&str; 8] = [
        "File name too long",
        "Invalid argument",
        "Invalid or incomplete multibyte",
        "Operation not supported",
        "Operation not permitted",
        "Argument list too long",
        "Numerical result out of range",
        "File too large",
    ];
    // A broken pipe is that of the connection.
    let is_here = |line: &str| {
        ["generator", "receiver", "Receiver"]
            .iter()
            .any(|role| line.starts_with(&format!("rsync: [{role}] ")))
            && !line.contains("Broken pipe")
    };
    ended
        .complaints
        .iter()
        .map(String::as_str)
        .find(|line| is_here(line) && !OF_ONE_FILE.iter().any(|why| line.contains(why)))
}

/// The disk that is written to takes no more.
#[must_use]
pub fn is_full(ended: &Ended) -> bool {
    complaint(ended, &["No space left on device", "Disk quota exceeded"]).is_some()
}

fn unreachable_host(ended: &Ended, exit: i32) -> Verdict {
    let says = |words: &[&str]| complaint(ended, words);
    if let Some(verdict) = not_let_in(ended) {
        return verdict;
    }
    if let Some(line) = without_rsync(ended).filter(|_| matches!(exit, 12 | 127)) {
        return failed(
            format!(
                "rsync is not to be found on the host: {line}; install it, or set `rsync-path`"
            ),
            false,
        );
    }
    if says(&["option -s has been disabled on this server"]).is_some() {
        return failed(
            "the key is tied to rrsync, which refuses secluded arguments: set `rsync { secluded-args #false }` for this host".to_owned(),
            false,
        );
    }
    if says(&["sending to read-only server is not allowed"]).is_some() {
        return failed(
            "the key is tied to `rrsync -ro` on the host and may only read: let another key write there, or restore with --to and copy it over".to_owned(),
            false,
        );
    }
    if says(&["protocol version mismatch", "is your shell clean"]).is_some() {
        return failed(noisy(), false);
    }
    let what = if says(CONNECTING).is_some() {
        "ssh could not connect"
    } else if matches!(exit, 30 | 35) || says(&["Timeout, server "]).is_some() {
        "the host stopped answering"
    } else {
        "the connection broke"
    };
    failed(format!("{what} (exit {exit}): {}", last(ended)), true)
}

/// Keys: the host's is not the one that is known, or ours is not let in. Trying again changes neither.
fn not_let_in(ended: &Ended) -> Option<Verdict> {
    let says = |words: &[&str]| complaint(ended, words);
    if let Some(line) = says(&[
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "Host key verification failed",
        "No ED25519 host key is known",
        "host key is known for",
    ]) {
        let is_changed = says(&["HAS CHANGED"]).is_some();
        let message = if is_changed {
            "the host key has changed: either the machine was installed anew, or somebody stands in between; look, then `pobsync trust HOST`".to_owned()
        } else {
            format!(
                "the host key is not trusted ({line}): `pobsync trust HOST` shows and enrols it"
            )
        };
        return Some(Verdict {
            alarm: is_changed,
            ..failed(message, false)
        });
    }
    let message = if let Some(line) = says(&["bad permissions"]) {
        format!("the ssh key can be read by others, and ssh refuses it: {line}; chmod 0600 it")
    } else if let Some(line) = says(&["Warning: Identity file ", "Load key "]) {
        format!("the ssh key cannot be read: {line}; is `identity` right?")
    } else if let Some(line) = says(&["Permission denied (", "Too many authentication failures"]) {
        format!("ssh was refused: {line}; is the public key in the host's authorized_keys?")
    } else {
        return None;
    };
    Some(failed(message, false))
}

/// What a shell says that finds no rsync: `sh: 1: rsync: not found`. rsync's own lines begin with `rsync: [`.
fn without_rsync(ended: &Ended) -> Option<&str> {
    let words = [
        "not found",
        "No such file or directory",
        "Permission denied",
    ];
    ended.complaints.iter().map(String::as_str).find(|line| {
        line.contains("rsync")
            && !line.starts_with("rsync: [")
            && !is_summary(line)
            && words.iter().any(|word| line.contains(word))
    })
}

/// ssh's words for a connection that never came about.
const CONNECTING: &[&str] = &[
    "ssh: ",
    "kex_exchange_identification",
    "banner exchange",
    "Unable to negotiate",
];
/// ssh's words for one that broke.
const BREAKING: &[&str] = &[
    "Timeout, server ",
    "Connection to ",
    "Connection closed by ",
    "Connection reset by ",
    "client_loop: ",
];

/// rsync does not say what it was that it read.
fn noisy() -> String {
    "the host's login shell prints something before rsync speaks: `ssh HOST true` must print nothing; keep .bashrc and its kin silent where no terminal is".to_owned()
}

fn server_io(ended: &Ended, room: Room) -> String {
    // With neither bytes nor inodes left, bytes come first: files that are removed free both.
    if room.inodes_free == 0 && room.bytes_free > 0 {
        "the backup root has no inodes left: make room".to_owned()
    } else if is_full(ended) || room.bytes_free == 0 {
        "the backup root is full: make room".to_owned()
    } else {
        let line = complaint_of_server(ended).map_or_else(|| last(ended), str::to_owned);
        format!("the server could not write: {line}")
    }
}

fn complete(message: String) -> Verdict {
    Verdict {
        class: Class::Complete,
        retry: false,
        alarm: false,
        message,
        warnings: Vec::new(),
    }
}

fn failed(message: String, retry: bool) -> Verdict {
    Verdict {
        class: Class::Failed,
        retry,
        alarm: false,
        message,
        warnings: Vec::new(),
    }
}

/// The first complaint that holds one of `words`.
fn complaint<'a>(ended: &'a Ended, words: &[&str]) -> Option<&'a str> {
    ended
        .complaints
        .iter()
        .map(String::as_str)
        .find(|line| words.iter().any(|word| line.contains(word)))
}

fn listed(ended: &Ended, words: &[&str]) -> Vec<String> {
    let all: Vec<&String> = ended
        .complaints
        .iter()
        .filter(|line| words.iter().any(|word| line.contains(word)) && !is_summary(line))
        .collect();
    let more = all.len().saturating_sub(LISTED) as u64 + ended.dropped;
    let mut listed: Vec<String> = all.into_iter().take(LISTED).cloned().collect();
    if more > 0 {
        listed.push(format!("and {more} more, see rsync.log"));
    }
    listed
}

/// rsync's own last line, which says nothing that the exit code does not.
fn is_summary(line: &str) -> bool {
    line.starts_with("rsync error: ") || line.starts_with("rsync warning: ")
}

/// The complaint that tells most: ssh's own, since rsync only says that it has gone; else the last one.
fn last(ended: &Ended) -> String {
    let of_ssh = ended.complaints.iter().find(|line| {
        let mut words = CONNECTING.iter().chain(BREAKING);
        !line.starts_with("rsync: ") && words.any(|words| line.contains(words))
    });
    let telling = of_ssh
        .or_else(|| ended.complaints.iter().rev().find(|line| !is_summary(line)))
        .or(ended.complaints.last());
    telling.map_or("it said nothing".to_owned(), |line| line.trim().to_owned())
}

fn last_of(lines: &[String]) -> String {
    lines.first().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
