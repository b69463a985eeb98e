//! A private sshd on a free loopback port, in a folder of its own, stopped by process id.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub struct Sshd {
    folder: tempfile::TempDir,
    child: Child,
    pub port: u16,
    pub identity: PathBuf,
    pub known_hosts: PathBuf,
}

impl Sshd {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Every login runs `command` instead of what was asked for.
    pub fn with_forced_command(command: &str) -> Self {
        Self::with(&[format!("ForceCommand={command}")])
    }

    /// With further options of sshd_config(5).
    pub fn with(options: &[String]) -> Self {
        Self::within(&[], "127.0.0.1", options)
    }

    /// Called through other programs, `nsenter` say, and listening on `address`.
    pub fn within(within: &[String], address: &str, options: &[String]) -> Self {
        // sshd wants its empty folder for privilege separation.
        let _ = std::fs::create_dir_all("/run/sshd");
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for key in ["host_key", "id"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(path(key))
                .status();
            assert!(made.unwrap().success());
        }
        std::fs::copy(path("id.pub"), path("authorized_keys")).unwrap();
        // A port that is free now may be taken a moment later: try until sshd holds one.
        for _ in 0..20 {
            let port = free_port();
            if let Some(child) = listen(folder.path(), within, address, port, options) {
                let key = std::fs::read_to_string(path("host_key.pub")).unwrap();
                std::fs::write(path("known_hosts"), format!("[{address}]:{port} {key}")).unwrap();
                return Self {
                    identity: path("id"),
                    known_hosts: path("known_hosts"),
                    port,
                    child,
                    folder,
                };
            }
        }
        panic!("no sshd could be started");
    }
}

impl Sshd {
    /// How many connections it has let in so far.
    pub fn accepted(&self) -> usize {
        self.log().matches("Accepted publickey for ").count()
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// One of another machine, as far as its disk goes: what is `/srv` to it is `srv` to everybody else.
    pub fn with_srv(srv: &Path) -> Self {
        let bind = format!("mount --bind '{}' /srv && exec \"$@\"", srv.display());
        let words = ["unshare", "--mount", "sh", "-c", &bind, "sh"];
        Self::within(&words.map(String::from), "127.0.0.1", &[])
    }

    /// Lets the holder of another key in.
    pub fn let_in(&self, key: &Path) {
        let file = self.folder.path().join("authorized_keys");
        let both = std::fs::read_to_string(&file).unwrap() + &std::fs::read_to_string(key).unwrap();
        std::fs::write(file, both).unwrap();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn listen(
    folder: &Path,
    within: &[String],
    address: &str,
    port: u16,
    options: &[String],
) -> Option<Child> {
    let mut words = within.iter().map(String::as_str).chain(["/usr/sbin/sshd"]);
    let mut command = Command::new(words.next()?);
    command
        .args(words)
        .args(["-D", "-f", "/dev/null", "-p", &port.to_string()]);
    let own = [
        format!("ListenAddress={address}"),
        format!("HostKey={}", folder.join("host_key").display()),
        format!(
            "AuthorizedKeysFile={}",
            folder.join("authorized_keys").display()
        ),
        "StrictModes=no".to_owned(),
        "UsePAM=no".to_owned(),
        "PermitRootLogin=yes".to_owned(),
        "PasswordAuthentication=no".to_owned(),
        "PidFile=none".to_owned(),
        "MaxStartups=100".to_owned(),
    ];
    for option in own.iter().chain(options) {
        command.args(["-o", option]);
    }
    let log = folder.join("log");
    let mut child = command
        .arg("-E")
        .arg(&log)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut is_over = false;
    loop {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        if said.contains("Server listening") {
            return Some(child);
        }
        if is_over {
            let _ = child.wait();
            // The next try has a log of its own.
            let _ = std::fs::remove_file(log);
            return None;
        }
        // It may have said it and ended since.
        is_over = child.try_wait().unwrap().is_some();
        std::thread::yield_now();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
