//! The program with a MariaDB server: from nothing, moving in and out, and what it says when something is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "mariadb/way.rs"]
mod way;

use common::On;
use common::mariadb::shared;
use common::program::Program;

const FILE: &str = "global { backup-root \"ROOT\" }\nhost \"web\" { address \"local\"; source \"/etc/hostname\"; retention { keep last=5; kinds \"manual\" } }";

fn filled(program: &Program) {
    program.write("pobsync.kdl", FILE);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    for _ in 0..2 {
        program.ends(0, &["backup", "web"]);
    }
}

#[test]
fn everything_moves_to_a_server_and_back_and_backups_go_on() {
    let program = On::Sqlite.program();
    filled(&program);
    let server = shared();
    let url = server.url(&server.new_database());
    let file = program.database();
    let said = program.ends(0, &["copy-database", &file, &url]);
    assert!(said.out.contains("is the same as"), "{}", said.out);
    assert!(said.err.contains("only one of both"), "{}", said.err);
    for (args, same) in [
        (&["snapshots", "--all"][..], true),
        (&["history"], true),
        (&["hosts"], true),
    ] {
        let here = program.json(0, args);
        let there: Vec<&str> = args.iter().copied().chain(["--database", &url]).collect();
        assert_eq!(program.json(0, &there) == here, same, "{args:?}");
    }
    program.ends(0, &["backup", "web", "--database", &url]);
    program.ends(0, &["plan", "--detailed-exitcode", "--database", &url]);
    program.ends(10, &["copy-database", &file, &url]);
    let back = program.path("back.db");
    let copy = program.json(0, &["copy-database", &url, back.to_str().unwrap()]);
    let snapshots = copy["tables"]
        .as_array()
        .unwrap()
        .iter()
        .find(|table| table["name"] == "snapshots")
        .unwrap();
    assert_eq!(snapshots["rows"], 3);
    let said = program.ends(0, &["backup", "web", "--database", back.to_str().unwrap()]);
    assert!(said.out.contains("linked against"), "{}", said.out);
}

#[test]
fn what_is_wrong_with_a_server_ends_with_69_and_says_what_to_do() {
    let program = Program::new();
    let server = shared();
    let said = program.ends(
        69,
        &["hosts", "--database", "mysql://u:hunter2@127.0.0.1:1/d"],
    );
    assert!(said.err.contains("cannot be reached"), "{}", said.err);
    assert!(!said.err.contains("hunter2"), "{}", said.err);
    let said = program.ends(69, &["init", "--database", &server.url("nowhere")]);
    assert!(
        said.err.contains("CREATE DATABASE `nowhere`"),
        "{}",
        said.err
    );
    let url = format!("mysql://nobody:hunter2@127.0.0.1:{}/nowhere", server.port());
    let said = program.ends(69, &["init", "--database", &url]);
    assert!(said.err.contains("GRANT ALL PRIVILEGES"), "{}", said.err);
    assert!(!said.err.contains("hunter2"), "{}", said.err);
    for wrong in ["mysql://u:hunter2@h", "mysql://u:hunter2@h/d?tls=1"] {
        let said = program.ends(64, &["hosts", "--database", wrong]);
        assert!(!said.err.contains("hunter2"), "{}", said.err);
    }
    let empty = server.url(&server.new_database());
    let said = program.ends(69, &["hosts", "--database", &empty]);
    assert!(said.err.contains("pobsync init"), "{}", said.err);
}

#[test]
fn a_password_shows_nowhere() {
    let server = shared();
    let name = server.new_database();
    server.execute(&format!("CREATE USER p_{name} IDENTIFIED BY 'hunter2'"));
    server.execute(&format!("GRANT ALL PRIVILEGES ON {name}.* TO p_{name}"));
    let program = Program::new();
    program.write("pobsync.kdl", FILE);
    let url = format!(
        "mysql://p_{name}:hunter2@127.0.0.1:{}/{name}",
        server.port()
    );
    let mut told = String::new();
    for args in [
        &["init"][..],
        &["apply", "--yes", "-vv"],
        &["backup", "web", "-vvv"],
        &["check"],
        &["history", "--format", "json"],
        &["plan", "--format", "json"],
        &["--help"],
        &["runs", "--nonsense"],
    ] {
        let mut command = program.command(args);
        command
            .env("POBSYNC_DATABASE", &url)
            .env("POBSYNC_LOG", "trace");
        let output = command.output().unwrap();
        told.push_str(&String::from_utf8_lossy(&output.stdout));
        told.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    assert!(
        told.contains(&format!("mysql://p_{name}@127.0.0.1")),
        "{told}"
    );
    assert!(!told.contains("hunter2"), "{told}");
}
