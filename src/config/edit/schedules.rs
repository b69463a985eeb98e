//! The schedules of a host: nodes that say what they can by name.

use std::collections::BTreeMap;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::lists::{insert_line, is_reset};
use super::text::{Left, NodeText};
use super::tree::Node;
use crate::config::table::schedule_table;
use crate::config::words::{quoted, word};
use crate::core::model::{Label, Schedule, canonical_json};

/// What the schedules are to be, and what they are.
#[derive(Debug)]
pub(super) struct SchedulesEdit<'a> {
    /// What comes from `global` and groups.
    pub(super) inherited: &'a [Schedule],
    pub(super) now: &'a [Schedule],
    pub(super) wanted: &'a [Schedule],
    /// What a name stands for.
    pub(super) named: &'a BTreeMap<Label, Schedule>,
}

const PATH: [&str; 1] = ["schedule"];

impl SchedulesEdit<'_> {
    /// Makes the schedules what they are to be.
    ///
    /// # Errors
    /// When a file cannot say it, or something in the way is commented out by `/-`.
    pub(super) fn apply(&self, text: &mut NodeText) -> Result<(), Left> {
        let nodes = text.find(&PATH);
        let from = nodes.iter().rposition(|node| is_reset(text, node));
        let live: Vec<Node> = nodes.into_iter().skip(from.unwrap_or(0)).collect();
        let own = self
            .now
            .len()
            .checked_sub(live.len())
            .and_then(|start| self.now.get(start..))
            .ok_or("two of its nodes name one schedule: edit them by hand")?;
        let has_reset = from.is_some();
        let (needs_reset, target) = self.own_part(has_reset)?;
        let is_known = |name: &Label| self.named.contains_key(name);
        if target
            .iter()
            .any(|schedule| schedule.name.as_ref().is_some_and(|name| !is_known(name)))
        {
            return Err("the file has no schedule of that name");
        }

        let key = |schedule: &Schedule| {
            canonical_json(&serde_json::to_value(schedule).unwrap_or_default())
        };
        let old: Vec<String> = own.iter().map(key).collect();
        let new: Vec<String> = target.iter().map(key).collect();
        for op in capture_diff_slices(Algorithm::Myers, &old, &new)
            .into_iter()
            .rev()
        {
            if matches!(op, DiffOp::Equal { .. }) {
                continue;
            }
            let old_range = op.old_range();
            let gone = live.get(old_range.clone()).unwrap_or_default();
            let come = target.get(op.new_range()).unwrap_or_default();
            let before = old_range.start.checked_sub(1).and_then(|i| live.get(i));
            let own = own.get(old_range).unwrap_or_default();
            let place = (before, from.unwrap_or(0));
            self.replace(text, (gone, own), come, place)?;
        }
        let resets = needs_reset || (has_reset && !self.inherited.is_empty());
        if let Some(first) = text.find(&PATH).get(from.unwrap_or(0)).cloned()
            && resets
            && !is_reset(text, &first)
        {
            match text.property(&first, "reset") {
                Some(_) => text.set_property(&first, "reset", "#true"),
                None => {
                    let name = text.arguments(&first).next().cloned();
                    text.insert_entry(&first, name.as_ref(), "reset=#true");
                }
            }
        }
        Ok(())
    }

    /// What the host's own nodes have to say, and whether they have to start anew for it.
    fn own_part(&self, has_reset: bool) -> Result<(bool, &[Schedule]), Left> {
        const NONE: Left = "its groups or `global` bring schedules, and a host cannot take all of them away: pause it with `enabled`";
        if has_reset && !(self.wanted.is_empty() && self.inherited.is_empty()) {
            return if self.wanted.is_empty() {
                Err(NONE)
            } else {
                Ok((false, self.wanted))
            };
        }
        for at in (0..=self.wanted.len().min(self.inherited.len())).rev() {
            let (kept, rest) = self.wanted.split_at(at);
            // A later use of a name takes the place of an earlier one.
            let stays = |schedule: &&Schedule| {
                schedule.name.is_none() || rest.iter().all(|other| other.name != schedule.name)
            };
            if self.inherited.iter().filter(stays).eq(kept) {
                return Ok((false, rest));
            }
        }
        if self.wanted.is_empty() {
            Err(NONE)
        } else {
            Ok((true, self.wanted))
        }
    }

    /// `gone` become `come`, each in its place as far as there are pairs.
    fn replace(
        &self,
        text: &mut NodeText,
        (gone, own): (&[Node], &[Schedule]),
        come: &[Schedule],
        (before, from): (Option<&Node>, usize),
    ) -> Result<(), Left> {
        let pairs = gone.len().min(come.len());
        let anchor = pairs.checked_sub(1).and_then(|i| gone.get(i)).or(before);
        for new in come.iter().skip(pairs).rev() {
            self.insert(text, anchor, from, new);
        }
        for node in gone.iter().skip(pairs).rev() {
            text.remove_node(&now(text, node))?;
        }
        for ((node, old), new) in gone.iter().zip(own).zip(come).rev() {
            self.turn(text, &now(text, node), old, new)?;
        }
        Ok(())
    }

    fn insert(&self, text: &mut NodeText, anchor: Option<&Node>, from: usize, new: &Schedule) {
        let line = self.line(new);
        let first = text.find(&PATH).get(from).cloned();
        match (anchor, first, text.root()) {
            (Some(anchor), _, Some(root)) => {
                let anchor = now(text, anchor);
                text.insert_node(&root, Some(&anchor), &line);
            }
            (None, Some(first), _) => text.insert_before(&first, &line),
            _ => insert_line(text, &PATH, &line),
        }
    }

    fn turn(
        &self,
        text: &mut NodeText,
        node: &Node,
        old: &Schedule,
        new: &Schedule,
    ) -> Result<(), Left> {
        if old.name == new.name {
            for (part, value) in schedule_table(new, Some(old)) {
                set_part(text, &now(text, node), part, &word(&value));
            }
            return Ok(());
        }
        let line = self.line(new);
        if text.is_plain(node) {
            text.replace(&node.range, &line);
            return Ok(());
        }
        if let Some(root) = text.root() {
            text.insert_node(&root, Some(node), &line);
        }
        text.remove_node(&now(text, node))
    }

    fn line(&self, schedule: &Schedule) -> String {
        let mut line = "schedule".to_owned();
        if let Some(name) = &schedule.name {
            line.push_str(&format!(" {}", quoted(name.as_str())));
        }
        let meaning = schedule.name.as_ref().and_then(|name| self.named.get(name));
        for (part, value) in schedule_table(schedule, meaning) {
            line.push_str(&format!(" {part}={}", word(&value)));
        }
        line
    }
}

/// The node as it stands after edits behind its start.
fn now(text: &NodeText, node: &Node) -> Node {
    let nodes = text.find(&PATH);
    let found = nodes
        .into_iter()
        .find(|other| other.range.start == node.range.start);
    found.unwrap_or_else(|| node.clone())
}

/// A part stands as a property, or as a node of the block.
fn set_part(text: &mut NodeText, node: &Node, part: &str, word: &str) {
    let child = text.children(node, part).pop();
    match child {
        Some(child) if text.property(node, part).is_none() => text.set_argument(&child, word),
        _ => text.set_property(node, part, word),
    }
}
