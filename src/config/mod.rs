//! KDL text into parts with their places, and findings into reports.
//!
//! Owns the language: what a file may say, and how mistakes are told. Reads files below the configuration's folder, or
//! below the prefix of the older service, and nothing else; runs no command; resolves nothing.

mod ahead;
mod bundle;
mod confined;
mod document;
mod edit;
mod export;
mod guard;
mod include;
mod laid_out;
mod layer;
mod layout;
mod legacy;
mod lexer;
mod lines;
mod load;
mod memory;
mod node;
mod packed;
mod page;
mod parse;
mod report;
#[cfg(test)]
mod samples;
mod side_by_side;
mod smtp;
mod starter;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod watched;
mod words;

pub use bundle::{Bundle, BundleError};
pub use edit::{
    EditError, Edited, EditedFile, RefusedField, Wanted, edit, inherited_excludes,
    settings_of_new_host,
};
pub use export::{Content, Exported, export};
pub use guard::LARGEST;
pub use laid_out::{LaidOut, LaidOutFile, lay_out, lay_out_text};
pub use legacy::{
    Legacy, LegacyFile, LegacyFolderError, LegacyNote, LegacyText, Weight, legacy_files,
    read_legacy, write_legacy,
};
pub use load::{
    Loaded, SourceFile, load, load_bundle, load_explained, load_remembering, load_text,
};
pub use report::Report;
pub use starter::starter;
pub use watched::Watched;
