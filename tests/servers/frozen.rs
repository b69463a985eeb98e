//! A process that stands still for longer than its lease lasts does nothing more once it goes on.

use std::process::Command;

use crate::common::program::{Program, names_below};
use crate::support::{Running, fleet, number, until};

/// Seconds.
const LEASE: &str = "2";
const PLANTED: usize = 12;

/// A host with old snapshots, of which its approved policy keeps one.
fn planted() -> Program {
    let program = fleet(
        &["web"],
        "guard { max-delete 100; max-delete-percent 100 }",
        "retention { keep last=1 }; schedule cron=\"15 2 * * *\" prune=#true",
    );
    for day in 1..=PLANTED {
        let name = format!("202501{day:02}-021500Z__aaaa{day:02}");
        program.plant("web", "scheduled", &name);
    }
    program.ends(0, &["discover-snapshots"]);
    program
}

/// The prune of the host, standing still right after its n-th rename.
fn frozen_at(program: &Program, n: usize) -> (Running, rustix::process::Pid) {
    let plain = program.command(&[
        "retention",
        "web",
        "--apply",
        "--yes",
        "--max-delete",
        "100",
        "--lease",
        LEASE,
    ]);
    let mut traced = Command::new("strace");
    traced
        .args(["-qq", "-o", "/dev/null", "-e", "trace=renameat2"])
        .args([
            "-e",
            &format!("inject=renameat2:signal=STOP:when={n}"),
            "--",
        ])
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(plain.get_current_dir().unwrap());
    for (name, value) in plain.get_envs() {
        if let Some(value) = value {
            traced.env(name, value);
        }
    }
    let running = Running::of(traced);
    let mut frozen = None;
    until("the prune stands still", || {
        frozen = child_of(running.id()).filter(|pid| is_stopped(*pid));
        frozen.is_some()
    });
    let pid = i32::try_from(frozen.unwrap()).unwrap();
    (running, rustix::process::Pid::from_raw(pid).unwrap())
}

fn child_of(parent: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    children.ok()?.split_whitespace().next()?.parse().ok()
}

/// Says that the whole process stands still. The thread that strace looks at stops at every call; the one that renews the
/// lease does so only with all others.
fn is_stopped(pid: u32) -> bool {
    let threads = names_below(std::path::Path::new(&format!("/proc/{pid}/task")));
    threads.iter().any(|thread| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/stat"));
        let stat = stat.unwrap_or_default();
        *thread != pid.to_string()
            && stat
                .rsplit(") ")
                .next()
                .unwrap_or_default()
                .starts_with('T')
    })
}

fn until_expired(program: &Program) {
    until("the lease has expired", || {
        let live = "SELECT COUNT(*) FROM leases WHERE expires_at > CAST(unixepoch('subsec') * 1000 AS INTEGER)";
        number(program, live) == 0
    });
}

#[test]
fn a_prune_that_stood_still_beyond_its_lease_renames_nothing_more() {
    for n in 1..=4 {
        let program = planted();
        let (mut prune, pid) = frozen_at(&program, n);
        let before = program.visible("web", "scheduled");
        assert!(before.len() > 1, "it has not come far: {before:?}");
        until_expired(&program);

        // Another process of the same server takes over: the run counts as interrupted, whoever has the lock.
        let said = program.run(&["scheduler", "--once", "--lease", LEASE]);
        let interrupted =
            "SELECT COUNT(*) FROM runs WHERE kind = 'prune' AND status = 'interrupted'";
        assert_eq!(number(&program, interrupted), 1, "{}", said.err);

        rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
        let status = prune.wait();
        assert_eq!(status.code(), Some(12), "{:#?}", prune.log);
        assert_eq!(program.visible("web", "scheduled"), before);
        assert_eq!(number(&program, interrupted), 1, "it has told after all");
        let deleted = "SELECT COUNT(*) FROM snapshots WHERE status = 'deleted'";
        assert_eq!(number(&program, deleted), 0, "it has recorded after all");

        // Whoever comes next finishes what had left its place, and nothing else is lost.
        program.ends(
            0,
            &[
                "retention",
                "web",
                "--apply",
                "--yes",
                "--max-delete",
                "100",
            ],
        );
        assert_eq!(program.visible("web", "scheduled").len(), 1);
        let rows = "SELECT COUNT(*) FROM snapshots WHERE status IN ('deleting', 'missing')";
        assert_eq!(number(&program, rows), 0);
        assert!(names_below(&program.root().join("web/.trash")).is_empty());
    }
}

#[test]
fn a_prune_that_stood_still_and_was_not_taken_over_goes_on() {
    let program = planted();
    let (mut prune, pid) = frozen_at(&program, 3);
    until_expired(&program);
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    assert_eq!(prune.wait().code(), Some(0), "{:#?}", prune.log);
    assert_eq!(program.visible("web", "scheduled").len(), 1);
}
