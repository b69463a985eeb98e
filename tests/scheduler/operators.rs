//! What an operator does while the scheduler runs.

use crate::common::Sshd;
use crate::support::{Running, configure, fleet, make_due, number, runs, until};

const LOOP: [&str; 4] = ["scheduler", "--loop", "--interval", "1"];
const SLOW: &str = "schedule cron=\"15 2 * * *\"; rsync { bwlimit \"64KiB\" }";

#[test]
fn a_changed_configuration_needs_no_restart() {
    let program = fleet(&[], "", "");
    let mut scheduler = Running::start(&program, &LOOP);
    configure(&program, &["web"], "", "schedule cron=\"15 2 * * *\"");
    program.ends(0, &["apply", "--yes"]);
    make_due(&program);
    scheduler.says("backup ends host=web");
    configure(&program, &["web", "db"], "", "schedule cron=\"16 2 * * *\"");
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["pause", "web"]);
    make_due(&program);
    scheduler.says("backup ends host=db");
    scheduler.signal(rustix::process::Signal::TERM);
    assert_eq!(scheduler.wait().code(), Some(0));
    assert_eq!(
        runs(&program, "backup"),
        ["web complete 1", "db complete 1"]
    );
}

#[test]
fn a_run_of_another_process_is_cancelled_shown_and_followed() {
    let program = fleet(&["web"], "", SLOW);
    std::fs::write(program.path("source/large"), vec![7; 8 << 20]).unwrap();
    make_due(&program);
    let mut scheduler = Running::start(&program, &LOOP);
    scheduler.says("backup begins");
    until("it tells how far it is", || {
        number(&program, "SELECT coalesce(MAX(bytes), 0) FROM runs") > 0
    });
    let said = program.ends(0, &["runs"]);
    assert!(
        said.out.contains("so far, last sign of life"),
        "{}",
        said.out
    );
    let follower = Running::start(&program, &["logs", "web", "--follow"]);

    program.ends(0, &["cancel", "1"]);
    scheduler.says("alice cancelled it");
    let mut follower = follower;
    follower.says("run 1 of web cancelled");
    assert_eq!(follower.wait().code(), Some(0));
    program.ends(1, &["cancel", "1"]);
    program.ends(1, &["cancel", "99"]);
    // Who cancels a run does not want it again at once.
    assert_eq!(
        number(
            &program,
            "SELECT COUNT(*) FROM runs WHERE retry_at IS NOT NULL"
        ),
        0
    );
    scheduler.signal(rustix::process::Signal::TERM);
    assert_eq!(scheduler.wait().code(), Some(0));
    assert_eq!(runs(&program, "backup"), ["web cancelled 1"]);
}

#[test]
fn a_paused_host_runs_for_nobody_and_makes_no_drift() {
    let program = fleet(&["web"], "", "retention { keep last=1; kinds \"manual\" }");
    program.ends(0, &["backup", "web"]);
    program.ends(0, &["backup", "web"]);
    program.ends(0, &["pause", "web", "--reason", "moving racks"]);
    let said = program.ends(1, &["backup", "web"]);
    assert!(said.err.contains("by alice: moving racks"), "{}", said.err);
    assert!(said.err.contains("pobsync resume web"), "{}", said.err);
    let plan = program.json(0, &["plan"]);
    assert_eq!(plan["drift"], serde_json::json!([]));
    assert_eq!(plan["changes"], serde_json::json!([]));
    let reasons = plan["retention"][0]["keep"].to_string();
    assert!(reasons.contains("\"paused\""), "{reasons}");
    assert_eq!(plan["retention"][0]["delete"], serde_json::json!([]));
    // An apply is no resume.
    program.ends(0, &["apply", "--yes"]);
    program.ends(1, &["backup", "web"]);
    program.ends(0, &["resume", "web"]);
    program.ends(0, &["backup", "web"]);
    // What the configuration pauses is resumed there.
    program.ends(0, &["configure-host", "web", "--enabled", "false"]);
    let said = program.ends(1, &["resume", "web"]);
    assert!(said.err.contains("enabled"), "{}", said.err);
}

#[test]
fn the_log_of_a_run_is_shown_and_nothing_of_it_reaches_the_terminal_raw() {
    let program = fleet(&["web"], "", "");
    program.ends(0, &["backup", "web"]);
    for of in ["web", "1"] {
        let said = program.ends(0, &["logs", of]);
        assert!(said.out.contains("Number of files: 7"), "{}", said.out);
        assert!(said.err.contains("run 1 of web complete"), "{}", said.err);
    }
    let document = program.json(0, &["logs", "web"]);
    assert_eq!(document["status"], "complete");
    assert!(document["lines"].as_array().unwrap().len() > 5);
    // A host that sends what would colour, or command, the terminal.
    let sshd = Sshd::with_forced_command("printf '\\033[31mred\\007\\n' >&2; exit 3");
    let ssh = format!(
        "address \"127.0.0.1\"; ssh {{ port {}; identity \"{}\"; known-hosts \"{}\" }}",
        sshd.port,
        sshd.identity.display(),
        sshd.known_hosts.display(),
    );
    configure(&program, &["web", "bad"], "", &ssh);
    program.ends(0, &["apply", "--yes"]);
    program.ends(1, &["backup", "bad"]);
    let said = program.ends(0, &["logs", "bad"]);
    assert!(said.out.contains("[31mred"), "{}", said.out);
    let is_raw = |text: &str| text.chars().any(|c| c.is_control() && c != '\n');
    assert!(!is_raw(&said.out) && !is_raw(&said.err), "{:?}", said.out);
    program.ends(1, &["logs", "99"]);
    program.ends(64, &["logs", "nobody"]);
}
