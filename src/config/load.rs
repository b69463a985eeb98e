//! Reading the configuration: the file, its includes, and nothing outside its folder.

use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

use super::parse::{self, Include};
use super::report::Lines;
use super::{Report, document, guard};
use crate::core::desired::{At, DesiredState, Finding, Parts, Places, resolve};

/// Includes in includes.
const DEEPEST: usize = 10;
/// More files than this are a mistake of a pattern.
const MOST_FILES: usize = 20_000;

/// One file that was read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its path as messages show it.
    pub path: Utf8PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its text.
    pub text: String,
}

/// What reading came to. The files are there also when the state is not, so that a watcher sees the mend.
#[derive(Debug)]
pub struct Loaded {
    /// Every file read, the first one first.
    pub files: Vec<SourceFile>,
    /// What is wrong and what is odd.
    pub report: Report,
    /// What the configuration asks for, if it is valid.
    pub state: Option<DesiredState>,
}

/// Reads the configuration at `path` with its includes.
#[must_use]
pub fn load(path: &Utf8Path) -> Loaded {
    let mut loader = Loader::default();
    // Links in the path of the root file are the operator's own; below its folder none leads out.
    match path.canonicalize_utf8() {
        Ok(real) => {
            loader.root = real.parent().map(Utf8Path::to_owned).unwrap_or_default();
            loader.shown_root = path.parent().map(Utf8Path::to_owned).unwrap_or_default();
            loader.file(&real, None);
        }
        Err(error) => loader.unreadable(path, &error, None),
    }
    loader.finish()
}

/// Reads one text that came from elsewhere: it includes nothing.
#[must_use]
pub fn load_text(name: &str, text: String) -> Loaded {
    let mut loader = Loader {
        is_closed: true,
        ..Loader::default()
    };
    loader.text(Utf8PathBuf::from(name), text.into_bytes());
    loader.finish()
}

#[derive(Default)]
struct Loader {
    root: Utf8PathBuf,
    shown_root: Utf8PathBuf,
    is_closed: bool,
    files: Vec<SourceFile>,
    /// The real paths of `files`.
    real: Vec<Utf8PathBuf>,
    /// The files being read, outermost first.
    open: Vec<Utf8PathBuf>,
    parts: Parts,
    findings: Vec<Finding>,
    has_unread: bool,
}

impl Loader {
    fn finish(self) -> Loaded {
        let lines: Vec<Lines> = self
            .files
            .iter()
            .map(|file| Lines::of(&file.text))
            .collect();
        let places = FilePlaces {
            files: &self.files,
            lines: &lines,
        };
        let (state, found) = resolve(&self.parts, &places, !self.has_unread);
        let mut findings = self.findings;
        findings.extend(found);
        let report = Report::new(findings, self.files.clone(), lines);
        let state = state.filter(|_| !report.has_errors());
        Loaded {
            files: self.files,
            report,
            state,
        }
    }

    fn shown(&self, real: &Utf8Path) -> Utf8PathBuf {
        match real.strip_prefix(&self.root) {
            Ok(below) => self.shown_root.join(below),
            Err(_) => real.to_owned(),
        }
    }

    fn unreadable(&mut self, path: &Utf8Path, error: &std::io::Error, from: Option<At>) {
        self.has_unread = true;
        let file = self.files.len();
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => "name it with --file, or make one with `pobsync init`",
            _ => "see to it that this user may read it",
        };
        let at = from.unwrap_or(At {
            file,
            offset: 0,
            len: 0,
        });
        if from.is_none() {
            self.files.push(SourceFile {
                path: path.to_owned(),
                sha256: String::new(),
                text: String::new(),
            });
            self.real.push(path.to_owned());
        }
        self.findings.push(Finding::error(
            "unreadable",
            at,
            format!("cannot read {path}: {error}"),
            "",
            help,
        ));
    }

    fn file(&mut self, real: &Utf8Path, from: Option<At>) {
        let bytes = match read_bounded(real) {
            Ok(bytes) => bytes,
            Err(error) => return self.unreadable(&self.shown(real), &error, from),
        };
        self.real.push(real.to_owned());
        self.open.push(real.to_owned());
        self.text(self.shown(real), bytes);
        self.open.pop();
    }

    fn text(&mut self, path: Utf8PathBuf, bytes: Vec<u8>) {
        let file = self.files.len();
        let sha256 = Sha256::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let start = At {
            file,
            offset: 0,
            len: 0,
        };
        if bytes.len() as u64 > guard::LARGEST {
            self.has_unread = true;
            self.files.push(SourceFile {
                path,
                sha256,
                text: String::new(),
            });
            self.findings.push(Finding::error(
                "too-large",
                start,
                "this file is larger than 4 MiB",
                "",
                "part it into several and `include` them",
            ));
            return;
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                self.has_unread = true;
                let offset = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                self.files.push(SourceFile { path, sha256, text });
                self.findings.push(Finding::error(
                    "not-utf8",
                    At {
                        file,
                        offset,
                        len: 1,
                    },
                    format!("this file is not UTF-8: byte {offset} begins no character"),
                    "here",
                    "save it as UTF-8",
                ));
                return;
            }
        };
        self.files.push(SourceFile {
            path,
            sha256,
            text: text.clone(),
        });
        let includes = match document::parse(file, &text) {
            Ok(document) => parse::read(file, &document, &mut self.parts, &mut self.findings),
            Err(found) => {
                self.has_unread = true;
                self.findings.extend(found);
                return;
            }
        };
        for include in includes {
            self.include(&include);
        }
    }

    fn include(&mut self, include: &Include) {
        let mut wrong = |code, message: String, help: &str| {
            self.findings.push(Finding::error(
                code,
                include.at,
                message,
                "included here",
                help,
            ));
        };
        if self.is_closed {
            return wrong(
                "include-refused",
                "a configuration that is sent includes nothing".to_owned(),
                "send it in one piece",
            );
        }
        if self.open.len() > DEEPEST {
            return wrong(
                "too-deep",
                format!("includes are nested more than {DEEPEST} deep"),
                "include from fewer files",
            );
        }
        let folder = self
            .open
            .last()
            .and_then(|file| file.parent())
            .unwrap_or(&self.root);
        let pattern = format!(
            "{}/{}",
            glob::Pattern::escape(folder.as_str()),
            include.pattern
        );
        let options = glob::MatchOptions {
            require_literal_separator: true,
            ..glob::MatchOptions::default()
        };
        let paths = match glob::glob_with(&pattern, options) {
            Ok(paths) => paths,
            Err(error) => {
                return wrong(
                    "invalid-value",
                    format!("this is no pattern: {}", error.msg),
                    "use `*` and `?`",
                );
            }
        };
        let mut found: Vec<Utf8PathBuf> = paths
            .filter_map(Result::ok)
            .filter_map(|path| Utf8PathBuf::from_path_buf(path).ok())
            .filter(|p| !p.is_dir())
            .collect();
        found.sort();
        if found.is_empty() && !include.optional {
            return wrong(
                "no-match",
                "no file matches this include".to_owned(),
                "correct the pattern, or add `optional=#true`",
            );
        }
        for path in found {
            self.included(&path, include);
        }
    }

    fn included(&mut self, path: &Utf8Path, include: &Include) {
        let shown = self.shown(path);
        let mut wrong = |code, message: String, help: &str| {
            self.findings.push(Finding::error(
                code,
                include.at,
                message,
                "included here",
                help,
            ));
        };
        let Ok(real) = path.canonicalize_utf8() else {
            return wrong(
                "unreadable",
                format!("cannot read {shown}"),
                "see to it that this user may read it",
            );
        };
        if !real.starts_with(&self.root) {
            // What it holds is nobody's business here: not a line of it is shown.
            return wrong(
                "outside-root",
                format!("{shown} leads out of the folder of the configuration"),
                "put the file itself there",
            );
        }
        if self.open.contains(&real) {
            return wrong(
                "include-cycle",
                format!("{shown} includes itself, directly or by way of others"),
                "take one of the includes out",
            );
        }
        if self.real.contains(&real) {
            return wrong(
                "included-twice",
                format!("{shown} is included twice"),
                "include it once",
            );
        }
        if self.files.len() >= MOST_FILES {
            return wrong(
                "too-many-files",
                format!("more than {MOST_FILES} files are included"),
                "narrow the pattern",
            );
        }
        self.file(&real, Some(include.at));
    }
}

fn read_bounded(path: &Utf8Path) -> std::io::Result<Vec<u8>> {
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a plain file"));
    }
    let mut bytes = Vec::new();
    file.take(guard::LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

struct FilePlaces<'a> {
    files: &'a [SourceFile],
    lines: &'a [Lines],
}

impl Places for FilePlaces<'_> {
    fn place(&self, at: At) -> String {
        let path = self
            .files
            .get(at.file)
            .map_or("?", |file| file.path.as_str());
        let line = self
            .lines
            .get(at.file)
            .map_or(1, |lines| lines.line(at.offset));
        format!("{path}:{line}")
    }
}
