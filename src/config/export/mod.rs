//! Settings as the KDL that asks for them.
//!
//! The same settings make the same text, byte for byte. Nothing here knows where they come from, or looks whether the
//! text asks for just them: whoever gives it out reads it back first.

mod layers;
mod names;
mod sheet;
#[cfg(test)]
mod tests;

pub(super) use sheet::policy_nodes;

use layers::Host;
use names::Named;

use super::page::Node;
use super::table::{self, Form};
use super::words::quoted;
use crate::core::model::{GlobalSettings, HostName, HostSettings, Label, ServerSettings};

/// What a file is to ask for.
#[derive(Debug, Clone, Default)]
pub struct Content<'a> {
    /// The settings of the service; built-in ones if absent.
    pub global: Option<&'a GlobalSettings>,
    /// Hosts, in the order in which they are to stand.
    pub hosts: Vec<(&'a HostName, &'a HostSettings)>,
    /// Hosts that have left, and whose snapshots are to go.
    pub removed: Vec<&'a HostName>,
}

/// The text of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Everything but the hosts.
    pub head: String,
    /// Each host.
    pub hosts: Vec<String>,
}

impl Exported {
    /// Everything in one file.
    #[must_use]
    pub fn one_file(&self) -> String {
        let mut text = self.head.clone();
        for host in &self.hosts {
            text.push('\n');
            text.push_str(host);
        }
        text
    }

    /// The hosts in files of at most `bytes`, unless one host alone has more.
    #[must_use]
    pub fn parts(&self, bytes: usize) -> Vec<String> {
        let mut parts: Vec<String> = Vec::new();
        for host in &self.hosts {
            match parts.last_mut() {
                Some(part) if part.len() + host.len() < bytes => {
                    part.push('\n');
                    part.push_str(host);
                }
                _ => parts.push(host.clone()),
            }
        }
        parts
    }
}

/// Writes `content` as KDL: what all hosts share in `global`, what those of a group share in the group, policies and
/// schedules of several hosts by name.
#[must_use]
pub fn export(content: &Content<'_>) -> Exported {
    let settings = content.hosts.iter().map(|(_, settings)| *settings);
    let mut hosts: Vec<Host<'_>> = settings.map(Host::new).collect();
    let named = Named::of(&hosts);
    let global = layers::global(&mut hosts);
    let groups = layers::groups(&mut hosts);

    let mut nodes = vec![Node {
        head: "global".to_owned(),
        block: global_nodes(content.global)
            .into_iter()
            .chain(global.nodes(&named))
            .collect(),
    }];
    let servers = content.global.map_or(&[][..], |global| &global.servers);
    nodes.extend(servers.iter().map(server_node));
    nodes.extend(named.policies().into_iter().map(|(name, policy)| Node {
        head: format!("retention {}", quoted(name)),
        block: policy_nodes(policy),
    }));
    nodes.extend(named.schedules().iter().map(|(name, schedule)| {
        let parts = table::schedule_table(schedule, None);
        let words = parts
            .iter()
            .map(|(part, value)| format!(" {part}={}", super::words::word(value)));
        Node::line(format!(
            "schedule {}{}",
            quoted(name.as_str()),
            words.collect::<String>()
        ))
    }));
    nodes.extend(groups.iter().map(|(name, layer)| Node {
        head: format!("group {}", quoted(name.as_str())),
        block: layer.nodes(&named),
    }));
    nodes.extend(content.removed.iter().map(|name| {
        Node::line(format!(
            "removed {} snapshots=\"delete\"",
            quoted(name.as_str())
        ))
    }));
    let mut head = "/- kdl-version 2\n".to_owned();
    let mut before = "";
    for node in nodes
        .iter()
        .filter(|node| node.head != "global" || !node.block.is_empty())
    {
        let word = node.head.split(' ').next().unwrap_or_default();
        // Lines of one kind stand together.
        if before != word || !node.block.is_empty() {
            head.push('\n');
        }
        before = word;
        head.push_str(&node.text());
    }
    let host_nodes = content.hosts.iter().zip(&hosts);
    Exported {
        head,
        hosts: host_nodes
            .map(|((name, settings), host)| {
                let layer = sheet::Layer::between(&host.inherited, &host.wanted);
                let node = Node {
                    head: host_head(name, &settings.groups),
                    block: layer.nodes(&named),
                };
                node.text()
            })
            .collect(),
    }
}

fn host_head(name: &HostName, groups: &[Label]) -> String {
    let mut head = format!("host {}", quoted(name.as_str()));
    if !groups.is_empty() {
        let names: Vec<&str> = groups.iter().map(Label::as_str).collect();
        head.push_str(&format!(" group={}", quoted(&names.join(","))));
    }
    head
}

/// What `global` says of the service: everything that is not as built in.
fn global_nodes(settings: Option<&GlobalSettings>) -> Vec<Node> {
    let Some(settings) = settings else {
        return Vec::new();
    };
    let built_in = table::global_table(&GlobalSettings::default());
    let mut nodes = Vec::new();
    for (setting, built_in) in table::global_table(settings).into_iter().zip(built_in) {
        if setting.value == built_in.value {
            continue;
        }
        match setting.form {
            Form::Notify => nodes.extend(settings.notify.iter().map(notify_node)),
            // They stand at the top.
            Form::Servers => {}
            form => sheet::push_scalar(&mut nodes, setting.path, form, &setting.value),
        }
    }
    nodes
}

fn server_node(server: &ServerSettings) -> Node {
    let (name, parts) = table::server_parts(server);
    let line = |(part, value): &(&str, serde_json::Value)| {
        Node::line(format!("{part} {}", super::words::word(value)))
    };
    Node {
        head: format!("server {}", quoted(&name)),
        block: parts.iter().map(line).collect(),
    }
}

pub(super) fn notify_node(notify: &crate::core::model::Notify) -> Node {
    let (name, on, targets) = table::notify_parts(notify);
    let line = |(kind, value): &(String, serde_json::Value)| {
        Node::line(format!("{kind} {}", super::words::word(value)))
    };
    Node {
        head: format!("notify {} on={}", quoted(&name), quoted(&on)),
        block: targets.iter().map(line).collect(),
    }
}
