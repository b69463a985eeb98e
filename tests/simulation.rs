//! `retention simulate` as an operator runs it: what it prints, what it refuses, and that it writes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::program::Program;

const FILE: &str = r#"
global { backup-root "ROOT"; timezone "Europe/Amsterdam" }
retention "standard" { keep last=3 daily=14 weekly=8 monthly=12 }
retention "lean" { keep daily=7 monthly=6 }
schedule "nightly" cron="15 2 * * *" { prune #true }
host "web" { address "local"; source "/etc/hostname"; retention "standard"; schedule "nightly" }
host "simulate" { address "local"; source "/etc/hostname"; retention "lean" }
"#;
const FROM: &str = "2026-11-24T12:00:00Z";

fn program() -> Program {
    let program = Program::new();
    program.write("pobsync.kdl", FILE);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["discover-snapshots"]);
    for day in 1..=20 {
        let name = format!("202611{day:02}-011500Z__abc{day:03}");
        program.plant("web", "scheduled", &name);
    }
    program.ends(0, &["discover-snapshots"]);
    program
}

/// The words of one simulation that always begins at the same moment.
fn words<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let first = ["retention", "simulate", "web", "--as-of", FROM];
    first.into_iter().chain(args.iter().copied()).collect()
}

fn ends(program: &Program, code: i32, args: &[&str]) -> common::program::Said {
    program.ends(code, &words(args))
}

#[test]
fn two_policies_stand_beside_each_other() {
    let program = program();
    let words = words(&["--policy", "standard", "--compare", "lean"]);
    let blocks = program.command(&words).env("LC_ALL", "C.UTF-8").output();
    insta::assert_snapshot!(
        "compared",
        String::from_utf8(blocks.unwrap().stdout).unwrap()
    );
}

#[test]
fn a_terminal_of_sixty_columns_without_utf_8_is_enough() {
    let program = program();
    // A terminal of its own: script(1) gives the program one, and stty says how wide it is.
    let command = format!(
        "stty cols 60; exec {} retention simulate web --as-of {FROM} --color never",
        env!("CARGO_BIN_EXE_pobsync")
    );
    let said = std::process::Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(program.path(""))
        .env("POBSYNC_DATABASE", program.path("state/pobsync.db"))
        .env("LC_ALL", "C")
        .env("SHELL", "/bin/sh")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(said.stdout).unwrap().replace('\r', "");
    assert!(text.is_ascii(), "{text}");
    let widest = text.lines().map(str::len).max().unwrap();
    assert!((56..=60).contains(&widest), "{widest}: {text}");
    insta::assert_snapshot!("narrow", text);
}

#[test]
fn the_json_is_what_its_schema_says() {
    let program = program();
    let schema = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/simulation.schema.json"),
    )
    .unwrap();
    let schema = serde_json::from_str(&schema).unwrap();
    for args in [
        &["--compare", "lean"][..],
        &["--every", "6h", "--policy", "last=5 within-weekly=1y"],
        &["--policy", "monthly=unlimited", "--horizon", "2m"],
    ] {
        let all: Vec<&str> = args.iter().copied().chain(["--format", "json"]).collect();
        let said = ends(&program, 0, &all);
        let found: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let wrong: Vec<String> = validator
            .iter_errors(&found)
            .map(|e| e.to_string())
            .collect();
        assert!(wrong.is_empty(), "{args:?}: {wrong:?}");
    }
}

#[test]
fn the_simulation_ends_where_the_planner_has_nothing_to_delete() {
    let program = program();
    let said = ends(&program, 0, &["--policy", "lean", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let lean = &found["policies"][0];
    assert_eq!(lean["source"]["named"], "lean");
    assert_eq!(lean["snapshots"]["now"], 20);
    // Of the 20 and a new one seven days stay; what is left of the month is among them.
    assert_eq!(lean["first_prune"]["deletes"], 13);
    let count = lean["snapshots"]["at_end"].as_u64().unwrap();
    assert!((11..=13).contains(&count), "{count}");
}

#[test]
fn nothing_is_written_and_no_file_is_needed_for_rules() {
    let program = program();
    let before = std::fs::read(program.path("state/pobsync.db")).unwrap();
    std::fs::remove_file(program.path("pobsync.kdl")).unwrap();
    ends(&program, 0, &[]);
    ends(
        &program,
        0,
        &[
            "--policy",
            "daily=7",
            "--cron",
            "@hourly",
            "--horizon",
            "1m",
        ],
    );
    ends(&program, 65, &["--policy", "lean"]);
    let after = std::fs::read(program.path("state/pobsync.db")).unwrap();
    assert!(before == after, "the database is as it was");
}

#[test]
fn the_file_is_simulated_before_it_is_applied_and_without_a_database() {
    let program = program();
    program.write("pobsync.kdl", &FILE.replace("daily=14", "daily=2"));
    let said = ends(&program, 0, &["--from-file"]);
    assert!(
        said.out.contains("policy of the file: last=3 daily=2"),
        "{}",
        said.out
    );
    assert!(said.out.contains("20 snapshots now"), "{}", said.out);
    let in_force = ends(&program, 0, &[]);
    assert!(
        in_force.out.contains("policy in force: last=3 daily=14"),
        "{}",
        in_force.out
    );
    let said = ends(
        &program,
        0,
        &["--from-file", "--database", "/nonexistent/db"],
    );
    assert!(said.err.contains("there is no database"), "{}", said.err);
    assert!(said.out.contains("0 snapshots now"), "{}", said.out);
    ends(&program, 69, &["--database", "/nonexistent/db"]);
    program.ends(0, &["inventory", "--out", "inventory.json"]);
    let offline = ends(
        &program,
        0,
        &[
            "--inventory",
            "inventory.json",
            "--database",
            "/nonexistent/db",
        ],
    );
    assert_eq!(
        offline.out, in_force.out,
        "an inventory is as good as the database"
    );
}

#[test]
fn what_cannot_be_simulated_says_what_to_do() {
    let program = program();
    let simulate = |code, args: &[&str], word: &str| {
        let said = ends(&program, code, args);
        assert!(said.err.contains(word), "{args:?}: {}", said.err);
    };
    simulate(64, &["--policy", "nope"], "it names lean, standard");
    simulate(65, &["--policy", "dialy=3"], "is not a retention rule");
    simulate(64, &["--horizon", "60y"], "at most 50y");
    simulate(64, &["--horizon", "3w"], "calendar length");
    simulate(64, &["--cron", "* * * * *"], "more than 100000 backups");
    simulate(65, &["--cron", "* * *"], "five fields");
    simulate(
        64,
        &["--cron", "@daily", "--every", "1d"],
        "cannot be used with",
    );
    program.ends(64, &["retention", "simulate"]);
    program.ends(64, &["retention"]);
    // A host of that name is asked for after `--`, and has no schedule of its own.
    let plan = program.ends(0, &["retention", "--", "simulate"]);
    assert!(
        plan.out.starts_with("Snapshots of simulate: daily=7"),
        "{}",
        plan.out
    );
    let said = program.ends(64, &["retention", "simulate", "simulate"]);
    assert!(said.err.contains("--every 1d"), "{}", said.err);
    program.ends(0, &["retention", "simulate", "simulate", "--every", "1d"]);
    program.write(
        "pobsync.kdl",
        &FILE.replace("host \"simulate\"", "host \"other\""),
    );
    program.ends(0, &["apply", "--yes"]);
    let said = program.ends(1, &["retention", "simulate", "simulate", "--every", "1d"]);
    assert!(said.err.contains("has retired"), "{}", said.err);
}
