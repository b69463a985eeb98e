//! The nodes of a file packed into bytes that lean on its text: most words stand in it as they are, and are not repeated.
//!
//! Everything that is read is packed first, also when nothing is remembered, so that a file says the same whether it was
//! parsed a moment or a year ago.

use kdl::{KdlDocument, KdlEntry, KdlIdentifier, KdlNode, KdlValue};

use super::syntax::{Entry, Node, Scalar, Stretch, Word};

/// Grows whenever the bytes come to mean something else, or the guard or the parser take other texts than before.
pub(super) const FORM: u32 = 1;

/// The guard takes no deeper ones.
const DEEPEST: usize = 24;

/// Room is made for so many at once, and for more once they are there.
const USUAL: usize = 32;

const HAS_TYPE: u8 = 1;
const HAS_BLOCK: u8 = 2;
const HAS_NAME: u8 = 4;
/// From this bit on an entry says what its value is.
const KIND: u8 = 3;

/// How a text stands in its stretch of the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// It is the stretch.
    Bare,
    /// It is what stands between the quotes.
    Quoted,
    /// The stretch ends with it.
    EndBare,
    /// The stretch ends with it in quotes.
    EndQuoted,
    /// It was written in another way: as it is, behind.
    Apart,
}

const FORMS: [Form; 5] = [
    Form::Bare,
    Form::Quoted,
    Form::EndBare,
    Form::EndQuoted,
    Form::Apart,
];

/// Packs what the parser made of `text`.
pub(super) fn pack(document: &KdlDocument, text: &str) -> Vec<u8> {
    let mut packer = Packer {
        bytes: Vec::with_capacity(text.len() / 2),
        text,
        last: 0,
    };
    packer.nodes(document.nodes());
    packer.bytes
}

/// Hands each node at the top of what `bytes` hold to `take`, one after the other, so that a file of a thousand hosts never
/// stands unpacked as a whole. Nothing comes back if they are not what [`pack`] made of `text`.
pub(super) fn unpack<'t>(
    bytes: &'t [u8],
    text: &'t str,
    mut take: impl FnMut(Node<'t>),
) -> Option<()> {
    let mut reader = Unpacker {
        bytes,
        text,
        last: 0,
    };
    for _ in 0..reader.count()? {
        take(reader.node(0)?);
    }
    reader.bytes.is_empty().then_some(())
}

struct Packer<'t> {
    bytes: Vec<u8>,
    text: &'t str,
    /// Where the stretch before began: places are written as distances.
    last: usize,
}

impl Packer<'_> {
    fn nodes(&mut self, nodes: &[KdlNode]) {
        self.number(nodes.len() as u128);
        for node in nodes {
            self.node(node);
        }
    }

    fn node(&mut self, node: &KdlNode) {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        self.bytes
            .push(flag(node.ty().is_some(), HAS_TYPE) | flag(node.children().is_some(), HAS_BLOCK));
        self.word(node.name());
        if let Some(ty) = node.ty() {
            self.word(ty);
        }
        self.number(node.entries().len() as u128);
        for entry in node.entries() {
            self.entry(entry);
        }
        if let Some(block) = node.children() {
            self.nodes(block.nodes());
        }
    }

    fn entry(&mut self, entry: &KdlEntry) {
        let kind = match entry.value() {
            KdlValue::String(_) => 0,
            KdlValue::Integer(_) => 1,
            KdlValue::Float(_) => 2,
            KdlValue::Bool(false) => 3,
            KdlValue::Bool(true) => 4,
            KdlValue::Null => 5,
        };
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        self.bytes.push(
            kind << KIND
                | flag(entry.name().is_some(), HAS_NAME)
                | flag(entry.ty().is_some(), HAS_TYPE),
        );
        let stretch = self.stretch(entry.span());
        if let Some(name) = entry.name() {
            self.word(name);
        }
        if let Some(ty) = entry.ty() {
            self.word(ty);
        }
        match entry.value() {
            KdlValue::String(value) => self.value(stretch, value),
            KdlValue::Integer(number) => self.number(folded(*number)),
            KdlValue::Float(_) | KdlValue::Bool(_) | KdlValue::Null => {}
        }
    }

    fn word(&mut self, word: &KdlIdentifier) {
        let stretch = self.stretch(word.span());
        self.value(stretch, word.value());
    }

    fn stretch(&mut self, span: miette::SourceSpan) -> Stretch {
        let stretch = Stretch {
            offset: span.offset(),
            len: span.len(),
        };
        let distance = stretch.offset as i128 - self.last as i128;
        self.number(folded(distance));
        self.number(stretch.len as u128);
        self.last = stretch.offset;
        stretch
    }

    fn value(&mut self, at: Stretch, value: &str) {
        let stretch = slice(self.text, at).unwrap_or_default();
        let before_quotes = stretch
            .strip_suffix('"')
            .and_then(|rest| rest.strip_suffix(value))
            .and_then(|rest| rest.strip_suffix('"'));
        let form = match before_quotes {
            Some("") => Form::Quoted,
            Some(_) => Form::EndQuoted,
            None if stretch == value => Form::Bare,
            None if stretch.ends_with(value) => Form::EndBare,
            None => Form::Apart,
        };
        self.bytes.push(form as u8);
        if !matches!(form, Form::Bare | Form::Quoted) {
            self.number(value.len() as u128);
        }
        if form == Form::Apart {
            self.bytes.extend_from_slice(value.as_bytes());
        }
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn number(&mut self, mut number: u128) {
        while let low @ 0x80.. = number {
            self.bytes.push((low & 0x7f) as u8 | 0x80);
            number = low >> 7;
        }
        self.bytes.push(number as u8);
    }
}

struct Unpacker<'t> {
    bytes: &'t [u8],
    text: &'t str,
    last: usize,
}

impl<'t> Unpacker<'t> {
    fn nodes(&mut self, depth: usize) -> Option<Vec<Node<'t>>> {
        if depth > DEEPEST {
            return None;
        }
        let count = self.count()?;
        let mut nodes = Vec::with_capacity(count.min(USUAL));
        for _ in 0..count {
            nodes.push(self.node(depth)?);
        }
        Some(nodes)
    }

    fn node(&mut self, depth: usize) -> Option<Node<'t>> {
        let flags = self.byte()?;
        let name = self.word()?;
        let ty = self.word_if(flags & HAS_TYPE != 0)?;
        let count = self.count()?;
        let mut entries = Vec::with_capacity(count.min(USUAL));
        for _ in 0..count {
            entries.push(self.entry()?);
        }
        let children = if flags & HAS_BLOCK != 0 {
            Some(self.nodes(depth + 1)?)
        } else {
            None
        };
        Some(Node {
            name,
            ty,
            entries,
            children,
        })
    }

    fn entry(&mut self) -> Option<Entry<'t>> {
        let flags = self.byte()?;
        let span = self.stretch()?;
        let name = self.word_if(flags & HAS_NAME != 0)?;
        let ty = self.word_if(flags & HAS_TYPE != 0)?;
        let value = match flags >> KIND {
            0 => Scalar::Text(self.value(span)?),
            1 => Scalar::Integer(unfolded(self.number()?)),
            2 => Scalar::Float,
            3 => Scalar::Bool(false),
            4 => Scalar::Bool(true),
            5 => Scalar::Null,
            _ => return None,
        };
        Some(Entry {
            name,
            ty,
            value,
            span,
        })
    }

    fn word_if(&mut self, is_there: bool) -> Option<Option<Word<'t>>> {
        if is_there {
            self.word().map(Some)
        } else {
            Some(None)
        }
    }

    fn word(&mut self) -> Option<Word<'t>> {
        let span = self.stretch()?;
        let value = self.value(span)?;
        Some(Word { value, span })
    }

    fn stretch(&mut self) -> Option<Stretch> {
        let offset = (self.last as i128).checked_add(unfolded(self.number()?))?;
        let offset = usize::try_from(offset).ok()?;
        let len = usize::try_from(self.number()?).ok()?;
        self.last = offset;
        (offset.checked_add(len)? <= self.text.len()).then_some(Stretch { offset, len })
    }

    fn value(&mut self, at: Stretch) -> Option<&'t str> {
        let form = *FORMS.get(usize::from(self.byte()?))?;
        let stretch = slice(self.text, at)?;
        let unquoted = stretch.strip_suffix('"').unwrap_or(stretch);
        let value = match form {
            Form::Bare => stretch,
            Form::Quoted => unquoted.strip_prefix('"')?,
            Form::EndBare => end(stretch, self.length()?)?,
            Form::EndQuoted => end(unquoted, self.length()?)?,
            Form::Apart => {
                let length = self.length()?;
                let (value, rest) = self.bytes.split_at_checked(length)?;
                self.bytes = rest;
                std::str::from_utf8(value).ok()?
            }
        };
        Some(value)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<u128> {
        let mut number = 0_u128;
        for shift in (0..).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            let placed = bits
                .checked_shl(shift)
                .filter(|placed| placed >> shift == bits)?;
            number |= placed;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Some(number)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    /// How many follow; each takes a byte at least.
    fn count(&mut self) -> Option<usize> {
        self.length().filter(|count| *count <= self.bytes.len())
    }
}

fn slice(text: &str, at: Stretch) -> Option<&str> {
    text.get(at.offset..at.offset.checked_add(at.len)?)
}

/// The last `length` bytes of `text`.
fn end(text: &str, length: usize) -> Option<&str> {
    text.get(text.len().checked_sub(length)?..)
}

/// A number as one without a sign: small ones stay small.
fn folded(number: i128) -> u128 {
    ((number << 1) ^ (number >> 127)) as u128
}

fn unfolded(number: u128) -> i128 {
    (number >> 1) as i128 ^ -((number & 1) as i128)
}

#[cfg(test)]
mod tests {
    use kdl::{KdlDocument, KdlNode, KdlValue};
    use proptest::prelude::*;
    use rstest::rstest;

    use super::{folded, pack, unfolded, unpack};
    use crate::config::syntax::{Node, Scalar, Stretch};

    /// Says that both are the same node, place by place.
    fn is_same(node: &Node<'_>, parsed: &KdlNode) -> bool {
        let at = |span: miette::SourceSpan| Stretch {
            offset: span.offset(),
            len: span.len(),
        };
        let word = |ours: Option<&crate::config::syntax::Word<'_>>,
                    theirs: Option<&kdl::KdlIdentifier>| {
            ours.map(|w| (w.value(), w.span())) == theirs.map(|w| (w.value(), at(w.span())))
        };
        let entries = node.entries().iter().zip(parsed.entries());
        let children = parsed.children().map(KdlDocument::nodes);
        word(Some(node.name()), Some(parsed.name()))
            && word(node.ty(), parsed.ty())
            && node.entries().len() == parsed.entries().len()
            && entries.into_iter().all(|(ours, theirs)| {
                let value = match (ours.value(), theirs.value()) {
                    (Scalar::Text(a), KdlValue::String(b)) => *a == b,
                    (Scalar::Integer(a), KdlValue::Integer(b)) => a == b,
                    (Scalar::Bool(a), KdlValue::Bool(b)) => a == b,
                    (Scalar::Float, KdlValue::Float(_)) | (Scalar::Null, KdlValue::Null) => true,
                    _ => false,
                };
                value
                    && word(ours.name(), theirs.name())
                    && word(ours.ty(), theirs.ty())
                    && ours.span() == at(theirs.span())
            })
            && node.children.as_ref().map(Vec::len) == children.map(<[_]>::len)
            && node
                .iter_children()
                .zip(children.unwrap_or_default())
                .all(|(ours, theirs)| is_same(ours, theirs))
    }

    fn comes_back(text: &str) -> bool {
        let document = KdlDocument::parse_v2(text).unwrap();
        let bytes = pack(&document, text);
        let mut nodes = Vec::new();
        unpack(&bytes, text, |node| nodes.push(node)).unwrap();
        nodes.len() == document.nodes().len()
            && nodes
                .iter()
                .zip(document.nodes())
                .all(|(ours, theirs)| is_same(ours, theirs))
    }

    #[rstest]
    #[case("")]
    #[case("a")]
    #[case("a 1 -2 0x10 1.5 #true #false #null #inf")]
    #[case("a 170141183460469231731687303715884105727 -170141183460469231731687303715884105727")]
    #[case("host \"web\" group=\"a,b\" { address (env)\"X\"; source \"/\" \"/é\"; exclude }")]
    #[case("(ty)a (x)\"b\" c=(y)\"d\" \"e f\"=\"g\" { }")]
    #[case("a \"\\u{e9}\\n\\\"\" #\"raw \"quoted\" text\"# \"\" b=\"\" c=\"\\\"\"")]
    #[case("a \"\"\"\n  lines\n    of text\n  \"\"\"")]
    #[case("/- a { b }\nc /-1 2 /-{ d } { e }")]
    #[case("a \"a\" aa=\"a\" \\\n  b")]
    fn what_was_packed_comes_back(#[case] text: &str) {
        assert!(comes_back(text), "{text}");
    }

    #[test]
    fn every_example_comes_back() {
        let mut folders = vec![std::path::PathBuf::from("examples")];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir().unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "kdl") {
                    assert!(comes_back(&std::fs::read_to_string(&path).unwrap()));
                    seen += 1;
                }
            }
        }
        assert!(seen > 0);
    }

    proptest! {
        #[test]
        fn numbers_come_back(number: i128) {
            prop_assert_eq!(unfolded(folded(number)), number);
        }

        #[test]
        fn bytes_that_are_none_are_refused_and_harm_nothing(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            text in "[a-z\" é]{0,30}",
        ) {
            let _ = unpack(&bytes, &text, drop);
        }

        #[test]
        fn bytes_that_changed_harm_nothing(at: usize, to: u8) {
            let text = "host \"web\" group=\"é\" { address (env)\"X\"; keep 1 -2 }\n";
            let mut bytes = pack(&KdlDocument::parse_v2(text).unwrap(), text);
            let at = at % bytes.len();
            bytes[at] = to;
            let _ = unpack(&bytes, text, drop);
        }
    }
}
