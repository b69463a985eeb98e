//! Namespaces of servers, and the wires between them and their database: all of it is gone with the value.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

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

    fn enter(&self) -> Vec<String> {
        vec![
            "nsenter".to_owned(),
            format!("--net=/proc/{}/ns/net", self.0.id()),
        ]
    }

    fn ip(&self, arguments: &str) {
        let [program, namespace] = &self.enter()[..] else {
            unreachable!()
        };
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
                server.0.id()
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
        self.hub.enter()
    }

    pub(crate) fn on_server(&self, n: usize) -> Vec<String> {
        self.servers[n].enter()
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
