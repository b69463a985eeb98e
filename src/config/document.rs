//! Text into a document, behind the guard and on a stack that is large enough.

use std::ops::Range;

use kdl::KdlDocument;

use super::guard;
use crate::core::desired::{At, Finding};

/// What sixteen levels need, many times over, also without optimisation.
pub(super) const STACK: usize = 64 << 20;
/// More of the parser's errors are echoes of the first.
const MOST: usize = 100;

/// Parses `text`, the file number `file`.
pub(super) fn parse(file: usize, text: &str) -> Result<KdlDocument, Vec<Finding>> {
    let parsed = std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK);
        builder
            .spawn_scoped(scope, || parse_here(file, text))
            .map(std::thread::ScopedJoinHandle::join)
    });
    match parsed {
        Ok(Ok(parsed)) => parsed,
        Ok(Err(_)) | Err(_) => Err(vec![gave_up(file)]),
    }
}

/// The same for a thread that has [`STACK`] bytes of stack already; the parser may panic.
pub(super) fn parse_here(file: usize, text: &str) -> Result<KdlDocument, Vec<Finding>> {
    let at = |range: Range<usize>| At::new(file, range.start, range.len());
    if let Err(refused) = guard::check(text) {
        let findings = refused.into_iter().map(|refused| {
            Finding::error(
                refused.code,
                at(refused.at),
                refused.message,
                "here",
                refused.help,
            )
        });
        return Err(findings.collect());
    }
    KdlDocument::parse_v2(text).map_err(|error| findings(file, text, &error))
}

/// What is told when the parser panics, or there is no thread for it.
pub(super) fn gave_up(file: usize) -> Finding {
    let start = At::start_of(file);
    Finding::error(
        "parser-failed",
        start,
        "the parser gave up on this file",
        "",
        "take it apart to find the place, and report it",
    )
}

/// What the parser says itself; the guard tells of nearly everything before it.
fn findings(file: usize, text: &str, error: &kdl::KdlError) -> Vec<Finding> {
    let told = error.diagnostics.iter().take(MOST).map(|diagnostic| {
        let offset = diagnostic.span.offset().min(text.len());
        // An error that says where its node begins labels all of it: the first line is enough.
        let first_line = text
            .get(offset..)
            .unwrap_or_default()
            .lines()
            .next()
            .map_or(0, str::len);
        let at = At::new(file, offset, diagnostic.span.len().min(first_line));
        let label = diagnostic
            .label
            .clone()
            .unwrap_or_else(|| "here".to_owned());
        let help = diagnostic.help.clone().unwrap_or_default();
        Finding::error("syntax", at, diagnostic.to_string(), label, help)
    });
    let mut found: Vec<Finding> = told.collect();
    found.sort_by_key(|finding| finding.labels.first().map(|(at, _)| at.offset()));
    found.dedup();
    found
}
