//! Canonical JSON and fingerprints over it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Invalid;
use super::invalid::text_newtype;

/// SHA-256 over canonical JSON, written `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

text_newtype!(Fingerprint);

/// Bytes that are digested at a time.
const ENOUGH: usize = 16 << 10;

impl Fingerprint {
    /// The fingerprint of `value`. What cannot be written as JSON has that of `null`; no type of ours is such.
    #[must_use]
    pub fn of<T: Serialize>(value: &T) -> Self {
        Self::of_bytes(canonical_json(&serde_json::to_value(value).unwrap_or_default()).as_bytes())
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
mod tests {
    use serde_json::json;

    use super::{Fingerprint, canonical_json};

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = json!({"b": [{"z": 1, "a": "\n"}], "a": null});
        assert_eq!(
            canonical_json(&value),
            r#"{"a":null,"b":[{"a":"\n","z":1}]}"#
        );
    }

    #[test]
    fn rows_have_the_fingerprint_of_their_list() {
        let rows: Vec<_> = (0..3_000)
            .map(|i| (format!("host \"{i}\" \u{e9}\n"), i, None::<u8>, true))
            .collect();
        for rows in [&rows[..0], &rows[..1], &rows[..]] {
            assert_eq!(Fingerprint::of_rows(rows.iter()), Fingerprint::of(&rows));
        }
    }

    #[test]
    fn a_fingerprint_reads_back() {
        let print = Fingerprint::of(&json!({}));
        assert_eq!(
            print.as_str(),
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        assert_eq!(print.as_str().parse(), Ok(print.clone()));
        assert_eq!(print.short(), "44136fa355b3");
        assert!("sha256:xyz".parse::<Fingerprint>().is_err());
    }
}
