//! Three servers with roots of their own on one MariaDB, the hosts of each, and what is to be true after a night.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mysql::Conn;
use mysql::prelude::Queryable as _;
use rustix::process::Signal;

use crate::common::mariadb::Server;
use crate::common::program::{Program, names_below};
use crate::network::Network;
use crate::support::Running;

pub(crate) const SERVERS: [&str; 3] = ["east", "north", "west"];
/// What every host has from before, all of which goes after the next backup.
pub(crate) const OLD: [&str; 3] = [
    "20250101-021500Z__aaaa01",
    "20250102-021500Z__aaaa02",
    "20250103-021500Z__aaaa03",
];
/// Seconds. Longer than a writer that was cut off without a word keeps its turn.
const LEASE: &str = "30";
/// Hundreds of backups on a machine that does other things too.
const NIGHT: Duration = Duration::from_secs(30 * 60);
const BIG: &str = "big";

/// How many hosts there are; a long run has 300.
pub(crate) fn hosts() -> usize {
    let wanted = std::env::var("POBSYNC_TEST_HOSTS").ok();
    wanted.and_then(|n| n.parse().ok()).unwrap_or(45)
}

pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < NIGHT, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) struct Fleet {
    pub(crate) program: Program,
    pub(crate) server: Server,
    pub(crate) network: Option<Network>,
    database: String,
}

impl Fleet {
    /// Every host has old snapshots and is due. With a network, each server and the database have their own.
    pub(crate) fn new(server: Server, network: Option<Network>) -> Self {
        let database = server.new_database();
        server.execute("CREATE USER p@'%' IDENTIFIED BY 'hunter2'");
        server.execute("GRANT ALL PRIVILEGES ON *.* TO p@'%'");
        let fleet = Self {
            program: Program::with_database(server.url(&database)),
            server,
            network,
            database,
        };
        fleet.configure();
        fleet.program.ends(0, &["init"]);
        fleet.program.ends(0, &["apply", "--yes"]);
        for n in 0..hosts() {
            for old in OLD {
                Program::plant_below(&fleet.root(server_of(n)), &host(n), "scheduled", old);
            }
        }
        for server in SERVERS {
            fleet
                .program
                .ends(0, &["--as", server, "discover-snapshots"]);
        }
        fleet.make_due("TRUE");
        fleet
    }

    fn configure(&self) {
        let source = self.source();
        std::fs::create_dir_all(&source).unwrap();
        for n in 0..20 {
            std::fs::write(source.join(n.to_string()), vec![b'x'; 100_000]).unwrap();
        }
        std::fs::create_dir_all(self.slow_source()).unwrap();
        std::fs::write(self.slow_source().join(BIG), vec![b'y'; 100_000_000]).unwrap();
        let mut text = "global { guard { max-delete 100; max-delete-percent 100 } }\n".to_owned();
        for server in SERVERS {
            let root = self.root(server).display().to_string();
            text.push_str(&format!(
                "server \"{server}\" {{ backup-root \"{root}\"; max-concurrent 3 }}\n"
            ));
        }
        // No other fire comes while the test runs.
        let hour = (pobsync::ops::now().millis() / 3_600_000 + 12) % 24;
        for n in 0..hosts() {
            let (source, limit) = if n == SLOW {
                (self.slow_source(), "100KiB")
            } else {
                (self.source(), "500KiB")
            };
            text.push_str(&format!(
                "host \"{}\" server=\"{}\" {{ address \"local\"; source \"{}\"; rsync {{ bwlimit \"{limit}\" }}; \
                 retention {{ keep last=1 }}; schedule cron=\"15 {hour} * * *\" prune=#true }}\n",
                host(n),
                server_of(n),
                source.display(),
            ));
        }
        self.program.write("pobsync.kdl", &text);
    }

    fn source(&self) -> PathBuf {
        self.program.path("source")
    }

    fn slow_source(&self) -> PathBuf {
        self.program.path("slow-source")
    }

    pub(crate) fn root(&self, server: &str) -> PathBuf {
        self.program.path(&format!("roots/{server}"))
    }

    /// Whether the file of the slow host is on its way: some of it is there, and the rest takes many minutes.
    pub(crate) fn slow_is_arriving(&self) -> bool {
        let pulls = self
            .root(server_of(SLOW))
            .join(host(SLOW))
            .join(".incomplete/scheduled");
        let source = self.slow_source();
        let within = source.strip_prefix("/").unwrap();
        names_below(&pulls).iter().any(|pull| {
            let folder = pulls.join(pull).join("data").join(within);
            names_below(&folder).iter().any(|name| {
                let length = std::fs::metadata(folder.join(name)).map_or(0, |meta| meta.len());
                name.contains(BIG) && (1..100_000_000).contains(&length)
            })
        })
    }

    /// The next pull of the slow host is a quick one.
    pub(crate) fn hurry(&self) {
        std::fs::write(self.slow_source().join(BIG), "small").unwrap();
    }

    /// Makes hosts due, as if nothing had been answered for two days.
    pub(crate) fn make_due(&self, which: &str) {
        let sql = format!(
            "UPDATE schedule_progress SET settled_until = settled_until - 172800000 WHERE {which}"
        );
        self.connect().query_drop(sql).unwrap();
    }

    pub(crate) fn scheduler(&self, n: usize) -> Running {
        let within = self.network.as_ref().map(|network| network.on_server(n));
        let within = within.unwrap_or_default();
        let within: Vec<&str> = within.iter().map(String::as_str).collect();
        let mut command = self.program.command_under(
            &within,
            &[
                "scheduler",
                "--loop",
                "--interval",
                "2",
                "--lease",
                LEASE,
                "--as",
                SERVERS[n],
            ],
        );
        if self.network.is_some() {
            let address = format!(
                "mysql://p:hunter2@{}:{}/{}?ssl-mode=disabled",
                Network::hub_of(n),
                self.server.port(),
                self.database
            );
            command.env("POBSYNC_DATABASE", address);
        }
        Running::of(command)
    }

    pub(crate) fn connect(&self) -> Conn {
        self.server.connect(&self.database)
    }

    pub(crate) fn number(&self, sql: &str) -> i64 {
        let found: Option<i64> = self.connect().query_first(sql).unwrap();
        found.unwrap_or_else(|| panic!("nothing: {sql}"))
    }

    pub(crate) fn backups(&self, server: &str, status: &str) -> i64 {
        self.number(&format!(
            "SELECT COUNT(*) FROM runs WHERE kind = 'backup' AND server = '{server}' AND status = '{status}'"
        ))
    }

    /// Every server has finished something and is at work.
    pub(crate) fn are_all_at_work(&self) -> bool {
        SERVERS.iter().all(|server| {
            self.backups(server, "complete") > 0 && self.backups(server, "running") > 0
        })
    }

    /// Every host has been backed up, and nothing is left to be done.
    pub(crate) fn night_is_over(&self) -> bool {
        self.number("SELECT COUNT(DISTINCT host_id) FROM runs WHERE kind = 'backup' AND status = 'complete'")
            == count(hosts())
            && self.is_quiet()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.number("SELECT COUNT(*) FROM runs WHERE status = 'running'") == 0
            && self.number(
                "SELECT COUNT(*) FROM runs WHERE retry_at IS NOT NULL AND status <> 'complete'",
            ) == 0
    }

    fn none(&self, what: &str, sql: &str) {
        assert_eq!(self.number(sql), 0, "{what}: {sql}\n{:#?}", self.runs());
    }

    /// How many runs there are of each kind, server and end.
    pub(crate) fn runs(&self) -> Vec<String> {
        let sql = "SELECT CONCAT_WS(' ', kind, server, status, cause, COUNT(*), \
                   IF(status = 'complete', NULL, MAX(message))) FROM runs \
                   GROUP BY kind, server, status, cause ORDER BY kind, server, status, cause";
        self.connect().query(sql).unwrap()
    }

    /// Every due time of every host was answered by one complete run, begun anew once and never twice at a time.
    pub(crate) fn assert_each_due_time_was_answered_once(&self) {
        self.none(
            "due times without exactly one complete run",
            "SELECT COUNT(*) FROM (SELECT host_id FROM runs WHERE kind = 'backup' \
             GROUP BY host_id, fires_at HAVING SUM(status = 'complete') <> 1 OR SUM(attempt = 1) <> 1) AS wrong",
        );
        self.none(
            "runs at the same time for one host",
            "SELECT COUNT(*) FROM runs a JOIN runs b ON b.host_id = a.host_id AND b.kind = a.kind AND b.id > a.id \
             WHERE a.kind = 'backup' AND (a.finished_at IS NULL OR b.started_at < a.finished_at)",
        );
        self.none(
            "runs of a server for a host of another",
            "SELECT COUNT(*) FROM runs r JOIN hosts h ON h.id = r.host_id WHERE r.server <> h.server",
        );
        let answered = "SELECT COUNT(*) FROM (SELECT DISTINCT host_id, fires_at FROM runs WHERE kind = 'backup') AS due";
        assert_eq!(self.number(answered), count(hosts()));
    }

    /// Hosts some of whose old snapshots are still there: whoever was to prune them was disturbed.
    pub(crate) fn unpruned(&self) -> Vec<i64> {
        let names = old_names();
        self.connect()
            .query(format!(
                "SELECT DISTINCT host_id FROM snapshots WHERE name IN ({names}) AND status <> 'deleted' ORDER BY host_id"
            ))
            .unwrap()
    }

    /// Every snapshot that has gone was listed by the plan it went by, under an approved policy; and but for hosts that
    /// were `disturbed`, no plan listed it before, and the prunes say of as many that they deleted them.
    pub(crate) fn assert_each_deletion_was_done_once(&self, disturbed: &[i64]) {
        self.none(
            "deletions without a plan that lists them",
            "SELECT COUNT(*) FROM snapshots s WHERE s.status = 'deleted' AND NOT EXISTS (SELECT 1 FROM plan_deletions d \
             JOIN plans p ON p.id = d.plan_id WHERE d.plan_id = s.plan_id AND d.snapshot_id = s.id AND p.kind = 'prune')",
        );
        self.none(
            "deletions under a policy that was not approved",
            "SELECT COUNT(*) FROM snapshots s JOIN hosts h ON h.id = s.host_id WHERE s.status = 'deleted' AND NOT EXISTS \
             (SELECT 1 FROM approvals a WHERE a.host_id = h.id AND a.policy = h.policy)",
        );
        self.none(
            "snapshots that are missing or on their way out",
            "SELECT COUNT(*) FROM snapshots WHERE status IN ('missing', 'deleting', 'running')",
        );
        let disturbed = disturbed
            .iter()
            .map(ToString::to_string)
            .chain(["0".to_owned()])
            .collect::<Vec<_>>()
            .join(", ");
        self.none(
            "deletions that several plans list",
            &format!(
                "SELECT COUNT(*) FROM (SELECT d.snapshot_id FROM plan_deletions d JOIN snapshots s ON s.id = d.snapshot_id \
                 WHERE s.host_id NOT IN ({disturbed}) GROUP BY d.snapshot_id HAVING COUNT(*) > 1) AS several"
            ),
        );
        let said = self.number(&format!(
            "SELECT CAST(COALESCE(SUM(CAST(SUBSTRING_INDEX(message, ' ', 1) AS INT)), 0) AS INT) FROM runs \
             WHERE kind = 'prune' AND status = 'complete' AND host_id NOT IN ({disturbed}) AND host_id NOT IN ({CUT_OFF})"
        ));
        // Of a prune that was killed, whoever comes next finishes what it had begun, without a run that says so. What is
        // left of a pull that was killed goes with the next one, without a prune.
        let gone = self.number(&format!(
            "SELECT COUNT(*) FROM snapshots WHERE status = 'deleted' AND name IN ({}) AND host_id NOT IN ({disturbed}) \
             AND host_id NOT IN ({CUT_OFF})",
            old_names()
        ));
        assert_eq!(said, gone, "{:#?}", self.runs());
    }

    /// Lets the next night prune what the `disturbed` hosts were owed, ends all schedulers, and holds what was deleted,
    /// and disk and rows, against each other. Returns how many snapshots were compared.
    pub(crate) fn end_after_the_next_night(
        &self,
        disturbed: &[i64],
        running: &mut [Running],
    ) -> usize {
        for host in disturbed {
            self.make_due(&format!("host_id = {host}"));
        }
        until("every host has been pruned", || {
            self.unpruned().is_empty() && self.is_quiet()
        });
        for scheduler in running {
            scheduler.signal(Signal::TERM);
            assert!(scheduler.wait().success(), "{:#?}", scheduler.log);
        }
        self.assert_each_deletion_was_done_once(disturbed);
        self.assert_disk_and_rows_agree()
    }

    /// What rows say is complete is what lies on the root of the server that the host belongs to, one for each host,
    /// each of them whole; and nothing else is left there. How many were compared.
    pub(crate) fn assert_disk_and_rows_agree(&self) -> usize {
        let rows: Vec<(String, String, String)> = self
            .connect()
            .query(
                "SELECT h.server, h.name, s.name FROM snapshots s JOIN hosts h ON h.id = s.host_id \
                 WHERE s.status = 'complete'",
            )
            .unwrap();
        let rows: BTreeSet<_> = rows.into_iter().collect();
        let mut found = BTreeSet::new();
        for server in SERVERS {
            let root = self.root(server);
            for host in names_below(&root) {
                let folder = root.join(&host);
                if !host.starts_with("host-") {
                    continue;
                }
                assert_eq!(names_below(&folder.join(".trash")), [""; 0], "{host}");
                let unfinished = names_below(&folder.join(".incomplete/scheduled"));
                assert_eq!(unfinished, [""; 0], "{host}");
                for name in names_below(&folder.join("scheduled")) {
                    self.assert_is_whole(&host, &folder.join("scheduled").join(&name), &name);
                    found.insert((server.to_owned(), host.clone(), name));
                }
            }
        }
        assert_eq!(found, rows);
        let hosts_found: BTreeSet<_> = found.iter().map(|(_, host, _)| host).collect();
        assert_eq!((hosts_found.len(), found.len()), (hosts(), hosts()));
        found.len()
    }

    fn assert_is_whole(&self, host_name: &str, folder: &Path, name: &str) {
        let source = if host_name == host(SLOW) {
            self.slow_source()
        } else {
            self.source()
        };
        let data = folder.join("data").join(source.strip_prefix("/").unwrap());
        assert_eq!(content(&source), content(&data), "{}", data.display());
        let meta = std::fs::read_to_string(folder.join("meta.json")).unwrap();
        let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
        assert_eq!(
            (&meta["host"], &meta["name"], &meta["status"]),
            (&host_name.into(), &name.into(), &"complete".into())
        );
    }
}

/// Hosts with a prune that did not come to its end.
const CUT_OFF: &str = "SELECT host_id FROM runs WHERE kind = 'prune' AND status <> 'complete'";

/// A host of the first server that takes many minutes, unless told to hurry.
const SLOW: usize = 3;

/// In the order of their numbers by name.
pub(crate) fn host(n: usize) -> String {
    format!("host-{n:04}")
}

fn server_of(n: usize) -> &'static str {
    SERVERS[n % SERVERS.len()]
}

/// As SQL lists them.
fn old_names() -> String {
    OLD.map(|name| format!("'{name}'")).join(", ")
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap()
}

fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = names_below(folder).into_iter();
    names
        .map(|name| {
            let bytes = std::fs::read(folder.join(&name)).unwrap();
            (name, bytes)
        })
        .collect()
}
