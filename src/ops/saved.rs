//! Saved plans, read with suspicion.

use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use crate::core::model::HostName;
use crate::core::plan::{FORMAT_VERSION, Plan};

/// A plan of ten thousand hosts with a hundred snapshots each fits twice.
const LARGEST: u64 = 1 << 30;

/// Why a file is not a plan that can be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is larger than any plan.
    #[error("{path} is larger than any plan")]
    TooLarge {
        /// The file.
        path: Utf8PathBuf,
    },
    /// It is not a plan, or not all of one.
    #[error("{path} is not a whole plan")]
    NotAPlan {
        /// The file.
        path: Utf8PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// It is not an inventory, or not all of one.
    #[error("{path} is not a whole inventory")]
    NotAnInventory {
        /// The file.
        path: Utf8PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// An inventory names a host and says nothing of its snapshots.
    #[error(
        "{path} says nothing of the snapshots of {host}: a plan made from it would miss deletions"
    )]
    LacksHost {
        /// The file.
        path: Utf8PathBuf,
        /// The host.
        host: HostName,
    },
    /// Its format is newer than this program.
    #[error("{path} has format_version {found}, this pobsync knows up to {FORMAT_VERSION}")]
    Newer {
        /// The file.
        path: Utf8PathBuf,
        /// Its version.
        found: u64,
    },
    /// Its fingerprints are not those of its content.
    #[error("{path} was changed after it was made: its fingerprints are not those of its content")]
    Edited {
        /// The file.
        path: Utf8PathBuf,
    },
}

/// Reads a saved plan.
///
/// # Errors
/// When it cannot be read, is truncated or no plan, was edited, or is of a newer format.
pub fn read_plan(path: &Utf8Path) -> Result<Plan, SavedPlanError> {
    #[derive(Deserialize)]
    struct Head {
        format_version: u64,
    }
    let not_a_plan = |source| SavedPlanError::NotAPlan {
        path: path.to_owned(),
        source,
    };
    let text = read_bounded(path)?;
    let head: Head = serde_json::from_str(&text).map_err(not_a_plan)?;
    if head.format_version > u64::from(FORMAT_VERSION) {
        return Err(SavedPlanError::Newer {
            path: path.to_owned(),
            found: head.format_version,
        });
    }
    let plan: Plan = serde_json::from_str(&text).map_err(not_a_plan)?;
    if plan.is_intact() {
        Ok(plan)
    } else {
        Err(SavedPlanError::Edited {
            path: path.to_owned(),
        })
    }
}

pub(super) fn read_bounded(path: &Utf8Path) -> Result<String, SavedPlanError> {
    let mut text = String::new();
    let read = regular(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
    match read {
        Err(source) => Err(SavedPlanError::File {
            path: path.to_owned(),
            source,
        }),
        Ok(n) if n as u64 > LARGEST => Err(SavedPlanError::TooLarge {
            path: path.to_owned(),
        }),
        Ok(_) => Ok(text),
    }
}

/// A pipe or a device would keep the program waiting, or feed it for ever.
fn regular(path: &Utf8Path) -> std::io::Result<std::fs::File> {
    if std::fs::metadata(path)?.is_file() {
        std::fs::File::open(path)
    } else {
        Err(std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "it is no regular file",
        ))
    }
}

/// Says that the file at `path` looks like a saved plan and not like KDL: its first character opens a JSON object.
#[must_use]
pub fn looks_like_a_plan(path: &Utf8Path) -> bool {
    let mut head = [0_u8; 64];
    let read = regular(path)
        .and_then(|mut file| file.read(&mut head))
        .unwrap_or(0);
    head.iter().take(read).find(|b| !b.is_ascii_whitespace()) == Some(&b'{')
}
