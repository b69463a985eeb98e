//! Everything moved from one database to another.

use rstest::rstest;

use crate::store::{PlanKind, Store, StoreError};

use super::support::*;

/// Something in most tables, with text that needs care.
fn fill(store: &dyn Store) {
    let host = with_host(store);
    let first = complete(store, host, "20261122-021500Z__ab12cd");
    complete(store, host, "20261123-021500Z__ab12cd");
    let mut plan = plan(PlanKind::Prune, vec![first]);
    plan.body = "{\"größe\": \"\u{1F5C4} ''\\\\ \n\"} ".to_owned();
    let serial = store.serial().unwrap();
    let plan = store.record_plan(serial, &plan, "älice ", at(50)).unwrap();
    let marked = mark_deleting(store, first, plan, at(60));
    assert_eq!(marked, crate::store::Marking::Marked);
    store.record_sign_of_life(at(70)).unwrap();
}

#[rstest]
#[case(fresh_sqlite, fresh_mariadb)]
#[case(fresh_mariadb, fresh_sqlite)]
#[case(fresh_sqlite, fresh_sqlite)]
#[case(fresh_mariadb, fresh_mariadb)]
fn everything_arrives_and_goes_on_from_there(
    #[case] from: fn() -> Fixture,
    #[case] to: fn() -> Fixture,
) {
    let (from, to) = (from(), to());
    fill(&*from);
    let copied = from.store.copy_into(&to.store).unwrap();
    let rows = |name: &str| copied.iter().find(|table| table.name == name).unwrap().rows;
    assert_eq!(
        (rows("snapshots"), rows("plan_deletions"), rows("meta")),
        (2, 1, 1)
    );
    assert_eq!(to.lineage().unwrap(), from.lineage().unwrap());
    assert_eq!(to.serial().unwrap(), from.serial().unwrap());
    assert_eq!(to.load_state().unwrap(), from.load_state().unwrap());
    assert_eq!(to.history(9).unwrap(), from.history(9).unwrap());
    let plans = |store: &dyn Store| {
        let newest = store.plans(1).unwrap().remove(0);
        store.plan(newest.id).unwrap().unwrap()
    };
    assert_eq!(plans(&*to), plans(&*from));
    // And ids go on after those that came.
    let host = host(&*to, "web-01").id;
    complete(&*to, host, "20261124-021500Z__ab12cd");
    assert_eq!(from.sign_of_life().unwrap(), to.sign_of_life().unwrap());
}

#[rstest]
#[case(fresh_sqlite)]
#[case(fresh_mariadb)]
fn nothing_is_copied_over_something(#[case] to: fn() -> Fixture) {
    let (from, to) = (fresh_sqlite(), to());
    fill(&*from);
    write(&*to, vec![create("other")]);
    let lineage = to.lineage().unwrap();
    let error = from.store.copy_into(&to.store).unwrap_err();
    assert!(matches!(error, StoreError::NotEmpty { .. }), "{error}");
    assert_eq!(to.lineage().unwrap(), lineage);
    assert_eq!(to.load_state().unwrap().hosts.len(), 1);
}

#[test]
fn the_nightly_copy_of_a_server_is_a_file_that_opens() {
    let from = fresh_mariadb();
    fill(&*from);
    let folder = tempfile::tempdir().unwrap();
    let path = camino::Utf8PathBuf::from_path_buf(folder.path().join("copy.db")).unwrap();
    from.backup_to(&path).unwrap();
    from.backup_to(&path).unwrap();
    let copy = crate::store::Sqlite::open(&path).unwrap();
    assert_eq!(copy.lineage().unwrap(), from.lineage().unwrap());
    assert_eq!(copy.load_state().unwrap(), from.load_state().unwrap());
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.iter().all(|e| {
        !e.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("filling")
    }));
}
