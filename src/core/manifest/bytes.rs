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

/// The bytes that [`shown`] shows so; nothing if it shows none so.
#[must_use]
pub fn unshown(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, code)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        let mut chars = code.chars();
        let kind = chars.next()?;
        rest = chars.as_str();
        match kind {
            '\\' => out.push(b'\\'),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'x' => {
                out.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?);
                rest = rest.get(2..)?;
            }
            'u' => {
                let (number, after) = rest.strip_prefix('{')?.split_once('}')?;
                let number = u32::from_str_radix(number, 16).ok()?;
                let char = char::from_u32(number)?;
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
            }
            _ => return None,
        }
    }
    out.extend_from_slice(rest.as_bytes());
    (shown(&out) == text).then_some(out)
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

    use super::{escape, shown, unescape, unshown};

    #[test]
    fn hostile_names_are_shown_and_told_apart() {
        assert_eq!(shown(b"etc/a b"), "etc/a b");
        assert_eq!(shown(b"a\xff\x1b[2J\\"), "a\\xff\\u{1b}[2J\\\\");
        assert_ne!(shown(b"a\xff"), shown(b"a\\xff"));
    }

    #[test]
    fn what_is_never_shown_stands_for_nothing() {
        for text in [
            "\\",
            "\\x4",
            "\\x41",
            "\\u{1b",
            "\\u{61}",
            "\\u{110000}",
            "\\q",
            "\\xé",
        ] {
            assert_eq!(unshown(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(bytes: Vec<u8>) {
            prop_assert_eq!(unshown(&shown(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn any_text_is_read_without_harm(text: String) {
            let _ = unshown(&text);
        }

        #[test]
        fn any_bytes_read_back_as_they_were(bytes: Vec<u8>) {
            let mut word = String::new();
            escape(&bytes, &mut word);
            prop_assert!(!word.contains([' ', '\n']));
            prop_assert_eq!(unescape(&word).unwrap(), bytes);
        }
    }
}
