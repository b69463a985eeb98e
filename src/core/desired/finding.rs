//! What is wrong, or odd, with a configuration: always with its place and how to mend it.

/// A stretch of one file of the configuration.
///
/// Every value of every host has one, so that it is small: no file has more than 4 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    file: u32,
    offset: u32,
    len: u32,
}

impl At {
    /// `len` bytes from `offset` on of the file number `file`, in the order read.
    #[must_use]
    pub fn new(file: usize, offset: usize, len: usize) -> Self {
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            file: small(file),
            offset: small(offset),
            len: small(len),
        }
    }

    /// Where the file number `file` begins.
    #[must_use]
    pub fn start_of(file: usize) -> Self {
        Self::new(file, 0, 0)
    }

    /// Which file, in the order read.
    #[must_use]
    pub fn file(self) -> usize {
        self.file as usize
    }

    /// Bytes before it.
    #[must_use]
    pub fn offset(self) -> usize {
        self.offset as usize
    }

    /// The byte behind it.
    #[must_use]
    pub fn end(self) -> usize {
        self.offset() + self.bytes()
    }

    /// Bytes of it.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.len as usize
    }

    /// The same stretch of another file.
    #[must_use]
    pub fn in_file(self, file: usize) -> Self {
        Self::new(file, self.offset(), self.bytes())
    }
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
