//! One line of a manifest.

use std::fmt::Write as _;

use super::bytes::{escape, unescape};
use super::item::{Digest, Item, What, XattrDigest, hex, unhex};

/// One line below the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A name and what it is. What a directory holds follows until its [`Line::Leave`].
    Item(Vec<u8>, Item),
    /// The directory just entered could not be read when the manifest was made.
    Unreadable,
    /// The end of a directory.
    Leave,
    /// The end of the manifest: how many names it has, and the digest of all lines before.
    End(u64, Digest),
}

/// A line that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line makes no sense")]
pub struct BadLine;

impl Line {
    /// Adds the line, with its line feed.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Item(name, item) => write_item(name, item, out),
            Self::Unreadable => out.push('!'),
            Self::Leave => out.push('^'),
            Self::End(names, digest) => {
                let _ = write!(out, "end {names} {digest}");
            }
        }
        out.push('\n');
    }

    /// Reads a line, without its line feed.
    ///
    /// # Errors
    /// [`BadLine`] for anything that [`Line::write`] never writes.
    pub fn parse(text: &str) -> Result<Self, BadLine> {
        match text {
            "!" => Ok(Self::Unreadable),
            "^" => Ok(Self::Leave),
            _ => parse_words(text).ok_or(BadLine),
        }
    }
}

fn write_item(name: &[u8], item: &Item, out: &mut String) {
    let letter = match &item.what {
        What::Directory => 'd',
        What::File { .. } => 'f',
        What::Link(_) => 'l',
        What::Fifo => 'p',
        What::Socket => 's',
        What::Block(..) => 'b',
        What::Character(..) => 'c',
    };
    let _ = write!(
        out,
        "{letter} {:o} {} {} {}.{:09} {} ",
        item.mode, item.uid, item.gid, item.modified.0, item.modified.1, item.inode
    );
    match item.xattrs {
        None => out.push('-'),
        Some(XattrDigest::NONE) => out.push('.'),
        Some(digest) => out.push_str(&hex(&digest.0)),
    }
    out.push(' ');
    match &item.what {
        What::Directory | What::Fifo | What::Socket => {}
        What::File { bytes, content } => {
            let _ = write!(out, "{bytes} ");
            match content {
                None => out.push('-'),
                Some(digest) => out.push_str(&hex(&digest.0)),
            }
            out.push(' ');
        }
        What::Link(target) => {
            escape(target, out);
            out.push(' ');
        }
        What::Block(major, minor) | What::Character(major, minor) => {
            let _ = write!(out, "{major}:{minor} ");
        }
    }
    escape(name, out);
}

fn parse_words(text: &str) -> Option<Line> {
    let mut words = text.split(' ');
    let letter = words.next()?;
    if letter == "end" {
        let names = words.next()?.parse().ok()?;
        let digest = Digest(unhex(words.next()?)?);
        return words.next().is_none().then_some(Line::End(names, digest));
    }
    let mode = u32::from_str_radix(words.next()?, 8).ok()?;
    let uid = words.next()?.parse().ok()?;
    let gid = words.next()?.parse().ok()?;
    let (seconds, nanos) = words.next()?.split_once('.')?;
    let modified = (seconds.parse().ok()?, nanos.parse().ok()?);
    let inode = words.next()?.parse().ok()?;
    let xattrs = match words.next()? {
        "-" => None,
        "." => Some(XattrDigest::NONE),
        word => Some(XattrDigest(unhex(word)?)),
    };
    let device = |word: &str| {
        let (major, minor) = word.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let what = match letter {
        "d" => What::Directory,
        "p" => What::Fifo,
        "s" => What::Socket,
        "f" => What::File {
            bytes: words.next()?.parse().ok()?,
            content: match words.next()? {
                "-" => None,
                word => Some(Digest(unhex(word)?)),
            },
        },
        "l" => What::Link(unescape(words.next()?)?),
        "b" => {
            let (major, minor) = device(words.next()?)?;
            What::Block(major, minor)
        }
        "c" => {
            let (major, minor) = device(words.next()?)?;
            What::Character(major, minor)
        }
        _ => return None,
    };
    let name = unescape(words.next()?)?;
    let is_name = !name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..";
    let item = Item {
        mode,
        uid,
        gid,
        modified,
        inode,
        xattrs,
        what,
    };
    (is_name && words.next().is_none()).then_some(Line::Item(name, item))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::{Digest, Item, Line, What, XattrDigest};

    fn item(what: What) -> Item {
        Item {
            mode: 0o4755,
            uid: 0,
            gid: 33,
            modified: (-1, 5),
            inode: 77,
            xattrs: Some(XattrDigest::NONE),
            what,
        }
    }

    #[test]
    fn every_kind_of_line_reads_back() {
        let kinds = [
            What::Directory,
            What::File {
                bytes: 9,
                content: Some(Digest([0xab; 32])),
            },
            What::File {
                bytes: 0,
                content: None,
            },
            What::Link(b"../a b\xff".to_vec()),
            What::Fifo,
            What::Socket,
            What::Block(8, 1),
            What::Character(1, 3),
        ];
        for what in kinds {
            let line = Line::Item(b"a b\n\\".to_vec(), item(what));
            let mut text = String::new();
            line.write(&mut text);
            assert_eq!(Line::parse(text.trim_end_matches('\n')).unwrap(), line);
        }
    }

    #[test]
    fn a_line_is_this() {
        let mut text = String::new();
        Line::Item(b"hosts".to_vec(), item(What::Link(b"/x".to_vec()))).write(&mut text);
        assert_eq!(text, "l 4755 0 33 -1.000000005 77 . /x hosts\n");
    }

    #[test]
    fn names_that_lead_elsewhere_are_none() {
        for name in ["..", ".", "a/b", "\\x2e\\x2e", "a\\x2fb", ""] {
            let text = format!("d 755 0 0 1.000000000 7 . {name}");
            assert!(Line::parse(&text).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text: String) {
            let _ = Line::parse(&text);
            let _ = Line::parse(&format!("f 644 0 0 1.000000000 7 . 5 - {text}"));
        }
    }
}
