//! `hold`, `unhold` and `ack`.

use super::args::{HoldArgs, HostArg, UnholdArgs};
use super::output::Output;
use crate::core::plan::Outcome;
use crate::ops::{self, Context, Error};

pub(super) fn hold(context: &Context, args: &HoldArgs, output: &Output) -> Result<Outcome, Error> {
    ops::hold(
        context,
        &args.host,
        &args.snapshot.parse()?,
        &args.reason,
        args.until,
    )?;
    output.say(&format!(
        "Held: no prune deletes {} of {}.",
        args.snapshot, args.host
    ));
    Ok(Outcome::Done)
}

pub(super) fn unhold(
    context: &Context,
    args: &UnholdArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let was_held = ops::unhold(context, &args.host, &args.snapshot.parse()?)?;
    output.say(if was_held {
        "The hold is off."
    } else {
        "There was no hold on it."
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
