//! What can be wrong with a name in a snapshot.

use serde::{Deserialize, Serialize};

use super::Invalid;
use super::run::words;

words!(/// What is wrong with one name in a snapshot.
ProblemKind, "what is wrong with a file", {
    /// It holds something else, though its size and time are the same.
    Content = "content",
    /// Its type, size, owner or another attribute is not what it was.
    Attributes = "attributes",
    /// It is not there.
    Missing = "missing",
    /// It was not there.
    Extra = "extra",
    /// It cannot be read.
    Unreadable = "unreadable",
    /// It is the manifest itself.
    Manifest = "manifest",
});

impl ProblemKind {
    /// Says that it is found only by reading the file, and not by looking at its name.
    #[must_use]
    pub const fn needs_reading(self) -> bool {
        matches!(self, Self::Content | Self::Unreadable)
    }

    /// Says that what the file held is no longer in it.
    #[must_use]
    pub const fn loses_content(self) -> bool {
        matches!(self, Self::Content | Self::Missing | Self::Unreadable)
    }

    /// Where it is, for people: the path as the host has it, of one that is recorded below `data`.
    #[must_use]
    pub fn place(self, path: &str) -> String {
        match self {
            Self::Manifest => "its manifest".to_owned(),
            _ => format!("/{path}"),
        }
    }
}
