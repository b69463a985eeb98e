//! The proof that a layout changed nothing else: the same tokens, comments and node ends in the same order, and the
//! same document.

use kdl::{KdlDocument, KdlEntry, KdlNode};

use super::super::document;
use super::super::lexer::{Lexer, Refused, Token, is_space};

/// Says that `after` says exactly what `before` does, which `document` was parsed from.
pub(super) fn is_same(document: &KdlDocument, before: &str, after: &str) -> bool {
    let same_words = match (words(before), words(after)) {
        (Ok(before), Ok(after)) => before == after,
        _ => false,
    };
    same_words && document::parse(0, after).is_ok_and(|after| same_document(document, &after))
}

/// What a text is made of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// Tokens and comments, without what is layout alone.
    pub(super) all: Vec<String>,
    /// Tokens and the ends of nodes: also of those that `/-` takes out, which the parser says nothing of.
    nodes: Vec<String>,
}

/// Takes a text apart.
pub(super) fn words(text: &str) -> Result<Words, Refused> {
    const END: &str = "\n";
    let mut words = Words::default();
    let (mut is_open, mut awaits) = (false, false);
    let mut lexer = Lexer::new(text);
    while let Some(next) = lexer.next() {
        let (token, at) = next?;
        let word = text.get(at).unwrap_or_default();
        let ends = match token {
            Token::Space => continue,
            Token::LineComment | Token::BlockComment | Token::Continuation => {
                words.all.extend(comment(token, word));
                continue;
            }
            Token::Newline => !awaits,
            Token::Semicolon | Token::Close => true,
            _ => false,
        };
        if ends && is_open {
            words.nodes.push(END.to_owned());
            is_open = false;
        }
        if !matches!(token, Token::Newline | Token::Semicolon) {
            let word = word.replace("\r\n", "\n");
            words.nodes.push(word.clone());
            words.all.push(word);
            is_open = token != Token::Open;
            awaits = token == Token::Slashdash;
        }
    }
    if is_open {
        words.nodes.push(END.to_owned());
    }
    Ok(words)
}

/// The comment of a token, without the blanks at its end.
fn comment(token: Token, word: &str) -> Option<String> {
    let text = match token {
        Token::Continuation => word.get(word.find("//")?..)?,
        _ => word,
    };
    let text = text.trim_end_matches(|c| is_space(c) || matches!(c, '\r' | '\n'));
    Some(text.replace("\r\n", "\n"))
}

fn same_document(a: &KdlDocument, b: &KdlDocument) -> bool {
    same(a.nodes(), b.nodes(), same_node)
}

fn same_node(a: &KdlNode, b: &KdlNode) -> bool {
    let children = match (a.children(), b.children()) {
        (Some(a), Some(b)) => same_document(a, b),
        (None, None) => true,
        _ => false,
    };
    let name = |node: &KdlNode| {
        let ty = node.ty().map(|ty| ty.value().to_owned());
        (ty, node.name().value().to_owned())
    };
    children && name(a) == name(b) && same(a.entries(), b.entries(), same_entry)
}

fn same_entry(a: &KdlEntry, b: &KdlEntry) -> bool {
    let named = |entry: &KdlEntry| {
        let text = |name: Option<&kdl::KdlIdentifier>| name.map(|name| name.value().to_owned());
        (text(entry.ty()), text(entry.name()))
    };
    // As text: a value that is no number is not equal to itself.
    named(a) == named(b) && format!("{:?}", a.value()) == format!("{:?}", b.value())
}

fn same<T>(a: &[T], b: &[T], is_same: impl Fn(&T, &T) -> bool) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
}
