//! A tiny HTTP receiver on loopback: what came, and what it answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A receiver that answers with one status until told otherwise.
pub struct Receiver {
    pub port: u16,
    status: Arc<AtomicU16>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    pub fn answering(status: u16) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), status)
    }

    /// On a port that was down so far.
    pub fn at(port: u16) -> Self {
        Self::on(TcpListener::bind(("127.0.0.1", port)).unwrap(), 200)
    }

    fn on(listener: TcpListener, status: u16) -> Self {
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            status: Arc::new(AtomicU16::new(status)),
            seen: Arc::default(),
        };
        let (status, seen) = (Arc::clone(&receiver.status), Arc::clone(&receiver.seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (status, seen) = (Arc::clone(&status), Arc::clone(&seen));
                std::thread::spawn(move || serve(stream, &status, &seen));
            }
        });
        receiver
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

/// A port of loopback on which nobody listens.
pub fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn serve(mut stream: TcpStream, status: &AtomicU16, seen: &Mutex<Vec<Request>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    // Recorded before the answer, so that who has an answer is in the list.
    seen.lock().unwrap().push(Request {
        method,
        path,
        headers,
        body,
    });
    let status = status.load(Ordering::SeqCst);
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\nlocation: http://127.0.0.1:1/elsewhere\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
    )
    .ok()
}
