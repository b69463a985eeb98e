//! Every effective value of a host and where it was set.

use serde_json::Value;

use super::DesiredHost;
use crate::core::model::{ByteCount, SIZES};

/// Lists path, value and origin of every effective setting, sorted by path. References are shown as references.
#[must_use]
pub fn explain(host: &DesiredHost) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let settings = serde_json::to_value(&host.settings).unwrap_or_default();
    walk(String::new(), &settings, &mut found);
    found.sort();
    let origin = |path: &str| {
        let mut here = path;
        loop {
            if let Some(origin) = host.origins.get(here) {
                return origin.clone();
            }
            match here.rsplit_once('.') {
                Some((parent, _)) => here = parent,
                None => return "built in".to_owned(),
            }
        }
    };
    found
        .into_iter()
        .map(|(path, value)| (path.clone(), value, origin(&path)))
        .collect()
}

fn walk(path: String, value: &Value, found: &mut Vec<(String, String)>) {
    let inner = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        Value::Object(map) if map.len() == 1 && map.contains_key("env") => {
            found.push((
                path,
                format!("(env){}", map.get("env").unwrap_or(&Value::Null)),
            ));
        }
        Value::Object(map) if map.len() == 1 && map.contains_key("file") => {
            found.push((
                path,
                format!("(file){}", map.get("file").unwrap_or(&Value::Null)),
            ));
        }
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| walk(inner(key), value, found)),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, value)| walk(inner(&i.to_string()), value, found));
        }
        Value::String(text) => found.push((path, text.clone())),
        Value::Null => {}
        other => {
            let bytes = other.as_u64().filter(|_| SIZES.contains(&path.as_str()));
            let shown = bytes.map_or_else(|| other.to_string(), |bytes| ByteCount(bytes).exact());
            found.push((path, shown));
        }
    }
}
