//! Trying whether receivers hear.

use super::send::send;
use crate::core::model::{EventKind, Label};
use crate::core::notify::{Telling, find, recipients, test};
use crate::ops::{Context, Error, VERSION};

/// What came of one target.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Heard {
    /// The receiver.
    pub receiver: Label,
    /// Its target.
    pub target: String,
    /// It has the event.
    pub heard: bool,
    /// What stood against it.
    pub error: Option<String>,
}

/// Sends a test to every target of one receiver or all, whatever they want to hear, and says what came of it. Nothing of
/// it is recorded or tried again.
///
/// # Errors
/// When there is no such receiver, or the database cannot be worked with.
pub fn tell_test(context: &Context, receiver: Option<&Label>) -> Result<Vec<Heard>, Error> {
    let settings = super::settings(context)?;
    let mut recipients = recipients(&settings.notify, EventKind::Test);
    recipients.retain(|(name, _)| receiver.is_none_or(|wanted| wanted == name));
    if recipients.is_empty() {
        return Err(Error::NoReceiver {
            name: receiver.cloned(),
        });
    }
    let lineage = context.store.lineage()?;
    let telling = Telling {
        lineage: &lineage,
        machine: &super::machine(),
        version: VERSION,
    };
    let random: String = crate::ops::random_bytes()?
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let event = test(telling, &random, &context.actor, crate::ops::clock::now()).event;
    let body = serde_json::to_string(&event).unwrap_or_default();
    let hear = |(receiver, target): (Label, String)| {
        let found = find(&settings.notify, receiver.as_str(), &target)?;
        let error = send(&settings, found, &event, &body)
            .err()
            .map(|error| error.message);
        Some(Heard {
            receiver,
            target,
            heard: error.is_none(),
            error,
        })
    };
    Ok(recipients.into_iter().filter_map(hear).collect())
}
