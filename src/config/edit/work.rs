//! The edits of one call: new texts of nodes, gathered until the files are asked for.

use std::collections::{BTreeMap, HashMap};

use super::faithful::{reverted, with_zone};
use super::host::{self, Inherited};
use super::text::NodeText;
use super::{EditError, EditedFile, RefusedField, tree};
use crate::config::SourceFile;
use crate::config::load::Loaded;
use crate::config::words::{quoted, word};
use crate::core::desired::{
    At, DesiredState, HostPart, Layer, Parts, RetentionUse, Spanned, effective,
};
use crate::core::model::{GlobalSettings, HostName, HostSettings, Label, Schedule};

/// The edits of one call, in the making.
pub(super) struct Work<'a> {
    whole: &'a Loaded,
    /// What the edited files are to say.
    pub(super) expected: DesiredState,
    /// New texts of nodes, by file and place.
    splices: BTreeMap<(usize, usize), (usize, String)>,
    /// What comes behind all else in the first file.
    appended: String,
    trees: HashMap<usize, Vec<tree::Node>>,
    /// What stays as it is.
    pub(super) refused: Vec<RefusedField>,
}

impl<'a> Work<'a> {
    /// None yet: the files say `state`.
    pub(super) fn new(whole: &'a Loaded, state: DesiredState) -> Self {
        Self {
            whole,
            expected: state,
            splices: BTreeMap::new(),
            appended: String::new(),
            trees: HashMap::new(),
            refused: Vec::new(),
        }
    }

    /// Makes the settings of the service those of `wanted`.
    pub(super) fn global(&mut self, wanted: &GlobalSettings) -> Result<(), EditError> {
        let now = self.expected.global.clone();
        let place = self.whole.parts.globals.first().map(|part| part.at);
        let mut text = match place.and_then(|at| self.node(at)) {
            Some((_, _, text)) => text,
            None => self.new_node("global {", ""),
        };
        let refused = host::edit_global(&mut text, &now, wanted);
        self.expected.global = reverted(&now, wanted, &refused)?;
        self.put(place, text);
        self.refuse("global", refused);
        Ok(())
    }

    /// Makes the settings of a host those of `wanted`; one that no file has is added to the first file.
    pub(super) fn host(&mut self, name: &HostName, wanted: &HostSettings) -> Result<(), EditError> {
        let parts = &self.whole.parts;
        let found = parts.hosts.iter().find(|part| part.name.value == *name);
        let part = found.cloned().unwrap_or_else(|| new_part(name, wanted));
        let Some(now) = effective(parts, &part) else {
            return Ok(());
        };
        let inherited = inherited(parts, &part, &now);
        let place = found.map(|part| part.name.at);
        let mut text = match place.and_then(|at| self.node(at)) {
            Some((_, _, text)) => text,
            None => {
                let address = serde_json::to_value(&wanted.address).unwrap_or_default();
                let mut head = format!("host {}", quoted(name.as_str()));
                if !wanted.groups.is_empty() {
                    let groups: Vec<&str> = wanted.groups.iter().map(Label::as_str).collect();
                    head.push_str(&format!(" group={}", quoted(&groups.join(","))));
                }
                self.new_node(
                    &format!("{head} {{"),
                    &format!("address {}", word(&address)),
                )
            }
        };
        let mut refused = host::edit_host(&mut text, &inherited, &now, wanted);
        let zone_of_policy =
            |settings: &HostSettings| settings.retention.as_ref().map(|policy| policy.timezone);
        if zone_of_policy(wanted).is_some_and(|zone| zone != wanted.timezone) {
            let why = "a file gives a policy the time zone of its host";
            refused.push(("retention.timezone".to_owned(), why.to_owned()));
        }
        let settings = with_zone(reverted(&now, wanted, &refused)?);
        match self
            .expected
            .hosts
            .iter_mut()
            .find(|host| host.name == *name)
        {
            Some(host) => host.settings = settings,
            None => self.expected.hosts.push(crate::core::desired::DesiredHost {
                name: name.clone(),
                was: None,
                at: String::new(),
                settings,
                origins: BTreeMap::new(),
            }),
        }
        self.put(place, text);
        self.refuse(name.as_str(), refused);
        Ok(())
    }

    fn refuse(&mut self, object: &str, refused: Vec<host::Refused>) {
        self.refused
            .extend(refused.into_iter().map(|(path, why)| RefusedField {
                object: object.to_owned(),
                path,
                why,
            }));
    }

    /// The node of the top around a place, with where it begins and ends.
    fn node(&mut self, at: At) -> Option<(usize, usize, NodeText)> {
        let text = &self.whole.files.get(at.file())?.text;
        let nodes = self
            .trees
            .entry(at.file())
            .or_insert_with(|| tree::nodes(text));
        let i = nodes.partition_point(|node| node.range.end <= at.offset());
        let range = nodes.get(i)?.range.clone();
        let line = text.get(..range.start)?.rsplit('\n').next()?;
        let indent: String = line
            .chars()
            .take_while(|c| matches!(c, ' ' | '\t'))
            .collect();
        let unit = unit(text, nodes);
        let node = NodeText::new(text.get(range.clone())?, &indent, &unit, newline(text));
        Some((range.start, range.end, node))
    }

    fn new_node(&mut self, head: &str, line: &str) -> NodeText {
        let text = self
            .whole
            .files
            .first()
            .map_or("", |file| file.text.as_str());
        let nodes = self.trees.entry(0).or_insert_with(|| tree::nodes(text));
        let (unit, newline) = (unit(text, nodes), newline(text));
        let inner = if line.is_empty() {
            String::new()
        } else {
            format!("{unit}{line}{newline}")
        };
        NodeText::new(&format!("{head}{newline}{inner}}}"), "", &unit, newline)
    }

    fn put(&mut self, place: Option<At>, text: NodeText) {
        match place.and_then(|at| Some((at.file(), self.node(at)?))) {
            Some((file, (start, end, _))) => {
                let edited = (end, text.as_str().to_owned());
                self.splices.insert((file, start), edited);
            }
            None => {
                let newline = text.newline;
                let node = format!("{newline}{}{newline}", text.as_str());
                self.appended.push_str(&node);
            }
        }
    }

    /// The files with their new texts; unchanged ones are left out.
    pub(super) fn files(&self) -> Vec<EditedFile> {
        let mut texts: BTreeMap<usize, String> = BTreeMap::new();
        let before = |file: usize| self.whole.files.get(file);
        // From the last to the first, so that places before stay true.
        for ((file, start), (end, node)) in self.splices.iter().rev() {
            let Some(SourceFile { text, .. }) = before(*file) else {
                continue;
            };
            let text = texts.entry(*file).or_insert_with(|| text.clone());
            text.replace_range(*start..*end, node);
        }
        if !self.appended.is_empty()
            && let Some(first) = before(0)
        {
            let text = texts.entry(0).or_insert_with(|| first.text.clone());
            if !text.is_empty() && !text.ends_with('\n') {
                text.push_str(newline(text));
            }
            text.push_str(&self.appended);
        }
        let edited = texts.into_iter().filter_map(|(file, after)| {
            let source = before(file)?;
            let real = source.real.clone()?;
            (after != source.text).then(|| EditedFile {
                path: source.path.clone(),
                real,
                before: source.text.clone(),
                after,
            })
        });
        edited.collect()
    }
}

/// The node of a host that has none yet.
pub(super) fn new_part(name: &HostName, wanted: &HostSettings) -> HostPart {
    let at = At::start_of(0);
    HostPart {
        name: Spanned {
            value: name.clone(),
            at,
        },
        was: None,
        groups: wanted
            .groups
            .iter()
            .map(|value| Spanned {
                value: value.clone(),
                at,
            })
            .collect(),
        layer: Layer {
            address: Some(Spanned {
                value: wanted.address.clone(),
                at,
            }),
            has_address: true,
            ..Layer::default()
        },
    }
}

fn inherited(parts: &Parts, part: &HostPart, now: &HostSettings) -> Inherited {
    let bare = HostPart {
        layer: Layer {
            address: part.layer.address.clone(),
            has_address: true,
            ..Layer::default()
        },
        ..part.clone()
    };
    let mut named = bare.clone();
    named.layer.retention = part.layer.retention.as_deref().map(|usage| {
        Box::new(RetentionUse {
            part: Default::default(),
            ..usage.clone()
        })
    });
    let of = |part: &HostPart| effective(parts, part).unwrap_or_else(|| now.clone());
    let meaning = |node: &crate::core::desired::ScheduleNode| {
        let part = &node.part;
        let schedule = Schedule {
            name: Some(node.name.value.clone()),
            cron: part.cron.as_ref()?.value.clone(),
            timezone: now.timezone,
            jitter: part
                .jitter
                .map_or(crate::core::model::Span::from_seconds(0), |jitter| {
                    jitter.value
                }),
            prune: part.prune.is_some_and(|prune| prune.value),
        };
        Some((node.name.value.clone(), schedule))
    };
    Inherited {
        settings: of(&bare),
        named: of(&named),
        schedules: parts.schedules.iter().filter_map(meaning).collect(),
    }
}

/// By how much the first block of the file that has lines is indented.
fn unit(text: &str, nodes: &[tree::Node]) -> String {
    let indent = nodes.iter().find_map(|node| {
        let first = node.block.as_ref()?.nodes.first()?;
        let line = text.get(..first.range.start)?.rsplit('\n').next()?;
        let is_indent = !line.is_empty() && line.chars().all(|c| matches!(c, ' ' | '\t'));
        is_indent.then(|| line.to_owned())
    });
    indent.unwrap_or_else(|| "    ".to_owned())
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}
