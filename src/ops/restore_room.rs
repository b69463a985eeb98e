//! Whether what is restored fits where it goes: each path onto the file system that it lands on.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use super::reading_error::ReadingError;
use super::restore::shown;
use super::{Error, tree_paths};
use crate::disk::{MountPoints, Tree, TreeDir, TreeKind, TreeName};

/// A path of the snapshot, and where it lands.
pub(super) struct Place<'a> {
    source: &'a [TreeName],
    target: PathBuf,
}

/// Where each path lands.
pub(super) fn places<'a>(folder: &Path, wanted: &'a [Vec<TreeName>], flat: bool) -> Vec<Place<'a>> {
    let place = |source: &'a Vec<TreeName>| {
        let below = if flat {
            source
                .get(source.len().saturating_sub(1)..)
                .unwrap_or(source)
        } else {
            source
        };
        Place {
            source,
            target: folder.join(tree_paths::relative(below)),
        }
    };
    wanted.iter().map(place).collect()
}

/// Demands that what is written fits, `bytes` in all. A file that counts more bytes than it takes up on disk is asked about
/// before it is refused; notes tell of file systems of which nobody can say it.
///
/// # Errors
/// When it does not fit, or the snapshot cannot be read.
pub(super) fn room(tree: &Tree, places: &[Place<'_>], bytes: u64) -> Result<Vec<String>, Error> {
    let mut systems: BTreeMap<u64, Vec<&Place<'_>>> = BTreeMap::new();
    for place in places {
        let there = nearest_there(&place.target).metadata();
        let device = there.map_or(0, |there| there.dev());
        systems.entry(device).or_default().push(place);
    }
    let mut notes = Vec::new();
    for places in systems.values() {
        let Some(at) = places.first().map(|place| nearest_there(&place.target)) else {
            continue;
        };
        let Ok(vfs) = statvfs(at) else {
            notes.push(format!("how much is free at {} cannot be told", shown(at)));
            continue;
        };
        let free = vfs.f_bavail.saturating_mul(vfs.f_frsize);
        if bytes <= free {
            continue;
        }
        let needed = bytes.min(bytes_on_disk(tree, places)?);
        if needed <= free {
            continue;
        }
        // How much of it lands on which of several is known only when it does.
        let mounts = MountPoints::read();
        let mut targets = places.iter().map(|place| &place.target);
        if systems.len() > 1 || targets.any(|target| mounts.any_below(target)) {
            notes.push(format!(
                "it goes to several file systems, and whether it fits at {} is not known",
                shown(at)
            ));
            continue;
        }
        return Err(ReadingError::NoRoom {
            path: shown(at),
            free,
            needed,
        }
        .into());
    }
    Ok(notes)
}

/// The path, or what leads to it and is there.
pub(super) fn nearest_there(path: &Path) -> &Path {
    path.ancestors()
        .find(|above| above.symlink_metadata().is_ok())
        .unwrap_or(Path::new("/"))
}

/// What the paths take up on disk, each inode once.
fn bytes_on_disk(tree: &Tree, places: &[&Place<'_>]) -> Result<u64, Error> {
    let mut seen = BTreeSet::new();
    let mut bytes = 0;
    for place in places {
        let Some((last, above)) = place.source.split_last() else {
            continue;
        };
        let Some(dir) = tree.dir(above)? else {
            continue;
        };
        let mut left: Vec<(TreeDir, Option<TreeName>)> = vec![(dir, Some(last.clone()))];
        while let Some((dir, only)) = left.pop() {
            let nodes = match only {
                Some(name) => dir
                    .node(&name)?
                    .map(|node| (name, node))
                    .into_iter()
                    .collect(),
                None => dir.nodes()?,
            };
            for (name, node) in nodes {
                if node.kind == TreeKind::Directory {
                    left.extend(dir.dir(&name)?.map(|inner| (inner, None)));
                }
                if node.links < 2 || seen.insert(node.inode) {
                    bytes += node.bytes_on_disk;
                }
            }
        }
    }
    Ok(bytes)
}
