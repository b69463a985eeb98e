//! What is told of the files that were read or written.

use serde::Serialize;

/// How much a note matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// How something was understood, or that it has no meaning here.
    Told,
    /// A setting that was not carried over.
    Lost,
    /// A mistake: nothing is carried over while it stands.
    Wrong,
}

/// One thing that is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LegacyNote {
    /// The file and line, or the object.
    pub at: String,
    /// What there is to say. Escape it before showing it: it holds words of the file.
    pub what: String,
    /// How much it matters.
    pub weight: Weight,
}

/// The notes of one file.
#[derive(Debug)]
pub(super) struct Notes<'a> {
    pub(super) file: &'a str,
    pub(super) list: &'a mut Vec<LegacyNote>,
}

impl Notes<'_> {
    pub(super) fn push(&mut self, weight: Weight, line: u64, what: impl Into<String>) {
        self.list.push(LegacyNote {
            at: format!("{}:{line}", self.file),
            what: what.into(),
            weight,
        });
    }
}
