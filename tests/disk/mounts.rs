//! File systems that are full, foreign or read-only. They need root, and say so where they are skipped.

use std::io::Write;

use pobsync::disk::{DiskError, FileSystem, Root, UnremovedCause};

use crate::support::{
    SCHEDULED, TestMount, TestRoot, absolute, empty_trash, host_name, lineage, meta, name, now,
    publish, run,
};

/// A root on a tmpfs with these options.
fn on_tmpfs(options: &str) -> Option<(TestMount, tempfile::TempDir, Root)> {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("disk");
    let mount = TestMount::new(&at, &["-t", "tmpfs", "-o", options, "tmpfs"])?;
    let root = Root::create(&absolute(&at), lineage(), now()).unwrap();
    Some((mount, dir, root))
}

#[test]
fn a_full_disk_is_said_to_be_full_and_nothing_half_done_is_visible() {
    let Some((_mount, _dir, root)) = on_tmpfs("size=256k") else {
        return;
    };
    assert_eq!(root.mount().unwrap().file_system, FileSystem::Tmpfs);
    let host = root.host_dir(&host_name()).unwrap();
    let lock = host.try_lock(None, "backup", now()).unwrap();
    publish(&lock, SCHEDULED, &name(1));
    let incomplete = lock.begin(SCHEDULED, &name(2)).unwrap();
    let mut file = std::fs::File::create(incomplete.data_path().join("big")).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    let error = lock
        .publish(&incomplete, &meta(SCHEDULED, &name(2)))
        .unwrap_err();
    assert!(error.is_out_of_space(), "{error:?}");
    assert!(!error.is_read_only());
    assert!(!lock.has_snapshot(SCHEDULED, &name(2)).unwrap());
    assert!(
        root.space()
            .unwrap()
            .is_short_of_bytes("5%".parse().unwrap())
    );

    // Room can be made on a full disk, and what is visible was never touched.
    lock.trash_incomplete(SCHEDULED, &name(2)).unwrap();
    drop(file);
    assert!(empty_trash(&lock).is_finished());
    assert!(lock.has_snapshot(SCHEDULED, &name(1)).unwrap());
    publish(&lock, SCHEDULED, &name(3));
}

#[test]
fn a_disk_without_inodes_is_full_too() {
    let Some((_mount, _dir, root)) = on_tmpfs("size=1m,nr_inodes=12") else {
        return;
    };
    let host = root.host_dir(&host_name()).unwrap();
    let lock = host.try_lock(None, "backup", now()).unwrap();
    let incomplete = lock.begin(SCHEDULED, &name(1)).unwrap();
    let data = incomplete.data_path();
    for number in 0.. {
        if std::fs::File::create(data.join(format!("{number}"))).is_err() {
            break;
        }
    }
    let space = root.space().unwrap();
    assert_eq!(space.inodes_available, Some(0));
    assert!(space.is_short_of_inodes("5%".parse().unwrap()));
    assert!(!space.is_short_of_bytes("5%".parse().unwrap()));
    let error = lock
        .publish(&incomplete, &meta(SCHEDULED, &name(1)))
        .unwrap_err();
    assert!(error.is_out_of_space(), "{error:?}");
    assert!(!lock.has_snapshot(SCHEDULED, &name(1)).unwrap());
}

#[test]
fn a_read_only_root_is_said_to_be_read_only() {
    let Some((_mount, dir, root)) = on_tmpfs("size=1m") else {
        return;
    };
    let host = root.host_dir(&host_name()).unwrap();
    let lock = host.try_lock(None, "backup", now()).unwrap();
    publish(&lock, SCHEDULED, &name(1));
    let incomplete = lock.begin(SCHEDULED, &name(2)).unwrap();
    let at = dir.path().join("disk");
    assert!(
        run(
            "mount",
            &["-o", "remount,ro,nosuid,nodev", at.to_str().unwrap()]
        ) || {
            // Our own handle on `.lock` is open for writing.
            drop(lock);
            run(
                "mount",
                &["-o", "remount,ro,nosuid,nodev", at.to_str().unwrap()],
            )
        }
    );
    let mount = root.mount().unwrap();
    assert!(mount.read_only && mount.nosuid && mount.nodev && !mount.noexec);
    let error = incomplete
        .write_meta(&meta(SCHEDULED, &name(2)))
        .unwrap_err();
    assert!(error.is_read_only(), "{error:?}");
    assert!(!error.is_out_of_space());
    assert_eq!(
        root.find_host_dir(&host_name())
            .unwrap()
            .unwrap()
            .scan()
            .unwrap()
            .found
            .len(),
        2
    );
}

#[test]
fn a_root_that_was_unmounted_is_not_made_again_on_the_bare_mount_point() {
    let Some((mount, dir, root)) = on_tmpfs("size=1m") else {
        return;
    };
    let at = dir.path().join("disk");
    let host = root.host_dir(&host_name()).unwrap();
    let lock = host.try_lock(None, "backup", now()).unwrap();
    drop(mount);
    let id = root.id().clone();
    let error = Root::adopt_or_open(&absolute(&at), Some(&id), lineage(), now()).unwrap_err();
    assert!(error.is_not_mounted(), "{error:?}");
    // Handles from before keep the disk alive, but rsync would be given a path: that is noticed.
    let error = lock.begin(SCHEDULED, &name(1)).unwrap_err();
    assert!(
        matches!(error, DiskError::Io { .. } | DiskError::Replaced { .. }),
        "{error:?}"
    );
    assert_eq!(std::fs::read_dir(&at).unwrap().count(), 0);
}

#[test]
fn a_file_system_inside_a_snapshot_is_not_entered() {
    let test = TestRoot::new();
    let lock = test.lock();
    let path = publish(&lock, SCHEDULED, &name(1));
    std::fs::create_dir_all(path.join("data/a/b")).unwrap();
    std::fs::write(path.join("data/a/b/file"), "").unwrap();
    lock.trash(SCHEDULED, &name(1)).unwrap();
    let data = test.host_path(&format!(".trash/{}/data", name(1)));
    let inside = data.join("a/mounted");
    let Some(tmpfs) = TestMount::new(&inside, &["-t", "tmpfs", "tmpfs"]) else {
        return;
    };
    std::fs::write(inside.join("precious"), "").unwrap();
    // A bind mount has the device of the trash: only the mount point tells.
    let away = test.dir.path().join("away");
    std::fs::create_dir(&away).unwrap();
    std::fs::write(away.join("precious"), "").unwrap();
    let bound = data.join("bound");
    let Some(bind) = TestMount::new(&bound, &["--bind", away.to_str().unwrap()]) else {
        return;
    };

    let emptied = empty_trash(&lock);
    let mut told: Vec<_> = emptied.unremoved.iter().map(|u| u.path.clone()).collect();
    told.sort();
    assert_eq!(told, [inside.clone(), bound.clone()]);
    for unremoved in &emptied.unremoved {
        assert!(
            matches!(unremoved.cause, UnremovedCause::OtherFileSystem),
            "{unremoved:?}"
        );
    }
    assert!(inside.join("precious").exists());
    assert!(away.join("precious").exists());
    assert!(!data.join("a/b").exists());

    drop((tmpfs, bind));
    assert!(empty_trash(&lock).is_finished());
    assert!(away.join("precious").exists());
}

#[test]
fn a_file_system_in_the_place_of_a_directory_of_ours_is_refused() {
    let test = TestRoot::new();
    let lock = test.lock();
    publish(&lock, SCHEDULED, &name(1));
    let Some(_mount) = TestMount::new(&test.host_path("scheduled"), &["-t", "tmpfs", "tmpfs"])
    else {
        return;
    };
    let error = lock.scan().unwrap_err();
    assert!(
        matches!(error, DiskError::OtherFileSystem { .. }),
        "{error:?}"
    );
    let error = lock.has_snapshot(SCHEDULED, &name(1)).unwrap_err();
    assert!(
        matches!(error, DiskError::OtherFileSystem { .. }),
        "{error:?}"
    );
}

#[test]
fn a_fresh_ext4_disk_with_its_lost_and_found_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    let file = std::fs::File::create(&image).unwrap();
    file.set_len(16 << 20).unwrap();
    if !run("mkfs.ext4", &["-q", image.to_str().unwrap()]) {
        return crate::support::skipped("mkfs.ext4 is missing");
    }
    let at = dir.path().join("disk");
    let Some(_mount) = TestMount::new(&at, &["-o", "loop,nosuid", image.to_str().unwrap()]) else {
        return;
    };
    assert_eq!(
        Root::inspect(&absolute(&at)).unwrap(),
        pobsync::disk::RootState::Empty
    );
    let root = Root::create(&absolute(&at), lineage(), now()).unwrap();
    assert_eq!(root.host_dirs().unwrap(), Default::default());
    let mount = root.mount().unwrap();
    assert_eq!(mount.file_system, FileSystem::Ext);
    assert!(mount.nosuid && !mount.nodev);
    let host = root.host_dir(&host_name()).unwrap();
    let lock = host.try_lock(None, "backup", now()).unwrap();
    publish(&lock, SCHEDULED, &name(1));
    lock.trash(SCHEDULED, &name(1)).unwrap();
    assert!(empty_trash(&lock).is_finished());
}
