//! Reading one node: its values and properties by name, and a finding for everything that should not be there.

use std::str::FromStr;

use super::syntax::{Entry, Node, Scalar, Stretch, Word};
use crate::core::desired::{At, Finding, Maybe, Spanned};
use crate::core::model::{AbsolutePath, Invalid, Value, visible};

/// Reads the nodes of one file and collects what is wrong.
pub(super) struct Reader<'a> {
    pub(super) file: usize,
    pub(super) findings: &'a mut Vec<Finding>,
}

impl Reader<'_> {
    pub(super) fn at(&self, span: Stretch) -> At {
        At::new(self.file, span.offset, span.len)
    }

    /// The place of a node is its name: its span would be all of its block.
    pub(super) fn at_node(&self, node: &Node<'_>) -> At {
        self.at(node.name().span())
    }

    pub(super) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(super) fn wrong(
        &mut self,
        code: &'static str,
        at: At,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Finding::error(code, at, message, "here", help));
    }

    fn invalid(&mut self, at: At, error: &Invalid) {
        self.push(Finding::error(
            "invalid-value",
            at,
            error.to_string(),
            format!("expected {}", error.expected),
            error.help.clone(),
        ));
    }

    /// Checks that `node` has `arguments` values at most and only properties of `known`, each once.
    pub(super) fn shape(&mut self, node: &Node<'_>, arguments: usize, known: &[&str]) {
        if let Some(annotation) = node.ty() {
            let at = self.at(annotation.span());
            self.wrong(
                "annotation",
                at,
                format!("`({})` means nothing here", visible(annotation.value())),
                "take it off",
            );
        }
        let mut seen: Vec<&str> = Vec::new();
        let mut count = 0;
        for entry in node.entries() {
            let at = self.at(entry.span());
            match entry.name() {
                None => {
                    count += 1;
                    if count == arguments + 1 {
                        let takes = match arguments {
                            0 => "takes no value".to_owned(),
                            1 => "takes one value".to_owned(),
                            n => format!("takes {n} values"),
                        };
                        self.wrong(
                            "too-many-values",
                            at,
                            format!("`{}` {takes}", node.name().value()),
                            "take it off",
                        );
                    }
                }
                Some(name) if !known.contains(&name.value()) => {
                    let message = format!(
                        "`{}` has no property `{}`",
                        node.name().value(),
                        visible(name.value())
                    );
                    self.wrong(
                        "unknown-property",
                        at,
                        message,
                        suggestion(name.value(), known),
                    );
                }
                Some(name) if seen.contains(&name.value()) => {
                    self.wrong(
                        "twice",
                        at,
                        format!("`{}` is given twice", name.value()),
                        "the last one would win: take one off",
                    );
                }
                Some(name) => seen.push(name.value()),
            }
        }
    }

    /// Tells that `node` takes no block.
    pub(super) fn no_block(&mut self, node: &Node<'_>) {
        if node.has_children() {
            let at = self.at_node(node);
            self.wrong(
                "no-block",
                at,
                format!("`{}` takes no block", node.name().value()),
                "take the braces off",
            );
        }
    }

    /// Tells that a node of the block of `parent` is not known there.
    pub(super) fn unknown(&mut self, node: &Node<'_>, parent: &str, known: &[&str]) {
        let at = self.at_node(node);
        let name = visible(node.name().value());
        self.push(Finding::error(
            "unknown-node",
            at,
            format!("`{name}` is not known {parent}"),
            "unknown",
            suggestion(node.name().value(), known),
        ));
    }

    /// The values without a name, in order.
    pub(super) fn arguments<'n>(
        &self,
        node: &'n Node<'n>,
    ) -> impl Iterator<Item = &'n Entry<'n>> + use<'n> {
        node.entries().iter().filter(|entry| entry.name().is_none())
    }

    /// The first value, which has to be there.
    pub(super) fn first<'n>(&mut self, node: &'n Node<'n>, what: &str) -> Option<&'n Entry<'n>> {
        let entry = self.arguments(node).next();
        if entry.is_none() {
            let at = self.at_node(node);
            let message = format!("`{}` needs {what}", node.name().value());
            self.push(Finding::error(
                "missing-value",
                at,
                message,
                "nothing follows",
                format!("write it behind `{}`", node.name().value()),
            ));
        }
        entry
    }

    pub(super) fn property<'n>(&self, node: &'n Node<'n>, name: &str) -> Option<&'n Entry<'n>> {
        node.entries()
            .iter()
            .rev()
            .find(|entry| entry.name().is_some_and(|n| n.value() == name))
    }

    fn no_annotation(&mut self, entry: &Entry<'_>) -> bool {
        let Some(annotation) = entry.ty() else {
            return true;
        };
        let at = self.at(entry.span());
        let (message, help) = match annotation.value() {
            "env" | "file" => (
                format!("`({})` references are not taken here", annotation.value()),
                "they stand for addresses, ssh settings and receivers of news; write the value itself".to_owned(),
            ),
            other => (format!("`({})` means nothing here", visible(other)), "take it off".to_owned()),
        };
        self.wrong("annotation", at, message, help);
        false
    }

    /// A value as text.
    pub(super) fn text<'t>(&mut self, entry: &Entry<'t>) -> Maybe<&'t str> {
        if !self.no_annotation(entry) {
            return None;
        }
        self.plain_text(entry)
    }

    fn plain_text<'t>(&mut self, entry: &Entry<'t>) -> Maybe<&'t str> {
        let at = self.at(entry.span());
        match entry.value() {
            Scalar::Text(text) => Some(Spanned { value: *text, at }),
            other => {
                self.wrong_type(at, other, "text", "write it in quotes");
                None
            }
        }
    }

    fn wrong_type(&mut self, at: At, value: &Scalar<'_>, expected: &str, help: &str) {
        let kind = match value {
            Scalar::Text(_) => "text",
            Scalar::Integer(_) | Scalar::Float => "a number",
            Scalar::Bool(_) => "a truth value",
            Scalar::Null => "nothing",
        };
        self.push(Finding::error(
            "wrong-type",
            at,
            format!("{expected} is expected, and this is {kind}"),
            format!("expected {expected}"),
            help,
        ));
    }

    /// A value that is checked where it enters.
    pub(super) fn parsed<T: FromStr<Err = Invalid>>(&mut self, entry: &Entry<'_>) -> Maybe<T> {
        let text = self.text(entry)?;
        match text.value.parse() {
            Ok(value) => Some(Spanned { value, at: text.at }),
            Err(error) => {
                self.invalid(text.at, &error);
                None
            }
        }
    }

    /// A value or a reference.
    pub(super) fn referable<T: FromStr<Err = Invalid>>(
        &mut self,
        entry: &Entry<'_>,
    ) -> Maybe<Value<T>> {
        match entry.ty().map(Word::value) {
            Some("env") => {
                let text = self.plain_text(entry)?;
                let is_name = !text.value.is_empty()
                    && text.value.len() <= 128
                    && !text.value.starts_with(|c: char| c.is_ascii_digit())
                    && text
                        .value
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'_');
                if !is_name {
                    self.wrong(
                        "invalid-value",
                        text.at,
                        "this is no name of an environment variable",
                        "use letters, digits and `_`",
                    );
                    return None;
                }
                Some(Spanned {
                    value: Value::Env {
                        env: text.value.to_owned(),
                    },
                    at: text.at,
                })
            }
            Some("file") => {
                let text = self.plain_text(entry)?;
                match text.value.parse::<AbsolutePath>() {
                    Ok(file) => Some(Spanned {
                        value: Value::File { file },
                        at: text.at,
                    }),
                    Err(error) => {
                        self.invalid(text.at, &error);
                        None
                    }
                }
            }
            _ => self.parsed(entry).map(|found| Spanned {
                value: Value::Literal(found.value),
                at: found.at,
            }),
        }
    }

    /// `#true` or `#false`.
    pub(super) fn truth(&mut self, entry: &Entry<'_>) -> Maybe<bool> {
        if !self.no_annotation(entry) {
            return None;
        }
        let at = self.at(entry.span());
        match entry.value() {
            Scalar::Bool(value) => Some(Spanned { value: *value, at }),
            other => {
                let help = match other {
                    Scalar::Text(word)
                        if matches!(*word, "true" | "false" | "yes" | "no" | "on" | "off") =>
                    {
                        "KDL 2 writes `#true` and `#false`"
                    }
                    _ => "write `#true` or `#false`",
                };
                self.wrong_type(at, other, "a truth value", help);
                None
            }
        }
    }

    /// A node that says yes by standing there, or `#true` or `#false`.
    pub(super) fn switch(&mut self, node: &Node<'_>) -> Maybe<bool> {
        self.shape(node, 1, &[]);
        self.no_block(node);
        match self.arguments(node).next() {
            Some(entry) => self.truth(entry),
            None => Some(Spanned {
                value: true,
                at: self.at_node(node),
            }),
        }
    }

    /// A whole number between `least` and `most`.
    pub(super) fn number(&mut self, entry: &Entry<'_>, least: u32, most: u32) -> Maybe<u32> {
        if !self.no_annotation(entry) {
            return None;
        }
        let at = self.at(entry.span());
        match entry.value() {
            Scalar::Integer(n) => match u32::try_from(*n)
                .ok()
                .filter(|n| (least..=most).contains(n))
            {
                Some(value) => Some(Spanned { value, at }),
                None => {
                    self.wrong(
                        "invalid-value",
                        at,
                        format!("{n} does not lie between {least} and {most}"),
                        "choose another number",
                    );
                    None
                }
            },
            other => {
                self.wrong_type(at, other, "a whole number", "write it without quotes");
                None
            }
        }
    }

    /// A value node: one value, no properties, no block.
    pub(super) fn value<'n>(&mut self, node: &'n Node<'n>, what: &str) -> Option<&'n Entry<'n>> {
        self.shape(node, 1, &[]);
        self.no_block(node);
        self.first(node, what)
    }

    /// Sets a slot once; a second time is told with both places.
    pub(super) fn set<T>(&mut self, slot: &mut Maybe<T>, node: &Node<'_>, value: Maybe<T>) {
        let at = self.at_node(node);
        if let Some(first) = slot {
            let finding = Finding::error(
                "twice",
                at,
                format!("`{}` stands twice", node.name().value()),
                "again here",
                "the last one would win: take one out",
            )
            .also(first.at, "first here");
            self.push(finding);
        } else {
            *slot = value;
        }
    }
}

fn suggestion(word: &str, known: &[&str]) -> String {
    let best = known
        .iter()
        .map(|other| (strsim::jaro_winkler(word, other), *other))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((likeness, near)) if likeness > 0.8 => format!("did you mean `{near}`?"),
        _ if known.is_empty() => "nothing is known here".to_owned(),
        _ => format!("known here: {}", known.join(", ")),
    }
}
