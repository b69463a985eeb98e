//! What whole-program tests share: a private sshd that plays the remote machine, trees with all odd things in them, and
//! the program in a folder of its own.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

pub mod checker;
pub mod http;
pub mod mariadb;
pub mod namespace;
pub mod program;
pub mod smtp;
pub mod sql;
mod sshd;
mod tree;

pub use sshd::Sshd;
pub use tree::{Entry, assert_same_tree, build_tree, read_tree};

/// The kind of database that a program works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Sqlite,
    MariaDb,
}

impl On {
    /// A program with a database of this kind, which nobody has made yet.
    pub fn program(self) -> program::Program {
        match self {
            Self::Sqlite => program::Program::new(),
            Self::MariaDb => {
                let server = mariadb::shared();
                program::Program::with_database(server.url(&server.new_database()))
            }
        }
    }
}

/// Says why a test does not run here; CI runs as root with everything installed.
pub fn is_root() -> bool {
    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    if !is_root {
        eprintln!("skipped: needs root");
    }
    is_root
}
