//! What snapshots take on disk, alone and together.
//!
//! Snapshots of a host share files by hard links, so that what one takes is no number by itself. What is known exactly is
//! a set of classes: so many bytes belong to exactly these snapshots. Deleting a set of snapshots frees every class that
//! lies within the set. A file is nearly always shared by a run of consecutive snapshots, so that there are few classes.

mod freed;
mod shares;

pub use freed::{Frees, Present};
pub use shares::{BadUsage, Class, Key, LeftOut, Usage};

#[cfg(test)]
mod tests;
