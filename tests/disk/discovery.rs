//! What is on disk and not in SQL.

use std::path::Path;

use pobsync::core::model::SnapshotName;
use pobsync::disk::{Place, Record};

use crate::support::{MANUAL, SCHEDULED, TestRoot, meta, name, publish};

fn make(path: &Path, files: &[(&str, &str)]) {
    std::fs::create_dir_all(path.join("data")).unwrap();
    for (file, text) in files {
        let file = path.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
}

#[test]
fn a_host_without_snapshots_has_none() {
    let test = TestRoot::new();
    let scan = test.host().scan().unwrap();
    assert!(scan.found.is_empty() && scan.strange.is_empty());
}

#[test]
fn everything_is_found_by_the_best_there_is_to_read() {
    let test = TestRoot::new();
    let lock = test.lock();
    publish(&lock, SCHEDULED, &name(1));
    lock.begin(MANUAL, &name(2)).unwrap();
    let at = |below: &str| test.host_path(below);
    make(
        &at("manual/a"),
        &[(
            "meta.yaml",
            "status: success\nstarted_at: 2019-01-01T00:00:00Z\n",
        )],
    );
    make(&at("manual/b"), &[("meta/meta.yaml", "base: a\n")]);
    make(&at("manual/c"), &[]);
    make(&at("manual/d"), &[("meta.json", "{")]);

    let scan = lock.scan().unwrap();
    let told: Vec<_> = scan
        .found
        .iter()
        .map(|f| {
            (
                f.place,
                f.kind,
                f.name.to_string(),
                f.has_data,
                f.problems.len(),
            )
        })
        .collect();
    let want = [
        (
            Place::Visible,
            SCHEDULED,
            name(1).to_string(),
            Some(true),
            0,
        ),
        (Place::Visible, MANUAL, "a".to_owned(), Some(true), 0),
        (Place::Visible, MANUAL, "b".to_owned(), Some(true), 0),
        (Place::Visible, MANUAL, "c".to_owned(), Some(true), 0),
        (Place::Visible, MANUAL, "d".to_owned(), Some(true), 1),
        (
            Place::Incomplete,
            MANUAL,
            name(2).to_string(),
            Some(true),
            0,
        ),
    ];
    assert_eq!(told, want);
    assert_eq!(
        scan.found[0].record,
        Record::Meta(Box::new(meta(SCHEDULED, &name(1))))
    );
    assert_eq!(Some(scan.found[0].started_at), name(1).time());
    assert_eq!(
        scan.found[1].started_at,
        "2019-01-01T00:00:00Z".parse().unwrap()
    );
    let Record::Legacy(b) = &scan.found[2].record else {
        panic!("{:?}", scan.found[2]);
    };
    assert_eq!(b.base, "a".parse().ok());
    let modified = std::fs::metadata(at("manual/c"))
        .unwrap()
        .modified()
        .unwrap();
    let seconds = modified
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    assert_eq!(
        scan.found[3].started_at.millis(),
        i64::try_from(seconds).unwrap() * 1000
    );
    assert_eq!(scan.found[3].record, Record::None);
}

#[test]
fn what_can_be_no_snapshot_is_reported_and_left() {
    use std::os::unix::ffi::OsStrExt;
    let test = TestRoot::new();
    let host = test.host();
    let kind = test.host_path("scheduled");
    for odd in [&b"-rf"[..], b"new\nline", b"\xff\xfe", b".hidden"] {
        std::fs::create_dir_all(kind.join(std::ffi::OsStr::from_bytes(odd))).unwrap();
    }
    std::fs::write(kind.join("file"), "").unwrap();
    std::os::unix::fs::symlink("/etc", kind.join("latest")).unwrap();
    std::fs::create_dir_all(test.host_path(".incomplete/legacy-name")).unwrap();
    let scan = host.scan().unwrap();
    assert!(scan.found.is_empty(), "{:?}", scan.found);
    assert_eq!(scan.strange.len(), 7);
    let latest = scan
        .strange
        .iter()
        .find(|s| s.path.ends_with("latest"))
        .unwrap();
    assert_eq!(latest.why, "it is a symbolic link, and none is followed");
    assert_eq!(std::fs::read_dir(kind).unwrap().count(), 6);
}

#[test]
fn odd_files_beside_the_data_hide_nothing() {
    let test = TestRoot::new();
    let lock = test.lock();
    let path = publish(&lock, SCHEDULED, &name(1));
    publish(&lock, SCHEDULED, &name(2));
    std::fs::write(path.join("hold.json"), "{").unwrap();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        path.join("suspect.json"),
        rustix::fs::Mode::RWXU,
    )
    .unwrap();
    let scan = lock.scan().unwrap();
    assert_eq!(scan.found.len(), 2);
    assert_eq!(scan.found[0].problems.len(), 2, "{:?}", scan.found[0]);
    assert!(matches!(scan.found[0].record, Record::Meta(_)));
    assert!(scan.found[1].problems.is_empty());
}

#[test]
fn several_may_look_at_once_while_a_run_is_at_work() {
    let test = TestRoot::new();
    let lock = test.lock();
    let host = test.host();
    std::thread::scope(|scope| {
        let scans: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let scan = host.scan().unwrap();
                        for found in scan.found.iter().filter(|f| f.place == Place::Visible) {
                            assert!(matches!(found.record, Record::Meta(_)), "{found:?}");
                        }
                    }
                })
            })
            .collect();
        for number in 0..40 {
            publish(&lock, SCHEDULED, &name(number));
            if number % 2 == 0 {
                lock.trash(SCHEDULED, &name(number)).unwrap();
            }
        }
        for scan in scans {
            scan.join().unwrap();
        }
    });
    assert_eq!(host.scan().unwrap().found.len(), 20);
}

#[test]
fn leftovers_are_listed_and_left() {
    let test = TestRoot::new();
    let lock = test.lock();
    publish(&lock, SCHEDULED, &name(1));
    lock.begin(MANUAL, &name(2)).unwrap();
    lock.trash(SCHEDULED, &name(1)).unwrap();
    let left = lock.leftovers().unwrap();
    let two: SnapshotName = name(2);
    assert_eq!(left.incomplete, [(MANUAL, two)]);
    assert_eq!(left.trash, [name(1).as_str()]);
    assert_eq!(lock.leftovers().unwrap(), left);
}

#[test]
fn metadata_as_it_is_written_fits_its_schema() {
    let schema = include_str!("../../schema/snapshot-meta.schema.json");
    let schema = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let test = TestRoot::new();
    let lock = test.lock();
    let incomplete = lock.begin(SCHEDULED, &name(1)).unwrap();
    let mut full = meta(SCHEDULED, &name(1));
    full.status = Some(pobsync::core::model::SnapshotStatus::Complete);
    full.started_at = name(1).time();
    full.finished_at = name(1).time();
    full.base = Some(name(0));
    full.sources = vec!["/etc".to_owned()];
    full.excludes = vec!["/etc/*.tmp".to_owned()];
    full.rsync_exit = Some(0);
    full.files = Some(1);
    full.bytes = Some(2);
    full.bytes_transferred = Some(3);
    full.policy = Some(serde_json::json!({"daily": 7}));
    full.pobsync_version = Some("0.1.0".to_owned());
    for meta in [meta(SCHEDULED, &name(1)), full] {
        incomplete.write_meta(&meta).unwrap();
        let text = std::fs::read(incomplete.path().join("meta.json")).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|e| e.to_string())
            .collect();
        assert_eq!(errors, [""; 0]);
        for key in value.as_object().unwrap().keys() {
            assert!(
                schema["properties"][key].is_object(),
                "{key} is not in the schema"
            );
        }
    }
    let other =
        serde_json::json!({"format_version": 1, "name": "../x", "host": "a", "kind": "daily"});
    assert_eq!(validator.iter_errors(&other).count(), 2);
}
