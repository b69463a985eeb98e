//! Canonical JSON and fingerprints over it.

mod writer;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Invalid;
use super::invalid::{text_newtype, text_on_the_wire};

/// SHA-256 over canonical JSON, written `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

text_newtype!(Fingerprint);
text_on_the_wire!(Fingerprint);

/// A value as canonical JSON, written before its fingerprint is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written(Vec<u8>);

impl Written {
    /// Writes `value`. What cannot be written as JSON is `null`; no type of ours is such.
    #[must_use]
    pub fn of<T: Serialize>(value: &T) -> Self {
        Self::with_room(0, value)
    }

    /// The same with room for so many bytes from the start.
    #[must_use]
    pub fn with_room<T: Serialize>(bytes: usize, value: &T) -> Self {
        let mut writer = writer::Writer::keeping(bytes);
        match value.serialize(&mut writer) {
            Ok(()) => Self(writer.bytes()),
            Err(_) => Self(b"null".to_vec()),
        }
    }
}

/// The fingerprint of a list, made item by item: some may have been written before.
#[derive(Default)]
#[must_use = "a fingerprint is made of what was written"]
pub struct ListFingerprint {
    writer: writer::Writer,
    has_items: bool,
}

impl ListFingerprint {
    /// Adds `value`.
    pub fn item<T: Serialize>(self, value: &T) -> Self {
        self.written(&Written::of(value))
    }

    /// Adds what was written before.
    pub fn written(mut self, value: &Written) -> Self {
        self.writer.raw(if self.has_items { b"," } else { b"[" });
        self.writer.raw(&value.0);
        self.has_items = true;
        self
    }

    /// The fingerprint of all of them as one list.
    #[must_use]
    pub fn finish(mut self) -> Fingerprint {
        self.writer.raw(if self.has_items { b"]" } else { b"[]" });
        Fingerprint::of_digest(self.writer.finish().as_ref())
    }
}

/// Bytes that are digested at a time.
const ENOUGH: usize = 16 << 10;

impl Fingerprint {
    /// The fingerprint of `value`. What cannot be written as JSON has that of `null`; no type of ours is such.
    #[must_use]
    pub fn of<T: Serialize>(value: &T) -> Self {
        let mut writer = writer::Writer::default();
        match value.serialize(&mut writer) {
            Ok(()) => Self::of_digest(writer.finish().as_ref()),
            Err(_) => Self::of_bytes(b"null"),
        }
    }

    /// The fingerprint of `rows` as one list, which need not stand in memory. No row holds a map: there is nothing to sort.
    #[must_use]
    pub fn of_rows<T: Serialize>(rows: impl Iterator<Item = T>) -> Self {
        let mut digest = Sha256::new();
        let mut bytes = vec![b'['];
        for (i, row) in rows.enumerate() {
            if i > 0 {
                bytes.push(b',');
            }
            let before = bytes.len();
            if serde_json::to_writer(&mut bytes, &row).is_err() {
                bytes.truncate(before);
                bytes.extend_from_slice(b"null");
            }
            if bytes.len() > ENOUGH {
                digest.update(&bytes);
                bytes.clear();
            }
        }
        bytes.push(b']');
        digest.update(&bytes);
        Self::of_digest(&digest.finalize())
    }

    /// The fingerprint of raw bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::of_digest(&Sha256::digest(bytes))
    }

    fn of_digest(digest: &[u8]) -> Self {
        let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        Self(format!("sha256:{hex}"))
    }

    /// The first twelve digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(7..19).unwrap_or(&self.0)
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_hex = |hex: &str| {
            hex.len() == 64
                && hex
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        if text.strip_prefix("sha256:").is_some_and(is_hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                text,
                "a fingerprint",
                "it is `sha256:` and 64 hexadecimal digits, as a plan prints it",
            ))
        }
    }
}

/// Writes `value` with sorted keys and no white space, so that equal values have equal bytes.
///
/// Keys are sorted here and not left to the map: another crate of a build may turn on insertion order for it.
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(item, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests;
