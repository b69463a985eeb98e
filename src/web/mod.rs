//! The staff-only pages and the JSON API.
//!
//! Owns HTTP: routes and who may take them, sessions, forms, pages. Decides nothing about backups: it calls use cases and
//! shows what they say. Deletes nothing, ever: no route reaches a prune.

mod access;
mod api;
mod app;
mod failure;
mod flow;
mod form;
mod headers;
mod layout;
mod metrics;
mod origin;
mod pages;
mod places;
mod routes;
mod serve;
mod times;
mod transfers;
mod tree_path;

pub use serve::{ServeOptions, serve};
