//! Trees that are completed with links: whatever ends it, nothing older has changed.

use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use pobsync::core::model::{TransferKind, TransferList, TransferListBuilder};
use pobsync::disk::{GraftError, HostLock, Kept};

use crate::support::{SCHEDULED, TestRoot, empty_trash, meta, name, names};

const KEPT: Kept = Kept {
    xattrs: false,
    acls: false,
};
const DIRS: usize = 20;

fn list() -> TransferList {
    let mut list = TransferListBuilder::default();
    list.add(b"", TransferKind::Directory, true).unwrap();
    for n in 0..DIRS {
        let dir = format!("dir {n}");
        list.add(dir.as_bytes(), TransferKind::Directory, true)
            .unwrap();
        let file = format!("{dir}/file");
        list.add(file.as_bytes(), TransferKind::File, true).unwrap();
    }
    list.finish().unwrap()
}

/// Makes a visible snapshot with what the list says.
fn base(lock: &HostLock) {
    let incomplete = lock.begin(SCHEDULED, &name(1)).unwrap();
    for n in 0..DIRS {
        let dir = incomplete.data_path().join(format!("dir {n}"));
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("file"), "content").unwrap();
    }
    lock.publish(&incomplete, &meta(SCHEDULED, &name(1)))
        .unwrap();
}

#[test]
fn a_stop_at_any_moment_is_heard_and_leaves_nothing_linked() {
    let root = TestRoot::new();
    let lock = root.lock();
    base(&lock);
    let tree = lock.tree(SCHEDULED, &name(1)).unwrap().unwrap();
    let file = root.host_path(&format!("scheduled/{}/data/dir 7/file", name(1)));
    let incomplete = lock.begin(SCHEDULED, &name(2)).unwrap();
    for after in [0, 1, 5, DIRS] {
        let asked = AtomicUsize::new(0);
        let is_stopped = || asked.fetch_add(1, Ordering::Relaxed) >= after;
        let stopped = incomplete.graft(&tree, &list(), KEPT, &is_stopped);
        assert!(
            matches!(stopped, Err(GraftError::Stopped)),
            "{after}: {stopped:?}"
        );
        lock.begin_anew(&incomplete).unwrap();
        assert!(incomplete.is_empty().unwrap());
        assert!(empty_trash(&lock).is_finished());
        assert_eq!(std::fs::metadata(&file).unwrap().nlink(), 1);
        assert_eq!(std::fs::read(&file).unwrap(), b"content");
    }
    assert_eq!(
        incomplete.graft(&tree, &list(), KEPT, &|| false).unwrap(),
        0
    );
    assert_eq!(names(&incomplete.data_path()).len(), DIRS);
    assert_eq!(std::fs::metadata(&file).unwrap().nlink(), 2);
}

#[test]
fn what_was_not_asked_for_is_never_built_on() {
    let root = TestRoot::new();
    let lock = root.lock();
    base(&lock);
    let tree = lock.tree(SCHEDULED, &name(1)).unwrap().unwrap();
    let incomplete = lock.begin(SCHEDULED, &name(2)).unwrap();
    for (odd, is_dir) in [("not listed", false), ("dir 3", false), ("dir 3", true)] {
        let path = incomplete.data_path().join(odd);
        if is_dir {
            // A folder of the list, with a file in it that has not changed.
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("file"), "from the host").unwrap();
        } else {
            std::fs::write(&path, "from the host").unwrap();
        }
        let done = incomplete.graft(&tree, &list(), KEPT, &|| false);
        assert!(
            matches!(done, Err(GraftError::Unexpected { .. })),
            "{odd}: {done:?}"
        );
        lock.begin_anew(&incomplete).unwrap();
    }
}
