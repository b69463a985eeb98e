//! Manifests on disk: `manifest` beside `meta.json`, written with the snapshot and compared with it later.
//!
//! A manifest is one file that is read from its start to its end, in the order in which a tree is walked: neither the
//! manifest of a million files nor the tree is ever held in memory.

mod copies;
mod cursor;
mod file;
mod look;
mod make;
mod read;
mod verify;

pub use copies::{FileCopy, Sayings};
pub use make::{Made, ManifestRequest};
pub use read::InodesRead;
pub use verify::{CheckRequest, Checked, Finding, Problem, Seen};
