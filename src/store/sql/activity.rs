//! The newest of what happened to every host, by index and not by reading years of rows.

use std::collections::BTreeMap;

use crate::core::health::{Activity, Damaged, LastRun};
use crate::core::model::{HostId, RootId, RunKind};
use crate::store::session::{Session, Val, args};
use crate::store::{BackupFigures, SnapshotCounts, StoreError};

use super::reader::Reader;
use super::runs;

/// Of one host or of all.
fn with<'a>(args: &[Val<'a>], of: Option<HostId>) -> Vec<Val<'a>> {
    let mut args = args.to_vec();
    args.extend(of.map(Val::from));
    args
}

/// No root has this id: before the first backup there is none, and no snapshot.
const NO_ROOT: &str = "";

pub(in crate::store) fn newest(
    session: &mut dyn Session,
    root: Option<&RootId>,
    of: Option<HostId>,
) -> Result<BTreeMap<HostId, Activity>, StoreError> {
    let mut hosts = BTreeMap::new();
    let only = of.map_or("", |_| " WHERE h.id = ?");
    session.query(
        &format!(
            "SELECT h.id, h.created_at, (SELECT MAX(s.started_at) FROM snapshots s \
             WHERE s.host_id = h.id AND s.root_id = ? AND s.status = 'complete') FROM hosts h{only}"
        ),
        &with(args![root.map_or(NO_ROOT, RootId::as_str)], of),
        &mut |row| {
            let mut row = Reader::new(row, "hosts");
            let host = HostId(row.int("id")?);
            let activity = Activity {
                created_at: row.time("created_at")?,
                newest: row.opt_time("newest")?,
                backup: None,
                prune: None,
                verify: None,
                verified_at: None,
                damage: None,
            };
            hosts.insert(host, activity);
            Ok(())
        },
    )?;
    for kind in [RunKind::Backup, RunKind::Prune, RunKind::Verify] {
        last_runs(session, kind, of, &mut hosts)?;
    }
    verified(session, of, &mut hosts)?;
    Ok(hosts)
}

/// When each host was verified last, and what is damaged of it and still there.
fn verified(
    session: &mut dyn Session,
    of: Option<HostId>,
    hosts: &mut BTreeMap<HostId, Activity>,
) -> Result<(), StoreError> {
    let only = of.map_or("", |_| " WHERE host_id = ?");
    session.query(
        &format!("SELECT host_id, verified_at FROM verify_progress{only}"),
        &with(args![], of),
        &mut |row| {
            let mut row = Reader::new(row, "verify_progress");
            let host = HostId(row.int("host_id")?);
            let at = row.time("verified_at")?;
            if let Some(activity) = hosts.get_mut(&host) {
                activity.verified_at = Some(at);
            }
            Ok(())
        },
    )?;
    let only = of.map_or("", |_| " AND s.host_id = ?");
    session.query(
        &format!(
            "SELECT s.host_id, COUNT(DISTINCT d.path), COUNT(DISTINCT d.snapshot_id), \
             MIN(d.found_at), MIN(d.path) FROM damage d JOIN snapshots s ON s.id = d.snapshot_id \
             WHERE s.status NOT IN ('deleted', 'missing'){only} GROUP BY s.host_id"
        ),
        &with(args![], of),
        &mut |row| {
            let mut row = Reader::new(row, "damage");
            let host = HostId(row.int("host_id")?);
            let damage = Damaged {
                files: row.opt_size("files")?.unwrap_or_default(),
                snapshots: row.opt_size("snapshots")?.unwrap_or_default(),
                since: row.time("found_at")?,
                first: row.text("path")?.to_owned(),
            };
            if let Some(activity) = hosts.get_mut(&host) {
                activity.damage = Some(damage);
            }
            Ok(())
        },
    )
}

/// The last run of a kind that has ended by itself, for each host that has one.
fn last_runs(
    session: &mut dyn Session,
    kind: RunKind,
    of: Option<HostId>,
    hosts: &mut BTreeMap<HostId, Activity>,
) -> Result<(), StoreError> {
    let only = of.map_or("", |_| " WHERE h.id = ?");
    session.query(
        &format!(
            "SELECT {} FROM hosts h JOIN runs r ON r.id = (SELECT l.id FROM runs l \
             WHERE l.host_id = h.id AND l.kind = ? AND l.status NOT IN ('running', 'cancelled') \
             ORDER BY l.id DESC LIMIT 1) LEFT JOIN snapshots s ON s.id = r.snapshot_id{only}",
            runs::COLUMNS
        ),
        &with(args![kind.as_str()], of),
        &mut |row| {
            let record = runs::read_from(&mut Reader::new(row, "runs"))?;
            let Some(activity) = hosts.get_mut(&record.host) else {
                return Ok(());
            };
            let last = Some(LastRun {
                run: record.run,
                cause: record.cause,
            });
            match kind {
                RunKind::Backup => activity.backup = last,
                RunKind::Prune => activity.prune = last,
                RunKind::Verify => activity.verify = last,
                RunKind::Discovery => {}
            }
            Ok(())
        },
    )
}

/// Of every host what its newest complete snapshot holds, and how often it has failed since it last succeeded.
pub(in crate::store) fn figures(
    session: &mut dyn Session,
    root: Option<&RootId>,
    of: Option<HostId>,
) -> Result<BTreeMap<HostId, BackupFigures>, StoreError> {
    let mut hosts: BTreeMap<HostId, BackupFigures> = BTreeMap::new();
    let only = of.map_or("", |_| " WHERE h.id = ?");
    session.query(
        &format!(
            "SELECT h.id, s.bytes, s.bytes_transferred, s.files FROM hosts h JOIN snapshots s \
             ON s.id = (SELECT n.id FROM snapshots n WHERE n.root_id = ? AND n.status = 'complete' \
             AND n.host_id = h.id ORDER BY n.started_at DESC LIMIT 1){only}"
        ),
        &with(args![root.map_or(NO_ROOT, RootId::as_str)], of),
        &mut |row| {
            let mut row = Reader::new(row, "snapshots");
            let host = HostId(row.int("host_id")?);
            let figures = BackupFigures {
                bytes: row.opt_size("bytes")?,
                bytes_transferred: row.opt_size("bytes_transferred")?,
                files: row.opt_size("files")?,
                failures: 0,
            };
            hosts.insert(host, figures);
            Ok(())
        },
    )?;
    session.query(
        &format!(
            "SELECT h.id, (SELECT COUNT(*) FROM runs r WHERE r.host_id = h.id AND r.kind = 'backup' \
             AND r.status NOT IN ('running', 'cancelled', 'complete') AND r.id > COALESCE((SELECT l.id \
             FROM runs l WHERE l.host_id = h.id AND l.kind = 'backup' AND l.status = 'complete' \
             ORDER BY l.id DESC LIMIT 1), 0)) FROM hosts h{only}"
        ),
        &with(args![], of),
        &mut |row| {
            let mut row = Reader::new(row, "runs");
            let host = HostId(row.int("host_id")?);
            let failures = row.opt_size("failures")?.unwrap_or_default();
            if failures > 0 {
                hosts.entry(host).or_default().failures = failures;
            }
            Ok(())
        },
    )?;
    Ok(hosts)
}

pub(super) fn counts(
    session: &mut dyn Session,
    root: Option<&RootId>,
    of: Option<HostId>,
) -> Result<BTreeMap<HostId, SnapshotCounts>, StoreError> {
    let mut hosts = BTreeMap::new();
    let only = of.map_or("", |_| " AND host_id = ?");
    // A sum is a decimal to MariaDB; SQLite takes the cast for one to a number.
    session.query(
        &format!(
            "SELECT host_id, COUNT(*), CAST(SUM(suspect) AS SIGNED) FROM snapshots \
             WHERE root_id = ? AND status = 'complete'{only} GROUP BY host_id"
        ),
        &with(args![root.map_or(NO_ROOT, RootId::as_str)], of),
        &mut |row| {
            let mut row = Reader::new(row, "snapshots");
            let host = HostId(row.int("host_id")?);
            let mut count = |column| -> Result<usize, StoreError> {
                Ok(usize::try_from(row.opt_int(column)?.unwrap_or_default()).unwrap_or_default())
            };
            let counts = SnapshotCounts {
                complete: count("complete")?,
                suspect: count("suspect")?,
            };
            hosts.insert(host, counts);
            Ok(())
        },
    )?;
    Ok(hosts)
}
