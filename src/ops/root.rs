//! The backup root of this server: opened, or taken into use by the first who may.

use super::context::Facts;
use super::grip::Grip;
use super::{Context, Error};
use crate::core::model::{
    AbsolutePath, GlobalSettings, HostName, Label, Lineage, RootId, SqlHost, Timestamp,
};
use crate::disk::{DiskError, Holder, HostDir, HostLock, Liveness, Root};
use crate::store::Lease;

/// Opens the root that SQL names and demands that it belongs to this database; takes it into use if none ever was.
///
/// # Errors
/// When no root is set, its disk is not mounted, or it belongs to another database.
pub(super) fn open_root(context: &Context, facts: &Facts, now: Timestamp) -> Result<Root, Error> {
    let root = open_root_to_read(context, facts, now)?;
    root.require_lineage(&facts.state.lineage)?;
    Ok(root)
}

/// Opens the root for discovery: a root of another database may be read.
///
/// # Errors
/// When no root is set or its disk is not mounted.
pub(super) fn open_root_to_read(
    context: &Context,
    facts: &Facts,
    now: Timestamp,
) -> Result<Root, Error> {
    let path = context.backup_root(&facts.state)?;
    let root = Root::adopt_or_open(&path, facts.root_id(), facts.state.lineage.clone(), now)?;
    let server = may_be_ours(context, &facts.state.settings(), root.id(), &path)?;
    context
        .store
        .root_seen(root.id(), &path, server.as_ref(), now)?;
    Ok(root)
}

/// The name of this server, if the root is not that of another one. Two machines may have the same path: a wrong name
/// must not make the root of one that of the other.
fn may_be_ours(
    context: &Context,
    global: &GlobalSettings,
    root: &RootId,
    path: &AbsolutePath,
) -> Result<Option<Label>, Error> {
    let me = context.me(global)?;
    let roots = context.store.roots()?;
    let owner = roots.into_iter().find(|seen| seen.id == *root);
    match owner.and_then(|seen| seen.server) {
        // Names that were given up mean nothing.
        Some(owner) if Some(&owner) != me.as_ref() && global.server(&owner).is_some() => {
            Err(Error::RootOfOther {
                path: path.clone(),
                owner,
                server: me,
            })
        }
        _ => Ok(me),
    }
}

/// A root as it is found before it is adopted.
#[derive(Debug, Clone)]
pub struct FoundRoot {
    /// Its path.
    pub path: AbsolutePath,
    /// Its id.
    pub id: RootId,
    /// The database it belongs to; nothing if it is this one.
    pub lineage: Option<Lineage>,
}

/// Looks at the root that SQL names.
///
/// # Errors
/// When no root is set or its disk is not mounted.
pub fn root_to_adopt(context: &Context) -> Result<FoundRoot, Error> {
    let state = context.store.load_state()?;
    let path = context.backup_root(&state)?;
    let root = Root::open(&path, None)?;
    let lineage = root.marker().lineage.clone();
    Ok(FoundRoot {
        path,
        id: root.id().clone(),
        lineage: (lineage != state.lineage).then_some(lineage),
    })
}

/// Gives the root to this database.
///
/// # Errors
/// When it is not there or cannot be written.
pub fn adopt_root(context: &Context) -> Result<(), Error> {
    let state = context.store.load_state()?;
    let path = context.backup_root(&state)?;
    let mut root = Root::open(&path, None)?;
    let server = may_be_ours(context, &state.settings(), root.id(), &path)?;
    root.adopt(state.lineage)?;
    Ok(context
        .store
        .root_seen(root.id(), &path, server.as_ref(), super::clock::now())?)
}

/// Takes the lock of a host, and its lease unless the run was claimed with one. What a killed program left at work on it is ended first, be it a transfer, which keeps the
/// lock, or a hook, which does not.
///
/// # Errors
/// When another process that is alive holds one of them; the message names it.
pub(super) fn grip_host(
    context: &Context,
    dir: &HostDir,
    host: &SqlHost,
    what: &str,
    claimed: Option<Lease>,
    now: Timestamp,
) -> Result<Grip, Error> {
    let lock = lock_host(dir, host, what, now)?;
    Grip::new(context, host, lock, claimed)
}

/// Takes the lock of a host alone, for whoever changes nothing on it.
///
/// # Errors
/// When another process that is alive holds it.
pub(super) fn lock_host(
    dir: &HostDir,
    host: &SqlHost,
    what: &str,
    now: Timestamp,
) -> Result<HostLock, Error> {
    // Read first: whoever takes the lock writes a note of its own.
    let earlier = dir.holder()?;
    match dir.try_lock(None, what, now) {
        Err(DiskError::Locked {
            holder: Some(holder),
            ..
        }) if holder.liveness() == Liveness::Gone => {
            end_orphans(dir, &holder)?;
            dir.try_lock(None, what, now)
                .map_err(|error| locked(error, &host.name))
        }
        Ok(lock) => {
            if let Some(holder) = earlier.filter(|h| h.liveness() == Liveness::Gone) {
                end_orphans(dir, &holder)?;
            }
            Ok(lock)
        }
        Err(error) => Err(locked(error, &host.name)),
    }
}

fn locked(error: DiskError, host: &HostName) -> Error {
    match error {
        DiskError::Locked { holder, .. } => Error::Locked {
            host: host.clone(),
            holder: holder.map_or("a process that has left no note".to_owned(), |holder| {
                holder.to_string()
            }),
        },
        error => error.into(),
    }
}

fn end_orphans(dir: &HostDir, holder: &Holder) -> Result<(), Error> {
    for group in dir.orphan_groups(holder)? {
        tracing::warn!(
            "ending process group {} that a killed {} left behind",
            group.id,
            holder.what
        );
        if let Err(error) = crate::rsync::end_group(group.id, group.leader_start_time) {
            tracing::warn!("process group {}: {error}", group.id);
        }
    }
    Ok(())
}
