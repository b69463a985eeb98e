//! What a tree says of a name, for people and for programs.

use serde::Serialize;

use crate::core::model::Timestamp;
use crate::ops::bytes_shown;
use crate::ops::{Node, TreeKind, TreeName};

/// A path from the top of the tree, for programs.
#[derive(Debug, Serialize)]
pub(super) struct PathTold {
    /// As text; what is not UTF-8 is replaced.
    path: String,
    /// All its bytes, in hexadecimal, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
}

impl PathTold {
    pub(super) fn of(names: &[TreeName]) -> Self {
        let bytes = joined(names);
        let path = String::from_utf8_lossy(&bytes).into_owned();
        let is_text = std::str::from_utf8(&bytes).is_ok();
        Self {
            path,
            path_hex: (!is_text).then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

/// A path from the top of the tree, for people.
pub(super) fn path_shown(names: &[TreeName]) -> String {
    bytes_shown(&joined(names))
}

fn joined(names: &[TreeName]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in names {
        bytes.push(b'/');
        bytes.extend_from_slice(name.as_bytes());
    }
    if bytes.is_empty() {
        bytes.push(b'/');
    }
    bytes
}

/// What a name is, for programs.
#[derive(Debug, Serialize)]
pub(super) struct NodeTold {
    r#type: &'static str,
    /// Of plain files.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    mode: String,
    uid: u32,
    gid: u32,
    links: u64,
    inode: u64,
    modified: Timestamp,
    /// Of links; what is not UTF-8 is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

impl NodeTold {
    pub(super) fn of(node: &Node) -> Self {
        Self {
            r#type: type_word(node),
            bytes: (node.kind == TreeKind::File).then_some(node.bytes),
            mode: format!("{:04o}", node.mode),
            uid: node.uid,
            gid: node.gid,
            links: node.links,
            inode: node.inode,
            modified: modified(node),
            target: match &node.kind {
                TreeKind::Link(to) => Some(String::from_utf8_lossy(to).into_owned()),
                _ => None,
            },
        }
    }
}

/// To the second, as people and tables have it.
pub(super) fn modified(node: &Node) -> Timestamp {
    Timestamp::from_millis(node.modified.0.saturating_mul(1000))
}

/// What it is, in a word.
pub(super) fn type_word(node: &Node) -> &'static str {
    match node.kind {
        TreeKind::File => "file",
        TreeKind::Directory => "directory",
        TreeKind::Link(_) => "link",
        TreeKind::Special => node.special.unwrap_or("special"),
    }
}

/// `drwxr-xr-x`, as ls(1) writes it.
pub(super) fn mode_text(node: &Node) -> String {
    let kind = match (&node.kind, node.special) {
        (TreeKind::File, _) => '-',
        (TreeKind::Directory, _) => 'd',
        (TreeKind::Link(_), _) => 'l',
        (TreeKind::Special, Some("fifo")) => 'p',
        (TreeKind::Special, Some("socket")) => 's',
        (TreeKind::Special, Some("block device")) => 'b',
        (TreeKind::Special, _) => 'c',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = node.mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, node.mode & special != 0) {
            (true, false) => 'x',
            (false, false) => '-',
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
        });
    }
    text
}
