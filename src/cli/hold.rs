//! `hold`, `unhold` and `ack`.

use super::args::{HoldArgs, HostArg, UnholdArgs};
use super::output::Output;
use crate::core::model::{Timestamp, visible};
use crate::core::plan::Outcome;
use crate::ops::{self, Context, Error};

pub(super) fn hold(context: &Context, args: &HoldArgs, output: &Output) -> Result<Outcome, Error> {
    let held = ops::hold(
        context,
        &args.host,
        &args.snapshot,
        &args.reason,
        args.until,
    )?;
    let end = |until: Timestamp| {
        let there = until.utc().with_timezone(&held.timezone);
        format!(
            "{} ({})",
            there.format("%a %Y-%m-%d %H:%M %Z"),
            held.timezone.name()
        )
    };
    let until = held.until.map(|until| format!(" before {}", end(until)));
    output.say(&format!(
        "Held: no prune deletes {} of {}{}.",
        held.name,
        args.host,
        until.unwrap_or_default()
    ));
    if let Some(replaced) = &held.replaced {
        let until = replaced.until.map_or("for good".to_owned(), |until| {
            format!("until {}", end(until))
        });
        output.say(&format!(
            "It takes the place of the hold of {} {until}: {}",
            visible(&replaced.by),
            visible(&replaced.reason)
        ));
    }
    Ok(Outcome::Done)
}

pub(super) fn unhold(
    context: &Context,
    args: &UnholdArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let (name, was_held) = ops::unhold(context, &args.host, &args.snapshot)?;
    output.say(&if was_held {
        format!("The hold on {name} is off.")
    } else {
        format!("There was no hold on {name}.")
    });
    Ok(if was_held {
        Outcome::Done
    } else {
        Outcome::NoChanges
    })
}

pub(super) fn ack(context: &Context, args: &HostArg, output: &Output) -> Result<Outcome, Error> {
    let marked = ops::acknowledge(context, &args.host)?;
    output.say(&format!(
        "{marked} suspect snapshots of {} acknowledged.",
        args.host
    ));
    Ok(if marked > 0 {
        Outcome::Done
    } else {
        Outcome::NoChanges
    })
}
