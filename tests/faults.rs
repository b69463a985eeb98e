//! Everything that goes wrong between a host and its snapshots, caused for real: how each ends, what a person is told, and
//! that nothing older is touched.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "faults/clock.rs"]
mod clock;
#[path = "faults/connect.rs"]
mod connect;
#[path = "faults/database.rs"]
mod database;
#[path = "faults/disks.rs"]
mod disks;
#[path = "faults/limits.rs"]
mod limits;
#[path = "faults/network.rs"]
mod network;
#[path = "faults/remote.rs"]
mod remote;
#[path = "faults/rig.rs"]
mod rig;
#[path = "faults/sources.rs"]
mod sources;
#[path = "faults/storage.rs"]
mod storage;
#[path = "faults/system.rs"]
mod system;
#[path = "faults/transfer.rs"]
mod transfer;
