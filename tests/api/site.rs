//! A running server, and tokens to ask it with.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::common::program::{Program, Said};

/// A fleet of two hosts in two files. `web` has snapshots.
pub const MAIN: &str = "global { backup-root \"ROOT\"; guard { max-delete 20; min-free 0 } }\ninclude \"hosts/*.kdl\"\n";
pub const WEB: &str =
    "host \"web\" { address \"local\"; source \"/etc/hostname\"; retention { keep last=200 } }\n";
pub const DB: &str =
    "host \"db\" { address \"192.0.2.7\"; source \"/\"; retention { keep last=5 } }\n";

/// The program, and a server on its database until this goes.
pub struct Site {
    pub program: Program,
    pub origin: String,
    child: Child,
}

/// What a server answered.
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

/// The program with an applied fleet and `snapshots` of `web`.
pub fn fleet(snapshots: usize) -> Program {
    let program = Program::new();
    program.write("pobsync.kdl", MAIN);
    program.write("hosts/web.kdl", WEB);
    program.write("hosts/db.kdl", DB);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["discover-snapshots"]);
    for n in 0..snapshots {
        let (day, hour) = (n / 24 + 1, n % 24);
        program.plant(
            "web",
            "scheduled",
            &format!("202512{day:02}-{hour:02}1500Z__abc{n:03}"),
        );
    }
    program.ends(0, &["discover-snapshots"]);
    program
}

impl Site {
    pub fn of(program: Program) -> Self {
        Self::with(program, &[])
    }

    /// Serves with more arguments.
    pub fn with(program: Program, more: &[&str]) -> Self {
        Self::under(program, &[], more)
    }

    /// Serves with more arguments, under a command in front of it.
    pub fn under(program: Program, front: &[&str], more: &[&str]) -> Self {
        let args: Vec<&str> = ["serve", "--listen", "127.0.0.1:0"]
            .iter()
            .chain(more)
            .copied()
            .collect();
        let mut child = program
            .command_under(front, &args)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = said
            .by_ref()
            .map(|line| line.unwrap())
            .find(|line| line.starts_with("Listening on "))
            .unwrap();
        // Nobody may block on what it says later.
        std::thread::spawn(move || said.for_each(drop));
        let origin = line.split("for ").nth(1).unwrap().trim_end_matches('/');
        Self {
            origin: origin.to_owned(),
            program,
            child,
        }
    }

    pub fn token(&self, scopes: &str) -> String {
        let said = self
            .program
            .ends(0, &["token", "create", "ci", "--scope", scopes]);
        said.out.trim().to_owned()
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = agent().get(format!("{}{path}", self.origin));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answered(request.call().unwrap())
    }

    /// Gets with a token.
    pub fn read(&self, path: &str, token: &str) -> Answer {
        self.get(path, &[("authorization", &format!("Bearer {token}"))])
    }

    pub fn post(&self, path: &str, token: &str, kind: &str, body: &[u8]) -> Answer {
        let request = agent()
            .post(format!("{}{path}", self.origin))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", kind);
        answered(request.send(body).unwrap())
    }

    /// The program, asking this server with a token.
    pub fn asks(&self, token: &str, args: &[&str]) -> Said {
        let mut command = self.program.command(args);
        command
            .args(["--server", &self.origin])
            .env("POBSYNC_TOKEN", token)
            // What it asks a server for it does not look up itself.
            .env("POBSYNC_DATABASE", "/nonexistent/pobsync.db");
        Said::of(command.output().unwrap())
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .new_agent()
}

fn answered(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.body_mut().read_to_string().unwrap(),
    }
}

impl Site {
    /// Ends the server.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop();
    }
}
