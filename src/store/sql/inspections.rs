//! Looks at snapshots: what was found, how far samples have gone round, and what is shared on disk.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::manifest::Sample;
use crate::core::model::{HostId, ProblemKind, RootId, RunId, SnapshotId, SnapshotName, Timestamp};
use crate::store::session::{Database, Row, Session, Val, all, args, first};
use crate::store::{
    DamageRecord, Inspected, Inspections, NewDamage, StoreError, UsageRecord, Verification,
};

use super::reader::Reader;
use super::{host_status, snapshots};

/// A whole copy that has gone since is none any more.
const INTACT: &str = "CASE WHEN EXISTS (SELECT 1 FROM snapshots w WHERE w.host_id = s.host_id \
                      AND w.name = d.intact AND w.status = 'complete') THEN d.intact END AS intact";

/// What is wrong with what is still there.
const ON_DISK: &str = "s.status NOT IN ('deleted', 'missing')";

impl<D: Database> Inspections for D {
    fn record_verification(
        &self,
        look: &Verification,
        sample: Option<Sample>,
        damage: &[NewDamage],
    ) -> Result<usize, StoreError> {
        self.write(|s| record(s, look, sample, damage))
    }

    fn record_shared_damage(
        &self,
        snapshot: SnapshotId,
        at: Timestamp,
        damage: &[NewDamage],
    ) -> Result<(), StoreError> {
        self.write(|s| record_shared(s, snapshot, at, damage))
    }

    fn record_inspected(
        &self,
        host: HostId,
        at: Timestamp,
        sample: Sample,
    ) -> Result<(), StoreError> {
        self.write(|s| progress(s, host, at, sample))
    }

    fn verifications(
        &self,
        host: Option<HostId>,
    ) -> Result<BTreeMap<SnapshotId, Verification>, StoreError> {
        let of_host = host.map_or("", |_| " WHERE s.host_id = ?");
        let args: Vec<Val<'_>> = host.map(Val::from).into_iter().collect();
        let found = self.read(|s| {
            all(
                s,
                &format!(
                    "SELECT v.snapshot_id, v.run_id, v.verified_at, v.share, v.names, v.compared, \
                     v.unknown, v.found FROM verifications v JOIN snapshots s ON s.id = v.snapshot_id{of_host}"
                ),
                &args,
                verification,
            )
        })?;
        Ok(found.into_iter().map(|v| (v.snapshot, v)).collect())
    }

    fn damage(&self, host: Option<HostId>, limit: u32) -> Result<Vec<DamageRecord>, StoreError> {
        let of_host = host.map_or("", |_| "AND s.host_id = ?");
        let mut args: Vec<Val<'_>> = host.map(Val::from).into_iter().collect();
        args.push(Val::from(limit));
        self.read(|s| {
            all(
                s,
                &format!(
                    "SELECT d.id, h.name, s.id, s.kind, s.name, d.path, d.slot, d.inode, d.problem, d.detail, \
                     {INTACT}, d.found_at FROM damage d JOIN snapshots s ON s.id = d.snapshot_id \
                     JOIN hosts h ON h.id = s.host_id WHERE {ON_DISK} {of_host} \
                     ORDER BY h.name, s.started_at DESC, s.id DESC, d.path, d.id LIMIT ?"
                ),
                &args,
                damage_record,
            )
        })
    }

    fn inspected(&self) -> Result<BTreeMap<HostId, Inspected>, StoreError> {
        self.read(inspected)
    }

    fn record_usage(
        &self,
        host: HostId,
        root: &RootId,
        at: Timestamp,
        body: &str,
    ) -> Result<(), StoreError> {
        self.write(|s| {
            s.execute(
                "DELETE FROM disk_usage WHERE host_id = ? AND root_id = ?",
                args![host, root.as_str()],
            )?;
            s.execute(
                "INSERT INTO disk_usage (host_id, root_id, measured_at, body) VALUES (?, ?, ?, ?)",
                args![host, root.as_str(), at, body],
            )?;
            Ok(())
        })
    }

    fn usage(&self, host: Option<HostId>, root: &RootId) -> Result<Vec<UsageRecord>, StoreError> {
        let of_host = host.map_or("", |_| "AND host_id = ?");
        let mut args: Vec<Val<'_>> = vec![Val::from(root.as_str())];
        args.extend(host.map(Val::from));
        self.read(|s| {
            all(
                s,
                &format!(
                    "SELECT host_id, measured_at, body FROM disk_usage WHERE root_id = ? {of_host}"
                ),
                &args,
                |row| {
                    let mut row = Reader::new(row, "disk_usage");
                    Ok(UsageRecord {
                        host: HostId(row.int("host_id")?),
                        measured_at: row.time("measured_at")?,
                        body: row.text("body")?.to_owned(),
                    })
                },
            )
        })
    }
}

fn record(
    session: &mut dyn Session,
    look: &Verification,
    sample: Option<Sample>,
    damage: &[NewDamage],
) -> Result<usize, StoreError> {
    session.execute(
        "DELETE FROM verifications WHERE snapshot_id = ?",
        args![look.snapshot],
    )?;
    session.execute(
        "INSERT INTO verifications (snapshot_id, run_id, verified_at, share, names, compared, \
         unknown, found) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        args![
            look.snapshot,
            look.run,
            look.at,
            look.share,
            look.names,
            look.compared,
            look.unknown,
            look.found,
        ],
    )?;
    let known = known_damage(session, look.snapshot)?;
    let mut since: BTreeMap<&Damaged, Timestamp> = BTreeMap::new();
    let mut stays: BTreeSet<&Damaged> = BTreeSet::new();
    for before in &known {
        // What only reading finds stays until somebody reads it again: it has an inode, and a manifest one of the file that
        // shows what is wrong with it.
        let (_, problem, inode) = &before.damaged;
        let needs_reading = problem.needs_reading() || inode.is_some();
        let was_looked_at =
            sample.is_some_and(|sample| !needs_reading || sample.holds_slot(before.slot));
        if before.snapshot == look.snapshot {
            if was_looked_at {
                session.execute("DELETE FROM damage WHERE id = ?", args![before.row])?;
            } else {
                stays.insert(&before.damaged);
            }
        }
        since.entry(&before.damaged).or_insert(before.found_at);
    }
    let mut news = 0;
    for found in damage {
        let key = key_of(found);
        let before = since.get(&key).copied();
        news += usize::from(before.is_none());
        if !stays.contains(&key) {
            insert(session, look.snapshot, found, before.unwrap_or(look.at))?;
        }
    }
    if news > 0 {
        session.execute(
            "UPDATE snapshots SET suspect = 1 WHERE id = ?",
            args![look.snapshot],
        )?;
    }
    // News or not: damage that has healed makes a host well again.
    if let Some(record) = snapshots::get(session, look.snapshot)? {
        host_status::due(session, record.host)?;
    }
    Ok(news)
}

fn insert(
    session: &mut dyn Session,
    snapshot: SnapshotId,
    found: &NewDamage,
    since: Timestamp,
) -> Result<(), StoreError> {
    let (path, problem, inode) = key_of(found);
    session.insert(
        "INSERT INTO damage (snapshot_id, path, slot, inode, problem, detail, intact, found_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        args![
            snapshot,
            path.as_str(),
            found.slot,
            inode,
            problem.as_str(),
            found.detail.as_str(),
            found.intact.as_ref().map(SnapshotName::as_str),
            since,
        ],
    )?;
    Ok(())
}

fn record_shared(
    session: &mut dyn Session,
    snapshot: SnapshotId,
    at: Timestamp,
    damage: &[NewDamage],
) -> Result<(), StoreError> {
    let known = known_damage(session, snapshot)?;
    let mut since: BTreeMap<&Damaged, Timestamp> = BTreeMap::new();
    let mut here: BTreeSet<&Damaged> = BTreeSet::new();
    for before in &known {
        since.entry(&before.damaged).or_insert(before.found_at);
        if before.snapshot == snapshot {
            here.insert(&before.damaged);
        }
    }
    for found in damage {
        let key = key_of(found);
        if !here.contains(&key) {
            insert(
                session,
                snapshot,
                found,
                since.get(&key).copied().unwrap_or(at),
            )?;
        }
    }
    snapshots::host_is_due(session, snapshot)
}

/// Makes the newest snapshot suspect that has the same damage as one that goes and was suspect: who lets the one go has not
/// looked at what the others have, and unattended prunes wait until somebody has.
pub(super) fn hand_on_suspicion(
    session: &mut dyn Session,
    goes: SnapshotId,
) -> Result<(), StoreError> {
    let heir = first(
        session,
        "SELECT s.id FROM snapshots g JOIN damage w ON w.snapshot_id = g.id \
         JOIN snapshots s ON s.host_id = g.host_id AND s.id <> g.id AND s.status = 'complete' \
         JOIN damage d ON d.snapshot_id = s.id AND d.path = w.path AND d.problem = w.problem \
         WHERE g.id = ? AND g.suspect = 1 ORDER BY s.started_at DESC, s.id DESC LIMIT 1",
        args![goes],
        |row| Reader::new(row, "snapshots").int("id"),
    )?;
    if let Some(heir) = heir {
        session.execute("UPDATE snapshots SET suspect = 1 WHERE id = ?", args![heir])?;
    }
    Ok(())
}

fn key_of(found: &NewDamage) -> Damaged {
    let inode = found.inode.and_then(|inode| i64::try_from(inode).ok());
    (found.path.clone(), found.problem, inode)
}

/// What makes damage the same: path, problem, inode.
type Damaged = (String, ProblemKind, Option<i64>);

struct KnownDamage {
    row: i64,
    snapshot: SnapshotId,
    slot: u32,
    damaged: Damaged,
    found_at: Timestamp,
}

/// Damage of all snapshots of the host that `snapshot` is of, what was found first coming first.
fn known_damage(
    session: &mut dyn Session,
    snapshot: SnapshotId,
) -> Result<Vec<KnownDamage>, StoreError> {
    all(
        session,
        "SELECT d.id, d.snapshot_id, d.path, d.slot, d.inode, d.problem, d.found_at FROM damage d \
         JOIN snapshots s ON s.id = d.snapshot_id \
         WHERE s.host_id = (SELECT o.host_id FROM snapshots o WHERE o.id = ?) \
         ORDER BY d.found_at, d.id",
        args![snapshot],
        |row| {
            let mut row = Reader::new(row, "damage");
            let id = row.int("id")?;
            let snapshot = SnapshotId(row.int("snapshot_id")?);
            let path = row.text("path")?.to_owned();
            let slot = u32::try_from(row.int("slot")?).unwrap_or(0);
            let inode = row.opt_int("inode")?;
            let problem: ProblemKind = row.parse("problem")?;
            Ok(KnownDamage {
                row: id,
                snapshot,
                slot,
                damaged: (path, problem, inode),
                found_at: row.time("found_at")?,
            })
        },
    )
}

fn progress(
    session: &mut dyn Session,
    host: HostId,
    at: Timestamp,
    sample: Sample,
) -> Result<(), StoreError> {
    let before = first(
        session,
        "SELECT host_id, round_ended_at FROM verify_progress WHERE host_id = ?",
        args![host],
        |row| {
            let mut row = Reader::new(row, "verify_progress");
            row.int("host_id")?;
            row.opt_time("round_ended_at")
        },
    )?;
    let round_ended_at = if sample.ends_a_round() {
        Some(at)
    } else {
        before.flatten()
    };
    session.execute("DELETE FROM verify_progress WHERE host_id = ?", args![host])?;
    session.execute(
        "INSERT INTO verify_progress (host_id, next_slot, verified_at, round_ended_at) \
         VALUES (?, ?, ?, ?)",
        args![host, sample.next(), at, round_ended_at],
    )?;
    host_status::due(session, host)
}

fn inspected(session: &mut dyn Session) -> Result<BTreeMap<HostId, Inspected>, StoreError> {
    let mut hosts: BTreeMap<HostId, Inspected> = BTreeMap::new();
    session.query(
        "SELECT host_id, next_slot, verified_at, round_ended_at FROM verify_progress",
        args![],
        &mut |row| {
            let mut row = Reader::new(row, "verify_progress");
            let host = hosts.entry(HostId(row.int("host_id")?)).or_default();
            host.next_slot = u32::try_from(row.int("next_slot")?).unwrap_or(0);
            host.verified_at = Some(row.time("verified_at")?);
            host.round_ended_at = row.opt_time("round_ended_at")?;
            Ok(())
        },
    )?;
    // Little is damaged, or nothing: a cross join keeps SQLite from going through every snapshot for it.
    session.query(
        &format!(
            "SELECT s.host_id, COUNT(*), COUNT(DISTINCT d.snapshot_id) FROM damage d \
             CROSS JOIN snapshots s ON s.id = d.snapshot_id WHERE {ON_DISK} GROUP BY s.host_id"
        ),
        args![],
        &mut |row| {
            let mut row = Reader::new(row, "damage");
            let host = hosts.entry(HostId(row.int("host_id")?)).or_default();
            host.damaged_files = row.opt_size("files")?.unwrap_or(0);
            host.damaged_snapshots = row.opt_size("snapshots")?.unwrap_or(0);
            Ok(())
        },
    )?;
    Ok(hosts)
}

fn verification(row: &dyn Row) -> Result<Verification, StoreError> {
    let mut row = Reader::new(row, "verifications");
    Ok(Verification {
        snapshot: SnapshotId(row.int("snapshot_id")?),
        run: RunId(row.int("run_id")?),
        at: row.time("verified_at")?,
        share: u32::try_from(row.int("share")?).unwrap_or(0),
        names: row.opt_size("names")?.unwrap_or(0),
        compared: row.opt_size("compared")?.unwrap_or(0),
        unknown: row.opt_size("unknown")?.unwrap_or(0),
        found: row.opt_size("found")?.unwrap_or(0),
    })
}

fn damage_record(row: &dyn Row) -> Result<DamageRecord, StoreError> {
    let mut row = Reader::new(row, "damage");
    row.int("id")?;
    let host = row.parse("host name")?;
    let snapshot_id = SnapshotId(row.int("snapshot_id")?);
    let kind = row.parse("kind")?;
    let snapshot = row.parse("snapshot name")?;
    let path = row.text("path")?.to_owned();
    let slot = u32::try_from(row.int("slot")?).unwrap_or(0);
    let inode = row.opt_size("inode")?;
    let problem = row.parse("problem")?;
    let detail = row.text("detail")?.to_owned();
    let intact = row.opt_parse("intact")?;
    let found_at = row.time("found_at")?;
    Ok(DamageRecord {
        host,
        snapshot_id,
        kind,
        snapshot,
        found_at,
        damage: NewDamage {
            path,
            slot,
            inode,
            problem,
            detail,
            intact,
        },
    })
}
