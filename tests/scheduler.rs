//! The scheduler as a service manager runs it: real processes, real rsync, a real sshd, a real database.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "scheduler/kills.rs"]
mod kills;
#[path = "scheduler/night.rs"]
mod night;
#[path = "scheduler/operators.rs"]
mod operators;
#[path = "scheduler/service.rs"]
mod service;
#[path = "scheduler/stopping.rs"]
mod stopping;
#[path = "scheduler/support.rs"]
mod support;
#[path = "scheduler/times.rs"]
mod times;
