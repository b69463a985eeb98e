//! What is changed in SQL, and what is changed in the file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::symlink;

use common::program::Program;

const FILE: &str = r#"/- kdl-version 2
global { backup-root "ROOT" } // one disk
group "web" {
    source "/etc"
    retention { keep daily=14 }
}
include "hosts/*.kdl"
"#;

const HOSTS: &str = r#"
// The web.
host "web-01" group="web" {
    address "web-01.example.net"   // moved in March
    ssh { port 22 } // behind the firewall
}
host "web-02" group="web" { address "b.example.net" }
"#;

fn fleet() -> Program {
    let program = Program::new();
    program.write("pobsync.kdl", FILE);
    program.write("hosts/web.kdl", HOSTS);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program
}

fn text(program: &Program, name: &str) -> String {
    std::fs::read_to_string(program.path(name)).unwrap()
}

#[test]
fn with_a_file_the_imperative_commands_edit_it_and_touch_no_database() {
    let program = Program::new();
    program.write("pobsync.kdl", FILE);
    program.write("hosts/web.kdl", HOSTS);
    let said = program.ends(
        0,
        &[
            "configure-host",
            "web-01",
            "--port",
            "2222",
            "--keep",
            "daily=30 weekly=4",
            "--exclude",
            "/var/tmp",
            "--file",
            "pobsync.kdl",
        ],
    );
    for line in [
        "-    ssh { port 22 } // behind the firewall",
        "+    ssh { port 2222 } // behind the firewall",
        "+    retention { keep daily=30 weekly=4 }",
        "+    exclude \"/var/tmp\"",
    ] {
        assert!(said.out.contains(line), "{line}\n{}", said.out);
    }
    assert!(said.out.starts_with("--- hosts/web.kdl"), "{}", said.out);
    let mut args = vec![
        "configure-host",
        "new",
        "--address",
        "local",
        "-f",
        "pobsync.kdl",
    ];
    program.ends(0, &args);
    args.extend(["--enabled", "false"]);
    let json = program.json(0, &args);
    assert_eq!(json["outcome"], "done");
    assert!(
        json["files"][0]["diff"]
            .as_str()
            .unwrap()
            .contains("+    enabled #false")
    );
    assert_eq!(program.json(0, &args)["outcome"], "no-changes");
    program.ends(
        0,
        &[
            "schedule",
            "new",
            "--cron",
            "15 2 * * *",
            "--prune",
            "--file",
            "pobsync.kdl",
        ],
    );
    program.ends(
        0,
        &[
            "configure-global",
            "--max-delete",
            "7",
            "--file",
            "pobsync.kdl",
        ],
    );
    assert!(!program.path("state").exists(), "no database was made");
    program.ends(0, &["validate"]);
    let main = text(&program, "pobsync.kdl");
    assert!(
        main.contains("; guard { max-delete 7 } } // one disk"),
        "{main}"
    );
    assert!(
        main.ends_with(
            "\nhost \"new\" {\n    address \"local\"\n    source \"/\"\n    enabled #false\n    schedule cron=\"15 2 * * *\" prune=#true\n}\n"
        ),
        "{main}"
    );
    program.ends(
        64,
        &[
            "configure-host",
            "newer",
            "--port",
            "1",
            "--file",
            "pobsync.kdl",
        ],
    );
    program.ends(0, &["schedule", "new", "--none", "--file", "pobsync.kdl"]);
    assert!(!text(&program, "pobsync.kdl").contains("cron"));
}

#[test]
fn a_file_that_the_environment_names_is_not_edited() {
    let program = fleet();
    let before = text(&program, "hosts/web.kdl");
    program.ends(0, &["configure-host", "web-01", "--port", "2222"]);
    assert_eq!(text(&program, "hosts/web.kdl"), before);
}

#[test]
fn links_and_broken_files_are_left_alone() {
    let program = Program::new();
    program.write(
        "real.kdl",
        "host \"a\" { address \"local\"; source \"/\" }\n",
    );
    symlink(program.path("real.kdl"), program.path("link.kdl")).unwrap();
    let said = program.ends(
        1,
        &["configure-host", "a", "--port", "2", "--file", "link.kdl"],
    );
    assert!(said.err.contains("symbolic link"), "{}", said.err);
    assert!(
        program
            .path("link.kdl")
            .symlink_metadata()
            .unwrap()
            .is_symlink()
    );
    program.write("broken.kdl", "host \"a\" { address \"local\" }\n");
    program.ends(
        65,
        &["configure-host", "a", "--port", "2", "--file", "broken.kdl"],
    );
    assert_eq!(
        text(&program, "broken.kdl"),
        "host \"a\" { address \"local\" }\n"
    );
    let refused = program.write(
        "group.kdl",
        "group \"g\" { source \"/\"; schedule cron=\"@daily\" }\nhost \"a\" group=\"g\" { address \"local\" }\n",
    );
    let before = std::fs::read_to_string(&refused).unwrap();
    let said = program.ends(1, &["schedule", "a", "--none", "--file", "group.kdl"]);
    assert!(
        said.err.contains("cannot take all of them away"),
        "{}",
        said.err
    );
    assert_eq!(std::fs::read_to_string(&refused).unwrap(), before);
}

#[test]
fn what_drifted_is_shown_with_its_sides_and_adopted_into_the_file() {
    let program = fleet();
    assert!(
        program
            .ends(0, &["drift", "--detailed-exitcode"])
            .out
            .contains("Drift: 0 fields.")
    );
    let mut bob = program.command(&[
        "configure-host",
        "web-01",
        "--port",
        "2222",
        "--keep",
        "daily=7",
        "--source",
        "/srv",
        "--user",
        "backup",
    ]);
    assert!(bob.env("POBSYNC_ACTOR", "bob").status().unwrap().success());
    program.ends(0, &["configure-global", "--max-delete", "9"]);
    program.ends(0, &["schedule", "web-02", "--cron", "@daily"]);
    // The file goes its own way in one of them.
    let hosts = text(&program, "hosts/web.kdl").replace(
        "    ssh { port 22 } // behind the firewall",
        "    ssh { port 22; user \"ops\" } // behind the firewall",
    );
    program.write("hosts/web.kdl", &hosts);

    let said = program.ends(2, &["drift", "--detailed-exitcode"]);
    for line in [
        "by bob",
        "    retention.daily: 14 -> 7; an apply reverts it",
        "    sources: -/etc +/srv; an apply reverts it",
        "    ssh.user: root -> backup; CONFLICT, the file says ops",
        "Drift: 6 fields.",
    ] {
        assert!(said.out.contains(line), "{line}\n{}", said.out);
    }
    let json = program.json(0, &["drift", "--host", "web-01"]);
    assert_eq!(json["drift"].as_array().unwrap().len(), 1);
    assert_eq!(json["drift"][0]["changed_by"], "bob");
    assert_eq!(json["drift"][0]["fields"][0]["standing"], "reverted");
    assert_eq!(json["outcome"], "changes");

    let said = program.ends(13, &["drift", "--adopt"]);
    assert!(
        said.err
            .contains("ssh.user of web-01: the file was changed there"),
        "{}",
        said.err
    );
    let hosts = text(&program, "hosts/web.kdl");
    for kept in [
        "// The web.",
        "address \"web-01.example.net\"   // moved in March",
        "ssh { port 2222; user \"ops\" } // behind the firewall",
        "retention { keep daily=7 }",
        "source reset=#true \"/srv\"",
        "{ address \"b.example.net\"; schedule cron=\"@daily\" }",
    ] {
        assert!(hosts.contains(kept), "{kept}\n{hosts}");
    }
    // What was adopted is neither drift nor a change any more; what is in conflict is both.
    let plan = program.json(0, &["plan"]);
    let changes = plan["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{plan}");
    assert_eq!(changes[0]["fields"][0]["path"], "ssh.user");
    assert_eq!(changes[0]["fields"].as_array().unwrap().len(), 1);
    assert_eq!(plan["summary"]["drift"], 1);

    program.write(
        "hosts/web.kdl",
        &hosts.replace("user \"ops\"", "user \"backup\""),
    );
    let said = program.ends(0, &["plan", "--detailed-exitcode"]);
    assert!(
        said.out.contains("0 to change, 0 to retire. Drift: 0."),
        "{}",
        said.out
    );
    let said = program.ends(0, &["drift", "--detailed-exitcode"]);
    assert!(said.out.contains("The file agrees with"), "{}", said.out);
    program.ends(0, &["apply", "--yes"]);
    assert_eq!(program.json(0, &["drift"])["drift"], serde_json::json!([]));
    assert!(
        program
            .ends(0, &["apply", "--yes"])
            .out
            .contains("Nothing to apply")
    );
}

#[test]
fn a_host_that_no_file_manages_is_no_drift_and_adopted_by_name() {
    let program = fleet();
    program.ends(
        0,
        &[
            "configure-host",
            "db-09",
            "--address",
            "db-09.example.net",
            "--source",
            "/var/lib/dumps",
            "--keep",
            "daily=7",
            "--port",
            "2222",
        ],
    );
    program.ends(0, &["schedule", "db-09", "--cron", "@daily", "--prune"]);
    let said = program.ends(0, &["drift", "--detailed-exitcode"]);
    assert!(
        said.out.contains("drift --adopt --host db-09"),
        "{}",
        said.out
    );
    program.ends(0, &["drift", "--adopt"]);
    assert!(!text(&program, "pobsync.kdl").contains("db-09"));
    program.ends(0, &["drift", "--adopt", "--host", "db-09"]);
    let plan = program.json(0, &["plan"]);
    let fields = plan["changes"][0]["fields"].as_array().unwrap();
    assert_eq!(
        (fields.len(), &fields[0]["path"]),
        (1, &serde_json::json!("managed-by")),
        "{plan}"
    );
}

#[test]
fn without_a_file_there_are_two_sides() {
    let program = fleet();
    program.ends(0, &["configure-host", "web-01", "--port", "2222"]);
    std::fs::remove_file(program.path("pobsync.kdl")).unwrap();
    let mut command = program.command(&["drift"]);
    let out = command.env_remove("POBSYNC_FILE").output().unwrap();
    let out = String::from_utf8(out.stdout).unwrap();
    assert!(out.contains("    ssh.port: 22 -> 2222\n"), "{out}");
    program.ends(65, &["drift"]);
}
