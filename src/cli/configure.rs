//! The imperative commands: settings set in the database, or in the file that `--file` names.

use camino::Utf8Path;

use super::args::{Common, ConfigureGlobalArgs, ConfigureHostArgs, ScheduleArgs};
use super::output::Output;
use super::{create_context, open_context};
use crate::config::{Edited, EditedFile};
use crate::core::model::{CronText, Keep, Span, visible};
use crate::core::plan::Outcome;
use crate::ops::{self, Error, GlobalEdit, HostEdit};
use crate::store::Configured;

pub(super) fn global(
    common: &Common,
    args: &ConfigureGlobalArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let edit = GlobalEdit {
        backup_root: args.backup_root.clone(),
        max_concurrent: args.max_concurrent,
        max_delete: args.max_delete,
    };
    if let Some(path) = edited_file(common) {
        return Ok(edited(&ops::edit_global(path, &edit)?, output));
    }
    let done = ops::configure_global(&create_context(common)?, &edit)?;
    Ok(tell(done, "the global settings", "", output))
}

pub(super) fn host(
    common: &Common,
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
    if let Some(path) = edited_file(common) {
        return Ok(edited(&ops::edit_host(path, &args.host, &edit)?, output));
    }
    let done = ops::configure_host(&create_context(common)?, &args.host, &edit)?;
    Ok(tell(done, &format!("host {}", args.host), &hint, output))
}

pub(super) fn schedule(
    common: &Common,
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
    if let Some(path) = edited_file(common) {
        return Ok(edited(
            &ops::edit_schedule(path, &args.host, &edit)?,
            output,
        ));
    }
    let done = ops::schedule(&open_context(common)?, &args.host, &edit)?;
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

/// The file to be edited: only one that the command line itself names.
fn edited_file(common: &Common) -> Option<&Utf8Path> {
    let file = common.file.as_deref();
    file.filter(|_| common.names_file)
}

fn edited(edited: &Edited, output: &Output) -> Outcome {
    let outcome = if edited.files.is_empty() {
        Outcome::NoChanges
    } else {
        Outcome::Done
    };
    tell_edit(outcome, &edited.files, &[], output);
    outcome
}

#[derive(serde::Serialize)]
struct ToldEdit<'a> {
    outcome: Outcome,
    files: Vec<ToldFile<'a>>,
    left: &'a [String],
}

#[derive(serde::Serialize)]
struct ToldFile<'a> {
    path: &'a str,
    diff: String,
}

/// Shows what was written into files, and what was left as it is.
pub(super) fn tell_edit(outcome: Outcome, files: &[EditedFile], left: &[String], output: &Output) {
    let told = ToldEdit {
        outcome,
        files: files
            .iter()
            .map(|file| ToldFile {
                path: file.path.as_str(),
                diff: file.unified(),
            })
            .collect(),
        left,
    };
    output.data(&told, |_| {
        if told.files.is_empty() && left.is_empty() {
            return "Nothing changes: the file says so already.\n".to_owned();
        }
        told.files.iter().map(|file| file.diff.as_str()).collect()
    });
    if !output.is_json() {
        for line in left {
            output.say(&format!("Left as it is: {}", visible(line)));
        }
    }
}
