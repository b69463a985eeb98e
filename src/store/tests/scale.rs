//! Statements are counted, not seconds: the number of them must not grow with the fleet.

use crate::core::model::Timestamp;
use crate::store::session::{Database, EachRow, Row, Session, Val};
use crate::store::{ConfigChange, Discovered, Settled, Store, StoreError, sql};

use super::support::*;

const HOSTS: usize = 10_000;
const SNAPSHOTS_A_HOST: usize = 10;

/// Counts what is asked of a session.
struct Counting<'s> {
    inner: &'s mut dyn Session,
    statements: usize,
}

impl Session for Counting<'_> {
    fn execute(&mut self, sql: &str, args: &[Val<'_>]) -> Result<usize, StoreError> {
        self.statements += 1;
        self.inner.execute(sql, args)
    }

    fn insert(&mut self, sql: &str, args: &[Val<'_>]) -> Result<i64, StoreError> {
        self.statements += 1;
        self.inner.insert(sql, args)
    }

    fn query(
        &mut self,
        sql: &str,
        args: &[Val<'_>],
        each: &mut EachRow<'_>,
    ) -> Result<(), StoreError> {
        self.statements += 1;
        self.inner.query(sql, args, &mut |row: &dyn Row| each(row))
    }

    fn now(&mut self) -> Result<Timestamp, StoreError> {
        self.statements += 1;
        self.inner.now()
    }

    fn skip_locked(&self) -> &'static str {
        self.inner.skip_locked()
    }

    fn catalog(&self) -> &'static str {
        self.inner.catalog()
    }
}

#[test]
fn a_large_fleet_is_read_with_a_handful_of_statements() {
    let store = fresh();
    let hosts = (0..HOSTS).map(|n| create(&format!("host-{n}"))).collect();
    let many = ConfigChange {
        hosts,
        ..change(&*store)
    };
    store.configure(&many).unwrap();
    store
        .root_seen(&root(), &"/mnt/backups".parse().unwrap(), None, at(0))
        .unwrap();
    fill_with_snapshots(&store.store);

    let (state, statements) = store
        .store
        .read(|session| {
            let mut counting = Counting {
                inner: session,
                statements: 0,
            };
            let state = sql::state::load(&mut counting)?;
            Ok((state, counting.statements))
        })
        .unwrap();
    assert_eq!((state.hosts.len(), statements), (HOSTS, 4));

    let (snapshots, statements) = store
        .store
        .read(|session| {
            let mut counting = Counting {
                inner: session,
                statements: 0,
            };
            let snapshots = sql::snapshots::by_host(&mut counting, Some(&root()))?;
            Ok((snapshots, counting.statements))
        })
        .unwrap();
    // One counts them, so that no list grows while it is read, one asks which are being made, and one reads them.
    assert_eq!((snapshots.len(), statements), (HOSTS, 3));
    let total: usize = snapshots.values().map(Vec::len).sum();
    assert_eq!(total, HOSTS * SNAPSHOTS_A_HOST);
}

/// All in one transaction: a hundred thousand of them would take a while.
fn fill_with_snapshots(store: &(impl Database + Store)) {
    let sample = Discovered {
        name: "20261122-021500Z__ab12cd".parse().unwrap(),
        kind: crate::core::model::SnapshotKind::Scheduled,
        settled: Settled::Complete,
        started_at: at(2),
        finished_at: Some(at(9)),
        base: None,
        bytes: Some(1000),
        files: Some(10),
        bytes_transferred: Some(100),
        rsync_exit: Some(0),
        hold: None,
        suspect: false,
    };
    store
        .record_discovered(crate::core::model::HostId(1), &root(), &[sample])
        .unwrap();
    store
        .write(|session| {
            session.execute(
                "INSERT INTO snapshots (host_id, root_id, kind, name, status, started_at, suspect) \
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) \
                 SELECT h.id, s.root_id, s.kind, CONCAT('snapshot-', n.i), s.status, \
                 s.started_at + n.i, 0 \
                 FROM hosts h, n, snapshots s WHERE s.id = 1 AND (h.id <> 1 OR n.i > 1)",
                &[Val::Int(SNAPSHOTS_A_HOST.try_into().unwrap())],
            )
        })
        .unwrap();
}
