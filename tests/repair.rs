//! `check --repair`: what the database and the disk say differently is shown, mended on request, and nothing goes that no
//! plan has listed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::program::{Program, names_below};
use serde_json::Value;

const CONFIGURATION: &str = "global { backup-root \"ROOT\" }\n\
    retention \"few\" { keep last=2; kinds \"manual\" }\n\
    host \"web\" { address \"local\"; source \"/etc/hostname\"; retention \"few\" }\n\
    host \"db\" { address \"local\"; source \"/etc/hostname\"; retention \"few\" }";

fn name(n: u32) -> String {
    format!("2026010{n}-020000Z__aaaaa{n}")
}

/// Two hosts, and four snapshots of the first.
fn program() -> Program {
    let program = Program::new();
    program.write("pobsync.kdl", CONFIGURATION);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    for n in 1..=4 {
        program.plant("web", "manual", &name(n));
    }
    program.ends(0, &["discover-snapshots"]);
    program
}

fn status(program: &Program, n: u32) -> String {
    let rows = program.json(0, &["snapshots", "--all"]);
    let rows: Vec<Value> = rows.as_array().unwrap().clone();
    let row = rows.iter().find(|row| row["name"] == name(n).as_str());
    row.map_or("none".to_owned(), |row| {
        row["status"].as_str().unwrap().to_owned()
    })
}

#[test]
fn what_differs_is_shown_first_and_mended_when_somebody_says_so() {
    let program = program();
    program.ends(0, &["check", "--repair"]);
    let web = program.root().join("web/manual");
    // One has gone, one has come, one is held in one place alone, one has a mark that the database lost.
    std::fs::rename(web.join(name(1)), program.path("away")).unwrap();
    program.plant("web", "manual", &name(5));
    program.ends(0, &["hold", "web", &name(2), "--reason", "audit"]);
    std::fs::remove_file(web.join(name(2)).join("hold.json")).unwrap();
    std::fs::write(
        web.join(name(3)).join("suspect.json"),
        "{\"since\": \"2026-01-03T02:00:00Z\", \"reason\": \"it shrank\"}",
    )
    .unwrap();
    std::fs::write(web.join("notes.txt"), "mine").unwrap();
    std::fs::create_dir_all(program.root().join("web/.trash/cut-off/data")).unwrap();

    let said = program.run(&["check", "--repair"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    for line in [
        format!("manual/{}: is recorded and not on disk", name(1)),
        format!("manual/{}: is on disk and has no row", name(5)),
        format!("manual/{}: is held in the database alone", name(2)),
        format!("manual/{}: is suspect on disk alone", name(3)),
        "cut-off lies in .trash and no plan has put it there".to_owned(),
        "notes.txt".to_owned(),
    ] {
        assert!(said.out.contains(&line), "{line}\n{}", said.out);
    }
    assert!(said.err.contains("--yes"), "{}", said.err);
    assert_eq!(
        (status(&program, 1), status(&program, 5)),
        ("complete".into(), "none".into())
    );

    // What a person has put there is not ours to mend.
    let told = program.json(13, &["check", "--repair", "--yes"]);
    assert_eq!(told["left"].as_array().unwrap().len(), 2, "{told}");
    assert_eq!(
        (status(&program, 1), status(&program, 5)),
        ("missing".into(), "complete".into())
    );
    assert!(web.join(name(2)).join("hold.json").exists());
    let trash = program.root().join("web/.trash");
    assert_eq!(names_below(&trash), ["cut-off"]);
    assert_eq!(
        std::fs::read_to_string(web.join("notes.txt")).unwrap(),
        "mine"
    );
    for n in 2..=5 {
        assert!(web.join(name(n)).join("data").exists(), "{n}");
    }
    std::fs::remove_dir_all(trash.join("cut-off")).unwrap();
    std::fs::remove_file(web.join("notes.txt")).unwrap();
    std::fs::rename(program.path("away"), web.join(name(1))).unwrap();
    program.ends(0, &["check", "--repair", "--yes"]);
    assert_eq!(status(&program, 1), "complete");
    let said = program.ends(0, &["check", "--repair"]);
    assert!(said.err.contains("agree"), "{}", said.err);
}

/// What `check` finds of snapshots: messages and help.
fn told(program: &Program) -> String {
    let said = program.run(&["check", "--format", "json"]);
    let told: Value = serde_json::from_str(&said.out).unwrap();
    let of_snapshots = told.as_array().unwrap().iter();
    of_snapshots
        .filter(|finding| finding["what"] == "snapshots")
        .map(|finding| {
            assert_eq!(finding["level"], "problem");
            format!("{}; {}\n", finding["message"], finding["help"])
        })
        .collect()
}

#[test]
fn what_rows_promise_and_the_disk_has_not_is_told_before_anybody_asks_for_it() {
    let program = program();
    let web = program.root().join("web/manual");
    assert_eq!(told(&program), "");
    std::fs::remove_dir_all(web.join(name(1))).unwrap();
    std::fs::rename(
        web.join(name(2)).join("data"),
        web.join(name(2)).join("gone"),
    )
    .unwrap();

    let absent = format!(
        "web: 2 are recorded and without data on disk below {}: manual/{}, manual/{}",
        program.root().join("web").display(),
        name(1),
        name(2)
    );
    let said = told(&program);
    for word in [&absent, "check --repair"] {
        assert!(said.contains(word), "{word}\n{said}");
    }
    assert!(!said.contains(&name(3)), "{said}");

    let said = program.ends(1, &["check", "--repair"]);
    let line = format!(
        "manual/{}: is recorded as complete and has no data",
        name(2)
    );
    assert!(said.out.contains(&line), "{}", said.out);
    // The rows say so now; what is left of the second is for a person.
    let mended = program.json(13, &["check", "--repair", "--yes"]);
    assert_eq!(mended["left"].as_array().unwrap().len(), 1, "{mended}");
    assert_eq!(
        (status(&program, 1), status(&program, 2)),
        ("missing".into(), "missing".into())
    );
    assert!(web.join(name(2)).join("meta.json").exists());
    std::fs::rename(
        web.join(name(2)).join("gone"),
        web.join(name(2)).join("data"),
    )
    .unwrap();
    program.ends(0, &["check", "--repair", "--yes"]);
    assert_eq!(status(&program, 2), "complete");
}

#[test]
fn a_link_in_the_place_of_a_host_is_told_and_hides_no_other_host() {
    let program = program();
    program.plant("db", "manual", &name(6));
    let host = program.root().join("web");
    std::fs::rename(&host, program.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(program.path("elsewhere"), &host).unwrap();
    let link = format!("{} is a symbolic link", host.display());
    let said = told(&program);
    assert!(said.contains(&format!("web: {link}")), "{said}");
    assert!(!said.contains("db: "), "{said}");
    let said = program.ends(1, &["check", "--repair"]);
    assert!(said.out.contains(&link), "{}", said.out);
    assert!(said.out.contains(&name(6)), "{}", said.out);
    let mended = program.json(13, &["check", "--repair", "--yes"]);
    assert_eq!(mended["left"].as_array().unwrap().len(), 1, "{mended}");
    assert_eq!(status(&program, 6), "complete");

    program.plant("db", "manual", &name(5));
    let said = program.ends(13, &["discover-snapshots"]);
    assert!(said.out.contains(&link), "{}", said.out);
    assert_eq!(status(&program, 5), "complete");
    // What the link hides is not taken for lost.
    assert_eq!(status(&program, 1), "complete");
    assert_eq!(names_below(&program.path("elsewhere/manual")).len(), 4);
}

#[test]
fn a_link_where_a_renamed_host_was_hides_no_other_host_from_discovery() {
    let program = program();
    // What a lost database knew: the host db has its snapshots elsewhere. Its own place is a link.
    program.plant("db", "manual", &name(6));
    let old = program.root().join("db");
    std::fs::rename(&old, program.root().join("older-name")).unwrap();
    std::os::unix::fs::symlink(program.path("elsewhere"), &old).unwrap();
    program.plant("web", "manual", &name(5));
    let said = program.ends(13, &["discover-snapshots"]);
    let link = format!("{} is a symbolic link", old.display());
    assert!(said.out.contains(&link), "{}", said.out);
    assert_eq!(status(&program, 5), "complete");
    // Without the link it gets its directory.
    std::fs::remove_file(&old).unwrap();
    program.ends(0, &["discover-snapshots"]);
    assert_eq!(status(&program, 6), "complete");
}

#[test]
fn a_host_that_somebody_works_on_is_left_alone() {
    let program = program();
    std::fs::rename(
        program.root().join("web/manual").join(name(1)),
        program.path("away"),
    )
    .unwrap();
    let lock = std::fs::File::open(program.root().join("web/.lock"));
    let lock = lock.or_else(|_| std::fs::File::create(program.root().join("web/.lock")));
    let lock = lock.unwrap();
    lock.lock().unwrap();
    let told = program.json(13, &["check", "--repair", "--yes"]);
    assert!(told.to_string().contains("not mended"), "{told}");
    assert_eq!(status(&program, 1), "complete");
    drop(lock);
    program.ends(0, &["check", "--repair", "--yes"]);
    assert_eq!(status(&program, 1), "missing");
}

#[test]
fn a_root_of_another_database_is_not_mended() {
    let program = program();
    std::fs::remove_dir_all(program.path("state")).unwrap();
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    let said = program.ends(10, &["check", "--repair", "--yes"]);
    assert!(said.err.contains("adopt-root"), "{}", said.err);
    assert_eq!(names_below(&program.root().join("web/manual")).len(), 4);
}
