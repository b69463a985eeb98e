//! What a snapshot held when it was made: one line a name, so that later damage can be told from what the host had.
//!
//! Owns the text of a manifest (`schema/manifest.md`), how two looks at one name are compared, and which part of a tree
//! a sample reads. Reads and writes nothing itself.

mod bytes;
mod compare;
mod head;
mod item;
mod line;
mod sample;

pub use bytes::{shown, unshown};
pub use compare::{Attribute, differences};
pub use head::ManifestHead;
pub use item::{Digest, Item, What, XattrDigest};
pub use line::{BadLine, Line};
pub use sample::Sample;
