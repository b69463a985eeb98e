//! Making the manifest of a snapshot.
//!
//! What the base shares is not read: the digests of an inode are taken over from the manifest of the base. What is new is
//! read, right after it was written and so mostly from memory.

use std::num::NonZeroU64;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Stat, renameat};

use super::cursor::Cursor;
use super::file::{FILE, ManifestReader, ManifestWriter};
use super::look::look_at;
use super::read::{InodesRead, NAMES, Queue};
use crate::core::manifest::{Item, Line, ManifestHead, What};
use crate::core::model::{Limits, SnapshotKind, SnapshotName};
use crate::disk::error::DiskError;
use crate::disk::handle::{Handle, random_word};
use crate::disk::host::{DATA, HostDir};
use crate::disk::incomplete::Incomplete;
use crate::disk::lock::HostLock;
use crate::disk::reading::{Reader, Reading};
use crate::disk::tally::Tally;
use crate::disk::walk::{Step, Walk};

/// What a manifest is made from.
#[derive(Clone, Copy)]
pub struct ManifestRequest<'a> {
    /// Its head.
    pub head: &'a ManifestHead,
    /// The visible snapshot whose manifest is taken over where inodes are shared.
    pub base: Option<(SnapshotKind, &'a SnapshotName)>,
    /// How many bytes may be read of files that are not new and of which no manifest tells. The digests of the rest stay
    /// open, and a later manifest or a verification fills them in.
    pub old_bytes: u64,
    /// What the tree may come to: one that is over it gets no manifest.
    pub limits: Limits,
    /// How many threads read.
    pub threads: usize,
    /// How many bytes they may read in a second.
    pub bytes_per_second: Option<NonZeroU64>,
    /// Whether to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// What a manifest was made from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Made {
    /// How many names it has.
    pub names: u64,
    /// Files that were read.
    pub read: u64,
    /// Files whose digest came from the base.
    pub taken_over: u64,
    /// Files whose digest stays open.
    pub open: u64,
}

impl HostLock {
    /// Writes the manifest of a snapshot before it is published, so that it is never visible without; nothing if it was
    /// stopped.
    ///
    /// # Errors
    /// The tree cannot be walked or is over a limit, or the manifest not be written.
    pub fn write_manifest(
        &self,
        incomplete: &Incomplete,
        request: ManifestRequest<'_>,
    ) -> Result<Option<Made>, DiskError> {
        let mut known = InodesRead::new();
        write(self, incomplete.dir(), request, &mut known, false)
    }
}

impl HostDir {
    /// Writes the manifest of a visible snapshot, in place of an older one; nothing if it was stopped, or the snapshot is
    /// not there any more. What is read is added to `known`.
    ///
    /// # Errors
    /// The tree cannot be walked, or the manifest not be written.
    pub fn write_manifest_later(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
        request: ManifestRequest<'_>,
        known: &mut InodesRead,
    ) -> Result<Option<Made>, DiskError> {
        match self.find_snapshot(kind, name)? {
            Some(snapshot) => write(self, &snapshot, request, known, true),
            None => Ok(None),
        }
    }

    /// Says that a visible snapshot has a manifest.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn has_manifest(&self, kind: SnapshotKind, name: &SnapshotName) -> Result<bool, DiskError> {
        match self.find_snapshot(kind, name)? {
            Some(snapshot) => Ok(snapshot.type_of(FILE)?.is_some()),
            None => Ok(false),
        }
    }
}

fn write(
    host: &HostDir,
    snapshot: &Handle,
    request: ManifestRequest<'_>,
    known: &mut InodesRead,
    is_visible: bool,
) -> Result<Option<Made>, DiskError> {
    snapshot.remove_temporaries(FILE)?;
    let temporary = format!(".{FILE}.{}.tmp", random_word()?);
    let base = match request.base {
        Some((kind, name)) => host.find_snapshot(kind, name)?,
        None => None,
    };
    // A base whose manifest is damaged is one without: its files are read.
    let base = base.and_then(|base| open_base(&base).unwrap_or_else(without));
    let making = Making {
        writer: ManifestWriter::begin(snapshot, &temporary, request.head)?,
        base,
        request,
        reader: Reader::new(request.threads, request.bytes_per_second, false),
        known,
        is_visible,
        old_bytes: request.old_bytes,
        queue: Queue::default(),
        waiting: Vec::new(),
        tally: Tally::default(),
        made: Made::default(),
    };
    let done = making.run(snapshot).and_then(|made| match made {
        None => Ok(None),
        Some(made) => renameat(snapshot, &temporary, snapshot, FILE)
            .map(|()| Some(made))
            .map_err(|errno| DiskError::io("rename", &snapshot.path().join(&temporary), errno)),
    });
    if !matches!(done, Ok(Some(_))) {
        // What went wrong is the news; a leftover goes with the next manifest, or with the snapshot.
        let _ = snapshot.remove_file(&temporary);
    }
    if is_visible && matches!(done, Ok(Some(_))) {
        snapshot.sync()?;
    }
    done
}

fn open_base(base: &Handle) -> Result<Option<Cursor>, DiskError> {
    ManifestReader::open(base)?.map(Cursor::new).transpose()
}

/// Says that the manifest of the base is of no use.
fn without(error: DiskError) -> Option<Cursor> {
    tracing::warn!("{error}: files are read instead");
    None
}

/// A line that waits for files before it, or its own.
enum Waiting {
    Line(Line),
    File {
        name: Vec<u8>,
        item: Item,
        is_alone: bool,
        place: usize,
    },
}

struct Making<'a> {
    writer: ManifestWriter,
    base: Option<Cursor>,
    request: ManifestRequest<'a>,
    reader: Reader,
    known: &'a mut InodesRead,
    /// The snapshot is visible: the manifest is made durable by itself, and what is read is of use to whoever asked.
    is_visible: bool,
    old_bytes: u64,
    queue: Queue,
    waiting: Vec<Waiting>,
    tally: Tally,
    made: Made,
}

impl Making<'_> {
    fn run(mut self, snapshot: &Handle) -> Result<Option<Made>, DiskError> {
        let mut walk = Walk::new(snapshot.existing(DATA)?)?;
        while let Some(step) = walk.next()? {
            match step {
                Step::Name { dir, name, stat } => {
                    self.tally.add(&stat);
                    if let Some(excess) = self.tally.excess(&self.request.limits) {
                        return Err(DiskError::OverLimit(excess));
                    }
                    self.name(&dir, name, &stat)?;
                }
                Step::Unreadable { error, .. } => {
                    tracing::warn!("{error}: the manifest says nothing of what it holds");
                    self.waiting.push(Waiting::Line(Line::Unreadable));
                }
                Step::Leave => {
                    self.in_base(|base| base.leave(&mut |_, _| {}));
                    self.waiting.push(Waiting::Line(Line::Leave));
                }
            }
            if self.queue.is_full() || self.waiting.len() >= NAMES {
                self.flush()?;
            }
            if (self.request.stop)() {
                return Ok(None);
            }
        }
        self.flush()?;
        if (self.request.stop)() {
            return Ok(None);
        }
        let mut made = self.made;
        made.names = self.writer.end(self.is_visible)?;
        Ok(Some(made))
    }

    /// Asks the manifest of the base; one that cannot be read any further is asked no more.
    fn in_base<T>(&mut self, ask: impl FnOnce(&mut Cursor) -> Result<T, DiskError>) -> Option<T> {
        match ask(self.base.as_mut()?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.base = without(error);
                None
            }
        }
    }

    fn name(
        &mut self,
        dir: &Handle,
        name: std::ffi::OsString,
        stat: &Stat,
    ) -> Result<(), DiskError> {
        let bytes = name.as_bytes().to_vec();
        let before = self
            .in_base(|base| base.find(&bytes, &mut |_, _| {}))
            .flatten();
        let Some(mut item) = look_at(dir, &name, stat) else {
            return Ok(());
        };
        let is_directory = item.what == What::Directory;
        if is_directory {
            self.in_base(|base| {
                base.enter(&bytes, before.as_ref());
                Ok(())
            });
        } else if before.as_ref().is_some_and(|b| b.what == What::Directory) {
            self.in_base(|base| base.pass_over(&bytes, &mut |_, _| {}));
        }
        if let What::File { bytes: size, .. } = item.what {
            let is_alone = stat.st_nlink == 1;
            if let Some(before) = before.filter(|before| item.is_linked_to(before))
                && let What::File {
                    content: Some(_), ..
                } = before.what
            {
                self.made.taken_over += 1;
                item = Item {
                    inode: item.inode,
                    ..before
                };
            } else if let Some(reading) = self.known.get(item.inode) {
                fill(&mut item, reading);
            } else if self.may_read(is_alone, size) {
                let place = self.queue.add(dir, name, item.inode);
                self.waiting.push(Waiting::File {
                    name: bytes,
                    item,
                    is_alone,
                    place,
                });
                return Ok(());
            } else {
                self.made.open += 1;
            }
        }
        self.waiting.push(Waiting::Line(Line::Item(bytes, item)));
        Ok(())
    }

    /// A file with one link has just come. Others may be old: as many bytes of those are read as were allowed.
    fn may_read(&mut self, is_alone: bool, size: u64) -> bool {
        if is_alone {
            return true;
        }
        match self.old_bytes.checked_sub(size) {
            Some(left) => {
                self.old_bytes = left;
                true
            }
            None => false,
        }
    }

    /// Reads what waits to be read, and writes all lines up to here.
    fn flush(&mut self) -> Result<(), DiskError> {
        let readings = self.queue.read(&self.reader, self.request.stop);
        let mut failed = 0_u64;
        for waiting in std::mem::take(&mut self.waiting) {
            let line = match waiting {
                Waiting::Line(line) => line,
                Waiting::File {
                    name,
                    mut item,
                    is_alone,
                    place,
                } => {
                    match readings.get(place) {
                        Some(Some(Ok(reading))) => {
                            self.made.read += 1;
                            if !is_alone || self.is_visible {
                                self.remember(&item, *reading);
                            }
                            fill(&mut item, *reading);
                        }
                        Some(Some(Err(error))) => {
                            failed += 1;
                            tracing::debug!("{error}: its digest stays open");
                        }
                        Some(None) | None => failed += 1,
                    }
                    Line::Item(name, item)
                }
            };
            self.writer.line(&line)?;
        }
        self.made.open += failed;
        Ok(())
    }

    fn remember(&mut self, item: &Item, reading: Reading) {
        if let What::File { bytes, .. } = item.what {
            self.known.put(item.inode, bytes, reading);
        }
    }
}

fn fill(item: &mut Item, reading: Reading) {
    item.xattrs = Some(reading.xattrs);
    if let What::File { content, .. } = &mut item.what {
        *content = Some(reading.content);
    }
}
