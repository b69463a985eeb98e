//! Where MariaDB would do something else than SQLite if it were not told.

use mysql::prelude::Queryable as _;

use crate::store::session::{Database, Session, args, first};
use crate::store::tests::support::{fresh_sqlite, plan, with_host};
use crate::store::{PlanKind, Store, StoreError};

use super::Place;

fn number(session: &mut dyn Session, sql: &str) -> Result<i64, StoreError> {
    let found = first(session, sql, &[], |row| Ok(row.int(0).unwrap().unwrap()))?;
    Ok(found.unwrap())
}

const POLICY: &str = "INSERT INTO policies (fingerprint, body) VALUES (?, '')";

#[test]
fn a_statement_tells_the_rows_it_met_and_not_those_it_made_different() {
    let store = Place::new().store();
    let met = store.write(|s| {
        s.execute(POLICY, args!["a"])?;
        s.execute(
            "UPDATE policies SET body = body WHERE fingerprint = ?",
            args!["a"],
        )
    });
    assert_eq!(met.unwrap(), 1);
}

#[test]
fn names_differ_by_case_and_by_blanks_at_their_end() {
    let store = Place::new().store();
    let names = ["b", "b ", "B", "bä", "ba", "b\u{1F5C4}"];
    store
        .write(|s| {
            names
                .iter()
                .try_for_each(|name| s.execute(POLICY, args![*name]).map(drop))
        })
        .unwrap();
    for name in names {
        let sql = "SELECT fingerprint FROM policies WHERE fingerprint = ?";
        let found = store
            .read(|s| {
                first(s, sql, args![name], |row| {
                    Ok(row.text(0).unwrap().unwrap().to_owned())
                })
            })
            .unwrap();
        assert_eq!(found.as_deref(), Some(name));
    }
}

#[test]
fn a_sum_is_read_as_the_number_it_is() {
    let store = Place::new().store();
    with_host(&store);
    let sum = store.read(|s| number(s, "SELECT SUM(enabled) FROM hosts"));
    assert_eq!(sum.unwrap(), 1);
}

#[test]
fn a_value_that_does_not_fit_is_an_error_and_leaves_nothing() {
    let store = Place::new().store();
    let long = "x".repeat(192);
    for (sql, value) in [
        (POLICY, long.as_str()),
        (
            "INSERT INTO write_marks (token, seq, at) VALUES ('x', ?, 0)",
            "many",
        ),
        ("UPDATE sign_of_life SET at = ?", "yesterday"),
    ] {
        let error = store
            .write(|s| {
                s.execute(POLICY, args!["before it"])?;
                s.execute(sql, args![value])
            })
            .unwrap_err();
        assert!(matches!(error, StoreError::Database { .. }), "{error}");
    }
    let left = store.read(|s| number(s, "SELECT COUNT(*) FROM policies"));
    assert_eq!(left.unwrap(), 0);
}

#[test]
fn ids_may_have_gaps_and_are_the_ones_that_were_told() {
    let store = Place::new().store();
    let audit = "INSERT INTO audit (at, actor, summary, serial_before, serial_after, detail) \
         VALUES (0, '', '', 0, 0, '')";
    store
        .write(|s| {
            s.insert(audit, &[])?;
            s.execute("NO SUCH STATEMENT", &[])
        })
        .unwrap_err();
    let told = store.write(|s| s.insert(audit, &[])).unwrap();
    let found = store.read(|s| number(s, "SELECT id FROM audit"));
    assert_eq!(found.unwrap(), told);
    assert!(told > 1, "the id of what was undone is burnt");
}

#[test]
fn a_reader_sees_one_state_whatever_is_written_meanwhile() {
    let place = Place::new();
    let store = place.store();
    let seen = store.read(|s| {
        let before = number(s, "SELECT COUNT(*) FROM policies")?;
        store.write(|w| w.execute(POLICY, args!["meanwhile"]))?;
        Ok((before, number(s, "SELECT COUNT(*) FROM policies")?))
    });
    assert_eq!(seen.unwrap(), (0, 0));
    let refused = store.read(|s| s.execute(POLICY, args!["by a reader"]));
    assert!(refused.is_err());
}

#[test]
fn writers_take_turns() {
    let store = Place::new().store();
    store.write(|s| s.execute(POLICY, args!["0"])).unwrap();
    // Each looks and then writes: at once, two would write the same.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..10 {
                    store
                        .write(|s| {
                            let next = number(s, "SELECT COUNT(*) FROM policies")?.to_string();
                            s.execute(POLICY, args![next.as_str()])
                        })
                        .unwrap();
                }
            });
        }
    });
    let count = store.read(|s| number(s, "SELECT COUNT(*) FROM policies"));
    assert_eq!(count.unwrap(), 61);
}

#[test]
fn the_plan_of_a_large_fleet_comes_back_whole_and_one_that_no_packet_holds_is_told() {
    let store = Place::new().store();
    with_host(&store);
    let serial = store.serial().unwrap();
    let at = crate::core::model::Timestamp::from_millis(0);
    let mut large = plan(PlanKind::Apply, Vec::new());
    large.body = "größe ".repeat(3 << 20);
    let id = store.record_plan(serial, &large, "alice", at).unwrap();
    assert!(store.plan(id).unwrap().unwrap().body == large.body);
    large.body = "x".repeat(70 << 20);
    let error = store.record_plan(serial, &large, "alice", at).unwrap_err();
    assert!(
        matches!(error, StoreError::TooLarge { .. }),
        "{error:.200?}"
    );
    assert!(error.help().unwrap().contains("max_allowed_packet"));
    assert_eq!(store.plans(9).unwrap().len(), 1);
}

#[test]
fn the_time_is_that_of_the_server_in_milliseconds() {
    let place = Place::new();
    let store = place.store();
    let ours = fresh_sqlite().store.read(|s| s.now()).unwrap().millis();
    let theirs = store.read(|s| s.now()).unwrap().millis();
    assert!((theirs - ours).abs() < 60_000, "{ours} {theirs}");
    let zone: String = place
        .raw()
        .query_first("SELECT @@time_zone")
        .unwrap()
        .unwrap();
    assert_eq!(zone, "+07:00", "the server's own zone is another one");
}

#[test]
fn rows_that_another_has_locked_are_passed_over() {
    let place = Place::new();
    let store = place.store();
    let sql = |s: &dyn Session| format!("SELECT fingerprint FROM policies {}", s.skip_locked());
    store
        .write(|s| {
            ["a", "b"]
                .iter()
                .try_for_each(|n| s.execute(POLICY, args![*n]).map(drop))
        })
        .unwrap();
    let mut other = place.raw();
    other.query_drop("START TRANSACTION").unwrap();
    other
        .query_drop("SELECT * FROM policies WHERE fingerprint = 'a' FOR UPDATE")
        .unwrap();
    let free = store
        .write(|s| {
            let sql = sql(s);
            crate::store::session::all(s, &sql, &[], |row| {
                Ok(row.text(0).unwrap().unwrap().to_owned())
            })
        })
        .unwrap();
    assert_eq!(free, ["b"]);
}
