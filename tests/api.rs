//! The API as programs use it: the whole program serves, and is asked over HTTP and by its own command line.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod common;
#[path = "api/hostile.rs"]
mod hostile;
#[path = "api/lists.rs"]
mod lists;
#[path = "api/metrics.rs"]
mod metrics;
#[path = "api/remote.rs"]
mod remote;
#[path = "api/site.rs"]
mod site;
