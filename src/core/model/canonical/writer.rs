//! Writes any value as canonical JSON in one pass, without a tree of it in between.
//!
//! What comes out is byte for byte what sorting the tree gives (a property test holds both against each other): the
//! fingerprints of recorded plans and approvals are over these bytes.

use std::cmp::Ordering;
use std::ops::Range;

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Error;
use sha2::{Digest, Sha256};

/// Bytes that are digested at a time.
const ENOUGH: usize = 16 << 10;

/// Writes values and digests what stands fast.
#[derive(Default)]
pub(super) struct Writer {
    out: Vec<u8>,
    /// Nothing is digested: what is written is asked for itself.
    keeps: bool,
    /// The entries of all objects that are open, those of the innermost last.
    entries: Vec<Entry>,
    /// How many objects are open: none of their bytes stand fast, for a later entry may go before them.
    open: usize,
    /// A part of `out` while it is put in order.
    unsorted: Vec<u8>,
    digest: Sha256,
}

/// One entry of an object, by its places in what is written.
#[derive(Clone)]
struct Entry {
    /// The key, between its quotes.
    key: Range<usize>,
    /// Nothing in the key is escaped.
    is_plain: bool,
    /// The whole of it, without the comma before it.
    whole: Range<usize>,
}

impl Writer {
    /// One whose bytes are asked for, with room for so many.
    pub(super) fn keeping(bytes: usize) -> Self {
        Self {
            out: Vec::with_capacity(bytes),
            keeps: true,
            ..Self::default()
        }
    }

    /// Everything that was written by one that keeps it.
    pub(super) fn bytes(self) -> Vec<u8> {
        self.out
    }

    /// Adds bytes that are canonical JSON already, or a part of it.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        if self.out.len() + bytes.len() > ENOUGH && self.open == 0 && !self.keeps {
            self.digest.update(&self.out);
            self.out.clear();
            self.digest.update(bytes);
        } else {
            self.out.extend_from_slice(bytes);
        }
    }

    /// The digest of everything that was written.
    pub(super) fn finish(mut self) -> impl AsRef<[u8]> {
        self.digest.update(&self.out);
        self.digest.finalize()
    }

    fn text(&mut self, text: &str) -> Result<(), Error> {
        let is_plain = |b: &u8| *b >= b' ' && *b != b'"' && *b != b'\\';
        if !text.as_bytes().iter().all(is_plain) {
            return serde_json::to_writer(&mut self.out, text);
        }
        self.out.reserve(text.len() + 2);
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
        Ok(())
    }

    /// Writes a scalar as the JSON library does.
    fn scalar<T: Serialize>(&mut self, value: &T) -> Result<(), Error> {
        serde_json::to_writer(&mut self.out, value)
    }

    fn list(&mut self) -> List<'_> {
        self.out.push(b'[');
        List {
            writer: self,
            is_empty: true,
            is_variant: false,
        }
    }

    fn object(&mut self) -> Object<'_> {
        self.open += 1;
        self.out.push(b'{');
        Object {
            start: self.out.len(),
            first: self.entries.len(),
            is_sorted: true,
            is_variant: false,
            key: None,
            writer: self,
        }
    }

    /// Opens the object with one entry that a variant with content is.
    fn variant(&mut self, name: &str) -> Result<(), Error> {
        self.open += 1;
        self.out.push(b'{');
        self.text(name)?;
        self.out.push(b':');
        Ok(())
    }

    fn close_variant(&mut self) {
        self.out.push(b'}');
        self.open -= 1;
    }

    fn flush(&mut self) {
        if self.open == 0 && self.out.len() > ENOUGH && !self.keeps {
            self.digest.update(&self.out);
            self.out.clear();
        }
    }

    /// Puts the entries from `first` on in order, all of which stand behind `start`. Of two with one key the last counts,
    /// as in a map.
    fn sort(&mut self, first: usize, start: usize) {
        let (out, unsorted) = (&mut self.out, &mut self.unsorted);
        let entries = self.entries.get_mut(first..).unwrap_or_default();
        entries.sort_by(|a, b| cmp(out, a, b));
        unsorted.clear();
        unsorted.extend_from_slice(out.get(start..).unwrap_or_default());
        // Keys are compared where they stood.
        let is_again = |entry: &Entry, next: Option<&Entry>| {
            let key = |entry: &Entry| entry.key.start - start..entry.key.end - start;
            next.is_some_and(|next| unsorted.get(key(entry)) == unsorted.get(key(next)))
        };
        out.truncate(start);
        let mut rest = &*entries;
        while let [entry, next @ ..] = rest {
            rest = next;
            if is_again(entry, next.first()) {
                continue;
            }
            if out.len() > start {
                out.push(b',');
            }
            let whole = entry.whole.start - start..entry.whole.end - start;
            out.extend_from_slice(unsorted.get(whole).unwrap_or_default());
        }
        self.entries.truncate(first);
    }
}

/// Compares the keys of two entries of `out`.
fn cmp(out: &[u8], a: &Entry, b: &Entry) -> Ordering {
    let key = |entry: &Entry| out.get(entry.key.clone()).unwrap_or_default();
    if a.is_plain && b.is_plain {
        return key(a).cmp(key(b));
    }
    unescaped(key(a)).cmp(&unescaped(key(b)))
}

/// A key as it was before it was escaped.
fn unescaped(key: &[u8]) -> String {
    let quoted = [b"\"", key, b"\""].concat();
    serde_json::from_slice(&quoted).unwrap_or_default()
}

/// An array that is being written.
pub(super) struct List<'w> {
    writer: &'w mut Writer,
    is_empty: bool,
    is_variant: bool,
}

impl List<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if !std::mem::take(&mut self.is_empty) {
            self.writer.out.push(b',');
        }
        value.serialize(&mut *self.writer)?;
        self.writer.flush();
        Ok(())
    }

    fn close(self) -> Result<(), Error> {
        self.writer.out.push(b']');
        if self.is_variant {
            self.writer.close_variant();
        }
        Ok(())
    }
}

/// An object that is being written.
pub(super) struct Object<'w> {
    writer: &'w mut Writer,
    /// Where its first entry begins.
    start: usize,
    /// The number of its first entry.
    first: usize,
    is_sorted: bool,
    is_variant: bool,
    /// The entry whose value comes next.
    key: Option<Entry>,
}

impl Object<'_> {
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        if self.writer.entries.len() > self.first {
            self.writer.out.push(b',');
        }
        let from = self.writer.out.len();
        key.serialize(&mut *self.writer)?;
        match self.writer.out.get(from) {
            Some(b'"') => {}
            // Numbers and truth values become keys as text; nothing else does.
            Some(b'-' | b'0'..=b'9' | b't' | b'f') => {
                self.writer.out.insert(from, b'"');
                self.writer.out.push(b'"');
            }
            _ => return Err(Error::custom("a key must be a string")),
        }
        let to = self.writer.out.len();
        let written = self.writer.out.get(from..).unwrap_or_default();
        let is_plain = !written.contains(&b'\\');
        self.writer.out.push(b':');
        self.key = Some(Entry {
            key: from + 1..to - 1,
            is_plain,
            whole: from..to,
        });
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let Some(mut entry) = self.key.take() else {
            return Err(Error::custom("a value without its key"));
        };
        value.serialize(&mut *self.writer)?;
        entry.whole.end = self.writer.out.len();
        let before = self.writer.entries.get(self.first..).and_then(<[_]>::last);
        if before.is_some_and(|before| cmp(&self.writer.out, before, &entry) != Ordering::Less) {
            self.is_sorted = false;
        }
        self.writer.entries.push(entry);
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        self.key(name)?;
        self.value(value)
    }

    fn close(self) -> Result<(), Error> {
        if self.is_sorted {
            self.writer.entries.truncate(self.first);
        } else {
            self.writer.sort(self.first, self.start);
        }
        self.writer.out.push(b'}');
        self.writer.open -= 1;
        if self.is_variant {
            self.writer.close_variant();
        }
        Ok(())
    }
}

macro_rules! scalars {
    ($($method:ident: $type:ty;)*) => {
        $(fn $method(self, value: $type) -> Result<(), Error> {
            self.scalar(&value)
        })*
    };
}

impl<'w> Serializer for &'w mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = List<'w>;
    type SerializeTuple = List<'w>;
    type SerializeTupleStruct = List<'w>;
    type SerializeTupleVariant = List<'w>;
    type SerializeMap = Object<'w>;
    type SerializeStruct = Object<'w>;
    type SerializeStructVariant = Object<'w>;

    scalars! {
        serialize_bool: bool;
        serialize_i8: i8;
        serialize_i16: i16;
        serialize_i32: i32;
        serialize_i64: i64;
        serialize_u8: u8;
        serialize_u16: u16;
        serialize_u32: u32;
        serialize_u64: u64;
        serialize_f64: f64;
        serialize_char: char;
    }

    // A tree holds no larger numbers.
    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => self.scalar(&value),
            (_, Ok(value)) => self.scalar(&value),
            _ => Err(Error::custom("number out of range")),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        let value = u64::try_from(value).map_err(|_| Error::custom("number out of range"))?;
        self.scalar(&value)
    }

    // A tree holds no smaller ones.
    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.scalar(&f64::from(value))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.scalar(&value)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.close_variant();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'w>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'w>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'w>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'w>, Error> {
        self.variant(variant)?;
        Ok(List {
            is_variant: true,
            ..self.list()
        })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'w>, Error> {
        Ok(self.object())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'w>, Error> {
        Ok(self.object())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'w>, Error> {
        self.variant(variant)?;
        Ok(Object {
            is_variant: true,
            ..self.object()
        })
    }
}

macro_rules! lists {
    ($($trait:ident: $method:ident;)*) => {
        $(impl $trait for List<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.item(value)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        })*
    };
}

lists! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

macro_rules! objects {
    ($($trait:ident)*) => {
        $(impl $trait for Object<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        })*
    };
}

objects! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Object<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}
