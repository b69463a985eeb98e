//! The database as a file, and back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::program::Program;

/// Everything that a file can say.
fn full(program: &Program) {
    let schema = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/pobsync.kdl");
    let text = std::fs::read_to_string(schema).unwrap();
    program.write("pobsync.kdl", &text.replace("/mnt/backups/pobsync", "ROOT"));
}

#[test]
fn an_exported_configuration_plans_to_nothing() {
    let program = Program::new();
    full(&program);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["export", "--out", "exported.kdl"]);
    let said = program.ends(0, &["plan", "exported.kdl", "--detailed-exitcode"]);
    assert!(
        said.out
            .contains("Plan: 0 to create, 0 to change, 0 to retire. Drift: 0."),
        "{}",
        said.out
    );
    let text = std::fs::read_to_string(program.path("exported.kdl")).unwrap();
    assert_eq!(
        program.ends(0, &["export"]).out,
        text,
        "the same state, the same text"
    );
    let json = program.json(0, &["export"]);
    assert_eq!(json["files"][0]["text"], text);
    assert_eq!(json["adopted"], serde_json::json!([]));
    let said = program.ends(1, &["export", "--out", "exported.kdl"]);
    assert!(said.err.contains("is there already"), "{}", said.err);
}

#[test]
fn what_no_file_manages_is_adopted_and_otherwise_unchanged() {
    let program = Program::new();
    program.ends(
        0,
        &[
            "configure-global",
            "--backup-root",
            program.root().to_str().unwrap(),
        ],
    );
    for host in ["web-01", "web-02"] {
        let args = [
            "configure-host",
            host,
            "--address",
            "local",
            "--source",
            "/etc",
            "--source",
            "/etc",
            "--exclude",
            "/proc/*",
            "--exclude",
            "a \"b\\\" {}",
            "--keep",
            "daily=7",
        ];
        program.ends(0, &args);
    }
    program.ends(
        0,
        &["schedule", "web-02", "--cron", "15 2 * * *", "--prune"],
    );
    let said = program.ends(0, &["export", "--out", "pobsync.kdl"]);
    assert!(said.err.contains("global, web-01, web-02"), "{}", said.err);
    let plan = program.json(0, &["plan"]);
    for change in plan["changes"].as_array().unwrap() {
        let fields = change["fields"].as_array().unwrap();
        assert_eq!(fields.len(), 1, "{change}");
        assert_eq!(fields[0]["path"], "managed-by");
    }
    assert_eq!(plan["changes"].as_array().unwrap().len(), 3);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["plan", "--detailed-exitcode"]);
}
