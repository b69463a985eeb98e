//! From the first byte of a pull to the trash.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use pobsync::core::model::{Hold, SnapshotName, SnapshotStatus};
use pobsync::disk::{Damage, DiskError, Expected, MetaError, SnapshotMeta, Suspect};

use crate::support::{
    MANUAL, SCHEDULED, TestRoot, empty_trash, host_name, meta, name, names, now, publish,
};

fn expected(name: &SnapshotName) -> Expected<'_> {
    Expected {
        kind: SCHEDULED,
        name,
        known_as: &[],
        is_legacy: false,
    }
}

#[test]
fn a_pull_is_invisible_until_it_is_published() {
    let test = TestRoot::new();
    let lock = test.lock();
    let incomplete = lock.begin(SCHEDULED, &name(1)).unwrap();
    assert_eq!(
        incomplete.data_path(),
        test.host_path(&format!(".incomplete/scheduled/{}/data", name(1)))
    );
    std::fs::write(incomplete.data_path().join("file"), "content").unwrap();
    assert!(!lock.has_snapshot(SCHEDULED, &name(1)).unwrap());
    let inode = std::fs::metadata(incomplete.path()).unwrap().ino();

    let mut meta = meta(SCHEDULED, &name(1));
    meta.status = Some(SnapshotStatus::Complete);
    meta.files = Some(1);
    let path = lock.publish(&incomplete, &meta).unwrap();
    assert_eq!(path, test.host_path(&format!("scheduled/{}", name(1))));
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), inode);
    assert_eq!(lock.read_meta(SCHEDULED, &name(1)).unwrap(), Some(meta));
    assert_eq!(
        lock.data_path(SCHEDULED, &name(1)).unwrap(),
        Some(path.join("data"))
    );
    assert!(lock.open_data(SCHEDULED, &name(1)).unwrap().is_some());
    assert_eq!(lock.data_path(MANUAL, &name(1)).unwrap(), None);
    assert_eq!(lock.list_incomplete().unwrap(), []);
    lock.check_whole(expected(&name(1))).unwrap();
}

#[test]
fn everything_made_is_for_the_owner_alone() {
    let test = TestRoot::new();
    let lock = test.lock();
    publish(&lock, SCHEDULED, &name(1));
    for below in [
        "",
        ".lock",
        "scheduled",
        ".incomplete",
        ".incomplete/scheduled",
    ] {
        let mode = std::fs::metadata(test.host_path(below)).unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{below}");
    }
    let snapshot = lock.snapshot_path(SCHEDULED, &name(1));
    for below in ["", "meta.json"] {
        let mode = std::fs::metadata(snapshot.join(below))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{below}");
    }
}

#[test]
fn a_name_is_used_once() {
    let test = TestRoot::new();
    let lock = test.lock();
    let first = lock.begin(SCHEDULED, &name(1)).unwrap();
    let again = lock.begin(SCHEDULED, &name(1)).unwrap_err();
    assert!(matches!(again, DiskError::NameTaken { .. }), "{again:?}");
    lock.publish(&first, &meta(SCHEDULED, &name(1))).unwrap();
    let again = lock.begin(SCHEDULED, &name(1)).unwrap_err();
    assert!(matches!(again, DiskError::NameTaken { .. }), "{again:?}");
}

#[test]
fn a_publish_never_replaces_a_snapshot() {
    let test = TestRoot::new();
    let lock = test.lock();
    let incomplete = lock.begin(SCHEDULED, &name(1)).unwrap();
    let there = lock.snapshot_path(SCHEDULED, &name(1));
    std::fs::create_dir_all(&there).unwrap();
    let error = lock
        .publish(&incomplete, &meta(SCHEDULED, &name(1)))
        .unwrap_err();
    assert!(matches!(error, DiskError::NameTaken { .. }), "{error:?}");
    assert_eq!(names(&there), [""; 0]);
    assert!(incomplete.data_path().is_dir());
}

#[test]
fn a_publish_with_the_metadata_of_another_is_refused() {
    let test = TestRoot::new();
    let lock = test.lock();
    let incomplete = lock.begin(SCHEDULED, &name(1)).unwrap();
    for wrong in [meta(MANUAL, &name(1)), meta(SCHEDULED, &name(2))] {
        let error = lock.publish(&incomplete, &wrong).unwrap_err();
        assert!(
            matches!(
                &error,
                DiskError::Meta {
                    source: MetaError::OfAnother { .. },
                    ..
                }
            ),
            "{error:?}"
        );
    }
    assert!(!lock.has_snapshot(SCHEDULED, &name(1)).unwrap());
}

#[test]
fn a_pull_that_was_moved_away_is_not_published() {
    let test = TestRoot::new();
    let lock = test.lock();
    let incomplete = lock.begin(SCHEDULED, &name(1)).unwrap();
    std::fs::rename(incomplete.path(), test.path("elsewhere")).unwrap();
    std::fs::create_dir_all(incomplete.data_path()).unwrap();
    let error = lock
        .publish(&incomplete, &meta(SCHEDULED, &name(1)))
        .unwrap_err();
    assert!(matches!(error, DiskError::Replaced { .. }), "{error:?}");
}

#[test]
fn the_log_grows_and_goes_along() {
    use std::io::Write;
    let test = TestRoot::new();
    let lock = test.lock();
    let incomplete = lock.begin(MANUAL, &name(1)).unwrap();
    for line in ["one\n", "two\n"] {
        incomplete
            .open_log()
            .unwrap()
            .write_all(line.as_bytes())
            .unwrap();
    }
    let path = lock.publish(&incomplete, &meta(MANUAL, &name(1))).unwrap();
    let log = std::fs::read_to_string(path.join("rsync.log")).unwrap();
    assert_eq!(log, "one\ntwo\n");
}

#[test]
fn damage_is_found_before_anything_is_pruned() {
    let test = TestRoot::new();
    let lock = test.lock();
    let found = |number: u8, harm: &dyn Fn(&std::path::Path)| {
        let path = publish(&lock, SCHEDULED, &name(number));
        harm(&path);
        lock.check_whole(expected(&name(number))).unwrap_err()
    };
    let write = |text: &'static str| {
        move |path: &std::path::Path| std::fs::write(path.join("meta.json"), text).unwrap()
    };
    let gone = found(1, &|path| std::fs::remove_dir_all(path).unwrap());
    assert!(matches!(gone, Damage::Missing), "{gone:?}");
    let no_data = found(2, &|path| {
        std::fs::remove_dir_all(path.join("data")).unwrap()
    });
    assert!(matches!(no_data, Damage::NoData), "{no_data:?}");
    let no_meta = found(3, &|path| {
        std::fs::remove_file(path.join("meta.json")).unwrap()
    });
    assert!(matches!(no_meta, Damage::NoMeta), "{no_meta:?}");
    let nonsense = found(4, &write("{"));
    assert!(matches!(nonsense, Damage::BadMeta(MetaError::Malformed(_))));
    let newer = found(5, &write(r#"{"format_version": 9}"#));
    assert!(
        matches!(newer, Damage::BadMeta(MetaError::Newer(9))),
        "{newer:?}"
    );
    let file = found(6, &|path| {
        std::fs::remove_dir_all(path).unwrap();
        std::fs::write(path, "").unwrap();
    });
    assert!(
        matches!(file, Damage::NotADirectory("directory")),
        "{file:?}"
    );
    let huge = found(7, &|path| {
        std::fs::write(path.join("meta.json"), vec![b' '; 2 << 20]).unwrap();
    });
    assert!(matches!(huge, Damage::Unreadable(_)), "{huge:?}");
    let other = found(8, &|path| {
        let text = serde_json::to_vec(&meta(SCHEDULED, &name(9))).unwrap();
        std::fs::write(path.join("meta.json"), text).unwrap();
    });
    assert!(
        matches!(
            &other,
            Damage::BadMeta(MetaError::OfAnother { field: "name", .. })
        ),
        "{other:?}"
    );
}

#[test]
fn a_renamed_host_keeps_its_snapshots() {
    let test = TestRoot::new();
    let lock = test.lock();
    let incomplete = lock.begin(SCHEDULED, &name(1)).unwrap();
    let new_name = "web-new".parse().unwrap();
    let of_new = SnapshotMeta::new(new_name, SCHEDULED, name(1));
    lock.publish(&incomplete, &of_new).unwrap();
    assert!(matches!(
        lock.check_whole(expected(&name(1))),
        Err(Damage::BadMeta(MetaError::OfAnother { field: "host", .. }))
    ));
    let known_as = ["web-new".parse().unwrap(), host_name()];
    lock.check_whole(Expected {
        known_as: &known_as,
        ..expected(&name(1))
    })
    .unwrap();
}

#[test]
fn legacy_snapshots_count_without_metadata_and_ours_do_not() {
    let test = TestRoot::new();
    let lock = test.lock();
    let make = |name: &str| {
        let path = test.host_path(&format!("scheduled/{name}"));
        std::fs::create_dir_all(path.join("data")).unwrap();
        path
    };
    let old: SnapshotName = "2019-01-01_daily".parse().unwrap();
    make(old.as_str());
    lock.check_whole(expected(&old)).unwrap();

    let ours_in_shape = name(1);
    let path = make(ours_in_shape.as_str());
    let bare = lock.check_whole(expected(&ours_in_shape));
    assert!(matches!(bare, Err(Damage::NoMeta)));
    lock.check_whole(Expected {
        is_legacy: true,
        ..expected(&ours_in_shape)
    })
    .unwrap();
    std::fs::create_dir(path.join("meta")).unwrap();
    std::fs::write(path.join("meta/meta.yaml"), "status: success\n").unwrap();
    lock.check_whole(expected(&ours_in_shape)).unwrap();
}

#[test]
fn holds_and_suspect_marks_lie_beside_the_metadata() {
    let test = TestRoot::new();
    let host = test.host();
    publish(&test.lock(), SCHEDULED, &name(1));
    // Pinning does not wait for a run that has the lock.
    let _lock = test.lock();
    let hold = Hold {
        by: "ops".to_owned(),
        reason: "audit".to_owned(),
        since: now(),
        until: None,
    };
    assert_eq!(host.read_hold(SCHEDULED, &name(1)).unwrap(), None);
    host.write_hold(SCHEDULED, &name(1), &hold).unwrap();
    assert_eq!(
        host.read_hold(SCHEDULED, &name(1)).unwrap(),
        Some(hold.clone())
    );
    let suspect = Suspect {
        since: now(),
        reason: "half of the files are gone".to_owned(),
    };
    host.write_suspect(SCHEDULED, &name(1), &suspect).unwrap();
    assert_eq!(
        host.read_suspect(SCHEDULED, &name(1)).unwrap(),
        Some(suspect.clone())
    );

    let scan = host.scan().unwrap();
    assert_eq!(scan.found[0].hold, Some(hold));
    assert_eq!(scan.found[0].suspect, Some(suspect));

    assert!(host.remove_hold(SCHEDULED, &name(1)).unwrap());
    assert!(!host.remove_hold(SCHEDULED, &name(1)).unwrap());
    assert!(host.remove_suspect(SCHEDULED, &name(1)).unwrap());
    let path = host.snapshot_path(SCHEDULED, &name(1));
    assert_eq!(names(&path), ["data", "meta.json"]);

    let absent = host.write_hold(SCHEDULED, &name(2), &scan.found[0].hold.clone().unwrap());
    assert!(matches!(absent, Err(DiskError::Absent { .. })));
}

#[test]
fn a_suspect_pull_is_marked_before_it_is_visible() {
    let test = TestRoot::new();
    let lock = test.lock();
    let incomplete = lock.begin(SCHEDULED, &name(1)).unwrap();
    let suspect = Suspect {
        since: now(),
        reason: "empty".to_owned(),
    };
    incomplete.write_suspect(&suspect).unwrap();
    lock.publish(&incomplete, &meta(SCHEDULED, &name(1)))
        .unwrap();
    assert_eq!(
        lock.read_suspect(SCHEDULED, &name(1)).unwrap(),
        Some(suspect)
    );
}

#[test]
fn both_kinds_may_put_the_same_name_into_the_trash() {
    let test = TestRoot::new();
    let lock = test.lock();
    publish(&lock, SCHEDULED, &name(1));
    publish(&lock, MANUAL, &name(1));
    lock.begin(MANUAL, &name(2)).unwrap();
    assert_eq!(lock.trash(SCHEDULED, &name(1)).unwrap(), name(1).as_str());
    let second = lock.trash(MANUAL, &name(1)).unwrap();
    assert_ne!(second, name(1).as_str());
    lock.trash_incomplete(MANUAL, &name(2)).unwrap();
    assert_eq!(lock.trash_names().unwrap().len(), 3);
    let again = lock.trash(MANUAL, &name(1));
    assert!(matches!(again, Err(DiskError::Absent { .. })), "{again:?}");
    assert_eq!(lock.scan().unwrap().found.len(), 0);
    assert!(empty_trash(&lock).is_finished());
}
