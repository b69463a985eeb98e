//! How a configuration is laid out: four blanks an indent, one node a line, and every comment where it stands.
//!
//! Owns the layout and the proof that it is nothing but layout. Knows nothing of settings: what parses is laid out,
//! whether or not it is valid.

mod columns;
mod faithful;
mod print;
mod tree;

#[cfg(test)]
mod tests;

use super::{document, guard};
use crate::core::desired::{At, Finding};

/// Lays out `text`, the file number `file`.
///
/// # Errors
/// When it does not parse, or the result would not say exactly the same.
pub(super) fn format(file: usize, text: &str) -> Result<String, Vec<Finding>> {
    let before = document::parse(file, text)?;
    // Line ends stand in no text that is quoted, so that none of them means anything there.
    let plain = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .replace("\r\n", "\n");
    let wrong = |code, message: &str, help: &str| {
        let start = At::start_of(file);
        vec![Finding::error(code, start, message, "", help)]
    };
    let after = tree::read(&plain).map(|body| print::print(&body));
    match after {
        // It could not be read again.
        Ok(after) if after.len() as u64 > guard::LARGEST => Err(wrong(
            "too-large",
            "laid out, this file would be larger than 4 MiB",
            "part it into several and `include` them",
        )),
        Ok(after) if faithful::is_same(&before, text, &after) => Ok(after),
        _ => Err(wrong(
            "not-faithful",
            "laid out, this file would not say what it says now; it is left as it is",
            "report it: this is a mistake of pobsync",
        )),
    }
}
