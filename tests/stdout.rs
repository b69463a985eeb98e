//! What is printed: one document for programs, and a failure when it does not get out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs::File;
use std::process::Stdio;

use common::program::Program;

const CONFIG: &str = "global { backup-root \"ROOT\" }\nhost \"web\" { address \"local\"; source \"/etc/hostname\"; retention { keep KEEP } }\n";

/// Four snapshots, of which three go by the file.
fn program() -> Program {
    let program = Program::new();
    program.write("pobsync.kdl", &CONFIG.replace("KEEP", "last=9"));
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["discover-snapshots"]);
    for day in 1..=4 {
        let name = format!("2025120{day}-021500Z__abc00{day}");
        program.plant("web", "scheduled", &name);
    }
    program.ends(0, &["discover-snapshots"]);
    program.write("pobsync.kdl", &CONFIG.replace("KEEP", "last=1"));
    program
}

/// Ends of a call whose stdout is a full disk.
fn into_a_full_disk(program: &Program, args: &[&str]) -> (i32, String) {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let done = program.command(args).stdout(full).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    (done.status.code().unwrap(), said)
}

#[test]
fn a_result_that_does_not_get_out_is_a_failure() {
    let program = program();
    program.ends(0, &["plan", "--out", "plan.json"]);
    for args in [
        &["plan"][..],
        &["plan", "--detailed-exitcode"],
        &["plan", "--format", "json"],
        &["plan", "--format", "markdown"],
        &["plan", "--format", "html"],
        &["show-plan", "plan.json"],
        &["check-plan", "plan.json"],
        &["inventory"],
        &["hosts"],
        &["snapshots", "--format", "json"],
        &["history"],
        &["show", "web"],
        &["validate"],
        &["man"],
        &["completions", "bash"],
        &["--help"],
        &["--version"],
    ] {
        let (code, said) = into_a_full_disk(&program, args);
        assert_eq!(code, 1, "{args:?}: {said}");
        if !args[0].starts_with("--") {
            assert!(
                said.contains("cannot write to stdout: No space left"),
                "{args:?}: {said}"
            );
        }
    }
    // What failed anyway keeps its own code.
    std::fs::write(program.path("bad.kdl"), "nonsense").unwrap();
    let (code, _) = into_a_full_disk(&program, &["validate", "bad.kdl", "--format", "json"]);
    assert_eq!(code, 65);
}

#[test]
fn what_could_not_be_shown_is_not_done() {
    let program = program();
    let serial = |program: &Program| program.json(0, &["plan"])["serial"].clone();
    let before = serial(&program);
    let (code, said) = into_a_full_disk(&program, &["apply", "--yes", "--prune"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("cannot write to stdout"), "{said}");
    assert_eq!(serial(&program), before);
    program.ends(0, &["apply", "--yes"]);
    let (code, _) = into_a_full_disk(&program, &["retention", "web", "--apply", "--yes"]);
    assert_eq!(code, 1);
    assert_eq!(program.visible("web", "scheduled").len(), 4);
    program.ends(0, &["retention", "web", "--apply", "--yes"]);
    assert_eq!(program.visible("web", "scheduled").len(), 1);
}

#[test]
fn a_reader_that_has_gone_away_is_no_failure() {
    let program = program();
    for args in [
        &["plan"][..],
        &["plan", "--format", "html"],
        &["man"],
        &["--help"],
    ] {
        let mut child = program
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let done = child.wait_with_output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(
            (done.status.code(), said.as_str()),
            (Some(0), ""),
            "{args:?}"
        );
    }
}

#[test]
fn every_verb_prints_one_document_for_programs() {
    let program = program();
    program.ends(0, &["plan", "--out", "plan.json"]);
    let name = "20251204-021500Z__abc004";
    // In an order in which each has something to do; `json` fails on a second document.
    for (code, args, outcome) in [
        (0, &["validate"][..], Some("done")),
        (0, &["show", "web"], None),
        (
            0,
            &["plan", "--out", "plan.json", "--html-into", "plan.html"],
            Some("changes-delete"),
        ),
        (0, &["show-plan", "plan.json"], Some("changes-delete")),
        (0, &["check-plan", "plan.json"], Some("done")),
        (0, &["retention", "web"], None),
        (1, &["retention", "web", "--approve"], Some("failed")),
        (0, &["retention", "web", "--approve", "--yes"], Some("done")),
        (0, &["hold", "web", name, "--reason", "audit"], Some("done")),
        (0, &["unhold", "web", name], Some("done")),
        (0, &["unhold", "web", name], Some("no-changes")),
        (0, &["ack", "web"], Some("no-changes")),
        (0, &["inventory"], None),
        (0, &["inventory", "--out", "inventory.json"], Some("done")),
        (0, &["backup", "web", "--dry-run"], None),
        (1, &["apply"], Some("failed")),
        (0, &["apply", "--yes", "--prune"], Some("done")),
        (0, &["apply", "--yes"], Some("no-changes")),
        (11, &["apply", "plan.json", "--yes"], Some("stale")),
        (0, &["backup", "web"], None),
        (64, &["backup", "nobody"], None),
        (
            0,
            &["configure-host", "web", "--keep", "last=1"],
            Some("no-changes"),
        ),
        (0, &["plans"], None),
        (0, &["show-plan", "1"], None),
        (64, &["show-plan", "999"], Some("usage")),
        (64, &["hosts", "--format", "html"], None),
        (0, &["runs"], None),
        (0, &["history"], None),
        (0, &["status"], None),
        (0, &["discover-snapshots"], None),
        (0, &["adopt-root"], Some("no-changes")),
        (0, &["retention", "web", "--apply", "--yes"], Some("done")),
        (
            64,
            &["retention", "web", "--apply", "--kind", "manual", "--yes"],
            Some("usage"),
        ),
    ] {
        if args.contains(&"--format") {
            let said = program.ends(code, args);
            assert!(
                said.err.contains("only a plan has the form html"),
                "{}",
                said.err
            );
            continue;
        }
        let said = program.json(code, args);
        if let Some(word) = outcome {
            assert_eq!(said["outcome"], word, "{args:?}: {said}");
        }
    }
}

#[test]
fn a_prune_tells_programs_what_is_gone_or_why_not() {
    let program = program();
    let applied = program.json(0, &["apply", "--yes"]);
    assert_eq!(applied["pruned"], serde_json::json!([]));
    // The guard of the file stands against the first, the number on the command line lifts it.
    let refused = program.json(
        10,
        &["retention", "web", "--apply", "--yes", "--max-delete", "2"],
    );
    assert_eq!(refused["retention"]["totals"]["delete"], 3);
    assert_eq!(refused["pruned"]["outcome"], "refused");
    assert_eq!(refused["pruned"]["refusals"][0]["guard"], "max-delete");
    assert_eq!(program.visible("web", "scheduled").len(), 4);
    let done = program.json(0, &["retention", "web", "--apply", "--yes"]);
    assert_eq!(done["pruned"]["deleted"].as_array().unwrap().len(), 3);
    assert!(done["pruned"]["plan"].is_i64() && done["outcome"] == "done");
}

#[test]
fn a_recorded_plan_is_shown_by_its_number() {
    let program = program();
    program.ends(0, &["apply", "--yes", "--prune"]);
    let listed = program.ends(0, &["plans"]);
    assert!(listed.err.contains("pobsync show-plan N"), "{}", listed.err);
    let rows = program.json(0, &["plans"]);
    let prune = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["deletions"] == 3)
        .unwrap();
    let number = prune["plan"].to_string();
    let said = program.ends(0, &["show-plan", &number]);
    assert!(
        said.out.contains("- 20251201-021500Z__abc001"),
        "{}",
        said.out
    );
    assert!(
        said.err
            .contains(&format!("Recorded as plan {number} by alice")),
        "{}",
        said.err
    );
    let shown = program.json(0, &["show-plan", &number]);
    assert_eq!(shown["fingerprint"], prune["fingerprint"]);
    // A file may have a number for its name.
    program.ends(0, &["plan", "--out", "7"]);
    assert!(
        program
            .ends(0, &["show-plan", "./7"])
            .err
            .contains("current")
    );
    assert!(
        program
            .ends(64, &["show-plan", "77"])
            .err
            .contains("no recorded plan 77")
    );
}

#[test]
fn what_a_complete_pull_supersedes_is_told() {
    let program = program();
    let name = "20251130-021500Z__abc000";
    program.plant("web", "manual", name);
    let (from, to) = (
        program.root().join("web/manual"),
        program.root().join("web/.incomplete/manual"),
    );
    std::fs::create_dir_all(&to).unwrap();
    std::fs::rename(from.join(name), to.join(name)).unwrap();
    program.ends(0, &["discover-snapshots"]);
    let said = program.ends(0, &["backup", "web"]);
    let line = said
        .err
        .lines()
        .find(|line| line.contains(name))
        .unwrap_or_default();
    assert!(
        line.contains("deleted by plan") && line.contains("supersedes"),
        "{}",
        said.err
    );
    assert!(!to.join(name).exists());
}
