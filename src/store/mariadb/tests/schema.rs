//! Migrations that are cut off, and several starts at once.

use std::sync::Barrier;

use mysql::prelude::Queryable as _;
use refinery::Migration;

use crate::store::mariadb::{connect, migrations};
use crate::store::tests::mariadb_server::Server;
use crate::store::{MariaDb, Store};

use super::Place;

/// What the schema is, to the last index.
fn schema(conn: &mut mysql::Conn) -> Vec<String> {
    let tables: Vec<String> = conn.query("SHOW TABLES").unwrap();
    tables
        .iter()
        .map(|table| {
            let (_, text): (String, String) = conn
                .query_first(format!("SHOW CREATE TABLE {table}"))
                .unwrap()
                .unwrap();
            // Where numbering goes on from, and which way a constraint that has no name was numbered, says nothing.
            let lines = text.lines().map(|line| line.trim_end_matches(','));
            let mut lines: Vec<String> = lines
                .map(|line| match line.split_once(" AUTO_INCREMENT=") {
                    Some((before, after)) => {
                        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
                        format!("{before}{after}")
                    }
                    None => line.to_owned(),
                })
                .collect();
            lines.sort();
            lines.join("\n")
        })
        .collect()
}

/// Every statement of every migration, one after the other.
fn statements() -> Vec<String> {
    let known = migrations::known().unwrap();
    known
        .iter()
        .flat_map(|migration| {
            let text: Vec<&str> = migration
                .sql()
                .unwrap()
                .lines()
                .filter(|line| !line.trim_start().starts_with("--"))
                .collect();
            let text = text.join("\n");
            let found: Vec<String> = text
                .split(";\n")
                .map(|statement| statement.trim().trim_end_matches(';').to_owned())
                .filter(|statement| !statement.is_empty())
                .collect();
            found
        })
        .collect()
}

/// The table that the migration library makes before the first migration.
const HISTORY: &str = "CREATE TABLE refinery_schema_history (version INT4 PRIMARY KEY, \
     name VARCHAR(255), applied_on VARCHAR(255), checksum VARCHAR(255))";

#[test]
fn a_migration_that_was_cut_off_after_any_statement_is_finished_by_the_next_start() {
    let whole = Place::new();
    drop(whole.store());
    let wanted = schema(&mut whole.raw());
    let first = migrations::known().unwrap().remove(0);
    let first_statements = first.sql().unwrap().matches(";\n").count();
    let all = statements();
    assert!(all.len() > 50, "{}", all.len());
    // Within the first migration, so that all others come after it: the rest is cut off in a database of today.
    for cut in (0..=first_statements.min(all.len())).step_by(4) {
        let place = Place::new();
        let mut raw = place.raw();
        raw.query_drop(HISTORY).unwrap();
        for statement in &all[..cut] {
            raw.query_drop(statement).unwrap();
        }
        let store = place.store();
        assert!(store.lineage().is_ok());
        assert_eq!(schema(&mut raw), wanted, "cut off after {cut}");
    }
}

#[test]
fn every_statement_can_be_carried_out_again_with_everything_in_place() {
    let place = Place::new();
    let lineage = place.store().lineage().unwrap();
    let mut raw = place.raw();
    let before = schema(&mut raw);
    for statement in statements() {
        raw.query_drop(&statement)
            .unwrap_or_else(|e| panic!("{e}\n{statement}"));
    }
    assert_eq!(schema(&mut raw), before);
    assert_eq!(place.store().lineage().unwrap(), lineage);
}

#[test]
fn a_statement_that_fails_further_down_is_not_remembered_as_done() {
    let place = Place::new();
    drop(place.store());
    let mut known = migrations::known().unwrap();
    let bad = "CREATE TABLE IF NOT EXISTS extra (id INT);\nNONSENSE;\n";
    known.push(Migration::unapplied("V900__bad", bad).unwrap());
    let mut conn = connect::first(&place.address).unwrap();
    migrations::apply(&place.address, &mut conn, &known).unwrap_err();
    assert!(MariaDb::open(&place.address).is_ok(), "not taken for done");
    known.pop();
    let good =
        "CREATE TABLE IF NOT EXISTS extra (id INT);\nCREATE TABLE IF NOT EXISTS more (id INT);\n";
    known.push(Migration::unapplied("V900__good", good).unwrap());
    migrations::apply(&place.address, &mut conn, &known).unwrap();
    let more: Vec<String> = place.raw().query("SHOW TABLES LIKE 'more'").unwrap();
    assert_eq!(more, ["more"]);
}

#[test]
fn many_first_starts_at_once_make_the_schema_once() {
    const STARTS: usize = 6;
    let place = Place::new();
    let together = Barrier::new(STARTS);
    let lineages: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..STARTS)
            .map(|_| {
                scope.spawn(|| {
                    together.wait();
                    place.store().lineage().unwrap()
                })
            })
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    assert!(lineages.iter().all(|lineage| *lineage == lineages[0]));
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_a_migration_loses_nothing() {
    let mut server = Server::start(&[]);
    for tables in [1, 7, 15] {
        let name = server.new_database();
        let address = server.url(&name).parse().unwrap();
        let making = std::thread::spawn({
            let address: crate::store::ServerAddress = server.url(&name).parse().unwrap();
            move || MariaDb::open_or_create(&address).map(drop)
        });
        let mut raw = server.connect("information_schema");
        let sql = format!("SELECT COUNT(*) FROM tables WHERE table_schema = '{name}'");
        while raw.query_first::<usize, _>(&sql).unwrap() < Some(tables) && !making.is_finished() {
            std::thread::yield_now();
        }
        server.kill();
        let _ = making.join().unwrap();
        server.run();
        let store = MariaDb::open_or_create(&address).unwrap();
        assert!(store.load_state().unwrap().hosts.is_empty());
        let mut conn = server.connect(&name);
        let whole = Place::new();
        drop(whole.store());
        assert_eq!(schema(&mut conn), schema(&mut whole.raw()));
    }
}
