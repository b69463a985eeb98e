//! Comparing a snapshot with its manifest.

use std::num::NonZeroU64;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::Stat;

use super::cursor::Cursor;
use super::file::ManifestReader;
use super::look::look_at;
use super::read::{InodesRead, NAMES, Queue};
use crate::core::manifest::{Attribute, Digest, Item, ManifestHead, Sample, What, differences};
use crate::core::model::{SnapshotKind, SnapshotName};
use crate::disk::error::DiskError;
use crate::disk::handle::Handle;
use crate::disk::host::{DATA, HostDir};
use crate::disk::reading::{Reader, Reading};
use crate::disk::walk::{Step, Walk};

/// More than so many findings of one snapshot are counted and not kept.
const KEPT: usize = 10_000;

/// How a snapshot is compared.
#[derive(Clone, Copy)]
pub struct CheckRequest<'a> {
    /// Which files are read. Names and attributes are compared of all.
    pub sample: Sample,
    /// How many threads read.
    pub threads: usize,
    /// How many bytes they may read in a second.
    pub bytes_per_second: Option<NonZeroU64>,
    /// Whether to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// One thing that is not as the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The path below `data`, of any bytes.
    pub path: Vec<u8>,
    /// The inode that is there, if any.
    pub inode: Option<u64>,
    /// What is wrong.
    pub problem: Problem,
    /// It was a plain file.
    pub was_file: bool,
    /// What that held, where the manifest says so.
    pub expected: Option<Digest>,
}

/// What is wrong with one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It holds something else, though its size and time are the same: bit rot, or a hand in the backups.
    Content,
    /// It is another kind of thing, or has another size, owner and so on.
    Attributes(Vec<Attribute>),
    /// It is not there.
    Missing,
    /// It was not there.
    Extra,
    /// It cannot be read.
    Unreadable(String),
}

/// What became of the look at one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// All of it was looked at.
    Whole,
    /// It has no manifest to be compared with.
    NoManifest,
    /// It went away meanwhile.
    Gone,
    /// It was asked to stop.
    Stopped,
}

/// What a look at one snapshot has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// How far it came.
    pub seen: Seen,
    /// The head of its manifest.
    pub head: Option<ManifestHead>,
    /// How many names were compared.
    pub names: u64,
    /// How many files were compared with their digest.
    pub compared: u64,
    /// How many files have none in the manifest.
    pub open: u64,
    /// What is wrong, by path; at most ten thousand.
    pub findings: Vec<Finding>,
    /// How much is wrong.
    pub found: u64,
    /// How much this user may not read, which says nothing of what is on the disk.
    pub denied: u64,
    /// The first of that.
    pub first_denied: Option<String>,
}

impl HostDir {
    /// Compares a visible snapshot with its manifest. A file in `known` is not read again; what is read is added to it.
    ///
    /// It needs no lock: a snapshot that a prune takes away meanwhile is [`Seen::Gone`].
    ///
    /// # Errors
    /// The manifest is damaged, or the snapshot cannot be walked.
    pub fn check_snapshot(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
        request: CheckRequest<'_>,
        known: &mut InodesRead,
    ) -> Result<Checked, DiskError> {
        let mut checked = Checked {
            seen: Seen::Gone,
            head: None,
            names: 0,
            compared: 0,
            open: 0,
            findings: Vec::new(),
            found: 0,
            denied: 0,
            first_denied: None,
        };
        let Some(snapshot) = self.find_snapshot(kind, name)? else {
            return Ok(checked);
        };
        let Some(reader) = ManifestReader::open(&snapshot)? else {
            checked.seen = Seen::NoManifest;
            return Ok(checked);
        };
        checked.head = Some(reader.head().clone());
        let checking = Checking {
            manifest: Cursor::new(reader)?,
            request,
            reader: Reader::new(request.threads, request.bytes_per_second, true),
            known,
            queue: Queue::default(),
            waiting: Vec::new(),
            is_unread: false,
            checked,
        };
        let done = checking.run(&snapshot);
        let is_here = match self.find_snapshot(kind, name)? {
            Some(now) => now.is_same(&snapshot.stat()?)?,
            None => false,
        };
        if is_here {
            return done;
        }
        Ok(Checked {
            seen: Seen::Gone,
            head: None,
            names: 0,
            compared: 0,
            open: 0,
            findings: Vec::new(),
            found: 0,
            denied: 0,
            first_denied: None,
        })
    }
}

/// A file that waits to be read.
struct Waiting {
    path: Vec<u8>,
    inode: u64,
    bytes: u64,
    expected: Digest,
    item: Item,
    place: usize,
}

struct Checking<'a> {
    manifest: Cursor,
    request: CheckRequest<'a>,
    reader: Reader,
    known: &'a mut InodesRead,
    queue: Queue,
    waiting: Vec<Waiting>,
    /// The directory just entered cannot be read: what the manifest has in it is not missing for that.
    is_unread: bool,
    checked: Checked,
}

impl Checking<'_> {
    fn run(mut self, snapshot: &Handle) -> Result<Checked, DiskError> {
        let mut walk = Walk::new(snapshot.existing(DATA)?)?;
        while let Some(step) = walk.next()? {
            let mut path = walk.path();
            match step {
                Step::Name { dir, name, stat } => {
                    path.extend_from_slice(name.as_bytes());
                    self.name(&dir, path, name, &stat)?;
                }
                Step::Unreadable { name, error } => {
                    if !self.manifest.was_unreadable()? {
                        path.extend_from_slice(name.as_bytes());
                        self.cannot_read(path, None, &error, None);
                        self.is_unread = true;
                    }
                }
                Step::Leave => self.leave()?,
            }
            if self.queue.is_full() || self.waiting.len() >= NAMES {
                self.flush();
            }
            if (self.request.stop)() {
                self.checked.seen = Seen::Stopped;
                return Ok(self.checked);
            }
        }
        self.flush();
        let mut missing = Vec::new();
        self.manifest
            .end(&mut |path, item| missing.push((path, item)))?;
        for (path, item) in missing {
            note(&mut self.checked, path, None, Problem::Missing, Some(&item));
        }
        self.checked.seen = if (self.request.stop)() {
            Seen::Stopped
        } else {
            Seen::Whole
        };
        self.checked.findings.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(self.checked)
    }

    fn leave(&mut self) -> Result<(), DiskError> {
        let checked = &mut self.checked;
        if std::mem::take(&mut self.is_unread) {
            return self.manifest.leave(&mut |_, _| {});
        }
        self.manifest.leave(&mut |path, item| {
            note(checked, path, None, Problem::Missing, Some(&item));
        })
    }

    fn name(
        &mut self,
        dir: &Handle,
        path: Vec<u8>,
        name: std::ffi::OsString,
        stat: &Stat,
    ) -> Result<(), DiskError> {
        let checked = &mut self.checked;
        let is_inside_extra = self.manifest.is_lost() || self.manifest.is_blind();
        let expected = self.manifest.find(name.as_bytes(), &mut |path, item| {
            note(checked, path, None, Problem::Missing, Some(&item));
        })?;
        self.checked.names += 1;
        let Some(found) = look_at(dir, &name, stat) else {
            self.find(
                path,
                Some(stat.st_ino),
                Problem::Unreadable("it cannot be looked at".to_owned()),
                expected.as_ref(),
            );
            return Ok(());
        };
        if found.what == What::Directory {
            self.manifest.enter(name.as_bytes(), expected.as_ref());
        } else if expected
            .as_ref()
            .is_some_and(|item| item.what == What::Directory)
        {
            let checked = &mut self.checked;
            self.manifest
                .pass_over(name.as_bytes(), &mut |path, item| {
                    note(checked, path, None, Problem::Missing, Some(&item));
                })?;
        }
        let Some(expected) = expected else {
            // Of a directory that was not there, its own name is told.
            if !is_inside_extra {
                self.find(path, Some(found.inode), Problem::Extra, None);
            }
            return Ok(());
        };
        let differing = differences(&expected, &found);
        let has_other_bytes = differing
            .iter()
            .any(|what| matches!(what, Attribute::Type | Attribute::Size));
        if !differing.is_empty() {
            self.find(
                path.clone(),
                Some(found.inode),
                Problem::Attributes(differing),
                Some(&expected),
            );
        }
        if !has_other_bytes {
            self.content(dir, path, name, &expected, &found);
        }
        Ok(())
    }

    /// Compares what a file holds, now or once it has been read.
    fn content(
        &mut self,
        dir: &Handle,
        path: Vec<u8>,
        name: std::ffi::OsString,
        expected: &Item,
        found: &Item,
    ) {
        let What::File { bytes, content } = expected.what else {
            return;
        };
        if !self.request.sample.holds(&path) {
            return;
        }
        let Some(digest) = content else {
            self.checked.open += 1;
            return;
        };
        let mut waiting = Waiting {
            path,
            inode: found.inode,
            bytes,
            expected: digest,
            item: expected.clone(),
            place: 0,
        };
        match self.known.get(found.inode) {
            Some(reading) => self.compare(waiting, reading),
            None => {
                waiting.place = self.queue.add(dir, name, found.inode);
                self.waiting.push(waiting);
            }
        }
    }

    fn compare(&mut self, waiting: Waiting, reading: Reading) {
        self.checked.compared += 1;
        let inode = Some(waiting.inode);
        if reading.content != waiting.expected {
            self.find(waiting.path, inode, Problem::Content, Some(&waiting.item));
        } else if waiting
            .item
            .xattrs
            .is_some_and(|xattrs| xattrs != reading.xattrs)
        {
            let problem = Problem::Attributes(vec![Attribute::Xattrs]);
            self.find(waiting.path, inode, problem, Some(&waiting.item));
        }
    }

    fn flush(&mut self) {
        let readings = self.queue.read(&self.reader, self.request.stop);
        for waiting in std::mem::take(&mut self.waiting) {
            match readings.get(waiting.place) {
                Some(Some(Ok(reading))) => {
                    self.known.put(waiting.inode, waiting.bytes, *reading);
                    self.compare(waiting, *reading);
                }
                Some(Some(Err(error))) => {
                    let inode = Some(waiting.inode);
                    self.cannot_read(waiting.path, inode, error, Some(&waiting.item));
                }
                Some(None) | None => {}
            }
        }
    }

    fn find(
        &mut self,
        path: Vec<u8>,
        inode: Option<u64>,
        problem: Problem,
        expected: Option<&Item>,
    ) {
        note(&mut self.checked, path, inode, problem, expected);
    }

    fn cannot_read(
        &mut self,
        path: Vec<u8>,
        inode: Option<u64>,
        error: &DiskError,
        expected: Option<&Item>,
    ) {
        if error.is_denied() {
            self.checked.denied += 1;
            self.checked.first_denied.get_or_insert_with(|| told(error));
        } else {
            self.find(path, inode, Problem::Unreadable(told(error)), expected);
        }
    }
}

fn note(
    checked: &mut Checked,
    path: Vec<u8>,
    inode: Option<u64>,
    problem: Problem,
    expected: Option<&Item>,
) {
    checked.found += 1;
    if checked.findings.len() < KEPT {
        let content = expected.and_then(|item| match item.what {
            What::File { content, .. } => Some(content),
            _ => None,
        });
        checked.findings.push(Finding {
            path,
            inode,
            problem,
            was_file: content.is_some(),
            expected: content.flatten(),
        });
    }
}

/// An error and what the kernel said, as one sentence.
fn told(error: &DiskError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
