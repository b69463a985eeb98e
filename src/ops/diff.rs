//! What differs between two snapshots of a host.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read as _;

use serde::Serialize;

use super::reading_error::ReadingError;
use super::shelf::{OnDisk, Shelf};
use super::{Error, Stop, tree_paths};
use crate::core::model::{HostName, Which};
use crate::disk::{Node, Reached, Tree, TreeDir, TreeKind, TreeName};

/// Which snapshots are compared, and how.
#[derive(Debug)]
pub struct DiffRequest<'a> {
    /// Where the snapshots are.
    pub shelf: &'a Shelf,
    /// The host.
    pub host: &'a HostName,
    /// What was.
    pub old: &'a Which,
    /// What is.
    pub new: &'a Which,
    /// Only what is at and below this path.
    pub path: &'a OsStr,
    /// Files of one size and one time count as the same, and are not read.
    pub quick: bool,
    /// Ends it early.
    pub stop: &'a Stop,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its path.
    pub path: Vec<TreeName>,
    /// What it was; nothing if it is new.
    pub old: Option<Node>,
    /// What it is; nothing if it has gone.
    pub new: Option<Node>,
    /// What of both differs.
    pub what: Vec<Differing>,
}

/// What of a thing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Differing {
    /// It was a file and is a directory, say.
    Type,
    /// What a file holds, or where a link points.
    Content,
    /// The mode bits.
    Mode,
    /// The owner or the group.
    Owner,
    /// The time of the last change; not told of directories, whose time changes with what is in them.
    Modified,
    /// Access control lists.
    Acl,
    /// Other extended attributes.
    Xattrs,
}

/// How much differs.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DiffTotals {
    /// Things that are new.
    pub added: u64,
    /// Bytes of the files among them.
    pub added_bytes: u64,
    /// Things that have gone.
    pub removed: u64,
    /// Bytes of the files among them.
    pub removed_bytes: u64,
    /// Things with another content or type.
    pub changed: u64,
    /// Bytes of such files as they are.
    pub changed_bytes: u64,
    /// Things of which attributes alone differ.
    pub attributes: u64,
    /// Files that were read.
    pub read: u64,
    /// What could not be compared, a line each.
    pub problems: Vec<String>,
    /// It was stopped early.
    pub stopped: bool,
}

impl DiffTotals {
    /// Nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added + self.removed + self.changed + self.attributes == 0
    }
}

/// Compares two snapshots. `begin` is told which they are, `each` is given every difference: a directory's before those in
/// it.
///
/// A file that both share is answered by its inode, without reading. Only what has one size and two inodes is read.
///
/// # Errors
/// When a snapshot or the path is not there.
pub fn diff(
    request: &DiffRequest<'_>,
    begin: impl FnOnce(&OnDisk, &OnDisk),
    each: impl FnMut(Difference),
) -> Result<DiffTotals, Error> {
    let shelf = request.shelf.host(request.host)?;
    let (old, new) = (
        shelf.pick(request.old, None)?,
        shelf.pick(request.new, None)?,
    );
    let (old_in_use, new_in_use) = (shelf.use_it(old)?, shelf.use_it(new)?);
    let (old_tree, new_tree) = (old_in_use.tree(), new_in_use.tree());
    let names = tree_paths::parse(request.path)?;
    let at = |tree: &Tree| match tree.reach(&names)? {
        Reached::Node(node) => Ok::<_, Error>(Some(*node)),
        Reached::Nothing | Reached::Blocked(..) => Ok(None),
    };
    let (before, after) = (at(&old_tree)?, at(&new_tree)?);
    if before.is_none() && after.is_none() {
        return Err(ReadingError::InNeither {
            old: old.name.clone(),
            new: new.name.clone(),
            path: tree_paths::absolute(&names),
        }
        .into());
    }
    begin(old, new);
    let mut work = Work {
        old: old_tree,
        new: new_tree,
        quick: request.quick,
        stop: request.stop,
        each,
        totals: DiffTotals::default(),
        left: Vec::new(),
    };
    match names.split_last() {
        // The top is a directory of ours.
        None => work.left.push(names),
        Some((name, above)) => {
            let (a, b) = (work.old.dir(above)?, work.new.dir(above)?);
            work.pair(above, name, (a.as_ref(), before), (b.as_ref(), after));
        }
    }
    work.go_on();
    Ok(work.totals)
}

/// A directory of each side, if it is there, and what has the name in it.
type Side<'a> = (Option<&'a TreeDir>, Option<Node>);

struct Work<'a, F> {
    old: Tree,
    new: Tree,
    quick: bool,
    stop: &'a Stop,
    each: F,
    totals: DiffTotals,
    /// Directories that are still to be compared.
    left: Vec<Vec<TreeName>>,
}

impl<F: FnMut(Difference)> Work<'_, F> {
    fn go_on(&mut self) {
        while let Some(path) = self.left.pop() {
            if self.stop.is_asked() {
                self.totals.stopped = true;
                return;
            }
            if let Err(error) = self.directory(&path) {
                let path = tree_paths::absolute(&path);
                self.problem(&path, &error);
            }
        }
    }

    fn directory(&mut self, path: &[TreeName]) -> Result<(), Error> {
        let (old, new) = (self.old.dir(path)?, self.new.dir(path)?);
        let mut names: BTreeMap<TreeName, (Option<Node>, Option<Node>)> = BTreeMap::new();
        if let Some(dir) = &old {
            for (name, node) in dir.nodes()? {
                names.entry(name).or_default().0 = Some(node);
            }
        }
        if let Some(dir) = &new {
            for (name, node) in dir.nodes()? {
                names.entry(name).or_default().1 = Some(node);
            }
        }
        let first = self.left.len();
        for (name, (before, after)) in names {
            self.pair(path, &name, (old.as_ref(), before), (new.as_ref(), after));
        }
        if let Some(inner) = self.left.get_mut(first..) {
            inner.reverse();
        }
        Ok(())
    }

    fn pair(&mut self, above: &[TreeName], name: &TreeName, old: Side<'_>, new: Side<'_>) {
        let mut path = above.to_vec();
        path.push(name.clone());
        let is_dir = |node: &Option<Node>| {
            node.as_ref()
                .is_some_and(|node| node.kind == TreeKind::Directory)
        };
        if is_dir(&old.1) || is_dir(&new.1) {
            self.left.push(path.clone());
        }
        let what = match (&old, &new) {
            ((Some(a), Some(before)), (Some(b), Some(after))) => {
                match self.compare(name, (a, before), (b, after)) {
                    Ok(what) if what.is_empty() => return,
                    Ok(what) => what,
                    Err(error) => {
                        let path = tree_paths::absolute(&path);
                        self.problem(&path, &error);
                        return;
                    }
                }
            }
            _ => Vec::new(),
        };
        let difference = Difference {
            path,
            old: old.1,
            new: new.1,
            what,
        };
        self.count(&difference);
        (self.each)(difference);
    }

    fn compare(
        &mut self,
        name: &TreeName,
        (a, before): (&TreeDir, &Node),
        (b, after): (&TreeDir, &Node),
    ) -> Result<Vec<Differing>, Error> {
        let mut what = Vec::new();
        if std::mem::discriminant(&before.kind) != std::mem::discriminant(&after.kind)
            || before.special != after.special
        {
            return Ok(vec![Differing::Type]);
        }
        // One inode: everything of it is one and the same.
        if before.inode == after.inode && before.kind != TreeKind::Directory {
            return Ok(what);
        }
        if self.content_differs(name, (a, before), (b, after))? {
            what.push(Differing::Content);
        }
        let is_link = matches!(before.kind, TreeKind::Link(_));
        if before.mode != after.mode && !is_link {
            what.push(Differing::Mode);
        }
        if (before.uid, before.gid) != (after.uid, after.gid) {
            what.push(Differing::Owner);
        }
        if before.modified != after.modified && before.kind != TreeKind::Directory {
            what.push(Differing::Modified);
        }
        if matches!(before.kind, TreeKind::File | TreeKind::Directory) {
            let (of_a, of_b) = (a.xattrs(name)?, b.xattrs(name)?);
            let differs = |is_acl: bool| {
                let side = |all: &BTreeMap<Vec<u8>, Vec<u8>>| -> Vec<(Vec<u8>, Vec<u8>)> {
                    let of_kind = all.iter().filter(|(name, _)| is_acl == is_acl_name(name));
                    of_kind.map(|(n, v)| (n.clone(), v.clone())).collect()
                };
                side(&of_a) != side(&of_b)
            };
            if differs(true) {
                what.push(Differing::Acl);
            }
            if differs(false) {
                what.push(Differing::Xattrs);
            }
        }
        Ok(what)
    }

    fn content_differs(
        &mut self,
        name: &TreeName,
        (a, before): (&TreeDir, &Node),
        (b, after): (&TreeDir, &Node),
    ) -> Result<bool, Error> {
        Ok(match &before.kind {
            TreeKind::Link(_) => before.kind != after.kind,
            TreeKind::Special => before.device != after.device,
            TreeKind::Directory => false,
            TreeKind::File if before.bytes != after.bytes => true,
            TreeKind::File if self.quick && before.modified == after.modified => false,
            TreeKind::File if before.bytes == 0 => false,
            TreeKind::File => {
                self.totals.read += 1;
                match (a.file(name)?, b.file(name)?) {
                    (Some(a), Some(b)) => !same_content(a, b).map_err(|source| Error::File {
                        doing: "read",
                        path: tree_paths::bytes_shown(name.as_bytes()),
                        source,
                    })?,
                    _ => true,
                }
            }
        })
    }

    fn count(&mut self, difference: &Difference) {
        let bytes = |node: &Node| match node.kind {
            TreeKind::File => node.bytes,
            _ => 0,
        };
        let totals = &mut self.totals;
        match (&difference.old, &difference.new) {
            (Some(old), None) => {
                totals.removed += 1;
                totals.removed_bytes += bytes(old);
            }
            (None, Some(new)) => {
                totals.added += 1;
                totals.added_bytes += bytes(new);
            }
            (_, new) => {
                let is_changed = difference
                    .what
                    .iter()
                    .any(|what| *what <= Differing::Content);
                if is_changed {
                    totals.changed += 1;
                    totals.changed_bytes += new.as_ref().map_or(0, bytes);
                } else {
                    totals.attributes += 1;
                }
            }
        }
    }

    fn problem(&mut self, path: &str, error: &Error) {
        let line = format!("{path}: {}", super::sentence(error));
        self.totals.problems.push(line);
    }
}

fn is_acl_name(name: &[u8]) -> bool {
    name.starts_with(b"system.posix_acl_")
}

/// Read side by side, until they part.
fn same_content(mut a: std::fs::File, mut b: std::fs::File) -> std::io::Result<bool> {
    let (mut of_a, mut of_b) = (vec![0; 256 * 1024], vec![0; 256 * 1024]);
    loop {
        let read = a.read(&mut of_a)?;
        let Some(part) = of_a.get(..read).filter(|part| !part.is_empty()) else {
            return Ok(b.read(&mut of_b)? == 0);
        };
        let Some(other) = of_b.get_mut(..read) else {
            return Ok(false);
        };
        match b.read_exact(other) {
            Ok(()) if part == other => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
