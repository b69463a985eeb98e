//! The settings of one host as a file lays them down in layers: what wins, what adds up, what is kept, and when.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde_json::Value;

use crate::config::page::{self, Node};
use crate::config::table::{self, Form};
use crate::config::words;
use crate::core::model::{HostSettings, Policy, Schedule};

/// The settings of one host. Time zones are those of the host: policies and schedules are compared without.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sheet {
    /// Scalars by path; absent ones are `null`.
    pub(super) scalars: BTreeMap<&'static str, Value>,
    /// Lists by path.
    pub(super) lists: BTreeMap<&'static str, Vec<Value>>,
    pub(super) policy: Option<Policy>,
    pub(super) schedules: Vec<Schedule>,
}

impl Sheet {
    pub(super) fn of(settings: &HostSettings) -> Self {
        let mut sheet = Self {
            policy: settings.retention.clone().map(|policy| Policy {
                timezone: Tz::UTC,
                ..policy
            }),
            schedules: settings
                .schedules
                .iter()
                .map(|schedule| Schedule {
                    timezone: Tz::UTC,
                    ..schedule.clone()
                })
                .collect(),
            ..Self::default()
        };
        for setting in table::host_table(settings) {
            match setting.form {
                Form::Word | Form::Size if !setting.path.starts_with("retention.") => {
                    sheet.scalars.insert(setting.path, setting.value);
                }
                Form::List(_) => {
                    let items = setting.value.as_array().cloned().unwrap_or_default();
                    sheet.lists.insert(setting.path, items);
                }
                // Policy and schedules are above; groups stand in the head of a host.
                _ => {}
            }
        }
        sheet
    }
}

/// What one layer says.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    pub(super) scalars: BTreeMap<&'static str, Value>,
    /// Items, and whether they start anew.
    pub(super) lists: BTreeMap<&'static str, (bool, Vec<Value>)>,
    pub(super) policy: Option<Policy>,
    pub(super) schedules: (bool, Vec<Schedule>),
}

/// How shared things are called.
pub(super) trait Names {
    /// The name of a policy that several hosts have.
    fn policy(&self, policy: &Policy) -> Option<&str>;
    /// The schedule that a name stands for.
    fn schedule(&self, schedule: &Schedule) -> Option<&Schedule>;
}

impl Layer {
    /// What has to be said so that a host which inherits `from` has `wanted`.
    pub(super) fn between(from: &Sheet, wanted: &Sheet) -> Self {
        let mut layer = Self::default();
        for (path, value) in &wanted.scalars {
            if from.scalars.get(path) != Some(value) {
                layer.scalars.insert(path, value.clone());
            }
        }
        for (path, items) in &wanted.lists {
            let inherited = from.lists.get(path).map_or(&[][..], Vec::as_slice);
            let said = match items.strip_prefix(inherited) {
                Some([]) => continue,
                Some(rest) => (false, rest.to_vec()),
                None => (true, items.clone()),
            };
            layer.lists.insert(path, said);
        }
        if from.policy != wanted.policy {
            layer.policy.clone_from(&wanted.policy);
        }
        layer.schedules = match wanted.schedules.strip_prefix(from.schedules.as_slice()) {
            Some(rest) => (false, rest.to_vec()),
            None => (true, wanted.schedules.clone()),
        };
        layer
    }

    /// Its nodes, in the order of the table; scalars of one block stand in one block.
    pub(super) fn nodes(&self, names: &dyn Names) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        let any = HostSettings::at(crate::core::model::Value::Env { env: String::new() });
        for setting in table::host_table(&any) {
            match setting.form {
                Form::Word | Form::Size => {
                    if let Some(value) = self.scalars.get(setting.path) {
                        push_scalar(&mut nodes, setting.path, setting.form, value);
                    }
                }
                Form::List(name) => {
                    if let Some((reset, items)) = self.lists.get(setting.path) {
                        let items: Vec<String> = items.iter().map(words::word).collect();
                        push_below(&mut nodes, setting.path, page::list(name, *reset, &items));
                    }
                }
                Form::Kinds => {
                    nodes.extend(
                        self.policy
                            .as_ref()
                            .map(|policy| match names.policy(policy) {
                                Some(name) => {
                                    Node::line(format!("retention {}", words::quoted(name)))
                                }
                                None => Node {
                                    head: "retention".to_owned(),
                                    block: policy_nodes(policy),
                                },
                            }),
                    )
                }
                Form::Schedules => {
                    let (reset, schedules) = &self.schedules;
                    for (i, schedule) in schedules.iter().enumerate() {
                        let head = schedule_head(schedule, *reset && i == 0, names);
                        nodes.push(Node::line(head));
                    }
                }
                Form::Rule | Form::Groups | Form::Notify | Form::Servers | Form::Follows(_) => {}
            }
        }
        nodes
    }
}

/// `ssh.port` is `port` in the block of `ssh`.
pub(super) fn push_scalar(nodes: &mut Vec<Node>, path: &str, form: Form, value: &Value) {
    let word = if form == Form::Size {
        words::size(value)
    } else {
        words::word(value)
    };
    let name = path.rsplit('.').next().unwrap_or(path);
    push_below(nodes, path, vec![Node::line(format!("{name} {word}"))]);
}

/// Puts nodes into the block that `path` names, or among `nodes` if it names none.
fn push_below(nodes: &mut Vec<Node>, path: &str, inner: Vec<Node>) {
    let Some((block, _)) = path.split_once('.') else {
        nodes.extend(inner);
        return;
    };
    match nodes.iter_mut().find(|node| node.head == block) {
        Some(node) => node.block.extend(inner),
        None => nodes.push(Node {
            head: block.to_owned(),
            block: inner,
        }),
    }
}

/// What a `retention` says in its block: everything that is not as built in.
pub(in crate::config) fn policy_nodes(policy: &Policy) -> Vec<Node> {
    let built_in = table::policy_table(Some(&Policy::of(crate::core::model::Keep::default())));
    let mut rules = Vec::new();
    let mut nodes = Vec::new();
    for (setting, built_in) in table::policy_table(Some(policy)).into_iter().zip(built_in) {
        if setting.value == built_in.value {
            continue;
        }
        let name = setting.path.trim_start_matches("retention.");
        match setting.form {
            Form::Rule => rules.push(format!("{name}={}", words::word(&setting.value))),
            Form::Kinds => {
                let kinds = setting.value.as_array().cloned().unwrap_or_default();
                let kinds: Vec<String> = kinds.iter().map(words::word).collect();
                nodes.extend(page::list(name, false, &kinds));
            }
            Form::Word | Form::Size => {
                nodes.push(Node::line(format!(
                    "{name} {}",
                    words::word(&setting.value)
                )));
            }
            Form::List(_)
            | Form::Groups
            | Form::Schedules
            | Form::Notify
            | Form::Servers
            | Form::Follows(_) => {}
        }
    }
    let mut keeps = page::list("keep", false, &rules);
    keeps.extend(nodes);
    keeps
}

/// `schedule "nightly"` with what differs from the schedule of that name, or all of one without a name.
fn schedule_head(schedule: &Schedule, reset: bool, names: &dyn Names) -> String {
    let mut head = "schedule".to_owned();
    if let Some(name) = &schedule.name {
        head.push_str(&format!(" {}", words::quoted(name.as_str())));
    }
    if reset {
        head.push_str(" reset=#true");
    }
    for (part, value) in table::schedule_table(schedule, names.schedule(schedule)) {
        head.push_str(&format!(" {part}={}", words::word(&value)));
    }
    head
}
