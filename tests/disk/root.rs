//! Taking a root into use, and refusing what is none.

use std::os::unix::fs::{PermissionsExt, symlink};

use pobsync::core::model::{Lineage, RootId};
use pobsync::disk::{DiskError, Root, RootState, Seen};

use crate::support::{TestRoot, absolute, lineage, names, now};

#[test]
fn the_first_use_makes_a_private_directory_with_a_marker_and_the_second_opens_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = absolute(&dir.path().join("a/b/root"));
    assert_eq!(Root::inspect(&path).unwrap(), RootState::Absent);
    let made = Root::adopt_or_open(&path, None, lineage(), now()).unwrap();
    assert!(made.is_private().unwrap());
    assert_eq!(names(made.path()), [".pobsync-root"]);
    let opened = Root::adopt_or_open(&path, Some(made.id()), lineage(), now()).unwrap();
    assert_eq!(opened.marker(), made.marker());
    let state = Root::inspect(&path).unwrap();
    assert_eq!(state, RootState::Marked(made.marker().clone()));
}

#[test]
fn snapshots_already_there_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = dir.path().join("web/scheduled/2019-01-01/data");
    std::fs::create_dir_all(&snapshot).unwrap();
    let path = absolute(dir.path());
    assert_eq!(
        Root::inspect(&path).unwrap(),
        RootState::Unmarked { entries: 1 }
    );
    let root = Root::create(&path, lineage(), now()).unwrap();
    assert!(snapshot.is_dir());
    assert_eq!(root.host_dirs().unwrap().hosts, ["web".parse().unwrap()]);
    let mode = std::fs::metadata(dir.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_root_in_use_that_is_not_there_is_not_mounted_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let expected = RootId::from_random([1; 16]);
    let absent = dir.path().join("absent");
    let error = Root::adopt_or_open(&absolute(&absent), Some(&expected), lineage(), now());
    assert_eq!(
        error.unwrap_err().to_string(),
        format!(
            "{} does not exist, so it is not a backup root now: root {expected} belongs there; \
             is its disk not mounted?; nothing was written or deleted",
            absent.display()
        )
    );
    assert!(!absent.exists());

    let empty = Root::adopt_or_open(&absolute(dir.path()), Some(&expected), lineage(), now());
    let empty = empty.unwrap_err();
    assert!(
        matches!(
            &empty,
            DiskError::NotMounted {
                seen: Seen::Empty,
                ..
            }
        ),
        "{empty:?}"
    );
    assert!(empty.is_not_mounted());
    assert_eq!(names(dir.path()), [""; 0]);

    std::fs::write(dir.path().join("x"), "").unwrap();
    let unmarked = Root::open(&absolute(dir.path()), None).unwrap_err();
    assert!(matches!(
        &unmarked,
        DiskError::NotMounted {
            seen: Seen::Unmarked,
            ..
        }
    ));
}

#[test]
fn another_disk_and_another_database_are_told_apart() {
    let test = TestRoot::new();
    let path = absolute(test.root.path());
    let other = RootId::from_random([9; 16]);
    let error = Root::open(&path, Some(&other)).unwrap_err();
    assert!(matches!(error, DiskError::WrongRoot { .. }), "{error:?}");

    let stranger = Lineage::from_random([8; 16]);
    let mut root = Root::open(&path, Some(test.root.id())).unwrap();
    root.require_lineage(&lineage()).unwrap();
    let error = root.require_lineage(&stranger).unwrap_err();
    assert!(error.to_string().contains("pobsync adopt-root"), "{error}");

    root.adopt(stranger.clone()).unwrap();
    let again = Root::open(&path, Some(test.root.id())).unwrap();
    again.require_lineage(&stranger).unwrap();
    assert_eq!(again.marker().created_at, test.root.marker().created_at);
}

#[test]
fn what_cannot_be_a_root_is_refused_by_its_kind() {
    let dir = tempfile::tempdir().unwrap();
    let refused =
        |path: &std::path::Path| Root::create(&absolute(path), lineage(), now()).unwrap_err();

    assert!(matches!(refused("/".as_ref()), DiskError::Unfit { .. }));
    assert!(matches!(refused("/etc".as_ref()), DiskError::Unfit { .. }));

    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(refused(&file), DiskError::NotADirectory { .. }));

    let real = dir.path().join("real");
    std::fs::create_dir(&real).unwrap();
    let link = dir.path().join("link");
    symlink(&real, &link).unwrap();
    assert!(matches!(refused(&link), DiskError::Link { .. }));
    assert_eq!(names(&real), [""; 0]);

    let etc = dir.path().join("etc");
    symlink("/etc", &etc).unwrap();
    let below = Root::inspect(&absolute(&etc.join("default"))).unwrap_err();
    assert!(matches!(below, DiskError::Unfit { .. }), "{below:?}");

    let test = TestRoot::new();
    assert!(matches!(
        refused(&test.path("web-01")),
        DiskError::Unfit { .. }
    ));
    let twice = refused(test.root.path());
    assert!(matches!(twice, DiskError::AlreadyTaken { .. }), "{twice:?}");
}

#[test]
fn a_link_on_the_way_to_the_root_is_resolved_once() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("disk")).unwrap();
    symlink("disk", dir.path().join("link")).unwrap();
    let root = Root::create(&absolute(&dir.path().join("link/root")), lineage(), now()).unwrap();
    let canonical = dir.path().canonicalize().unwrap();
    assert_eq!(root.path(), canonical.join("disk/root"));
}

#[test]
fn a_marker_that_makes_no_sense_is_a_refusal_and_stays() {
    let test = TestRoot::new();
    let marker = test.path(".pobsync-root");
    let good = std::fs::read_to_string(&marker).unwrap();
    let newer = good.replace("\"format_version\": 1", "\"format_version\": 2");
    assert_ne!(newer, good);
    let big = " ".repeat(100_000);
    for text in ["", "{}", "null", &newer, &good[..20], &big] {
        std::fs::write(&marker, text).unwrap();
        let path = absolute(test.root.path());
        let error = Root::adopt_or_open(&path, None, lineage(), now()).unwrap_err();
        assert!(
            matches!(
                error,
                DiskError::BadMarker { .. } | DiskError::NotOurs { .. }
            ),
            "{error:?}"
        );
        assert_eq!(std::fs::read_to_string(&marker).unwrap(), text);
    }
}

#[test]
fn fields_of_the_marker_that_are_not_ours_survive_an_adoption() {
    let test = TestRoot::new();
    let marker = test.path(".pobsync-root");
    let text = std::fs::read_to_string(&marker).unwrap();
    std::fs::write(&marker, text.replacen('{', "{\"site\": \"ams\",", 1)).unwrap();
    let mut root = Root::open(&absolute(test.root.path()), None).unwrap();
    root.adopt(Lineage::from_random([3; 16])).unwrap();
    let text = std::fs::read_to_string(&marker).unwrap();
    assert!(text.contains("\"site\": \"ams\""), "{text}");
}

#[test]
fn of_many_that_take_a_root_into_use_at_once_all_get_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = absolute(&dir.path().join("root"));
    let take = || {
        Root::adopt_or_open(&path, None, lineage(), now())
            .unwrap()
            .id()
            .clone()
    };
    let ids: Vec<RootId> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(names(&dir.path().join("root")), [".pobsync-root"]);
}

#[test]
fn names_that_are_no_hosts_are_reported() {
    let test = TestRoot::new();
    test.host();
    for odd in ["lost+found", ".hidden", "with space"] {
        std::fs::create_dir(test.path(odd)).unwrap();
    }
    std::fs::write(test.path("file"), "").unwrap();
    let found = test.root.host_dirs().unwrap();
    assert_eq!(found.hosts, ["web-01".parse().unwrap()]);
    assert_eq!(found.strange, [".hidden", "file", "with space"]);
    let nobody = "nobody".parse().unwrap();
    assert!(test.root.find_host_dir(&nobody).unwrap().is_none());
}

#[test]
fn the_root_tells_its_room_and_its_mount() {
    let test = TestRoot::new();
    let space = test.root.space().unwrap();
    assert!(space.bytes_available > 0 && space.bytes_available <= space.bytes_total);
    assert!(space.inodes_available <= space.inodes_total);
    assert!(!test.root.mount().unwrap().read_only);
}
