//! Reading the configuration: the file, its includes, and nothing outside its folder.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{Mode, OFlags};

use super::ahead::{Job, Parsed, ReadFile, read_all, take_in};
use super::bundle::Bundle;
use super::confined::confined;
use super::include::{self, IncludeError, MOST_FILES};
use super::lines::Lines;
use super::memory::{Key, Memory};
use super::parse::Include;
use super::side_by_side::{most_workers, side_by_side};
use super::{Report, Watched, document, guard};
use crate::core::desired::{At, DesiredState, Finding, Parts, Places, Resolving, named_policies};
use crate::core::model::{Label, Policy};

/// Includes in includes.
const DEEPEST: usize = 10;
/// All files together: a pattern that means a whole disk ends here.
const LARGEST_SUM: u64 = 64 << 20;

/// One file that was read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its path as messages show it.
    pub path: Utf8PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its text.
    pub text: String,
    /// Its path without links, if all of its text was read from there.
    pub real: Option<Utf8PathBuf>,
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
    /// What could change any of this: complete also when the state is not there.
    pub watched: Watched,
    /// Those findings that kept something from being read.
    pub(super) unread: Vec<Finding>,
    /// The retention policies that it names.
    pub policies: BTreeMap<Label, Policy>,
    /// Every node as written.
    pub(super) parts: Parts,
}

/// Reads the configuration at `path` with its includes.
#[must_use]
pub fn load(path: &Utf8Path) -> Loaded {
    Loader::default().root(path, path)
}

/// The same; each host knows the place of every single setting of it, `origins`.
#[must_use]
pub fn load_explained(path: &Utf8Path) -> Loaded {
    let loader = Loader {
        explains: true,
        ..Loader::default()
    };
    loader.root(path, path)
}

/// Reads the configuration at `path` with its includes; messages call it `shown`. What the parser makes of its files is
/// kept in `folder`, that of the database, and not asked for again.
#[must_use]
pub fn load_remembering(path: &Utf8Path, shown: &Utf8Path, folder: &Utf8Path) -> Loaded {
    let loader = Loader {
        memory: Memory::of(folder),
        ..Loader::default()
    };
    loader.root(path, shown)
}

/// Reads the configuration at `path` as it would be with the texts of `instead`, by real path.
pub(super) fn load_instead(path: &Utf8Path, instead: HashMap<Utf8PathBuf, String>) -> Loaded {
    let loader = Loader {
        instead,
        ..Loader::default()
    };
    loader.root(path, path)
}

/// Reads the file at `path` alone: what it includes is left alone, and its state is not whole.
pub(super) fn load_alone(path: &Utf8Path) -> Loaded {
    let loader = Loader {
        includes: Includes::LeftAlone,
        ..Loader::default()
    };
    loader.root(path, path)
}

/// Reads one text that came from elsewhere: it includes nothing.
#[must_use]
pub fn load_text(name: &str, text: impl Into<Vec<u8>>) -> Loaded {
    let mut loader = Loader {
        includes: Includes::Refused,
        ..Loader::default()
    };
    let read = loader.read(Job::Given(text.into()));
    loader.text(Utf8PathBuf::from(name), None, read);
    loader.finish()
}

/// Reads files that came from elsewhere: they include each other and nothing of this machine, and the kernel sees to it
/// that whoever reads them cannot open any. A text that was sent before is not parsed again.
#[must_use]
pub fn load_bundle(bundle: Bundle) -> Loaded {
    let entry = bundle.entry().to_owned();
    // Asks the system, by files that cannot be opened there.
    most_workers();
    let loaded = confined(|| {
        let entry = bundle.entry().to_owned();
        let mut loader = Loader {
            root: bundle.root().to_owned(),
            shown_root: bundle.root().to_owned(),
            includes: Includes::Within(bundle),
            memory: Memory::of_sent(),
            ..Loader::default()
        };
        loader.file(&entry, None);
        loader.finish()
    });
    loaded.unwrap_or_else(|| {
        let mut loader = Loader::default();
        loader.text(entry, None, None);
        loader.finish()
    })
}

/// What is done about includes.
#[derive(PartialEq, Eq, Default)]
enum Includes {
    #[default]
    Followed,
    Within(Bundle),
    LeftAlone,
    Refused,
}

#[derive(Default)]
struct Loader {
    root: Utf8PathBuf,
    shown_root: Utf8PathBuf,
    /// The first file without links, and as it was named.
    first: Option<(Utf8PathBuf, Utf8PathBuf)>,
    includes: Includes,
    /// The place of every single setting is told.
    explains: bool,
    /// Texts that stand in for those of files.
    instead: HashMap<Utf8PathBuf, String>,
    files: Vec<SourceFile>,
    /// The lines of each of `files`.
    lines: Vec<Lines>,
    /// The real paths of `files`.
    real: HashSet<Utf8PathBuf>,
    /// Bytes of `files`.
    sum: u64,
    /// The files being read, outermost first.
    open: Vec<Utf8PathBuf>,
    parts: Parts,
    findings: Vec<Finding>,
    watched: Watched,
    /// Those that kept something from being read.
    unread: Vec<Finding>,
    /// What the parser made of files before.
    memory: Memory,
    /// What it made of each of `files`; nothing if the memory has it.
    packed: Vec<(Key, Option<Vec<u8>>)>,
    /// Files that were read before their turn, by real path.
    ahead: HashMap<Utf8PathBuf, ReadFile>,
}

impl Loader {
    fn root(mut self, path: &Utf8Path, shown: &Utf8Path) -> Loaded {
        if let Ok(path) = camino::absolute_utf8(path) {
            self.watched.anywhere(&path);
        }
        // Links in the path of the root file are the operator's own; below its folder none leads out.
        match path.canonicalize_utf8() {
            // A repository can hold a link too: to a file that is none of ours, whose lines reports would print.
            Ok(real) if path.is_symlink() && real.extension() != Some("kdl") => {
                let error = std::io::Error::new(
                    std::io::ErrorKind::InvalidInput,
                    "it is a link to a file that is not called *.kdl",
                );
                self.unreadable(shown, &error, None);
            }
            Ok(real) => {
                self.root = real.parent().map(Utf8Path::to_owned).unwrap_or_default();
                self.shown_root = shown.parent().map(Utf8Path::to_owned).unwrap_or_default();
                self.first = Some((real.clone(), shown.to_owned()));
                self.file(&real, None);
            }
            Err(error) => self.unreadable(shown, &error, None),
        }
        self.finish()
    }

    fn finish(self) -> Loaded {
        let places = FilePlaces {
            files: &self.files,
            lines: &self.lines,
            explains: self.explains,
        };
        let (state, found) = std::thread::scope(|scope| {
            let remember = || self.remember();
            let keeper = std::thread::Builder::new().spawn_scoped(scope, remember);
            let resolving = Resolving::of(&self.parts, &places, self.unread.is_empty());
            let pieces = side_by_side(resolving.pieces(), |i| resolving.piece(i));
            if keeper.is_err() {
                remember();
            }
            resolving.finish(pieces)
        });
        let mut findings = self.findings;
        findings.extend(self.unread.iter().cloned());
        findings.extend(found);
        // Only findings show what stands in files.
        let files = if findings.is_empty() {
            Vec::new()
        } else {
            self.files.clone()
        };
        let report = Report::new(findings, files, self.lines);
        let state = state.filter(|_| !report.has_errors());
        Loaded {
            files: self.files,
            report,
            state,
            watched: self.watched,
            unread: self.unread,
            policies: named_policies(&self.parts),
            parts: self.parts,
        }
    }

    fn push_without_text(&mut self, path: Utf8PathBuf, sha256: String) {
        let file = SourceFile {
            path,
            sha256,
            text: String::new(),
            real: None,
        };
        self.push(None, file);
    }

    fn push(&mut self, lines: Option<Lines>, file: SourceFile) {
        self.lines
            .push(lines.unwrap_or_else(|| Lines::of(&file.text)));
        self.files.push(file);
    }

    fn shown(&self, real: &Utf8Path) -> Utf8PathBuf {
        if let Some((_, named)) = self.first.as_ref().filter(|(first, _)| first == real) {
            return named.clone();
        }
        match real.strip_prefix(&self.root) {
            Ok(below) => self.shown_root.join(below),
            Err(_) => real.to_owned(),
        }
    }

    fn unreadable(&mut self, path: &Utf8Path, error: &std::io::Error, from: Option<At>) {
        let file = self.files.len();
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => "name it with --file, or make one with `pobsync init`",
            std::io::ErrorKind::InvalidInput => "name a regular file that is called *.kdl",
            _ => "see to it that this user may read it",
        };
        let at = from.unwrap_or(At::start_of(file));
        if from.is_none() {
            self.push_without_text(path.to_owned(), String::new());
        }
        self.unread.push(Finding::error(
            "unreadable",
            at,
            format!("cannot read {path}: {error}"),
            "",
            help,
        ));
    }

    /// Has what was parsed now remembered, with all that this configuration needs besides.
    fn remember<'a>(&'a self) {
        if self.packed.iter().all(|(_, packed)| packed.is_none()) {
            return;
        }
        let find = |(key, packed): &'a (Key, Option<Vec<u8>>)| match packed {
            Some(packed) => Some((*key, &packed[..])),
            None => Some((*key, self.memory.find(key)?)),
        };
        let all: Vec<_> = self.packed.iter().filter_map(find).collect();
        let sum = self.files.iter().map(|file| file.text.len()).sum();
        self.memory.keep(&all, sum);
    }

    fn job(&self, real: &Utf8Path) -> Job {
        match (&self.includes, self.instead.get(real)) {
            (Includes::Within(bundle), _) => Job::Given(bundle.bytes(real)),
            (_, Some(text)) => Job::Given(text.clone().into_bytes()),
            (_, None) => Job::Disk(real.to_owned()),
        }
    }

    fn read(&self, job: Job) -> Option<ReadFile> {
        read_all(vec![job], self.files.len(), &self.memory, LARGEST_SUM)
            .pop()
            .flatten()
    }

    /// Reads files that are to be read next, side by side.
    fn read_ahead(&mut self, files: &[Utf8PathBuf]) {
        let files: Vec<&Utf8PathBuf> = files
            .iter()
            .filter(|path| !self.real.contains(*path) && !self.ahead.contains_key(*path))
            .collect();
        if files.len() < 2 {
            return;
        }
        let jobs = files.iter().map(|path| self.job(path)).collect();
        let room = LARGEST_SUM.saturating_sub(self.sum);
        let read = read_all(jobs, self.files.len(), &self.memory, room);
        let found = files.into_iter().zip(read);
        self.ahead
            .extend(found.filter_map(|(path, read)| Some((path.clone(), read?))));
    }

    fn file(&mut self, real: &Utf8Path, from: Option<At>) {
        let on_disk = (!matches!(self.includes, Includes::Within(_))).then_some(real);
        let mut read = self.ahead.remove(real);
        if read.is_none() {
            let job = self.job(real);
            read = self.read(job);
        }
        if let Some(Err(error)) = read.as_ref().map(|read| &read.bytes) {
            return self.unreadable(&self.shown(real), error, from);
        }
        self.real.insert(real.to_owned());
        self.open.push(real.to_owned());
        self.text(self.shown(real), on_disk, read);
        self.open.pop();
    }

    /// Takes in a file that was read; nothing stands for one that no thread could be had for.
    fn text(&mut self, path: Utf8PathBuf, real: Option<&Utf8Path>, read: Option<ReadFile>) {
        let file = self.files.len();
        let Some((read, bytes)) = read.and_then(|mut read| {
            let bytes = std::mem::replace(&mut read.bytes, Ok(Vec::new())).ok()?;
            Some((read, bytes))
        }) else {
            self.push_without_text(path, String::new());
            self.unread.push(document::gave_up(file));
            return;
        };
        let sha256 = read.sha256;
        self.sum += bytes.len() as u64;
        let start = At::start_of(file);
        if bytes.len() as u64 > guard::LARGEST {
            self.push_without_text(path, sha256);
            self.unread.push(Finding::error(
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
                let offset = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                self.push(
                    None,
                    SourceFile {
                        path,
                        sha256,
                        text,
                        real: None,
                    },
                );
                self.unread.push(Finding::error(
                    "not-utf8",
                    At::new(file, offset, 1),
                    format!("this file is not UTF-8: byte {offset} begins no character"),
                    "here",
                    "save it as UTF-8",
                ));
                return;
            }
        };
        let mut parsed = read.parsed;
        // An include of a file before it moves its number.
        let mut taken = read.taken.filter(|taken| taken.file == file);
        if taken.is_none() {
            taken = take_in(file, &text, &read.key, &parsed, &self.memory);
        }
        if taken.is_none() && matches!(parsed, Parsed::Before) {
            // What is remembered is not what this program packs: parsing it tells.
            let again = read_all(
                vec![Job::Given(text.clone().into_bytes())],
                file,
                &Memory::default(),
                LARGEST_SUM,
            );
            (parsed, taken) = again
                .into_iter()
                .flatten()
                .next()
                .map_or((Parsed::Unread, None), |read| (read.parsed, read.taken));
        }
        let source = SourceFile {
            path,
            sha256,
            text,
            real: real.map(Utf8Path::to_owned),
        };
        self.push(read.lines, source);
        match parsed {
            Parsed::Before => self.packed.push((read.key, None)),
            Parsed::Packed(packed) => self.packed.push((read.key, Some(packed))),
            Parsed::Refused(found) => self.unread.extend(found.into_iter().map(|mut finding| {
                for (at, _) in &mut finding.labels {
                    *at = at.in_file(file);
                }
                finding
            })),
            Parsed::Unread => self.unread.push(document::gave_up(file)),
        }
        let Some(taken) = taken else { return };
        self.parts.append(taken.parts);
        self.findings.extend(taken.findings);
        for include in taken.includes {
            self.include(&include);
        }
    }

    fn include(&mut self, include: &Include) {
        if self.includes == Includes::LeftAlone {
            return;
        }
        if self.includes == Includes::Refused {
            let message = "a configuration that is sent includes nothing";
            return self.wrong(include, "include-refused", message, "send it in one piece");
        }
        if self.open.len() > DEEPEST {
            let message = format!("includes are nested more than {DEEPEST} deep");
            return self.wrong(include, "too-deep", message, "include from fewer files");
        }
        let folder = self
            .open
            .last()
            .and_then(|file| file.parent())
            .unwrap_or(&self.root);
        let found = match &self.includes {
            Includes::Within(bundle) => bundle.included(folder, &include.pattern),
            _ => include::files(&self.root, folder, &include.pattern, &mut self.watched),
        };
        match found {
            Ok(found) if found.is_empty() && !include.optional => {
                let help = "correct the pattern, or add `optional=#true`";
                self.wrong(include, "no-match", "no file matches this include", help);
            }
            Ok(found) => {
                self.read_ahead(&found);
                found.iter().for_each(|path| self.included(path, include));
            }
            Err(error) => self.not_included(error, include),
        }
    }

    fn not_included(&mut self, error: IncludeError, include: &Include) {
        let (code, error, help) = match error {
            IncludeError::Pattern(_) => ("invalid-value", error, "use `*` and `?`"),
            // What it holds is nobody's business here: not a line of it is shown.
            IncludeError::Outside(path) => (
                "outside-root",
                IncludeError::Outside(self.shown(&path)),
                "put the file itself there",
            ),
            IncludeError::Unreadable { path, source } => {
                let path = self.shown(&path);
                (
                    "unreadable",
                    IncludeError::Unreadable { path, source },
                    "see to it that this user may read it",
                )
            }
            IncludeError::NotUtf8(path) => (
                "unreadable",
                IncludeError::NotUtf8(self.shown(&path)),
                "rename it",
            ),
            IncludeError::TooMany => ("too-many-files", error, "narrow the pattern"),
        };
        self.wrong(include, code, error.to_string(), help);
    }

    fn included(&mut self, real: &Utf8Path, include: &Include) {
        let shown = self.shown(real);
        if self.open.iter().any(|open| open == real) {
            let message = format!("{shown} includes itself, directly or by way of others");
            self.wrong(
                include,
                "include-cycle",
                message,
                "take one of the includes out",
            );
        } else if self.real.contains(real) {
            let message = format!("{shown} is included twice");
            self.wrong(include, "included-twice", message, "include it once");
        } else if self.files.len() >= MOST_FILES {
            self.not_included(IncludeError::TooMany, include);
        } else if self.sum > LARGEST_SUM {
            let message = "all files together are larger than 64 MiB";
            self.wrong(include, "too-large", message, "narrow the pattern");
        } else {
            self.file(real, Some(include.at));
        }
    }

    /// A finding at an include. What it would have brought is missing, so nothing else is told to be.
    fn wrong(
        &mut self,
        include: &Include,
        code: &'static str,
        message: impl Into<String>,
        help: &str,
    ) {
        self.unread.push(Finding::error(
            code,
            include.at,
            message,
            "included here",
            help,
        ));
    }
}

pub(super) fn read_bounded(path: &Utf8Path) -> std::io::Result<Vec<u8>> {
    // Opening a pipe waits for its writer unless told not to.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(path.as_str(), flags, Mode::empty())?);
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(std::io::Error::other("it is not a plain file"));
    }
    // With a byte to spare its end is seen without more room.
    let length = usize::try_from(meta.len().min(guard::LARGEST)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(length + 1);
    file.take(guard::LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

struct FilePlaces<'a> {
    files: &'a [SourceFile],
    lines: &'a [Lines],
    explains: bool,
}

impl Places for FilePlaces<'_> {
    fn place(&self, at: At) -> String {
        let path = self
            .files
            .get(at.file())
            .map_or("?", |file| file.path.as_str());
        let line = self
            .lines
            .get(at.file())
            .map_or(1, |lines| lines.line(at.offset()));
        let mut place = String::with_capacity(path.len() + 8);
        place.push_str(path);
        let _ = write!(place, ":{line}");
        place
    }

    fn are_all_told(&self) -> bool {
        self.explains
    }
}
