//! KDL 2 text into tokens, stricter than the parser behind it.
//!
//! The `kdl` crate goes on after a mistake by skipping characters, and may then take the inside of a string or comment
//! for nodes. So whatever it could stumble over is refused here: of a text that passes, both see the same tokens.

use std::ops::Range;

/// Comments in comments.
const DEEPEST_COMMENT: usize = 8;
/// The parser calls itself at each `*` and `/` of a block comment: 160,000 of them end the program (kdl 6.7).
const MOST_MARKS: usize = 10_000;

/// Why a text does not reach the parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: &'static str,
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) help: String,
}

impl Refused {
    pub(super) fn syntax(
        at: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            code: "syntax",
            at,
            message: message.into(),
            help: help.into(),
        }
    }

    pub(super) fn complex(at: Range<usize>, message: &str, help: &str) -> Self {
        Self {
            code: "too-complex",
            at,
            message: message.to_owned(),
            help: help.to_owned(),
        }
    }
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// Blanks.
    Space,
    /// `/* … */`.
    BlockComment,
    /// A backslash that joins two lines, with the comment behind it and the line end.
    Continuation,
    /// A line end.
    Newline,
    /// `//` to the end of the line, without it.
    LineComment,
    /// `/-`.
    Slashdash,
    /// `{`.
    Open,
    /// `}`.
    Close,
    /// `(`.
    TypeOpen,
    /// `)`.
    TypeClose,
    /// `=`.
    Equals,
    /// `;`.
    Semicolon,
    /// A word that may be a name, or text in quotes.
    Text,
    /// A number or a keyword.
    Value,
}

/// The tokens of a text, one after the other.
pub(super) struct Lexer<'a> {
    text: &'a str,
    pub(super) at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        // A byte order mark may stand at the very start and nowhere else.
        let at = if text.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        Self { text, at }
    }

    /// The next token and its place; nothing at the end of the text.
    pub(super) fn next(&mut self) -> Option<Result<(Token, Range<usize>), Refused>> {
        let start = self.at;
        let c = self.peek()?;
        let token = match c {
            '{' => self.single(Token::Open),
            '}' => self.single(Token::Close),
            '(' => self.single(Token::TypeOpen),
            ')' => self.single(Token::TypeClose),
            '=' => self.single(Token::Equals),
            ';' => self.single(Token::Semicolon),
            '\n' => self.single(Token::Newline),
            // The guard lets none pass that stands alone.
            '\r' => {
                self.at += self.rest().len().min(2);
                Ok(Token::Newline)
            }
            '\\' => self.continuation(),
            '/' => self.slash(),
            '"' => self.quoted(),
            '#' => self.hash(),
            c if is_space(c) => {
                self.skip_spaces();
                Ok(Token::Space)
            }
            _ => self.word(),
        };
        Some(token.map(|token| (token, start..self.at)))
    }

    /// Goes to the end of the line; what was skipped.
    pub(super) fn skip_line(&mut self) -> &'a str {
        let rest = self.rest();
        let line = rest.split('\n').next().unwrap_or(rest);
        self.at += line.len();
        line
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn single(&mut self, token: Token) -> Result<Token, Refused> {
        self.at += 1;
        Ok(token)
    }

    fn skip_spaces(&mut self) {
        while let Some(c) = self.peek().filter(|c| is_space(*c)) {
            self.at += c.len_utf8();
        }
    }

    /// `\`, blanks, and the end of the line, which then ends nothing.
    fn continuation(&mut self) -> Result<Token, Refused> {
        let start = self.at;
        self.at += 1;
        self.skip_spaces();
        if self.rest().starts_with("//") {
            self.skip_line();
        }
        if self.rest().starts_with("\r\n") {
            self.at += 1;
        }
        if self.peek().is_some_and(|c| c != '\n') {
            let message = "a backslash that is not in quotes only joins two lines";
            return Err(Refused::syntax(
                start..start + 1,
                message,
                "write text with backslashes in quotes: #\"…\"#",
            ));
        }
        self.at = (self.at + 1).min(self.text.len());
        Ok(Token::Continuation)
    }

    fn slash(&mut self) -> Result<Token, Refused> {
        let rest = self.rest();
        if rest.starts_with("//") {
            self.skip_line();
            // The carriage return of the line end belongs to that.
            if self
                .text
                .get(..self.at)
                .is_some_and(|before| before.ends_with('\r'))
            {
                self.at -= 1;
            }
            return Ok(Token::LineComment);
        }
        if rest.starts_with("/*") {
            return self.block_comment();
        }
        if rest.starts_with("/-") {
            self.at += 2;
            return Ok(Token::Slashdash);
        }
        let word = self.word_at();
        Err(Refused::syntax(
            self.at..self.at + word.len(),
            "a path is written in quotes",
            format!("write `\"{word}\"`"),
        ))
    }

    fn block_comment(&mut self) -> Result<Token, Refused> {
        let start = self.at;
        let (mut depth, mut marks) = (0_usize, 0_usize);
        while let Some(c) = self.peek() {
            if self.rest().starts_with("/*") {
                depth += 1;
                if depth > DEEPEST_COMMENT {
                    let message = "comments are nested more than 8 deep";
                    return Err(Refused::complex(
                        self.at..self.at + 2,
                        message,
                        "take the inner ones out",
                    ));
                }
                self.at += 2;
            } else if self.rest().starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Ok(Token::BlockComment);
                }
            } else {
                self.at += c.len_utf8();
            }
            marks += usize::from(matches!(c, '*' | '/'));
            if marks > MOST_MARKS {
                let message = "this comment holds more than 10000 `*` and `/`";
                return Err(Refused::complex(
                    start..start + 2,
                    message,
                    "comment with `//`",
                ));
            }
        }
        Err(Refused::syntax(
            start..start + 2,
            "this comment is never closed",
            "close it with `*/`",
        ))
    }

    fn quoted(&mut self) -> Result<Token, Refused> {
        let start = self.at;
        if self.rest().starts_with("\"\"\"") {
            return Err(several_lines(start..start + 3));
        }
        self.at += 1;
        loop {
            match self.peek() {
                Some('"') => {
                    self.at += 1;
                    return self.terminated(start, Token::Text);
                }
                Some('\\') => self.escape()?,
                Some('\n' | '\r') | None => return Err(self.not_closed(start, "\"")),
                Some(c) => self.at += c.len_utf8(),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Refused> {
        let start = self.at;
        self.at += 1;
        match self.peek() {
            Some('"' | '\\' | 'b' | 'f' | 'n' | 'r' | 't' | 's') => self.at += 1,
            Some('u') => {
                let digits = self
                    .rest()
                    .strip_prefix("u{")
                    .and_then(|rest| rest.split('}').next());
                let is_char = digits.filter(|d| (1..=6).contains(&d.len())).and_then(|d| {
                    d.bytes().all(|b| b.is_ascii_hexdigit()).then_some(())?;
                    u32::from_str_radix(d, 16).ok().and_then(char::from_u32)
                });
                let (Some(digits), Some(_)) = (digits, is_char) else {
                    let message = "`\\u` does not name a character";
                    return Err(Refused::syntax(
                        start..start + 2,
                        message,
                        "write `\\u{e9}`, one to six digits",
                    ));
                };
                self.at += digits.len() + 3;
            }
            // Blanks and line ends behind a backslash are left out of the text.
            Some(c) if is_space(c) || matches!(c, '\n' | '\r') => {
                while let Some(c) = self
                    .peek()
                    .filter(|c| is_space(*c) || matches!(c, '\n' | '\r'))
                {
                    self.at += c.len_utf8();
                }
            }
            Some(c) => {
                let end = self.at + c.len_utf8();
                let message = format!("`\\{c}` means nothing in quotes");
                return Err(Refused::syntax(
                    start..end,
                    message,
                    "write `\\\\` for a backslash, or use `#\"…\"#`",
                ));
            }
            None => {}
        }
        Ok(())
    }

    /// `#"…"#`, or a keyword.
    fn hash(&mut self) -> Result<Token, Refused> {
        let start = self.at;
        let hashes = self.rest().bytes().take_while(|b| *b == b'#').count();
        let behind = self.rest().get(hashes..).unwrap_or_default();
        if behind.starts_with("\"\"\"") {
            return Err(several_lines(start..start + hashes + 3));
        }
        if let Some(body) = behind.strip_prefix('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let line = body.split(['\n', '\r']).next().unwrap_or(body);
            let Some(length) = line.find(&end) else {
                return Err(self.not_closed(start, &end));
            };
            self.at += hashes + 1 + length + end.len();
            return self.terminated(start, Token::Text);
        }
        let word: &str = behind
            .split(|c: char| !c.is_alphanumeric() && c != '-')
            .next()
            .unwrap_or_default();
        let end = start + hashes + word.len();
        if hashes == 1 && matches!(word, "true" | "false" | "null" | "inf" | "-inf" | "nan") {
            self.at = end;
            return self.terminated(start, Token::Value);
        }
        Err(Refused::syntax(
            start..end,
            "no value begins with `#` like this",
            "there are `#true` and `#false`; comments begin with `//`",
        ))
    }

    /// A word as far as blanks or signs of the language go.
    fn word_at(&self) -> &'a str {
        let is_end = |c: char| {
            is_space(c)
                || matches!(
                    c,
                    '\n' | '\r' | '{' | '}' | '(' | ')' | ';' | '"' | '=' | '\\'
                )
        };
        self.rest().split(is_end).next().unwrap_or_default()
    }

    fn word(&mut self) -> Result<Token, Refused> {
        let start = self.at;
        let shown = self.word_at();
        let word = shown.split(['/', '[', ']', '#']).next().unwrap_or_default();
        let all = start..start + shown.len().max(1);
        if matches!(shown, "r" | "r#" | "r##")
            && self
                .rest()
                .get(shown.len()..)
                .is_some_and(|b| b.starts_with('"'))
        {
            let message = "`r\"…\"` is how KDL 1 writes a raw string";
            return Err(Refused::syntax(all, message, "KDL 2 writes `#\"…\"#`"));
        }
        if matches!(word, "true" | "false" | "null") {
            let message = format!("`{word}` is how KDL 1 writes it");
            return Err(Refused::syntax(
                start..start + word.len(),
                message,
                format!("KDL 2 writes `#{word}`"),
            ));
        }
        let behind = shown.get(word.len()..).unwrap_or_default();
        let is_comment = behind.starts_with("//") || behind.starts_with("/*");
        if (!behind.is_empty() && !is_comment) || matches!(word, "inf" | "-inf" | "nan") {
            let message = format!("`{shown}` has to stand in quotes");
            return Err(Refused::syntax(
                all,
                message,
                format!("write `\"{shown}\"`"),
            ));
        }
        let unsigned = word.trim_start_matches(['+', '-']);
        let looks_like_number = unsigned
            .trim_start_matches('.')
            .starts_with(|c: char| c.is_ascii_digit());
        if looks_like_number && !is_number(word) {
            let message = format!("`{word}` is neither a number nor a word");
            return Err(Refused::syntax(
                start..start + word.len(),
                message,
                format!("write it in quotes: `\"{word}\"`"),
            ));
        }
        self.at += word.len();
        self.terminated(
            start,
            if looks_like_number {
                Token::Value
            } else {
                Token::Text
            },
        )
    }

    /// What is glued to the end of a value would be taken for a part of it.
    fn terminated(&self, start: usize, token: Token) -> Result<Token, Refused> {
        let rest = self.rest();
        let is_end =
            |c: char| is_space(c) || matches!(c, '\n' | '\r' | '{' | '}' | ')' | ';' | '=' | '\\');
        if rest.is_empty()
            || rest.starts_with(is_end)
            || rest.starts_with("//")
            || rest.starts_with("/*")
        {
            return Ok(token);
        }
        let message = "something is glued to the end of this value";
        Err(Refused::syntax(
            start..self.at,
            message,
            "leave a blank between two values",
        ))
    }

    fn not_closed(&self, start: usize, end: &str) -> Refused {
        let rest = self.text.get(start..).unwrap_or_default();
        let line = rest.split(['\n', '\r']).next().unwrap_or(rest);
        Refused::syntax(
            start..start + line.trim_end().len(),
            "this text is not closed on its line",
            format!("close it with `{end}`"),
        )
    }
}

fn several_lines(at: Range<usize>) -> Refused {
    Refused::syntax(
        at,
        "no setting takes text of several lines",
        "write it in one line, in single quotes: \"…\"",
    )
}

/// What KDL 2 takes for a blank (its specification, "Whitespace").
pub(super) fn is_space(c: char) -> bool {
    matches!(
        c,
        '\t' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// Whole numbers to 18 digits, and plain fractions: no setting takes more, and the parser's own errors are skipped past.
fn is_number(word: &str) -> bool {
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    let is_digits = |part: &str| {
        part.len() <= 18
            && part.starts_with(|c: char| c.is_ascii_digit())
            && part.bytes().all(|b| b.is_ascii_digit() || b == b'_')
    };
    match unsigned.split_once('.') {
        Some((whole, part)) => is_digits(whole) && is_digits(part),
        None => is_digits(unsigned),
    }
}
