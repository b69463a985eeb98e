//! What leaves this machine: one event to one receiver by HTTP or mail, and one question to a running server.
//!
//! It knows neither who is to be told nor where addresses stand. An address is a secret (whoever knows a webhook can write
//! to it): no error of this room holds one, nor anything that a receiver answered.

mod http;
mod mail;
mod roots;
mod server;

pub use http::{ping, post};
pub use mail::{MailServer, Transport, send_mail};
pub use server::{Answer, Unanswered, ask, check_origin};

use crate::core::notify::Refusal;

/// Why a receiver does not have an event, in words of ours alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Undelivered {
    /// Whether it is down, or says no.
    pub refusal: Refusal,
    /// What stood against it.
    pub message: String,
}

impl Undelivered {
    /// The receiver cannot be reached, or is in trouble itself.
    pub fn down(message: impl Into<String>) -> Self {
        Self {
            refusal: Refusal::Down,
            message: message.into(),
        }
    }

    /// The receiver does not want it, or the setting cannot be used.
    pub fn no(message: impl Into<String>) -> Self {
        Self {
            refusal: Refusal::No,
            message: message.into(),
        }
    }
}

/// What an operating system's error says without what it was about.
fn words_of(kind: std::io::ErrorKind) -> &'static str {
    use std::io::ErrorKind;
    match kind {
        ErrorKind::ConnectionRefused => "the connection was refused",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            "the connection was cut"
        }
        ErrorKind::UnexpectedEof => "the connection ended without an answer",
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "it took too long",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            "it cannot be reached"
        }
        _ => "the connection failed",
    }
}
