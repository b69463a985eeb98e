//! A night of many hosts, and two schedulers in one night.

use std::time::Instant;

use chrono::Timelike as _;

use crate::common::Sshd;
use crate::support::{Running, configure, fleet, make_due, number, processes, runs};

const HOSTS: usize = 200;
const AT_ONCE: i64 = 4;

/// Every night, at an hour that is far from now: a line that fires while the test runs asks for one run more.
#[allow(
    clippy::disallowed_methods,
    reason = "the program that is tested has this clock too"
)]
fn nightly() -> String {
    let hour = (chrono::Utc::now() + chrono::TimeDelta::hours(12)).hour();
    format!("schedule cron=\"15 {hour} * * *\" prune=#true")
}

#[test]
fn two_hundred_hosts_complete_a_night_in_order_and_within_the_bound() {
    let sshd = Sshd::start();
    let names: Vec<String> = (0..HOSTS).map(|n| format!("host-{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let ssh = format!(
        "max-concurrent {AT_ONCE}; ssh {{ port {}; user \"root\"; identity \"{}\"; known-hosts \"{}\" }}",
        sshd.port,
        sshd.identity.display(),
        sshd.known_hosts.display(),
    );
    let host = format!(
        "address \"127.0.0.1\"; {} jitter=\"40m\"; retention {{ keep daily=2 }}",
        nightly()
    );
    let program = fleet(&[], &ssh, "");
    configure(&program, &names, &ssh, &host);
    program.ends(0, &["apply", "--yes"]);
    make_due(&program);

    let wanted = program.json(0, &["scheduler", "--list", "200"]);
    let mut wanted: Vec<(String, String)> = wanted
        .as_array()
        .unwrap()
        .iter()
        .map(|run| {
            assert_eq!(run["why"], "overdue", "{run}");
            let word = |key: &str| run[key].as_str().unwrap().to_owned();
            (word("starts_at"), word("host"))
        })
        .collect();
    wanted.sort();
    let starts: std::collections::BTreeSet<&String> = wanted.iter().map(|(at, _)| at).collect();
    assert!(starts.len() > 150, "jitter spreads them: {}", starts.len());

    let begun = Instant::now();
    program.ends(0, &["scheduler", "--once"]);
    let took = begun.elapsed();

    // The order: as they were due.
    let connection = rusqlite::Connection::open(program.database()).unwrap();
    let mut statement = connection
        .prepare("SELECT h.name, r.started_at, r.finished_at FROM runs r JOIN hosts h ON h.id = r.host_id WHERE r.kind = 'backup' ORDER BY r.id")
        .unwrap();
    let rows: Vec<(String, i64, i64)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let order: Vec<&String> = rows.iter().map(|(host, ..)| host).collect();
    let due: Vec<&String> = wanted.iter().map(|(_, host)| host).collect();
    assert_eq!(order, due);

    // The bound: never more at once, and as many as that for most of the night.
    let mut changes: Vec<(i64, i64)> = rows
        .iter()
        .flat_map(|(_, from, to)| [(*from, 1), (*to, -1)])
        .collect();
    changes.sort();
    let mut at_once = 0;
    let mut most = 0;
    for (_, change) in changes {
        at_once += change;
        most = most.max(at_once);
    }
    assert_eq!(most, AT_ONCE);

    // The results.
    let count = |sql: &str| number(&program, sql);
    let complete = "SELECT COUNT(DISTINCT r.host_id) FROM runs r JOIN snapshots s ON s.id = r.snapshot_id WHERE r.status = 'complete' AND s.status = 'complete' AND s.kind = 'scheduled' AND s.files = 7 AND r.attempt = 1";
    assert_eq!(count(complete), HOSTS as i64);
    assert_eq!(count("SELECT COUNT(*) FROM runs"), HOSTS as i64);
    assert_eq!(
        count("SELECT COUNT(*) FROM runs WHERE retry_at IS NOT NULL"),
        0
    );
    let source = program.path("source");
    for host in [names[0], names[77], names[HOSTS - 1]] {
        let snapshot = program.visible(host, "scheduled").pop().unwrap();
        let data = program.data(host, "scheduled", &snapshot);
        crate::common::assert_same_tree(&source, &data.join(source.strip_prefix("/").unwrap()));
    }
    println!(
        "{HOSTS} hosts in {took:.1?}: {:.0} ms a host, {AT_ONCE} at once",
        took.as_millis() as f64 / HOSTS as f64
    );

    // And nothing more is due.
    program.ends(0, &["scheduler", "--once"]);
    assert_eq!(count("SELECT COUNT(*) FROM runs"), HOSTS as i64);
}

#[test]
fn two_schedulers_and_a_person_never_run_a_host_twice() {
    let names: Vec<String> = (0..24).map(|n| format!("host-{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let program = fleet(
        &names,
        "max-concurrent 3",
        &format!("{}; retention {{ keep daily=2 }}", nightly()),
    );
    let mut most = 0;
    for _ in 0..3 {
        make_due(&program);
        let before = runs(&program, "backup").len();
        let mut both: Vec<Running> = (0..3)
            .map(|_| Running::start(&program, &["scheduler", "--once"]))
            .collect();
        let at_work = "SELECT COUNT(*) FROM runs WHERE kind = 'backup' AND status = 'running'";
        while both.iter_mut().any(|scheduler| !scheduler.has_ended()) {
            most = most.max(number(&program, at_work));
        }
        for scheduler in &mut both {
            let status = scheduler.wait();
            assert_eq!(status.code(), Some(0), "{:#?}", scheduler.log);
        }
        let all = runs(&program, "backup");
        let mut mine = all[before..].to_vec();
        mine.sort();
        let wanted: Vec<String> = names.iter().map(|n| format!("{n} complete 1")).collect();
        assert_eq!(mine, wanted);
    }
    assert_eq!(most, 3, "the bound is one for all");
    assert_eq!(processes(&program), Vec::<String>::new());
}
