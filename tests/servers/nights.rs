//! One night of three servers that share a MariaDB server, each in a network of its own: one is killed in the middle of a
//! transfer, one is cut off in the middle of a prune.

use std::time::{Duration, Instant};

use mysql::prelude::Queryable as _;
use rustix::process::Signal;

use crate::common::mariadb::Server;
use crate::fleet::{Fleet, OLD, SERVERS, hosts, until};
use crate::network::Network;
use crate::support::Running;

/// Stands in the way of a prune that has taken a first snapshot off its place and wants the second, by the lock of that
/// one's row. The host is one that nobody has begun with.
struct InTheWay {
    conn: mysql::Conn,
    host: i64,
}

impl InTheWay {
    fn of_a_host_of(fleet: &Fleet, server: &str) -> Self {
        let host = fleet.number(&format!(
            "SELECT MIN(h.id) FROM hosts h WHERE h.server = '{server}' \
             AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.host_id = h.id)"
        ));
        let row = fleet.number(&format!(
            "SELECT id FROM snapshots WHERE host_id = {host} AND name = '{}'",
            OLD[1]
        ));
        let mut conn = fleet.connect();
        conn.query_drop("START TRANSACTION").unwrap();
        // Others may refer to it, as the plan does that lists it; nobody may change it. Nothing beside it is locked.
        let sql = format!("SELECT id FROM snapshots WHERE id = {row} LOCK IN SHARE MODE");
        let found: Option<i64> = conn.query_first(sql).unwrap();
        assert_eq!(found, Some(row));
        Self { conn, host }
    }

    fn is_waited_for(&self, fleet: &Fleet) -> bool {
        // The server looks anew only if nobody has asked for a tenth of a second.
        std::thread::sleep(Duration::from_millis(150));
        let id = self.conn.connection_id();
        fleet.number(&format!(
            "SELECT COUNT(*) FROM information_schema.INNODB_LOCK_WAITS w \
             JOIN information_schema.INNODB_TRX t ON t.trx_id = w.blocking_trx_id \
             WHERE t.trx_mysql_thread_id = {id}"
        )) > 0
    }

    fn deleting(&self, fleet: &Fleet) -> i64 {
        fleet.number(&format!(
            "SELECT COUNT(*) FROM snapshots WHERE host_id = {} AND status = 'deleting'",
            self.host
        ))
    }

    fn go(&mut self) {
        self.conn.query_drop("ROLLBACK").unwrap();
    }
}

#[test]
fn three_servers_back_up_every_host_once_though_one_is_killed_and_one_is_cut_off() {
    let Some(network) = Network::new(SERVERS.len()) else {
        return;
    };
    let server = Server::start_within(&network.on_hub(), &["--bind-address=0.0.0.0"]);
    let fleet = Fleet::new(server, Some(network));
    let network = fleet.network.as_ref().unwrap();
    let begun = Instant::now();
    let mut running: Vec<Running> = (0..SERVERS.len()).map(|n| fleet.scheduler(n)).collect();

    until("a slow transfer is under way, and all are at work", || {
        fleet.slow_is_arriving() && fleet.are_all_at_work()
    });
    let mut in_the_way = InTheWay::of_a_host_of(&fleet, "west");
    until("a prune wants its second snapshot", || {
        in_the_way.is_waited_for(&fleet)
    });
    assert!(fleet.slow_is_arriving());
    assert_eq!(in_the_way.deleting(&fleet), 1, "it has taken one");
    running[0].signal(Signal::KILL);
    network.cut(2);
    let cut = Instant::now();
    in_the_way.go();
    until("the leases of both have expired", || {
        fleet.number(
            "SELECT COUNT(*) FROM leases WHERE server IN ('east', 'west') \
             AND expires_at > CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
        ) == 0
    });
    let expired = cut.elapsed();
    assert_eq!(in_the_way.deleting(&fleet), 1, "what was cut off is undone");
    fleet.hurry();
    running[0] = fleet.scheduler(0);
    network.mend(2);

    until("every host has been backed up", || fleet.night_is_over());
    let took = begun.elapsed();
    fleet.assert_each_due_time_was_answered_once();
    let undisturbed = "SELECT COUNT(*) FROM runs WHERE server = 'north' AND status <> 'complete'";
    assert_eq!(fleet.number(undisturbed), 0, "{:#?}", fleet.runs());
    let how = fleet.runs();

    // Whom a prune was owed when its server went away gets it after the next backup.
    let disturbed = fleet.unpruned();
    assert!(disturbed.contains(&in_the_way.host), "{disturbed:?}");
    let compared = fleet.end_after_the_next_night(&disturbed, &mut running);
    let taken = "SELECT COUNT(*) FROM runs WHERE cause = 'lost'";
    let deleted = "SELECT COUNT(*) FROM snapshots WHERE status = 'deleted'";
    eprintln!(
        "{} hosts; runs of the night {how:?}; leases expired after {expired:?}, {} runs taken back; all backed up after \
         {took:?}; {} hosts pruned the next night; {} snapshots deleted, {compared} compared",
        hosts(),
        fleet.number(taken),
        disturbed.len(),
        fleet.number(deleted),
    );
}
