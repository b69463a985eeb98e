//! Edits of the text of one node: everything that is not asked for stays as it is, byte for byte.

use std::ops::Range;

use super::tree::{self, Entry, Node};
use crate::config::lexer::Token;

/// The text of one `host` or `global` node, from its name to its last brace.
#[derive(Debug, Clone)]
pub(super) struct NodeText {
    text: String,
    /// What stands before the node on its line.
    pub(super) indent: String,
    /// By how much blocks are indented in this file.
    pub(super) unit: String,
    pub(super) newline: &'static str,
}

/// Why a piece of text is left alone.
pub(super) type Left = &'static str;

const DASHED: Left = "a part of it is commented out with `/-`: edit it by hand";

impl NodeText {
    pub(super) fn new(text: &str, indent: &str, unit: &str, newline: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            indent: indent.to_owned(),
            unit: unit.to_owned(),
            newline,
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// The node itself.
    pub(super) fn root(&self) -> Option<Node> {
        tree::nodes(&self.text).into_iter().next()
    }

    /// Name of a node or property, or a value, as the parser reads it.
    pub(super) fn decoded(&self, range: &Range<usize>) -> String {
        let raw = self.slice(range);
        if !raw.contains(['"', '#', '(']) {
            return raw.to_owned();
        }
        let parsed = kdl::KdlDocument::parse_v2(&format!("- {raw}")).ok();
        let entry = parsed.and_then(|doc| Some(doc.nodes().first()?.entries().first()?.clone()));
        let text = entry.and_then(|entry| entry.value().as_string().map(str::to_owned));
        text.unwrap_or_else(|| raw.to_owned())
    }

    pub(super) fn is_called(&self, node: &Node, name: &str) -> bool {
        self.decoded(&node.name) == name
    }

    /// The nodes called `name` in the block of `node`.
    pub(super) fn children(&self, node: &Node, name: &str) -> Vec<Node> {
        let nodes = node.block.iter().flat_map(|block| &block.nodes);
        nodes
            .filter(|child| self.is_called(child, name))
            .cloned()
            .collect()
    }

    /// Every node at the end of a path of blocks: two `ssh` blocks are one.
    pub(super) fn find(&self, path: &[&str]) -> Vec<Node> {
        let mut here: Vec<Node> = self.root().into_iter().collect();
        for name in path {
            here = here
                .iter()
                .flat_map(|node| self.children(node, name))
                .collect();
        }
        here
    }

    /// The values without a name.
    pub(super) fn arguments<'n>(
        &self,
        node: &'n Node,
    ) -> impl Iterator<Item = &'n Entry> + use<'n> {
        node.entries.iter().filter(|entry| entry.key.is_none())
    }

    /// The property `name` that counts, which is the last.
    pub(super) fn property<'n>(&self, node: &'n Node, name: &str) -> Option<&'n Entry> {
        let is_it = |entry: &&Entry| {
            let key = entry.key.as_ref();
            key.is_some_and(|key| self.decoded(key) == name)
        };
        node.entries.iter().rev().find(is_it)
    }

    pub(super) fn replace(&mut self, range: &Range<usize>, with: &str) {
        self.text.replace_range(range.clone(), with);
    }

    /// Makes `word` the one value of a node.
    pub(super) fn set_argument(&mut self, node: &Node, word: &str) {
        let value = self.arguments(node).next().map(|entry| entry.value.clone());
        match value {
            Some(value) => self.replace(&value, word),
            None => self.insert_entry(node, None, word),
        }
    }

    /// Sets the property `name`.
    pub(super) fn set_property(&mut self, node: &Node, name: &str, word: &str) {
        let value = self.property(node, name).map(|entry| entry.value.clone());
        match value {
            Some(value) => self.replace(&value, word),
            None => {
                let last = node.entries.last().cloned();
                self.insert_entry(node, last.as_ref(), &format!("{name}={word}"));
            }
        }
    }

    /// Puts a value or property behind another, or behind the name.
    pub(super) fn insert_entry(&mut self, node: &Node, after: Option<&Entry>, entry: &str) {
        let at = after.map_or(node.name.end, |entry| entry.range.end);
        self.text.insert_str(at, &format!(" {entry}"));
    }

    /// Takes a value or property out, and the blanks before it. Comments before it stay.
    pub(super) fn remove_entry(&mut self, node: &Node, entry: &Entry) -> Result<(), Left> {
        let tokens = tree::tokens(&self.text);
        let before: Vec<_> = tokens
            .iter()
            .take_while(|(_, at)| at.start < entry.range.start)
            .collect();
        let mut start = entry.range.start;
        let mut kept = String::new();
        for (token, at) in before.into_iter().rev() {
            let space = self.slice(at);
            match token {
                // A line that goes on and has a comment: what follows the comment has to stay on a later line.
                Token::Continuation if space.contains("//") => {
                    let is_last = node.range.end == entry.range.end;
                    if !is_last {
                        break;
                    }
                    let comment = space.trim_start_matches('\\').trim();
                    kept = format!(" {comment}{kept}");
                    start = at.start;
                }
                Token::BlockComment => {
                    kept = format!(" {}{kept}", space.trim());
                    start = at.start;
                }
                Token::Space | Token::Continuation => start = at.start,
                Token::Slashdash => return Err(DASHED),
                _ => break,
            }
        }
        let mut end = entry.range.end;
        let behind = |end: usize| {
            let rest = self.text.get(end..).unwrap_or_default();
            rest.trim_start_matches([' ', '\t', '\r'])
        };
        if kept.contains("//") {
            // The node ends where its words do: behind the comment, on a later line, a `;` would have nothing before it.
            if let Some(rest) = behind(end).strip_prefix(';') {
                end = self.text.len() - rest.len();
                kept.insert(0, ';');
            }
            let rest = behind(end);
            if !rest.is_empty() && !rest.starts_with('\n') {
                // What follows on the line must not become a part of the comment.
                end = self.text.len() - rest.len();
                kept.push_str(&format!("{}{}", self.newline, self.indent_of(node)));
            }
        }
        self.replace(&(start..end), &kept);
        Ok(())
    }

    /// Puts `line` into the block of `parent`: behind `after`, or as its last node. Laid out like what is there.
    pub(super) fn insert_node(&mut self, parent: &Node, after: Option<&Node>, line: &str) {
        let inner = format!("{}{}", self.indent_of(parent), self.unit);
        let Some(block) = &parent.block else {
            let (newline, outer) = (self.newline, self.indent_of(parent));
            let is_small = parent.range.start > 0 && !self.has_lines(&parent.range);
            let text = if is_small {
                format!(" {{ {line} }}")
            } else {
                format!(" {{{newline}{inner}{line}{newline}{outer}}}")
            };
            self.text.insert_str(parent.range.end, &text);
            return;
        };
        let last = after.or(block.nodes.last());
        let is_one_line = !self.has_lines(&(block.open..block.close));
        match last {
            None if is_one_line && self.slice(&(block.open + 1..block.close)).trim().is_empty() => {
                self.replace(&(block.open + 1..block.close), &format!(" {line} "));
            }
            None if is_one_line => self.text.insert_str(block.close, &format!("{line} ")),
            None => {
                // Comments alone: the new node is the last line.
                let text = format!("{inner}{line}{}", self.newline);
                match self.line_start(block.close) {
                    Some(start) => self.text.insert_str(start, &text),
                    None => self
                        .text
                        .insert_str(block.close, &format!("{}{text}", self.newline)),
                }
            }
            Some(last) => self.insert_behind(last, is_one_line, line),
        }
    }

    fn insert_behind(&mut self, last: &Node, is_one_line: bool, line: &str) {
        let rest: Vec<_> = tree::tokens(&self.text)
            .into_iter()
            .filter(|(_, at)| at.start >= last.range.end)
            .collect();
        let semicolon = rest
            .iter()
            .take_while(|(token, _)| {
                matches!(token, Token::Space | Token::BlockComment | Token::Semicolon)
            })
            .find(|(token, _)| *token == Token::Semicolon)
            .map(|(_, at)| at.end);
        if is_one_line {
            match semicolon {
                Some(at) => self.text.insert_str(at, &format!(" {line};")),
                None => self.text.insert_str(last.range.end, &format!("; {line}")),
            }
            return;
        }
        let own = self.line_start(last.range.start);
        let indent = own.map(|start| self.slice(&(start..last.range.start)).to_owned());
        let indent = indent.unwrap_or_else(|| format!("{}{}", self.indent, self.unit));
        // Behind the comment of the line, unless something else follows on it.
        let end = rest
            .iter()
            .find(|(token, _)| {
                !matches!(
                    token,
                    Token::Space
                        | Token::BlockComment
                        | Token::Continuation
                        | Token::Semicolon
                        | Token::LineComment
                )
            })
            .filter(|(token, _)| *token == Token::Newline)
            .map(|(_, at)| at.start);
        let at = end.unwrap_or(semicolon.unwrap_or(last.range.end));
        self.text
            .insert_str(at, &format!("{}{indent}{line}", self.newline));
    }

    /// Puts `line` before a node, on a line of its own if that has one.
    pub(super) fn insert_before(&mut self, node: &Node, line: &str) {
        let text = match self.line_start(node.range.start) {
            Some(start) => {
                let indent = self.slice(&(start..node.range.start));
                format!("{line}{}{indent}", self.newline)
            }
            None => format!("{line}; "),
        };
        self.text.insert_str(node.range.start, &text);
    }

    /// Says that nothing would be lost if a node were written anew: no comment in it, and no block.
    pub(super) fn is_plain(&self, node: &Node) -> bool {
        let has_comment = tree::tokens(self.slice(&node.range))
            .into_iter()
            .any(|(token, at)| {
                let at = node.range.start + at.start..node.range.start + at.end;
                comment(token, self.slice(&at)).is_some()
            });
        node.block.is_none() && !node.has_dashed && !has_comment
    }

    /// Takes a node out. Its line goes with it; comments in and behind it stay.
    pub(super) fn remove_node(&mut self, node: &Node) -> Result<(), Left> {
        let tokens = tree::tokens(&self.text);
        let inside = |at: &Range<usize>| node.range.start <= at.start && at.end <= node.range.end;
        if tokens
            .iter()
            .any(|(token, at)| *token == Token::Slashdash && inside(at))
        {
            return Err(DASHED);
        }
        let comments: Vec<String> = tokens
            .iter()
            .filter(|(_, at)| inside(at))
            .filter_map(|(token, at)| comment(*token, self.slice(at)))
            .collect();
        let behind = tokens.iter().filter(|(_, at)| at.start >= node.range.end);
        let mut end = node.range.end;
        let mut has_comment = !comments.is_empty();
        let mut line_end = None;
        for (token, at) in behind {
            match token {
                Token::Semicolon if end == node.range.end => end = at.end,
                Token::Space => {}
                Token::BlockComment | Token::Continuation | Token::LineComment => {
                    has_comment = true;
                }
                Token::Newline => {
                    line_end = Some(at.end);
                    break;
                }
                _ => break,
            }
        }
        let start = self.line_start(node.range.start);
        let indent = start.map_or("", |start| self.slice(&(start..node.range.start)));
        let line = format!("{}{indent}", self.newline);
        let mut kept = comments.join(&line);
        let rest = self.text.get(end..).unwrap_or_default();
        let is_last = rest.trim_start_matches([' ', '\t', '\r']).starts_with('\n');
        if comments.last().is_some_and(|last| last.starts_with("//")) && !is_last {
            // What follows on the line must not become a part of the comment.
            kept.push_str(&line);
        }
        match (start, line_end) {
            (Some(start), Some(line_end)) if !has_comment => self.replace(&(start..line_end), ""),
            (Some(_), Some(_)) => {
                // The comment behind it moves to where the node was.
                let is_glued = comments.is_empty();
                let end = if is_glued { self.blanks_from(end) } else { end };
                self.replace(&(node.range.start..end), &kept);
            }
            _ => self.remove_in_line(node, end, &kept),
        }
        Ok(())
    }

    /// Of several nodes on one line, the `;` that parted it from the next, or from the one before, goes too.
    fn remove_in_line(&mut self, node: &Node, end: usize, kept: &str) {
        if end > node.range.end {
            let end = self.blanks_from(end);
            let kept = if kept.is_empty() {
                String::new()
            } else {
                format!("{kept} ")
            };
            self.replace(&(node.range.start..end), &kept);
            return;
        }
        let before = self.text.get(..node.range.start).unwrap_or_default();
        let trimmed = before.trim_end_matches([' ', '\t']);
        let start = match trimmed.strip_suffix(';') {
            Some(rest) => rest.len(),
            None => node.range.start,
        };
        let kept = if kept.is_empty() || start == node.range.start {
            kept.to_owned()
        } else {
            format!(" {kept}")
        };
        let end = if start == node.range.start && kept.is_empty() {
            self.blanks_from(end)
        } else {
            end
        };
        self.replace(&(start..end), &kept);
    }

    /// Takes a block out that has neither nodes nor comments any more.
    pub(super) fn remove_if_empty(&mut self, path: &[&str]) {
        let empty = self.find(path).into_iter().find(|node| {
            let is_bare = node.entries.is_empty() && !node.has_dashed;
            let has_nothing = |block: &tree::Block| {
                let inner = self.slice(&(block.open + 1..block.close));
                block.nodes.is_empty() && inner.trim().is_empty()
            };
            is_bare && node.block.as_ref().is_none_or(has_nothing)
        });
        if let Some(node) = empty {
            let _ = self.remove_node(&node);
        }
    }

    fn blanks_from(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        at + rest.len() - rest.trim_start_matches([' ', '\t']).len()
    }

    fn has_lines(&self, range: &Range<usize>) -> bool {
        self.slice(range).contains('\n')
    }

    /// Where the line of `at` begins, if only blanks stand before it there.
    fn line_start(&self, at: usize) -> Option<usize> {
        let before = self.text.get(..at)?;
        let start = before.rfind('\n').map(|newline| newline + 1)?;
        let is_blank = before
            .get(start..)
            .is_some_and(|indent| indent.trim_matches([' ', '\t']).is_empty());
        is_blank.then_some(start)
    }

    /// The indentation of the line on which a node begins.
    fn indent_of(&self, node: &Node) -> String {
        let before = self.text.get(..node.range.start).unwrap_or_default();
        match before.rfind('\n') {
            Some(newline) => before
                .get(newline + 1..)
                .unwrap_or_default()
                .chars()
                .take_while(|c| matches!(c, ' ' | '\t'))
                .collect(),
            None => self.indent.clone(),
        }
    }
}

/// The comment in a token, if it is one; one to the end of a line as one that can stand anywhere on its own line.
fn comment(token: Token, text: &str) -> Option<String> {
    match token {
        Token::LineComment | Token::BlockComment => Some(text.to_owned()),
        Token::Continuation if text.contains("//") => {
            Some(text.trim_start_matches('\\').trim().to_owned())
        }
        _ => None,
    }
}
