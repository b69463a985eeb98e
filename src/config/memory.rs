//! What the parser made of files, kept from one start of the program to the next: of a hundred files of which one was
//! changed, one is parsed.
//!
//! What is kept is how a text falls apart into words, found by the hash of that text, and nothing that was concluded from
//! it: names, limits and references are checked anew each time, and a mistake is told with the same place and words.
//! Nobody can leave something in it that is not what the parser makes of that very text but who may write the folder of
//! the database, and whoever may do that needs no such way. It therefore lies there and not among the caches of a user,
//! which CI systems carry from one job to the next, from a merge request to the branch that is applied.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{Mode, OFlags};

use super::packed::FORM;

/// Its file in the folder of the database, and the one that is written before it takes its place.
const FILE: &str = "parsed-kdl";
const NEW_FILE: &str = "parsed-kdl.new";
/// A configuration with less text is parsed before anybody could blink.
const SMALLEST: usize = 64 << 10;
/// As much as all files together may hold; more is no file of ours.
const LARGEST: u64 = 128 << 20;

/// The hash of a text.
pub(super) type Key = [u8; 32];

/// Files as they were parsed before.
#[derive(Default)]
pub(super) struct Memory {
    /// Where it is kept; nothing if nothing is.
    folder: Option<Utf8PathBuf>,
    bytes: Vec<u8>,
    places: HashMap<Key, Range<usize>>,
    /// What was sent to this process before; nothing where no such thing is read.
    sent: Option<Packed>,
}

/// What was made of texts, packed, by their hashes.
type Packed = HashMap<Key, Arc<[u8]>>;

/// The texts that were sent to this process lately: a merge request is planned again with each push, and nearly all of it
/// is as it was. As on disk it is words alone, found by the hash of the very text they are of.
static SENT: LazyLock<Mutex<Packed>> = LazyLock::new(Mutex::default);

/// Some of the largest configurations that are taken.
const MOST_SENT: usize = 16 << 20;

/// The hash that `text` is found by.
pub(super) fn key_of(text: &str) -> Key {
    *blake3::hash(text.as_bytes()).as_bytes()
}

impl Memory {
    /// Reads what is kept in `folder`; nothing where there is no such folder or others may write it.
    pub(super) fn of(folder: &Utf8Path) -> Self {
        if !is_private(folder) {
            return Self::default();
        }
        let bytes = read(&folder.join(FILE)).unwrap_or_default();
        let places = places(&bytes).unwrap_or_default();
        Self {
            folder: Some(folder.to_owned()),
            bytes,
            places,
            sent: None,
        }
    }

    /// What is known of texts that were sent.
    pub(super) fn of_sent() -> Self {
        Self {
            sent: Some(lock(&SENT).clone()),
            ..Self::default()
        }
    }

    /// What was made of the text with this hash, packed.
    pub(super) fn find(&self, key: &Key) -> Option<&[u8]> {
        if let Some(packed) = self.sent.as_ref().and_then(|sent| sent.get(key)) {
            return Some(packed);
        }
        self.bytes.get(self.places.get(key)?.clone())
    }

    /// Keeps `all`, the files of one configuration with `sum` bytes of text, instead of what is kept now. That it cannot be
    /// written is no harm: it will be parsed again.
    pub(super) fn keep(&self, all: &[(Key, &[u8])], sum: usize) {
        if self.sent.is_some() && sum >= SMALLEST {
            keep_sent(&mut lock(&SENT), all, MOST_SENT);
        }
        let Some(folder) = self.folder.as_ref().filter(|_| sum >= SMALLEST) else {
            return;
        };
        if let Err(error) = write(folder, &sealed(all)) {
            tracing::debug!("what was parsed cannot be kept in {folder}: {error}");
        }
    }
}

fn lock(sent: &Mutex<Packed>) -> MutexGuard<'_, Packed> {
    sent.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds what was sent now. Where all of it comes to more than `most` bytes, nothing else stays.
fn keep_sent(sent: &mut Packed, all: &[(Key, &[u8])], most: usize) {
    let new = |sent: &Packed| {
        let new = all.iter().filter(|(key, _)| !sent.contains_key(key));
        new.map(|(_, packed)| packed.len()).sum::<usize>()
    };
    let before: usize = sent.values().map(|packed| packed.len()).sum();
    if before + new(sent) > most {
        sent.retain(|key, _| all.iter().any(|(other, _)| other == key));
    }
    for (key, packed) in all {
        sent.entry(*key).or_insert_with(|| Arc::from(*packed));
    }
}

/// Says that nobody else can put a file there.
fn is_private(folder: &Utf8Path) -> bool {
    let meta = std::fs::metadata(folder);
    meta.is_ok_and(|meta| {
        meta.is_dir()
            && meta.uid() == rustix::process::geteuid().as_raw()
            && meta.permissions().mode() & 0o022 == 0
    })
}

fn read(path: &Utf8Path) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path.as_str(), flags, Mode::empty()).ok()?);
    let meta = file.metadata().ok()?;
    let is_ours = meta.is_file()
        && meta.uid() == rustix::process::geteuid().as_raw()
        && meta.permissions().mode() & 0o077 == 0
        && meta.len() <= LARGEST;
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).ok()?);
    if is_ours {
        file.take(LARGEST).read_to_end(&mut bytes).ok()?;
    }
    Some(bytes)
}

/// The seal goes before what it is over: another version of the program, another form, and every byte that a disk has
/// lost make another one.
fn seal(rest: &[u8]) -> Key {
    let context = format!(
        "pobsync {} parsed KDL, form {FORM}",
        env!("CARGO_PKG_VERSION")
    );
    let mut hasher = blake3::Hasher::new_derive_key(&context);
    *hasher.update(rest).finalize().as_bytes()
}

fn sealed(all: &[(Key, &[u8])]) -> Vec<u8> {
    let mut rest = Vec::new();
    for (key, packed) in all {
        rest.extend_from_slice(key);
        rest.extend_from_slice(&(packed.len() as u64).to_le_bytes());
        rest.extend_from_slice(packed);
    }
    let mut bytes = seal(&rest).to_vec();
    bytes.append(&mut rest);
    bytes
}

/// Where each text's part of `bytes` is, if all of it is as it was written.
fn places(bytes: &[u8]) -> Option<HashMap<Key, Range<usize>>> {
    let (seal_found, rest) = bytes.split_first_chunk::<32>()?;
    if *seal_found != seal(rest) {
        return None;
    }
    let mut places = HashMap::new();
    let mut at = seal_found.len();
    while at < bytes.len() {
        let (key, rest) = bytes.get(at..)?.split_first_chunk::<32>()?;
        let (length, _) = rest.split_first_chunk::<8>()?;
        let start = at + key.len() + length.len();
        let end = start.checked_add(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        bytes.get(start..end)?;
        places.insert(*key, start..end);
        at = end;
    }
    Some(places)
}

/// Puts a whole file in the place of the one before. Two that do it at once disturb nobody: what is not whole has no seal.
fn write(folder: &Utf8Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = folder.join(NEW_FILE);
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let mut file = File::from(rustix::fs::open(new.as_str(), flags, mode)?);
    file.write_all(bytes)?;
    std::fs::rename(&new, folder.join(FILE))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use camino::Utf8PathBuf;

    use super::{FILE, Memory, Packed, SMALLEST, keep_sent, key_of};

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let kept = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(kept.path().to_owned()).unwrap();
        (kept, path)
    }

    fn mode(path: &Utf8PathBuf, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_kept_is_found_by_its_text_alone() {
        let (_kept, path) = folder();
        let all = [(key_of("a"), &b"one"[..]), (key_of("b"), b"")];
        Memory::of(&path).keep(&all, SMALLEST);
        let memory = Memory::of(&path);
        assert_eq!(memory.find(&key_of("a")), Some(&b"one"[..]));
        assert_eq!(memory.find(&key_of("b")), Some(&b""[..]));
        assert_eq!(memory.find(&key_of("c")), None);
        memory.keep(&[(key_of("c"), b"three")], SMALLEST);
        let memory = Memory::of(&path);
        assert_eq!(memory.find(&key_of("a")), None);
        assert_eq!(memory.find(&key_of("c")), Some(&b"three"[..]));
    }

    #[test]
    fn a_file_that_was_changed_cut_off_or_opened_to_others_is_ignored() {
        let (_kept, path) = folder();
        let all = [(key_of("a"), &b"one"[..]), (key_of("b"), b"two")];
        Memory::of(&path).keep(&all, SMALLEST);
        let file = path.join(FILE);
        let whole = std::fs::read(&file).unwrap();
        let found = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            Memory::of(&path).find(&key_of("a")).is_some()
        };
        assert!(found(&whole));
        for at in 0..whole.len() {
            assert!(!found(&whole[..at]), "cut off at {at}");
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(!found(&changed), "changed at {at}");
        }
        assert!(found(&whole));
        mode(&file, 0o660);
        assert!(!found(&whole));
        mode(&file, 0o600);
        assert!(found(&whole));
        let elsewhere = path.join("elsewhere");
        std::fs::rename(&file, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        assert_eq!(Memory::of(&path).find(&key_of("a")), None);
    }

    #[test]
    fn what_was_sent_is_found_again_until_there_is_too_much_of_it() {
        let mut sent = Packed::new();
        let (a, b, c) = (key_of("a"), key_of("b"), key_of("c"));
        keep_sent(&mut sent, &[(a, b"aaaa"), (b, b"bbbb")], 10);
        keep_sent(&mut sent, &[(a, b"aaaa"), (b, b"bbbb")], 10);
        assert_eq!((&*sent[&a], &*sent[&b]), (&b"aaaa"[..], &b"bbbb"[..]));
        keep_sent(&mut sent, &[(b, b"bbbb"), (c, b"cccc")], 10);
        assert!(!sent.contains_key(&a) && sent.contains_key(&b) && sent.contains_key(&c));
    }

    #[test]
    fn nothing_is_kept_of_little_nor_where_others_may_write() {
        let (_kept, path) = folder();
        let all = [(key_of("a"), &b"one"[..])];
        Memory::of(&path).keep(&all, SMALLEST - 1);
        mode(&path, 0o770);
        Memory::of(&path).keep(&all, SMALLEST);
        Memory::of(&path.join("absent")).keep(&all, SMALLEST);
        Memory::default().keep(&all, SMALLEST);
        assert_eq!(path.read_dir_utf8().unwrap().count(), 0);
    }
}
