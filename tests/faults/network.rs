//! Two network namespaces and the wire between them: all of it is gone with the value, even if the test is killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// The address of the machine that runs the program.
pub(crate) const SERVER: &str = "192.0.2.1";
/// The address of the machine that is pulled from.
pub(crate) const HOST: &str = "192.0.2.2";

/// A namespace that lives as long as a process that waits for the end of its input.
struct Namespace(Child);

impl Namespace {
    fn new() -> Option<Self> {
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let made = Self(child);
        (line == "ready\n").then_some(made)
    }

    fn enter(&self) -> [String; 2] {
        [
            "nsenter".to_owned(),
            format!("--net=/proc/{}/ns/net", self.0.id()),
        ]
    }

    fn ip(&self, arguments: &str) {
        let [program, namespace] = self.enter();
        let done = Command::new(program)
            .arg(namespace)
            .arg("ip")
            .args(arguments.split(' '))
            .status();
        assert!(done.unwrap().success(), "ip {arguments}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

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
            host.0.id()
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
