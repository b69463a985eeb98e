//! Files read and parsed side by side, before they are needed in their order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use camino::Utf8PathBuf;
use sha2::{Digest, Sha256};

use super::lines::Lines;
use super::memory::{Key, Memory, key_of};
use super::packed::{pack, unpack};
use super::parse::{self, Include};
use super::side_by_side::{make_room, most_workers};
use super::{document, guard};
use crate::core::desired::{Finding, Parts};

/// Where the bytes of a file come from.
pub(super) enum Job {
    Disk(Utf8PathBuf),
    Given(Vec<u8>),
}

/// A file that was read.
pub(super) struct ReadFile {
    pub(super) bytes: std::io::Result<Vec<u8>>,
    /// SHA-256 of them, in hexadecimal.
    pub(super) sha256: String,
    /// The hash that their text is remembered by.
    pub(super) key: Key,
    pub(super) parsed: Parsed,
    pub(super) taken: Option<Taken>,
    /// The lines of its text, if it is one that was taken in.
    pub(super) lines: Option<Lines>,
}

/// What the nodes of a file say.
pub(super) struct Taken {
    /// The number that the file has in their places.
    pub(super) file: usize,
    pub(super) parts: Parts,
    pub(super) findings: Vec<Finding>,
    pub(super) includes: Vec<Include>,
}

/// What the parser made of a text.
pub(super) enum Parsed {
    /// Another time: the memory has it.
    Before,
    /// Now.
    Packed(Vec<u8>),
    /// Nothing. The findings are of a file with the number 0.
    Refused(Vec<Finding>),
    /// It was not asked.
    Unread,
}

/// Does `jobs` with as many threads as there are processors, and stops once all files together exceed `most` bytes.
/// Nothing stands for those that are left over. They are expected to become the files from the number `first` on.
pub(super) fn read_all(
    jobs: Vec<Job>,
    first: usize,
    memory: &Memory,
    most: u64,
) -> Vec<Option<ReadFile>> {
    let count = jobs.len();
    let jobs: Vec<Mutex<Option<Job>>> = jobs.into_iter().map(|job| Mutex::new(Some(job))).collect();
    let done: Vec<Mutex<Option<ReadFile>>> = (0..count).map(|_| Mutex::new(None)).collect();
    let (next, sum) = (AtomicUsize::new(0), AtomicU64::new(0));
    let work = || {
        make_room(count);
        while sum.load(Ordering::Relaxed) <= most {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let (Some(job), Some(place)) = (jobs.get(i), done.get(i)) else {
                return;
            };
            let Some(job) = job.lock().unwrap_or_else(PoisonError::into_inner).take() else {
                continue;
            };
            let file = read(job, first + i, memory);
            let length = file.bytes.as_ref().map_or(0, Vec::len);
            sum.fetch_add(length as u64, Ordering::Relaxed);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        }
    };
    let workers = most_workers().min(count);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            // Where not one thread can be had, nothing is done, and the caller tells so.
            let _ = std::thread::Builder::new()
                .stack_size(document::STACK)
                .spawn_scoped(scope, work);
        }
    });
    done.into_iter()
        .map(|place| place.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

fn read(job: Job, number: usize, memory: &Memory) -> ReadFile {
    let bytes = match job {
        Job::Disk(path) => super::load::read_bounded(&path),
        Job::Given(bytes) => Ok(bytes),
    };
    let mut file = ReadFile {
        sha256: String::new(),
        key: Key::default(),
        parsed: Parsed::Unread,
        taken: None,
        lines: None,
        bytes,
    };
    let Ok(bytes) = &file.bytes else { return file };
    file.sha256 = Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    if bytes.len() as u64 > guard::LARGEST {
        return file;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return file;
    };
    file.key = key_of(text);
    file.parsed = if memory.find(&file.key).is_some() {
        Parsed::Before
    } else {
        parse(text)
    };
    file.taken = take_in(number, text, &file.key, &file.parsed, memory);
    file.lines = file.taken.is_some().then(|| Lines::of(text));
    file
}

/// Reads the nodes of the file number `file`; nothing if it has none to read, or what is remembered is not what this
/// program packs.
pub(super) fn take_in(
    file: usize,
    text: &str,
    key: &Key,
    parsed: &Parsed,
    memory: &Memory,
) -> Option<Taken> {
    let packed = match parsed {
        Parsed::Before => memory.find(key)?,
        Parsed::Packed(packed) => packed,
        Parsed::Refused(_) | Parsed::Unread => return None,
    };
    let mut taken = Taken {
        file,
        parts: Parts::default(),
        findings: Vec::new(),
        includes: Vec::new(),
    };
    unpack(packed, text, |node| {
        let include = parse::read(file, &node, &mut taken.parts, &mut taken.findings);
        taken.includes.extend(include);
    })?;
    Some(taken)
}

fn parse(text: &str) -> Parsed {
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        document::parse_here(0, text).map(|document| pack(&document, text))
    }));
    match parsed {
        Ok(Ok(packed)) => Parsed::Packed(packed),
        Ok(Err(findings)) => Parsed::Refused(findings),
        Err(_) => Parsed::Refused(vec![document::gave_up(0)]),
    }
}
