//! What a pull is hard-linked against.

use std::path::PathBuf;

use camino::Utf8PathBuf;

use super::context::Facts;
use super::{Context, Error};
use crate::core::model::{
    Earlier, HostId, Percent, ProblemKind, Snapshot, SnapshotId, SnapshotKind, SnapshotName,
    SnapshotStatus, SqlHost,
};
use crate::disk::{Damage, Expected, HostLock};

/// What a pull is linked against.
pub(super) struct Links {
    /// The newest complete snapshot that is whole on disk and not suspect; a suspect one if there is no other.
    pub(super) base: Option<SnapshotName>,
    /// The visible snapshot that unchanged files are linked to first, with its kind.
    pub(super) linked: Option<(SnapshotKind, SnapshotName)>,
    /// The snapshot whose manifest is taken over where files are the same: the linked one, unless its manifest was found to
    /// be damaged.
    pub(super) manifest: Option<(SnapshotKind, SnapshotName)>,
    /// Where unchanged files are found: the base, a newer one that is suspect, and what an interrupted pull left.
    pub(super) data: Vec<Utf8PathBuf>,
    /// What the pull is compared with: the base, unless that is suspect itself.
    pub(super) earlier: Option<Earlier>,
    /// What a verification found damaged in those trees, as text. It looks unchanged by size and time, and would be linked
    /// into the new snapshot too.
    pub(super) damaged: Vec<String>,
}

/// The newest complete snapshot of the host, of any kind, that is whole on disk; and the newest interrupted pull.
///
/// A suspect snapshot is passed over as long as there is another: when the disk is mounted again, everything is found in
/// the snapshot before it. It is linked against all the same, for the case that the host stays as it is.
///
/// # Errors
/// When the database or the disk cannot be worked with.
pub(super) fn find_links(
    context: &Context,
    facts: &Facts,
    host: &SqlHost,
    lock: &HostLock,
) -> Result<Links, Error> {
    let mut complete: Vec<&Snapshot> = facts
        .snapshots
        .get(&host.id)
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .filter(|s| s.status == SnapshotStatus::Complete)
        .collect();
    complete.sort_by(|a, b| (b.started_at, &b.name).cmp(&(a.started_at, &a.name)));
    let known_as = [host.name.clone()];
    let mut links = Links {
        base: None,
        linked: None,
        manifest: None,
        data: Vec::new(),
        earlier: None,
        damaged: Vec::new(),
    };
    let mut linked = Vec::new();
    let mut suspect: Option<(&Snapshot, Utf8PathBuf)> = None;
    for snapshot in complete.iter().copied() {
        let expected = Expected {
            kind: snapshot.kind,
            name: &snapshot.name,
            known_as: &known_as,
            is_legacy: false,
        };
        match lock.check_whole(expected) {
            Ok(()) => {
                let data = lock
                    .snapshot_path(snapshot.kind, &snapshot.name)
                    .join("data");
                let data = utf8(data)?;
                if snapshot.suspect {
                    suspect.get_or_insert((snapshot, data));
                    continue;
                }
                links.base = Some(snapshot.name.clone());
                links.linked = Some((snapshot.kind, snapshot.name.clone()));
                links.data.push(data);
                linked.push(snapshot.id);
                links.earlier = Some(earlier(snapshot, lock));
                break;
            }
            Err(damage) => {
                tracing::warn!("{}: {} is no base: {damage}", host.name, snapshot.name);
                if !matches!(damage, Damage::Unreadable(_)) {
                    context.store.mark_missing(&[snapshot.id])?;
                }
            }
        }
    }
    if let Some((snapshot, data)) = suspect {
        let (kind, name) = (snapshot.kind, &snapshot.name);
        links.base.get_or_insert_with(|| name.clone());
        links.linked.get_or_insert_with(|| (kind, name.clone()));
        links.data.push(data);
        linked.push(snapshot.id);
    }
    let mut left = lock.list_incomplete()?;
    left.sort_by(|a, b| b.1.cmp(&a.1));
    for (kind, name) in left {
        // A pull that was killed at its very beginning has no tree, and rsync would take that for a lost base.
        let data = lock
            .open_incomplete(kind, &name)?
            .map(|incomplete| incomplete.data_path());
        if let Some(data) = data.filter(|path| path.is_dir()) {
            links.data.push(utf8(data)?);
            // What it was linked against is not known any more, so it may share whatever is damaged.
            let all = facts.snapshots.get(&host.id);
            linked = all.map_or_else(Vec::new, |all| all.iter().map(|s| s.id).collect());
            break;
        }
    }
    links.damaged = damaged_of(context, host.id, &linked)?;
    links.manifest = manifest_of(context, host.id, &complete, links.linked.as_ref())?;
    Ok(links)
}

/// The linked snapshot, or the newest before it whose manifest is not known to be damaged.
fn manifest_of(
    context: &Context,
    host: HostId,
    complete: &[&Snapshot],
    linked: Option<&(SnapshotKind, SnapshotName)>,
) -> Result<Option<(SnapshotKind, SnapshotName)>, Error> {
    let Some((kind, name)) = linked else {
        return Ok(None);
    };
    let mut found = context.store.damage(Some(host), MOST_DAMAGE)?;
    found.retain(|record| record.damage.problem == ProblemKind::Manifest);
    let from = complete
        .iter()
        .position(|s| s.kind == *kind && s.name == *name);
    let mut older = complete.iter().skip(from.unwrap_or(0));
    let whole = older.find(|s| !found.iter().any(|record| record.snapshot_id == s.id));
    Ok(whole.map(|s| (s.kind, s.name.clone())))
}

/// Damage that is looked at: a verification records a thousand paths of a host at most, for each snapshot that has them.
const MOST_DAMAGE: u32 = 100_000;

/// The paths of these snapshots whose content was found to be another one, or cannot be read. Whatever else is damaged
/// differs by what rsync compares anyway.
pub(super) fn damaged_of(
    context: &Context,
    host: HostId,
    snapshots: &[SnapshotId],
) -> Result<Vec<String>, Error> {
    let found = context.store.damage(Some(host), MOST_DAMAGE)?;
    let mut paths: Vec<String> = found
        .into_iter()
        .filter(|record| {
            record.damage.problem.needs_reading() && snapshots.contains(&record.snapshot_id)
        })
        .map(|record| record.damage.path)
        .collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// What the next pull is compared with, as SQL has it, and what only the snapshot itself says.
fn earlier(snapshot: &Snapshot, lock: &HostLock) -> Earlier {
    let meta = lock.read_meta(snapshot.kind, &snapshot.name).ok().flatten();
    Earlier {
        files: snapshot.files,
        bytes: snapshot.bytes,
        changed: meta
            .and_then(|meta| meta.changed_percent)
            .map(Percent::clamped),
    }
}

/// rsync is handed paths as text; a root with another name cannot be one, since SQL holds it as text.
pub(super) fn utf8(path: PathBuf) -> Result<Utf8PathBuf, Error> {
    Utf8PathBuf::from_path_buf(path).map_err(|path| Error::File {
        doing: "use",
        path: path.display().to_string(),
        source: std::io::ErrorKind::InvalidInput.into(),
    })
}
