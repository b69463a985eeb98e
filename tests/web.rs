//! The pages as people use them: the real program, over HTTP and in Chromium.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "web/actions.rs"]
mod actions;
#[path = "web/browser.rs"]
mod browser;
mod common;
#[path = "web/http.rs"]
mod http;
#[path = "web/inside.rs"]
mod inside;
#[path = "web/site.rs"]
mod site;
#[path = "web/swap.rs"]
mod swap;
#[path = "web/walk.rs"]
mod walk;
