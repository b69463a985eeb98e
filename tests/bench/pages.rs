//! How long pages and the API take, by the size of the fleet: `cargo bench --bench pages`.
//!
//! Makes a database of 1,000 hosts with 100,000 snapshots and one of 10,000 with 1,000,000 in a temporary folder (about
//! 600 MB), serves each by the release build and asks as a person who has logged in, one request after another, each on a
//! connection of its own. Told are the median and the worst of fifty, the first request after the start of the server, and
//! the first one after a form was posted that changes a host (median of ten). Other sizes: `cargo bench --bench pages --
//! 500 50`, hosts and snapshots a host. Nothing passes or fails by its time.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "../common/program.rs"]
#[allow(dead_code, unreachable_pub)]
mod program;

#[path = "../web/http.rs"]
#[allow(dead_code, unreachable_pub)]
mod http;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use http::{form, send};
use program::Program;

const PASSWORD: &str = "a long enough password";
const TIMES: usize = 50;
const AFTER_POST: usize = 10;

/// A server on a large fleet, and a session.
struct Site {
    server: Child,
    address: SocketAddr,
    cookie: String,
    form_token: String,
}

/// How long one address took.
struct Line {
    path: String,
    cold: Duration,
    median: Duration,
    worst: Duration,
    after_post: Duration,
    bytes: usize,
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let sizes = match numbers[..] {
        [hosts, snapshots, ..] => vec![(hosts, snapshots)],
        _ => vec![(1_000, 100), (10_000, 100)],
    };
    for (hosts, snapshots) in sizes {
        let began = Instant::now();
        let program = fleet(hosts, snapshots);
        println!(
            "\n{hosts} hosts, {} snapshots (made in {:.0} s). Milliseconds.\n",
            hosts * snapshots,
            began.elapsed().as_secs_f64()
        );
        println!("| request | first | median | worst | after a POST | bytes |");
        println!("| --- | --: | --: | --: | --: | --: |");
        for path in paths(hosts) {
            let line = measure(&program, path);
            println!(
                "| `{}` | {} | {} | {} | {} | {} |",
                line.path,
                millis(line.cold),
                millis(line.median),
                millis(line.worst),
                millis(line.after_post),
                line.bytes
            );
        }
        let began = Instant::now();
        let said = program.command(&["status"]).output().unwrap();
        let seconds = began.elapsed();
        println!(
            "\n`pobsync status`: {} ms, {} bytes",
            millis(seconds),
            said.stdout.len()
        );
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

fn paths(hosts: usize) -> Vec<String> {
    let one = name(hosts / 2);
    vec![
        "/".to_owned(),
        "/hosts/".to_owned(),
        format!("/hosts/?q={}", name(hosts / 3)),
        "/hosts/?q=never".to_owned(),
        "/hosts/?sort=state".to_owned(),
        "/hosts/?sort=snapshots".to_owned(),
        format!("/hosts/?page={}", hosts / 50),
        format!("/hosts/{one}/"),
        format!("/hosts/{one}/retention/"),
        format!("/hosts/{one}/snapshots/"),
        "/runs/".to_owned(),
        "/plans/".to_owned(),
        "/configuration/".to_owned(),
        "/audit/".to_owned(),
        "/api/status/".to_owned(),
        "/api/hosts/".to_owned(),
        format!("/api/hosts/{one}/"),
        format!("/api/hosts/{one}/retention/"),
        "/api/snapshots/".to_owned(),
        "/api/runs/".to_owned(),
        "/metrics".to_owned(),
    ]
}

fn name(n: usize) -> String {
    format!("web-{n:05}")
}

fn measure(program: &Program, path: String) -> Line {
    let site = Site::serve(program);
    let cold = site.ask(&path).0;
    let mut times: Vec<Duration> = (0..TIMES).map(|_| site.ask(&path).0).collect();
    times.sort_unstable();
    let mut after: Vec<Duration> = (0..AFTER_POST)
        .map(|n| {
            site.post(if n % 2 == 0 { "pause" } else { "resume" });
            site.ask(&path).0
        })
        .collect();
    after.sort_unstable();
    Line {
        bytes: site.ask(&path).1,
        path,
        cold,
        median: times[TIMES / 2],
        worst: times[TIMES - 1],
        after_post: after[AFTER_POST / 2],
    }
}

impl Site {
    fn serve(program: &Program) -> Self {
        let mut server = program
            .command(&["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().unwrap().unwrap();
            if let Some(rest) = line.strip_prefix("Listening on ") {
                break rest.split(',').next().unwrap().parse().unwrap();
            }
        };
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let mut site = Self {
            server,
            address,
            cookie: String::new(),
            form_token: String::new(),
        };
        let body = form(&[("username", "alice"), ("password", PASSWORD), ("next", "/")]);
        let answer = site.send("POST", "/login/", &body);
        let cookie = answer.header("set-cookie").unwrap();
        site.cookie = cookie.split(';').next().unwrap().to_owned();
        // A page that reads nothing of the fleet.
        let page = site.send("GET", "/account/", "").text();
        let after = page.split("name=\"form_token\" value=\"").nth(1).unwrap();
        site.form_token = after.split('"').next().unwrap().to_owned();
        site
    }

    fn send(&self, method: &str, path: &str, body: &str) -> http::Answer {
        let origin = format!("http://{}", self.address);
        let headers = [
            ("Origin", origin.as_str()),
            ("Cookie", self.cookie.as_str()),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        send(self.address, method, path, &headers, body)
    }

    fn ask(&self, path: &str) -> (Duration, usize) {
        let began = Instant::now();
        let answer = self.send("GET", path, "");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        (began.elapsed(), answer.body.len())
    }

    /// Does something to a host.
    fn post(&self, verb: &str) {
        let fields = [
            ("form_token", self.form_token.as_str()),
            ("reason", "bench"),
        ];
        let fields = if verb == "pause" {
            &fields[..]
        } else {
            &fields[..1]
        };
        let answer = self.send(
            "POST",
            &format!("/hosts/{}/{verb}/", name(1)),
            &form(fields),
        );
        assert_eq!(answer.status, 303, "{verb}: {}", answer.text());
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A fleet of which every host has its snapshots and three runs; each hundredth failed last.
fn fleet(hosts: usize, snapshots: usize) -> Program {
    let program = Program::new();
    let mut text = String::from(
        "/- kdl-version 2\nglobal { backup-root \"ROOT\"; timezone \"Europe/Amsterdam\" }\n\
         retention \"standard\" { keep last=3 daily=14 weekly=8 monthly=12 yearly=5 }\n\
         schedule \"nightly\" cron=\"15 2 * * *\" { jitter \"2h\"; prune #true }\n\
         group \"web\" { retention \"standard\"; schedule \"nightly\"; source \"/etc\" \"/var/www\"; exclude \"/var/www/*/cache\" }\n",
    );
    for n in 0..hosts {
        let name = name(n);
        writeln!(
            text,
            "host \"{name}\" group=\"web\" {{ address \"{name}.example.net\" }}"
        )
        .unwrap();
    }
    program.write("pobsync.kdl", &text);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes", "-q"]);
    program.ends(0, &["discover-snapshots", "--host", &name(0)]);
    let password = program.write("password", PASSWORD);
    let password = password.to_str().unwrap();
    program.ends(
        0,
        &["create-superuser", "alice", "--password-file", password],
    );
    fill(&program, snapshots);
    // What was written past the program is judged now and not by the first request.
    program.command(&["status", "-q"]).output().unwrap();
    program
}

/// Writes rows past the program: a million of them through it would take an hour.
fn fill(program: &Program, snapshots: usize) {
    let database = rusqlite::Connection::open(program.path("state/pobsync.db")).unwrap();
    let now = "(CAST(unixepoch() AS INTEGER) * 1000)";
    database
        .execute_batch(&format!(
            "BEGIN;
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {snapshots})
             INSERT INTO snapshots (host_id, root_id, kind, name, status, started_at, finished_at, base_name, bytes, files,
                 bytes_transferred, rsync_exit, suspect)
             SELECT h.id, (SELECT root_id FROM roots), CASE WHEN n.i % 20 = 0 THEN 'manual' ELSE 'scheduled' END,
                 strftime('%Y%m%d-%H%M%SZ', ({now} - n.i * 86400000) / 1000, 'unixepoch') || printf('__%06d', n.i),
                 'complete', {now} - n.i * 86400000, {now} - n.i * 86400000 + 600000,
                 strftime('%Y%m%d-%H%M%SZ', ({now} - (n.i + 1) * 86400000) / 1000, 'unixepoch') || printf('__%06d', n.i + 1),
                 4000000000 + h.id * 1000, 120000, 30000000, 0, 0
             FROM hosts h, n ORDER BY n.i DESC, h.id;
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3)
             INSERT INTO runs (host_id, kind, status, started_at, finished_at, heartbeat_at, message, process, fires_at,
                 attempt, prune, told)
             SELECT h.id, 'backup', CASE WHEN n.i = 3 AND h.id % 100 = 0 THEN 'failed' ELSE 'complete' END,
                 {now} - (4 - n.i) * 86400000, {now} - (4 - n.i) * 86400000 + 600000, {now}, 'rsync ended with exit 0', 'bench',
                 {now} - (4 - n.i) * 86400000, 1, 1, 1
             FROM hosts h, n ORDER BY n.i, h.id;
             UPDATE schedule_progress SET settled_until = {now};
             UPDATE host_status SET due = 1;
             COMMIT;"
        ))
        .unwrap();
}
