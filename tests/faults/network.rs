//! Two network namespaces and the wire between them: all of it is gone with the value, even if the test is killed.

use crate::common::namespace::Namespace;

/// The address of the machine that runs the program.
pub(crate) const SERVER: &str = "192.0.2.1";
/// The address of the machine that is pulled from.
pub(crate) const HOST: &str = "192.0.2.2";

/// A server and a host, with nobody else on their wire.
pub(crate) struct Network {
    server: Namespace,
    host: Namespace,
}

impl Network {
    /// Nothing, with a message, where no namespaces can be made.
    pub(crate) fn new() -> Option<Self> {
        let (Some(server), Some(host)) = (Namespace::new(), Namespace::new()) else {
            crate::disks::skipped("no network namespaces can be made");
            return None;
        };
        server.ip(&format!(
            "link add wire type veth peer name wire netns {}",
            host.id()
        ));
        for (namespace, address) in [(&server, SERVER), (&host, HOST)] {
            namespace.ip("link set lo up");
            namespace.ip(&format!("address add {address}/24 dev wire"));
            namespace.ip("link set wire up");
        }
        Some(Self { server, host })
    }

    /// What a command of the server begins with.
    pub(crate) fn on_server(&self) -> Vec<String> {
        self.server.enter().into()
    }

    /// What a command of the host begins with.
    pub(crate) fn on_host(&self) -> Vec<String> {
        self.host.enter().into()
    }

    /// An address that takes everything and answers nothing.
    pub(crate) fn black_hole(&self) -> &'static str {
        self.server
            .ip("neighbour add 192.0.2.9 lladdr 02:00:00:00:00:09 dev wire");
        "192.0.2.9"
    }

    /// Takes the wire away without a word to either end: packets vanish, no connection is reset.
    pub(crate) fn cut(&self) {
        self.host.ip("link set wire down");
    }

    /// Puts the wire back.
    pub(crate) fn mend(&self) {
        self.host.ip("link set wire up");
    }
}
