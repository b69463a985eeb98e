//! The file: its head, its lines and its end, written and read one after the other.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::core::manifest::{Digest, Line, ManifestHead};
use crate::disk::error::DiskError;
use crate::disk::handle::Handle;

/// Its name beside `data/`.
pub(super) const FILE: &str = "manifest";
const FORMAT: &str = "pobsync-manifest 1";
/// The longest link and the longest name, every byte escaped, fit many times.
const LONGEST_LINE: u64 = 64 * 1024;
const CHANGED: &str = "its end says that it was changed";

/// Writes one.
pub(super) struct ManifestWriter {
    out: BufWriter<File>,
    path: PathBuf,
    hasher: blake3::Hasher,
    names: u64,
    text: String,
}

impl ManifestWriter {
    pub(super) fn begin(dir: &Handle, name: &str, head: &ManifestHead) -> Result<Self, DiskError> {
        let path = dir.path().join(name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let file = dir
            .open_file(name, flags)?
            .ok_or_else(|| DiskError::Absent { path: path.clone() })?;
        let mut writer = Self {
            out: BufWriter::with_capacity(256 * 1024, file),
            path,
            hasher: blake3::Hasher::new(),
            names: 0,
            text: String::new(),
        };
        let head = serde_json::to_string(head).unwrap_or_default();
        writer.text = format!("{FORMAT}\n{head}\n");
        writer.put()?;
        Ok(writer)
    }

    pub(super) fn line(&mut self, line: &Line) -> Result<(), DiskError> {
        self.names += u64::from(matches!(line, Line::Item(..)));
        self.text.clear();
        line.write(&mut self.text);
        self.put()
    }

    /// Writes the last line; makes the file durable unless something else will.
    pub(super) fn end(mut self, is_durable: bool) -> Result<u64, DiskError> {
        let digest = Digest(*self.hasher.finalize().as_bytes());
        let names = self.names;
        self.line(&Line::End(names, digest))?;
        let error = |source| DiskError::io("write", &self.path, source);
        let file = self.out.into_inner().map_err(|e| error(e.into_error()))?;
        if is_durable {
            file.sync_all().map_err(error)?;
        }
        Ok(names)
    }

    fn put(&mut self) -> Result<(), DiskError> {
        self.hasher.update(self.text.as_bytes());
        self.out
            .write_all(self.text.as_bytes())
            .map_err(|source| DiskError::io("write", &self.path, source))
    }
}

/// Reads one, line by line.
pub(super) struct ManifestReader {
    from: BufReader<File>,
    path: PathBuf,
    head: ManifestHead,
    hasher: blake3::Hasher,
    names: u64,
    depth: usize,
    text: Vec<u8>,
}

impl ManifestReader {
    /// Opens the manifest in the directory of a snapshot; nothing if there is none.
    ///
    /// It is read once to its end first: whoever uses a manifest line by line has used most of it by the time the last line
    /// says that it was changed.
    ///
    /// # Errors
    /// It cannot be read, is of another version, or its last line is not the one that belongs to all lines before.
    pub(super) fn open(snapshot: &Handle) -> Result<Option<Self>, DiskError> {
        let Some(file) = snapshot.open_file(FILE, OFlags::RDONLY)? else {
            return Ok(None);
        };
        let path = snapshot.path().join(FILE);
        let mut reader = Self {
            from: BufReader::with_capacity(256 * 1024, file),
            head: ManifestHead {
                kind: crate::core::model::SnapshotKind::Manual,
                snapshot: "unread".parse().map_err(|_| bad(&path, "its head"))?,
                made_at: crate::core::model::Timestamp::from_millis(0),
                with_pull: false,
            },
            path,
            hasher: blake3::Hasher::new(),
            names: 0,
            depth: 0,
            text: Vec::new(),
        };
        if reader.read_line()? != FORMAT {
            return Err(bad(
                &reader.path,
                "its first line is of no version that this pobsync knows",
            ));
        }
        reader.keep();
        let head = serde_json::from_str(&reader.read_line()?);
        reader.head = head.map_err(|_| bad(&reader.path, "its head makes no sense"))?;
        reader.keep();
        reader.check_seal()?;
        Ok(Some(reader))
    }

    /// Compares everything from here on with the last line, and comes back.
    fn check_seal(&mut self) -> Result<(), DiskError> {
        let io = |source| DiskError::io("read", &self.path, source);
        let here = self.from.stream_position().map_err(io)?;
        let mut hasher = self.hasher.clone();
        let (mut last, mut line) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            let mut from = (&mut self.from).take(LONGEST_LINE);
            if from.read_until(b'\n', &mut line).map_err(io)? == 0 {
                break;
            }
            hasher.update(&last);
            std::mem::swap(&mut last, &mut line);
        }
        let text = last.strip_suffix(b"\n").unwrap_or_default();
        let end = std::str::from_utf8(text).ok().map(Line::parse);
        let Some(Ok(Line::End(_, digest))) = end else {
            return Err(bad(&self.path, "it is cut off"));
        };
        if digest.0 != *hasher.finalize().as_bytes() {
            return Err(bad(&self.path, CHANGED));
        }
        self.from.seek(SeekFrom::Start(here)).map_err(io)?;
        Ok(())
    }

    pub(super) fn head(&self) -> &ManifestHead {
        &self.head
    }

    /// The next line; nothing after the last one, which is checked.
    ///
    /// # Errors
    /// The file is damaged, or cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Line>, DiskError> {
        let text = self.read_line()?;
        let line = Line::parse(&text).map_err(|_| bad(&self.path, "a line makes no sense"))?;
        match &line {
            Line::End(names, digest) => {
                let is_right = *names == self.names
                    && self.depth == 0
                    && digest.0 == *self.hasher.finalize().as_bytes();
                return if is_right {
                    Ok(None)
                } else {
                    Err(bad(&self.path, CHANGED))
                };
            }
            Line::Item(_, item) => {
                self.names += 1;
                self.depth += usize::from(item.what == crate::core::manifest::What::Directory);
            }
            Line::Leave => {
                self.depth = self
                    .depth
                    .checked_sub(1)
                    .ok_or_else(|| bad(&self.path, "it leaves what it never entered"))?;
            }
            Line::Unreadable => {}
        }
        self.keep();
        Ok(Some(line))
    }

    fn read_line(&mut self) -> Result<String, DiskError> {
        self.text.clear();
        (&mut self.from)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut self.text)
            .map_err(|source| DiskError::io("read", &self.path, source))?;
        let text = self.text.strip_suffix(b"\n");
        let text = text.ok_or_else(|| bad(&self.path, "it is cut off"))?;
        String::from_utf8(text.to_vec()).map_err(|_| bad(&self.path, "a line is no text"))
    }

    /// Counts the line just read into the digest of the whole.
    fn keep(&mut self) {
        self.hasher.update(&self.text);
    }
}

pub(super) fn bad(path: &Path, why: &'static str) -> DiskError {
    DiskError::BadManifest {
        path: path.to_owned(),
        why,
    }
}
