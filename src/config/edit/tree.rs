//! The shape of a text: which node, value and block stands where. Byte ranges only, no values.
//!
//! Built from the same tokens that the guard lets pass, so that it sees what the parser sees.

use std::ops::Range;

use crate::config::lexer::{Lexer, Token};

/// A token and its place.
pub(super) type Placed = (Token, Range<usize>);

/// A value or property.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// All of it.
    pub(super) range: Range<usize>,
    /// The name of a property.
    pub(super) key: Option<Range<usize>>,
    /// The value with its annotation.
    pub(super) value: Range<usize>,
}

/// What stands in braces.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// The `{`.
    pub(super) open: usize,
    /// The `}`.
    pub(super) close: usize,
    pub(super) nodes: Vec<Node>,
}

/// A node that counts: one that `/-` takes out is none.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// From its name to the end of its last value or block.
    pub(super) range: Range<usize>,
    pub(super) name: Range<usize>,
    pub(super) entries: Vec<Entry>,
    pub(super) block: Option<Block>,
    /// Something in its line is taken out by `/-`.
    pub(super) has_dashed: bool,
}

/// The tokens of a text that the guard has let pass.
pub(super) fn tokens(text: &str) -> Vec<Placed> {
    let mut lexer = Lexer::new(text);
    let mut found = Vec::new();
    while let Some(Ok(token)) = lexer.next() {
        found.push(token);
    }
    found
}

/// The nodes of the top of a text that the guard has let pass.
pub(super) fn nodes(text: &str) -> Vec<Node> {
    let tokens = tokens(text);
    let mut reader = Reader {
        tokens: &tokens,
        next: 0,
    };
    reader.nodes()
}

struct Reader<'a> {
    tokens: &'a [Placed],
    next: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.next).map(|(token, _)| *token)
    }

    fn place(&self) -> Range<usize> {
        self.tokens
            .get(self.next)
            .map(|(_, at)| at.clone())
            .unwrap_or_default()
    }

    fn take(&mut self) -> Range<usize> {
        let at = self.place();
        self.next += 1;
        at
    }

    /// Everything up to the `}` of the block, or the end.
    fn nodes(&mut self) -> Vec<Node> {
        let mut found = Vec::new();
        let mut is_dashed = false;
        while let Some(token) = self.peek() {
            match token {
                Token::Close => break,
                Token::Text => {
                    let node = self.node();
                    if !std::mem::take(&mut is_dashed) {
                        found.push(node);
                    }
                }
                Token::Slashdash => {
                    is_dashed = true;
                    self.take();
                }
                _ => {
                    self.take();
                }
            }
        }
        found
    }

    fn node(&mut self) -> Node {
        let name = self.take();
        let mut node = Node {
            range: name.clone(),
            name,
            entries: Vec::new(),
            block: None,
            has_dashed: false,
        };
        let mut is_dashed = false;
        while let Some(token) = self.peek() {
            match token {
                Token::Newline | Token::LineComment if is_dashed => {
                    self.take();
                }
                Token::Newline | Token::LineComment | Token::Semicolon | Token::Close => break,
                Token::Slashdash => {
                    is_dashed = true;
                    node.has_dashed = true;
                    self.take();
                }
                Token::Open => {
                    let block = self.block();
                    node.range.end = block.close + 1;
                    if !std::mem::take(&mut is_dashed) {
                        node.block = Some(block);
                    }
                }
                Token::Text | Token::Value | Token::TypeOpen => {
                    let entry = self.entry();
                    node.range.end = entry.range.end;
                    if !std::mem::take(&mut is_dashed) {
                        node.entries.push(entry);
                    }
                }
                Token::Space
                | Token::BlockComment
                | Token::Continuation
                | Token::TypeClose
                | Token::Equals => {
                    self.take();
                }
            }
        }
        node
    }

    fn block(&mut self) -> Block {
        let open = self.take().start;
        let nodes = self.nodes();
        let close = self.take().start;
        Block { open, close, nodes }
    }

    fn entry(&mut self) -> Entry {
        let first = self.value();
        let before = self.next;
        self.skip_spaces();
        if self.peek() != Some(Token::Equals) {
            self.next = before;
            return Entry {
                range: first.clone(),
                key: None,
                value: first,
            };
        }
        self.take();
        self.skip_spaces();
        let value = self.value();
        Entry {
            range: first.start..value.end,
            key: Some(first),
            value,
        }
    }

    /// A value with the annotation before it.
    fn value(&mut self) -> Range<usize> {
        let start = self.place().start;
        if self.peek() == Some(Token::TypeOpen) {
            while self.peek().is_some_and(|token| token != Token::TypeClose) {
                self.take();
            }
            self.take();
            self.skip_spaces();
        }
        start..self.take().end
    }

    fn skip_spaces(&mut self) {
        while let Some(Token::Space | Token::BlockComment | Token::Continuation) = self.peek() {
            self.take();
        }
    }
}
