//! Mail.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport as _};

use super::{Undelivered, roots, words_of};
use crate::core::model::Event;

/// Each answer of the server; RFC 5321 4.5.3.2 would wait for minutes, and the delivery is tried again anyway.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the mail server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In the clear.
    Plain,
    /// In the clear until STARTTLS, which must be offered.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// The mail server.
#[derive(Clone, PartialEq, Eq)]
pub struct MailServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is reached.
    pub transport: Transport,
    /// User and password, if it wants them.
    pub credentials: Option<(String, String)>,
    /// Who sends.
    pub from: String,
}

/// Sends an event as mail. The `Message-ID` is that of the event, so that mail programs show a double once.
///
/// # Errors
/// When the address cannot be used, or the server does not take the mail.
pub fn send_mail(server: &MailServer, to: &str, event: &Event) -> Result<(), Undelivered> {
    let message = message(&server.from, to, event)?;
    let mut builder = SmtpTransport::builder_dangerous(server.host.as_str())
        .port(server.port)
        .tls(tls(server)?)
        .timeout(Some(PATIENCE));
    if let Some((user, password)) = &server.credentials {
        builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
    }
    match builder.build().send(&message) {
        Ok(_) => Ok(()),
        Err(error) => Err(words(&error)),
    }
}

fn message(from: &str, to: &str, event: &Event) -> Result<Message, Undelivered> {
    let from: Mailbox = from
        .parse()
        .map_err(|_| Undelivered::no("`from` in `smtp` is no mail address"))?;
    let to: Mailbox = to
        .parse()
        .map_err(|_| Undelivered::no("its address is no mail address"))?;
    let id = format!("<{}@{}>", event.id, from.email.domain());
    let header = |name: &'static str, value: &str| {
        HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
    };
    Message::builder()
        .from(from)
        .to(to)
        .subject(format!("[pobsync] {}", event.summary))
        .date(
            SystemTime::UNIX_EPOCH + Duration::from_millis(event.at.millis().max(0).unsigned_abs()),
        )
        .message_id(Some(id))
        // RFC 3834: nobody's holiday note answers it.
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Pobsync-Event", &event.id))
        .header(ContentType::TEXT_PLAIN)
        .body(text(event))
        .map_err(|_| Undelivered::no("a mail cannot be made of it"))
}

fn text(event: &Event) -> String {
    let mut lines = vec![
        event.summary.clone(),
        String::new(),
        event.message.clone(),
        String::new(),
    ];
    let mut field = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("{name:<10}{value}")));
    };
    field("event", Some(event.event.to_string()));
    field("when", Some(event.at.to_string()));
    field("since", event.since.map(|t| t.to_string()));
    field("host", event.host.as_ref().map(ToString::to_string));
    field("run", event.run.map(|run| run.to_string()));
    field("snapshot", event.snapshot.as_ref().map(ToString::to_string));
    field("machine", Some(event.machine.clone()));
    lines.push(String::new());
    lines.join("\r\n")
}

fn tls(server: &MailServer) -> Result<Tls, Undelivered> {
    if server.transport == Transport::Plain {
        return Ok(Tls::None);
    }
    let unusable = |_| Undelivered::no("TLS to the mail server cannot be set up");
    let mut builder = TlsParameters::builder(server.host.clone());
    if let Some(certificates) = roots::of_this_machine() {
        builder =
            builder.add_root_certificate(Certificate::from_pem(&certificates).map_err(unusable)?);
    }
    let parameters = builder.build().map_err(unusable)?;
    Ok(match server.transport {
        Transport::Tls => Tls::Wrapper(parameters),
        // Never without: whoever stands in between could take the offer away.
        Transport::StartTls | Transport::Plain => Tls::Required(parameters),
    })
}

/// What a server answers may hold the address, so of it only the code is told.
fn words(error: &lettre::transport::smtp::Error) -> Undelivered {
    use std::error::Error as _;
    if let Some(code) = error.status() {
        let message = format!("the mail server answered {code}");
        return if error.is_permanent() {
            Undelivered::no(message)
        } else {
            Undelivered::down(message)
        };
    }
    if error.is_tls() {
        return Undelivered::down("the mail server's certificate is not trusted, or TLS failed");
    }
    if error.is_client() {
        return Undelivered::no(
            "the mail server does not offer what `smtp` asks for: STARTTLS, or a way to log in",
        );
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return Undelivered::down(format!("the mail server: {}", words_of(io.kind())));
        }
        cause = inner.source();
    }
    Undelivered::down("the mail server cannot be talked with")
}
