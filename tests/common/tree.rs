//! Trees with everything that makes copying hard, and the comparison of two of them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Fills `dir` with hard links, symlinks, odd names, sparse files, attributes and odd modes.
pub fn build_tree(dir: &Path) {
    let write = |name: &[u8], text: &[u8]| {
        let path = dir.join(OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    };
    write(b"plain", b"plain");
    write(b"with space", b"a");
    write(b"with\nnewline", b"b");
    write(b"quo'te\"s", b"c");
    write(b"\xff\xfe not utf-8", b"d");
    write(b"-rf", b"e");
    write(b"$(touch pwned); `id`", b"f");
    write("é漢字".as_bytes(), b"g");
    write(b"\x1b[31mred", b"h");
    write(&[b'n'; 255], b"i");
    write(b"empty", b"");
    write(b"deep/er/and/deeper/file", b"deep");
    std::fs::create_dir(dir.join("empty dir")).unwrap();

    let one = write(b"linked one", b"shared");
    std::fs::create_dir(dir.join("links")).unwrap();
    std::fs::hard_link(&one, dir.join("links/two")).unwrap();
    std::fs::hard_link(&one, dir.join("links/three")).unwrap();
    symlink("plain", dir.join("symlink")).unwrap();
    symlink("/etc/passwd", dir.join("symlink out")).unwrap();
    symlink("nowhere", dir.join("dangling")).unwrap();
    symlink("../..", dir.join("links/up")).unwrap();

    let sparse = std::fs::File::create(dir.join("sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    drop(sparse);

    for (name, mode) in [
        ("none", 0o000),
        ("setuid", 0o4755),
        ("setgid", 0o2711),
        ("sticky", 0o1777),
        ("write only", 0o200),
    ] {
        let path = write(name.as_bytes(), name.as_bytes());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    std::fs::create_dir(dir.join("closed")).unwrap();
    std::fs::write(dir.join("closed/inside"), "x").unwrap();
    std::fs::set_permissions(dir.join("closed"), std::fs::Permissions::from_mode(0o1500)).unwrap();

    let attributed = write(b"attributed", b"x");
    let set = Command::new("setfattr")
        .args(["-n", "user.pobsync", "-v", "v a l"])
        .arg(&attributed)
        .status();
    assert!(set.unwrap().success(), "extended attributes");
    let acl = Command::new("setfacl")
        .args(["-m", "u:daemon:r"])
        .arg(&attributed)
        .status();
    assert!(acl.unwrap().success(), "access control lists");
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        let owned = write(b"owned", b"x");
        std::os::unix::fs::chown(&owned, Some(1234), Some(5678)).unwrap();
    }
    let old = std::fs::File::options()
        .write(true)
        .open(dir.join("plain"))
        .unwrap();
    old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_007, 123_456_789))
        .unwrap();
}

/// All that a name is, but for its inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub modified: (i64, i64),
    pub content: Vec<u8>,
    pub attributes: String,
    /// The first path of the same inode, where there are several.
    pub linked_with: Option<PathBuf>,
}

/// Demands that both trees have the same names, types, modes, owners, sizes, times, contents, attributes and link groups.
pub fn assert_same_tree(a: &Path, b: &Path) {
    let (a, b) = (read_tree(a), read_tree(b));
    let names = |t: &BTreeMap<PathBuf, Entry>| t.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    for (path, entry) in &a {
        let other = &b[path];
        assert_eq!(entry, other, "{}", path.display());
    }
}

/// Every extended attribute and access control list of a name itself, sorted.
fn attributes(path: &Path) -> String {
    let mut names = vec![0u8; 64 * 1024];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap_or(0);
    let mut all: Vec<String> = names[..length]
        .split(|b| *b == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0u8; 64 * 1024];
            let length = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
            format!("{}={:?}", String::from_utf8_lossy(name), &value[..length])
        })
        .collect();
    all.sort();
    all.join("\n")
}

/// Every name of a tree, the top being empty.
pub fn read_tree(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut found = BTreeMap::new();
    let mut inodes: BTreeMap<u64, PathBuf> = BTreeMap::new();
    let mut left = vec![PathBuf::new()];
    while let Some(path) = left.pop() {
        let full = root.join(&path);
        let meta = full
            .symlink_metadata()
            .unwrap_or_else(|e| panic!("{}: {e}", full.display()));
        if meta.is_dir() {
            let mut names: Vec<_> = std::fs::read_dir(&full)
                .unwrap()
                .map(|e| path.join(e.unwrap().file_name()))
                .collect();
            names.sort();
            names.reverse();
            left.extend(names);
        }
        let content = match () {
            () if meta.is_symlink() => std::fs::read_link(&full)
                .unwrap()
                .into_os_string()
                .as_bytes()
                .to_vec(),
            () if meta.is_file() && meta.size() < 1 << 20 => std::fs::read(&full).unwrap(),
            () => Vec::new(),
        };
        let linked_with = (!meta.is_dir() && meta.nlink() > 1).then(|| {
            inodes
                .entry(meta.ino())
                .or_insert_with(|| path.clone())
                .clone()
        });
        let attributes = attributes(&full);
        found.insert(
            path,
            Entry {
                mode: meta.mode(),
                uid: meta.uid(),
                gid: meta.gid(),
                size: if meta.is_dir() { 0 } else { meta.size() },
                modified: (meta.mtime(), meta.mtime_nsec()),
                content,
                attributes,
                linked_with,
            },
        );
    }
    // Snapshots share inodes with each other: only links within one tree count.
    let mut members: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for first in found.values().filter_map(|e| e.linked_with.clone()) {
        *members.entry(first).or_default() += 1;
    }
    for entry in found.values_mut() {
        if entry
            .linked_with
            .as_ref()
            .is_some_and(|first| members.get(first) == Some(&1))
        {
            entry.linked_with = None;
        }
    }
    found
}
