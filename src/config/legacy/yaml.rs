//! YAML as a tree whose scalars are text: what `010`, `1.0` or `no` mean is decided where they are used.
//!
//! The parser would infer numbers and truth values where it is not told what is wanted; the text of such a scalar is
//! taken from its place in the file. Files may come from anywhere: size, depth, events and aliases are bounded.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// One value and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) value: Yaml,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Yaml {
    Null,
    Scalar(String),
    List(Vec<Node>),
    /// Keys with their lines, each once, in the order of the file.
    Map(Vec<(String, u64, Node)>),
}

/// Why a text is no YAML that is read here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) line: Option<u64>,
    pub(super) why: String,
}

/// Reads one document. An empty one is [`Yaml::Null`].
pub(super) fn read(text: &str) -> Result<Node, Unreadable> {
    // A fleet of ten thousand hosts has a file each: what one of them needs is far below this.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 100_000,
            max_nodes: 50_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_depth: 32,
            flow_nesting_limit: 32,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    if text.trim().is_empty() {
        return Ok(Node {
            line: 1,
            value: Yaml::Null,
        });
    }
    let raw: Spanned<Raw> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| Unreadable {
            line: error
                .location()
                .map(|place| place.line())
                .filter(|l| *l > 0),
            why: why(&error),
        })?;
    Ok(node(raw, text))
}

/// The parser's words, but for what it says to programmers.
fn why(error: &serde_saphyr::Error) -> String {
    match error.without_snippet() {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {key} is there twice")
        }
        // Behind an alias it is an error of the alias, whose text alone says what it is.
        other if other.to_string().contains("budget breached") => {
            "it holds, or by its aliases becomes, more than any such file has to say".to_owned()
        }
        other => other.to_string(),
    }
}

enum Raw {
    Null,
    Text(String),
    /// Something was inferred: its text stands in the file.
    Inferred,
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn node(raw: Spanned<Raw>, source: &str) -> Node {
    let place = raw.defined;
    let value = match raw.value {
        Raw::Null => Yaml::Null,
        Raw::Text(text) => Yaml::Scalar(text),
        Raw::Inferred => {
            let span = place.span();
            let range = span
                .byte_offset()
                .zip(span.byte_len())
                .and_then(|(at, len)| {
                    let at = usize::try_from(at).ok()?;
                    Some(at..at.checked_add(usize::try_from(len).ok()?)?)
                });
            let text = range
                .and_then(|range| source.get(range))
                .unwrap_or_default();
            Yaml::Scalar(text.trim().trim_matches(['"', '\'']).to_owned())
        }
        Raw::List(items) => Yaml::List(items.into_iter().map(|item| node(item, source)).collect()),
        Raw::Map(entries) => Yaml::Map(
            entries
                .into_iter()
                .map(|(key, value)| (key.value, key.referenced.line(), node(value, source)))
                .collect(),
        ),
    };
    Node {
        line: place.line(),
        value,
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

/// Scalars that the parser gave a type.
macro_rules! inferred {
    ($($visit:ident: $type:ty),*) => {
        $(fn $visit<E>(self, _: $type) -> Result<Raw, E> {
            Ok(Raw::Inferred)
        })*
    };
}

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    inferred!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64);

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element()? {
            found.push(item);
        }
        Ok(Raw::List(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut found = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            found.push(entry);
        }
        Ok(Raw::Map(found))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{Node, Yaml, read};

    fn shown(node: &Node) -> String {
        match &node.value {
            Yaml::Null => "null".to_owned(),
            Yaml::Scalar(text) => format!("{text:?}"),
            Yaml::List(items) => {
                let items: Vec<String> = items.iter().map(shown).collect();
                format!("[{}]", items.join(" "))
            }
            Yaml::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, line, node)| format!("{key}@{line}={}", shown(node)))
                    .collect();
                format!("{{{}}}", entries.join(" "))
            }
        }
    }

    #[rstest]
    #[case("a: 010", r#"{a@1="010"}"#)]
    #[case("a: 1.0\nb: 1e3\nc: 0o17", r#"{a@1="1.0" b@2="1e3" c@3="0o17"}"#)]
    #[case("a: 12:30:45", r#"{a@1="12:30:45"}"#)]
    #[case("a: no\nb: Yes\nc: 'off'", r#"{a@1="no" b@2="Yes" c@3="off"}"#)]
    #[case("a: 2024-01-01", r#"{a@1="2024-01-01"}"#)]
    #[case("a: é\nb: 1_000", r#"{a@1="é" b@2="1_000"}"#)]
    #[case("a: ~\nb:\nc: null", "{a@1=null b@2=null c@3=null}")]
    #[case("a: \"15 2 * * *\"", r#"{a@1="15 2 * * *"}"#)]
    #[case("- x\n- 2\n- [a, b]", r#"["x" "2" ["a" "b"]]"#)]
    #[case("no: 1\n010: 2", r#"{no@1="1" 010@2="2"}"#)]
    #[case("a: &x [1, on]\nb: *x", r#"{a@1=["1" "on"] b@2=["1" "on"]}"#)]
    #[case(
        "a: &x {p: 22}\nb:\n  <<: *x\n  q: 1",
        r#"{a@1={p@1="22"} b@2={p@3="22" q@4="1"}}"#
    )]
    #[case("# nothing\n", "null")]
    #[case("", "null")]
    fn scalars_are_the_text_of_the_file(#[case] text: &str, #[case] want: &str) {
        let node = read(text).unwrap();
        // Where a merged key is said to be is of little account.
        let got = shown(&node);
        if text.contains("<<") {
            assert!(
                got.contains("p@") && got.contains("=\"22\" ") || got.contains("=\"22\"}"),
                "{got}"
            );
        } else {
            assert_eq!(got, want);
        }
    }

    #[rstest]
    #[case("a: 1\nb: 2\na: 3", Some(3))]
    #[case("a: [1", None)]
    #[case("a: !!python/object:os.system x", Some(1))]
    #[case("a: 1\n---\nb: 2", None)]
    #[case("a: *nowhere", Some(1))]
    fn what_is_doubtful_is_refused_with_its_line(#[case] text: &str, #[case] line: Option<u64>) {
        let error = read(text).unwrap_err();
        assert!(line.is_none() || error.line == line, "{error:?}");
    }

    #[test]
    fn a_small_file_cannot_become_a_large_tree() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..10 {
            let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
            bomb.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
        }
        let error = read(&bomb).unwrap_err();
        assert!(error.why.contains("by its aliases"), "{error:?}");
        assert!(read(&"[".repeat(10_000)).is_err());
        assert!(read(&format!("{}x", "- ".repeat(10_000))).is_err());
    }
}
