//! Lists that add up over layers: what the host says itself is changed as little as possible.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::text::{Left, NodeText};
use super::tree::Node;
use crate::config::words::quoted;

/// What a list is to be, and what it gets without the node.
#[derive(Debug)]
pub(super) struct ListEdit<'a> {
    /// The nodes it is written with: `["hooks", "before"]`.
    pub(super) nodes: &'a [&'a str],
    /// What comes from built in, `global` and groups.
    pub(super) inherited: &'a [String],
    pub(super) wanted: &'a [String],
    /// Of an item that is there twice only the first counts.
    pub(super) is_set: bool,
    /// How an item is compared with one that is written.
    pub(super) normal: fn(String) -> String,
}

/// One item that is written, by the places of its node and itself.
#[derive(Debug, Clone)]
struct Written {
    node: usize,
    entry: usize,
    text: String,
}

/// Makes the list what it is to be.
///
/// # Errors
/// When something in the way is commented out by `/-`.
pub(super) fn edit(text: &mut NodeText, edit: &ListEdit<'_>) -> Result<(), Left> {
    let live = live_nodes(text, edit.nodes);
    let has_reset = live.first().is_some_and(|node| is_reset(text, node));
    let rest = edit.wanted.strip_prefix(edit.inherited);
    let (needs_reset, target) = match rest {
        _ if has_reset => (false, edit.wanted),
        Some(rest) => (false, rest),
        None => (true, edit.wanted),
    };
    let hidden: &[String] = if has_reset || needs_reset {
        &[]
    } else {
        edit.inherited
    };
    let written = written(text, &live, edit, hidden);
    let own: Vec<&str> = written.iter().map(|item| item.text.as_str()).collect();
    let wanted: Vec<&str> = target.iter().map(String::as_str).collect();
    if written.is_empty() && !target.is_empty() {
        add_first(text, edit, &live, target);
    } else {
        let each_alone =
            live.len() > 1 && live.iter().all(|node| text.arguments(node).count() == 1);
        // From the last to the first, so that places before stay true.
        for op in capture_diff_slices(Algorithm::Myers, &own, &wanted)
            .into_iter()
            .rev()
        {
            let (old, new) = (op.old_range(), op.new_range());
            if matches!(op, DiffOp::Equal { .. }) {
                continue;
            }
            let after = old.end.checked_sub(1).and_then(|i| written.get(i));
            for item in target.get(new).unwrap_or_default().iter().rev() {
                insert(text, edit, &live, after, item, each_alone);
            }
            for gone in written.get(old).unwrap_or_default().iter().rev() {
                if let Some(node) = node_at(text, edit.nodes, gone.node)
                    && let Some(entry) = node.entries.iter().find(|e| e.range.start == gone.entry)
                {
                    text.remove_entry(&node, entry)?;
                }
            }
        }
    }
    remove_bare(text, edit.nodes)?;
    if needs_reset {
        add_reset(text, edit.nodes);
    }
    Ok(())
}

/// The nodes that count: those from the last reset on.
fn live_nodes(text: &NodeText, path: &[&str]) -> Vec<Node> {
    let nodes = text.find(path);
    let from = nodes
        .iter()
        .rposition(|node| is_reset(text, node))
        .unwrap_or(0);
    nodes.into_iter().skip(from).collect()
}

pub(super) fn is_reset(text: &NodeText, node: &Node) -> bool {
    text.property(node, "reset")
        .is_some_and(|entry| text.slice(&entry.value) == "#true")
}

fn node_at(text: &NodeText, path: &[&str], start: usize) -> Option<Node> {
    text.find(path)
        .into_iter()
        .find(|node| node.range.start == start)
}

fn written(text: &NodeText, live: &[Node], edit: &ListEdit<'_>, hidden: &[String]) -> Vec<Written> {
    let mut found: Vec<Written> = Vec::new();
    for node in live {
        for entry in text.arguments(node) {
            let item = (edit.normal)(text.decoded(&entry.value));
            let is_seen = hidden.contains(&item) || found.iter().any(|other| other.text == item);
            if !(edit.is_set && is_seen) {
                found.push(Written {
                    node: node.range.start,
                    entry: entry.range.start,
                    text: item,
                });
            }
        }
    }
    found
}

/// Nothing of the list is written yet, but perhaps a node without items.
fn add_first(text: &mut NodeText, edit: &ListEdit<'_>, live: &[Node], items: &[String]) {
    let words: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    match live.last() {
        Some(node) => text.insert_entry(node, node.entries.last(), &words.join(" ")),
        None => {
            let name = edit.nodes.last().copied().unwrap_or_default();
            insert_line(text, edit.nodes, &format!("{name} {}", words.join(" ")));
        }
    }
}

fn insert(
    text: &mut NodeText,
    edit: &ListEdit<'_>,
    live: &[Node],
    after: Option<&Written>,
    item: &str,
    each_alone: bool,
) {
    let word = quoted(item);
    let Some(after) = after else {
        // Before all others: behind the name of the first node.
        let first = live.first().map(|node| node.range.start);
        if let Some(node) = first.and_then(|start| node_at(text, edit.nodes, start)) {
            let reset = text.property(&node, "reset").cloned();
            text.insert_entry(&node, reset.as_ref(), &word);
        }
        return;
    };
    let Some(node) = node_at(text, edit.nodes, after.node) else {
        return;
    };
    if each_alone {
        let name = edit.nodes.last().copied().unwrap_or_default();
        insert_after(text, edit.nodes, &node, &format!("{name} {word}"));
    } else {
        let entry = node.entries.iter().find(|e| e.range.start == after.entry);
        text.insert_entry(&node, entry, &word);
    }
}

/// Puts a line into the block that `path` leads to, behind others of its name; makes the block where there is none.
pub(super) fn insert_line(text: &mut NodeText, path: &[&str], line: &str) {
    if let Some(last) = text.find(path).pop() {
        return insert_after(text, path, &last, line);
    }
    let blocks = path.split_last().map_or(&[][..], |(_, blocks)| blocks);
    match text.find(blocks).pop() {
        Some(parent) => text.insert_node(&parent, None, line),
        None => {
            let name = blocks.last().copied().unwrap_or_default();
            if let Some(root) = text.root() {
                text.insert_node(&root, None, &format!("{name} {{ {line} }}"));
            }
        }
    }
}

fn insert_after(text: &mut NodeText, path: &[&str], node: &Node, line: &str) {
    let blocks = path.split_last().map_or(&[][..], |(_, blocks)| blocks);
    let holds = |parent: &Node| {
        parent.block.as_ref().is_some_and(|block| {
            let mut nodes = block.nodes.iter();
            nodes.any(|child| child.range.start == node.range.start)
        })
    };
    if let Some(parent) = text.find(blocks).into_iter().find(holds) {
        text.insert_node(&parent, Some(node), line);
    }
}

/// A node that lost all of its items goes; one that resets still says something.
fn remove_bare(text: &mut NodeText, path: &[&str]) -> Result<(), Left> {
    let is_bare = |node: &Node| text.arguments(node).next().is_none();
    let bare: Vec<Node> = text.find(path).into_iter().filter(is_bare).collect();
    for node in bare.iter().rev() {
        if !is_reset(text, node) {
            text.remove_node(node)?;
        }
    }
    if let Some((_, blocks)) = path.split_last()
        && !blocks.is_empty()
    {
        text.remove_if_empty(blocks);
    }
    Ok(())
}

fn add_reset(text: &mut NodeText, path: &[&str]) {
    match text.find(path).first() {
        Some(node) if text.property(node, "reset").is_some() => {
            let node = node.clone();
            text.set_property(&node, "reset", "#true");
        }
        Some(node) => {
            let node = node.clone();
            text.insert_entry(&node, None, "reset=#true");
        }
        None => {
            let name = path.last().copied().unwrap_or_default();
            insert_line(text, path, &format!("{name} reset=#true"));
        }
    }
}
