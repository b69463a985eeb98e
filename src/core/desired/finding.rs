//! What is wrong, or odd, with a configuration: always with its place and how to mend it.

/// A stretch of one file of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// Which file, in the order read.
    pub file: usize,
    /// Bytes before it.
    pub offset: usize,
    /// Bytes of it.
    pub len: usize,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, and is probably not what was meant.
    Warning,
}

/// One thing that is wrong or odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name, `unknown-node`.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// Where, the main place first, each with a few words.
    pub labels: Vec<(At, String)>,
    /// How to mend it.
    pub help: String,
}

impl Finding {
    /// An error at one place.
    #[must_use]
    pub fn error(
        code: &'static str,
        at: At,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            labels: vec![(at, label.into())],
            help: help.into(),
        }
    }

    /// The same, as a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// The same with a second place.
    #[must_use]
    pub fn also(mut self, at: At, label: impl Into<String>) -> Self {
        self.labels.push((at, label.into()));
        self
    }
}
