//! A way to the server that breaks where it is told to.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::store::tests::mariadb_server::Server;

/// When a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    /// When the client says a word: the server never hears it.
    BeforeHearing(&'static str),
    /// The server hears it, and its answer is lost.
    BeforeAnswer(&'static str),
}

pub(super) struct Proxy {
    port: u16,
    broken: Arc<AtomicUsize>,
}

impl Proxy {
    /// Breaks the first connection on which the word is said once it is armed, and no other.
    pub(super) fn to(server: &Server, when: Break, armed: Arc<AtomicBool>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let broken = Arc::new(AtomicUsize::new(0));
        let (target, count) = (server.port(), Arc::clone(&broken));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(("127.0.0.1", target)).unwrap();
                let (armed, count) = (Arc::clone(&armed), Arc::clone(&count));
                std::thread::spawn(move || carry(client, server, when, &armed, &count));
            }
        });
        Self { port, broken }
    }

    pub(super) fn url(&self, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}", self.port)
    }

    pub(super) fn broken(&self) -> usize {
        self.broken.load(Ordering::SeqCst)
    }
}

fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    when: Break,
    armed: &AtomicBool,
    count: &AtomicUsize,
) {
    let (mut from_server, mut to_client) =
        (server.try_clone().unwrap(), client.try_clone().unwrap());
    let silent = Arc::new(AtomicBool::new(false));
    let is_silent = Arc::clone(&silent);
    let back = std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(n @ 1..) = from_server.read(&mut buffer) {
            if is_silent.load(Ordering::SeqCst) {
                // The answer has come, so the word was heard; nobody learns of it.
                break;
            }
            if to_client.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 65_536];
    while let Ok(n @ 1..) = client.read(&mut buffer) {
        let (Break::BeforeHearing(word) | Break::BeforeAnswer(word)) = when;
        let is_said = buffer[..n]
            .windows(word.len())
            .any(|part| part == word.as_bytes());
        if is_said && armed.swap(false, Ordering::SeqCst) {
            count.fetch_add(1, Ordering::SeqCst);
            if matches!(when, Break::BeforeHearing(_)) {
                break;
            }
            silent.store(true, Ordering::SeqCst);
        }
        if server.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
    let _ = back.join();
}
