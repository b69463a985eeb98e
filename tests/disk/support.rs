//! Roots to try things on.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pobsync::core::model::{
    AbsolutePath, HostName, Lineage, SnapshotKind, SnapshotName, Timestamp,
};
use pobsync::disk::{Emptied, HostDir, HostLock, Root, SnapshotMeta};

pub(crate) const SCHEDULED: SnapshotKind = SnapshotKind::Scheduled;
pub(crate) const MANUAL: SnapshotKind = SnapshotKind::Manual;

/// A root in a directory of its own, gone with the value.
pub(crate) struct TestRoot {
    pub(crate) root: Root,
    pub(crate) dir: tempfile::TempDir,
}

impl TestRoot {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::create(&absolute(&dir.path().join("root")), lineage(), now()).unwrap();
        Self { root, dir }
    }

    pub(crate) fn host(&self) -> HostDir {
        self.root.host_dir(&host_name()).unwrap()
    }

    pub(crate) fn lock(&self) -> HostLock {
        self.host().try_lock(None, "test", now()).unwrap()
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    pub(crate) fn host_path(&self, below: &str) -> PathBuf {
        self.root.path().join("web-01").join(below)
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

pub(crate) fn lineage() -> Lineage {
    Lineage::from_random([7; 16])
}

pub(crate) fn host_name() -> HostName {
    "web-01".parse().unwrap()
}

/// A name that starts so many seconds after 2026-11-22.
pub(crate) fn name(second: u8) -> SnapshotName {
    let start: Timestamp = "2026-11-22T02:15:00Z".parse().unwrap();
    SnapshotName::new(
        Timestamp::from_millis(start.millis() + i64::from(second) * 1000),
        [second; 6],
    )
}

pub(crate) fn absolute(path: &Path) -> AbsolutePath {
    path.to_str().unwrap().parse().unwrap()
}

pub(crate) fn meta(kind: SnapshotKind, name: &SnapshotName) -> SnapshotMeta {
    SnapshotMeta::new(host_name(), kind, name.clone())
}

/// Makes a visible snapshot with one file.
pub(crate) fn publish(lock: &HostLock, kind: SnapshotKind, name: &SnapshotName) -> PathBuf {
    let incomplete = lock.begin(kind, name).unwrap();
    std::fs::write(incomplete.data_path().join("file"), "content").unwrap();
    lock.publish(&incomplete, &meta(kind, name)).unwrap()
}

pub(crate) fn empty_trash(lock: &HostLock) -> Emptied {
    lock.empty_trash(&in_trash(lock), None, &|_removed| ControlFlow::Continue(()))
        .unwrap()
}

/// All that is in the trash, as if plans had put it there.
pub(crate) fn in_trash(lock: &HostLock) -> BTreeSet<OsString> {
    lock.trash_names().unwrap().into_iter().collect()
}

/// The names in a directory, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Says past the capturing of the test runner that something was not tried here.
pub(crate) fn skipped(why: &str) {
    let line = format!("SKIPPED: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// A mount that ends with the value.
pub(crate) struct TestMount {
    path: PathBuf,
}

impl TestMount {
    /// Mounts with `mount` and its arguments at `path`; nothing, with a message, where that is not allowed.
    pub(crate) fn new(path: &Path, arguments: &[&str]) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let at = path.to_str().unwrap();
        if run("mount", &[arguments, &[at]].concat()) {
            Some(Self {
                path: path.to_owned(),
            })
        } else {
            skipped("mounting needs root");
            None
        }
    }
}

impl Drop for TestMount {
    fn drop(&mut self) {
        run("umount", &["-l", self.path.to_str().unwrap()]);
    }
}
