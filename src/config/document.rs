//! Text into a document, behind the guard and on a stack that is large enough.

use std::ops::Range;

use kdl::KdlDocument;
use miette::Diagnostic as _;

use super::guard;
use crate::core::desired::{At, Finding};

/// What sixteen levels need, many times over, also without optimisation.
const STACK: usize = 64 << 20;

/// Parses `text`, the file number `file`.
pub(super) fn parse(file: usize, text: &str) -> Result<KdlDocument, Vec<Finding>> {
    let at = |range: Range<usize>| At {
        file,
        offset: range.start,
        len: range.len(),
    };
    if let Err(refused) = guard::check(text) {
        return Err(vec![Finding::error(
            "too-complex",
            at(refused.at),
            refused.message,
            "here",
            refused.help,
        )]);
    }
    let parsed = std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK);
        builder
            .spawn_scoped(scope, || KdlDocument::parse_v2(text))
            .map(std::thread::ScopedJoinHandle::join)
    });
    match parsed {
        Ok(Ok(Ok(document))) => Ok(document),
        Ok(Ok(Err(error))) => Err(findings(file, text, &error)),
        Ok(Err(_)) | Err(_) => Err(vec![Finding::error(
            "parser-failed",
            at(0..0),
            "the parser gave up on this file",
            "",
            "take it apart to find the place, and report it",
        )]),
    }
}

fn findings(file: usize, text: &str, error: &kdl::KdlError) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for diagnostic in &error.diagnostics {
        let span = diagnostic.span;
        // An error that says where its node begins labels all of it: the first line is enough.
        let rest = text.get(span.offset()..).unwrap_or_default();
        let first_line = rest.lines().next().map_or(0, str::len);
        let len = span.len().min(first_line.max(1)).min(rest.len());
        let at = At {
            file,
            offset: span.offset().min(text.len()),
            len,
        };
        let (hint, help) = kdl1_habit(text, span.offset()).unwrap_or_else(|| {
            (
                String::new(),
                diagnostic.help().map(|h| h.to_string()).unwrap_or_default(),
            )
        });
        let message = if hint.is_empty() {
            diagnostic
                .message
                .clone()
                .unwrap_or_else(|| diagnostic.to_string())
        } else {
            hint
        };
        let label = diagnostic
            .label
            .clone()
            .unwrap_or_else(|| "here".to_owned());
        let finding = Finding::error("syntax", at, message, label, help);
        if !found.contains(&finding) {
            found.push(finding);
        }
    }
    found.sort_by_key(|finding| finding.labels.first().map(|(at, _)| at.offset));
    found
}

/// What people write who know KDL 1.
fn kdl1_habit(text: &str, offset: usize) -> Option<(String, String)> {
    let start = text.get(..offset)?.rfind('\n').map_or(0, |i| i + 1);
    let line = text.get(start..)?.lines().next()?;
    let has_word = |word: &str| {
        line.split(|c: char| c.is_whitespace() || matches!(c, '=' | ';' | '{' | '}' | '(' | ')'))
            .any(|part| part == word)
    };
    if let Some(word) = ["true", "false", "null"]
        .into_iter()
        .find(|word| has_word(word))
    {
        return Some((
            format!("`{word}` is how KDL 1 writes it"),
            format!("KDL 2 writes `#{word}`"),
        ));
    }
    if line.contains("r\"") || line.contains("r#\"") {
        return Some((
            "`r\"…\"` is how KDL 1 writes a raw string".to_owned(),
            "KDL 2 writes `#\"…\"#`".to_owned(),
        ));
    }
    None
}
