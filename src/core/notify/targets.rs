//! Receivers and their targets, by names that hold no address.

use crate::core::model::{EventKind, Label, Notify, NotifyTarget};

/// The name of the target at `index`: its kind and, from the second one of a kind on, its number. An address that was
/// corrected is still the same target, so that what waits for it goes to the right place.
#[must_use]
pub fn name_of(targets: &[NotifyTarget], index: usize) -> Option<String> {
    let word = word(targets.get(index)?);
    let before = targets.iter().take(index).filter(|t| self::word(t) == word);
    Some(match before.count() {
        0 => word.to_owned(),
        n => format!("{word}-{}", n + 1),
    })
}

/// Every receiver and target that wants to hear of such an event.
#[must_use]
pub fn recipients(receivers: &[Notify], kind: EventKind) -> Vec<(Label, String)> {
    let wanting = receivers.iter().filter(|r| kind.is_asked_for(&r.on));
    wanting
        .flat_map(|receiver| {
            (0..receiver.targets.len())
                .filter_map(|index| name_of(&receiver.targets, index))
                .map(|target| (receiver.name.clone(), target))
        })
        .collect()
}

/// The target of that name, if the configuration still has it.
#[must_use]
pub fn find<'a>(receivers: &'a [Notify], receiver: &str, target: &str) -> Option<&'a NotifyTarget> {
    let receiver = receivers.iter().find(|r| r.name.as_str() == receiver)?;
    let index = (0..receiver.targets.len())
        .find(|index| name_of(&receiver.targets, *index).as_deref() == Some(target))?;
    receiver.targets.get(index)
}

fn word(target: &NotifyTarget) -> &'static str {
    match target {
        NotifyTarget::Webhook(_) => "webhook",
        NotifyTarget::Email(_) => "email",
        NotifyTarget::Ping(_) => "ping",
        NotifyTarget::Command(_) => "command",
    }
}
