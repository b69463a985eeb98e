//! What snapshots hold under the same paths, and what their manifests say of those.

use std::collections::{BTreeMap, BTreeSet};

use rustix::fs::FileType;

use super::file::ManifestReader;
use super::read::InodesRead;
use crate::core::manifest::{Digest, Item, Line, What};
use crate::core::model::{SnapshotKind, SnapshotName, Timestamp};
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
}

/// What one manifest says of some paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sayings {
    /// When it was made.
    pub made_at: Timestamp,
    /// What each was, by its path below `data`; of the others it says nothing.
    pub items: BTreeMap<Vec<u8>, Item>,
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

    /// Reads a plain file in a visible snapshot, unless that was done already; nothing if there is none under that path.
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

    /// What the manifest of a visible snapshot says of these paths; nothing where it has none.
    ///
    /// # Errors
    /// The manifest is damaged, or cannot be read.
    pub fn manifest_says(
        &self,
        kind: SnapshotKind,
        name: &SnapshotName,
        wanted: &BTreeSet<Vec<u8>>,
    ) -> Result<Option<Sayings>, DiskError> {
        let Some(snapshot) = self.find_snapshot(kind, name)? else {
            return Ok(None);
        };
        let Some(mut reader) = ManifestReader::open(&snapshot)? else {
            return Ok(None);
        };
        let mut says = Sayings {
            made_at: reader.head().made_at,
            items: BTreeMap::new(),
        };
        let mut path = Vec::new();
        let mut above = Vec::new();
        while let Some(line) = reader.next()? {
            match line {
                Line::Item(name, item) => {
                    let length = path.len();
                    path.extend_from_slice(&name);
                    let is_directory = item.what == What::Directory;
                    if wanted.contains(&path) {
                        says.items.insert(path.clone(), item);
                    }
                    if is_directory {
                        above.push(length);
                        path.push(b'/');
                    } else {
                        path.truncate(length);
                    }
                }
                Line::Leave => path.truncate(above.pop().unwrap_or(0)),
                Line::Unreadable | Line::End(..) => {}
            }
        }
        Ok(Some(says))
    }
}
