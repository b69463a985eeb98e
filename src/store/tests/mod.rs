//! Every operation on a real database. Nothing here names SQLite but `support::fresh`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod activity;
mod claims;
mod configure;
mod discovery;
mod fleet;
mod inspections;
mod names;
mod outbox;
mod plans;
mod properties;
mod prune;
mod runs;
mod scale;
mod snapshots;
mod support;
