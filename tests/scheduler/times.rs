//! What is due when, under a clock that the test sets.

use crate::common::program::{Program, names_below};
use crate::support::{configure, ends_at, fleet, number, runs};

const ONCE: [&str; 2] = ["scheduler", "--once"];

/// Noon of a day of November 2026: a Tuesday on the 24th.
fn noon(day: u32) -> String {
    format!("2026-11-{day:02} 12:00:00")
}

/// A moment after noon of the 24th.
fn after_noon(time: &str) -> String {
    format!("2026-11-24 {time}")
}

/// One host, set up at noon of a day.
fn set_up(day: u32, host: &str) -> Program {
    let program = fleet(&[], "", "");
    configure(&program, &["web"], "", host);
    ends_at(&program, &noon(day), 0, &["apply", "--yes"]);
    program
}

const NIGHTLY: &str = "schedule cron=\"15 2 * * *\"";

#[test]
fn a_new_schedule_does_not_fire_for_the_past() {
    let program = set_up(24, NIGHTLY);
    ends_at(&program, &after_noon("23:59:59"), 0, &ONCE);
    ends_at(&program, "2026-11-25 02:14:55", 0, &ONCE);
    assert_eq!(runs(&program, "backup"), Vec::<String>::new());
    ends_at(&program, "2026-11-25 02:15:00", 0, &ONCE);
    assert_eq!(runs(&program, "backup"), ["web complete 1"]);
}

#[test]
fn what_was_missed_for_days_is_made_up_for_once() {
    let program = set_up(20, NIGHTLY);
    ends_at(&program, &noon(24), 0, &ONCE);
    ends_at(&program, &after_noon("12:01:00"), 0, &ONCE);
    assert_eq!(runs(&program, "backup"), ["web complete 1"]);
    ends_at(&program, &noon(25), 0, &ONCE);
    assert_eq!(runs(&program, "backup").len(), 2);
}

#[test]
fn a_line_that_changes_starts_from_the_change() {
    let program = set_up(20, NIGHTLY);
    configure(&program, &["web"], "", "schedule cron=\"16 2 * * *\"");
    ends_at(&program, &noon(24), 0, &["apply", "--yes"]);
    ends_at(&program, &after_noon("12:01:00"), 0, &ONCE);
    assert_eq!(runs(&program, "backup"), Vec::<String>::new());
    ends_at(&program, &noon(25), 0, &ONCE);
    assert_eq!(runs(&program, "backup").len(), 1);
}

#[test]
fn a_pause_is_not_made_up_for() {
    let program = set_up(20, NIGHTLY);
    ends_at(
        &program,
        &noon(21),
        0,
        &["pause", "web", "--reason", "racks"],
    );
    ends_at(&program, &noon(23), 0, &ONCE);
    ends_at(&program, &noon(24), 0, &["resume", "web"]);
    ends_at(&program, &after_noon("12:01:00"), 0, &ONCE);
    assert_eq!(runs(&program, "backup"), Vec::<String>::new());
    ends_at(&program, &noon(25), 0, &ONCE);
    assert_eq!(runs(&program, "backup").len(), 1);
}

#[test]
fn a_clock_that_was_ahead_keeps_no_host_without_backups() {
    let program = set_up(20, NIGHTLY);
    ends_at(&program, "2031-01-01 12:00:00", 0, &ONCE);
    // At once, since nobody knows what was missed; and then every night again.
    ends_at(&program, &noon(24), 0, &ONCE);
    ends_at(&program, &after_noon("12:01:00"), 0, &ONCE);
    assert_eq!(runs(&program, "backup").len(), 2);
    ends_at(&program, &noon(25), 0, &ONCE);
    assert_eq!(runs(&program, "backup").len(), 3);
}

#[test]
fn a_host_that_is_down_is_tried_again_until_it_is_back() {
    let down = "address \"127.0.0.1\"; ssh { port 1 }; schedule cron=\"15 2 * * *\"";
    let program = set_up(23, down);
    ends_at(&program, &noon(24), 1, &ONCE);
    // Five minutes, then fifteen: not before.
    ends_at(&program, &after_noon("12:04:00"), 0, &ONCE);
    ends_at(&program, &after_noon("12:06:00"), 1, &ONCE);
    ends_at(&program, &after_noon("12:20:00"), 0, &ONCE);
    let list = ["scheduler", "--list", "--format", "json"];
    let said = ends_at(&program, &after_noon("12:20:00"), 0, &list);
    let list: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&list[0]["why"], &list[0]["retry_of"], &list[1]["why"]),
        (&"retry".into(), &2.into(), &"scheduled".into()),
        "{list}"
    );
    configure(&program, &["web"], "", NIGHTLY);
    ends_at(&program, &after_noon("12:20:30"), 0, &["apply", "--yes"]);
    ends_at(&program, &after_noon("12:22:00"), 0, &ONCE);
    ends_at(&program, &after_noon("16:00:00"), 0, &ONCE);
    assert_eq!(
        runs(&program, "backup"),
        ["web failed 1", "web failed 2", "web complete 3"]
    );
}

#[test]
fn what_no_retry_can_mend_waits_for_the_next_night() {
    let host = format!("{NIGHTLY}; source \"/nowhere\"");
    let program = set_up(23, &host);
    ends_at(&program, &noon(24), 1, &ONCE);
    ends_at(&program, &after_noon("23:00:00"), 0, &ONCE);
    assert_eq!(runs(&program, "backup"), ["web failed 1"]);
    ends_at(&program, &noon(25), 1, &ONCE);
}

#[test]
fn a_night_prunes_through_the_gate_and_waits_where_nobody_approved() {
    let host = "schedule cron=\"15 2 * * *\" prune=#true; retention { keep last=2 }";
    let program = fleet(&[], "", "");
    configure(&program, &["web", "db"], "", host);
    ends_at(&program, &noon(19), 0, &["apply", "--yes"]);
    for day in 20..23 {
        ends_at(&program, &noon(day), 0, &ONCE);
    }
    assert_eq!(program.visible("web", "scheduled").len(), 2);
    let prunes = "SELECT COUNT(*) FROM runs WHERE kind = 'prune' AND status = 'complete'";
    assert_eq!(number(&program, prunes), 2);

    // Another policy by another way: nobody has approved it, so the backup stands and the prune waits.
    let args = ["configure-host", "web", "--keep", "last=1"];
    ends_at(&program, &noon(22), 0, &args);
    let said = ends_at(&program, &noon(23), 14, &ONCE);
    assert!(
        said.err.contains("the backup stands, the prune waits"),
        "{}",
        said.err
    );
    assert!(said.err.contains("retention web --approve"), "{}", said.err);
    assert_eq!(program.visible("web", "scheduled").len(), 3);
    assert_eq!(
        program.visible("db", "scheduled").len(),
        2,
        "the other one goes on"
    );
}

#[test]
fn the_database_is_copied_into_the_root_every_night_and_a_week_of_copies_stays() {
    let program = set_up(9, NIGHTLY);
    let copies = || names_below(&program.root().join(".pobsync-database"));
    ends_at(&program, &noon(10), 0, &ONCE);
    ends_at(&program, "2026-11-11 04:59:00", 0, &ONCE);
    assert_eq!(copies().len(), 1);
    for day in 11..20 {
        ends_at(&program, &noon(day), 0, &ONCE);
    }
    let left = copies();
    assert_eq!(left.len(), 7, "{left:?}");
    assert!(left[0].starts_with("20261113-1200"), "{left:?}");
    // One disk carries all: the copy is a whole database of the same lineage.
    let newest = program.root().join(".pobsync-database").join(&left[6]);
    let restored = program.path("restored.db");
    std::fs::copy(newest, &restored).unwrap();
    let restored = restored.to_str().unwrap();
    ends_at(
        &program,
        &noon(20),
        0,
        &["backup", "web", "--database", restored],
    );
}
