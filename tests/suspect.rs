//! Suspect snapshots, over a real sshd and rsync: a disk that is not mounted, files that are all rewritten, and days on
//! which nothing is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::PathBuf;

use common::program::Program;
use common::{Sshd, is_root};

struct Fixture {
    program: Program,
    source: PathBuf,
    _sshd: Sshd,
}

impl Fixture {
    /// A host with a hundred files, backed up three times, that keeps one snapshot.
    fn new() -> Self {
        let sshd = Sshd::start();
        let program = Program::new();
        let source = program.path("disk");
        std::fs::create_dir(&source).unwrap();
        let fixture = Self {
            source,
            program,
            _sshd: sshd,
        };
        fixture.fill(100, "as it was");
        let text = format!(
            "global {{ backup-root \"ROOT\"; ssh {{ port {}; identity \"{}\"; known-hosts \"{}\" }} }}\n\
             host \"web\" {{ address \"127.0.0.1\"; source \"{}\"; retention {{ keep last=1; kinds \"manual\" }} }}",
            fixture._sshd.port,
            fixture._sshd.identity.display(),
            fixture._sshd.known_hosts.display(),
            fixture.source.display(),
        );
        fixture.program.write("pobsync.kdl", &text);
        fixture.program.ends(0, &["init"]);
        fixture.program.ends(0, &["apply", "--yes"]);
        for _ in 0..3 {
            fixture.program.ends(0, &["backup", "web"]);
        }
        fixture
    }

    fn fill(&self, count: usize, text: &str) {
        for n in 0..count {
            std::fs::write(self.source.join(n.to_string()), format!("{text} {n}")).unwrap();
        }
    }

    fn empty(&self) {
        std::fs::rename(&self.source, self.source.with_extension("unmounted")).unwrap();
        std::fs::create_dir(&self.source).unwrap();
    }

    fn mount(&self) {
        std::fs::remove_dir(&self.source).unwrap();
        std::fs::rename(self.source.with_extension("unmounted"), &self.source).unwrap();
    }

    fn suspects(&self) -> Vec<bool> {
        let rows = self.program.json(0, &["snapshots"]);
        let rows = rows.as_array().unwrap();
        rows.iter()
            .map(|row| row["suspect"].as_bool().unwrap())
            .collect()
    }

    fn state(&self, code: i32) -> String {
        let status = self.program.json(code, &["status"]);
        status["hosts"][0]["state"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_disk_that_is_not_mounted_ages_out_nothing_until_somebody_has_looked() {
    if !is_root() {
        return;
    }
    let fixture = Fixture::new();
    let program = &fixture.program;
    assert_eq!(fixture.suspects(), [false; 3]);
    fixture.empty();
    let said = program.ends(10, &["backup", "web", "--prune"]);
    assert!(
        said.err
            .contains("suspect: its sources hold no files at all"),
        "{}",
        said.err
    );
    assert!(said.err.contains("pobsync ack web"), "{}", said.err);
    assert_eq!(fixture.suspects(), [false, false, false, true]);
    assert_eq!(fixture.state(1), "suspect");
    let newest = program.visible("web", "manual").pop().unwrap();
    let mark = program
        .data("web", "manual", &newest)
        .with_file_name("suspect.json");
    assert!(
        std::fs::read_to_string(mark)
            .unwrap()
            .contains("no files at all")
    );
    let plan = program.ends(0, &["retention", "web"]);
    assert!(
        plan.out
            .lines()
            .any(|l| l.contains(&newest) && l.contains("suspect")),
        "{}",
        plan.out
    );
    let list = program.ends(0, &["snapshots"]);
    assert!(
        list.out
            .lines()
            .any(|l| l.contains(&newest) && l.contains("suspect")),
        "{}",
        list.out
    );

    // It stays so while the disk stays away.
    program.ends(10, &["backup", "web", "--prune"]);
    assert_eq!(fixture.suspects()[3..], [true, true]);
    // Nor does an apply of the whole file, as CI has it, speak for somebody who has looked.
    let said = program.ends(10, &["apply", "--yes", "--prune"]);
    assert!(said.err.contains("pobsync ack web"), "{}", said.err);
    assert_eq!(program.visible("web", "manual").len(), 5);

    // Back again: all files are found in the last good snapshot, and this one is no suspect; those before it still are.
    fixture.mount();
    let said = program.ends(10, &["backup", "web", "--prune"]);
    assert!(!said.err.contains("have changed"), "{}", said.err);
    assert_eq!(fixture.suspects()[3..], [true, true, false]);
    let name = program.visible("web", "manual").pop().unwrap();
    let meta = std::fs::read_to_string(
        program
            .data("web", "manual", &name)
            .with_file_name("meta.json"),
    )
    .unwrap();
    let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
    assert_eq!(meta["changed_percent"], 0, "{meta}");
    // The plan lets the suspects go, and keeps none: nothing happens by itself all the same.
    let plan = program.json(0, &["retention", "web"]);
    assert_eq!(plan["keep"].as_array().unwrap().len(), 1);
    assert_eq!(
        plan["delete"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|d| d["suspect"] == true)
            .count(),
        2
    );
    assert_eq!(program.visible("web", "manual").len(), 6);

    let said = program.ends(0, &["ack", "web"]);
    assert!(format!("{}{}", said.out, said.err).contains("2 suspect snapshots"));
    assert_eq!(fixture.suspects(), [false; 6]);
    assert_eq!(fixture.state(1), "prune", "the last one was refused");
    program.ends(0, &["backup", "web", "--prune"]);
    assert_eq!(program.visible("web", "manual").len(), 1);
    assert_eq!(fixture.state(0), "well");
}

#[test]
fn files_that_are_all_rewritten_are_suspect_and_a_person_may_prune_all_the_same() {
    if !is_root() {
        return;
    }
    let fixture = Fixture::new();
    let program = &fixture.program;
    fixture.fill(100, "encrypted");
    let said = program.ends(10, &["backup", "web", "--prune"]);
    assert!(
        said.err
            .contains("suspect: 100 of its 100 files have changed"),
        "{}",
        said.err
    );
    assert_eq!(fixture.suspects(), [false, false, false, true]);
    assert_eq!(program.visible("web", "manual").len(), 4);

    // The database is lost, and the mark is not.
    std::fs::remove_dir_all(program.path("state")).unwrap();
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["discover-snapshots"]);
    assert_eq!(fixture.suspects(), [false, false, false, true]);
    program.ends(0, &["adopt-root", "--yes"]);
    program.ends(10, &["backup", "web", "--prune"]);

    program.ends(
        0,
        &["retention", "web", "--apply", "--yes", "--max-delete", "10"],
    );
    assert_eq!(program.visible("web", "manual").len(), 1);
}

#[test]
fn an_acknowledged_snapshot_is_what_the_next_is_compared_with() {
    if !is_root() {
        return;
    }
    let fixture = Fixture::new();
    let program = &fixture.program;
    for n in 30..100 {
        std::fs::remove_file(fixture.source.join(n.to_string())).unwrap();
    }
    let said = program.ends(0, &["backup", "web"]);
    assert!(
        said.err.contains("suspect: its files fell from"),
        "{}",
        said.err
    );
    program.ends(0, &["ack", "web"]);
    program.ends(0, &["backup", "web", "--prune"]);
    assert_eq!(fixture.suspects(), [false]);
}

#[test]
fn growth_and_ordinary_change_are_well() {
    if !is_root() {
        return;
    }
    let fixture = Fixture::new();
    let program = &fixture.program;
    fixture.fill(60, "changed today");
    program.ends(0, &["backup", "web"]);
    std::fs::create_dir(fixture.source.join("new")).unwrap();
    for n in 0..900 {
        std::fs::write(fixture.source.join(format!("new/{n}")), "new").unwrap();
    }
    program.ends(0, &["backup", "web"]);
    for n in 0..400 {
        std::fs::remove_file(fixture.source.join(format!("new/{n}"))).unwrap();
    }
    program.ends(0, &["backup", "web", "--prune"]);
    assert_eq!(fixture.suspects(), [false]);
}

#[test]
fn a_first_backup_is_no_change_and_a_host_may_have_it_switched_off() {
    if !is_root() {
        return;
    }
    let fixture = Fixture::new();
    let program = &fixture.program;
    let text = std::fs::read_to_string(program.path("pobsync.kdl")).unwrap();
    program.write(
        "pobsync.kdl",
        &text.replace("host \"web\" {", "host \"web\" { suspect-percent 0;"),
    );
    program.ends(0, &["apply", "--yes"]);
    fixture.empty();
    program.ends(0, &["backup", "web"]);
    assert_eq!(fixture.suspects(), [false; 4]);
}
