//! `kill -9` and failing disks at every step: nothing half done is visible, and the next call mends it.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use pobsync::core::model::SnapshotName;
use pobsync::disk::{Expected, Place};

use crate::parts;
use crate::support::{SCHEDULED, TestRoot, empty_trash, meta, name, names, publish, run, skipped};

/// How a part under strace ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Killed,
    Done,
    Failed,
}

/// Plays `part` while strace does something at the `nth` call of a thread to `call`: `signal=KILL`, `error=EIO`.
fn injected(part: &str, root: &Path, call: &str, what: &str, nth: usize) -> End {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:{what}:when={nth}");
    let strace = [
        "strace",
        "-f",
        "-o",
        "/dev/null",
        "-e",
        &trace,
        "-e",
        &inject,
    ];
    let status = parts::command(&strace, part, root).status().unwrap();
    match (status.signal(), status.success()) {
        (Some(9), _) => End::Killed,
        (_, true) => End::Done,
        _ => End::Failed,
    }
}

fn has_strace() -> bool {
    let works = run("strace", &["-o", "/dev/null", "true"]);
    if !works {
        skipped("strace is missing or may not trace");
    }
    works
}

fn whole(name: &SnapshotName) -> Expected<'_> {
    Expected {
        kind: SCHEDULED,
        name,
        known_as: &[],
        is_legacy: false,
    }
}

/// A root with a pull that is ready to be published.
fn ready() -> TestRoot {
    let test = TestRoot::new();
    let incomplete = test.lock().begin(SCHEDULED, &name(1)).unwrap();
    std::fs::write(incomplete.data_path().join("file"), "content").unwrap();
    test
}

/// Holds what must be true whenever a publish was cut off, then publishes again.
fn check_published_or_mended(test: &TestRoot, when: &str) {
    let lock = test.lock();
    let scan = lock.scan().unwrap();
    assert_eq!(scan.found.len(), 1, "{when}");
    if scan.found[0].place == Place::Incomplete {
        let incomplete = lock.open_incomplete(SCHEDULED, &name(1)).unwrap().unwrap();
        lock.publish(&incomplete, &meta(SCHEDULED, &name(1)))
            .unwrap();
    }
    lock.check_whole(whole(&name(1))).unwrap();
    let path = lock.snapshot_path(SCHEDULED, &name(1));
    assert_eq!(names(&path), ["data", "meta.json"], "{when}");
    assert_eq!(std::fs::read(path.join("data/file")).unwrap(), b"content");
    assert_eq!(lock.leftovers().unwrap(), Default::default(), "{when}");
}

#[test]
fn a_publish_that_is_killed_anywhere_is_invisible_or_whole() {
    if !has_strace() {
        return;
    }
    let calls = [
        "openat2",
        "write",
        "fsync",
        "syncfs",
        "renameat",
        "renameat2",
        "mkdirat",
    ];
    for call in calls {
        for nth in 1.. {
            let test = ready();
            let end = injected("publish", test.root.path(), call, "signal=KILL", nth);
            check_published_or_mended(&test, &format!("{call} {nth}: {end:?}"));
            if end == End::Done {
                assert!(nth > 1, "{call} is never called");
                break;
            }
            assert_eq!(end, End::Killed, "{call} {nth}");
        }
    }
}

#[test]
fn a_publish_on_a_failing_disk_fails_and_is_invisible_or_whole() {
    if !has_strace() {
        return;
    }
    let calls = ["fsync", "syncfs", "renameat", "renameat2", "mkdirat"];
    for (call, error) in calls.iter().flat_map(|c| [(c, "EIO"), (c, "ENOSPC")]) {
        for nth in 1.. {
            let test = ready();
            let what = format!("error={error}");
            let end = injected("publish", test.root.path(), call, &what, nth);
            check_published_or_mended(&test, &format!("{call} {nth} {error}: {end:?}"));
            if end == End::Done {
                assert!(nth > 1, "{call} is never called");
                break;
            }
            assert_eq!(end, End::Failed, "{call} {nth} {error}");
        }
    }
}

/// ALICE's way: without power cuts to try, the order of the calls is what is asserted.
#[test]
fn data_and_metadata_are_durable_before_the_rename_and_the_parents_after_it() {
    if !has_strace() {
        return;
    }
    let test = ready();
    let log = test.dir.path().join("strace");
    let trace = "trace=fsync,syncfs,renameat,renameat2";
    let strace = [
        "strace",
        "-f",
        "-y",
        "-o",
        log.to_str().unwrap(),
        "-e",
        trace,
    ];
    let status = parts::command(&strace, "publish", test.root.path()).status();
    assert!(status.unwrap().success());

    let text = std::fs::read_to_string(log).unwrap();
    let host = test.host_path("");
    let host = host.to_str().unwrap().trim_end_matches('/');
    let steps: Vec<String> = text
        .lines()
        .filter(|line| line.contains(host))
        .filter_map(|line| step_of(line, host))
        .collect();
    let dir = format!(".incomplete/scheduled/{}", name(1));
    let wanted = [
        format!("fsync {dir}/.meta.json.tmp"),
        format!("renameat {dir}"),
        format!("fsync {dir}"),
        format!("syncfs {dir}"),
        format!("fsync {dir}/data"),
        format!("fsync {dir}"),
        "fsync ".to_owned(), // the host, in which `scheduled` is new
        "renameat2 .incomplete/scheduled".to_owned(),
        "fsync scheduled".to_owned(),
        "fsync .incomplete/scheduled".to_owned(),
    ];
    assert_eq!(steps, wanted, "{text}");
}

/// The call and the file of its first descriptor, below the host: `123 fsync(5</root/web-01/x>) = 0` is `fsync x`.
fn step_of(line: &str, host: &str) -> Option<String> {
    let (call, rest) = line.split_once('(')?;
    let call = call.split_whitespace().last()?;
    let path = rest.split_once('<')?.1.split_once('>')?.0;
    let below = path.strip_prefix(host)?.trim_start_matches('/');
    let below = match below.split_once(".meta.json.") {
        Some((dir, _random)) => format!("{dir}.meta.json.tmp"),
        None => below.to_owned(),
    };
    Some(format!("{call} {below}"))
}

#[test]
fn a_snapshot_on_its_way_to_the_trash_is_whole_or_gone() {
    if !has_strace() {
        return;
    }
    for call in ["mkdirat", "renameat2", "fsync"] {
        for nth in 1.. {
            let test = TestRoot::new();
            publish(&test.lock(), SCHEDULED, &name(1));
            // As for a snapshot that was only discovered: none of ours has been made there.
            std::fs::remove_dir(test.host_path(".trash")).unwrap();
            let end = injected("trash", test.root.path(), call, "signal=KILL", nth);
            let lock = test.lock();
            if lock.has_snapshot(SCHEDULED, &name(1)).unwrap() {
                lock.check_whole(whole(&name(1))).unwrap();
                lock.trash(SCHEDULED, &name(1)).unwrap();
            }
            assert_eq!(lock.trash_names().unwrap(), [name(1).as_str()]);
            if end == End::Done {
                assert!(nth > 1, "{call} is never called");
                break;
            }
        }
    }
}

#[test]
fn a_removal_that_is_killed_anywhere_is_finished_by_the_next() {
    if !has_strace() {
        return;
    }
    // Each thread counts for itself, so that far points may be reached by neither: several strides are tried.
    for (call, points) in [
        ("unlinkat", vec![1, 2, 3, 7, 19, 40, 80]),
        ("openat2", vec![5, 9, 30, 60]),
        ("renameat", vec![1, 2]),
        ("fchmod", vec![1]),
    ] {
        let mut killed = 0;
        for nth in points {
            let test = TestRoot::new();
            let lock = test.lock();
            let path = publish(&lock, SCHEDULED, &name(1));
            publish(&lock, SCHEDULED, &name(2));
            fill(&path.join("data"));
            lock.trash(SCHEDULED, &name(1)).unwrap();
            drop(lock);

            let end = injected("empty", test.root.path(), call, "signal=KILL", nth);
            killed += usize::from(end == End::Killed);
            let lock = test.lock();
            let visible = lock.scan().unwrap().found;
            assert!(visible.iter().all(|f| f.name != name(1)), "{call} {nth}");
            assert!(empty_trash(&lock).is_finished(), "{call} {nth}");
            assert_eq!(lock.trash_names().unwrap(), [""; 0]);
            lock.check_whole(whole(&name(2))).unwrap();
        }
        assert!(killed > 0, "{call} was never hit");
    }
}

/// Wide, deep and closed directories.
fn fill(data: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for dir in 0..20 {
        let dir = data.join(format!("dir-{dir}"));
        std::fs::create_dir(&dir).unwrap();
        for file in 0..5 {
            std::fs::write(dir.join(format!("file-{file}")), "x").unwrap();
        }
    }
    let deep: std::path::PathBuf = std::iter::repeat_n("d", 150).collect();
    std::fs::create_dir_all(data.join(deep)).unwrap();
    for mode in [0o000, 0o500] {
        let closed = data.join(format!("closed-{mode:o}"));
        std::fs::create_dir(&closed).unwrap();
        std::fs::write(closed.join("file"), "x").unwrap();
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn a_begin_that_is_killed_is_listed_and_can_be_thrown_away() {
    if !has_strace() {
        return;
    }
    for nth in 1.. {
        let test = TestRoot::new();
        let end = injected("begin", test.root.path(), "mkdirat", "signal=KILL", nth);
        let lock = test.lock();
        for (kind, name) in lock.leftovers().unwrap().incomplete {
            lock.trash_incomplete(kind, &name).unwrap();
        }
        assert!(empty_trash(&lock).is_finished());
        lock.begin(SCHEDULED, &name(1)).unwrap();
        if end == End::Done {
            assert!(nth > 1, "mkdirat is never called");
            break;
        }
    }
}
