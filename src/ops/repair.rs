//! Where the database and the disk disagree, and bringing both together again: shown first, done on request. Nothing is
//! deleted but what a recorded plan had taken off its place already.

use std::collections::BTreeSet;

use serde::Serialize;

use super::context::Facts;
use super::cut_off::finish_cut_off;
use super::discover::{claims, discover_host, give_directories, is_of, is_snapshot};
use super::lost_runs::settle_lost_runs;
use super::reconcile::reconcile;
use super::root::{grip_host, open_root};
use super::trash::TrashView;
use super::{Context, Error, Stop};
use crate::core::model::{Snapshot, SnapshotStatus, SqlHost, Timestamp};
use crate::disk::{Found, HostDir, Place, Root, Scan, Suspect};
use crate::store::HostKey;

/// One thing of which the database says this and the disk that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Disagreement {
    /// The host, or a directory that belongs to none.
    pub host: String,
    /// The snapshot, if it is about one.
    pub snapshot: Option<String>,
    /// What was seen.
    pub what: String,
    /// What a repair does about it; nothing if that is for a person to decide.
    pub remedy: Option<&'static str>,
}

/// Looks for everything of which the database and the disk disagree, and changes nothing.
///
/// # Errors
/// When the database or the root cannot be read, or the root belongs to another database.
pub fn disagreements(context: &Context) -> Result<Vec<Disagreement>, Error> {
    let facts = context.own_facts()?;
    let path = context.backup_root(&facts.state)?;
    let root = Root::open(&path, facts.root_id())?;
    root.require_lineage(&facts.state.lineage)?;
    let now = super::clock::now();
    let mut found = Vec::new();
    for claim in claims(&root, &facts)? {
        found.push(Disagreement {
            host: claim.host.to_string(),
            snapshot: None,
            what: format!("its snapshots lie in {}", claim.directory),
            remedy: Some("that becomes its directory, and they are recorded"),
        });
    }
    for host in &facts.state.hosts {
        match of_host(context, &root, host, &facts, now) {
            Ok(told) => found.extend(told),
            // It is for a person to mend, and says nothing of the other hosts.
            Err(error) => found.push(Disagreement {
                host: host.name.to_string(),
                snapshot: None,
                what: super::sentence(&error),
                remedy: None,
            }),
        }
    }
    found.sort();
    Ok(found)
}

fn of_host(
    context: &Context,
    root: &Root,
    host: &SqlHost,
    facts: &Facts,
    now: Timestamp,
) -> Result<Vec<Disagreement>, Error> {
    let rows = facts.snapshots.get(&host.id).map_or(&[][..], Vec::as_slice);
    let Some(dir) = root.find_host_dir(&host.directory)? else {
        return Ok(of_rows(host, rows, &Scan::default(), now));
    };
    let scan = dir.scan()?;
    let mut found = of_rows(host, rows, &scan, now);
    found.extend(of_disk(host, rows, &scan, &dir));
    found.extend(of_trash(context, facts, host, &dir)?);
    Ok(found)
}

fn about(
    host: &SqlHost,
    snapshot: &Snapshot,
    what: impl Into<String>,
    remedy: &'static str,
) -> Disagreement {
    Disagreement {
        host: host.name.to_string(),
        snapshot: Some(format!("{}/{}", snapshot.kind, snapshot.name)),
        what: what.into(),
        remedy: Some(remedy),
    }
}

/// What rows say that is not so.
fn of_rows(host: &SqlHost, rows: &[Snapshot], scan: &Scan, now: Timestamp) -> Vec<Disagreement> {
    let mut found = Vec::new();
    for row in rows {
        let on_disk = scan
            .found
            .iter()
            .find(|f| f.place == Place::Visible && f.kind == row.kind && f.name == row.name);
        match (row.status, on_disk) {
            (SnapshotStatus::Complete, None) => found.push(about(
                host,
                row,
                "is recorded and not on disk",
                "its row says missing",
            )),
            (SnapshotStatus::Complete, Some(on_disk)) if on_disk.lacks_data() => found.push(about(
                host,
                row,
                "is recorded as complete and has no data on disk",
                "its row says missing; what is left of it stays on disk",
            )),
            (SnapshotStatus::Missing, Some(on_disk)) if !is_snapshot(on_disk) => {}
            (SnapshotStatus::Missing, Some(_)) => found.push(about(
                host,
                row,
                "was missing and is on disk",
                "its row says complete",
            )),
            (SnapshotStatus::Running, _) if !row.live => found.push(about(
                host,
                row,
                "is running, and nothing works on it",
                "its row says what is on disk",
            )),
            (SnapshotStatus::Deleting, Some(_)) => found.push(about(
                host,
                row,
                "is being deleted, and stands where it stood",
                "its row says complete; whether it goes is for the next prune",
            )),
            (SnapshotStatus::Deleting, None) => found.push(about(
                host,
                row,
                "was taken off its place by a prune that was cut off",
                "what is left of it is deleted, as its plan says",
            )),
            (SnapshotStatus::Complete, Some(on_disk)) => {
                found.extend(of_marks(host, row, on_disk, now));
            }
            _ => {}
        }
    }
    found
}

/// Holds and suspect marks stand in both places.
fn of_marks(host: &SqlHost, row: &Snapshot, on_disk: &Found, now: Timestamp) -> Vec<Disagreement> {
    let mut found = Vec::new();
    match (&row.hold, &on_disk.hold) {
        (Some(hold), None) if hold.is_in_force(now) => found.push(about(
            host,
            row,
            "is held in the database alone",
            "the hold is written beside it",
        )),
        (None, Some(hold)) => found.push(about(
            host,
            row,
            format!("is held on disk alone, by {}", hold.by),
            "the hold is recorded",
        )),
        _ => {}
    }
    match (row.suspect, &on_disk.suspect) {
        (true, None) => found.push(about(
            host,
            row,
            "is suspect in the database alone",
            "the mark is written beside it",
        )),
        (false, Some(_)) => found.push(about(
            host,
            row,
            "is suspect on disk alone",
            "the mark is recorded",
        )),
        _ => {}
    }
    found
}

/// What is on disk and no row speaks of.
fn of_disk(host: &SqlHost, rows: &[Snapshot], scan: &Scan, dir: &HostDir) -> Vec<Disagreement> {
    let mut told = Vec::new();
    let mut tell = |snapshot: Option<String>, what: String, remedy| {
        told.push(Disagreement {
            host: host.name.to_string(),
            snapshot,
            what,
            remedy,
        });
    };
    for strange in &scan.strange {
        tell(
            None,
            format!("{}: {}", strange.path.display(), strange.why),
            None,
        );
    }
    for found in &scan.found {
        let name = Some(format!("{}/{}", found.kind, found.name));
        for problem in &found.problems {
            tell(name.clone(), problem.to_string(), None);
        }
        let row = rows
            .iter()
            .find(|row| row.kind == found.kind && row.name == found.name);
        if let Some(row) = row {
            if row.status == SnapshotStatus::Missing && found.lacks_data() {
                let what = "it has no data: bring that back, or remove what is left of it by hand";
                tell(name, what.to_owned(), None);
            }
            continue;
        }
        if let Err(why) = is_of(found, dir, host) {
            tell(name, why, None);
        } else if !is_snapshot(found) {
            tell(name, "it has no data".to_owned(), None);
        } else if found.place == Place::Incomplete {
            tell(
                name,
                "is an unfinished pull without a row".to_owned(),
                Some("it is recorded, and goes after `incomplete-after`"),
            );
        } else {
            tell(
                name,
                "is on disk and has no row".to_owned(),
                Some("it is recorded"),
            );
        }
    }
    told
}

/// What lies in the trash and no plan has put there.
fn of_trash(
    context: &Context,
    facts: &Facts,
    host: &SqlHost,
    dir: &HostDir,
) -> Result<Vec<Disagreement>, Error> {
    let stays = TrashView::of(context, facts, host, dir)?.stays;
    Ok(stays
        .into_iter()
        .map(|stays| Disagreement {
            host: host.name.to_string(),
            snapshot: None,
            what: stays.what,
            remedy: stays.back.map(|_| "it is moved back to its place"),
        })
        .collect())
}

/// Mends what can be mended, host by host under its lock, and says what is left: what needs a person, and hosts that
/// somebody else is at work on.
///
/// # Errors
/// When the database or the root cannot be worked with.
pub fn repair(context: &Context, shown: &[Disagreement]) -> Result<Vec<Disagreement>, Error> {
    let now = super::clock::now();
    let facts = context.own_facts()?;
    let root = open_root(context, &facts, now)?;
    give_directories(context, &root, &facts)?;
    let facts = context.own_facts()?;
    let hosts: BTreeSet<&str> = shown
        .iter()
        .filter(|one| one.remedy.is_some())
        .map(|one| one.host.as_str())
        .collect();
    let mut left = Vec::new();
    for host in facts
        .state
        .hosts
        .iter()
        .filter(|host| hosts.contains(host.name.as_str()))
    {
        if let Err(error) = repair_host(context, &root, host, now) {
            left.push(Disagreement {
                host: host.name.to_string(),
                snapshot: None,
                what: format!("not mended: {}", super::sentence(&error)),
                remedy: None,
            });
        }
    }
    left.extend(disagreements(context)?);
    Ok(left)
}

fn repair_host(
    context: &Context,
    root: &Root,
    host: &SqlHost,
    now: Timestamp,
) -> Result<(), Error> {
    let read = || context.own_facts_of(HostKey::Id(host.id));
    match root.find_host_dir(&host.directory)? {
        Some(dir) => {
            let lock = grip_host(context, &dir, host, "repair", None, now)?;
            settle_lost_runs(context, host)?;
            for stays in TrashView::of(context, &read()?, host, &lock)?.stays {
                if let Some((kind, name)) = &stays.back {
                    lock.bring_back(&stays.name, *kind, name)?;
                }
            }
            super::cut_off::log_finished(
                &host.name,
                &finish_cut_off(context, host, &lock, &Stop::new())?,
            );
            let facts = reconcile(context, root, host.id, read()?)?;
            discover_host(context, root, host, &facts)?;
            write_marks(context, host, &dir, now)?;
        }
        // Nothing is there to lock: its rows are brought up to that.
        None => {
            settle_lost_runs(context, host)?;
            let facts = reconcile(context, root, host.id, read()?)?;
            discover_host(context, root, host, &facts)?;
        }
    }
    Ok(())
}

/// Writes the marks that the database has beside the snapshots that lack them.
fn write_marks(
    context: &Context,
    host: &SqlHost,
    dir: &HostDir,
    now: Timestamp,
) -> Result<(), Error> {
    let facts = context.own_facts_of(HostKey::Id(host.id))?;
    let rows = facts.snapshots.get(&host.id).into_iter().flatten();
    for row in rows.filter(|row| row.status == SnapshotStatus::Complete) {
        if !dir.has_snapshot(row.kind, &row.name)? {
            continue;
        }
        if let Some(hold) = row.hold.as_ref().filter(|hold| hold.is_in_force(now))
            && dir.read_hold(row.kind, &row.name)?.is_none()
        {
            dir.write_hold(row.kind, &row.name, hold)?;
        }
        if row.suspect && dir.read_suspect(row.kind, &row.name)?.is_none() {
            let mark = Suspect {
                since: now,
                reason: "the database says so; its reason is in the message of the run".to_owned(),
            };
            dir.write_suspect(row.kind, &row.name, &mark)?;
        }
    }
    Ok(())
}
