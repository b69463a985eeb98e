//! The YAML of the older service: `config/global.yaml` and `config/hosts/*.yaml` into settings, and settings into it.
//!
//! The words it takes are those of `schema/legacy.md`. Nothing is guessed in the direction that backs up less or keeps
//! less, and whatever cannot be carried over is told with its line. Files are only read below the prefix that was named.

mod folder;
mod host;
mod notes;
mod part;
mod read;
mod section;
#[cfg(test)]
mod tests;
mod write;
mod yaml;

pub use folder::{LegacyFile, LegacyFolderError, legacy_files};
pub use notes::{LegacyNote, Weight};
pub use read::{Legacy, read_legacy};
pub use write::{LegacyText, write_legacy};
