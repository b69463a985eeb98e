//! Manifests: made without reading what the base shares, and what they find later.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use pobsync::core::manifest::{Attribute, ManifestHead, Sample};
use pobsync::core::model::{Limits, SnapshotName};
use pobsync::disk::{
    CheckRequest, Checked, DiskError, HostDir, HostLock, InodesRead, Made, ManifestRequest,
    Problem, SeenSnapshot,
};

use crate::support::{SCHEDULED, TestRoot, meta, name, now};

fn head(name: &SnapshotName) -> ManifestHead {
    ManifestHead {
        kind: SCHEDULED,
        snapshot: name.clone(),
        made_at: now(),
        with_pull: true,
    }
}

/// Makes a snapshot with a manifest; `fill` is given its tree.
fn snapshot(
    lock: &HostLock,
    name: &SnapshotName,
    base: Option<&SnapshotName>,
    fill: impl FnOnce(&Path),
) -> Made {
    let incomplete = lock.begin(SCHEDULED, name).unwrap();
    fill(&incomplete.data_path());
    let request = ManifestRequest {
        head: &head(name),
        base: base.map(|base| (SCHEDULED, base)),
        old_bytes: 1 << 20,
        threads: 3,
        limits: Limits::default(),
        bytes_per_second: None,
        stop: &|| false,
    };
    let made = lock.write_manifest(&incomplete, request).unwrap().unwrap();
    lock.publish(&incomplete, &meta(SCHEDULED, name)).unwrap();
    made
}

fn fill(data: &Path) {
    std::fs::create_dir_all(data.join("etc/empty")).unwrap();
    std::fs::write(data.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    std::fs::hard_link(data.join("etc/hosts"), data.join("etc/hosts.link")).unwrap();
    std::fs::write(data.join("etc/a b\n\\"), "odd").unwrap();
    symlink("/etc/passwd", data.join("etc/passwd")).unwrap();
    for n in 0..50 {
        std::fs::write(data.join(format!("file{n}")), format!("content {n}")).unwrap();
    }
}

/// The tree of another snapshot, every file linked.
fn link_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            link_all(&entry.path(), &target);
        } else {
            std::fs::hard_link(entry.path(), &target).unwrap();
        }
    }
}

fn check(host: &HostDir, name: &SnapshotName, sample: Sample, known: &mut InodesRead) -> Checked {
    let request = CheckRequest {
        sample,
        threads: 2,
        bytes_per_second: None,
        stop: &|| false,
    };
    host.check_snapshot(SCHEDULED, name, request, known)
        .unwrap()
}

fn problems(checked: &Checked) -> Vec<(String, Problem)> {
    checked
        .findings
        .iter()
        .map(|f| {
            let path = String::from_utf8(f.path.clone()).unwrap();
            (path, f.problem.clone())
        })
        .collect()
}

/// Changes one bit of a file and puts its time back.
fn flip(path: &Path) {
    let modified = path.metadata().unwrap().modified().unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(path, bytes).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(modified).unwrap();
}

#[test]
fn what_the_base_shares_is_not_read_again() {
    let test = TestRoot::new();
    let lock = test.lock();
    let made = snapshot(&lock, &name(1), None, fill);
    assert_eq!((made.taken_over, made.open), (0, 0));
    assert_eq!(made.read, 53);
    let first = test.host_path(&format!("scheduled/{}/data", name(1)));
    let made = snapshot(&lock, &name(2), Some(&name(1)), |data| {
        link_all(&first, data);
        std::fs::write(data.join("new"), "new").unwrap();
        std::fs::remove_file(data.join("file7")).unwrap();
        std::fs::write(data.join("file7"), "changed").unwrap();
    });
    assert_eq!((made.read, made.taken_over, made.open), (2, 52, 0));
    let mut known = InodesRead::new();
    for n in [1, 2] {
        let checked = check(&test.host(), &name(n), Sample::ALL, &mut known);
        assert_eq!(checked.seen, SeenSnapshot::Whole);
        assert_eq!(problems(&checked), []);
    }
    // Of 53 files in the first, two are one inode; the second has two of its own.
    assert_eq!(known.files(), 54);
}

#[test]
fn old_files_without_a_digest_are_read_as_far_as_was_allowed() {
    let test = TestRoot::new();
    let lock = test.lock();
    let first = lock.begin(SCHEDULED, &name(1)).unwrap();
    fill(&first.data_path());
    lock.publish(&first, &meta(SCHEDULED, &name(1))).unwrap();
    assert!(!lock.has_manifest(SCHEDULED, &name(1)).unwrap());
    let first = test.host_path(&format!("scheduled/{}/data", name(1)));
    let incomplete = lock.begin(SCHEDULED, &name(2)).unwrap();
    link_all(&first, &incomplete.data_path());
    std::fs::write(incomplete.data_path().join("new"), "new").unwrap();
    let request = |old_bytes| ManifestRequest {
        head: Box::leak(Box::new(head(&name(2)))),
        base: Some((SCHEDULED, Box::leak(Box::new(name(1))))),
        old_bytes,
        threads: 2,
        limits: Limits::default(),
        bytes_per_second: None,
        stop: &|| false,
    };
    let made = lock.write_manifest(&incomplete, request(0)).unwrap();
    let made = made.unwrap();
    assert_eq!((made.read, made.open), (1, 53));
    lock.publish(&incomplete, &meta(SCHEDULED, &name(2)))
        .unwrap();
    let checked = check(&test.host(), &name(2), Sample::ALL, &mut InodesRead::new());
    assert_eq!((checked.open, checked.found), (53, 0));
    let made = lock
        .write_manifest_later(
            SCHEDULED,
            &name(2),
            request(u64::MAX),
            &mut InodesRead::new(),
        )
        .unwrap()
        .unwrap();
    assert_eq!(made.open, 0);
}

#[test]
fn each_kind_of_damage_is_found_and_named() {
    let test = TestRoot::new();
    let lock = test.lock();
    snapshot(&lock, &name(1), None, fill);
    let data = test.host_path(&format!("scheduled/{}/data", name(1)));
    flip(&data.join("etc/hosts"));
    std::fs::remove_file(data.join("file3")).unwrap();
    std::fs::write(data.join("file4"), "longer than it was").unwrap();
    std::fs::set_permissions(data.join("file5"), std::fs::Permissions::from_mode(0o4777)).unwrap();
    std::fs::remove_file(data.join("etc/passwd")).unwrap();
    symlink("/etc/shadow", data.join("etc/passwd")).unwrap();
    std::fs::create_dir(data.join("extra")).unwrap();
    std::fs::write(data.join("extra/inside"), "").unwrap();
    std::fs::remove_dir(data.join("etc/empty")).unwrap();
    std::fs::write(data.join("etc/empty"), "").unwrap();
    let checked = check(&test.host(), &name(1), Sample::ALL, &mut InodesRead::new());
    let found = problems(&checked);
    let of = |path: &str| -> Vec<&Problem> {
        let found = found.iter().filter(|(p, _)| p == path);
        found.map(|(_, problem)| problem).collect()
    };
    assert!(matches!(of("etc/hosts")[..], [Problem::Content]));
    assert!(matches!(of("etc/hosts.link")[..], [Problem::Content]));
    assert_eq!(of("file3"), [&Problem::Missing]);
    assert!(matches!(of("file4")[..], [Problem::Attributes(list)] if list[0] == Attribute::Size));
    assert_eq!(of("file5"), [&Problem::Attributes(vec![Attribute::Mode])]);
    assert!(
        matches!(of("etc/passwd")[..], [Problem::Attributes(list)] if list.contains(&Attribute::Target))
    );
    assert_eq!(of("extra"), [&Problem::Extra]);
    assert_eq!(of("extra/inside"), [] as [&Problem; 0]);
    assert_eq!(
        of("etc/empty"),
        [&Problem::Attributes(vec![Attribute::Type])]
    );
    // The directory `etc` and the top have other times by now; the top has no line.
    assert_eq!(of("etc"), [&Problem::Attributes(vec![Attribute::Modified])]);
    assert_eq!(checked.found, 9);
}

#[test]
fn a_sample_reads_its_part_and_compares_all_names() {
    let test = TestRoot::new();
    let lock = test.lock();
    snapshot(&lock, &name(1), None, fill);
    let data = test.host_path(&format!("scheduled/{}/data", name(1)));
    flip(&data.join("file9"));
    std::fs::remove_file(data.join("file3")).unwrap();
    let mut from = 0;
    let (mut damaged, mut missing, mut compared) = (0, 0, 0);
    for _ in 0..10 {
        let sample = Sample::new(from, 1000);
        let checked = check(&test.host(), &name(1), sample, &mut InodesRead::new());
        compared += checked.compared;
        for (_, problem) in problems(&checked) {
            match problem {
                Problem::Content => damaged += 1,
                Problem::Missing => missing += 1,
                other => panic!("{other:?}"),
            }
        }
        from = sample.next();
    }
    assert_eq!((damaged, missing, compared), (1, 10, 52));
}

#[test]
fn a_manifest_that_was_changed_or_cut_off_is_not_believed() {
    let test = TestRoot::new();
    let lock = test.lock();
    snapshot(&lock, &name(1), None, fill);
    let path = test.host_path(&format!("scheduled/{}/manifest", name(1)));
    let whole = std::fs::read(&path).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let request = CheckRequest {
        sample: Sample::ALL,
        threads: 1,
        bytes_per_second: None,
        stop: &|| false,
    };
    let cut = &whole[..whole.len() - 90];
    let other = text.replacen("f 644", "f 666", 1);
    let newer = text.replacen("manifest 1", "manifest 2", 1);
    for changed in [
        cut,
        b"",
        other.as_bytes(),
        newer.as_bytes(),
        b"\xff\xff\n\n",
    ] {
        std::fs::write(&path, changed).unwrap();
        let error = test
            .host()
            .check_snapshot(SCHEDULED, &name(1), request, &mut InodesRead::new())
            .unwrap_err();
        assert!(matches!(error, DiskError::BadManifest { .. }), "{error}");
    }
    std::fs::write(&path, whole).unwrap();
    let checked = check(&test.host(), &name(1), Sample::ALL, &mut InodesRead::new());
    assert_eq!(checked.found, 0);
}

#[test]
fn nothing_of_a_manifest_that_was_changed_is_taken_over() {
    let test = TestRoot::new();
    let lock = test.lock();
    snapshot(&lock, &name(1), None, fill);
    let first = test.host_path(&format!("scheduled/{}", name(1)));
    let path = first.join("manifest");
    let whole = std::fs::read_to_string(&path).unwrap();
    let at = whole.find(" file7\n").unwrap() - 1;
    let digit = if &whole[at..=at] == "0" { "1" } else { "0" };
    let flipped = format!("{}{digit}{}", &whole[..at], &whole[at + 1..]);
    let cut = &whole[..whole.rfind("end ").unwrap()];
    for (n, changed) in [(2, flipped.as_str()), (3, cut)] {
        std::fs::write(&path, changed).unwrap();
        let made = snapshot(&lock, &name(n), Some(&name(1)), |data| {
            link_all(&first.join("data"), data);
        });
        assert_eq!((made.read, made.taken_over, made.open), (53, 0, 0));
        let checked = check(&test.host(), &name(n), Sample::ALL, &mut InodesRead::new());
        assert_eq!(problems(&checked), []);
    }
}

#[test]
fn a_snapshot_that_a_prune_takes_away_is_gone_and_not_damaged() {
    let test = TestRoot::new();
    let lock = test.lock();
    snapshot(&lock, &name(1), None, fill);
    let host = test.host();
    let is_first = std::sync::atomic::AtomicBool::new(true);
    let request = CheckRequest {
        sample: Sample::ALL,
        threads: 1,
        bytes_per_second: None,
        stop: &|| {
            if is_first.swap(false, std::sync::atomic::Ordering::Relaxed) {
                lock.trash(SCHEDULED, &name(1)).unwrap();
                assert!(crate::support::empty_trash(&lock).is_finished());
            }
            false
        },
    };
    let checked = host
        .check_snapshot(SCHEDULED, &name(1), request, &mut InodesRead::new())
        .unwrap();
    assert_eq!((checked.seen, checked.found), (SeenSnapshot::Gone, 0));
}
