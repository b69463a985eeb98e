//! The database is lost, and everything comes back: from the root and the file, and from the nightly copy in the root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

use common::program::{Program, names_below};
use common::{Sshd, assert_same_tree, build_tree};
use serde_json::Value;

struct Fixture {
    program: Program,
    source: PathBuf,
    sshd: Sshd,
}

impl Fixture {
    /// A night and a day of two hosts: kinds, bases, a hold, a suspect mark, a renamed host.
    fn new() -> Self {
        let fixture = Self {
            source: PathBuf::new(),
            program: Program::new(),
            sshd: Sshd::start(),
        };
        let source = fixture.program.path("source");
        std::fs::create_dir(&source).unwrap();
        let fixture = Self { source, ..fixture };
        build_tree(&fixture.source);
        fixture.configure("host \"renamed-later\"");
        fixture.program.ends(0, &["init"]);
        fixture.program.ends(0, &["apply", "--yes"]);
        fixture.program.ends(0, &["backup", "renamed-later"]);
        fixture.configure("host \"db\" was=\"renamed-later\"");
        fixture.program.ends(0, &["apply", "--yes"]);
        for kind in [&["--scheduled"][..], &[], &["--scheduled"]] {
            let args = [&["backup", "web", "db"][..], kind].concat();
            fixture.program.ends(0, &args);
        }
        let held = fixture.program.visible("web", "scheduled").remove(0);
        let args = ["hold", "web", &held, "--reason", "court case", "--until"];
        let until = "2126-01-01T00:00:00Z";
        fixture.program.ends(0, &[&args[..], &[until]].concat());
        // A disk of the host that is not mounted.
        let away = fixture.source.with_extension("away");
        std::fs::rename(&fixture.source, &away).unwrap();
        std::fs::create_dir(&fixture.source).unwrap();
        fixture.program.ends(0, &["backup", "web"]);
        std::fs::remove_dir(&fixture.source).unwrap();
        std::fs::rename(&away, &fixture.source).unwrap();
        fixture
    }

    fn configure(&self, second: &str) {
        let text = format!(
            "global {{ backup-root \"ROOT\"; ssh {{ port {}; identity \"{}\"; known-hosts \"{}\" }} }}\n\
             retention \"few\" {{ keep last=1; kinds \"scheduled\" \"manual\" }}\n\
             host \"web\" {{ address \"127.0.0.1\"; source \"{source}\"; retention \"few\" }}\n\
             {second} {{ address \"127.0.0.1\"; source \"{source}\"; retention \"few\" }}",
            self.sshd.port,
            self.sshd.identity.display(),
            self.sshd.known_hosts.display(),
            source = self.source.display(),
        );
        self.program.write("pobsync.kdl", &text);
    }

    /// What must come back: every snapshot with all that is known of it but the numbers of rows, and when it ended: the
    /// database counts the moments until the snapshot was durable, which its own record cannot.
    fn snapshots(&self) -> Vec<Value> {
        let rows = self.program.json(0, &["snapshots"]);
        let mut rows: Vec<Value> = rows.as_array().unwrap().clone();
        for row in &mut rows {
            for of_a_row in ["id", "run", "plan", "base_id", "finished_at"] {
                row.as_object_mut().unwrap().remove(of_a_row);
            }
        }
        assert_eq!(rows.len(), 8, "{rows:?}");
        assert!(rows.iter().any(|row| row["hold"].is_object()), "{rows:?}");
        assert!(rows.iter().any(|row| row["suspect"] == true), "{rows:?}");
        rows
    }

    fn plans(&self) -> Value {
        let mut plan = self.program.json(0, &["plan"])["retention"].clone();
        for retention in plan.as_array_mut().unwrap() {
            retention.as_object_mut().unwrap().remove("approved");
            // What a deletion frees is measured anew: by `du`, or by the next backup.
            retention["totals"].as_object_mut().unwrap().remove("frees");
        }
        plan
    }

    /// Backups, prunes and restores go on as if nothing had been.
    fn goes_on(&self) {
        let said = self.program.ends(0, &["backup", "db"]);
        assert!(said.out.contains("linked against"), "{}", said.out);
        // The suspect snapshot still stops what nobody looks at.
        let said = self
            .program
            .ends(10, &["backup", "web", "--scheduled", "--prune"]);
        assert!(said.err.contains("suspect"), "{}", said.err);
        self.program.ends(0, &["ack", "web"]);
        let held = self.program.visible("web", "scheduled").remove(0);
        self.program
            .ends(0, &["retention", "web", "--apply", "--yes"]);
        assert!(
            self.program.visible("web", "scheduled").contains(&held),
            "a hold outlives the database"
        );
        let back = self.program.path("back");
        self.program.ends(
            0,
            &[
                "restore",
                "web",
                self.source.to_str().unwrap(),
                "--flat",
                "--to",
                back.to_str().unwrap(),
            ],
        );
        assert_same_tree(&self.source, &back.join("source"));
        self.program.ends(0, &["check"]);
    }

    fn lose_the_database(&self) {
        std::fs::remove_dir_all(self.program.path("state")).unwrap();
    }
}

#[test]
fn the_root_and_the_file_bring_everything_back() {
    let fixture = Fixture::new();
    let program = &fixture.program;
    let (snapshots, plans) = (fixture.snapshots(), fixture.plans());
    fixture.lose_the_database();
    let said = program.run(&["plan"]);
    assert_ne!(said.code, 0, "{}", said.out);

    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    // Until somebody says that the root is this database's, nothing is written to it or deleted.
    let said = program.ends(10, &["backup", "web"]);
    assert!(said.err.contains("adopt-root"), "{}", said.err);
    let said = program.ends(1, &["adopt-root"]);
    assert!(said.err.contains("lineage"), "{}", said.err);
    program.ends(0, &["adopt-root", "--yes"]);
    let said = program.ends(0, &["discover-snapshots"]);
    assert!(
        said.out.contains("renamed-later"),
        "{}{}",
        said.out,
        said.err
    );

    assert_eq!(fixture.snapshots(), snapshots);
    assert_eq!(fixture.plans(), plans);
    let again = program.json(0, &["discover-snapshots"]);
    assert!(
        again
            .as_array()
            .unwrap()
            .iter()
            .all(|host| host["new"] == 0),
        "{again}"
    );
    fixture.goes_on();
}

#[test]
fn the_nightly_copy_in_the_root_brings_everything_back() {
    let fixture = Fixture::new();
    let program = &fixture.program;
    program.ends(0, &["scheduler", "--once"]);
    let history = program.json(0, &["history"]);
    // Made after the copy.
    program.ends(0, &["backup", "db"]);
    program.ends(0, &["backup", "web", "--scheduled"]);
    let rows = program.json(0, &["snapshots"]).as_array().unwrap().len();
    fixture.lose_the_database();

    let copies = program.root().join(".pobsync-database");
    let newest = names_below(&copies).pop().unwrap();
    std::fs::create_dir(program.path("state")).unwrap();
    std::fs::copy(
        copies.join(newest),
        program.path("state").join("pobsync.db"),
    )
    .unwrap();
    program.ends(0, &["discover-snapshots"]);
    let found = program.json(0, &["snapshots"]).as_array().unwrap().len();
    assert_eq!(found, rows);
    assert_eq!(program.json(0, &["history"]), history);
    fixture.goes_on();
}

#[test]
fn a_root_that_has_moved_is_found_at_its_new_place() {
    let fixture = Fixture::new();
    let program = &fixture.program;
    let snapshots = fixture.snapshots();
    let there = program.path("another disk");
    std::fs::rename(program.root(), &there).unwrap();
    let said = program.ends(10, &["backup", "web"]);
    assert!(said.err.contains("nothing was written"), "{}", said.err);
    assert!(!program.root().exists());
    let text = std::fs::read_to_string(program.path("pobsync.kdl")).unwrap();
    let text = text.replace(program.root().to_str().unwrap(), there.to_str().unwrap());
    std::fs::write(program.path("pobsync.kdl"), text).unwrap();
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["discover-snapshots"]);
    assert_eq!(fixture.snapshots(), snapshots);
    program.ends(0, &["backup", "db"]);
    assert!(Path::new(&there).join("web").exists());
}
