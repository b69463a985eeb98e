//! Namespaces of servers, and the wires between them and their database: all of it is gone with the value.

use crate::common::namespace::Namespace;

/// A machine with a database, and servers with a wire to it each.
pub(crate) struct Network {
    hub: Namespace,
    servers: Vec<Namespace>,
}

impl Network {
    /// Nothing, with a message, where no namespaces can be made.
    pub(crate) fn new(count: usize) -> Option<Self> {
        let made: Option<Vec<Namespace>> = (0..=count).map(|_| Namespace::new()).collect();
        let Some(mut servers) = made else {
            eprintln!("skipped: no network namespaces can be made");
            return None;
        };
        let hub = servers.pop()?;
        hub.ip("link set lo up");
        for (n, server) in servers.iter().enumerate() {
            server.ip("link set lo up");
            hub.ip(&format!(
                "link add wire{n} type veth peer name wire netns {}",
                server.id()
            ));
            hub.ip(&format!("address add {}/24 dev wire{n}", Self::hub_of(n)));
            hub.ip(&format!("link set wire{n} up"));
            server.ip(&format!("address add 198.51.{n}.2/24 dev wire"));
            server.ip("link set wire up");
        }
        Some(Self { hub, servers })
    }

    /// The address of the database as the n-th server knows it.
    pub(crate) fn hub_of(n: usize) -> String {
        format!("198.51.{n}.1")
    }

    pub(crate) fn on_hub(&self) -> Vec<String> {
        self.hub.enter().into()
    }

    pub(crate) fn on_server(&self, n: usize) -> Vec<String> {
        self.servers[n].enter().into()
    }

    /// Takes a wire away without a word to either end: packets vanish, no connection is reset.
    pub(crate) fn cut(&self, n: usize) {
        self.hub.ip(&format!("link set wire{n} down"));
    }

    /// Puts it back.
    pub(crate) fn mend(&self, n: usize) {
        self.hub.ip(&format!("link set wire{n} up"));
    }
}
