//! The desired state: parts as written, checked and resolved into what every host should be.

mod state;

pub use state::{DesiredHost, DesiredState, Removed};
