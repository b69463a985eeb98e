//! Which fields of two values differ.

use serde::Serialize;
use serde_json::Value;

use super::FieldChange;

/// Compares two objects field by field, down to scalars and lists; sorted by path.
///
/// A list is one field: its order has a meaning, and a change of it is shown as a diff of lines. `None` is an object
/// without fields. A value that cannot be written as JSON is `null`; no settings are such.
#[must_use]
pub fn changed_fields<T: Serialize + PartialEq>(
    old: Option<&T>,
    new: Option<&T>,
) -> Vec<FieldChange> {
    if old == new {
        return Vec::new();
    }
    let as_json = |side: Option<&T>| {
        side.and_then(|v| serde_json::to_value(v).ok())
            .unwrap_or(Value::Null)
    };
    let mut found = Vec::new();
    collect(String::new(), &as_json(old), &as_json(new), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The value at `path`, `null` where there is none.
#[must_use]
pub fn at_path(value: &Value, path: &str) -> Value {
    let mut here = value;
    for part in path.split('.') {
        match here.get(part) {
            Some(next) => here = next,
            None => return Value::Null,
        }
    }
    here.clone()
}

/// Sets the value at `path`, `null` takes it away; objects on the way are made.
pub fn set_path(value: &mut Value, path: &str, new: Value) {
    let (mut here, mut parts) = (value, path.split('.').peekable());
    while let Some(part) = parts.next() {
        if here.is_null() {
            *here = Value::Object(serde_json::Map::new());
        }
        let Some(map) = here.as_object_mut() else {
            return;
        };
        if parts.peek().is_some() {
            here = map.entry(part).or_insert(Value::Null);
        } else if new.is_null() {
            map.remove(part);
            return;
        } else {
            map.insert(part.to_owned(), new);
            return;
        }
    }
}

fn collect(path: String, old: &Value, new: &Value, found: &mut Vec<FieldChange>) {
    match (as_fields(old), as_fields(new)) {
        _ if old == new => {}
        (Some(a), Some(b)) => {
            let mut keys: Vec<&String> = a
                .keys()
                .chain(b.keys().filter(|key| !a.contains_key(*key)))
                .collect();
            keys.sort();
            for key in keys {
                let inner = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                collect(
                    inner,
                    a.get(key).unwrap_or(&Value::Null),
                    b.get(key).unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        _ => found.push(FieldChange {
            path,
            old: old.clone(),
            new: new.clone(),
            drifted: false,
        }),
    }
}

/// The fields of an object. An absent one has none, so that each field of a new object is shown by itself; a
/// reference (`{"env": …}`) is one value.
fn as_fields(value: &Value) -> Option<std::borrow::Cow<'_, serde_json::Map<String, Value>>> {
    match value {
        Value::Null => Some(std::borrow::Cow::Owned(serde_json::Map::new())),
        Value::Object(map)
            if map.len() == 1 && (map.contains_key("env") || map.contains_key("file")) =>
        {
            None
        }
        Value::Object(map) => Some(std::borrow::Cow::Borrowed(map)),
        _ => None,
    }
}
