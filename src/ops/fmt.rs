//! Laying out the configuration.

use camino::Utf8Path;

use super::Error;
use super::replace::replace;
use crate::config::{self, LaidOut, LaidOutFile};

/// Lays out the configuration at `path`, and what it includes unless it is to be laid out `alone`. Writes nothing.
///
/// # Errors
/// With the report of everything that could not be read or parsed: one such file, and nothing is laid out.
pub fn lay_out(path: &Utf8Path, alone: bool) -> Result<Vec<LaidOutFile>, Error> {
    readable(config::lay_out(path, alone))
}

/// Lays out `text`, which came from elsewhere.
///
/// # Errors
/// With the report of every mistake.
pub fn lay_out_text(name: &str, text: Vec<u8>) -> Result<Vec<LaidOutFile>, Error> {
    readable(config::lay_out_text(name, text))
}

/// Writes the layout of `file`, if it has one that differs and a place.
///
/// # Errors
/// When the file was changed since it was read, or cannot be written.
pub fn write_layout(file: &LaidOutFile) -> Result<(), Error> {
    match &file.real {
        Some(real) if file.is_changed() => replace(real, &file.before, &file.after),
        _ => Ok(()),
    }
}

fn readable(laid_out: LaidOut) -> Result<Vec<LaidOutFile>, Error> {
    if laid_out.report.has_errors() {
        Err(Error::Invalid(Box::new(laid_out.report)))
    } else {
        Ok(laid_out.files)
    }
}
