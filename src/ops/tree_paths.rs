//! Paths into a snapshot as people write them, and what is said of those that lead nowhere.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use super::Error;
use super::reading_error::ReadingError;
use super::shelf::{HostShelf, OnDisk};
use crate::core::manifest::unshown;
use crate::disk::{Node, Reached, Tree, TreeKind, TreeName};

/// Reads a path.
///
/// # Errors
/// When it is none that a snapshot can hold.
pub(super) fn parse(path: &OsStr) -> Result<Vec<TreeName>, Error> {
    TreeName::path(path).ok_or_else(|| ReadingError::BadPath { path: shown(path) }.into())
}

/// A path as people write it, and what it leads to in a snapshot. It may be written as listings show it, with what is not
/// printed behind backslashes: a host may have another name that looks the same, so that both are told where both are there.
///
/// # Errors
/// When it leads nowhere; the message says how far it goes, and in which other snapshot it leads on. When it may be two names.
pub(super) fn find(
    shelf: &HostShelf,
    snapshot: &OnDisk,
    tree: &Tree,
    path: &OsStr,
) -> Result<(Vec<TreeName>, Node), Error> {
    let names = parse(path)?;
    let itself = reach(shelf, snapshot, tree, &names);
    let text = path.to_str().filter(|text| text.contains('\\'));
    let meant = text
        .and_then(unshown)
        .and_then(|bytes| TreeName::path(OsStr::from_bytes(&bytes)))
        .filter(|meant| *meant != names);
    let as_shown = match meant {
        Some(meant) => match tree.reach(&meant)? {
            Reached::Node(node) => Some((meant, *node)),
            Reached::Nothing | Reached::Blocked(..) => None,
        },
        None => None,
    };
    match (itself, as_shown) {
        (Ok(_), Some((meant, _))) => Err(ReadingError::TwoNames {
            path: path.to_string_lossy().into_owned(),
            itself: absolute(&names),
            as_shown: absolute(&meant),
        }
        .into()),
        (Ok(node), None) => Ok((names, node)),
        (Err(_), Some(found)) => Ok(found),
        (Err(error), None) => Err(error),
    }
}

fn reach(
    shelf: &HostShelf,
    snapshot: &OnDisk,
    tree: &Tree,
    names: &[TreeName],
) -> Result<Node, Error> {
    match tree.reach(names)? {
        Reached::Node(node) => Ok(*node),
        Reached::Nothing => Err(ReadingError::NoSuchPath {
            snapshot: snapshot.name.to_string(),
            path: absolute(names),
            elsewhere: elsewhere(shelf, snapshot, names),
        }
        .into()),
        Reached::Blocked(depth, kind) => Err(ReadingError::Through {
            snapshot: snapshot.name.to_string(),
            path: absolute(names),
            at: absolute(names.get(..depth).unwrap_or(names)),
            what: match kind {
                TreeKind::Link(to) => format!("a link to {}", bytes_shown(&to)),
                _ => "no directory".to_owned(),
            },
        }
        .into()),
    }
}

/// The newest other snapshot that holds the path.
fn elsewhere(shelf: &HostShelf, not: &OnDisk, names: &[TreeName]) -> Option<String> {
    let others = shelf.snapshots.iter().filter(|s| *s != not);
    let holds = |s: &&OnDisk| {
        let tree = shelf.dir.tree(s.kind, &s.name).ok().flatten();
        tree.is_some_and(|tree| matches!(tree.reach(names), Ok(Reached::Node(_))))
    };
    others.into_iter().find(holds).map(|s| s.name.to_string())
}

/// The path below the tree.
pub(super) fn relative(names: &[TreeName]) -> OsString {
    let names: Vec<&[u8]> = names.iter().map(TreeName::as_bytes).collect();
    OsString::from_vec(names.join(&b'/'))
}

/// The path as it may be shown.
pub(super) fn absolute(names: &[TreeName]) -> String {
    format!("/{}", shown(&relative(names)))
}

/// Any bytes as they may be shown, so that two names never look the same.
pub fn bytes_shown(bytes: &[u8]) -> String {
    crate::core::manifest::shown(bytes)
}

fn shown(path: &OsStr) -> String {
    bytes_shown(path.as_bytes())
}
