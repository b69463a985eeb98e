//! Who holds the lock of a host, as the holder itself has written it down.
//!
//! The note is for people and for finding orphans. It never decides whether the lock is free: the kernel does.

use serde::{Deserialize, Serialize};

use super::process;
use crate::core::model::{RunId, Timestamp, visible};

/// What a process writes into `.lock` once the lock is its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The run it works on.
    pub run: Option<RunId>,
    /// What it does, in a word or two: "backup", "prune".
    pub what: String,
    /// Since when it holds the lock.
    pub since: Timestamp,
    /// Its process id, in its own pid namespace.
    pub pid: u32,
    /// When that process started, in clock ticks since the boot.
    pub start_time: Option<u64>,
    /// Its own process group, which is never an orphan: others may belong to it.
    pub own_group: Option<u32>,
    /// The boot in which it runs.
    pub boot_id: Option<String>,
    /// The pid namespace in which it runs.
    pub pid_namespace: Option<String>,
    /// The process group of its children, once it has any.
    #[serde(default)]
    pub children: Option<ProcessGroup>,
}

/// A process group and when its leader started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessGroup {
    /// The id of the group, which is its leader's pid.
    pub id: u32,
    /// When the leader started, in clock ticks since the boot; unknown if it had ended before anybody looked.
    pub leader_start_time: Option<u64>,
}

/// What can be said of a holder from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// The very process is there.
    Alive,
    /// It has ended; whoever holds the lock now is a child that it left.
    Gone,
    /// It ran in another boot, on another machine or in another pid namespace: it cannot be seen from here.
    Elsewhere,
}

impl Holder {
    /// The note of this very process.
    pub(super) fn this_process(run: Option<RunId>, what: &str, now: Timestamp) -> Self {
        let pid = std::process::id();
        let own = process::stat(pid);
        Self {
            run,
            what: what.to_owned(),
            since: now,
            pid,
            start_time: own.map(|own| own.start_time),
            own_group: own.map(|own| own.group),
            boot_id: process::boot_id(),
            pid_namespace: process::pid_namespace(),
            children: None,
        }
    }

    /// Says whether the process that wrote the note is still there. A pid that was given to another process meanwhile
    /// is told apart by its start.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        let is_here = self.boot_id.is_some()
            && self.boot_id == process::boot_id()
            && self.pid_namespace == process::pid_namespace();
        if !is_here {
            return Liveness::Elsewhere;
        }
        match process::stat(self.pid) {
            Some(found) if !found.is_dead && self.start_time == Some(found.start_time) => {
                Liveness::Alive
            }
            _ => Liveness::Gone,
        }
    }
}

impl ProcessGroup {
    /// The group led by the process `leader`, with its start as `/proc` has it now.
    #[must_use]
    pub fn led_by(leader: u32) -> Self {
        Self {
            id: leader,
            leader_start_time: process::stat(leader).map(|stat| stat.start_time),
        }
    }

    /// Says that the leader with the recorded start is still there and leads.
    pub(super) fn has_its_leader(&self) -> bool {
        process::stat(self.id).is_some_and(|leader| {
            !leader.is_dead
                && leader.group == self.id
                && self.leader_start_time == Some(leader.start_time)
        })
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(run) = self.run {
            write!(f, "run {run}, ")?;
        }
        let (what, pid, since) = (visible(&self.what), self.pid, self.since);
        write!(f, "{what} (process {pid}, since {since})")
    }
}
