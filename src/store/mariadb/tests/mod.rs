//! What is MariaDB's own: its traps, the way there, half-done migrations, connections that go away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod breaks;
mod opening;
mod proxy;
mod schema;
mod traps;

use mysql::Conn;

use crate::store::tests::mariadb_server::{Server, shared};

use super::{MariaDb, ServerAddress};

/// A database that nobody else uses, not made ours yet.
struct Place {
    server: &'static Server,
    name: String,
    address: ServerAddress,
}

impl Place {
    fn new() -> Self {
        let server = shared();
        let name = server.new_database();
        Self {
            address: server.url(&name).parse().unwrap(),
            server,
            name,
        }
    }

    fn store(&self) -> MariaDb {
        MariaDb::open_or_create(&self.address).unwrap()
    }

    /// The database as another program opens it.
    fn raw(&self) -> Conn {
        self.server.connect(&self.name)
    }
}
