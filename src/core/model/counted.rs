//! A number and its noun.

use std::fmt::Display;

/// `1 host`, `2 hosts`.
#[must_use]
pub fn counted(n: impl Copy + Display + PartialEq + From<u8>, one: &str) -> String {
    if n == 1.into() {
        format!("{n} {one}")
    } else {
        format!("{n} {one}s")
    }
}
