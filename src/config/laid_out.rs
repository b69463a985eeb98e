//! The files of a configuration, each beside its layout.

use camino::{Utf8Path, Utf8PathBuf};

use super::lines::Lines;
use super::load::{Loaded, load, load_alone, load_text};
use super::{Report, layout};

/// Findings about includes that hide no file from the layout.
const HIDES_NOTHING: [&str; 4] = [
    "no-match",
    "included-twice",
    "include-cycle",
    "outside-root",
];

/// What laying out came to.
#[derive(Debug)]
pub struct LaidOut {
    /// Every file that could be read and parsed, the first one first.
    pub files: Vec<LaidOutFile>,
    /// What could not be.
    pub report: Report,
}

/// One file, as it is and as it should be.
#[derive(Debug)]
pub struct LaidOutFile {
    /// Its path as messages show it.
    pub path: Utf8PathBuf,
    /// Its path without links; nothing for a text that came from elsewhere.
    pub real: Option<Utf8PathBuf>,
    /// Its text.
    pub before: String,
    /// Its text, laid out.
    pub after: String,
}

impl LaidOutFile {
    /// Says that the layout differs from what is there.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.before != self.after
    }
}

/// Lays out the file at `path`, and what it includes unless it is to be laid out `alone`. Writes nothing.
#[must_use]
pub fn lay_out(path: &Utf8Path, alone: bool) -> LaidOut {
    of(if alone { load_alone(path) } else { load(path) }, |file| {
        file.real.is_some()
    })
}

/// Lays out one text that came from elsewhere.
#[must_use]
pub fn lay_out_text(name: &str, text: impl Into<Vec<u8>>) -> LaidOut {
    let loaded = load_text(name, text);
    let is_text = !loaded
        .unread
        .iter()
        .any(|finding| matches!(finding.code, "not-utf8" | "too-large"));
    of(loaded, |_| is_text)
}

fn of(loaded: Loaded, is_read: impl Fn(&super::SourceFile) -> bool) -> LaidOut {
    let counts = |code: &str| !HIDES_NOTHING.contains(&code) && code != "include-refused";
    let mut findings = loaded.unread;
    findings.retain(|finding| counts(finding.code));
    let mut files = Vec::new();
    for (i, file) in loaded
        .files
        .iter()
        .enumerate()
        .filter(|(_, file)| is_read(file))
    {
        match layout::format(i, &file.text) {
            Ok(after) => files.push(LaidOutFile {
                path: file.path.clone(),
                real: file.real.clone(),
                before: file.text.clone(),
                after,
            }),
            Err(found) => {
                let new = found
                    .into_iter()
                    .filter(|finding| !findings.contains(finding));
                let new: Vec<_> = new.collect();
                findings.extend(new);
            }
        }
    }
    let lines = loaded
        .files
        .iter()
        .map(|file| Lines::of(&file.text))
        .collect();
    LaidOut {
        files,
        report: Report::new(findings, loaded.files, lines),
    }
}
