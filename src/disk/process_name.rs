//! The name of a process in rows and logs, which no other process ever has.

use std::fmt;

use super::holder::Liveness;
use super::process;

/// A process: its id and start within one boot and one pid namespace, as `pid start boot namespace`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessName {
    pid: u32,
    start_time: u64,
    place: String,
}

impl ProcessName {
    /// The name of this very process.
    #[must_use]
    pub fn of_this() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            start_time: process::stat(pid).map_or(0, |own| own.start_time),
            place: here(),
        }
    }

    /// Reads a name; nothing if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once(' ')?;
        let (start_time, place) = rest.split_once(' ')?;
        Some(Self {
            pid: pid.parse().ok()?,
            start_time: start_time.parse().ok()?,
            place: place.to_owned(),
        })
    }

    /// Says whether the process is still there, as far as that can be seen from here.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        if self.place != here() {
            return Liveness::Elsewhere;
        }
        match process::stat(self.pid) {
            Some(found) if !found.is_dead && found.start_time == self.start_time => Liveness::Alive,
            _ => Liveness::Gone,
        }
    }
}

/// The boot and the pid namespace, shortened: what tells them apart is at their ends.
fn here() -> String {
    let boot: String = process::boot_id()
        .unwrap_or_default()
        .chars()
        .take(8)
        .collect();
    let namespace: String = process::pid_namespace()
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    format!("{boot} {namespace}")
}

impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.pid, self.start_time, self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::ProcessName;
    use crate::disk::Liveness;

    #[test]
    fn this_process_lives_and_reads_back() {
        let own = ProcessName::of_this();
        assert_eq!(own.liveness(), Liveness::Alive);
        assert_eq!(ProcessName::parse(&own.to_string()), Some(own));
    }

    #[test]
    fn a_pid_that_was_given_to_another_process_is_gone() {
        let own = ProcessName::of_this();
        let earlier = ProcessName {
            start_time: own.start_time - 1,
            ..own
        };
        assert_eq!(earlier.liveness(), Liveness::Gone);
    }

    #[test]
    fn another_boot_cannot_be_seen_from_here() {
        let other = ProcessName::parse("1 1 0badcafe 4026531836").unwrap();
        assert_eq!(other.liveness(), Liveness::Elsewhere);
        assert_eq!(ProcessName::parse("process-1"), None);
    }
}
