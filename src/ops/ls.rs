//! Listing what is in a snapshot.

use std::ffi::OsStr;

use super::shelf::{HostShelf, OnDisk, Shelf};
use super::{Error, tree_paths};
use crate::core::model::{SnapshotPick, Timestamp};
use crate::disk::{Node, TreeKind, TreeName};

/// What is to be listed.
#[derive(Debug)]
pub struct ListRequest<'a> {
    /// Where the snapshots are.
    pub shelf: &'a Shelf,
    /// Which one.
    pub from: &'a SnapshotPick,
    /// The newest one that began no later than this.
    pub as_of: Option<Timestamp>,
    /// The path, as the host has it.
    pub path: &'a OsStr,
    /// Directories below it too.
    pub recursive: bool,
    /// A directory itself, and not what is in it.
    pub itself: bool,
}

/// Lists. `begin` is told which snapshot it is; `each` is given the path of each thing from the top of the tree, and what
/// it is: a directory's names by their bytes, then those of each directory in it.
///
/// # Errors
/// When the snapshot or the path is not there, or cannot be read.
pub fn list(
    request: &ListRequest<'_>,
    begin: impl FnOnce(&HostShelf, &OnDisk),
    mut each: impl FnMut(&[TreeName], &Node),
) -> Result<(), Error> {
    let shelf = request.shelf.host(&request.from.host)?;
    let snapshot = shelf.pick(&request.from.which, request.as_of)?;
    let in_use = shelf.use_it(snapshot)?;
    let tree = in_use.tree();
    let (names, node) = tree_paths::find(&shelf, snapshot, &tree, request.path)?;
    begin(&shelf, snapshot);
    if node.kind != TreeKind::Directory || request.itself {
        each(&names, &node);
        return Ok(());
    }
    // Opened from the top each time: no descriptor is held, however deep the tree is.
    let mut left = vec![names];
    while let Some(path) = left.pop() {
        let Some(dir) = tree.dir(&path)? else {
            continue;
        };
        let first = left.len();
        for (name, node) in dir.nodes()? {
            let mut inner = path.clone();
            inner.push(name);
            each(&inner, &node);
            if request.recursive && node.kind == TreeKind::Directory {
                left.push(inner);
            }
        }
        if let Some(new) = left.get_mut(first..) {
            new.reverse();
        }
    }
    Ok(())
}
