//! What lies on disk counts only as far as it fits: an emptied tree is no snapshot, and one of another host is not ours.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::is_root;
use common::program::{Program, names_below};

/// Two hosts with a hundred files, each backed up three times.
fn prepared() -> Program {
    let program = Program::new();
    let source = program.path("source");
    std::fs::create_dir(&source).unwrap();
    for n in 0..100 {
        std::fs::write(source.join(n.to_string()), "x").unwrap();
    }
    let host = |name: &str| {
        format!(
            "host \"{name}\" {{ address \"local\"; source \"{}\"; retention {{ keep last=2; kinds \"manual\" }} }}\n",
            source.display()
        )
    };
    program.write(
        "pobsync.kdl",
        &format!(
            "global {{ backup-root \"ROOT\" }}\n{}{}",
            host("db"),
            host("web")
        ),
    );
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    for _ in 0..3 {
        program.ends(0, &["backup", "web", "db"]);
    }
    program
}

#[test]
fn a_kept_snapshot_whose_tree_was_emptied_stops_the_prune_and_is_no_base() {
    for is_all_gone in [true, false] {
        let program = prepared();
        let newest = program.visible("web", "manual").pop().unwrap();
        let data = program.data("web", "manual", &newest);
        if is_all_gone {
            std::fs::remove_dir_all(&data).unwrap();
            std::fs::create_dir(&data).unwrap();
        } else {
            // The directories above the source stay.
            let tree = data.join(program.path("source").strip_prefix("/").unwrap());
            std::fs::remove_dir_all(&tree).unwrap();
            std::fs::create_dir(&tree).unwrap();
        }
        let said = program.ends(
            11,
            &["retention", "web", "--apply", "--yes", "--max-delete", "9"],
        );
        assert!(
            said.err.contains("its data is empty, or almost"),
            "{}",
            said.err
        );
        assert_eq!(
            program.visible("web", "manual").len(),
            3,
            "nothing was deleted"
        );
        let rows = program.json(0, &["snapshots", "web", "--all"]);
        let row = rows
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == *newest);
        assert_eq!(row.unwrap()["status"], "missing");
        let said = program.ends(0, &["backup", "web"]);
        assert!(
            !said.out.contains(&format!("against {newest}")),
            "{}",
            said.out
        );
    }
}

#[test]
fn a_host_with_nothing_but_devices_is_whole_with_an_empty_tree() {
    if !is_root() {
        return;
    }
    let program = Program::new();
    let source = program.path("source");
    std::fs::create_dir(&source).unwrap();
    for n in 0..300 {
        let path = source.join(n.to_string());
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
    }
    program.write(
        "pobsync.kdl",
        &format!("global {{ backup-root \"ROOT\" }}\nhost \"web\" {{ address \"local\"; source \"{}\"; suspect-percent 0; retention {{ keep last=1; kinds \"manual\" }} }}", source.display()),
    );
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    for _ in 0..2 {
        program.ends(0, &["backup", "web", "--prune"]);
    }
    assert_eq!(program.visible("web", "manual").len(), 1);
}

#[test]
fn a_snapshot_of_another_host_is_not_taken_in() {
    let program = prepared();
    let (web, db) = (
        program.root().join("web/manual"),
        program.root().join("db/manual"),
    );
    let mut of_db = program.visible("db", "manual");
    let (moved, in_place_of) = (of_db.pop().unwrap(), of_db.pop().unwrap());
    std::fs::rename(db.join(&moved), web.join(&moved)).unwrap();
    // And one that has a row, changed for that of the other host.
    let own = program.visible("web", "manual").remove(0);
    std::fs::remove_dir_all(web.join(&own)).unwrap();
    std::fs::rename(db.join(&in_place_of), web.join(&own)).unwrap();

    let found = program.json(13, &["discover-snapshots", "--host", "web"]);
    let found = &found[0];
    assert_eq!(
        (&found["new"], &found["missing"]),
        (&0.into(), &1.into()),
        "{found}"
    );
    let problems = found["problems"].to_string();
    for words in [
        format!("{moved}: not recorded, it says host"),
        format!("{own}: not recorded, it says name"),
    ] {
        assert!(problems.contains(&words), "{words}: {problems}");
    }
    let rows = program.json(0, &["snapshots", "web"]);
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert_eq!(names_below(&web).len(), 4, "and nothing of it is touched");
    // Moved back, it counts again.
    std::fs::rename(web.join(&moved), db.join(&moved)).unwrap();
    program.ends(13, &["discover-snapshots"]);
    assert_eq!(
        program
            .json(0, &["snapshots", "db"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
