//! A clock that jumps: only the program's, so that the machine keeps the right one.

use crate::common::program::Said;
use crate::rig::Rig;

/// Backs up and prunes unattended, at another time.
fn backup_at(rig: &Rig, offset: &str) -> Said {
    let faked = ["faketime", "--exclude-monotonic", "-f", offset];
    rig.program.run_under(&faked, &["backup", "web", "--prune"])
}

/// The rows of the host that are complete, by their start.
fn rows(rig: &Rig) -> Vec<(String, String)> {
    let rows = rig.program.json(0, &["snapshots", "--all"]);
    let mut rows: Vec<(String, String)> = rows
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["status"] == "complete")
        .map(|row| {
            let text = |field: &str| row[field].as_str().unwrap().to_owned();
            (text("started_at"), text("name"))
        })
        .collect();
    rows.sort();
    rows
}

#[test]
fn a_clock_that_steps_back_makes_a_backup_and_prunes_nothing() {
    let rig = Rig::local();
    rig.program.ends(0, &["backup", "web"]);
    rig.program.ends(0, &["backup", "web"]);
    let before = rows(&rig);
    let said = backup_at(&rig, "-2d");
    eprintln!(
        "seen: exit {} | {} {}",
        said.code,
        said.out.trim_end(),
        said.err.trim_end()
    );
    assert_eq!(said.code, 10, "{}", said.err);
    assert!(said.out.contains("linked against"), "{}", said.out);
    assert!(
        said.err.contains("before the last time recorded"),
        "{}",
        said.err
    );
    let after = rows(&rig);
    // It is there, dated as the clock said, and in the order of its date.
    assert_eq!(after[1..], before[..]);
    assert!(after[0].1.replace('-', "") < before[0].1.replace('-', ""));
    rig.check_let_go();
    // Another one at that time prunes nothing either; the right time does, by the policy alone.
    assert_eq!(backup_at(&rig, "-2d").code, 10);
    assert_eq!(rows(&rig).len(), 5);
    rig.program.ends(0, &["backup", "web", "--prune"]);
    let left = rows(&rig);
    assert_eq!(left.len(), 2);
    assert_eq!(left[0], before[2]);
}

#[test]
fn a_clock_that_jumps_ahead_makes_a_backup_and_prunes_nothing_until_a_person_looks() {
    let rig = Rig::local();
    rig.program.ends(0, &["backup", "web"]);
    rig.program.ends(0, &["backup", "web"]);
    let before = rows(&rig);
    let said = backup_at(&rig, "+30d");
    eprintln!(
        "seen: exit {} | {} {}",
        said.code,
        said.out.trim_end(),
        said.err.trim_end()
    );
    assert_eq!(said.code, 10, "{}", said.err);
    assert!(
        said.err.contains("after the last sign of life"),
        "{}",
        said.err
    );
    let after = rows(&rig);
    assert_eq!(after[..3], before[..]);
    let ahead = after[3].1.clone();

    // Back at the right time that snapshot is dated in the future: no prune, unattended or by name, until it is away.
    for args in [
        &["backup", "web", "--prune"][..],
        &["retention", "web", "--apply", "--yes"],
    ] {
        let said = rig.program.ends(10, args);
        eprintln!("seen: exit {} | {}", said.code, said.err.trim_end());
        assert!(
            said.err.contains(&ahead) && said.err.contains("in the future"),
            "{}",
            said.err
        );
        assert!(said.err.contains("discover-snapshots"), "{}", said.err);
    }
    assert_eq!(rows(&rig).len(), 5);
    let manual = rig.program.root().join("web/manual");
    std::fs::rename(manual.join(&ahead), rig.program.path("away")).unwrap();
    rig.program.ends(0, &["discover-snapshots"]);
    rig.program.ends(0, &["backup", "web", "--prune"]);
    assert_eq!(rows(&rig).len(), 2);
    rig.check_let_go();
}
