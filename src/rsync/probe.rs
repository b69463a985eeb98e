//! First contact: which rsync is here and there, and whether sources can be read.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::argv::shell_word;
use super::process::command;
use super::stop::Stop;
use super::{Pull, outcome};
use crate::core::model::SourcePath;

/// rsync before 3.4.0 let a hostile host write outside the destination and read files of the server (CVE-2024-12084 to
/// 12088 and 12747); 3.5.0 mends thirty-three more.
pub const MINIMUM_VERSION: Version = Version(3, 4, 0);

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is read of an answer.
const LONGEST: usize = 64 * 1024;

/// A version of rsync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32, u32, u32);

impl Version {
    /// Says that it is not known to let a host out of its snapshot.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        *self >= MINIMUM_VERSION
    }

    /// Reads `rsync  version 3.5.0  protocol version 32`.
    fn parse(text: &str) -> Option<Self> {
        let version = text.lines().find_map(|line| {
            line.strip_prefix("rsync")?
                .trim_start()
                .strip_prefix("version ")
        })?;
        let number = version.split_ascii_whitespace().next()?;
        let mut parts = number.trim_start_matches('v').split('.').map(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        });
        Some(Self(
            parts.next()??,
            parts.next()??,
            parts.next().flatten().unwrap_or(0),
        ))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rsync {}.{}.{}", self.0, self.1, self.2)
    }
}

/// The rsync of this server.
///
/// # Errors
/// When there is none, or it does not tell its version.
pub fn local_version() -> Result<Version, String> {
    let answer = ask(command(&["rsync".to_owned(), "--version".to_owned()]))?;
    Version::parse(&answer.text).ok_or_else(|| "rsync does not tell its version".to_owned())
}

/// Logs in and asks the host's rsync for its version.
///
/// # Errors
/// What went wrong and what to do, one sentence.
pub fn probe_remote(pull: &Pull) -> Result<String, String> {
    if pull.address.is_local() {
        return local_version().map(|version| version.to_string());
    }
    let mut argv = pull.ssh_argv();
    argv.push("--".to_owned());
    // ssh hands what follows to the host's login shell: nothing but checked words may stand there.
    argv.push(pull.address.to_string());
    let program = pull
        .rsync
        .rsync_path
        .as_ref()
        .map_or("rsync", |path| path.as_str());
    argv.push(format!("{} --version", shell_word(program)));
    let answer = ask(command(&argv))?;
    match Version::parse(&answer.text) {
        Some(version) => Ok(version.to_string()),
        // The key works, and may read: what it can read is for the sources to show.
        None if answer
            .complaints
            .iter()
            .any(|line| line.contains("rrsync error")) =>
        {
            Ok("rsync behind rrsync, which does not tell its version".to_owned())
        }
        None => Err(answer.problem(255)),
    }
}

/// Looks whether each source is there and can be listed.
#[must_use]
pub fn probe_sources(pull: &Pull) -> Vec<(SourcePath, Result<(), String>)> {
    let look = |source: &SourcePath| {
        let answer = ask(command(&pull.listing_argv(source)))?;
        if answer.exit == Some(0) {
            Ok(())
        } else {
            Err(answer.problem(answer.exit.unwrap_or(255)))
        }
    };
    pull.sources
        .iter()
        .map(|source| (source.clone(), look(source)))
        .collect()
}

struct Answer {
    exit: Option<i32>,
    text: String,
    complaints: Vec<String>,
}

impl Answer {
    fn problem(&self, exit: i32) -> String {
        let ended = super::Ended {
            exit: Some(if self.exit == Some(0) {
                exit
            } else {
                self.exit.unwrap_or(exit)
            }),
            complaints: self.complaints.clone(),
            ..super::Ended::default()
        };
        outcome::classify(&ended, false, super::Room::default()).message
    }
}

fn ask(mut command: Command) -> Result<Answer, String> {
    let never = Stop::new();
    let spawned = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let (ended, text) =
        super::process::collect(spawned, PATIENCE, &never, LONGEST).map_err(|error| {
            format!(
                "cannot run {}: {error}",
                command.get_program().to_string_lossy()
            )
        })?;
    if ended.timed_out {
        return Err("it did not answer in a minute".to_owned());
    }
    Ok(Answer {
        exit: ended.exit,
        text,
        complaints: ended.complaints,
    })
}

#[cfg(test)]
mod tests {
    use super::super::argv::shell_word;
    use super::{MINIMUM_VERSION, Version};

    #[test]
    fn versions_are_read_and_compared() {
        let new = Version::parse("rsync  version 3.5.0  protocol version 32\nCopyright").unwrap();
        let old = Version::parse("rsync  version v3.2.7pre1  protocol version 31").unwrap();
        assert!(new.is_supported() && !old.is_supported());
        assert_eq!(old.to_string(), "rsync 3.2.7");
        assert_eq!(Version::parse("openrsync: protocol version 29"), None);
        assert_eq!(MINIMUM_VERSION.to_string(), "rsync 3.4.0");
    }

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(shell_word("/a'; touch x"), "'/a'\\''; touch x'");
        assert_eq!(shell_word("/usr/bin/rsync"), "/usr/bin/rsync");
    }
}
