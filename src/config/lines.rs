//! Texts by lines and columns, and made safe to show.

use crate::core::desired::At;
use crate::core::model::visible;

/// Where the lines of a text begin.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    starts: Vec<usize>,
    /// Characters before each multiple of `STRIDE` bytes, so that a column on a long line is found at once.
    before: Vec<usize>,
    /// Where the text ends.
    end: usize,
}

const STRIDE: usize = 4096;

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let mut before = vec![0];
        let mut sum = 0;
        for chunk in text.as_bytes().chunks(STRIDE) {
            sum += characters(chunk);
            before.push(sum);
        }
        Self {
            before,
            starts: std::iter::once(0).chain(ends).collect(),
            end: text.len(),
        }
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).max(1)
    }

    /// The character of its line that begins at a byte, from 1. `text` is what the lines are of.
    pub(super) fn column(&self, text: &str, offset: usize) -> usize {
        let start = self.start(self.line(offset));
        self.characters_before(text, offset)
            .saturating_sub(self.characters_before(text, start))
            + 1
    }

    /// The length of the longest line that a report about `at` would show, in bytes.
    pub(super) fn longest_around(&self, at: At) -> usize {
        let first = self.line(at.offset()).saturating_sub(1).max(1);
        let last = self.line(at.end()) + 1;
        (first..=last)
            .map(|line| self.start(line + 1).saturating_sub(self.start(line)))
            .max()
            .unwrap_or(0)
    }

    /// Where a line begins, or the text ends.
    fn start(&self, line: usize) -> usize {
        let start = self.starts.get(line.saturating_sub(1));
        start.copied().unwrap_or(self.end)
    }

    fn characters_before(&self, text: &str, offset: usize) -> usize {
        let chunk = offset / STRIDE;
        let rest = text.as_bytes().get(chunk * STRIDE..offset);
        let before = self.before.get(chunk).copied().unwrap_or(0);
        before + rest.map_or(0, characters)
    }
}

/// Characters that begin in these bytes of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// A text whose control characters show nothing but themselves, and where its bytes went.
pub(super) struct Shown {
    pub(super) text: String,
    /// Byte of the text, byte of what is shown, wherever the distance changes.
    moved: Vec<(usize, usize)>,
}

impl Shown {
    pub(super) fn of(text: &str) -> Self {
        let mut shown = String::with_capacity(text.len());
        let mut moved = Vec::new();
        for (at, c) in text.char_indices() {
            if is_harmless(c) {
                shown.push(c);
            } else {
                shown.push('\u{fffd}');
                moved.push((at + c.len_utf8(), shown.len()));
            }
        }
        Self { text: shown, moved }
    }

    /// Where a byte of the text went.
    pub(super) fn offset(&self, at: usize) -> usize {
        let i = self.moved.partition_point(|(from, _)| *from <= at);
        let there = match i.checked_sub(1).and_then(|i| self.moved.get(i)) {
            Some((from, to)) => to + (at - from),
            None => at,
        };
        let mut there = there.min(self.text.len());
        while !self.text.is_char_boundary(there) {
            there -= 1;
        }
        there
    }
}

fn is_harmless(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, '\n' | '\t') || !c.is_ascii_control();
    }
    let mut buffer = [0; 4];
    let text: &str = c.encode_utf8(&mut buffer);
    visible(text) == text
}

#[cfg(test)]
mod tests {
    use super::{Lines, STRIDE, Shown};

    #[test]
    fn columns_count_characters_also_far_into_a_line() {
        let text = format!("a\n{}x\n", "é".repeat(STRIDE));
        let lines = Lines::of(&text);
        let x = 2 + 2 * STRIDE;
        assert_eq!((lines.line(x), lines.column(&text, x)), (2, STRIDE + 1));
        assert_eq!((lines.line(0), lines.column(&text, 0)), (1, 1));
        let end = Lines::of(&"b".repeat(STRIDE));
        assert_eq!(end.column(&"b".repeat(STRIDE), STRIDE), STRIDE + 1);
    }

    #[test]
    fn offsets_follow_what_was_made_visible() {
        let shown = Shown::of("a\u{1b}b\u{202e}c");
        assert_eq!(shown.text, "a\u{fffd}b\u{fffd}c");
        let at = |text: &str| shown.text.find(text);
        assert_eq!(
            (Some(shown.offset(2)), Some(shown.offset(6))),
            (at("b"), at("c"))
        );
    }
}
