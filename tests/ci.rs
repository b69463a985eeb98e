//! The jobs of `examples/ci`, run as a forge runs them: a real git repository, the scripts, and a small HTTP server that
//! plays the comment API of each forge. And the check of what is known of the crates that the program is made of.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod common;

#[path = "ci/advisories.rs"]
mod advisories;
#[path = "ci/forge.rs"]
mod forge;
#[path = "ci/hooks.rs"]
mod hooks;
#[path = "ci/jobs.rs"]
mod jobs;
#[path = "ci/repository.rs"]
mod repository;
#[path = "ci/workflows.rs"]
mod workflows;
