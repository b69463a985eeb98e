//! Emptying the trash.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pobsync::disk::{HostLock, Removed};

use crate::support::{SCHEDULED, TestRoot, empty_trash, in_trash, name, publish, run, skipped};

/// A snapshot that `fill` has filled, in the trash.
fn trashed(test: &TestRoot, fill: impl FnOnce(&Path)) -> HostLock {
    let lock = test.lock();
    let path = publish(&lock, SCHEDULED, &name(1));
    fill(&path.join("data"));
    lock.trash(SCHEDULED, &name(1)).unwrap();
    lock
}

#[test]
fn an_empty_trash_is_nothing_to_do() {
    let test = TestRoot::new();
    let emptied = empty_trash(&test.lock());
    assert!(emptied.is_finished());
    assert_eq!(emptied.removed, Removed::default());
}

#[test]
fn what_is_gone_is_counted_and_shared_files_free_nothing() {
    let test = TestRoot::new();
    let other = test.dir.path().join("other");
    let mut own = 0;
    let taken = |path: &Path| std::fs::metadata(path).unwrap().blocks() * 512;
    let lock = trashed(&test, |data| {
        for dir in 0..30 {
            let dir = data.join(format!("dir-{dir}"));
            std::fs::create_dir(&dir).unwrap();
            std::fs::write(dir.join("file"), vec![1; 10_000]).unwrap();
            own += taken(&dir.join("file")) + taken(&dir);
        }
        std::fs::write(data.join("shared"), vec![1; 100_000]).unwrap();
        std::fs::hard_link(data.join("shared"), &other).unwrap();
        for small in ["data/file", "meta.json"] {
            own += taken(&data.join("..").join(small));
        }
        own += taken(data) + taken(&data.join(".."));
    });
    let emptied = empty_trash(&lock);
    assert!(emptied.is_finished(), "{emptied:?}");
    let want = Removed {
        files: 30 + 1 + 1 + 1,
        dirs: 30 + 2,
        bytes: own,
    };
    assert_eq!(emptied.removed, want);
    assert_eq!(std::fs::read(other).unwrap().len(), 100_000);
    assert_eq!(lock.trash_names().unwrap(), [""; 0]);
}

#[test]
fn a_file_of_many_names_is_counted_once_whoever_takes_the_last_of_them() {
    let test = TestRoot::new();
    let mut own = 0;
    let lock = trashed(&test, |data| {
        let taken = |path: &Path| std::fs::metadata(path).unwrap().blocks() * 512;
        for dir in ["a", "b", "c"] {
            std::fs::create_dir(data.join(dir)).unwrap();
        }
        for file in 0..3000 {
            let [a, b, c] = ["a", "b", "c"].map(|dir| data.join(format!("{dir}/{file}")));
            std::fs::write(&a, "some content").unwrap();
            std::fs::hard_link(&a, b).unwrap();
            std::fs::hard_link(&a, c).unwrap();
            own += taken(&a);
        }
        for place in ["a", "b", "c", ".", "..", "file", "../meta.json"] {
            own += taken(&data.join(place));
        }
    });
    let emptied = empty_trash(&lock);
    assert!(emptied.is_finished(), "{emptied:?}");
    assert_eq!(emptied.removed.files, 9000 + 2);
    assert_eq!(emptied.removed.bytes, own);
}

#[test]
fn hostile_names_are_only_names() {
    let test = TestRoot::new();
    let long = vec![b'x'; 255];
    let lock = trashed(&test, |data| {
        let names: [&[u8]; 9] = [
            b"-rf",
            b"new\nline",
            b"\xff\xfe",
            b" ",
            b"*",
            b"\x1b[31m",
            b"..x",
            b"...",
            &long,
        ];
        for name in names {
            let dir = data.join(OsStr::from_bytes(name));
            std::fs::create_dir(&dir).unwrap();
            for name in names {
                std::fs::write(dir.join(OsStr::from_bytes(name)), "").unwrap();
            }
        }
    });
    // In the trash itself too, whoever put them there.
    std::fs::create_dir_all(
        test.host_path(".trash")
            .join(OsStr::from_bytes(b"-rf\n/\xff")),
    )
    .unwrap();
    let emptied = empty_trash(&lock);
    assert!(emptied.is_finished(), "{emptied:?}");
    assert_eq!(emptied.removed.files, 81 + 2);
}

#[test]
fn a_tree_of_five_thousand_levels_goes() {
    let test = TestRoot::new();
    let lock = trashed(&test, |data| {
        // Longer than any path may be: made by handle, as a hostile host would.
        let mut dir = std::fs::File::open(data).unwrap();
        for _ in 0..5000 {
            let name = "deeper";
            rustix::fs::mkdirat(&dir, name, rustix::fs::Mode::RWXU).unwrap();
            let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
            dir = rustix::fs::openat(&dir, name, flags, rustix::fs::Mode::empty())
                .unwrap()
                .into();
        }
    });
    let emptied = empty_trash(&lock);
    assert!(emptied.is_finished(), "{emptied:?}");
    assert_eq!(emptied.removed.dirs, 5002);
}

#[test]
fn few_directories_are_open_at_once() {
    let most = AtomicU64::new(0);
    let test = TestRoot::new();
    let lock = trashed(&test, |data| {
        let chain: PathBuf = std::iter::repeat_n("d", 500).collect();
        for number in 0..10 {
            std::fs::create_dir_all(data.join(number.to_string()).join(&chain)).unwrap();
        }
    });
    let trash = test.host_path(".trash");
    let emptied = lock
        .empty_trash(&in_trash(&lock), None, &|_removed| {
            // Other tests of this process have files open too: only those in this trash count.
            let open = std::fs::read_dir("/proc/self/fd")
                .unwrap()
                .filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok())
                .filter(|path| path.starts_with(&trash))
                .count();
            most.fetch_max(open as u64, Ordering::Relaxed);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(emptied.is_finished());
    let most = most.into_inner();
    assert!((10..300).contains(&most), "{most} directories were open");
}

#[test]
fn a_huge_directory_goes() {
    let test = TestRoot::new();
    let lock = trashed(&test, |data| {
        for number in 0..20_000 {
            std::fs::File::create(data.join(format!("file-{number}"))).unwrap();
        }
        for number in 0..10_000 {
            std::fs::create_dir(data.join(format!("dir-{number}"))).unwrap();
        }
    });
    let emptied = empty_trash(&lock);
    assert!(emptied.is_finished(), "{emptied:?}");
    assert_eq!(
        (emptied.removed.files, emptied.removed.dirs),
        (20_002, 10_002)
    );
}

#[test]
fn directories_that_keep_their_owner_out_are_opened_up_and_shared_files_keep_their_mode() {
    let test = TestRoot::new();
    let shared = test.dir.path().join("shared");
    std::fs::write(&shared, "").unwrap();
    std::fs::set_permissions(&shared, PermissionsExt::from_mode(0o040)).unwrap();
    let lock = trashed(&test, |data| {
        for mode in [0o000, 0o100, 0o400, 0o555] {
            let dir = data.join(format!("{mode:o}"));
            std::fs::create_dir_all(dir.join("sub")).unwrap();
            std::fs::write(dir.join("sub/file"), "").unwrap();
            std::fs::hard_link(&shared, dir.join("shared")).unwrap();
            std::fs::set_permissions(&dir, PermissionsExt::from_mode(mode)).unwrap();
        }
    });
    let emptied = empty_trash(&lock);
    assert!(emptied.is_finished(), "{emptied:?}");
    let mode = std::fs::metadata(&shared).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o040);
}

#[test]
fn what_is_immutable_stays_is_told_and_goes_later() {
    let test = TestRoot::new();
    let lock = trashed(&test, |data| {
        std::fs::create_dir_all(data.join("a/b")).unwrap();
        std::fs::write(data.join("a/b/fixed"), "").unwrap();
        std::fs::write(data.join("a/b/free"), "").unwrap();
        std::fs::write(data.join("z"), "").unwrap();
    });
    let fixed = test.host_path(&format!(".trash/{}/data/a/b/fixed", name(1)));
    if !run("chattr", &["+i", fixed.to_str().unwrap()]) {
        return skipped("chattr +i needs root and a file system that knows it");
    }
    for _ in 0..2 {
        let emptied = empty_trash(&lock);
        let told: Vec<&Path> = emptied.unremoved.iter().map(|u| u.path.as_path()).collect();
        assert_eq!(told, [fixed.as_path()]);
        assert!(!emptied.is_finished());
        assert_eq!(lock.trash_names().unwrap(), [name(1).as_str()]);
    }
    assert!(!fixed.with_file_name("free").exists());
    assert!(
        !test
            .host_path(&format!(".trash/{}/data/z", name(1)))
            .exists()
    );
    assert!(run("chattr", &["-i", fixed.to_str().unwrap()]));
    assert!(empty_trash(&lock).is_finished());
}

#[test]
fn the_caller_can_stop_and_go_on_later() {
    let test = TestRoot::new();
    let lock = trashed(&test, |data| {
        for dir in 0..50 {
            std::fs::create_dir_all(data.join(format!("{dir}/sub"))).unwrap();
        }
    });
    let stopped = lock.empty_trash(&in_trash(&lock), None, &|removed| {
        if removed.dirs >= 10 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let stopped = stopped.unwrap();
    assert!(stopped.is_stopped && !stopped.is_finished());
    assert!((10..102).contains(&stopped.removed.dirs), "{stopped:?}");
    let rest = empty_trash(&lock);
    assert!(rest.is_finished());
    assert_eq!(stopped.removed.dirs + rest.removed.dirs, 102);
}

#[test]
fn a_caller_that_panics_ends_the_removal_and_no_thread_hangs() {
    let test = TestRoot::new();
    let lock = trashed(&test, |data| {
        for dir in 0..50 {
            std::fs::create_dir_all(data.join(format!("{dir}/sub"))).unwrap();
        }
    });
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = lock.empty_trash(&in_trash(&lock), None, &|removed| {
            assert!(removed.dirs < 5, "as planned");
            ControlFlow::Continue(())
        });
    }));
    assert!(panicked.is_err());
    assert!(empty_trash(&lock).is_finished());
}

/// Many files in one directory, and many directories: no more names go than may have by then, however slow the machine.
#[test]
fn no_more_names_go_a_second_than_may() {
    let test = TestRoot::new();
    let lock = trashed(&test, |data| {
        for number in 0..200 {
            std::fs::write(data.join(format!("file-{number}")), "x").unwrap();
            std::fs::create_dir(data.join(format!("dir-{number}"))).unwrap();
        }
    });
    let most_at_once = AtomicU64::new(0);
    let (begun, before) = (Instant::now(), AtomicU64::new(0));
    let emptied = lock
        .empty_trash(&in_trash(&lock), Some(400), &|removed| {
            let names = removed.files + removed.dirs;
            let step = names - before.swap(names, Ordering::Relaxed);
            most_at_once.fetch_max(step, Ordering::Relaxed);
            // What goes at once has gone when its time begins.
            let may = begun.elapsed().as_secs_f64() * 400.0 + 40.0;
            assert!(names as f64 <= may, "{names} of {may}");
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(emptied.is_finished(), "{emptied:?}");
    assert_eq!(emptied.removed.files + emptied.removed.dirs, 404);
    let most_at_once = most_at_once.into_inner();
    assert!(most_at_once <= 40, "{most_at_once}");
}

#[test]
fn a_stop_is_heard_while_nothing_may_go() {
    let test = TestRoot::new();
    let lock = trashed(&test, |data| {
        for number in 0..1000 {
            std::fs::write(data.join(format!("file-{number}")), "x").unwrap();
        }
    });
    let asked = AtomicU64::new(0);
    let stopped = lock.empty_trash(&in_trash(&lock), Some(1), &|_| match asked
        .fetch_add(1, Ordering::Relaxed)
    {
        0..3 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    let stopped = stopped.unwrap();
    assert!(stopped.is_stopped && !stopped.is_finished());
    // It is asked between names and ten times a second while it waits.
    assert!(stopped.removed.files <= 3, "{stopped:?}");
    assert!(empty_trash(&lock).is_finished());
}
