//! Pins on snapshots: in SQL, which decides, and beside the snapshot's metadata, so that a lost database loses none.

use super::context::Facts;
use super::root::open_root;
use super::{Context, Error};
use crate::core::model::{Hold, HostName, Invalid, Snapshot, SnapshotName, SqlHost, Timestamp};
use crate::disk::HostDir;

/// Pins a snapshot.
///
/// # Errors
/// When there is no such snapshot, or the database or the disk cannot be written.
pub fn hold(
    context: &Context,
    host: &HostName,
    name: &SnapshotName,
    reason: &str,
    until: Option<Timestamp>,
) -> Result<(), Error> {
    let facts = context.own_facts_about(|other| other.name == *host)?;
    let (host, snapshot) = find(&facts, host, name)?;
    let now = super::clock::now();
    if reason.trim().is_empty() {
        return Err(Invalid::new(reason, "a reason", "say why, for whoever finds it").into());
    }
    if let Some(end) = until.filter(|end| *end <= now) {
        let help = "it would pin nothing; name a time to come, or none to pin for good";
        return Err(Invalid::new(end.to_string(), "a time to come", help).into());
    }
    let hold = Hold {
        by: context.actor.clone(),
        reason: reason.to_owned(),
        since: now,
        until,
    };
    // SQL first: from here on no prune takes it. The copy on disk is for the day SQL is lost.
    context.store.hold(snapshot.id, &hold)?;
    if let Some(dir) = directory(context, &facts, host, now)?
        && dir.has_snapshot(snapshot.kind, name)?
    {
        dir.write_hold(snapshot.kind, name, &hold)?;
    }
    Ok(())
}

/// Takes the pin off; says whether there was one.
///
/// # Errors
/// As [`hold`].
pub fn unhold(context: &Context, host: &HostName, name: &SnapshotName) -> Result<bool, Error> {
    let facts = context.own_facts_about(|other| other.name == *host)?;
    let (host, snapshot) = find(&facts, host, name)?;
    let now = super::clock::now();
    // The copy first: one that stayed behind would come back with the next discovery.
    if let Some(dir) = directory(context, &facts, host, now)?
        && dir.has_snapshot(snapshot.kind, name)?
    {
        dir.remove_hold(snapshot.kind, name)?;
    }
    Ok(context.store.unhold(snapshot.id, &context.actor, now)?)
}

/// Takes the suspect marks off every snapshot of a host; says how many had one.
///
/// # Errors
/// As [`hold`].
pub fn acknowledge(context: &Context, host: &HostName) -> Result<usize, Error> {
    let facts = context.own_facts_about(|other| other.name == *host)?;
    let host = facts.host(host)?;
    let now = super::clock::now();
    // The marks on disk first: one that stayed behind would come back with the next discovery.
    if let Some(dir) = directory(context, &facts, host, now)? {
        for snapshot in facts
            .snapshots
            .get(&host.id)
            .into_iter()
            .flatten()
            .filter(|s| s.suspect)
        {
            if dir.has_snapshot(snapshot.kind, &snapshot.name)? {
                dir.remove_suspect(snapshot.kind, &snapshot.name)?;
            }
        }
    }
    Ok(context
        .store
        .acknowledge(host.id, &context.actor, now)?
        .len())
}

fn find<'a>(
    facts: &'a Facts,
    host: &HostName,
    name: &SnapshotName,
) -> Result<(&'a SqlHost, &'a Snapshot), Error> {
    let host = facts.host(host)?;
    let snapshots = facts.snapshots.get(&host.id).map_or(&[][..], Vec::as_slice);
    let found = snapshots
        .iter()
        .find(|s| s.name == *name && s.status.is_on_disk());
    found
        .map(|snapshot| (host, snapshot))
        .ok_or_else(|| Error::UnknownSnapshot {
            host: host.name.clone(),
            name: name.clone(),
        })
}

fn directory(
    context: &Context,
    facts: &Facts,
    host: &SqlHost,
    now: Timestamp,
) -> Result<Option<HostDir>, Error> {
    Ok(open_root(context, facts, now)?.find_host_dir(&host.directory)?)
}
