//! Values as KDL words. What is written here reads back as the same value, whatever it holds.

use std::fmt::Write as _;

use serde_json::Value;

use crate::core::model::{ByteCount, visible};

/// `text` in quotes. Whatever shows as nothing, or as something else than itself, is written by its number.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut buffer = [0; 4];
    for c in text.chars() {
        let shown: &str = c.encode_utf8(&mut buffer);
        if matches!(c, '"' | '\\') {
            out.push('\\');
            out.push(c);
        } else if visible(shown) == shown {
            out.push(c);
        } else {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    }
    out.push('"');
    out
}

/// A scalar of the settings' JSON: text, a number, a truth value, or a reference.
pub(super) fn word(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Bool(true) => "#true".to_owned(),
        Value::Bool(false) => "#false".to_owned(),
        Value::Object(map) => {
            let named = |key: &str| Some((key.to_owned(), map.get(key)?.as_str()?));
            named("env")
                .or_else(|| named("file"))
                .map_or_else(String::new, |(kind, text)| {
                    format!("({kind}){}", quoted(text))
                })
        }
        // No setting is null where it is written, and none is a list of lists.
        other => other.to_string(),
    }
}

/// Bytes with the largest unit that loses none: the wire has a plain number, which KDL does not take for a size.
pub(super) fn size(value: &Value) -> String {
    format!(
        "\"{}\"",
        ByteCount(value.as_u64().unwrap_or_default()).exact()
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{quoted, size};
    use crate::core::model::ByteCount;

    proptest! {
        #[test]
        fn any_text_in_quotes_reads_back(text in any::<String>()) {
            let line = format!("node {}\n", quoted(&text));
            prop_assert!(crate::config::guard::check(&line).is_ok(), "{line}");
            let document = kdl::KdlDocument::parse_v2(&line).unwrap();
            prop_assert_eq!(document.nodes()[0].entries()[0].value().as_string(), Some(text.as_str()));
        }

        #[test]
        fn any_size_reads_back(shift in 0..54_u32, n in 0..1024_u64) {
            let bytes = n << shift;
            let text = size(&bytes.into());
            prop_assert_eq!(text.trim_matches('"').parse::<ByteCount>().unwrap(), ByteCount(bytes));
        }
    }
}
