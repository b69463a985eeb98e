//! Sending one event to one target: where its address is looked up, used, and forgotten.

use crate::core::model::{
    Event, GlobalSettings, HookName, NotifyTarget, SecretText, SmtpSettings, SmtpTls, Span, Value,
    ValueError, is_this_machine,
};
use crate::courier::{self, MailServer, Transport, Undelivered};
use crate::ops::context::{ServerLookup, hooks_folder};
use crate::rsync::{HookCall, HookError, Stop};

/// A command that takes longer is stuck; it can leave its work to a process of its own.
const COMMAND_LIMIT: Span = Span::from_seconds(30);

/// Sends an event. `body` is the event as JSON.
///
/// # Errors
/// When the receiver does not have it for certain. The message holds neither address nor credential.
pub(super) fn send(
    settings: &GlobalSettings,
    target: &NotifyTarget,
    event: &Event,
    body: &str,
) -> Result<(), Undelivered> {
    match target {
        NotifyTarget::Webhook(address) => courier::post(&text(address)?, event, body),
        NotifyTarget::Ping(address) => courier::ping(&text(address)?, event),
        NotifyTarget::Email(address) => {
            let server = mail_server(settings.smtp.as_ref())?;
            courier::send_mail(&server, &text(address)?, event)
        }
        NotifyTarget::Command(name) => command(name, event, body),
    }
}

fn text(value: &Value<SecretText>) -> Result<String, Undelivered> {
    value
        .resolve(&ServerLookup)
        .map(String::from)
        .map_err(unusable)
}

/// The reference is told, and what the system said of it; never what it stands for.
fn unusable(error: ValueError) -> Undelivered {
    let why = std::error::Error::source(&error).map_or(String::new(), |why| format!(": {why}"));
    Undelivered::no(format!("{error}{why}"))
}

fn mail_server(settings: Option<&SmtpSettings>) -> Result<MailServer, Undelivered> {
    let host = settings.and_then(|smtp| smtp.host.as_ref());
    let host = match host {
        Some(host) => host.resolve(&ServerLookup).map_err(unusable)?.to_string(),
        None => "localhost".to_owned(),
    };
    let is_here = is_this_machine(&host);
    let tls = settings.and_then(|smtp| smtp.tls).unwrap_or(if is_here {
        SmtpTls::None
    } else {
        SmtpTls::Starttls
    });
    let secret = |pick: fn(&SmtpSettings) -> &Option<Value<SecretText>>| {
        settings
            .and_then(|smtp| pick(smtp).as_ref())
            .map(text)
            .transpose()
    };
    let credentials = secret(|smtp| &smtp.user)?.zip(secret(|smtp| &smtp.password)?);
    if credentials.is_some() && tls == SmtpTls::None && !is_here {
        return Err(Undelivered::no(
            "the password would cross the network in the clear: set `tls` in `smtp`",
        ));
    }
    Ok(MailServer {
        port: settings.and_then(|smtp| smtp.port).unwrap_or(tls.port()),
        transport: match tls {
            SmtpTls::None => Transport::Plain,
            SmtpTls::Starttls => Transport::StartTls,
            SmtpTls::Tls => Transport::Tls,
        },
        credentials,
        from: secret(|smtp| &smtp.from)?.unwrap_or_else(|| format!("pobsync@{}", super::machine())),
        host: if host == "local" {
            "localhost".to_owned()
        } else {
            host
        },
    })
}

/// Runs a file of the hooks folder; the event comes on its standard input.
fn command(name: &HookName, event: &Event, body: &str) -> Result<(), Undelivered> {
    let never = Stop::new();
    let call = HookCall {
        arguments: Vec::new(),
        environment: vec![
            ("POBSYNC_EVENT", event.event.to_string()),
            ("POBSYNC_EVENT_ID", event.id.clone()),
        ],
        input: body.as_bytes().to_vec(),
        timeout: COMMAND_LIMIT,
        stop: &never,
        log: None,
    };
    hooks_folder()
        .run(name, call, &mut |_| {})
        .map_err(|error| match error {
            HookError::Problem(_) => Undelivered::no(error.to_string()),
            // What it printed is not told: it may hold what it was given as a credential.
            HookError::Failed { exit, .. } => {
                Undelivered::down(format!("it ended with exit {exit}"))
            }
            HookError::Signal { signal, .. } => {
                Undelivered::down(format!("signal {signal} ended it"))
            }
            other => Undelivered::down(other.to_string()),
        })
}
