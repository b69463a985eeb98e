//! Tokens into lines that belong together: nodes with their blocks, and the comments beside them.

use super::super::lexer::{Lexer, Refused, Token, is_space};

/// What stands between `{` and `}`, or in a whole file.
#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    /// Block comments on the line of the `{`.
    pub(super) head: Vec<&'a str>,
    /// The comment that ends the line of the `{`.
    pub(super) head_comment: Option<Comment<'a>>,
    pub(super) items: Vec<Item<'a>>,
    /// It was written on one line.
    pub(super) is_one_line: bool,
}

/// A node, or comments on lines of their own.
#[derive(Debug, Default)]
pub(super) struct Item<'a> {
    /// It stands apart from what is above it.
    pub(super) is_apart: bool,
    /// Nothing for a line that holds a comment alone.
    pub(super) pieces: Vec<Piece<'a>>,
    /// The comment that ends its line.
    pub(super) comment: Option<Comment<'a>>,
}

#[derive(Debug)]
pub(super) enum Piece<'a> {
    Token(Token, &'a str),
    BlockComment(&'a str),
    /// A line end within the node: behind a backslash, or behind a comment that a `/-` waits across.
    Break {
        has_backslash: bool,
        comment: Option<Comment<'a>>,
    },
    Block(Body<'a>),
}

/// `// …`, and where it stood.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comment<'a> {
    pub(super) text: &'a str,
    pub(super) column: usize,
    /// Where that which stands before it on its line ended.
    pub(super) behind: usize,
}

/// A tab counts as an indent: what its author saw is not known.
const TAB: usize = 4;

/// Reads `text`, whose lines end with `\n`.
///
/// # Errors
/// When it is not what the guard lets pass.
pub(super) fn read(text: &str) -> Result<Body<'_>, Refused> {
    let mut reader = Reader {
        text,
        level: Level::default(),
        outer: Vec::new(),
    };
    let mut lexer = Lexer::new(text);
    while let Some(next) = lexer.next() {
        let (token, at) = next?;
        reader.take(token, at.start, text.get(at).unwrap_or_default());
    }
    reader.level.end_item();
    Ok(reader.level.body)
}

#[derive(Default)]
struct Level<'a> {
    body: Body<'a>,
    item: Item<'a>,
    /// Where its `{` ends.
    start: usize,
    /// Line ends since the last item.
    newlines: usize,
    /// What follows stands on the line of the `{`.
    is_at_head: bool,
    /// What follows stands on the line of the last item, behind its `;`.
    is_behind_semicolon: bool,
}

struct Reader<'a> {
    text: &'a str,
    level: Level<'a>,
    outer: Vec<Level<'a>>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, token: Token, start: usize, text: &'a str) {
        let level = &mut self.level;
        match token {
            Token::Space => {}
            Token::Newline => {
                if !level.awaits_slashdashed() {
                    level.end_item();
                    level.line_ends();
                    level.newlines += 1;
                }
            }
            Token::Semicolon => {
                level.end_item();
                level.is_behind_semicolon = true;
            }
            Token::LineComment => {
                let comment = self.comment(start, text);
                self.level.line_comment(comment);
            }
            Token::BlockComment => level.item.pieces.push(Piece::BlockComment(text)),
            Token::Continuation => {
                let comment = text
                    .find("//")
                    .and_then(|at| Some(self.comment(start + at, text.get(at..)?)));
                self.level.continuation(comment);
            }
            Token::Open => {
                let inner = Level {
                    start: start + text.len(),
                    is_at_head: true,
                    ..Level::default()
                };
                self.outer.push(std::mem::replace(level, inner));
            }
            Token::Close => {
                level.end_item();
                let Some(outer) = self.outer.pop() else {
                    return;
                };
                let mut inner = std::mem::replace(&mut self.level, outer);
                let written = self.text.get(inner.start..start).unwrap_or_default();
                inner.body.is_one_line = !written.contains('\n');
                self.level.item.pieces.push(Piece::Block(inner.body));
            }
            _ => level.item.pieces.push(Piece::Token(token, text)),
        }
    }

    fn comment(&self, start: usize, text: &'a str) -> Comment<'a> {
        let before = self.text.get(..start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        Comment {
            text: text.trim_end_matches(|c| is_space(c) || c == '\n'),
            column: width(line),
            behind: width(line.trim_end_matches(is_space)),
        }
    }
}

impl<'a> Level<'a> {
    /// Says that the next line end means nothing: what a `/-` takes is still to come.
    fn awaits_slashdashed(&self) -> bool {
        let mut pieces = self.item.pieces.iter().rev();
        let last =
            pieces.find(|piece| !matches!(piece, Piece::BlockComment(_) | Piece::Break { .. }));
        matches!(last, Some(Piece::Token(Token::Slashdash, _)))
    }

    fn line_ends(&mut self) {
        self.is_at_head = false;
        self.is_behind_semicolon = false;
    }

    fn line_comment(&mut self, comment: Comment<'a>) {
        if self.awaits_slashdashed() {
            self.item.pieces.push(Piece::Break {
                has_backslash: false,
                comment: Some(comment),
            });
        } else {
            self.item.comment = Some(comment);
            self.end_item();
        }
    }

    fn continuation(&mut self, comment: Option<Comment<'a>>) {
        if !self.item.pieces.is_empty() {
            self.item.pieces.push(Piece::Break {
                has_backslash: true,
                comment,
            });
            return;
        }
        // Before a node it joins nothing.
        self.item.comment = comment;
        self.end_item();
        self.line_ends();
        self.newlines = self.newlines.max(1);
    }

    fn end_item(&mut self) {
        let mut item = std::mem::take(&mut self.item);
        let mut comments = end_breaks(&mut item.pieces);
        comments.extend(item.comment.take());
        let mut comments = comments.into_iter();
        item.comment = comments.next();
        if item.pieces.is_empty() && item.comment.is_none() {
            return;
        }
        if let Some(item) = self.beside_what_is_there(item) {
            self.body.items.push(Item {
                is_apart: self.newlines > 1 && !self.body.items.is_empty(),
                ..item
            });
        }
        self.body.items.extend(comments.map(|comment| Item {
            comment: Some(comment),
            ..Item::default()
        }));
        self.newlines = 0;
        self.is_behind_semicolon = false;
    }

    /// Comments that stand behind a `{` or `;` on its line belong there. Gives back what does not.
    fn beside_what_is_there(&mut self, item: Item<'a>) -> Option<Item<'a>> {
        let is_comment = |piece: &Piece| matches!(piece, Piece::BlockComment(_));
        if !item.pieces.iter().all(is_comment) {
            return Some(item);
        }
        if self.is_at_head && self.body.items.is_empty() && self.body.head_comment.is_none() {
            let texts = item.pieces.iter().filter_map(|piece| match piece {
                Piece::BlockComment(text) => Some(*text),
                _ => None,
            });
            self.body.head.extend(texts);
            self.body.head_comment = item.comment;
            return None;
        }
        let last = self.body.items.last_mut();
        let Some(last) = last.filter(|last| self.is_behind_semicolon && last.comment.is_none())
        else {
            return Some(item);
        };
        last.pieces.extend(item.pieces);
        last.comment = item.comment;
        None
    }
}

/// Takes the line ends off the end of a node, where they join nothing; the comments that stood behind them.
fn end_breaks<'a>(pieces: &mut Vec<Piece<'a>>) -> Vec<Comment<'a>> {
    let mut found = Vec::new();
    while let Some(Piece::Break { comment, .. }) = pieces.last() {
        found.extend(*comment);
        pieces.pop();
    }
    found.reverse();
    found
}

/// The column behind `line`.
pub(super) fn width(line: &str) -> usize {
    line.chars().fold(0, |at, c| match c {
        '\t' => (at / TAB + 1) * TAB,
        _ => at + 1,
    })
}
