//! Recording what is on disk. Deletes nothing, and changes no row of a root that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use serde::Serialize;

use super::context::Facts;
use super::root::open_root_to_read;
use super::usage::take_over_usage;
use super::{Context, Error};
use crate::core::model::{HostName, SnapshotId, SnapshotStatus, SqlHost, Timestamp};
use crate::disk::{Found, HostDir, Place, Record, Root, Scan};
use crate::store::{Discovered, Settled};

/// Readers of small files wait for the disk more than for a processor.
const READERS: usize = 4;
/// Hosts that are read before they are recorded: memory stays bounded however many there are.
const READ_AHEAD: usize = 16;

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
    /// The directory that it was given because its snapshots lie there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<HostName>,
    /// What could not be made sense of.
    pub problems: Vec<String>,
}

/// Records what is on disk for one host, or for all.
///
/// # Errors
/// When the root is not there, the host is unknown, or the database cannot be written.
pub fn discover(context: &Context, host: Option<&HostName>) -> Result<Vec<HostDiscovery>, Error> {
    let now = super::clock::now();
    let facts = context.own_facts()?;
    let root = open_root_to_read(context, &facts, now)?;
    // Opening may have taken the root into use: read again with its rows.
    let facts = context.own_facts()?;
    let given = give_directories(context, &root, &facts)?;
    let facts = if given.is_empty() {
        facts
    } else {
        context.own_facts()?
    };
    let hosts: Vec<&SqlHost> = match host {
        Some(name) => vec![facts.host(name)?],
        None => facts.state.hosts.iter().collect(),
    };
    let mut found = discover_hosts(context, &root, &hosts, &facts)?;
    for (told, sql) in found.iter_mut().zip(&hosts) {
        let claim = given.iter().find(|claim| claim.host == sql.name);
        told.given = claim.map(|claim| claim.directory.clone());
    }
    if host.is_none() {
        found.extend(unknown_directories(&root, &facts.state.hosts)?);
    }
    Ok(found)
}

/// Reads many hosts ahead, since reading small files waits for the disk, and records one after another. The answer is in
/// the order of `hosts`.
fn discover_hosts(
    context: &Context,
    root: &Root,
    hosts: &[&SqlHost],
    facts: &Facts,
) -> Result<Vec<HostDiscovery>, Error> {
    let next = AtomicUsize::new(0);
    let (read, reads) = sync_channel(READ_AHEAD);
    std::thread::scope(|scope| {
        for _ in 0..READERS {
            let (read, next) = (read.clone(), &next);
            let reader = move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(host) = hosts.get(at) else { break };
                    // Nobody listens any more once one could not be recorded.
                    if read.send((at, *host, read_host(root, host))).is_err() {
                        break;
                    }
                }
            };
            std::thread::Builder::new()
                .spawn_scoped(scope, reader)
                .map_err(|source| Error::File {
                    doing: "start",
                    path: "a thread".to_owned(),
                    source,
                })?;
        }
        drop(read);
        let mut found = BTreeMap::new();
        for (at, host, read) in reads {
            let told = match read {
                Ok(read) => record_host(context, root, host, facts, read)?,
                // What stands in the place of one host says nothing of the others.
                Err(error) => HostDiscovery {
                    host: host.name.to_string(),
                    problems: vec![super::sentence(&error)],
                    ..HostDiscovery::default()
                },
            };
            found.insert(at, told);
        }
        Ok(found.into_values().collect())
    })
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
    record_host(context, root, host, facts, read_host(root, host)?)
}

/// What is on disk for one host, and what of it is not this host's.
fn read_host(root: &Root, host: &SqlHost) -> Result<(Scan, Vec<String>), Error> {
    Ok(match root.find_host_dir(&host.directory)? {
        Some(dir) => without_foreign(dir.scan()?, &dir, host),
        None => Default::default(),
    })
}

fn record_host(
    context: &Context,
    root: &Root,
    host: &SqlHost,
    facts: &Facts,
    (scan, foreign): (Scan, Vec<String>),
) -> Result<HostDiscovery, Error> {
    let known = facts.snapshots.get(&host.id).map_or(&[][..], Vec::as_slice);
    let rows: Vec<Discovered> = scan
        .found
        .iter()
        .filter(|found| is_snapshot(found))
        .map(discovered)
        .collect();
    let recorded = context.store.record_discovered(host.id, root.id(), &rows)?;
    let visible = scan.found.iter();
    let visible = visible.filter(|f| f.place == Place::Visible && !f.lacks_data());
    let there: BTreeSet<_> = visible.map(|f| (f.kind, &f.name)).collect();
    let gone: Vec<SnapshotId> = known
        .iter()
        .filter(|row| {
            row.status == SnapshotStatus::Complete && !there.contains(&(row.kind, &row.name))
        })
        .map(|row| row.id)
        .collect();
    let missing = context.store.mark_missing(&gone)?;
    if !facts.usage.contains_key(&host.id) && !rows.is_empty() {
        take_over_usage(context, host, root);
    }
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
        given: None,
        problems: strange.chain(unread).chain(empty).collect(),
    })
}

/// A directory of no host, and the host whose snapshots it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) host: HostName,
    pub(super) directory: HostName,
}

/// Directories that belong to no host, and whose newest snapshot says that it is of a host which has none yet: what a
/// renamed host keeps, after the database that knew so was lost.
///
/// # Errors
/// When the root cannot be read.
pub(super) fn claims(root: &Root, facts: &Facts) -> Result<Vec<Claim>, Error> {
    let hosts = &facts.state.hosts;
    let mut best: BTreeMap<&HostName, (Timestamp, HostName)> = BTreeMap::new();
    for directory in root.host_dirs()?.hosts {
        if hosts.iter().any(|host| host.directory == directory) {
            continue;
        }
        // What cannot be read holds nothing that could be given to a host; discovery tells it.
        let Ok(Some((at, name))) = newest(root, &directory) else {
            continue;
        };
        let Some(host) = hosts.iter().find(|host| {
            host.name == name
                && host.retired.is_none()
                && facts.is_at_home(host)
                && facts.snapshots.get(&host.id).is_none_or(Vec::is_empty)
        }) else {
            continue;
        };
        // What lies under its own name is its own, unless that is older: then the name was another host's before.
        // Where that cannot be read nobody knows, and the host keeps its place.
        let Ok(own) = newest(root, &host.directory) else {
            continue;
        };
        if own.is_some_and(|(own, _)| own >= at) {
            continue;
        }
        let found = best
            .entry(&host.name)
            .or_insert_with(|| (at, directory.clone()));
        if found.0 < at {
            *found = (at, directory);
        }
    }
    Ok(best
        .into_iter()
        .map(|(host, (_, directory))| Claim {
            host: host.clone(),
            directory,
        })
        .collect())
}

/// When the newest snapshot of a directory began, and which host it says it is of.
fn newest(root: &Root, directory: &HostName) -> Result<Option<(Timestamp, HostName)>, Error> {
    let Some(dir) = root.find_host_dir(directory)? else {
        return Ok(None);
    };
    let visible = dir.scan()?.found.into_iter();
    let newest = visible
        .filter(|found| found.place == Place::Visible && found.has_data == Some(true))
        .filter_map(|found| match found.record {
            Record::Meta(meta) => Some((found.started_at, meta.host)),
            Record::Legacy(_) | Record::None => None,
        });
    Ok(newest.max())
}

/// Gives hosts the directories that hold their snapshots; says which.
///
/// # Errors
/// When the root cannot be read or the database cannot be written.
pub(super) fn give_directories(
    context: &Context,
    root: &Root,
    facts: &Facts,
) -> Result<Vec<Claim>, Error> {
    let mut given = Vec::new();
    for claim in claims(root, facts)? {
        let host = facts.host(&claim.host)?;
        if context.store.give_directory(host.id, &claim.directory)? {
            given.push(claim);
        }
    }
    Ok(given)
}

/// Takes out what is not this host's, or was never finished, and says so; one that has a row counts as missing, as it
/// does for the gate. It stays on disk.
fn without_foreign(mut scan: Scan, dir: &HostDir, host: &SqlHost) -> (Scan, Vec<String>) {
    let mut foreign = Vec::new();
    scan.found.retain(|found| match is_of(found, dir, host) {
        Ok(()) => true,
        Err(why) => {
            foreign.push(format!("{}: {why}", found.name));
            false
        }
    });
    (scan, foreign)
}

/// Says why what was found is never recorded for the host: somebody has copied or moved it here from another one; or the
/// older service did not finish it. Counted as complete, that would fill buckets and be linked against, and in time whole
/// snapshots would go for its sake.
pub(super) fn is_of(found: &Found, dir: &HostDir, host: &SqlHost) -> Result<(), String> {
    let known_as = [host.name.clone()];
    match &found.record {
        Record::Meta(meta) => dir
            .check_is_of_here(meta, &known_as, found.kind, &found.name)
            .map_err(|error| {
                format!("not recorded, {error}; move it back to where it came from")
            }),
        Record::Legacy(legacy)
            if found.place == Place::Visible
                && matches!(
                    legacy.status,
                    Some(SnapshotStatus::Failed | SnapshotStatus::Running)
                ) =>
        {
            Err("not recorded, the older service did not finish it; remove it by hand once nobody wants it".to_owned())
        }
        Record::Legacy(_) | Record::None => Ok(()),
    }
}

/// Under its kind, a directory without data is no snapshot that anybody could restore.
pub(super) fn is_snapshot(found: &Found) -> bool {
    found.place == Place::Incomplete || found.has_data == Some(true)
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
        let counted = root
            .find_host_dir(&directory)
            .and_then(|dir| dir.map_or(Ok(0), |dir| dir.scan().map(|scan| scan.found.len())));
        let problem = match counted {
            Ok(0) => None,
            Ok(snapshots) => Some(format!(
                "{snapshots} snapshots of no known host; add the host {directory} and discover again"
            )),
            Err(error) => Some(super::sentence(&error.into())),
        };
        if let Some(problem) = problem {
            found.push(HostDiscovery {
                host: directory.to_string(),
                problems: vec![problem],
                ..HostDiscovery::default()
            });
        }
    }
    Ok(found)
}
