//! One path in another snapshot: does it hold the same, and is it sound?

use rustix::fs::FileType;

use super::cursor::Cursor;
use super::file::ManifestReader;
use super::read::InodesRead;
use crate::core::manifest::{Digest, What};
use crate::core::model::{SnapshotKind, SnapshotName};
use crate::disk::error::DiskError;
use crate::disk::handle::file_type;
use crate::disk::host::{DATA, HostDir};
use crate::disk::reading::{Job, Reader};

/// A file of one path in some snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileCopy {
    /// Its inode.
    pub inode: u64,
    /// What it holds.
    pub content: Digest,
    /// What the manifest of that snapshot says it holds; nothing if it does not say.
    pub said: Option<Digest>,
}

impl HostDir {
    /// The inode of a plain file in a visible snapshot; nothing if there is none under that path.
    ///
    /// # Errors
    /// It is there and cannot be looked at.
    pub fn inode_of(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
        path: &[u8],
    ) -> Result<Option<u64>, DiskError> {
        Ok(self.job_for(kind, name, path)?.map(|(job, _)| job.inode))
    }

    /// Reads a plain file in a visible snapshot, unless that was done already, and looks up what its manifest says; nothing
    /// if there is none under that path.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read_copy(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
        path: &[u8],
        known: &mut InodesRead,
    ) -> Result<Option<FileCopy>, DiskError> {
        let Some((job, bytes)) = self.job_for(kind, name, path)? else {
            return Ok(None);
        };
        let inode = job.inode;
        let reading = match known.get(inode) {
            Some(reading) => reading,
            None => {
                let mut read = Reader::new(1, None, true).read_all(&[job], &|| false);
                let Some(Some(reading)) = read.pop() else {
                    return Ok(None);
                };
                let reading = reading?;
                known.put(inode, bytes, reading);
                reading
            }
        };
        Ok(Some(FileCopy {
            inode,
            content: reading.content,
            said: self.said_of(kind, name, path)?,
        }))
    }

    fn job_for(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
        path: &[u8],
    ) -> Result<Option<(Job, u64)>, DiskError> {
        let Some(snapshot) = self.find_snapshot(kind, name)? else {
            return Ok(None);
        };
        let mut names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let (Some(last), Some(mut dir)) = (names.pop(), snapshot.child(DATA)?) else {
            return Ok(None);
        };
        let os = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes;
        for name in names {
            dir = match dir.child(os(name)) {
                Ok(Some(inner)) => inner,
                Ok(None) | Err(DiskError::Link { .. } | DiskError::NotADirectory { .. }) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
        }
        let stat = dir.stat_of(os(last))?;
        let stat = stat.filter(|stat| file_type(stat) == FileType::RegularFile);
        Ok(stat.map(|stat| {
            let job = Job {
                dir,
                name: os(last).to_owned(),
                inode: stat.st_ino,
            };
            (job, u64::try_from(stat.st_size).unwrap_or(0))
        }))
    }

    fn said_of(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
        path: &[u8],
    ) -> Result<Option<Digest>, DiskError> {
        let Some(snapshot) = self.find_snapshot(kind, name)? else {
            return Ok(None);
        };
        let Some(reader) = ManifestReader::open(&snapshot)? else {
            return Ok(None);
        };
        let mut manifest = Cursor::new(reader)?;
        let mut names = path.split(|byte| *byte == b'/').peekable();
        while let Some(name) = names.next() {
            let Some(item) = manifest.find(name, &mut |_, _| {})? else {
                return Ok(None);
            };
            match item.what {
                What::Directory if names.peek().is_some() => manifest.enter(name, Some(&item)),
                What::File { content, .. } if names.peek().is_none() => return Ok(content),
                _ => return Ok(None),
            }
        }
        Ok(None)
    }
}
