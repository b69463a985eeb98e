//! Recording what is on disk. Deletes nothing, and changes no row of a root that is not there.

use serde::Serialize;

use super::context::Facts;
use super::root::open_root_to_read;
use super::{Context, Error};
use crate::core::model::{HostName, SnapshotId, SnapshotStatus, SqlHost};
use crate::disk::{Found, HostDir, Place, Record, Root, Scan};
use crate::store::{Discovered, Settled};

/// What was found for one host.
#[derive(Debug, Clone, Default, Serialize)]
pub struct HostDiscovery {
    /// The host, or a directory that belongs to none.
    pub host: String,
    /// Snapshots that had no row.
    pub new: usize,
    /// Rows that now say more.
    pub changed: usize,
    /// Rows that were right already.
    pub unchanged: usize,
    /// Rows whose base is now known.
    pub linked: usize,
    /// Rows whose directory is gone.
    pub missing: usize,
    /// What could not be made sense of.
    pub problems: Vec<String>,
}

/// Records what is on disk for one host, or for all.
///
/// # Errors
/// When the root is not there, the host is unknown, or the database cannot be written.
pub fn discover(context: &Context, host: Option<&HostName>) -> Result<Vec<HostDiscovery>, Error> {
    let now = super::clock::now();
    let facts = context.facts()?;
    let root = open_root_to_read(context, &facts, now)?;
    // Opening may have taken the root into use: read again with its rows.
    let facts = context.facts()?;
    let hosts: Vec<&SqlHost> = match host {
        Some(name) => vec![facts.host(name)?],
        None => facts.state.hosts.iter().collect(),
    };
    let mut found = Vec::new();
    for sql in hosts {
        found.push(discover_host(context, &root, sql, &facts)?);
    }
    if host.is_none() {
        found.extend(unknown_directories(&root, &facts.state.hosts)?);
    }
    Ok(found)
}

/// Records what is on disk for one host.
///
/// # Errors
/// When the disk cannot be read or the database cannot be written.
pub(super) fn discover_host(
    context: &Context,
    root: &Root,
    host: &SqlHost,
    facts: &Facts,
) -> Result<HostDiscovery, Error> {
    let known = facts.snapshots.get(&host.id).map_or(&[][..], Vec::as_slice);
    let (mut scan, mut foreign) = match root.find_host_dir(&host.directory)? {
        Some(dir) => without_foreign(dir.scan()?, &dir, host),
        None => Default::default(),
    };
    foreign.extend(without_failures(&mut scan));
    let rows: Vec<Discovered> = scan
        .found
        .iter()
        .filter(|found| is_snapshot(found))
        .map(discovered)
        .collect();
    let recorded = context.store.record_discovered(host.id, root.id(), &rows)?;
    let gone: Vec<SnapshotId> = known
        .iter()
        .filter(|row| {
            row.status == SnapshotStatus::Complete
                && !scan
                    .found
                    .iter()
                    .any(|f| f.place == Place::Visible && f.kind == row.kind && f.name == row.name)
        })
        .map(|row| row.id)
        .collect();
    let missing = context.store.mark_missing(&gone)?;
    let strange = scan
        .strange
        .iter()
        .map(|s| format!("{}: {}", s.path.display(), s.why));
    let unread = scan
        .found
        .iter()
        .flat_map(|f| f.problems.iter().map(move |p| format!("{}: {p}", f.name)));
    let empty = scan
        .found
        .iter()
        .filter(|f| !is_snapshot(f))
        .map(|f| format!("{}: it has no data", f.name));
    let strange = strange.chain(foreign);
    Ok(HostDiscovery {
        host: host.name.to_string(),
        new: recorded.new,
        changed: recorded.changed,
        unchanged: recorded.unchanged,
        linked: recorded.linked,
        missing,
        problems: strange.chain(unread).chain(empty).collect(),
    })
}

/// Takes out what somebody has copied or moved here from another host, and says so: it is not this host's, whatever is
/// done with it. One that has a row counts as missing, as it does for the gate.
fn without_foreign(mut scan: Scan, dir: &HostDir, host: &SqlHost) -> (Scan, Vec<String>) {
    let known_as = [host.name.clone()];
    let mut foreign = Vec::new();
    scan.found.retain(|found| {
        let Record::Meta(meta) = &found.record else {
            return true;
        };
        match dir.check_is_of_here(meta, &known_as, found.kind, &found.name) {
            Ok(()) => true,
            Err(error) => {
                foreign.push(format!(
                    "{}: not recorded, {error}; move it back to where it came from",
                    found.name
                ));
                false
            }
        }
    });
    (scan, foreign)
}

/// Takes out what the older service did not finish and left beside its good ones, and says so. Counted as complete it
/// would fill buckets and be linked against, and in time whole snapshots would go for its sake. It stays on disk.
fn without_failures(scan: &mut Scan) -> Vec<String> {
    let mut failures = Vec::new();
    scan.found.retain(|found| {
        let status = match &found.record {
            Record::Legacy(legacy) if found.place == Place::Visible => legacy.status,
            _ => None,
        };
        let is_failure = matches!(
            status,
            Some(SnapshotStatus::Failed | SnapshotStatus::Running)
        );
        if is_failure {
            failures.push(format!(
                "{}: not recorded, the older service did not finish it; remove it by hand once nobody wants it",
                found.name
            ));
        }
        !is_failure
    });
    failures
}

/// Under its kind, a directory without data is no snapshot that anybody could restore.
fn is_snapshot(found: &Found) -> bool {
    found.place == Place::Incomplete || found.has_data
}

fn discovered(found: &Found) -> Discovered {
    let settled = match found.place {
        Place::Visible => Settled::Complete,
        Place::Incomplete => match &found.record {
            Record::Meta(meta) if meta.status == Some(SnapshotStatus::Partial) => Settled::Partial,
            _ => Settled::Failed,
        },
    };
    let mut row = Discovered {
        name: found.name.clone(),
        kind: found.kind,
        settled,
        started_at: found.started_at,
        finished_at: None,
        base: None,
        bytes: None,
        files: None,
        bytes_transferred: None,
        rsync_exit: None,
        hold: found.hold.clone(),
        suspect: found.suspect.is_some(),
    };
    match &found.record {
        Record::Meta(meta) => {
            row.finished_at = meta.finished_at;
            row.base.clone_from(&meta.base);
            row.bytes = meta.bytes;
            row.files = meta.files;
            row.bytes_transferred = meta.bytes_transferred;
            row.rsync_exit = meta.rsync_exit;
        }
        Record::Legacy(legacy) => {
            row.finished_at = legacy.finished_at;
            row.base.clone_from(&legacy.base);
        }
        Record::None => {}
    }
    row
}

/// Directories that look like those of hosts and belong to none: told, never touched.
fn unknown_directories(root: &Root, hosts: &[SqlHost]) -> Result<Vec<HostDiscovery>, Error> {
    let mut found = Vec::new();
    for directory in root.host_dirs()?.hosts {
        if hosts.iter().any(|host| host.directory == directory) {
            continue;
        }
        let snapshots = root
            .find_host_dir(&directory)?
            .map_or(Ok(0), |dir| dir.scan().map(|scan| scan.found.len()))?;
        if snapshots > 0 {
            let problem = format!(
                "{snapshots} snapshots of no known host; add the host {directory} and discover again"
            );
            found.push(HostDiscovery {
                host: directory.to_string(),
                problems: vec![problem],
                ..HostDiscovery::default()
            });
        }
    }
    Ok(found)
}
