//! Looking at one snapshot: what is recorded of it, and what is in it.

use super::context::Facts;
use super::{Context, Error, Look, Looks};
use crate::core::model::{HostName, Label, SnapshotKind, SnapshotName, SnapshotStatus, SqlHost};
use crate::disk::{Root, Tree};
use crate::store::{HostKey, SnapshotFilter, SnapshotRecord};

/// A snapshot and its host.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The host.
    pub host: SqlHost,
    /// The snapshot.
    pub record: SnapshotRecord,
    /// What verification knows of it.
    pub look: Look,
}

/// What is recorded of a snapshot on the root in use, deleted ones included.
///
/// # Errors
/// When there is no such host or snapshot.
pub fn taken(
    context: &Context,
    host: &HostName,
    kind: SnapshotKind,
    name: &SnapshotName,
) -> Result<Taken, Error> {
    let (_, mut taken) = find(context, host, kind, name)?;
    taken.look = Looks::read(context, Some(taken.host.id))?.of(taken.record.snapshot.id);
    Ok(taken)
}

/// Opens the tree of a visible snapshot. The root is only read: it is not taken into use, and may be of another database.
///
/// # Errors
/// When there is no such snapshot on disk, or the root is not there.
pub fn look_inside(
    context: &Context,
    host: &HostName,
    kind: SnapshotKind,
    name: &SnapshotName,
) -> Result<Tree, Error> {
    let (facts, taken) = find(context, host, kind, name)?;
    let unknown = || Error::UnknownSnapshot {
        host: host.clone(),
        name: name.clone(),
    };
    // Others have no tree under their kind, or are on their way out.
    if taken.record.snapshot.status != SnapshotStatus::Complete {
        return Err(unknown());
    }
    if let Some(server) = on_another(context, &facts, &taken)? {
        return Err(Error::SnapshotElsewhere {
            host: host.clone(),
            name: name.clone(),
            server,
        });
    }
    let path = context.backup_root(&facts.state)?;
    let root = Root::open(&path, facts.root_id())?;
    let dir = root.find_host_dir(&taken.host.directory)?;
    match dir {
        Some(dir) => dir.tree(kind, name)?.ok_or_else(unknown),
        None => Err(unknown()),
    }
}

/// The server that has a snapshot, if that is another one.
fn on_another(context: &Context, facts: &Facts, taken: &Taken) -> Result<Option<Label>, Error> {
    let root = &taken.record.root;
    if facts.state.settings().servers.len() < 2 || Some(root) == facts.root_id() {
        return Ok(None);
    }
    let roots = context.store.roots()?;
    let found = roots.into_iter().find(|record| record.id == *root);
    Ok(found.and_then(|record| record.server))
}

fn find(
    context: &Context,
    host: &HostName,
    kind: SnapshotKind,
    name: &SnapshotName,
) -> Result<(Facts, Taken), Error> {
    let facts = context.facts_of(HostKey::Name(host))?;
    let found = facts.host(host)?.clone();
    let are_several = facts.state.settings().servers.len() > 1;
    let filter = SnapshotFilter {
        host: Some(found.id),
        root: if are_several {
            None
        } else {
            facts.root_id().cloned()
        },
        kind: Some(kind),
        with_deleted: true,
    };
    let mut records = context.store.snapshots(&filter)?;
    records.retain(|r| r.snapshot.name == *name);
    // The one that is here before one elsewhere.
    records.sort_by_key(|r| Some(&r.root) != facts.root_id());
    let record = records.into_iter().next();
    let record = record.ok_or_else(|| Error::UnknownSnapshot {
        host: host.clone(),
        name: name.clone(),
    })?;
    let taken = Taken {
        host: found,
        record,
        look: Look::default(),
    };
    Ok((facts, taken))
}
