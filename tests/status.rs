//! `status` for people, programs and monitoring.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::http::closed_port;
use common::program::Program;

fn with_hosts(names: &[&str], more: &str) -> Program {
    let program = Program::new();
    let hosts: String = names
        .iter()
        .map(|name| {
            format!(
                "host \"{name}\" {{ address \"local\"; source \"SOURCE\"; stale-after \"36h\" }}\n"
            )
        })
        .collect();
    let text = format!("global {{ backup-root \"ROOT\"; {more} }}\n{hosts}")
        .replace("SOURCE", program.path("source").to_str().unwrap());
    program.write("pobsync.kdl", &text);
    std::fs::create_dir(program.path("source")).unwrap();
    std::fs::write(program.path("source/file"), "x").unwrap();
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program
}

/// The line before the bar, since counts and ages behind it move.
fn headline(program: &Program, code: i32) -> String {
    let said = program.ends(code, &["status", "--nagios"]);
    let first = said.out.lines().next().unwrap().to_owned();
    assert!(first.len() < 300, "{first}");
    let (headline, performance) = first.split_once(" | ").unwrap();
    for datum in performance.split(' ') {
        let (label, value) = datum.split_once('=').unwrap();
        let value = value.trim_end_matches('s');
        assert!(!label.is_empty() && value.parse::<u64>().is_ok(), "{datum}");
    }
    headline.to_owned()
}

#[test]
fn a_disk_that_is_away_is_told_before_the_next_backup_fails_for_it() {
    let program = with_hosts(&["db-01"], "");
    program.ends(0, &["backup", "db-01"]);
    program.ends(0, &["status"]);
    let (root, away) = (program.path("root"), program.path("away"));
    std::fs::rename(&root, &away).unwrap();
    std::fs::create_dir(&root).unwrap();
    let said = program.ends(1, &["status"]);
    assert!(said.out.contains("1 well"), "{}", said.out);
    assert!(said.out.contains("\nBackup root: "), "{}", said.out);
    assert_eq!(
        headline(&program, 2),
        "POBSYNC CRITICAL: 1 host well; the backup root cannot be used"
    );
    std::fs::remove_dir(&root).unwrap();
    std::fs::rename(&away, &root).unwrap();
    program.ends(0, &["status"]);
}

#[test]
fn monitoring_gets_its_line_and_its_codes() {
    let program = with_hosts(&["db-01", "web-01"], "");
    assert_eq!(
        headline(&program, 1),
        "POBSYNC WARNING: 2 of 2 hosts need attention: db-01 never, web-01 never"
    );
    program.ends(0, &["backup", "db-01", "web-01"]);
    assert_eq!(headline(&program, 0), "POBSYNC OK: 2 hosts well");
    program.ends(0, &["status"]);

    std::fs::remove_dir_all(program.path("source")).unwrap();
    program.ends(1, &["backup", "web-01"]);
    assert_eq!(
        headline(&program, 2),
        "POBSYNC CRITICAL: 1 of 2 hosts need attention: web-01 failed"
    );
    let said = program.ends(2, &["status", "--nagios"]);
    assert!(
        said.out
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("web-01: backup failed: "),
        "{}",
        said.out
    );
    assert!(
        said.out.contains(
            "hosts=2 well=1 warning=0 critical=1 paused=0 snapshots=2 undelivered=0 age="
        )
    );
    program.ends(1, &["status"]);

    program.ends(0, &["pause", "web-01", "--reason", "moving"]);
    assert_eq!(headline(&program, 0), "POBSYNC OK: 1 host well");
    let said = program.ends(
        3,
        &[
            "status",
            "--nagios",
            "--database",
            "/nonexistent/pobsync.db",
        ],
    );
    assert_eq!(
        said.out,
        "POBSYNC UNKNOWN: there is no database at /nonexistent/pobsync.db\n"
    );
}

#[test]
fn a_host_without_a_snapshot_for_too_long_is_stale() {
    let program = with_hosts(&["web-01"], "");
    program.plant("web-01", "scheduled", "20240301-021500Z__ab12cd");
    program.ends(0, &["discover-snapshots"]);
    let status = program.json(1, &["status"]);
    assert_eq!(status["severity"], "critical");
    assert_eq!(status["hosts"][0]["state"], "stale");
    assert_eq!(
        status["hosts"][0]["problems"][0]["text"],
        "no complete snapshot since 2024-03-01T02:15:00Z; stale-after is 36h"
    );
    let said = program.ends(1, &["status"]);
    assert!(
        said.out.contains("stale") && said.out.contains("1 need attention"),
        "{}",
        said.out
    );
}

#[test]
fn news_that_do_not_arrive_need_somebody() {
    let receiver = format!(
        "notify \"ops\" on=\"success\" {{ webhook \"http://127.0.0.1:{}/\" }}",
        closed_port()
    );
    let program = with_hosts(&["web-01"], &receiver);
    program.ends(0, &["backup", "web-01", "--scheduled"]);
    program.ends(1, &["notify", "send"]);
    let said = program.ends(0, &["status"]);
    assert!(
        said.out
            .contains("Notifications not delivered: 1 waiting since"),
        "{}",
        said.out
    );
    // As if that had been two hours ago, and then a week.
    let database = rusqlite::Connection::open(program.path("state/pobsync.db")).unwrap();
    let ago = |hours: i64| {
        let sql = "UPDATE deliveries SET raised_at = raised_at - ?, next_at = 0";
        database.execute(sql, [hours * 3_600_000]).unwrap();
    };
    ago(2);
    let line = headline(&program, 1);
    assert_eq!(
        line,
        "POBSYNC WARNING: 1 host well; notifications are not delivered"
    );
    ago(24 * 7);
    let said = program.ends(1, &["notify", "send"]);
    assert!(said.out.contains("1 given up"), "{}", said.out);
    let said = program.ends(1, &["status"]);
    assert!(
        said.out.contains("1 given up; pobsync notify list"),
        "{}",
        said.out
    );
    let said = program.run(&["check"]);
    assert!(
        said.out
            .contains("PROBLEM notifications: not delivered: 0 waiting, 1 given up"),
        "{}",
        said.out
    );
    program.ends(0, &["notify", "forget"]);
    program.ends(0, &["status"]);
}
