//! The ledger as a file, `.usage` in the directory of the host.
//!
//! One that is cut off, changed or of another version is none: everything is measured anew. So it needs no fsync.

use std::collections::HashMap;
use std::io::{BufReader, BufWriter, Read, Write};

use rustix::fs::{OFlags, renameat};
use serde::{Deserialize, Serialize};

use super::ledger::{Entry, Holders, Ledger};
use crate::core::usage::Key;
use crate::disk::error::DiskError;
use crate::disk::handle::{Handle, random_word};

const FILE: &str = ".usage";
const MAGIC: &[u8; 16] = b"pobsync-usage 1\n";
/// A host with a thousand snapshots that share in every way has a head of a few megabytes.
const LONGEST_HEAD: u64 = 64 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Head {
    snapshots: Vec<Key>,
    sets: Vec<Holders>,
    inodes: u64,
}

/// Reads the ledger of a host; an empty one where there is none that can be used.
pub(super) fn read(dir: &Handle) -> Ledger {
    let Ok(Some(file)) = dir.open_file(FILE, OFlags::RDONLY) else {
        return Ledger::default();
    };
    parse(BufReader::with_capacity(256 * 1024, file)).unwrap_or_default()
}

fn parse(mut from: impl Read) -> Option<Ledger> {
    let mut hasher = blake3::Hasher::new();
    let mut read = |bytes: &mut [u8]| {
        from.read_exact(bytes).ok()?;
        hasher.update(bytes);
        Some(())
    };
    let mut magic = [0; 16];
    read(&mut magic)?;
    let mut length = [0; 8];
    read(&mut length)?;
    let length = u64::from_le_bytes(length);
    if magic != *MAGIC || length > LONGEST_HEAD {
        return None;
    }
    let mut head = vec![0; usize::try_from(length).ok()?];
    read(&mut head)?;
    let head: Head = serde_json::from_slice(&head).ok()?;
    let mut inodes = HashMap::new();
    for _ in 0..head.inodes {
        let mut record = [0; 24];
        read(&mut record)?;
        let (inode, rest) = record.split_at(8);
        let (holders, rest) = rest.split_at(4);
        let (elsewhere, bytes) = rest.split_at(4);
        let entry = Entry {
            holders: u32::from_le_bytes(holders.try_into().ok()?),
            elsewhere: u32::from_le_bytes(elsewhere.try_into().ok()?),
            bytes: u64::from_le_bytes(bytes.try_into().ok()?),
        };
        if usize::try_from(entry.holders).ok()? >= head.sets.len() {
            return None;
        }
        inodes.insert(u64::from_le_bytes(inode.try_into().ok()?), entry);
    }
    let expected = hasher.finalize();
    let mut digest = [0; 32];
    from.read_exact(&mut digest).ok()?;
    (digest == *expected.as_bytes()).then(|| Ledger::new(head.snapshots, head.sets, inodes))
}

/// Writes the ledger of a host, in place of the one before.
pub(super) fn write(dir: &Handle, ledger: &Ledger) -> Result<(), DiskError> {
    dir.remove_temporaries(FILE)?;
    let temporary = format!(".{FILE}.{}.tmp", random_word()?);
    let path = dir.path().join(FILE);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let file = dir
        .open_file(&temporary, flags)?
        .ok_or_else(|| DiskError::Absent { path: path.clone() })?;
    let written = put(BufWriter::with_capacity(256 * 1024, file), ledger)
        .map_err(|source| DiskError::io("write", &path, source))
        .and_then(|()| {
            renameat(dir, &temporary, dir, FILE)
                .map_err(|errno| DiskError::io("rename", &path, errno))
        });
    if written.is_err() {
        let _ = dir.remove_file(&temporary);
    }
    written
}

fn put(mut out: impl Write, ledger: &Ledger) -> std::io::Result<()> {
    let mut hasher = blake3::Hasher::new();
    let mut write = |bytes: &[u8]| {
        hasher.update(bytes);
        out.write_all(bytes)
    };
    let head = serde_json::to_vec(&Head {
        snapshots: ledger.snapshots.clone(),
        sets: ledger.sets.clone(),
        inodes: ledger.inodes.len() as u64,
    })?;
    write(MAGIC)?;
    write(&(head.len() as u64).to_le_bytes())?;
    write(&head)?;
    for (inode, entry) in &ledger.inodes {
        let mut record = [0; 24];
        let parts: [&[u8]; 4] = [
            &inode.to_le_bytes(),
            &entry.holders.to_le_bytes(),
            &entry.elsewhere.to_le_bytes(),
            &entry.bytes.to_le_bytes(),
        ];
        let mut at = 0;
        for part in parts {
            if let Some(place) = record.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
            at += part.len();
        }
        write(&record)?;
    }
    let digest = hasher.finalize();
    out.write_all(digest.as_bytes())?;
    out.flush()
}
