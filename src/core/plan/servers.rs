//! What a plan says of servers: hosts that move from one to another, and servers that leave.

use serde::{Deserialize, Serialize};

use crate::core::model::{AbsolutePath, HostName, Label};

/// A host that comes to belong to another server. Its snapshots stay where they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The host.
    pub host: HostName,
    /// The server that it belongs to; nothing if that has had no name so far, and another one goes on with its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Label>,
    /// The one that it is to belong to.
    pub to: Label,
    /// Nothing on that server can be linked against: its next backup is a full one.
    pub full: bool,
    /// Snapshots that stay where they are, under retention there by their own.
    pub left: usize,
    /// The server that it belongs to leaves: nobody looks after what stays there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaves: bool,
}

impl std::fmt::Display for Move {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            host,
            from,
            to,
            full,
            left,
            leaves,
        } = self;
        match from {
            Some(from) => write!(f, "{host} moves from {from} to {to}: ")?,
            None => write!(f, "{host} moves from the root there was to {to}: ")?,
        }
        f.write_str(if *full {
            "its next backup is a full one"
        } else {
            "its next backup is linked against what is there from before"
        })?;
        let Some(from) = from else {
            return match left {
                0 => Ok(()),
                1 => f.write_str("; 1 snapshot stays there, under retention by its own"),
                n => write!(
                    f,
                    "; {n} snapshots stay there, under retention by their own"
                ),
            };
        };
        match (left, leaves) {
            (0, _) => Ok(()),
            (1, false) => write!(
                f,
                "; 1 snapshot stays on {from}, under retention there by its own"
            ),
            (n, false) => write!(
                f,
                "; {n} snapshots stay on {from}, under retention there by their own"
            ),
            (1, true) => write!(f, "; 1 snapshot is lost sight of with {from}"),
            (n, true) => write!(f, "; {n} snapshots are lost sight of with {from}"),
        }
    }
}

/// A server that leaves, and whose root is in use. Nothing on it is deleted, and nobody looks after it any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// Its name.
    pub server: Label,
    /// Where its root is.
    pub root: AbsolutePath,
    /// Snapshots on it.
    pub snapshots: usize,
    /// Hosts that they are of.
    pub hosts: usize,
}

impl std::fmt::Display for Leaving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            server,
            root,
            snapshots,
            hosts,
        } = self;
        if *snapshots == 0 {
            return write!(f, "server {server} leaves; nothing is on its root {root}");
        }
        let s = |n: usize| if n == 1 { "" } else { "s" };
        write!(
            f,
            "server {server} leaves, and {snapshots} snapshot{} of {hosts} host{} on its root {root} with it: nothing there is \
             deleted, and nothing there is listed, counted, pruned or restored any more",
            s(*snapshots),
            s(*hosts)
        )
    }
}
