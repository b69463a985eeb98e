//! Everything that decides, and nothing that touches the world: no clock, file, process, network, SQL, KDL or
//! terminal. Time comes in as a value.

#![warn(missing_docs)]

pub mod model;

pub mod manifest;
pub mod usage;

pub mod schedule;

pub mod desired;
pub mod retention;

pub mod diff;
pub mod plan;

pub mod health;
pub mod notify;
