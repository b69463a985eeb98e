//! Files that a command writes where it was told to: readable by their owner alone, replaced whole or not at all, and
//! never in the place of another file.
//!
//! A word too many on a command line, or a path that came from elsewhere, must not cost a database, a configuration or
//! a file of the system: what is there is replaced only if it is empty or the same kind of file, written by this program.

use std::io::{BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::OFlags;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Error;
use crate::core::model::canonical_json;
use crate::core::plan::Plan;
use crate::render::{HTML_START, MARKDOWN_START};

/// What is written: only its own kind is replaced by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A plan as JSON.
    Plan,
    /// A plan for a merge request.
    Markdown,
    /// A plan as a page.
    Page,
    /// An inventory.
    Inventory,
}

impl std::fmt::Display for FileKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Plan => "a plan",
            Self::Markdown => "a plan in Markdown",
            Self::Page => "a plan in HTML",
            Self::Inventory => "an inventory",
        })
    }
}

/// Why a file is not written.
#[derive(Debug, thiserror::Error)]
pub enum OutputFileError {
    /// Something else is there.
    #[error("{path} is there already and is not {kind} that pobsync wrote; it stays as it is")]
    NotOurs {
        /// The file.
        path: Utf8PathBuf,
        /// What was to be written.
        kind: FileKind,
    },
    /// A link could lead anywhere.
    #[error("{path} is a symbolic link, and pobsync does not write through one")]
    Link {
        /// The link.
        path: Utf8PathBuf,
    },
    /// A directory, a device, a pipe.
    #[error("{path} is not a regular file")]
    NotAFile {
        /// What was named.
        path: Utf8PathBuf,
    },
    /// Files that are empty for a reason.
    #[error("{path} has the name of a lock or of a part of a database")]
    Reserved {
        /// The file.
        path: Utf8PathBuf,
    },
    /// One path for two files.
    #[error("{path} is named twice: each output needs a file of its own")]
    Twice {
        /// The path.
        path: Utf8PathBuf,
    },
    /// It cannot be written.
    #[error("cannot write {path}")]
    Io {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Says before any work is done whether all of `targets` may be written.
///
/// # Errors
/// For the first that may not.
pub fn check_targets(targets: &[(&Utf8Path, FileKind)]) -> Result<(), OutputFileError> {
    let mut seen = std::collections::BTreeSet::new();
    for (path, kind) in targets {
        may_replace(path, *kind)?;
        let folder = folder_of(path);
        let real = folder
            .canonicalize_utf8()
            .map_err(|source| OutputFileError::Io {
                path: (*path).to_owned(),
                source,
            })?;
        if !seen.insert(real.join(path.file_name().unwrap_or_default())) {
            return Err(OutputFileError::Twice {
                path: (*path).to_owned(),
            });
        }
    }
    Ok(())
}

/// Writes `plan` as canonical JSON.
///
/// # Errors
/// When the file may not be replaced or cannot be written.
pub fn write_plan(path: &Utf8Path, plan: &Plan) -> Result<(), Error> {
    let value = serde_json::to_value(plan).map_err(Error::Json)?;
    write_file(path, FileKind::Plan, &(canonical_json(&value) + "\n"))
}

/// Writes `text`, which is of `kind`.
///
/// # Errors
/// When the file may not be replaced or cannot be written.
pub fn write_file(path: &Utf8Path, kind: FileKind, text: &str) -> Result<(), Error> {
    Ok(write_whole(path, text, || may_replace(path, kind))?)
}

/// Writes `text` to a file that is not there yet.
///
/// # Errors
/// When anything is there, a dangling link included, or the file cannot be written.
pub(super) fn write_new(path: &Utf8Path, text: &str) -> Result<(), Error> {
    if path.symlink_metadata().is_ok() {
        return Err(Error::Exists {
            path: path.to_string(),
        });
    }
    Ok(write_whole(path, text, || Ok(()))?)
}

/// Writes a new file beside `path`, makes it durable, looks again whether it `may` go there, and moves it.
fn write_whole(
    path: &Utf8Path,
    text: &str,
    may: impl FnOnce() -> Result<(), OutputFileError>,
) -> Result<(), OutputFileError> {
    let failed = |source| OutputFileError::Io {
        path: path.to_owned(),
        source,
    };
    let folder = folder_of(path);
    let name = path
        .file_name()
        .ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
    let mut random = [0; 6];
    getrandom::fill(&mut random).map_err(|error| failed(std::io::Error::other(error)))?;
    let suffix: String = random.iter().map(|b| format!("{b:02x}")).collect();
    // 255 bytes are the longest name; what of it goes first is of no account.
    let stem: String = name.chars().take(50).collect();
    let new = folder.join(format!(".{stem}.{suffix}.new"));
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .map_err(failed);
    let moved = written
        .and_then(|()| may())
        .and_then(|()| std::fs::rename(&new, path).map_err(failed));
    if moved.is_err() {
        let _ = std::fs::remove_file(&new);
        return moved;
    }
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

fn folder_of(path: &Utf8Path) -> &Utf8Path {
    path.parent()
        .filter(|p| !p.as_str().is_empty())
        .unwrap_or(Utf8Path::new("."))
}

fn may_replace(path: &Utf8Path, kind: FileKind) -> Result<(), OutputFileError> {
    let path_owned = || path.to_owned();
    let name = path.file_name().unwrap_or_default();
    // An empty file may be a lock, or a write-ahead log at rest.
    let is_reserved = name == ".lock"
        || ["-wal", "-shm", "-journal"]
            .iter()
            .any(|end| name.ends_with(end));
    if is_reserved {
        return Err(OutputFileError::Reserved { path: path_owned() });
    }
    // Opened before it is looked at, so that what is judged is one file; a pipe must not make this wait.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let is_link = || path.symlink_metadata().is_ok_and(|m| m.is_symlink());
    let file = match opened {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(_) if is_link() => return Err(OutputFileError::Link { path: path_owned() }),
        Err(source) => {
            let path = path_owned();
            return Err(OutputFileError::Io { path, source });
        }
        Ok(file) => file,
    };
    let meta = file.metadata().map_err(|source| OutputFileError::Io {
        path: path_owned(),
        source,
    })?;
    match meta.len() {
        _ if !meta.is_file() => Err(OutputFileError::NotAFile { path: path_owned() }),
        0 => Ok(()),
        _ if is_ours(file, kind) => Ok(()),
        _ => Err(OutputFileError::NotOurs {
            path: path_owned(),
            kind,
        }),
    }
}

/// The members by which documents of ours are told from others; the metadata of a snapshot carries a version too.
#[derive(Deserialize)]
struct Members {
    #[serde(rename = "format_version")]
    _format: u64,
    #[serde(rename = "pobsync_version")]
    _version: String,
    fingerprint: Option<IgnoredAny>,
    retention: Option<IgnoredAny>,
    state: Option<IgnoredAny>,
    snapshots: Option<IgnoredAny>,
}

fn is_ours(mut file: std::fs::File, kind: FileKind) -> bool {
    let starts_with = |file: &mut std::fs::File, start: &str| {
        let mut head = vec![0; start.len()];
        file.read_exact(&mut head).is_ok() && head == start.as_bytes()
    };
    match kind {
        FileKind::Markdown => starts_with(&mut file, MARKDOWN_START),
        FileKind::Page => starts_with(&mut file, HTML_START),
        FileKind::Plan | FileKind::Inventory => {
            let Ok(found) = serde_json::from_reader::<_, Members>(BufReader::new(file)) else {
                return false;
            };
            match kind {
                FileKind::Inventory => found.state.is_some() && found.snapshots.is_some(),
                _ => found.fingerprint.is_some() && found.retention.is_some(),
            }
        }
    }
}
