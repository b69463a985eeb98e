//! The backup root on real file systems: what is visible after a kill, a full disk, or a link in the wrong place.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "disk/crash.rs"]
mod crash;
#[path = "disk/discovery.rs"]
mod discovery;
#[path = "disk/graft.rs"]
mod graft;
#[path = "disk/links.rs"]
mod links;
#[path = "disk/lock.rs"]
mod lock;
#[path = "disk/manifest.rs"]
mod manifest;
#[path = "disk/mounts.rs"]
mod mounts;
#[path = "disk/parts.rs"]
mod parts;
#[path = "disk/removal.rs"]
mod removal;
#[path = "disk/root.rs"]
mod root;
#[path = "disk/snapshots.rs"]
mod snapshots;
#[path = "disk/support.rs"]
mod support;
