//! Measuring what the snapshots of a host take on disk.
//!
//! A ledger beside the snapshots knows of every inode in which of them it is. A new snapshot is walked once and added; one
//! that has gone is taken out of every entry. So each night costs a look at one snapshot, however many there are, and the
//! sums are exact. The ledger holds nothing that walking all snapshots would not bring back.

mod file;
mod ledger;
mod measure;

pub use measure::Measured;
