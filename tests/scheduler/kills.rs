//! kill -9 of the scheduler at random points of a night, again and again, on either kind of database.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rstest::rstest;

use crate::common::On;
use crate::common::program::{Program, names_below};
use crate::common::sql::Sql;
use crate::support::{Running, fleet_on, make_due, number, processes};

const HOSTS: [&str; 3] = ["a", "b", "c"];

/// The same points every time, as far as a clock can have them: xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

#[rstest]
#[case::sqlite(On::Sqlite, 100)]
#[case::mariadb(On::MariaDb, 40)]
fn many_kills_leave_whole_snapshots_true_rows_and_no_process(#[case] on: On, #[case] kills: usize) {
    let program = fleet_on(
        on,
        &HOSTS,
        "max-concurrent 2; guard { max-delete 1000; max-delete-percent 100 }",
        "schedule cron=\"15 2 * * *\" prune=#true; retention { keep last=3 }",
    );
    let mut random = Random(0x0BAD_CAFE);
    let mut seen = BTreeSet::new();
    let begun = Instant::now();
    make_due(&program);
    program.ends(0, &["scheduler", "--once"]);
    let mut night = begun.elapsed();
    let mut hit = 0;
    for kill in 1..=kills {
        make_due(&program);
        let mut scheduler = Running::start(&program, &["scheduler", "--once"]);
        let point = random.below(u64::try_from(night.as_micros()).unwrap());
        std::thread::sleep(Duration::from_micros(point));
        scheduler.signal(rustix::process::Signal::KILL);
        let status = scheduler.wait();
        if status.code().is_none() {
            hit += 1;
        } else {
            // It had ended before: nights are shorter than the first one was.
            night = night * 4 / 5;
        }
        whole(&program, &mut seen, kill);
        // Most kills fall on what the one before has left; now and then all is put right.
        if kill % 5 == 0 {
            make_due(&program);
            program.ends(0, &["scheduler", "--once"]);
            clean(&program, kill);
            whole(&program, &mut seen, kill);
        }
    }
    let lost = number(
        &program,
        "SELECT COUNT(*) FROM runs WHERE status = 'interrupted'",
    );
    println!(
        "{hit} of {kills} kills hit a scheduler at work; {lost} runs were interrupted, {} snapshots compared, in {:.0?}",
        seen.len(),
        begun.elapsed()
    );
    assert!(hit > kills / 2 && lost > i64::try_from(kills / 10).unwrap());
    make_due(&program);
    let said = program.ends(0, &["scheduler", "--once"]);
    assert_eq!(
        said.err.matches("backup ends").count(),
        HOSTS.len(),
        "{}",
        said.err
    );
    clean(&program, kills);
    for host in HOSTS {
        assert_eq!(program.visible(host, "scheduled").len(), 3, "{host}");
    }
}

/// Every visible snapshot is the source, and says so.
fn whole(program: &Program, seen: &mut BTreeSet<String>, kill: usize) {
    let source = program.path("source");
    for host in HOSTS {
        for name in names_below(&program.root().join(host).join("scheduled")) {
            let data = program.data(host, "scheduled", &name);
            let meta = std::fs::read_to_string(data.with_file_name("meta.json")).unwrap();
            assert!(
                meta.contains(&name) && meta.contains("\"complete\""),
                "{kill}: {meta}"
            );
            if seen.insert(name) {
                same(&source, &data.join(source.strip_prefix("/").unwrap()), kill);
            }
        }
    }
}

/// rsync, asked for every difference in content and attributes, has nothing to say.
fn same(source: &Path, tree: &Path, kill: usize) {
    let slash = |path: &Path| format!("{}/", path.display());
    let said = Command::new("rsync")
        .args([
            "-aHAXn",
            "--checksum",
            "--delete",
            "--itemize-changes",
            "--",
        ])
        .args([slash(source), slash(tree)])
        .output()
        .unwrap();
    let differences = String::from_utf8_lossy(&said.stdout);
    assert!(
        said.status.success() && differences.is_empty(),
        "{kill}: {differences}"
    );
}

/// After a run that was not killed: no row lies, nothing is left on disk or among the processes.
fn clean(program: &Program, kill: usize) {
    assert_eq!(processes(program), Vec::<String>::new(), "{kill}");
    let mut database = Sql::of(program);
    let mut none = |what: &str, sql: &str| {
        let found = database.texts(sql);
        assert_eq!(found, Vec::<String>::new(), "{kill}: {what}");
    };
    none(
        "runs at work",
        "SELECT id || ' ' || process FROM runs WHERE status = 'running'",
    );
    none(
        "runs without an end",
        "SELECT CAST(id AS CHAR) FROM runs WHERE finished_at IS NULL",
    );
    none(
        "complete runs without a snapshot that is or was",
        "SELECT CAST(r.id AS CHAR) FROM runs r LEFT JOIN snapshots s ON s.id = r.snapshot_id \
         WHERE r.kind = 'backup' AND r.status = 'complete' AND coalesce(s.status, '') NOT IN ('complete', 'deleted')",
    );
    none(
        "snapshots on their way",
        "SELECT name || ' ' || status FROM snapshots WHERE status NOT IN ('complete', 'deleted')",
    );
    none(
        "deletions without a plan that lists them",
        "SELECT s.name FROM snapshots s WHERE s.status = 'deleted' AND NOT EXISTS \
         (SELECT 1 FROM plan_deletions d WHERE d.plan_id = s.plan_id AND d.snapshot_id = s.id)",
    );
    for host in HOSTS {
        let rows = database.texts(&format!(
            "SELECT s.name FROM snapshots s JOIN hosts h ON h.id = s.host_id \
                 WHERE h.name = '{host}' AND s.status = 'complete' ORDER BY s.name"
        ));
        let folder = program.root().join(host);
        assert_eq!(
            names_below(&folder.join("scheduled")),
            rows,
            "{kill}: {host}"
        );
        for left in [".incomplete/scheduled", ".trash"] {
            assert_eq!(
                names_below(&folder.join(left)),
                Vec::<String>::new(),
                "{kill}: {host} {left}"
            );
        }
    }
}
