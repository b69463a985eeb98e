//! The database server is restarted, and crashes, while three servers are at work.

use std::time::Instant;

use crate::common::mariadb::Server;
use crate::fleet::{Fleet, SERVERS, hosts, until};
use crate::support::{Running, processes};

#[test]
fn a_database_that_is_restarted_and_crashes_in_the_night_loses_and_doubles_nothing() {
    let mut fleet = Fleet::new(Server::start(&[]), None);
    fleet.hurry();
    let begun = Instant::now();
    let mut running: Vec<Running> = (0..SERVERS.len()).map(|n| fleet.scheduler(n)).collect();

    until("all are at work", || fleet.are_all_at_work());
    fleet.server.stop();
    fleet.server.run();
    let done =
        || fleet.number("SELECT COUNT(*) FROM runs WHERE status = 'complete' AND kind = 'backup'");
    let before = done();
    until("they go on", || {
        done() > before + 6 && fleet.are_all_at_work()
    });
    // Transfers end while it is away, and have nobody to tell.
    fleet.server.kill();
    until("no transfer is at work", || {
        !processes(&fleet.program)
            .iter()
            .any(|words| words.starts_with("rsync "))
    });
    // Longer than anybody tries again without a word.
    for scheduler in &mut running {
        scheduler.says("cannot be reached");
    }
    fleet.server.run();

    until("every host has been backed up", || fleet.night_is_over());
    let took = begun.elapsed();
    fleet.assert_each_due_time_was_answered_once();
    let how = fleet.runs();
    let disturbed = fleet.unpruned();
    let compared = fleet.end_after_the_next_night(&disturbed, &mut running);
    eprintln!(
        "{} hosts; runs of the night {how:?}; all backed up after {took:?}; {} hosts pruned the next night; {compared} compared",
        hosts(),
        disturbed.len(),
    );
}
