//! The policy of a host, rule by rule: what the host says is put on what it inherits.

use serde_json::Value;

use super::lists::insert_line;
use super::text::{Left, NodeText};
use super::tree::Node;
use crate::config::page::Node as Page;
use crate::config::table::{Form, Setting, policy_table};
use crate::config::words::word;
use crate::core::model::Policy;

/// What the policy is to be, and what it comes from.
#[derive(Debug)]
pub(super) struct PolicyEdit<'a> {
    /// Without the host's own node.
    pub(super) inherited: Option<&'a Policy>,
    /// With the policy that the host's own node names, and nothing else of it.
    pub(super) named: Option<&'a Policy>,
    pub(super) now: Option<&'a Policy>,
    pub(super) wanted: Option<&'a Policy>,
}

const PATH: [&str; 1] = ["retention"];

impl PolicyEdit<'_> {
    /// Makes the policy what it is to be; gives back what cannot be, by path.
    pub(super) fn apply(&self, text: &mut NodeText) -> Vec<(&'static str, Left)> {
        match (self.now, self.wanted) {
            (Some(_), None) => match self.take_away(text) {
                Ok(()) => Vec::new(),
                Err(why) => self
                    .changed()
                    .map(|(setting, _)| (setting.path, why))
                    .collect(),
            },
            (None, Some(wanted)) if text.find(&PATH).is_empty() => {
                let node = Page {
                    head: "retention".to_owned(),
                    block: crate::config::export::policy_nodes(wanted),
                };
                insert_line(text, &PATH, &node.one_line());
                Vec::new()
            }
            _ => {
                let changed: Vec<_> = self.changed().collect();
                let mut refused = Vec::new();
                for (setting, base) in changed {
                    if let Err(why) = set(text, &setting, &base) {
                        refused.push((setting.path, why));
                    }
                }
                // One that says nothing any more is a mistake; what is inherited is what was asked for.
                let says_nothing = |node: &Node| {
                    node.entries.is_empty()
                        && node
                            .block
                            .as_ref()
                            .is_none_or(|block| block.nodes.is_empty())
                };
                if let Some(node) = text.find(&PATH).pop().filter(says_nothing)
                    && let Err(why) = text.remove_node(&node)
                {
                    refused.push(("retention", why));
                }
                refused
            }
        }
    }

    /// What differs, with the value that it has where the host says nothing of it.
    fn changed(&self) -> impl Iterator<Item = (Setting, Value)> {
        let now = policy_table(self.now);
        let base = policy_table(self.named);
        policy_table(self.wanted)
            .into_iter()
            .zip(now)
            .zip(base)
            .filter(|((wanted, now), _)| wanted.value != now.value)
            .map(|((wanted, _), base)| (wanted, base.value))
    }

    fn take_away(&self, text: &mut NodeText) -> Result<(), Left> {
        if self.inherited.is_some() {
            return Err("its groups or `global` bring a policy, and a host cannot take it away");
        }
        match text.find(&PATH).pop() {
            Some(node) => text.remove_node(&node),
            None => Ok(()),
        }
    }
}

fn set(text: &mut NodeText, setting: &Setting, base: &Value) -> Result<(), Left> {
    let name = setting.path.trim_start_matches("retention.");
    match setting.form {
        Form::Rule if setting.value.is_null() => remove_rule(text, name, base),
        Form::Rule => {
            set_rule(text, name, &word(&setting.value));
            Ok(())
        }
        Form::Kinds => {
            let kinds = setting.value.as_array().cloned().unwrap_or_default();
            let words: Vec<String> = kinds.iter().map(word).collect();
            set_kinds(text, &words.join(" "))
        }
        Form::Word => {
            let path = ["retention", name];
            match text.find(&path).pop() {
                Some(node) => text.set_argument(&node, &word(&setting.value)),
                None => insert_line(text, &path, &format!("{name} {}", word(&setting.value))),
            }
            Ok(())
        }
        // The zone of a policy is that of its host.
        _ => Ok(()),
    }
}

/// The `keep` that sets a rule: the last one that names it.
fn keep_with(text: &NodeText, name: &str) -> Option<Node> {
    let keeps = text.find(&["retention", "keep"]);
    keeps
        .into_iter()
        .rev()
        .find(|keep| text.property(keep, name).is_some())
}

fn set_rule(text: &mut NodeText, name: &str, word: &str) {
    let keep = keep_with(text, name).or_else(|| text.find(&["retention", "keep"]).pop());
    match keep {
        Some(keep) => text.set_property(&keep, name, word),
        None => insert_line(text, &["retention", "keep"], &format!("keep {name}={word}")),
    }
}

fn remove_rule(text: &mut NodeText, name: &str, base: &Value) -> Result<(), Left> {
    if !base.is_null() {
        if name.starts_with("within") {
            return Err(
                "it comes from the policy that the host names or inherits, and a host cannot take a `within` away",
            );
        }
        set_rule(text, name, "0");
        return Ok(());
    }
    while let Some(keep) = keep_with(text, name) {
        if let Some(entry) = text.property(&keep, name).cloned() {
            text.remove_entry(&keep, &entry)?;
        }
        let start = keep.range.start;
        let left = text.find(&["retention", "keep"]);
        let left = left.into_iter().find(|keep| keep.range.start == start);
        if let Some(keep) = left.filter(|keep| keep.entries.is_empty()) {
            text.remove_node(&keep)?;
        }
    }
    Ok(())
}

fn set_kinds(text: &mut NodeText, words: &str) -> Result<(), Left> {
    let path = ["retention", "kinds"];
    let Some(node) = text.find(&path).pop() else {
        insert_line(text, &path, &format!("kinds {words}"));
        return Ok(());
    };
    for entry in node.entries.iter().skip(1).rev() {
        text.remove_entry(&node, entry)?;
    }
    text.set_argument(&node, words);
    Ok(())
}
