use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::{Fingerprint, ListFingerprint, Written, canonical_json};

/// Values of every shape that serde knows, with keys in any order and more than once.
#[derive(Debug, Clone)]
enum Tree {
    Truth(bool),
    Signed(i64),
    Unsigned(u64),
    Wide(i128),
    Short(f32),
    Float(f64),
    Letter(char),
    Text(String),
    Bytes(Vec<u8>),
    Nothing(Option<u8>),
    Many(Vec<Tree>),
    Map(Vec<(Key, Tree)>),
    Plain(Box<Shapes>),
}

#[derive(Debug, Clone)]
enum Key {
    Text(String),
    Number(i32),
    Truth(bool),
}

#[derive(Debug, Clone, Serialize)]
enum Shapes {
    Unit,
    One(Tree),
    Two(Tree, u8),
    Named { z: Tree, a: Option<Tree>, m: () },
    Inner(Inner),
}

#[derive(Debug, Clone, Serialize)]
struct Inner {
    zz: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, Tree>,
    #[serde(rename = "a\n\"")]
    odd: (Tree, char),
    empty: Empty,
}

#[derive(Debug, Clone, Serialize)]
struct Empty;

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_i32(*number),
            Self::Truth(truth) => serializer.serialize_bool(*truth),
        }
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Truth(value) => value.serialize(serializer),
            Self::Signed(value) => value.serialize(serializer),
            Self::Unsigned(value) => value.serialize(serializer),
            Self::Wide(value) => value.serialize(serializer),
            Self::Short(value) => value.serialize(serializer),
            Self::Float(value) => value.serialize(serializer),
            Self::Letter(value) => value.serialize(serializer),
            Self::Text(value) => value.serialize(serializer),
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::Nothing(value) => value.serialize(serializer),
            Self::Many(items) => items.serialize(serializer),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(None)?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Plain(shapes) => shapes.serialize(serializer),
        }
    }
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        "[a-c\\\\\"\n\u{1f}\u{7f}\u{e9}\u{10ffff}]{0,3}".prop_map(Key::Text),
        (-12..12_i32).prop_map(Key::Number),
        any::<bool>().prop_map(Key::Truth),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Tree::Truth),
        any::<i64>().prop_map(Tree::Signed),
        any::<u64>().prop_map(Tree::Unsigned),
        any::<i64>().prop_map(|n| Tree::Wide(n.into())),
        any::<f32>().prop_map(Tree::Short),
        any::<f64>().prop_map(Tree::Float),
        any::<char>().prop_map(Tree::Letter),
        any::<String>().prop_map(Tree::Text),
        any::<Vec<u8>>().prop_map(Tree::Bytes),
        any::<Option<u8>>().prop_map(Tree::Nothing),
        Just(Tree::Plain(Box::new(Shapes::Unit))),
    ];
    leaf.prop_recursive(4, 60, 6, |inner| {
        let entries = prop::collection::vec((key(), inner.clone()), 0..6);
        let named = (inner.clone(), prop::option::of(inner.clone()));
        let rest = prop::collection::btree_map("[a-z\\\\\n]{0,2}", inner.clone(), 0..4);
        let shapes = prop_oneof![
            inner.clone().prop_map(Shapes::One),
            (inner.clone(), any::<u8>()).prop_map(|(tree, n)| Shapes::Two(tree, n)),
            named.prop_map(|(z, a)| Shapes::Named { z, a, m: () }),
            (any::<u8>(), rest, inner.clone(), any::<char>()).prop_map(|(zz, rest, tree, c)| {
                Shapes::Inner(Inner {
                    zz,
                    rest,
                    odd: (tree, c),
                    empty: Empty,
                })
            }),
        ];
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Tree::Many),
            entries.prop_map(Tree::Map),
            shapes.prop_map(|shapes| Tree::Plain(Box::new(shapes))),
        ]
    })
}

/// The fingerprint by way of a tree that is sorted: what it always was.
fn by_tree<T: Serialize>(value: &T) -> Fingerprint {
    let tree = serde_json::to_value(value).unwrap_or_default();
    Fingerprint::of_bytes(canonical_json(&tree).as_bytes())
}

proptest! {
    #[test]
    fn a_list_made_item_by_item_has_the_fingerprint_of_the_list(trees in prop::collection::vec(tree(), 0..5)) {
        let list = trees.iter().fold(ListFingerprint::default(), |list, tree| list.item(tree));
        prop_assert_eq!(list.finish(), by_tree(&trees));
    }

    #[test]
    fn every_value_has_the_fingerprint_of_its_sorted_tree(tree in tree()) {
        prop_assert_eq!(Fingerprint::of(&tree), by_tree(&tree));
    }
}

#[test]
fn a_long_value_and_one_that_is_no_json_have_the_fingerprint_of_their_tree() {
    let row = |i: u32| (i, json!({"z": "x".repeat(100), "a": i}), "y".repeat(40));
    let rows: Vec<_> = (0..2_000).map(row).collect();
    assert_eq!(Fingerprint::of(&("a", &rows, 1)), by_tree(&("a", &rows, 1)));
    let long = ListFingerprint::default()
        .item(&"a")
        .written(&Written::of(&rows));
    assert_eq!(long.item(&1).finish(), by_tree(&("a", &rows, 1)));
    let wide = Tree::Many(vec![Tree::Wide(i128::MAX), Tree::Wide(1)]);
    assert_eq!(Fingerprint::of(&wide), by_tree(&wide));
    let no_key = std::collections::HashMap::from([((1, 2), 3)]);
    assert_eq!(Fingerprint::of(&no_key), by_tree(&no_key));
}

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
