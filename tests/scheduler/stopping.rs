//! Signals: what is at work has its grace, its group ends, its rows are true, and the next start goes on.

use rstest::rstest;
use rustix::process::Signal;

use crate::common::program::Program;
use crate::support::{Running, fleet, make_due, number, processes, runs, until};

const SLOW: &str = "schedule cron=\"15 2 * * *\"; rsync { bwlimit \"64KiB\" }";

/// Hosts whose pull takes minutes.
fn slow(hosts: &[&str]) -> Program {
    let program = fleet(hosts, "max-concurrent 2", SLOW);
    std::fs::write(program.path("source/large"), vec![7; 16 << 20]).unwrap();
    make_due(&program);
    program
}

fn pulls(program: &Program) -> usize {
    processes(program)
        .iter()
        .filter(|p| p.starts_with("rsync "))
        .count()
}

/// Makes the next pulls fast.
fn unlimit(program: &Program) {
    let text = std::fs::read_to_string(program.path("pobsync.kdl")).unwrap();
    program.write(
        "pobsync.kdl",
        &text.replace("rsync { bwlimit \"64KiB\" }", ""),
    );
    program.ends(0, &["apply", "--yes"]);
}

#[test]
fn a_scheduler_that_is_stopped_leaves_true_rows_and_the_next_one_goes_on() {
    let program = slow(&["a", "b", "c"]);
    let mut scheduler = Running::start(
        &program,
        &["scheduler", "--loop", "--interval", "1", "--grace", "1s"],
    );
    until("both transfers run", || pulls(&program) >= 2);
    scheduler.signal(Signal::TERM);
    scheduler.says("stopping");
    assert_eq!(scheduler.wait().code(), Some(0));
    assert_eq!(processes(&program), Vec::<String>::new());
    assert_eq!(
        runs(&program, "backup"),
        ["a cancelled 1", "b cancelled 1"],
        "and the third one has not begun"
    );
    assert_eq!(
        number(
            &program,
            "SELECT COUNT(*) FROM snapshots WHERE status = 'running'"
        ),
        0
    );

    unlimit(&program);
    program.ends(0, &["scheduler", "--once"]);
    let mut all = runs(&program, "backup")[2..].to_vec();
    all.sort();
    // It was no fault of theirs, so it counts as no attempt.
    assert_eq!(all, ["a complete 1", "b complete 1", "c complete 1"]);
}

#[test]
fn transfers_that_end_within_the_grace_are_left_alone() {
    let program = fleet(
        &["web"],
        "",
        "schedule cron=\"15 2 * * *\"; rsync { bwlimit \"64KiB\" }",
    );
    std::fs::write(program.path("source/large"), vec![7; 128 << 10]).unwrap();
    make_due(&program);
    let mut scheduler = Running::start(&program, &["scheduler", "--loop", "--grace", "50s"]);
    until("the transfer runs", || pulls(&program) >= 1);
    scheduler.signal(Signal::INT);
    assert_eq!(scheduler.wait().code(), Some(0));
    assert_eq!(runs(&program, "backup"), ["web complete 1"]);
}

#[test]
fn a_second_signal_waits_for_no_grace() {
    let program = slow(&["a"]);
    let mut scheduler = Running::start(&program, &["scheduler", "--loop", "--grace", "1h"]);
    until("the transfer runs", || pulls(&program) >= 1);
    scheduler.signal(Signal::TERM);
    scheduler.says("stopping");
    scheduler.signal(Signal::TERM);
    assert_eq!(scheduler.wait().code(), Some(0));
    assert_eq!(processes(&program), Vec::<String>::new());
    assert_eq!(runs(&program, "backup"), ["a cancelled 1"]);
}

#[rstest]
#[case(&[Signal::TERM])]
#[case(&[Signal::HUP])]
#[case(&[Signal::INT, Signal::INT])]
#[case(&[Signal::TERM, Signal::TERM])]
fn a_backup_by_hand_stops_with_its_whole_group(#[case] signals: &[Signal]) {
    let program = slow(&["a"]);
    let mut backup = Running::start(&program, &["backup", "a"]);
    until("the transfer runs", || pulls(&program) >= 1);
    for signal in signals {
        backup.signal(*signal);
    }
    assert_eq!(backup.wait().code(), Some(1), "{:#?}", backup.log);
    assert_eq!(processes(&program), Vec::<String>::new());
    assert_eq!(runs(&program, "backup"), ["a cancelled -"]);
    assert_eq!(
        number(
            &program,
            "SELECT COUNT(*) FROM snapshots WHERE status = 'failed'"
        ),
        1
    );
}

#[test]
fn a_killed_scheduler_keeps_no_host_locked_and_the_next_start_goes_on() {
    let program = slow(&["a", "b"]);
    let mut scheduler = Running::start(&program, &["scheduler", "--loop"]);
    until("both transfers run", || pulls(&program) >= 2);
    scheduler.signal(Signal::KILL);
    scheduler.wait();
    assert_eq!(runs(&program, "backup"), ["a running 1", "b running 1"]);

    unlimit(&program);
    program.ends(0, &["scheduler", "--once"]);
    let mut all = runs(&program, "backup");
    all.sort();
    assert_eq!(
        all,
        [
            "a complete 2",
            "a interrupted 1",
            "b complete 2",
            "b interrupted 1"
        ]
    );
    assert_eq!(processes(&program), Vec::<String>::new());
    for host in ["a", "b"] {
        let left = crate::common::program::names_below(
            &program.root().join(host).join(".incomplete/scheduled"),
        );
        assert_eq!(left, Vec::<String>::new());
    }
}
