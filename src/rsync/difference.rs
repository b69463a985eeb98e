//! What a dry run says of every name: whether it is as in the base.
//!
//! The program's own rsync writes these lines and escapes what names hold: a byte that does not print as `\#ooo`, and the
//! backslash of such a text in a name as `\#134`. A host can still have lines of its own written there; they say something
//! of its own tree only, and a list that does not add up is not used.

use super::stats::Stats;
use super::unescape::unescaped;
use crate::core::model::{OddList, TransferKind, TransferList, TransferListBuilder, visible};

/// A path of 4,096 bytes, each written as five, twice in a line, and what stands around them.
const LONGEST_LINE: usize = 48 * 1024;

/// Every name of a transfer, and whether it has to be brought.
#[derive(Debug)]
pub struct Difference {
    /// The names.
    pub list: TransferList,
    /// Names that others are new hard links to: they have to come together.
    pub leaders: Vec<Vec<u8>>,
}

/// Why a list, or a transfer by a list, is not to be relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Surprise(pub String);

impl From<OddList> for Surprise {
    fn from(odd: OddList) -> Self {
        Self(format!("rsync lists {odd}"))
    }
}

/// Takes what a dry run says, in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct DifferenceReader {
    line: Vec<u8>,
    builder: TransferListBuilder,
    leaders: Vec<Vec<u8>>,
    odd: Option<Surprise>,
    /// The figures have begun, which end what is said.
    is_at_figures: bool,
}

impl DifferenceReader {
    /// Takes the next bytes; `figures` hears each line of the figures.
    pub(super) fn take(&mut self, bytes: &[u8], figures: &mut dyn FnMut(&str)) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let Some(end) = piece.strip_suffix(b"\n") else {
                self.line.extend_from_slice(piece);
                if self.line.len() > LONGEST_LINE {
                    self.surprise("a line without an end".to_owned());
                    self.line.clear();
                }
                continue;
            };
            if self.line.is_empty() {
                self.hear(end, figures);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(end);
                self.hear(&line, figures);
                line.clear();
                self.line = line;
            }
        }
    }

    /// How many names were told of.
    pub(super) fn count(&self) -> u64 {
        self.builder.count()
    }

    fn hear(&mut self, line: &[u8], figures: &mut dyn FnMut(&str)) {
        let is_figure = line.starts_with(b"Number of files: ");
        self.is_at_figures |= is_figure;
        if line.is_empty() || self.odd.is_some() && !self.is_at_figures {
        } else if self.is_at_figures || line.starts_with(b"skipping non-regular file ") {
            figures(&String::from_utf8_lossy(line));
        } else if let Err(surprise) = self.item(line) {
            self.odd.get_or_insert(surprise);
        }
    }

    fn item(&mut self, line: &[u8]) -> Result<(), Surprise> {
        let unknown = || {
            let line = String::from_utf8_lossy(&line[..line.len().min(200)]);
            Surprise(format!("rsync says \"{}\"", visible(&line)))
        };
        let (code, rest) = line.split_at_checked(12).ok_or_else(unknown)?;
        let (how, kind, flags) = match code {
            [how, kind, flags @ .., b' '] => (*how, *kind, flags),
            _ => return Err(unknown()),
        };
        let kind = match kind {
            b'd' => TransferKind::Directory,
            b'f' => TransferKind::File,
            b'L' => TransferKind::Link,
            b'D' | b'S' => TransferKind::Special,
            _ => return Err(unknown()),
        };
        let end = rest.windows(2).position(|pair| pair == b"//");
        let (name, tail) = rest.split_at(end.ok_or_else(unknown)?);
        let leader = tail.strip_prefix(b"// => ").filter(|_| matches!(how, b'h'));
        let is_same = match how {
            // A hard link to another name that is not there yet has no flags either.
            b'.' | b'h' => flags.iter().all(|flag| *flag == b' ') && leader.is_none(),
            b'>' | b'c' => false,
            _ => return Err(unknown()),
        };
        self.builder.add(&path(name), kind, is_same)?;
        self.leaders.extend(leader.map(path));
        Ok(())
    }

    fn surprise(&mut self, what: String) {
        self.odd
            .get_or_insert_with(|| Surprise(format!("rsync says {what}")));
    }

    /// What was said, if it adds up to what `stats` count.
    pub(super) fn finish(self, stats: &Stats) -> Result<Difference, Surprise> {
        if let Some(odd) = self.odd {
            return Err(odd);
        }
        let told = self.builder.count() + stats.skipped;
        if stats.files != Some(told) {
            let of = stats.files.unwrap_or_default();
            return Err(Surprise(format!("rsync tells of {told} of {of} files")));
        }
        Ok(Difference {
            list: self.builder.finish()?,
            leaders: self.leaders,
        })
    }
}

/// The path from the root of the host, as bytes. A local one begins with the root itself, which is written as a dot.
fn path(text: &[u8]) -> Vec<u8> {
    let path = unescaped(text.strip_prefix(b"/").unwrap_or(text));
    if path == b"." { Vec::new() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], at_once: usize) -> Result<Difference, Surprise> {
        let mut reader = DifferenceReader::default();
        let mut stats = Stats::default();
        for piece in text.chunks(at_once) {
            reader.take(piece, &mut |line| {
                stats.take(line);
            });
        }
        reader.finish(&stats)
    }

    fn changed(difference: &Difference) -> Vec<String> {
        let list = &difference.list;
        list.changed()
            .map(|entry| String::from_utf8_lossy(&list.path_of(entry)).into_owned())
            .collect()
    }

    const SAID: &[u8] = b"skipping non-regular file \"etc/f\"
.d..t...... etc///
.f          etc/a//
.f...p..... etc/b => c//
hf          etc/d//
hf          etc/e// => etc/a
hf+++++++++ etc/f2// => etc/a
.L          etc/l// -> //etc/x => y
cL+++++++++ etc/m// -> x
>f+++++++++ etc/n\\#012l//
>f.st...... etc/o\\#134#012//

Number of files: 11 (reg: 7, dir: 1, link: 2, special: 1)
Total file size: 3 bytes
anything at all
";

    #[test]
    fn every_name_is_read_whatever_it_holds() {
        for at_once in [1, 7, 4096] {
            let difference = read(SAID, at_once).unwrap();
            assert_eq!(
                changed(&difference),
                [
                    "etc",
                    "etc/b => c",
                    "etc/e",
                    "etc/f2",
                    "etc/m",
                    "etc/n\nl",
                    "etc/o\\#012"
                ]
            );
            assert_eq!(difference.leaders, [b"etc/a", b"etc/a"]);
        }
    }

    #[test]
    fn the_root_is_a_name_too() {
        for root in [".///", "/.///"] {
            let said = format!(".d          {root}\n\nNumber of files: 1 (dir: 1)\n");
            assert_eq!(read(said.as_bytes(), 9).unwrap().list.top(), Some(true));
        }
    }

    #[test]
    fn what_does_not_add_up_is_a_surprise() {
        for said in [
            "",
            "hello\n",
            ".f          a//\n",
            ".f          a//\nNumber of files: 2\n",
            "*deleting   a//\nNumber of files: 1\n",
            ".f          a\nNumber of files: 1\n",
            ".f          ../a//\nNumber of files: 1\n",
            "<f+++++++++ a//\nNumber of files: 1\n",
            ".x          a//\nNumber of files: 1\n",
        ] {
            assert!(read(said.as_bytes(), 64).is_err(), "{said}");
        }
        assert!(read(&[b'x'; 200_000], 4096).is_err());
    }

    #[test]
    fn escapes_are_those_of_rsync_and_nothing_else() {
        assert_eq!(
            unescaped(b"a\\#377\\#12\\#999\\#777\\"),
            b"a\xff\\#12\\#999\\#777\\"
        );
    }
}
