//! Names of any bytes as text.

use std::fmt::Write as _;

use crate::core::model::visible;

/// A path of any bytes for people and JSON: two paths never look the same, and none moves a cursor.
///
/// Bytes that are no UTF-8 become `\xNN`, a backslash becomes two, and what terminals obey is escaped.
#[must_use]
pub fn shown(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        out.push_str(&visible(&chunk.valid().replace('\\', "\\\\")));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Bytes as one word of a line: everything but printable ASCII and well-formed UTF-8 without controls is `\xNN`.
pub(super) fn escape(bytes: &[u8], out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' || c == ' ' || c.is_control() {
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    let _ = write!(out, "\\x{byte:02x}");
                }
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

/// The bytes of a word; nothing if it cannot have come from [`escape`].
pub(super) fn unescape(word: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(rest.get(..at)?.as_bytes());
        let code = rest.get(at + 1..at + 4)?;
        out.push(u8::from_str_radix(code.strip_prefix('x')?, 16).ok()?);
        rest = rest.get(at + 4..)?;
    }
    out.extend_from_slice(rest.as_bytes());
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::{escape, shown, unescape};

    #[test]
    fn hostile_names_are_shown_and_told_apart() {
        assert_eq!(shown(b"etc/a b"), "etc/a b");
        assert_eq!(shown(b"a\xff\x1b[2J\\"), "a\\xff\\u{1b}[2J\\\\");
        assert_ne!(shown(b"a\xff"), shown(b"a\\xff"));
    }

    proptest! {
        #[test]
        fn any_bytes_read_back_as_they_were(bytes: Vec<u8>) {
            let mut word = String::new();
            escape(&bytes, &mut word);
            prop_assert!(!word.contains([' ', '\n']));
            prop_assert_eq!(unescape(&word).unwrap(), bytes);
        }
    }
}
