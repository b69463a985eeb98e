//! What an exit of rsync means. Checked, not believed: each case was seen on the real program (3.5.0).

use super::Ended;

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
        10 | 12 | 30 | 35 | 255 => unreachable_host(ended, exit),
        11 => failed(server_io(ended, room), false),
        2 => failed(noisy(ended), false),
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

/// 23 has many meanings: files that cannot be read, a source that is not there, or the server's own disk.
fn partial(ended: &Ended, accept_partial: bool, room: Room) -> Verdict {
    let is_full = complaint(ended, &["No space left on device", "Disk quota exceeded"]).is_some();
    if is_full || room.inodes_free == 0 || room.bytes_free == 0 {
        return failed(server_io(ended, room), false);
    }
    if let Some(line) = complaint(ended, &["link_stat ", "change_dir "]) {
        return failed(
            format!("a source is not there: {line}; correct `source`, or bring it back"),
            false,
        );
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

fn unreachable_host(ended: &Ended, exit: i32) -> Verdict {
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
        return Verdict {
            alarm: is_changed,
            ..failed(message, false)
        };
    }
    if let Some(line) = says(&[
        "Permission denied (",
        "Too many authentication failures",
        "Load key ",
    ]) {
        return failed(
            format!("ssh was refused: {line}; is the public key in the host's authorized_keys?"),
            false,
        );
    }
    if let Some(line) = says(&[
        "command not found",
        "rsync: not found",
        "No such file or directory",
    ])
    .filter(|_| exit == 12)
    {
        return failed(
            format!(
                "rsync is not to be found on the host: {line}; install it, or set `rsync-path`"
            ),
            false,
        );
    }
    if says(&["protocol version mismatch", "is your shell clean"]).is_some() {
        return failed(noisy(ended), false);
    }
    let what = match exit {
        255 => "ssh could not connect, or the connection broke",
        30 | 35 => "the host stopped answering",
        _ => "the connection broke",
    };
    failed(format!("{what} (exit {exit}): {}", last(ended)), true)
}

fn noisy(ended: &Ended) -> String {
    format!(
        "the host's login shell prints something before rsync speaks: keep .bashrc and its kin silent where no terminal is ({})",
        last(ended)
    )
}

fn server_io(ended: &Ended, room: Room) -> String {
    if room.inodes_free == 0 {
        "the backup root has no inodes left: make room".to_owned()
    } else if complaint(ended, &["No space left on device", "Disk quota exceeded"]).is_some() {
        "the backup root is full: make room".to_owned()
    } else {
        format!("the server could not write: {}", last(ended))
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

/// The complaint that tells most: ssh's own, which comes before what rsync makes of it; else the last one.
fn last(ended: &Ended) -> String {
    let of_ssh = ended
        .complaints
        .iter()
        .find(|line| line.starts_with("ssh: ") || line.starts_with("kex_exchange_identification"));
    let telling = of_ssh
        .or_else(|| ended.complaints.iter().rev().find(|line| !is_summary(line)))
        .or(ended.complaints.last());
    telling.map_or("it said nothing".to_owned(), |line| line.trim().to_owned())
}

fn last_of(lines: &[String]) -> String {
    lines.first().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn ended(exit: i32, complaints: &[&str]) -> Ended {
        Ended {
            exit: Some(exit),
            complaints: complaints.iter().map(ToString::to_string).collect(),
            ..Ended::default()
        }
    }

    #[rstest]
    #[case(0, &[], Class::Complete, false, "complete")]
    #[case(24, &["file has vanished: \"/a\""], Class::Complete, false, "vanished")]
    #[case(0, &["--link-dest arg does not exist: /x"], Class::Failed, true, "base went away")]
    #[case(23, &["rsync: [sender] send_files failed to open \"/a\": Permission denied (13)", "rsync error: some files"], Class::Partial, false, "/a")]
    #[case(23, &["rsync: [sender] link_stat \"/nope\" failed: No such file or directory (2)"], Class::Failed, false, "/nope")]
    #[case(23, &["rsync: [sender] change_dir \"/nope\" failed: No such file or directory (2)"], Class::Failed, false, "source is not there")]
    #[case(23, &["rsync: mkstemp \"/b/.x\" failed: No space left on device (28)"], Class::Failed, false, "full")]
    #[case(11, &["rsync: write failed on \"/b/x\": No space left on device (28)"], Class::Failed, false, "full")]
    #[case(12, &["bash: line 1: rsync: command not found"], Class::Failed, false, "rsync-path")]
    #[case(12, &["rsync: connection unexpectedly closed"], Class::Failed, true, "broke")]
    #[case(12, &["ssh: connect to host h port 1: Connection refused", "rsync: connection unexpectedly closed"], Class::Failed, true, "refused")]
    #[case(30, &["io timeout after 600 seconds"], Class::Failed, true, "stopped answering")]
    #[case(255, &["ssh: connect to host 127.0.0.1 port 1: Connection refused"], Class::Failed, true, "Connection refused")]
    #[case(255, &["root@h: Permission denied (publickey)."], Class::Failed, false, "authorized_keys")]
    #[case(255, &["No ED25519 host key is known for h and you have requested strict checking.", "Host key verification failed."], Class::Failed, false, "pobsync trust")]
    #[case(2, &["protocol version mismatch -- is your shell clean?"], Class::Failed, false, "login shell")]
    #[case(14, &["fork"], Class::Failed, false, "exit 14")]
    fn each_end_has_its_meaning(
        #[case] exit: i32,
        #[case] complaints: &[&str],
        #[case] class: Class,
        #[case] retry: bool,
        #[case] why: &str,
    ) {
        let verdict = classify(&ended(exit, complaints), false, Room::default());
        assert_eq!(
            (verdict.class, verdict.retry),
            (class, retry),
            "{verdict:?}"
        );
        assert!(verdict.message.contains(why), "{verdict:?}");
    }

    #[test]
    fn a_changed_host_key_is_an_alarm_and_not_tried_again() {
        let lines = [
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
            "Host key verification failed.",
        ];
        let verdict = classify(&ended(255, &lines), false, Room::default());
        assert!(verdict.alarm && !verdict.retry && verdict.class == Class::Failed);
    }

    #[test]
    fn unreadable_files_are_complete_where_they_are_accepted_and_listed() {
        let line = "rsync: [sender] send_files failed to open \"/a\": Permission denied (13)";
        let verdict = classify(&ended(23, &[line]), true, Room::default());
        assert_eq!(
            (verdict.class, verdict.warnings),
            (Class::Complete, vec![line.to_owned()])
        );
    }

    #[test]
    fn without_inodes_nothing_is_partial() {
        let room = Room {
            inodes_free: 0,
            ..Room::default()
        };
        let verdict = classify(&ended(23, &["rsync: mkdir failed"]), true, room);
        assert!(verdict.class == Class::Failed && verdict.message.contains("inodes"));
    }

    #[test]
    fn stopping_and_deadlines_come_before_any_exit_code() {
        let cancelled = Ended {
            cancelled: true,
            exit: Some(0),
            ..Ended::default()
        };
        assert_eq!(
            classify(&cancelled, false, Room::default()).class,
            Class::Cancelled
        );
        let late = Ended {
            timed_out: true,
            exit: Some(20),
            ..Ended::default()
        };
        assert_eq!(classify(&late, false, Room::default()).class, Class::Failed);
    }
}
