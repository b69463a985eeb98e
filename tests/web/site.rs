//! A database with hosts, `pobsync serve` over it, and somebody who is logged in.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

use crate::common::program::Program;
use crate::http::{Answer, form, send};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A running site with one superuser, `alice`.
pub(crate) struct Site {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
    server: Child,
}

impl Site {
    /// Applies `hosts` beside a root of its own, and serves.
    pub(crate) fn start(hosts: &str) -> Self {
        let program = Program::new();
        std::fs::create_dir_all(program.path("source/etc")).unwrap();
        std::fs::write(program.path("source/etc/hostname"), "web-01\n").unwrap();
        let source = program.path("source");
        let hosts = hosts.replace("SOURCE", source.to_str().unwrap());
        program.write(
            "pobsync.kdl",
            &format!(
                "/- kdl-version 2\nglobal {{ backup-root \"ROOT\"; max-concurrent 1; guard {{ min-free \"0%\" }} }}\n{hosts}\n"
            ),
        );
        program.ends(0, &["init"]);
        program.ends(0, &["apply", "--yes"]);
        let password = program.write("password", PASSWORD);
        let password = password.to_str().unwrap();
        program.ends(
            0,
            &["create-superuser", "alice", "--password-file", password],
        );
        let (server, address) = serve(&program);
        Self {
            program,
            address,
            server,
        }
    }

    /// Logs in; the answer is what every further request carries.
    pub(crate) fn log_in(&self) -> Visitor<'_> {
        let origin = format!("http://{}", self.address);
        let body = form(&[("username", "alice"), ("password", PASSWORD), ("next", "/")]);
        let kind = "application/x-www-form-urlencoded";
        let headers = [("Origin", origin.as_str()), ("Content-Type", kind)];
        let answer = send(self.address, "POST", "/login/", &headers, &body);
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookie = answer.header("set-cookie").unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let mut visitor = Visitor {
            site: self,
            cookie,
            form_token: String::new(),
        };
        let page = visitor.get("/").text();
        let after = page.split("name=\"form_token\" value=\"").nth(1).unwrap();
        visitor.form_token = after.split('"').next().unwrap().to_owned();
        visitor
    }

    /// Asks the server to end, as a service manager does, and waits for it.
    pub(crate) fn stop(&mut self) -> std::process::ExitStatus {
        let pid = i32::try_from(self.server.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.server.wait().unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn serve(program: &Program) -> (Child, SocketAddr) {
    let mut server = program
        .command(&["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().expect("serve ended").unwrap();
        if let Some(rest) = line.strip_prefix("Listening on ") {
            break rest.split(',').next().unwrap().parse().unwrap();
        }
    };
    // What it says further is shown when a test fails, and never fills the pipe.
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            eprintln!("serve: {line}");
        }
    });
    (server, address)
}

/// Somebody with a session.
pub(crate) struct Visitor<'s> {
    site: &'s Site,
    cookie: String,
    pub(crate) form_token: String,
}

impl Visitor<'_> {
    pub(crate) fn get(&self, path: &str) -> Answer {
        let headers = [("Cookie", self.cookie.as_str())];
        send(self.site.address, "GET", path, &headers, "")
    }

    /// A page that has to be there.
    pub(crate) fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    }

    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = format!("http://{}", self.site.address);
        let headers = [
            ("Cookie", self.cookie.as_str()),
            ("Origin", origin.as_str()),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        send(self.site.address, "POST", path, &headers, &form(fields))
    }

    /// Presses a button of one of our forms.
    pub(crate) fn press(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("form_token", self.form_token.as_str())];
        all.extend(fields);
        self.post(path, &all)
    }
}
