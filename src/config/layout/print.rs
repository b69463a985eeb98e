//! Lines out of nodes.

use super::super::lexer::Token;
use super::columns::{self, Line};
use super::tree::{Body, Comment, Item, Piece, width};

/// Blocks that were written on one line stay there up to this column. A host with all of its `ssh` is about as long.
const WIDEST: usize = 120;
/// Blanks of one indent.
const INDENT: usize = 4;

/// Prints a file.
pub(super) fn print(body: &Body<'_>) -> String {
    let mut printer = Printer {
        lines: Vec::new(),
        line: String::new(),
    };
    printer.items(&body.items, 0);
    columns::join(&printer.lines)
}

struct Printer<'a> {
    lines: Vec<Line<'a>>,
    /// The line being written.
    line: String,
}

impl<'a> Printer<'a> {
    fn items(&mut self, items: &[Item<'a>], depth: usize) {
        for item in items {
            if item.is_apart {
                self.lines.push(Line::default());
            }
            self.item(item, depth);
        }
    }

    fn item(&mut self, item: &Item<'a>, depth: usize) {
        if let Some(comment) = item.comment.filter(|_| item.pieces.is_empty()) {
            self.start(depth);
            self.comment_alone(comment, depth);
            return;
        }
        self.start(depth);
        let mut before = None;
        for (i, piece) in item.pieces.iter().enumerate() {
            if is_parted(before, piece, is_first_token(&item.pieces, i)) {
                self.line.push(' ');
            }
            self.piece(piece, depth);
            before = Some(piece);
        }
        self.end(item.comment);
    }

    /// Ends a line that holds a comment alone: it may carry on the one at the end of the line above.
    fn comment_alone(&mut self, comment: Comment<'a>, depth: usize) {
        let above = self.lines.last().and_then(|line| line.comment);
        if comment.column > depth * INDENT
            && above.is_some_and(|above| above.column == comment.column)
        {
            return self.end(Some(comment));
        }
        self.line.push_str(comment.text);
        self.end(None);
    }

    fn piece(&mut self, piece: &Piece<'a>, depth: usize) {
        match piece {
            Piece::Token(_, text) | Piece::BlockComment(text) => self.line.push_str(text),
            Piece::Break {
                has_backslash,
                comment,
            } => {
                match comment {
                    Some(comment) if !has_backslash && self.line.trim_start().is_empty() => {
                        self.comment_alone(*comment, depth + 1);
                    }
                    _ => {
                        self.line.push_str(if *has_backslash { "\\" } else { "" });
                        self.end(*comment);
                    }
                }
                self.start(depth + 1);
            }
            Piece::Block(body) => self.block(body, depth),
        }
    }

    fn block(&mut self, body: &Body<'a>, depth: usize) {
        if let Some(flat) = flat(body) {
            let line = self.line.rsplit('\n').next().unwrap_or_default();
            if width(line) + width(&flat) <= WIDEST {
                self.line.push_str(&flat);
                return;
            }
        }
        self.line.push('{');
        for comment in &body.head {
            self.line.push(' ');
            self.line.push_str(comment);
        }
        self.end(body.head_comment);
        self.items(&body.items, depth + 1);
        self.start(depth);
        self.line.push('}');
    }

    fn start(&mut self, depth: usize) {
        self.line.extend(std::iter::repeat_n(' ', depth * INDENT));
    }

    fn end(&mut self, comment: Option<Comment<'a>>) {
        let code = std::mem::take(&mut self.line);
        self.lines.push(Line {
            code: code.trim_end_matches(' ').to_owned(),
            comment,
        });
    }
}

/// The block on one line, if it is empty or was written so.
fn flat(body: &Body<'_>) -> Option<String> {
    if body.items.is_empty() && body.head.is_empty() && body.head_comment.is_none() {
        return Some("{}".to_owned());
    }
    if !body.is_one_line {
        return None;
    }
    let mut parts: Vec<String> = Vec::with_capacity(body.items.len());
    for item in &body.items {
        let mut part = String::new();
        let mut before = None;
        for (i, piece) in item.pieces.iter().enumerate() {
            if is_parted(before, piece, is_first_token(&item.pieces, i)) {
                part.push(' ');
            }
            match piece {
                Piece::Token(_, text) | Piece::BlockComment(text) => part.push_str(text),
                Piece::Block(inner) => part.push_str(&flat(inner)?),
                Piece::Break { .. } => return None,
            }
            before = Some(piece);
        }
        parts.push(part);
    }
    let mut words: Vec<&str> = vec!["{"];
    words.extend(&body.head);
    let items = parts.join("; ");
    words.extend(Some(items.as_str()).filter(|items| !items.is_empty()));
    words.push("}");
    Some(words.join(" "))
}

/// Says that nothing but comments stands before piece `i - 1`: a `/-` there takes the whole node.
fn is_first_token(pieces: &[Piece<'_>], i: usize) -> bool {
    let before = pieces.get(..i.saturating_sub(1)).unwrap_or_default();
    before
        .iter()
        .all(|piece| matches!(piece, Piece::BlockComment(_) | Piece::Break { .. }))
}

/// Says that a blank goes between two pieces; `is_first` tells a `/-` of a node from one of a value or block.
fn is_parted(before: Option<&Piece<'_>>, piece: &Piece<'_>, is_first: bool) -> bool {
    match (before, piece) {
        (None | Some(Piece::Break { .. }), _) => false,
        (Some(Piece::BlockComment(_)), _) | (_, Piece::BlockComment(_)) => true,
        // A comment brings its own blanks.
        (_, Piece::Break { has_backslash, .. }) => *has_backslash,
        (Some(Piece::Token(Token::TypeOpen | Token::TypeClose | Token::Equals, _)), _)
        | (_, Piece::Token(Token::TypeClose | Token::Equals, _)) => false,
        (Some(Piece::Token(Token::Slashdash, _)), _) => is_first,
        _ => true,
    }
}
