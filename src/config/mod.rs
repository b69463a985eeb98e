//! KDL text into parts with their places, and findings into reports.
//!
//! Owns the language: what a file may say, and how mistakes are told. Reads files below the configuration's folder and
//! nothing else; runs no command; resolves nothing.

mod document;
mod guard;
mod include;
mod laid_out;
mod layer;
mod layout;
mod lexer;
mod lines;
mod load;
mod node;
mod parse;
mod report;
mod starter;
#[cfg(test)]
mod tests;

pub use laid_out::{LaidOut, LaidOutFile, lay_out, lay_out_text};
pub use load::{Loaded, SourceFile, load, load_text};
pub use report::Report;
pub use starter::starter;
