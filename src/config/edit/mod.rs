//! Edits of single settings in the files they stand in: comments, order, blanks and quotes elsewhere stay byte for byte.
//!
//! What a group, `global` or a named policy gives a host is overridden at the host. Nothing is written here. Every edit is
//! read back with the files as they would be, and what comes of them has to be exactly what was asked for: a mistake of
//! the editing ends as a refusal, never as a file that means something else.

mod host;
mod lists;
mod retention;
mod schedules;
#[cfg(test)]
mod tests;
mod text;
mod tree;

use std::collections::{BTreeMap, HashMap};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use host::Inherited;
use text::NodeText;

use super::load::{Loaded, load_instead};
use super::words::{quoted, word};
use super::{Report, SourceFile};
use crate::core::desired::{
    At, DesiredState, HostPart, Layer, Parts, RetentionUse, Spanned, effective,
};
use crate::core::diff::{at_path, changed_fields, set_path};
use crate::core::model::{GlobalSettings, HostName, HostSettings, Label, Policy, Schedule};

/// What an object is to be.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// The service has these settings.
    Global(Box<GlobalSettings>),
    /// The host has these settings; one that no file has is added to the first file.
    Host(HostName, Box<HostSettings>),
}

/// A file with another text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedFile {
    /// Its path as messages show it.
    pub path: Utf8PathBuf,
    /// Where it is.
    pub real: Utf8PathBuf,
    /// Its text as it was read.
    pub before: String,
    /// Its text as it should be.
    pub after: String,
}

impl EditedFile {
    /// The difference, as `diff -u` writes it.
    #[must_use]
    pub fn unified(&self) -> String {
        let path = self.path.as_str();
        similar::TextDiff::from_lines(&self.before, &self.after)
            .unified_diff()
            .header(path, path)
            .to_string()
    }
}

/// A setting that stays as it is, because no edit can make the file say the other value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedField {
    /// `global`, or the host.
    pub object: String,
    /// The path of the setting.
    pub path: String,
    /// Why.
    pub why: String,
}

/// What came of an edit. Nothing is written yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "an edit does nothing until its files are written"]
pub struct Edited {
    /// The files that change.
    pub files: Vec<EditedFile>,
    /// The settings that stay as they are.
    pub refused: Vec<RefusedField>,
}

/// Why nothing is edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The configuration is not valid to begin with.
    #[error("the configuration is not valid")]
    Invalid(Box<Report>),
    /// The edited files would not be valid.
    #[error("the edited file would not be valid")]
    Broken(Box<Report>),
    /// The edited files would ask for something else than was asked for.
    #[error("the edited file would not say just what was asked for")]
    Unfaithful {
        /// What would be otherwise, a line each.
        settings: Vec<String>,
    },
}

/// What a host would have that is not in the file yet: what `global` gives to all.
///
/// # Errors
/// When the configuration is not valid.
pub fn settings_of_new_host(
    path: &Utf8Path,
    name: &HostName,
    address: &crate::core::model::Value<crate::core::model::Address>,
) -> Result<Option<HostSettings>, EditError> {
    let whole = load_instead(path, HashMap::new());
    if whole.state.is_none() {
        return Err(EditError::Invalid(Box::new(whole.report)));
    }
    let settings = HostSettings::at(address.clone());
    Ok(effective(&whole.parts, &new_part(name, &settings)))
}

/// What a host of the file has without what its own node says of one list: what given items are added to.
///
/// # Errors
/// When the configuration is not valid.
pub fn inherited_excludes(
    path: &Utf8Path,
    name: &HostName,
) -> Result<Vec<crate::core::model::ExcludePattern>, EditError> {
    let whole = load_instead(path, HashMap::new());
    if whole.state.is_none() {
        return Err(EditError::Invalid(Box::new(whole.report)));
    }
    let mut hosts = whole.parts.hosts.iter();
    let part = hosts.find(|part| part.name.value == *name).cloned();
    let part = part.map(|mut part| {
        part.layer.excludes.clear();
        part
    });
    let settings = part.and_then(|part| effective(&whole.parts, &part));
    Ok(settings
        .map(|settings| settings.excludes)
        .unwrap_or_default())
}

/// Edits the configuration at `path` so that each object of `wanted` is what it is to be.
///
/// # Errors
/// When the configuration is not valid, or the edited one would not be just what was asked for.
pub fn edit(path: &Utf8Path, wanted: &[Wanted]) -> Result<Edited, EditError> {
    let whole = load_instead(path, HashMap::new());
    let Some(state) = whole.state.clone() else {
        return Err(EditError::Invalid(Box::new(whole.report)));
    };
    let mut work = Work {
        whole: &whole,
        expected: state,
        splices: BTreeMap::new(),
        appended: String::new(),
        trees: HashMap::new(),
        refused: Vec::new(),
    };
    for object in wanted {
        match object {
            Wanted::Global(settings) => work.global(settings)?,
            Wanted::Host(name, settings) => work.host(name, settings)?,
        }
    }
    let files = work.files();
    let (expected, refused) = (work.expected, work.refused);
    let overlay = files
        .iter()
        .map(|file| (file.real.clone(), file.after.clone()))
        .collect();
    let again = load_instead(path, overlay);
    match again.state {
        Some(state) => is_just(&expected, &state)?,
        None => return Err(EditError::Broken(Box::new(again.report))),
    }
    Ok(Edited { files, refused })
}

/// The edits of one call, in the making.
struct Work<'a> {
    whole: &'a Loaded,
    expected: DesiredState,
    /// New texts of nodes, by file and place.
    splices: BTreeMap<(usize, usize), (usize, String)>,
    /// What comes behind all else in the first file.
    appended: String,
    trees: HashMap<usize, Vec<tree::Node>>,
    refused: Vec<RefusedField>,
}

impl Work<'_> {
    fn global(&mut self, wanted: &GlobalSettings) -> Result<(), EditError> {
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

    fn host(&mut self, name: &HostName, wanted: &HostSettings) -> Result<(), EditError> {
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
        let text = &self.whole.files.get(at.file)?.text;
        let nodes = self
            .trees
            .entry(at.file)
            .or_insert_with(|| tree::nodes(text));
        let i = nodes.partition_point(|node| node.range.end <= at.offset);
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
        match place.and_then(|at| Some((at.file, self.node(at)?))) {
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
    fn files(&self) -> Vec<EditedFile> {
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

fn new_part(name: &HostName, wanted: &HostSettings) -> HostPart {
    let at = At {
        file: 0,
        offset: 0,
        len: 0,
    };
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
    named.layer.retention = part.layer.retention.as_ref().map(|usage| RetentionUse {
        part: Default::default(),
        ..usage.clone()
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

/// What was asked for, with refused settings as they are.
fn reverted<T>(now: &T, wanted: &T, refused: &[host::Refused]) -> Result<T, EditError>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    let unfaithful = |error: serde_json::Error| EditError::Unfaithful {
        settings: vec![error.to_string()],
    };
    let now = serde_json::to_value(now).map_err(unfaithful)?;
    let mut value = serde_json::to_value(wanted).map_err(unfaithful)?;
    for (path, _) in refused {
        set_path(&mut value, path, at_path(&now, path));
    }
    if value.get("retention").is_some_and(is_empty) {
        set_path(&mut value, "retention", Value::Null);
    }
    serde_json::from_value(value).map_err(unfaithful)
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Policies and schedules have the zone of their host.
fn with_zone(mut settings: HostSettings) -> HostSettings {
    let timezone = settings.timezone;
    settings.retention = settings
        .retention
        .map(|policy| Policy { timezone, ..policy });
    for schedule in &mut settings.schedules {
        schedule.timezone = timezone;
    }
    settings
}

/// Says whether `found` is `expected`, wherever it stands.
fn is_just(expected: &DesiredState, found: &DesiredState) -> Result<(), EditError> {
    let mut settings: Vec<String> = Vec::new();
    let mut tell = |what: &str, fields: Vec<crate::core::diff::FieldChange>| {
        settings.extend(
            fields
                .into_iter()
                .map(|field| format!("{what}: {} would be {}", field.path, field.new)),
        );
    };
    tell(
        "global",
        changed_fields(Some(&expected.global), Some(&found.global)),
    );
    let by_name = |state: &DesiredState| -> BTreeMap<HostName, (Option<HostName>, HostSettings)> {
        let hosts = state.hosts.iter();
        hosts
            .map(|host| (host.name.clone(), (host.was.clone(), host.settings.clone())))
            .collect()
    };
    let (mut old, new) = (by_name(expected), by_name(found));
    for (name, (was, settings)) in &new {
        let expected = old.remove(name);
        tell(
            name.as_str(),
            changed_fields(expected.as_ref().map(|e| &e.1), Some(settings)),
        );
        if expected.is_none_or(|expected| expected.0 != *was) {
            tell(name.as_str(), vec![]);
        }
    }
    settings.extend(old.into_keys().map(|name| format!("{name}: would be gone")));
    let removed = |state: &DesiredState| -> Vec<_> {
        let removed = state.removed.iter();
        removed.map(|r| (r.name.clone(), r.snapshots)).collect()
    };
    if removed(expected) != removed(found) {
        settings.push("removed hosts would be others".to_owned());
    }
    if settings.is_empty() {
        Ok(())
    } else {
        Err(EditError::Unfaithful { settings })
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
