//! What stands in front of the parser: tiny files can make it run for hours (nested slashdash blocks, kdl-rs #177), and
//! deep ones overflow its stack, which ends the program.
//!
//! Follows the grammar without building anything, so that the parser never has to recover from a mistake: while it
//! recovers it may read what stands in quotes as nodes, and no limit would hold.

use std::ops::Range;

use super::lexer::{Lexer, Refused, Token};

/// Larger files are not written by hand; ten thousand hosts are 3.4 MB.
pub const LARGEST: u64 = 4 << 20;
/// A host's `ssh { }` is depth two; nobody needs sixteen.
const DEEPEST: usize = 16;
/// More mistakes in one file are not told apart.
const MOST: usize = 100;

/// Looks whether `text` may be parsed. Linear in its length.
pub(super) fn check(text: &str) -> Result<(), Vec<Refused>> {
    if let Some(refused) = hidden_character(text) {
        return Err(vec![refused]);
    }
    let mut walk = Walk::default();
    let mut lexer = Lexer::new(text);
    let mut found: Vec<Refused> = Vec::new();
    while let Some(next) = lexer.next() {
        let Err(refused) = next.and_then(|(token, at)| walk.take(token, at)) else {
            continue;
        };
        lexer.at = refused.at.start;
        let is_fatal = refused.code != "syntax" || found.len() >= MOST;
        found.push(refused);
        // A brace on the rest of the line would be missed, and the later ones told wrongly.
        if is_fatal || lexer.skip_line().contains(['{', '}']) {
            return Err(found);
        }
        walk.start_anew();
    }
    found.extend(walk.end(text.len()).err());
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Characters that KDL refuses, and line ends that editors do not show as such.
fn hidden_character(text: &str) -> Option<Refused> {
    let is_hidden = |at: usize, c: char| match c {
        '\u{feff}' => at > 0,
        '\t' | '\n' => false,
        '\r' => text.as_bytes().get(at + 1) != Some(&b'\n'),
        '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    };
    let (at, c) = text.char_indices().find(|(at, c)| is_hidden(*at, *c))?;
    Some(Refused::syntax(
        at..at + c.len_utf8(),
        format!(
            "the character U+{:04X} shows as nothing and may not stand here",
            u32::from(c)
        ),
        "take it out; in quotes it can be written as `\\u{…}`",
    ))
}

/// How far the present node has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// No node has begun.
    #[default]
    Start,
    /// Its name was read, and a value may follow.
    Entries,
    /// Only a block or the end may follow: a block was commented out.
    AfterDashedBlock,
    /// Only the end may follow, or blocks that are commented out.
    AfterBlock,
}

/// What has to follow at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Awaited {
    #[default]
    Nothing,
    /// The text within `(`…`)`.
    TypeName,
    TypeClose,
    /// What the type is of.
    Typed,
    /// The value of a property.
    Value,
}

#[derive(Debug)]
struct Block {
    at: Range<usize>,
    /// It, or one around it, is commented out.
    is_dashed: bool,
    /// The block itself is, and not its node.
    only_block: bool,
    /// Its node is.
    node_is_dashed: bool,
}

#[derive(Debug, Default)]
struct Walk {
    blocks: Vec<Block>,
    stage: Stage,
    awaited: Awaited,
    /// A `/-` waits for what it takes.
    slashdash: Option<Range<usize>>,
    node_is_dashed: bool,
    /// A blank or a sign stands before the next token.
    is_apart: bool,
    /// The last token can be the name of a property.
    is_key: bool,
}

impl Walk {
    fn start_anew(&mut self) {
        let blocks = std::mem::take(&mut self.blocks);
        *self = Self {
            blocks,
            is_apart: true,
            ..Self::default()
        };
    }

    fn take(&mut self, token: Token, at: Range<usize>) -> Result<(), Refused> {
        let was_key = std::mem::take(&mut self.is_key);
        match token {
            Token::Space | Token::BlockComment | Token::Continuation => {
                self.is_apart = true;
                self.is_key = was_key;
                Ok(())
            }
            Token::LineComment => Ok(()),
            Token::Newline => self.newline(at),
            Token::Semicolon if self.stage == Stage::Start => Err(Refused::syntax(
                at,
                "nothing stands before this `;`",
                "take it out",
            )),
            Token::Semicolon if self.node_is_dashed => {
                // The parser does not take it (kdl 6.7).
                Err(Refused::syntax(
                    at,
                    "a node that `/-` takes out cannot end with `;`",
                    "end it with its line",
                ))
            }
            Token::Semicolon => self.node_ends(at),
            Token::Slashdash => self.slashdash(at),
            Token::Open => self.open(at),
            Token::Close => self.close(at),
            Token::TypeOpen => self.type_open(at),
            Token::TypeClose if self.awaited == Awaited::TypeClose => {
                self.awaited = Awaited::Typed;
                Ok(())
            }
            Token::TypeClose => Err(Refused::syntax(
                at,
                "this `)` closes nothing",
                "take it out, or write text in quotes",
            )),
            Token::Equals if was_key => {
                self.awaited = Awaited::Value;
                Ok(())
            }
            Token::Equals => Err(Refused::syntax(
                at,
                "no name stands before this `=`",
                "a property is `name=value`, its value in quotes",
            )),
            Token::Text | Token::Value => self.value(token, at),
        }
    }

    fn newline(&mut self, at: Range<usize>) -> Result<(), Refused> {
        if self.slashdash.is_some() && self.awaited == Awaited::Nothing {
            // What a slashdash takes may stand on a later line.
            self.is_apart = true;
            return Ok(());
        }
        self.node_ends(at)
    }

    fn node_ends(&mut self, at: Range<usize>) -> Result<(), Refused> {
        self.nothing_awaited(&at)?;
        self.stage = Stage::Start;
        self.node_is_dashed = false;
        self.is_apart = true;
        Ok(())
    }

    fn nothing_awaited(&mut self, at: &Range<usize>) -> Result<(), Refused> {
        let wrong = |message: &str, help: &str| Err(Refused::syntax(at.clone(), message, help));
        match self.awaited {
            Awaited::Nothing => {}
            Awaited::TypeName | Awaited::TypeClose => {
                return wrong(
                    "a `)` is missing before this",
                    "write references as `(env)\"NAME\"`",
                );
            }
            Awaited::Typed => {
                return wrong(
                    "nothing follows the `(…)`",
                    "write references as `(env)\"NAME\"`",
                );
            }
            Awaited::Value => {
                return wrong("no value follows the `=`", "write the value in quotes");
            }
        }
        match self.slashdash.take() {
            Some(dash) => Err(Refused::syntax(
                dash,
                "this `/-` takes nothing",
                "put it before a node, a value or a block",
            )),
            None => Ok(()),
        }
    }

    fn slashdash(&mut self, at: Range<usize>) -> Result<(), Refused> {
        if self.blocks.last().is_some_and(|block| block.is_dashed) {
            let message = "`/-` stands inside a block that is commented out by `/-`";
            return Err(Refused::complex(
                at,
                message,
                "take the inner `/-` out, or comment with `//`",
            ));
        }
        self.nothing_awaited(&at)?;
        if !self.is_apart && self.stage != Stage::Start {
            return Err(Refused::syntax(
                at,
                "a blank is missing before this `/-`",
                "put one there",
            ));
        }
        self.slashdash = Some(at);
        self.is_apart = true;
        Ok(())
    }

    fn open(&mut self, at: Range<usize>) -> Result<(), Refused> {
        let dash = self.slashdash.take();
        self.nothing_awaited(&at)?;
        match self.stage {
            Stage::Start => {
                return Err(Refused::syntax(
                    at,
                    "no name stands before this block",
                    "a block belongs to the node on its line",
                ));
            }
            Stage::AfterBlock if dash.is_none() => {
                return Err(Refused::syntax(
                    at,
                    "this is the second block of one node",
                    "put all of it into one",
                ));
            }
            _ => {}
        }
        let inherited = self.blocks.last().is_some_and(|block| block.is_dashed);
        self.blocks.push(Block {
            at: at.clone(),
            is_dashed: inherited || self.node_is_dashed || dash.is_some(),
            only_block: dash.is_some() && self.stage != Stage::AfterBlock,
            node_is_dashed: self.node_is_dashed,
        });
        if self.blocks.len() > DEEPEST {
            return Err(Refused::complex(
                at,
                "blocks are nested more than 16 deep",
                "no setting needs more than four",
            ));
        }
        self.stage = Stage::Start;
        self.node_is_dashed = false;
        self.is_apart = true;
        Ok(())
    }

    fn close(&mut self, at: Range<usize>) -> Result<(), Refused> {
        self.nothing_awaited(&at)?;
        let Some(block) = self.blocks.pop() else {
            return Err(Refused::syntax(
                at,
                "this `}` closes nothing",
                "take it out, or look for a `{` that is missing above",
            ));
        };
        self.stage = if block.only_block {
            Stage::AfterDashedBlock
        } else {
            Stage::AfterBlock
        };
        self.node_is_dashed = block.node_is_dashed;
        self.is_apart = false;
        Ok(())
    }

    fn type_open(&mut self, at: Range<usize>) -> Result<(), Refused> {
        if self.awaited != Awaited::Value {
            self.nothing_before_value(&at)?;
        }
        self.awaited = Awaited::TypeName;
        Ok(())
    }

    /// Says whether a name or value may begin here.
    fn nothing_before_value(&mut self, at: &Range<usize>) -> Result<(), Refused> {
        let wrong = |message: &str, help: &str| Err(Refused::syntax(at.clone(), message, help));
        match self.stage {
            _ if self.awaited != Awaited::Nothing => self.nothing_awaited(at),
            Stage::AfterBlock | Stage::AfterDashedBlock => wrong(
                "this stands behind a block",
                "put it before the block, or on a line of its own",
            ),
            Stage::Entries if !self.is_apart => wrong(
                "a blank is missing before this",
                "leave a blank between two values",
            ),
            Stage::Start | Stage::Entries => Ok(()),
        }
    }

    fn value(&mut self, token: Token, at: Range<usize>) -> Result<(), Refused> {
        let is_typed = match self.awaited {
            Awaited::TypeName if token == Token::Text => {
                self.awaited = Awaited::TypeClose;
                return Ok(());
            }
            Awaited::Value => {
                self.awaited = Awaited::Nothing;
                self.slashdash = None;
                self.is_apart = false;
                return Ok(());
            }
            Awaited::Typed => {
                self.awaited = Awaited::Nothing;
                true
            }
            _ => {
                self.nothing_before_value(&at)?;
                false
            }
        };
        if self.stage == Stage::Start {
            if token == Token::Value {
                return Err(Refused::syntax(
                    at,
                    "a line begins with the name of a setting",
                    "put the value behind its name",
                ));
            }
            self.stage = Stage::Entries;
            self.node_is_dashed = self.slashdash.take().is_some();
        } else {
            self.is_key = token == Token::Text && !is_typed;
            self.slashdash = None;
        }
        self.is_apart = false;
        Ok(())
    }

    fn end(&mut self, length: usize) -> Result<(), Refused> {
        self.nothing_awaited(&(length..length))?;
        match self.blocks.pop() {
            Some(block) => Err(Refused::syntax(
                block.at,
                "this `{` is never closed",
                "add the `}` that is missing",
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
