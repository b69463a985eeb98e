//! One night of three servers that share a MariaDB server, each in a network of its own: one is killed, one is cut off.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mysql::Conn;
use mysql::prelude::Queryable as _;
use rustix::process::Signal;

use crate::common::mariadb::Server;
use crate::common::program::{Program, names_below};
use crate::network::Network;
use crate::support::Running;

const SERVERS: [&str; 3] = ["east", "north", "west"];
/// Seconds.
const LEASE: &str = "5";
/// Hundreds of backups on a machine that does other things too.
const NIGHT: Duration = Duration::from_secs(20 * 60);

/// How many hosts there are; a long run has 300.
fn hosts() -> usize {
    let wanted = std::env::var("POBSYNC_TEST_HOSTS").ok();
    wanted.and_then(|n| n.parse().ok()).unwrap_or(45)
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < NIGHT, "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn configure(program: &Program) {
    let source = program.path("source");
    std::fs::create_dir_all(&source).unwrap();
    for n in 0..20 {
        std::fs::write(source.join(n.to_string()), vec![b'x'; 100_000]).unwrap();
    }
    let mut text = "global { guard { max-delete 100; max-delete-percent 100 } }\n".to_owned();
    for server in SERVERS {
        let root = program.path(&format!("roots/{server}"));
        text.push_str(&format!(
            "server \"{server}\" {{ backup-root \"{}\"; max-concurrent 3 }}\n",
            root.display()
        ));
    }
    for n in 0..hosts() {
        text.push_str(&format!(
            "host \"host-{n}\" server=\"{}\" {{ address \"local\"; source \"{}\"; rsync {{ bwlimit \"500KiB\" }}; \
             retention {{ keep last=1 }}; schedule cron=\"15 2 * * *\" prune=#true }}\n",
            SERVERS[n % SERVERS.len()],
            source.display()
        ));
    }
    program.write("pobsync.kdl", &text);
}

struct Night {
    program: Program,
    network: Network,
    server: Server,
    database: String,
}

impl Night {
    fn scheduler(&self, n: usize) -> Running {
        let within = self.network.on_server(n);
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
        let address = format!(
            "mysql://p:hunter2@{}:{}/{}?ssl-mode=disabled",
            Network::hub_of(n),
            self.server.port(),
            self.database
        );
        command.env("POBSYNC_DATABASE", address);
        Running::of(command)
    }

    fn connect(&self) -> Conn {
        self.server.connect(&self.database)
    }

    fn number(&self, sql: &str) -> i64 {
        self.connect().query_first(sql).unwrap().unwrap()
    }

    fn runs(&self, server: &str, status: &str) -> i64 {
        self.number(&format!(
            "SELECT COUNT(*) FROM runs WHERE kind = 'backup' AND server = '{server}' AND status = '{status}'"
        ))
    }

    /// Complete snapshots by host, as they lie on the roots.
    fn on_disk(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for server in SERVERS {
            let root = self.program.path(&format!("roots/{server}"));
            for host in names_below(&root)
                .into_iter()
                .filter(|name| name.starts_with("host-"))
            {
                let n: usize = host.trim_start_matches("host-").parse().unwrap();
                assert_eq!(
                    SERVERS[n % SERVERS.len()],
                    server,
                    "{host} on the root of {server}"
                );
                let count = names_below(&root.join(&host).join("scheduled")).len();
                *found.entry(host).or_default() += count;
            }
        }
        found
    }
}

#[test]
fn three_servers_back_up_every_host_once_though_one_is_killed_and_one_is_cut_off() {
    let Some(network) = Network::new(SERVERS.len()) else {
        return;
    };
    let server = Server::start_within(&network.on_hub(), &["--bind-address=0.0.0.0"]);
    let database = server.new_database();
    server.execute("CREATE USER p@'%' IDENTIFIED BY 'hunter2'");
    server.execute("GRANT ALL PRIVILEGES ON *.* TO p@'%'");
    let program = Program::with_database(server.url(&database));
    configure(&program);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    let night = Night {
        program,
        network,
        server,
        database,
    };
    night
        .connect()
        .query_drop("UPDATE schedule_progress SET settled_until = settled_until - 172800000")
        .unwrap();
    let begun = Instant::now();
    let mut running: Vec<Running> = (0..SERVERS.len()).map(|n| night.scheduler(n)).collect();

    until("each has done something and is at work", || {
        SERVERS.iter().all(|s| night.runs(s, "complete") > 0)
            && night.runs("east", "running") > 0
            && night.runs("west", "running") > 0
    });
    running[0].signal(Signal::KILL);
    night.network.cut(2);
    let cut = Instant::now();
    until("the leases of both have expired", || {
        night.number(
            "SELECT COUNT(*) FROM leases WHERE server IN ('east', 'west') \
             AND expires_at > CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
        ) == 0
    });
    let expired = cut.elapsed();
    running[0] = night.scheduler(0);
    night.network.mend(2);

    until("every host has been backed up", || {
        night.number("SELECT COUNT(DISTINCT host_id) FROM snapshots WHERE status = 'complete'")
            == i64::try_from(hosts()).unwrap()
            && night.number("SELECT COUNT(*) FROM runs WHERE status = 'running'") == 0
            && night.number(
                "SELECT COUNT(*) FROM runs WHERE retry_at IS NOT NULL AND status <> 'complete'",
            ) == 0
    });
    let took = begun.elapsed();
    for scheduler in &mut running {
        scheduler.signal(Signal::TERM);
        assert!(scheduler.wait().success(), "{:#?}", scheduler.log);
    }
    let on_disk = night.on_disk();
    assert_eq!(on_disk.len(), hosts());
    let not_once: Vec<_> = on_disk.iter().filter(|(_, count)| **count != 1).collect();
    assert!(not_once.is_empty(), "{not_once:?}");
    for (what, sql) in [
        (
            "hosts with several complete backups",
            "SELECT COUNT(*) FROM (SELECT host_id FROM runs WHERE kind = 'backup' AND status = 'complete' \
             GROUP BY host_id HAVING COUNT(*) > 1) AS many",
        ),
        (
            "snapshots that are missing or on their way out",
            "SELECT COUNT(*) FROM snapshots WHERE status IN ('missing', 'deleting', 'running')",
        ),
        (
            "runs of a server for a host of another",
            "SELECT COUNT(*) FROM runs r JOIN hosts h ON h.id = r.host_id WHERE r.server <> h.server",
        ),
    ] {
        assert_eq!(night.number(sql), 0, "{what}");
    }
    let how: Vec<(String, String, i64)> = night
        .connect()
        .query("SELECT status, COALESCE(cause, ''), COUNT(*) FROM runs GROUP BY status, cause ORDER BY status, cause")
        .unwrap();
    eprintln!(
        "{} hosts, {} runs, {how:?}; leases expired after {expired:?}; all done after {took:?}",
        hosts(),
        night.number("SELECT COUNT(*) FROM runs"),
    );
}
