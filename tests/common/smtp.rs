//! A tiny mail server on loopback that takes every mail, or refuses every recipient.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One mail as it came.
#[derive(Debug, Clone, Default)]
pub struct Mail {
    pub from: String,
    pub to: String,
    /// Who logged in, as `AUTH PLAIN` has it in base64.
    pub login: String,
    pub data: String,
}

impl Mail {
    pub fn header(&self, name: &str) -> String {
        let start = format!("{name}: ");
        let mut lines = self
            .data
            .lines()
            .skip_while(|line| !line.starts_with(&start));
        let mut value = lines.next().unwrap_or_default()[start.len()..].to_owned();
        for more in lines.take_while(|line| line.starts_with(' ')) {
            value.push_str(more);
        }
        value
    }
}

pub struct MailSink {
    pub port: u16,
    seen: Arc<Mutex<Vec<Mail>>>,
}

impl MailSink {
    pub fn start(answer_to_recipients: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sink = Self {
            port: listener.local_addr().unwrap().port(),
            seen: Arc::default(),
        };
        let seen = Arc::clone(&sink.seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || talk(stream, answer_to_recipients, &seen));
            }
        });
        sink
    }

    pub fn seen(&self) -> Vec<Mail> {
        self.seen.lock().unwrap().clone()
    }
}

fn talk(mut stream: TcpStream, to_recipients: &str, seen: &Mutex<Vec<Mail>>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let mut mail = Mail::default();
    write!(stream, "220 sink ESMTP\r\n").ok()?;
    while let Some(Ok(line)) = lines.next() {
        let word: String = line
            .chars()
            .take(4)
            .collect::<String>()
            .to_ascii_uppercase();
        match word.trim_end() {
            "EHLO" => write!(stream, "250-sink\r\n250 AUTH PLAIN\r\n"),
            "AUTH" => {
                mail.login = line["AUTH PLAIN ".len()..].to_owned();
                write!(stream, "235 welcome\r\n")
            }
            "MAIL" => {
                mail.from = line;
                write!(stream, "250 ok\r\n")
            }
            "RCPT" => {
                mail.to = line;
                write!(stream, "{to_recipients}\r\n")
            }
            "DATA" => {
                write!(stream, "354 go on\r\n").ok()?;
                let text: Vec<String> = lines
                    .by_ref()
                    .map_while(Result::ok)
                    .take_while(|line| line != ".")
                    .collect();
                mail.data = text.join("\n");
                seen.lock().unwrap().push(mail.clone());
                write!(stream, "250 taken\r\n")
            }
            "QUIT" => return write!(stream, "221 bye\r\n").ok(),
            _ => write!(stream, "250 ok\r\n"),
        }
        .ok()?;
    }
    Some(())
}
