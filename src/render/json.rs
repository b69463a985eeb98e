//! JSON for programs.

use serde::Serialize;

/// Writes `value` for people who read JSON: indented, with a line end. Fails for no type of ours; an unwritable value
/// becomes `null`.
#[must_use]
pub fn document<T: Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_else(|_| "null".to_owned());
    text.push('\n');
    text
}

/// Writes what [`document`] says to `out`, piece by piece.
///
/// # Errors
/// When `out` takes no more.
pub fn write_document<T: Serialize>(
    mut out: &mut dyn std::io::Write,
    value: &T,
) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")
}

/// Writes `value` for programs that read a document a line: no line end but the last.
#[must_use]
pub fn line<T: Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    text.push('\n');
    text
}
