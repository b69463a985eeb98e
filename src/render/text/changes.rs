//! Changes and drift as text: a line a field, and lists as a diff of their lines.

use std::fmt::Write as _;

use serde_json::Value;

use crate::core::diff::{Action, Change, Drift, FieldChange, Object, changed_fields};
use crate::core::model::{
    ByteCount, GlobalSettings, HostSettings, Keep, Policy, SIZES, Value as SettingValue, visible,
};
use crate::render::{Paint, Style};

pub(super) fn drift(out: &mut String, drift: &[Drift], style: &Style) {
    for item in drift {
        let title = format!("Drift of {}", object_words(item.object, &item.name));
        let _ = writeln!(
            out,
            "{}: changed {} by {}, not through the file",
            style.paint(Paint::Heading, &title),
            item.changed_at.utc().format("%Y-%m-%dT%H:%M:%SZ"),
            visible(&item.changed_by)
        );
        for field in &item.fields {
            let _ = writeln!(
                out,
                "    {}: applied {}, now {}, the file says {}",
                field.path,
                value_of(field.path.as_str(), &field.applied),
                value_of(field.path.as_str(), &field.actual),
                value_of(field.path.as_str(), &field.desired)
            );
        }
    }
    if !drift.is_empty() {
        out.push('\n');
    }
}

/// An object as a sentence names it.
pub(in crate::render) fn object_words(object: Object, name: &str) -> String {
    match object {
        Object::Global => "the global settings".to_owned(),
        Object::Host => format!("host {}", visible(name)),
    }
}

/// One change with its fields.
#[must_use]
pub fn change_lines(change: &Change, style: &Style) -> String {
    let (sign, paint) = match change.action {
        Action::Create => ('+', Paint::Created),
        Action::Update => ('~', Paint::Changed),
        Action::Retire => ('.', Paint::Retired),
        Action::Rename => ('>', Paint::Changed),
    };
    let mut head = format!("{sign} {}", object_words(change.object, &change.name));
    match change.action {
        Action::Create => head.push_str(" (new)"),
        Action::Update => {}
        Action::Retire => head.push_str(" leaves: no more runs"),
        Action::Rename => {
            if let Some(was) = &change.was {
                let _ = write!(head, " (was {was}; keeps its snapshots)");
            }
        }
    }
    let place = change.at.as_ref().map_or(String::new(), |at| {
        format!("  {}", style.paint(Paint::Faint, &visible(at)))
    });
    let mut out = format!("{}{place}\n", style.paint(paint, &head));
    for field in telling_fields(change) {
        out.push_str(&field_lines(field, change.action, style));
    }
    out
}

/// The fields of a change that are worth a line: of a new object, what it would not say anyway. The JSON has all of them.
pub(in crate::render) fn telling_fields(change: &Change) -> Vec<&FieldChange> {
    let built_in = if change.action == Action::Create {
        built_in_fields(change)
    } else {
        Vec::new()
    };
    let is_built_in = |field: &FieldChange| {
        built_in
            .iter()
            .any(|other| other.path == field.path && other.new == field.new)
    };
    change
        .fields
        .iter()
        .filter(|field| !is_built_in(field))
        .collect()
}

/// What a new object would say if nothing had been set.
fn built_in_fields(change: &Change) -> Vec<FieldChange> {
    let address = change.fields.iter().find(|field| field.path == "address");
    match (
        change.object,
        address.and_then(|field| field.new.as_str()?.parse().ok()),
    ) {
        (Object::Global, _) => changed_fields(None, Some(&GlobalSettings::default())),
        (Object::Host, Some(address)) => {
            let mut settings = HostSettings::at(SettingValue::Literal(address));
            settings.retention = Some(Policy::of(Keep::default()));
            let mut fields = changed_fields(None, Some(&settings));
            fields.retain(|field| {
                field.path != "address"
                    && field.path != "retention.kinds"
                    && field.path != "retention.timezone"
            });
            fields
        }
        (Object::Host, None) => Vec::new(),
    }
}

fn field_lines(field: &FieldChange, action: Action, style: &Style) -> String {
    let drifted = if field.drifted { "  (drifted)" } else { "" };
    match (&field.old, &field.new) {
        (Value::Array(_), _) | (_, Value::Array(_)) if action != Action::Create => {
            let mut out = format!("    {}:{drifted}\n", field.path);
            let (old, new) = (lines(&field.old), lines(&field.new));
            for piece in similar::TextDiff::from_slices(&refs(&old), &refs(&new)).iter_all_changes()
            {
                let line = visible(piece.value());
                let painted = match piece.tag() {
                    similar::ChangeTag::Delete => style.paint(Paint::Deleted, &format!("- {line}")),
                    similar::ChangeTag::Insert => style.paint(Paint::Created, &format!("+ {line}")),
                    similar::ChangeTag::Equal => format!("  {line}"),
                };
                let _ = writeln!(out, "      {painted}");
            }
            out
        }
        (Value::Null, new) => format!(
            "    {}: {}{drifted}\n",
            field.path,
            value_of(&field.path, new)
        ),
        (old, Value::Null) => format!(
            "    {}: {} -> not set{drifted}\n",
            field.path,
            value_of(&field.path, old)
        ),
        (old, new) => format!(
            "    {}: {} -> {}{drifted}\n",
            field.path,
            value_of(&field.path, old),
            value_of(&field.path, new)
        ),
    }
}

fn refs(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

/// The items of a list; a value that is none is the only item.
pub(in crate::render) fn lines(list: &Value) -> Vec<String> {
    match list {
        Value::Array(items) => items.iter().map(value).collect(),
        Value::Null => Vec::new(),
        other => vec![value(other)],
    }
}

/// The value of the setting at `path` as people read it: a size as a file says it.
#[must_use]
pub fn value_of(path: &str, value: &Value) -> String {
    match value.as_u64().filter(|_| SIZES.contains(&path)) {
        Some(bytes) => ByteCount(bytes).exact(),
        None => self::value(value),
    }
}

/// A value as the file would write it, near enough to be recognised.
fn value(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::Bool(b) => format!("#{b}"),
        Value::Number(n) => n.to_string(),
        Value::String(s) => visible(s),
        Value::Array(items) => items.iter().map(self::value).collect::<Vec<_>>().join(" "),
        Value::Object(map) => match (map.get("env"), map.get("file")) {
            (Some(Value::String(name)), None) if map.len() == 1 => {
                format!("(env)\"{}\"", visible(name))
            }
            (None, Some(Value::String(path))) if map.len() == 1 => {
                format!("(file)\"{}\"", visible(path))
            }
            _ => map
                .iter()
                .map(|(key, item)| format!("{}={}", visible(key), self::value(item)))
                .collect::<Vec<_>>()
                .join(" "),
        },
    }
}
