//! Several processes on one database: leases, and what becomes of whoever loses one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "servers/fleet.rs"]
mod fleet;
#[path = "servers/frozen.rs"]
mod frozen;
#[path = "servers/network.rs"]
mod network;
#[path = "servers/nights.rs"]
mod nights;
#[path = "servers/restarts.rs"]
mod restarts;
#[path = "servers/several.rs"]
mod several;
#[path = "scheduler/support.rs"]
#[allow(dead_code)]
mod support;
