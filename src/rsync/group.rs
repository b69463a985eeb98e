//! Process groups: every transfer is one, so that it ends whole. A killed rsync leaves its ssh and its receiver behind,
//! and they go on writing.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a group has to end by itself.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// A process that is stuck in the kernel may take this long to go after SIGKILL.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends `signal` to a group; one that is gone already is no error.
pub(super) fn signal_group(group: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(group)
        .ok()
        .filter(|id| *id > 1)
        .and_then(Pid::from_raw)
    {
        let _ = kill_process_group(pid, signal);
    }
}

/// Ends a group that a killed program left, and waits until nothing of it is there.
///
/// With `leader_start` the leader must still have that start time, in clock ticks since boot (proc_pid_stat(5), field
/// 22); without it the leader must be gone, so that its number cannot have been given to another process.
///
/// # Errors
/// When the group is another one by now, or does not end.
pub fn end_group(group: u32, leader_start: Option<u64>) -> std::io::Result<()> {
    if start_time(group) != leader_start && start_time(group).is_some() {
        return Err(std::io::Error::other(
            "the group belongs to another process by now",
        ));
    }
    signal_group(group, Signal::TERM);
    if !wait_until_gone(group, GRACE) {
        signal_group(group, Signal::KILL);
        if !wait_until_gone(group, PATIENCE) {
            return Err(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                "the group does not end",
            ));
        }
    }
    Ok(())
}

/// The children of a dead process cannot be waited for, only looked at.
fn wait_until_gone(group: u32, patience: Duration) -> bool {
    let begun = Instant::now();
    while has_members(group) {
        if begun.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Says that a process of the group is there and not a zombie.
pub(super) fn has_members(group: u32) -> bool {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return false;
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .any(|pid| {
            stat(pid).is_some_and(|(state, pgrp, _)| pgrp == group && !matches!(state, 'Z' | 'X'))
        })
}

/// When a process started, in clock ticks since boot.
pub(super) fn start_time(pid: u32) -> Option<u64> {
    stat(pid)
        .filter(|(state, ..)| !matches!(state, 'Z' | 'X'))
        .map(|(_, _, start)| start)
}

/// State, process group and start time of a process.
fn stat(pid: u32) -> Option<(char, u32, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything: fields are counted from the last parenthesis.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let group = fields.nth(1)?.parse().ok()?;
    let start = fields.nth(16)?.parse().ok()?;
    Some((state, group, start))
}
