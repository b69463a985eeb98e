//! The imperative commands.

use super::args::{ConfigureGlobalArgs, ConfigureHostArgs, ScheduleArgs};
use super::output::Output;
use crate::core::model::{CronText, Keep, Span};
use crate::core::plan::Outcome;
use crate::ops::{self, Context, Error, GlobalEdit, HostEdit};
use crate::store::Configured;

pub(super) fn global(
    context: &Context,
    args: &ConfigureGlobalArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let edit = GlobalEdit {
        backup_root: args.backup_root.clone(),
        max_concurrent: args.max_concurrent,
        max_delete: args.max_delete,
    };
    let done = ops::configure_global(context, &edit)?;
    Ok(tell(done, "the global settings", "", output))
}

pub(super) fn host(
    context: &Context,
    args: ConfigureHostArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let keep: Option<Keep> = args.keep.as_deref().map(str::parse).transpose()?;
    let hint = if keep.is_some() {
        format!(
            " The policy is not approved yet: pobsync retention {} --approve",
            args.host
        )
    } else {
        String::new()
    };
    let edit = HostEdit {
        address: args.address,
        sources: args.sources,
        excludes: args.excludes,
        keep,
        user: args.user,
        port: args.port,
        identity: args.identity,
        known_hosts: args.known_hosts,
        enabled: args.enabled,
    };
    let done = ops::configure_host(context, &args.host, &edit)?;
    Ok(tell(done, &format!("host {}", args.host), &hint, output))
}

pub(super) fn schedule(
    context: &Context,
    args: &ScheduleArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let cron: Option<CronText> = args.cron.as_deref().map(str::parse).transpose()?;
    let edit = cron.map(|cron| {
        (
            cron,
            args.jitter.unwrap_or(Span::from_seconds(0)),
            args.prune,
        )
    });
    let done = ops::schedule(context, &args.host, &edit)?;
    Ok(tell(
        done,
        &format!("the schedule of {}", args.host),
        "",
        output,
    ))
}

#[derive(serde::Serialize)]
struct Told {
    outcome: Outcome,
    serial: crate::core::model::Serial,
}

fn tell(done: Configured, what: &str, hint: &str, output: &Output) -> Outcome {
    let outcome = if done.changed {
        Outcome::Done
    } else {
        Outcome::NoChanges
    };
    output.data(
        &Told {
            outcome,
            serial: done.serial,
        },
        |_| {
            if done.changed {
                format!("Set {what} (serial {}).{hint}\n", done.serial)
            } else {
                format!("Nothing changes: {what} stands so already.\n")
            }
        },
    );
    outcome
}
