//! The database: held by others, without room, read-only, damaged, readable by everybody.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::common::program::{Program, Said, names_below};
use crate::disks::Mount;
use crate::rig::Rig;

const LOCAL: &str = "address \"local\"";

fn database(rig: &Rig) -> std::path::PathBuf {
    rig.program.path("state/pobsync.db")
}

fn hold(rig: &Rig) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(database(rig)).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

#[test]
fn a_database_that_another_holds_stops_writers_in_time_and_no_reader() {
    let rig = Rig::local();
    // A host that nobody has ever looked at is judged first, and that is written down.
    rig.program.ends(0, &["status"]);
    let held = hold(&rig);
    let writers = ["backup web", "apply --yes"].map(|line| {
        let args: Vec<&str> = line.split(' ').collect();
        rig.program
            .command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    });
    for args in [
        &["snapshots"][..],
        &["runs"],
        &["plan"],
        &["status"],
        &["retention", "web"],
    ] {
        rig.program.ends(0, args);
    }
    // The second has nothing to write.
    for (child, codes) in writers.into_iter().zip([&[69][..], &[0, 69]]) {
        let said = Said::of(child.wait_with_output().unwrap());
        eprintln!("seen: exit {} | {}", said.code, said.err.trim_end());
        assert!(codes.contains(&said.code), "{}", said.err);
        assert!(
            said.code == 0 || said.err.contains("is busy"),
            "{}",
            said.err
        );
    }
    rig.check_untouched();
    drop(held);
    rig.recovers();
}

#[test]
fn a_database_that_is_busy_for_long_at_the_end_of_a_pull_loses_nothing_of_it() {
    let rig = Rig::local();
    let pull = rig.half_way(LOCAL, 2);
    let held = hold(&rig);
    // It says so each time that it has waited in vain.
    let mut pull = pull;
    let mut said = std::io::BufReader::new(pull.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("trying again") {
        line.clear();
        assert_ne!(
            std::io::BufRead::read_line(&mut said, &mut line).unwrap(),
            0
        );
        eprintln!("seen: {}", line.trim_end());
    }
    drop(held);
    assert!(pull.wait().unwrap().success());
    assert_eq!(rig.last_run()["status"], "complete");
    rig.recovers();
}

#[test]
fn a_database_without_room_at_the_end_of_a_pull_says_so_and_the_next_backup_finds_what_was_made() {
    let program = Program::new();
    let Some(_mount) = Mount::tmpfs(&program.path("state"), "size=4m,mode=700") else {
        return;
    };
    let rig = Rig::prepared(program, LOCAL, "");
    let pull = rig.half_way(LOCAL, 2);
    // What the log has grown to before would be room enough for the end of a run.
    let database = rusqlite::Connection::open(rig.program.path("state/pobsync.db")).unwrap();
    let emptied = "PRAGMA wal_checkpoint(TRUNCATE)";
    let busy: i64 = database.query_row(emptied, [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
    let filler = rig.program.path("state/filler");
    std::fs::write(&filler, vec![0; 8 << 20]).unwrap_err();
    drop(database);
    let said = Said::of(pull.wait_with_output().unwrap());
    eprintln!("seen: exit {} | {}", said.code, said.err.trim_end());
    assert_eq!(said.code, 69, "{}", said.err);
    assert!(
        said.err.contains("no space is left for the database"),
        "{}",
        said.err
    );
    rig.check_let_go();
    // Still without room: nothing begins.
    let said = rig.program.ends(69, &["backup", "web"]);
    assert!(
        said.err.contains("no space is left for the database"),
        "{}",
        said.err
    );
    let made = rig.program.visible("web", "manual").pop().unwrap();
    std::fs::remove_file(&filler).unwrap();
    rig.recovers();
    let rows = rig.program.json(0, &["snapshots", "--all"]);
    let row = |name: &str| {
        let mut rows = rows.as_array().unwrap().iter();
        rows.find(|row| row["name"] == name).unwrap().clone()
    };
    assert_eq!(row(&made)["status"], "complete");
    // It is the base of the one that found it.
    let newest = rig.program.visible("web", "manual").pop().unwrap();
    assert_eq!(row(&newest)["base"], made.as_str());
    let runs = rig.program.json(0, &["runs"]);
    assert!(
        runs.as_array()
            .unwrap()
            .iter()
            .all(|run| run["status"] != "running"),
        "{runs}"
    );
}

#[test]
fn a_database_on_a_read_only_disk_is_told_as_such_and_nothing_is_pulled() {
    let rig = Rig::local();
    let state = rig.program.path("state");
    let Some(mount) = Mount::new(&state, &["--bind", state.to_str().unwrap()]) else {
        return;
    };
    mount.remount("bind,ro");
    for args in [&["backup", "web"][..], &["apply", "--yes"], &["status"]] {
        let said = rig.program.ends(69, args);
        eprintln!("seen: exit {} | {}", said.code, said.err.trim_end());
        assert!(said.err.contains("mounted writable"), "{}", said.err);
    }
    drop(mount);
    rig.check_untouched();
    rig.recovers();
}

#[test]
fn a_database_whose_disk_becomes_read_only_half_way_says_so_and_loses_nothing() {
    let program = Program::new();
    let image = program.path("image");
    let state = program.path("state");
    let Some(mount) = Mount::ext4(&state, &image, 32 << 20, "errors=remount-ro") else {
        return;
    };
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o700)).unwrap();
    let rig = Rig::prepared(program, LOCAL, "");
    let pull = rig.half_way(LOCAL, 2);
    mount.remount("abort");
    let said = Said::of(pull.wait_with_output().unwrap());
    eprintln!("seen: exit {} | {}", said.code, said.err.trim_end());
    assert_eq!(said.code, 69, "{}", said.err);
    rig.check_let_go();
    let made = rig.program.visible("web", "manual");
    drop(mount);
    let Some(_mount) = Mount::again(&state, &image, "rw") else {
        return;
    };
    rig.recovers();
    let rows = rig.program.json(0, &["snapshots", "--all"]);
    let rows = rows.as_array().unwrap();
    for name in made {
        let row = rows.iter().find(|row| row["name"] == name.as_str());
        assert_eq!(row.unwrap()["status"], "complete", "{rows:#?}");
    }
    let is_settled = |row: &serde_json::Value| row["status"] != "running";
    assert!(rows.iter().all(is_settled), "{rows:#?}");
}

#[test]
fn a_damaged_database_is_refused_and_left_as_it_is() {
    let rig = Rig::local();
    let path = database(&rig);
    let good = std::fs::read(&path).unwrap();
    let wrong_header = [&[0; 100], &good[100..]].concat();
    let cut = good[..good.len() / 2].to_vec();
    for (bytes, word) in [
        (wrong_header, "is not a database"),
        (cut, "damaged"),
        (Vec::new(), "empty file"),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        for args in [
            &["backup", "web"][..],
            &["plan"],
            &["apply", "--yes", "--prune"],
        ] {
            let said = rig.program.ends(69, args);
            eprintln!("seen: exit {} | {}", said.code, said.err.trim_end());
            assert!(said.err.contains(word), "{}", said.err);
        }
        assert!(std::fs::read(&path).unwrap() == bytes, "it was changed");
        for beside in ["state/pobsync.db-wal", "state/pobsync.db-shm"] {
            let _ = std::fs::remove_file(rig.program.path(beside));
        }
    }
    std::fs::write(&path, &good).unwrap();
    rig.check_untouched();
    rig.recovers();
}

/// A log that was cut off, as by a power cut, holds what was committed before the cut.
#[test]
fn a_truncated_log_of_the_database_loses_the_last_change_and_nothing_else() {
    let rig = Rig::local();
    // An open connection keeps the log from being folded in.
    let open = rusqlite::Connection::open(database(&rig)).unwrap();
    let count = |connection: &rusqlite::Connection| {
        let sql = "SELECT count(*) FROM snapshots";
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(count(&open), 1);
    rig.program.ends(0, &["backup", "web"]);
    let wal = rig.program.path("state/pobsync.db-wal");
    let log = std::fs::read(&wal).unwrap();
    let main = std::fs::read(database(&rig)).unwrap();
    drop(open);
    // What a crash would have left: the file as it was, and half of the log.
    std::fs::write(database(&rig), main).unwrap();
    std::fs::write(&wal, &log[..log.len() / 2 + 17]).unwrap();
    rig.program.ends(0, &["runs"]);
    rig.program.ends(0, &["discover-snapshots"]);
    let rows = rig.program.json(0, &["snapshots"]);
    assert_eq!(rows.as_array().unwrap().len(), 2, "{rows}");
    rig.recovers();
}

#[test]
fn a_database_that_others_could_read_or_replace_is_closed_to_them_or_told() {
    let rig = Rig::local();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&database(&rig), 0o644);
    let said = rig.program.ends(0, &["status"]);
    assert!(
        said.err.contains("had mode 0644; it is now 0600"),
        "{}",
        said.err
    );
    let folder = rig.program.path("state");
    mode(&folder, 0o777);
    let said = rig.program.ends(0, &["backup", "web"]);
    eprintln!("seen: {}", said.err.trim_end());
    assert!(
        said.err.contains("can be written by others"),
        "{}",
        said.err
    );
    let said = rig.program.run(&["check"]);
    assert!(
        said.out.contains("can be written by others"),
        "{}",
        said.out
    );
    mode(&folder, 0o700);
    for file in names_below(&folder) {
        let meta = std::fs::metadata(folder.join(&file)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o077, 0, "{file}");
    }
}
