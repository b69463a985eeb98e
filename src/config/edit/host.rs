//! Every setting of a host, or of the service, to its place in the text of its node.

use std::collections::BTreeMap;

use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::lists::{self, ListEdit, insert_line};
use super::retention::PolicyEdit;
use super::schedules::SchedulesEdit;
use super::text::{Left, NodeText};
use crate::config::table::{Form, Setting, global_table, host_table};
use crate::config::words::{size, word};
use crate::core::model::{GlobalSettings, HostSettings, Label, Notify, Schedule, canonical_json};

/// A setting that a file cannot be made to say, and why.
pub(super) type Refused = (String, String);

/// What a host has without what its own node says.
#[derive(Debug)]
pub(super) struct Inherited {
    /// From built in, `global` and groups.
    pub(super) settings: HostSettings,
    /// The same, with the policy that its own `retention` names.
    pub(super) named: HostSettings,
    /// What the names of schedules stand for.
    pub(super) schedules: BTreeMap<Label, Schedule>,
}

/// Changes the node of a host so that it has `wanted`; gives back what cannot be.
pub(super) fn edit_host(
    text: &mut NodeText,
    inherited: &Inherited,
    now: &HostSettings,
    wanted: &HostSettings,
) -> Vec<Refused> {
    let mut refused: Vec<Refused> = Vec::new();
    let inherits = host_table(&inherited.settings);
    let table = host_table(wanted).into_iter().zip(host_table(now));
    for ((setting, now_setting), inherits) in table.zip(&inherits) {
        if setting.value == now_setting.value || setting.path.starts_with("retention.") {
            continue;
        }
        let done = match setting.form {
            Form::Word | Form::Size => edit_word(text, &setting, Some(&inherits.value)),
            Form::List(name) => edit_list(text, &setting, name, &inherits.value),
            Form::Schedules => edit_schedules(text, inherited, now, wanted),
            Form::Groups => Err("a group brings settings of its own: name it in the file by hand"),
            Form::Rule | Form::Kinds | Form::Notify | Form::Servers | Form::Follows(_) => Ok(()),
        };
        if let Err(why) = done {
            refused.push((setting.path.to_owned(), why.to_owned()));
        }
    }
    let policy = PolicyEdit {
        inherited: inherited.settings.retention.as_ref(),
        named: inherited.named.retention.as_ref(),
        now: now.retention.as_ref(),
        wanted: wanted.retention.as_ref(),
    };
    let left = policy.apply(text).into_iter();
    refused.extend(left.map(|(path, why)| (path.to_owned(), why.to_owned())));
    refused
}

/// Changes the `global` node so that the service has `wanted`; gives back what cannot be.
pub(super) fn edit_global(
    text: &mut NodeText,
    now: &GlobalSettings,
    wanted: &GlobalSettings,
) -> Vec<Refused> {
    let mut refused: Vec<Refused> = Vec::new();
    for (setting, now_setting) in global_table(wanted).into_iter().zip(global_table(now)) {
        if setting.value == now_setting.value {
            continue;
        }
        let done = match setting.form {
            Form::Notify => edit_notify(text, &now.notify, &wanted.notify),
            Form::Servers => Err("a server is a node of its own: change that in the file"),
            _ => edit_word(text, &setting, None),
        };
        if let Err(why) = done {
            refused.push((setting.path.to_owned(), why.to_owned()));
        }
    }
    refused
}

fn edit_word(
    text: &mut NodeText,
    setting: &Setting,
    inherited: Option<&Value>,
) -> Result<(), Left> {
    let path: Vec<&str> = setting.path.split('.').collect();
    let node = text.find(&path).pop();
    let root = text.root();
    let property = root
        .as_ref()
        .filter(|_| setting.path == "server")
        .and_then(|root| text.property(root, "server").cloned());
    if setting.value.is_null() {
        if inherited.is_some_and(|value| !value.is_null()) {
            return Err("its groups or `global` set it, and a host cannot take it away");
        }
        if let Some(node) = node {
            text.remove_node(&node)?;
        }
        if let (Some(root), Some(entry)) = (text.root(), property) {
            text.remove_entry(&root, &entry)?;
        }
        if let Some((_, blocks)) = path.split_last()
            && !blocks.is_empty()
        {
            text.remove_if_empty(blocks);
        }
        return Ok(());
    }
    let word = if setting.form == Form::Size {
        size(&setting.value)
    } else {
        word(&setting.value)
    };
    match (node, property) {
        (Some(node), _) => text.set_argument(&node, &word),
        (None, Some(entry)) => text.replace(&entry.value, &word),
        (None, None) => {
            let name = path.last().copied().unwrap_or_default();
            insert_line(text, &path, &format!("{name} {word}"));
        }
    }
    Ok(())
}

fn edit_list(
    text: &mut NodeText,
    setting: &Setting,
    name: &str,
    inherited: &Value,
) -> Result<(), Left> {
    let items = |value: &Value| -> Vec<String> {
        let items = value.as_array().into_iter().flatten();
        items
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    let (inherited, wanted) = (items(inherited), items(&setting.value));
    let is_hook = setting.path.starts_with("hooks.");
    let nodes: &[&str] = if is_hook { &["hooks", name] } else { &[name] };
    let edit = ListEdit {
        nodes,
        inherited: &inherited,
        wanted: &wanted,
        is_set: !is_hook,
        normal: if setting.path == "sources" {
            without_final_slash
        } else {
            std::convert::identity
        },
    };
    lists::edit(text, &edit)
}

/// As a source is read.
fn without_final_slash(path: String) -> String {
    match path.trim_end_matches('/') {
        "" => "/".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

fn edit_schedules(
    text: &mut NodeText,
    inherited: &Inherited,
    now: &HostSettings,
    wanted: &HostSettings,
) -> Result<(), Left> {
    let elsewhere = |schedule: &Schedule| schedule.timezone != wanted.timezone;
    if wanted.schedules.iter().any(elsewhere) {
        return Err("a file gives every schedule the time zone of its host");
    }
    // The zone follows the host's, which is another setting.
    let as_now = |schedules: &[Schedule]| -> Vec<Schedule> {
        schedules
            .iter()
            .map(|schedule| Schedule {
                timezone: now.timezone,
                ..schedule.clone()
            })
            .collect()
    };
    let edit = SchedulesEdit {
        inherited: &as_now(&inherited.settings.schedules),
        now: &now.schedules,
        wanted: &as_now(&wanted.schedules),
        named: &inherited.schedules,
    };
    edit.apply(text)
}

fn edit_notify(text: &mut NodeText, now: &[Notify], wanted: &[Notify]) -> Result<(), Left> {
    let path = ["notify"];
    let nodes = text.find(&path);
    if nodes.len() != now.len() {
        return Err("its nodes are not those that were read: edit them by hand");
    }
    let key = |notify: &Notify| canonical_json(&serde_json::to_value(notify).unwrap_or_default());
    let old: Vec<String> = now.iter().map(key).collect();
    let new: Vec<String> = wanted.iter().map(key).collect();
    for op in capture_diff_slices(Algorithm::Myers, &old, &new)
        .into_iter()
        .rev()
    {
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let range = op.old_range();
        let last = range.end.checked_sub(1).and_then(|i| nodes.get(i));
        for notify in wanted.get(op.new_range()).unwrap_or_default().iter().rev() {
            let line = crate::config::export::notify_node(notify).one_line();
            match (last, text.find(&path).first(), text.root()) {
                (Some(last), _, Some(root)) => text.insert_node(&root, Some(last), &line),
                (None, Some(first), _) => text.insert_before(first, &line),
                _ => insert_line(text, &path, &line),
            }
        }
        for node in nodes.get(range).unwrap_or_default().iter().rev() {
            text.remove_node(node)?;
        }
    }
    Ok(())
}
