//! A forge's comment API on loopback, as far as the scripts use it: tokens, pages, authors, comments, merged changes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Github,
    Gitlab,
    Forgejo,
}

#[derive(Debug, Clone)]
pub struct Comment {
    pub id: u64,
    pub change: u64,
    pub author: String,
    pub body: String,
}

#[derive(Default)]
struct State {
    comments: Vec<Comment>,
    merged: Vec<(String, u64)>,
    writes: Vec<String>,
}

pub struct Forge {
    pub kind: Kind,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

pub const TOKEN: &str = "secret-of-the-job";
pub const USER: &str = "the-job[bot]";

impl Forge {
    pub fn start(kind: Kind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        // Ends with the test's process: it answers one request after the other, as long as there is anybody to ask.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = answer(kind, &shared, stream);
            }
        });
        Self {
            kind,
            address,
            state,
        }
    }

    /// What `ci/forge.sh` needs in the environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let (word, repository) = match self.kind {
            Kind::Github => ("github", "acme/backups"),
            Kind::Gitlab => ("gitlab", "7"),
            Kind::Forgejo => ("forgejo", "acme/backups"),
        };
        let mut set = vec![
            ("FORGE", word.to_owned()),
            ("FORGE_API", format!("http://{}/api", self.address)),
            ("FORGE_REPO", repository.to_owned()),
            ("FORGE_TOKEN", TOKEN.to_owned()),
        ];
        // The token of a GitHub job cannot ask whose it is: the workflow says it.
        if self.kind == Kind::Github {
            set.push(("FORGE_USER", USER.to_owned()));
        }
        set
    }

    pub fn comments(&self, change: u64) -> Vec<Comment> {
        let state = self.state.lock().unwrap();
        let of_change = |comment: &&Comment| comment.change == change;
        state.comments.iter().filter(of_change).cloned().collect()
    }

    /// The comments that the job itself wrote.
    pub fn ours(&self, change: u64) -> Vec<Comment> {
        let mut all = self.comments(change);
        all.retain(|comment| comment.author == USER);
        all
    }

    pub fn say(&self, change: u64, author: &str, body: &str) {
        let mut state = self.state.lock().unwrap();
        let id = state.comments.len() as u64 + 1;
        state.comments.push(Comment {
            id,
            change,
            author: author.to_owned(),
            body: body.to_owned(),
        });
    }

    pub fn edit(&self, change: u64, from: &str, to: &str) {
        let mut state = self.state.lock().unwrap();
        for comment in &mut state.comments {
            if comment.change == change && comment.author == USER {
                assert!(comment.body.contains(from));
                comment.body = comment.body.replace(from, to);
            }
        }
    }

    pub fn merged(&self, commit: &str, change: u64) {
        let mut state = self.state.lock().unwrap();
        state.merged.push((commit.to_owned(), change));
    }

    /// Every request that wrote something: method and path.
    pub fn writes(&self) -> Vec<String> {
        self.state.lock().unwrap().writes.clone()
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn answer(kind: Kind, state: &Mutex<State>, mut stream: TcpStream) -> std::io::Result<()> {
    let request = read(&mut stream)?;
    let (status, body) = respond(kind, &mut state.lock().unwrap(), &request);
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn read(stream: &mut TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let header = |name: &str| {
        headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    };
    if header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let length = header("content-length").map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Request {
        method,
        path,
        query,
        headers,
        body,
    })
}

fn respond(kind: Kind, state: &mut State, request: &Request) -> (u16, Value) {
    let authorised = match kind {
        Kind::Gitlab => ("private-token", TOKEN.to_owned()),
        Kind::Github | Kind::Forgejo => ("authorization", format!("token {TOKEN}")),
    };
    if !request
        .headers
        .iter()
        .any(|(n, v)| (n.as_str(), v) == (authorised.0, &authorised.1))
    {
        return (401, json!({"message": "401 Unauthorized"}));
    }
    let Some(path) = request.path.strip_prefix("/api/") else {
        return (404, json!({"message": "404"}));
    };
    let parts: Vec<&str> = path.split('/').collect();
    let number = |text: &str| text.parse::<u64>().unwrap();
    match (kind, request.method.as_str(), parts.as_slice()) {
        (Kind::Forgejo, "GET", ["user"]) => (200, json!({"login": USER})),
        (Kind::Gitlab, "GET", ["user"]) => (200, json!({"username": USER})),
        (
            Kind::Gitlab,
            method,
            [
                "projects",
                "7",
                "merge_requests",
                change,
                "notes",
                rest @ ..,
            ],
        ) => comments(kind, state, request, method, Some(number(change)), rest),
        (
            Kind::Gitlab,
            "GET",
            [
                "projects",
                "7",
                "repository",
                "commits",
                sha,
                "merge_requests",
            ],
        ) => {
            let found = change_of(state, sha).map(|n| json!({"iid": n, "state": "merged"}));
            (200, found.into_iter().collect())
        }
        (_, "PATCH", ["repos", "acme", "backups", "issues", "comments", id]) => {
            comments(kind, state, request, "PUT", None, &[id])
        }
        (_, method, ["repos", "acme", "backups", "issues", change, "comments"]) => {
            comments(kind, state, request, method, Some(number(change)), &[])
        }
        (Kind::Github, "GET", ["repos", "acme", "backups", "commits", sha, "pulls"]) => {
            let found = change_of(state, sha)
                .map(|n| json!({"number": n, "merged_at": "2026-01-01T00:00:00Z"}));
            let open = json!({"number": 999, "merged_at": null});
            (200, std::iter::once(open).chain(found).collect())
        }
        (Kind::Forgejo, "GET", ["repos", "acme", "backups", "pulls"]) => {
            let one = |(sha, n): &(String, u64)| json!({"number": n, "merged": true, "merge_commit_sha": sha});
            let open = json!({"number": 999, "merged": false, "merge_commit_sha": null});
            (
                200,
                std::iter::once(open)
                    .chain(state.merged.iter().map(one))
                    .collect(),
            )
        }
        _ => (404, json!({"message": "404 Not Found"})),
    }
}

fn change_of(state: &State, sha: &str) -> Option<u64> {
    let found = state.merged.iter().find(|(commit, _)| commit == sha);
    found.map(|(_, change)| *change)
}

fn comments(
    kind: Kind,
    state: &mut State,
    request: &Request,
    method: &str,
    change: Option<u64>,
    rest: &[&str],
) -> (u16, Value) {
    let shown = |c: &Comment| match kind {
        Kind::Gitlab => json!({"id": c.id, "body": c.body, "author": {"username": c.author}}),
        _ => json!({"id": c.id, "body": c.body, "user": {"login": c.author}}),
    };
    if method == "GET" {
        let page: usize = request
            .query
            .split('&')
            .find_map(|word| word.strip_prefix("page="))
            .map_or(1, |n| n.parse().unwrap());
        let all = state
            .comments
            .iter()
            .filter(|c| Some(c.change) == change)
            .map(shown);
        // Forgejo does not cut this list into pages.
        return match kind {
            Kind::Forgejo => (200, all.collect()),
            _ => (200, all.skip((page - 1) * 100).take(100).collect()),
        };
    }
    state
        .writes
        .push(format!("{} {}", request.method, request.path));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let body = body["body"].as_str().unwrap().to_owned();
    assert!(body.chars().count() <= 65_536, "GitHub takes no more");
    match rest {
        [] => {
            let comment = Comment {
                id: state.comments.len() as u64 + 1,
                change: change.unwrap(),
                author: USER.to_owned(),
                body,
            };
            state.comments.push(comment.clone());
            (201, shown(&comment))
        }
        [id] => {
            let id: u64 = id.parse().unwrap();
            let found = state.comments.iter_mut().find(|c| c.id == id);
            match found {
                Some(comment) if comment.author == USER => {
                    comment.body = body;
                    (200, shown(comment))
                }
                Some(_) => (403, json!({"message": "not yours"})),
                None => (404, json!({"message": "404"})),
            }
        }
        _ => (404, json!({"message": "404"})),
    }
}
