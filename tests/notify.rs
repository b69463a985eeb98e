//! Telling people: real receivers on loopback, down and up, several senders, a sender that is killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use common::http::{Receiver, closed_port};
use common::program::{Program, Said};
use common::smtp::MailSink;
use serde_json::Value;

/// A program with one host on this machine, whose source is not there yet, and these receivers.
fn with_receivers(receivers: &str) -> Program {
    let program = Program::new();
    let source = program.path("source").display().to_string();
    program.write(
        "pobsync.kdl",
        &format!(
            "global {{ backup-root \"ROOT\"\n{receivers}\n}}\n\
             host \"web-01\" {{ address \"local\"; source \"{source}\"; retention {{ keep last=3 }} }}\n"
        ),
    );
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program
}

fn command(program: &Program, args: &[&str]) -> Command {
    let mut command = program.command(args);
    command
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("POBSYNC_HOOKS", program.path("hooks"));
    command
}

fn ends(program: &Program, code: i32, env: &[(&str, &str)], args: &[&str]) -> Said {
    let output = command(program, args)
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let said = Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    assert_eq!(said.code, code, "{args:?}\n{}\n{}", said.out, said.err);
    said
}

fn fail(program: &Program) {
    program.ends(1, &["backup", "web-01", "--scheduled"]);
}

fn succeed(program: &Program) {
    program.write("source/file", "a source without files is suspect");
    std::fs::write(program.path("source/file"), "x").unwrap();
    program.ends(0, &["backup", "web-01", "--scheduled"]);
}

fn is_valid(event: &Value) -> bool {
    let schema: Value =
        serde_json::from_str(include_str!("../schema/notification.schema.json")).unwrap();
    jsonschema::is_valid(&schema, event)
}

/// Every byte that the program has written about its state.
fn state(program: &Program) -> String {
    let folder = program.path("state");
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        all.push_str(&String::from_utf8_lossy(
            &std::fs::read(entry.unwrap().path()).unwrap(),
        ));
    }
    all
}

#[test]
fn a_receiver_that_is_down_loses_nothing_and_hears_of_each_event_once() {
    let program = with_receivers(r#"notify "ops" on="failure,recovery" { webhook (env)"HOOK" }"#);
    let port = closed_port();
    let url = format!("http://127.0.0.1:{port}/hooks/s3cret");
    let env = [("HOOK", url.as_str())];

    fail(&program);
    let said = ends(&program, 1, &env, &["notify", "send"]);
    assert!(
        said.out
            .contains("1 event raised; 0 delivered, 1 waiting, 0 given up"),
        "{}",
        said.out
    );
    assert!(
        said.err.contains("ops webhook: the connection was refused"),
        "{}",
        said.err
    );
    // A streak of failures is one event, whatever is restarted in between.
    fail(&program);
    let said = ends(&program, 0, &env, &["notify", "send"]);
    assert!(said.out.contains("0 events raised"), "{}", said.out);
    let listed = ends(&program, 0, &env, &["notify", "list", "--format", "json"]);
    let rows: Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    assert_eq!(rows[0]["status"], "waiting");
    assert_eq!(rows[0]["error"], "the connection was refused");

    let receiver = Receiver::at(port);
    let said = ends(&program, 0, &env, &["notify", "retry"]);
    assert!(said.out.contains("1 delivered"), "{}", said.out);
    succeed(&program);
    ends(&program, 0, &env, &["notify", "send"]);
    succeed(&program);
    let said = ends(&program, 0, &env, &["notify", "send"]);
    assert!(
        said.out.contains("0 events raised; 0 delivered"),
        "{}",
        said.out
    );

    let seen = receiver.seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    let (failure, recovery) = (seen[0].json(), seen[1].json());
    assert!(
        is_valid(&failure) && is_valid(&recovery),
        "{failure} {recovery}"
    );
    assert_eq!(failure["event"], "failure");
    assert_eq!(failure["cause"], "lasting");
    assert_eq!(failure["summary"], "web-01: backup failed");
    assert_eq!(recovery["event"], "recovery");
    assert_eq!(recovery["since"], failure["at"]);
    assert_eq!(seen[0].method, "POST");
    assert_eq!(seen[0].path, "/hooks/s3cret");
    assert_eq!(seen[0].header("content-type"), "application/json");
    assert_eq!(
        seen[0].header("x-pobsync-event"),
        failure["id"].as_str().unwrap()
    );

    assert!(
        !state(&program).contains("s3cret"),
        "an address is in a row"
    );
    let shown = ends(&program, 0, &env, &["notify", "list", "--all"]);
    assert!(
        shown.out.contains("delivered") && !shown.out.contains("s3cret"),
        "{}",
        shown.out
    );
}

#[test]
fn what_a_person_runs_is_told_to_nobody_but_ends_a_trouble() {
    let receiver = Receiver::answering(200);
    let program = with_receivers(&format!(
        r#"notify "ops" on="failure,recovery,success" {{ webhook "{}" }}"#,
        receiver.url("/")
    ));
    program.ends(1, &["backup", "web-01"]);
    ends(&program, 0, &[], &["notify", "send"]);
    assert!(receiver.seen().is_empty());

    fail(&program);
    ends(&program, 0, &[], &["notify", "send"]);
    program.write("source/file", "a source without files is suspect");
    program.ends(0, &["backup", "web-01"]);
    ends(&program, 0, &[], &["notify", "send"]);
    succeed(&program);
    ends(&program, 0, &[], &["notify", "send"]);
    let events: Vec<Value> = receiver
        .seen()
        .iter()
        .map(|r| r.json()["event"].clone())
        .collect();
    assert_eq!(events, ["failure", "recovery", "success"]);
}

/// Hosts whose only snapshot is years old.
fn with_stale_hosts(count: usize, receivers: &str) -> Program {
    let program = Program::new();
    let hosts: String = (0..count)
        .map(|n| {
            format!(
                "host \"web-{n}\" {{ address \"local\"; source \"/etc\"; stale-after \"36h\" }}\n"
            )
        })
        .collect();
    let text = format!("global {{ backup-root \"ROOT\"\n{receivers}\n}}\n{hosts}");
    program.write("pobsync.kdl", &text);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    for n in 0..count {
        program.plant(&format!("web-{n}"), "scheduled", "20240301-021500Z__ab12cd");
    }
    program.ends(0, &["discover-snapshots"]);
    program
}

#[test]
fn many_senders_at_once_tell_each_event_once() {
    let receiver = Receiver::answering(200);
    let program = with_stale_hosts(
        30,
        &format!(
            r#"notify "ops" on="stale" {{ webhook "{}" }}"#,
            receiver.url("/")
        ),
    );
    let senders: Vec<_> = (0..4)
        .map(|_| {
            command(&program, &["notify", "send"])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for sender in senders {
        assert!(sender.wait_with_output().unwrap().status.success());
    }
    let seen = receiver.seen();
    let ids: BTreeSet<&str> = seen.iter().map(|r| r.header("x-pobsync-event")).collect();
    assert_eq!((seen.len(), ids.len()), (30, 30));
    let event = seen[0].json();
    assert!(is_valid(&event), "{event}");
    assert_eq!(event["stale_after"], "36h");
    assert_eq!(event["newest_complete"], "2024-03-01T02:15:00Z");
}

#[test]
fn a_sender_that_is_killed_in_the_middle_loses_nothing_and_the_copy_has_the_same_id() {
    let program = with_stale_hosts(1, r#"notify "ops" on="stale" { webhook (env)"HOOK" }"#);
    // It takes the request and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", mute.local_addr().unwrap());
    let mut sender = command(&program, &["notify", "send"])
        .env("HOOK", &url)
        .spawn()
        .unwrap();
    let (stream, _) = mute.accept().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(&stream));
    let id = loop {
        let line = lines.next().unwrap().unwrap();
        if let Some(id) = line.strip_prefix("x-pobsync-event: ") {
            break id.to_owned();
        }
    };
    sender.kill().unwrap();
    sender.wait().unwrap();

    // The dead process still has the claim: another one sends nothing until it ends.
    let receiver = Receiver::answering(200);
    let url = receiver.url("/");
    let env = [("HOOK", url.as_str())];
    ends(&program, 0, &env, &["notify", "send"]);
    assert!(receiver.seen().is_empty());
    rusqlite::Connection::open(program.path("state/pobsync.db"))
        .unwrap()
        .execute("UPDATE deliveries SET claimed_until = 1", [])
        .unwrap();
    ends(&program, 0, &env, &["notify", "send"]);
    let seen = receiver.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("x-pobsync-event"), id);
}

#[test]
fn mail_is_sent_with_what_mail_programs_want() {
    let sink = MailSink::start("250 ok");
    let program = Program::new();
    program.write("password", "hunter2\n");
    let password = program.path("password").display().to_string();
    program.write(
        "pobsync.kdl",
        &format!(
            "global {{ backup-root \"ROOT\"; smtp {{ host \"127.0.0.1\"; port {}; from \"Backups <pobsync@example.net>\"; \
             user \"pobsync\"; password (file)\"{password}\"; }}\n notify \"ops\" {{ email \"ops@example.org\" }} }}\n\
             host \"web-01\" {{ address \"local\"; source \"{}\" }}",
            sink.port,
            program.path("source").display()
        ),
    );
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    fail(&program);
    ends(&program, 0, &[], &["notify", "send"]);
    let seen = sink.seen();
    assert_eq!(seen.len(), 1);
    let mail = &seen[0];
    assert!(mail.from.contains("<pobsync@example.net>"), "{mail:?}");
    assert!(mail.to.contains("<ops@example.org>"), "{mail:?}");
    assert_eq!(mail.login, "AHBvYnN5bmMAaHVudGVyMg==");
    assert_eq!(mail.header("Subject"), "[pobsync] web-01: backup failed");
    let id = mail.header("X-Pobsync-Event");
    assert_eq!(mail.header("Message-ID"), format!("<{id}@example.net>"));
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert!(mail.data.contains("a source is not there"), "{}", mail.data);
    assert!(!state(&program).contains("hunter2"));
    for args in [
        &["show", "web-01"][..],
        &["plan"],
        &["inventory"],
        &["notify", "list", "--all"],
    ] {
        let said = program.run(args);
        assert!(
            !said.out.contains("hunter2") && !said.err.contains("hunter2"),
            "{args:?}"
        );
    }
}

#[test]
fn a_mail_server_that_refuses_is_told_without_the_address() {
    let sink = MailSink::start("550 <s3cret@example.org> unknown");
    let program = with_receivers(&format!(
        r#"smtp {{ port {} }}; notify "ops" {{ email (env)"TO" }}"#,
        sink.port
    ));
    let env = [("TO", "s3cret@example.org")];
    let said = ends(&program, 1, &env, &["notify", "test", "ops"]);
    assert_eq!(
        said.out,
        "FAILED  ops email: the mail server answered 550\n"
    );
    let said = ends(&program, 1, &[("TO", "s3cret")], &["notify", "test"]);
    assert_eq!(
        said.out,
        "FAILED  ops email: its address is no mail address\n"
    );
    let said = ends(&program, 1, &[], &["notify", "test"]);
    assert_eq!(
        said.out,
        "FAILED  ops email: environment variable TO is not set\n"
    );
    assert!(sink.seen().is_empty());
}

#[test]
fn a_ping_goes_where_healthchecks_want_it_and_no_redirect_is_followed() {
    let receiver = Receiver::answering(200);
    let program = with_receivers(&format!(
        r#"notify "hc" on="failure,recovery,success" {{ ping "{}" }}"#,
        receiver.url("/ping/abc")
    ));
    fail(&program);
    ends(&program, 0, &[], &["notify", "send"]);
    succeed(&program);
    receiver.answer(302);
    let said = ends(&program, 1, &[], &["notify", "send"]);
    assert!(
        said.err.contains("it answered 302, a redirect"),
        "{}",
        said.err
    );
    receiver.answer(200);
    ends(&program, 0, &[], &["notify", "retry", "hc"]);
    let calls: Vec<String> = receiver
        .seen()
        .iter()
        .map(|r| format!("{} {}", r.method, r.path))
        .collect();
    assert_eq!(
        calls,
        [
            "GET /ping/abc/fail",
            "GET /ping/abc",
            "GET /ping/abc",
            "GET /ping/abc"
        ],
        "the refused one was tried once, then it and the one behind it came"
    );
}

#[test]
fn a_command_reads_the_event_in_a_clean_environment() {
    if !common::is_root() {
        return;
    }
    let program = with_receivers(r#"notify "pager" { command "page" }"#);
    std::fs::create_dir(program.path("hooks")).unwrap();
    let out = program.path("paged").display().to_string();
    let script = program.write(
        "page.sh",
        &format!("#!/bin/sh\ncat > {out}\nenv > {out}.env\n"),
    );
    let hook = program.path("hooks/page");
    let installed = Command::new("install")
        .args(["-m", "755"])
        .arg(&script)
        .arg(&hook)
        .status();
    assert!(installed.unwrap().success());
    fail(&program);
    ends(&program, 0, &[("SECRET", "s3cret")], &["notify", "send"]);
    let event: Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert!(is_valid(&event), "{event}");
    let environment = std::fs::read_to_string(format!("{out}.env")).unwrap();
    assert!(!environment.contains("s3cret"), "{environment}");
    assert!(environment.contains(&format!(
        "POBSYNC_EVENT_ID={}",
        event["id"].as_str().unwrap()
    )));

    std::fs::remove_file(&hook).unwrap();
    let said = ends(&program, 1, &[], &["notify", "test"]);
    assert!(
        said.out
            .starts_with("FAILED  pager command: there is no hook"),
        "{}",
        said.out
    );
}

#[test]
fn a_receiver_that_hangs_holds_up_no_other() {
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let receiver = Receiver::answering(200);
    let program = with_stale_hosts(
        2,
        &format!(
            r#"notify "hangs" on="stale" {{ webhook "http://{}/" }}; notify "hears" on="stale" {{ webhook "{}" }}"#,
            mute.local_addr().unwrap(),
            receiver.url("/")
        ),
    );
    let mut sender = command(&program, &["notify", "send"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (_held, _) = mute.accept().unwrap();
    while receiver.seen().len() < 2 {
        assert!(
            sender.try_wait().unwrap().is_none(),
            "it ended without telling the other"
        );
        std::thread::yield_now();
    }
    sender.kill().unwrap();
    sender.wait().unwrap();
}

#[test]
fn a_missing_approval_is_told_and_status_says_it() {
    let receiver = Receiver::answering(200);
    let program = Program::new();
    program.ends(
        0,
        &[
            "configure-global",
            "--backup-root",
            program.root().to_str().unwrap(),
        ],
    );
    program.write("source/file", "a source without files is suspect");
    let source = program.path("source").display().to_string();
    program.ends(
        0,
        &[
            "configure-host",
            "db-01",
            "--address",
            "local",
            "--source",
            &source,
            "--keep",
            "last=1",
        ],
    );
    program.ends(0, &["schedule", "db-01", "--cron", "15 2 * * *", "--prune"]);
    program.write(
        "pobsync.kdl",
        &format!(
            "global {{ backup-root \"ROOT\"; notify \"ops\" {{ webhook \"{}\" }} }}",
            receiver.url("/")
        ),
    );
    program.ends(0, &["apply", "--yes"]);
    for _ in 0..2 {
        program.ends(14, &["backup", "db-01", "--scheduled", "--prune"]);
        ends(&program, 0, &[], &["notify", "send"]);
    }
    let seen = receiver.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    let event = seen[0].json();
    assert_eq!(
        (&event["topic"], &event["cause"]),
        (&"prune".into(), &"approval".into())
    );
    assert_eq!(event["summary"], "db-01: prune needs an approval");
    let status = program.json(1, &["status"]);
    assert_eq!(status["hosts"][0]["state"], "unapproved");
    assert_eq!(status["severity"], "warning");
    program.ends(0, &["retention", "db-01", "--approve", "--yes"]);
    program.ends(0, &["status"]);
}
