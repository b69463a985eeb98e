//! A symbolic link in any place below the root is never followed.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use pobsync::core::model::Hold;
use pobsync::disk::{DiskError, Root};

use crate::support::{
    SCHEDULED, TestRoot, absolute, empty_trash, host_name, lineage, meta, name, now, publish,
};

/// Every name outside, with what would change if somebody wrote there.
fn outside(dir: &Path) -> BTreeMap<PathBuf, (u32, u64, i64, i64)> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        let stat = path.symlink_metadata().unwrap();
        found.insert(
            path.clone(),
            (stat.mode(), stat.size(), stat.mtime(), stat.mtime_nsec()),
        );
        if stat.is_dir() {
            left.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found
}

/// Does all that can be done to a host; errors are expected, harm is not.
fn do_everything(test: &TestRoot) -> Vec<DiskError> {
    let mut errors = Vec::new();
    let mut note = |done: Result<(), DiskError>| errors.extend(done.err());
    note(Root::open(&absolute(test.root.path()), None).map(|_| ()));
    note(Root::adopt_or_open(&absolute(test.root.path()), None, lineage(), now()).map(|_| ()));
    let host = match test.root.host_dir(&host_name()) {
        Ok(host) => host,
        Err(error) => return vec![error],
    };
    note(test.root.find_host_dir(&host_name()).map(|_| ()));
    note(host.scan().map(|_| ()));
    note(host.leftovers().map(|_| ()));
    note(host.holder().map(|_| ()));
    note(host.data_path(SCHEDULED, &name(1)).map(|_| ()));
    note(host.read_meta(SCHEDULED, &name(1)).map(|_| ()));
    let hold = Hold {
        by: "x".to_owned(),
        reason: String::new(),
        since: now(),
        until: None,
    };
    note(host.read_hold(SCHEDULED, &name(1)).map(|_| ()));
    note(host.write_hold(SCHEDULED, &name(1), &hold));
    note(host.remove_hold(SCHEDULED, &name(1)).map(|_| ()));
    let lock = match host.try_lock(None, "test", now()) {
        Ok(lock) => lock,
        Err(error) => {
            errors.push(error);
            return errors;
        }
    };
    let mut note = |done: Result<(), DiskError>| errors.extend(done.err());
    match lock.open_incomplete(SCHEDULED, &name(2)) {
        Ok(Some(incomplete)) => {
            note(incomplete.open_log().map(|_| ()));
            note(
                lock.publish(&incomplete, &meta(SCHEDULED, &name(2)))
                    .map(|_| ()),
            );
        }
        other => note(other.map(|_| ())),
    }
    note(lock.begin(SCHEDULED, &name(3)).map(|_| ()));
    note(lock.trash_incomplete(SCHEDULED, &name(3)).map(|_| ()));
    note(lock.trash(SCHEDULED, &name(1)).map(|_| ()));
    let all = lock.trash_names().map(|names| names.into_iter().collect());
    note(all.and_then(|all| {
        lock.empty_trash(&all, None, &|_| std::ops::ControlFlow::Continue(()))
            .map(|_| ())
    }));
    errors
}

#[test]
fn a_link_in_the_place_of_any_component_is_refused_and_leads_nowhere() {
    let one = format!("web-01/scheduled/{}", name(1));
    let two = format!("web-01/.incomplete/scheduled/{}", name(2));
    let places = [
        ".pobsync-root".to_owned(),
        "web-01".to_owned(),
        "web-01/.lock".to_owned(),
        "web-01/scheduled".to_owned(),
        "web-01/.incomplete".to_owned(),
        "web-01/.incomplete/scheduled".to_owned(),
        "web-01/.trash".to_owned(),
        one.clone(),
        format!("{one}/data"),
        format!("{one}/meta.json"),
        format!("{one}/hold.json"),
        two.clone(),
        format!("{two}/data"),
        format!("{two}/rsync.log"),
    ];
    for place in places {
        let test = TestRoot::new();
        let lock = test.lock();
        publish(&lock, SCHEDULED, &name(1));
        let incomplete = lock.begin(SCHEDULED, &name(2)).unwrap();
        drop(incomplete.open_log().unwrap());
        publish(&lock, SCHEDULED, &name(4));
        lock.trash(SCHEDULED, &name(4)).unwrap();
        drop(lock);

        // What the link leads to is just like what was there, so that following it would work.
        let away = test.dir.path().join("away");
        std::fs::create_dir(&away).unwrap();
        let target = away.join("target");
        let link = test.path(&place);
        if std::fs::rename(&link, &target).is_err() {
            std::fs::write(&target, "{}").unwrap();
        }
        symlink(&target, &link).unwrap();
        let before = outside(&away);

        let errors = do_everything(&test);
        assert_eq!(outside(&away), before, "{place}");
        assert!(
            errors
                .iter()
                .any(|error| matches!(error, DiskError::Link { .. })),
            "{place}: {errors:?}"
        );
    }
}

#[test]
fn a_link_in_the_trash_goes_and_what_it_leads_to_stays() {
    let test = TestRoot::new();
    let lock = test.lock();
    let away = test.dir.path().join("away");
    std::fs::create_dir(&away).unwrap();
    std::fs::write(away.join("precious"), "").unwrap();
    let before = outside(&away);
    let path = publish(&lock, SCHEDULED, &name(1));
    symlink(&away, path.join("data/dir")).unwrap();
    symlink(away.join("precious"), path.join("data/file-link")).unwrap();
    symlink("../../../../../..", path.join("data/up")).unwrap();
    symlink("nowhere", path.join("data/dangling")).unwrap();
    lock.trash(SCHEDULED, &name(1)).unwrap();
    symlink(&away, test.host_path(".trash/link")).unwrap();
    let emptied = empty_trash(&lock);
    assert!(emptied.is_finished(), "{emptied:?}");
    assert_eq!(outside(&away), before);
}

/// A directory of the trash becomes a link again and again while it is emptied.
#[test]
fn a_directory_that_becomes_a_link_during_a_removal_is_not_followed() {
    let test = TestRoot::new();
    let lock = test.lock();
    let away = test.dir.path().join("away");
    std::fs::create_dir_all(away.join("x/y")).unwrap();
    std::fs::write(away.join("x/y/precious"), "").unwrap();
    let before = outside(&away);
    let swapped = test.host_path(".trash/swapped");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                // Each may fail: the removal is at work on the same name.
                let _ = std::fs::create_dir_all(swapped.join("x/y"));
                let _ = std::fs::remove_dir_all(&swapped);
                let _ = symlink(&away, &swapped);
                let _ = std::fs::remove_file(&swapped);
            }
        });
        std::fs::create_dir_all(test.host_path(".trash")).unwrap();
        for _ in 0..300 {
            let _ = lock.empty_trash(
                &std::collections::BTreeSet::from(["swapped".into()]),
                None,
                &|_| std::ops::ControlFlow::Continue(()),
            );
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(outside(&away), before);
}
