//! A network namespace, which is gone with the value, even if the test is killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A namespace that lives as long as a process that waits for the end of its input.
pub struct Namespace(Child);

impl Namespace {
    /// Nothing where none can be made.
    pub fn new() -> Option<Self> {
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

    /// What a command in it begins with.
    pub fn enter(&self) -> [String; 2] {
        [
            "nsenter".to_owned(),
            format!("--net=/proc/{}/ns/net", self.0.id()),
        ]
    }

    /// The process that it lives as long as.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn ip(&self, arguments: &str) {
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
