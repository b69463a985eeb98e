//! pobsync: pull-based backups whose retention is planned, reviewed and approved before anything is pruned.
//!
//! The rooms, in the order data flows through them. Each names only rooms above it; `config`, `store`, `disk`,
//! `rsync`, `courier` and `render` never name each other. `tests/house.rs` holds this.

pub mod core;

pub mod config;
pub mod courier;
pub mod disk;
pub mod render;
pub mod rsync;
pub mod store;

pub mod ops;

pub mod cli;

pub mod web;
