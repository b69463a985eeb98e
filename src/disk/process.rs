//! What `/proc` says of processes. Answers of the moment: a process may end right after.

use std::os::unix::fs::MetadataExt;

/// One process, from `/proc/<pid>/stat`, proc_pid_stat(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProcessStat {
    pub(super) is_dead: bool,
    pub(super) group: u32,
    /// Clock ticks between the boot and its start: with the pid, and within one boot, a name that is never used twice.
    pub(super) start_time: u64,
}

/// The process of that id; nothing if there is none, or none that may be seen.
pub(super) fn stat(pid: u32) -> Option<ProcessStat> {
    parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// The random name of the current boot.
pub(super) fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// The name of the pid namespace: in another container the same pid is another process.
pub(super) fn pid_namespace() -> Option<String> {
    let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// Every process that can be seen.
pub(super) fn pids() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// Says that the standard input of the process is the file of that device and inode.
pub(super) fn has_as_stdin(pid: u32, (device, inode): (u64, u64)) -> bool {
    std::fs::metadata(format!("/proc/{pid}/fd/0"))
        .is_ok_and(|file| (file.dev(), file.ino()) == (device, inode))
}

fn parse(line: &[u8]) -> Option<ProcessStat> {
    // The second field is the name of the program in parentheses, with whatever bytes it likes.
    let end = line.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(line.get(end + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // The third field of the page is the first one here.
    let field = |number: usize| fields.get(number - 3).copied();
    Some(ProcessStat {
        is_dead: matches!(field(3)?, "Z" | "X" | "x"),
        group: field(5)?.parse().ok()?,
        start_time: field(22)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::{ProcessStat, parse, stat};

    #[test]
    fn a_program_may_be_called_anything() {
        let line = b"42 (a) Z 9 9 (\n) S 1 40 40 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 7654 1 1\n";
        let want = ProcessStat {
            is_dead: false,
            group: 40,
            start_time: 7654,
        };
        assert_eq!(parse(line), Some(want));
    }

    #[test]
    fn what_is_cut_off_is_no_process() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"42 (a) S 1 40"), None);
    }

    #[test]
    fn this_process_is_alive() {
        assert!(stat(std::process::id()).is_some_and(|own| !own.is_dead && own.start_time > 0));
    }
}
