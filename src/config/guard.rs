//! What stands in front of the parser: tiny files can make it run for hours (nested slashdash blocks, kdl-rs #177) and
//! deep ones overflow its stack, which ends the program.

use std::ops::Range;

/// Larger files are not written by hand; ten thousand hosts are 3.4 MB.
pub(super) const LARGEST: u64 = 4 << 20;
/// A host's `ssh { }` is depth two; nobody needs sixteen.
const DEEPEST: usize = 16;
/// Comments in comments.
const DEEPEST_COMMENT: usize = 8;

/// Why a text does not reach the parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) help: &'static str,
}

fn refused(at: Range<usize>, message: impl Into<String>, help: &'static str) -> Refused {
    Refused {
        at,
        message: message.into(),
        help,
    }
}

/// Looks whether `text` may be parsed: depth of blocks and comments, and slashdash within slashdash. Linear in its length.
pub(super) fn check(text: &str) -> Result<(), Refused> {
    let mut lexer = Lexer {
        bytes: text.as_bytes(),
        at: 0,
    };
    // For each open block, whether it lies in a slashdashed one.
    let mut blocks: Vec<(usize, bool)> = Vec::new();
    let mut slashdash = None;
    while let Some(byte) = lexer.peek() {
        let start = lexer.at;
        match byte {
            b'"' => lexer.string(),
            b'#' => lexer.raw_string(),
            b'/' if lexer.follows(b"//") => lexer.line_comment(),
            b'/' if lexer.follows(b"/*") => {
                if let Some(deep) = lexer.block_comment() {
                    return Err(refused(
                        deep..deep + 2,
                        "comments are nested more than 8 deep",
                        "take the inner ones out",
                    ));
                }
            }
            b'/' if lexer.follows(b"/-") => {
                if blocks.last().is_some_and(|(_, is_dashed)| *is_dashed) {
                    return Err(refused(
                        start..start + 2,
                        "`/-` stands inside a block that is commented out by `/-`",
                        "take the inner `/-` out, or comment with `//`",
                    ));
                }
                lexer.at += 2;
                slashdash = Some(start);
                continue;
            }
            b'{' => {
                let inherited = blocks.last().is_some_and(|(_, is_dashed)| *is_dashed);
                blocks.push((start, inherited || slashdash.is_some()));
                if blocks.len() > DEEPEST {
                    return Err(refused(
                        start..start + 1,
                        "blocks are nested more than 16 deep",
                        "no setting needs more than four",
                    ));
                }
                lexer.at += 1;
            }
            b'}' => {
                blocks.pop();
                lexer.at += 1;
            }
            _ => lexer.at += 1,
        }
        // A slashdash takes the next node, with its block; the end of the line or a semicolon ends the node.
        let ends = matches!(byte, b'\n' | b';') || (byte == b'}');
        if ends && !lexer.is_continued(start) && has_content_since(text, slashdash, start) {
            slashdash = None;
        }
    }
    Ok(())
}

/// A slashdash may stand on a line before what it takes.
fn has_content_since(text: &str, slashdash: Option<usize>, until: usize) -> bool {
    slashdash.is_some_and(|from| {
        text.get(from + 2..until)
            .is_some_and(|between| !between.trim().is_empty())
    })
}

struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn follows(&self, word: &[u8]) -> bool {
        self.bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word))
    }

    /// Says that a line end at `at` is escaped by a backslash before it.
    fn is_continued(&self, at: usize) -> bool {
        let before = self.bytes.get(..at).unwrap_or_default();
        before
            .iter()
            .rev()
            .find(|b| !matches!(b, b' ' | b'\t' | b'\r'))
            == Some(&b'\\')
    }

    fn string(&mut self) {
        if self.follows(b"\"\"\"") {
            self.at += 3;
            self.until(b"\"\"\"", true);
        } else {
            self.at += 1;
            self.until(b"\"", true);
        }
    }

    /// `#"…"#` and `#"""…"""#`; a lone `#` begins a keyword.
    fn raw_string(&mut self) {
        let hashes = self
            .bytes
            .get(self.at..)
            .unwrap_or_default()
            .iter()
            .take_while(|b| **b == b'#')
            .count();
        self.at += hashes;
        if self.peek() != Some(b'"') {
            return;
        }
        let quotes = if self.follows(b"\"\"\"") { 3 } else { 1 };
        self.at += quotes;
        let mut end = vec![b'"'; quotes];
        end.extend(std::iter::repeat_n(b'#', hashes));
        self.until(&end, false);
    }

    /// Goes behind `end`, or to the end of the text: the parser tells of what is not closed.
    fn until(&mut self, end: &[u8], has_escapes: bool) {
        while let Some(byte) = self.peek() {
            if has_escapes && byte == b'\\' {
                self.at += 2;
            } else if self.follows(end) {
                self.at += end.len();
                return;
            } else {
                self.at += 1;
            }
        }
    }

    fn line_comment(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    /// Goes behind a block comment; the place of one that is too deep.
    fn block_comment(&mut self) -> Option<usize> {
        let mut depth = 0;
        while self.peek().is_some() {
            if self.follows(b"/*") {
                depth += 1;
                if depth > DEEPEST_COMMENT {
                    return Some(self.at);
                }
                self.at += 2;
            } else if self.follows(b"*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return None;
                }
            } else {
                self.at += 1;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn ordinary_files_pass() {
        for text in [
            "",
            "a { b { c; } }\n/- d { e }\nf",
            "/- a {\n b\n}\n/- c {\n d\n}\n",
            "x \"{{{{{{{{{{{{{{{{{{{{\" #\"{{{{{{{{{{{{{{{{{{{{\"# // {{{{{{{{{{{{{{{{{{{{{\n",
            "x \"\"\"\n {{{{{{{{{{{{{{{{{{{{{{{{{\n \"\"\"",
            "/* { /* { */ */ a",
            "a /-b c /-{ d }",
            "/-\na { b }\nc { /- d }",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_would_hang_or_overflow_the_parser_does_not_reach_it() {
        for text in [
            "a {\n".repeat(17),
            "a /-{\n".repeat(4),
            "/- a {\n b\n".repeat(16),
            "/*".repeat(9),
            "/- a { /- b }".to_owned(),
            "/-\na { /- b { c } }".to_owned(),
            "/- a \"x\" \\\n { /- b }".to_owned(),
            "a /- b { /- c { } }".to_owned(),
        ] {
            assert!(check(&text).is_err(), "{text}");
        }
    }
}
