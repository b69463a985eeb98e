//! `plan --server` and `apply --server`: the files are read here, and a running server says what they would do.

use camino::Utf8Path;

use super::apply::{confirm, report, say_unseen};
use super::args::{ApplyArgs, Common, PlanArgs, ServerArgs};
use super::file_path;
use super::output::{Output, heard};
use crate::core::model::visible;
use crate::core::plan::{Outcome, Plan};
use crate::ops::{self, ApplyRequest, Configuration, Error, PlanRequest, Server, VERSION};
use crate::render::plan_text;

/// A token is one short line.
const LONGEST_TOKEN: u64 = 4096;

/// The server that is named, if one is.
fn server(args: &ServerArgs) -> Result<Option<Server>, Error> {
    let Some(origin) = &args.server else {
        return Ok(None);
    };
    let token = match &args.token_file {
        Some(path) => read_token(path)?,
        None => std::env::var("POBSYNC_TOKEN").map_err(|_| Error::NoToken)?,
    };
    Server::new(origin, &token).map(Some)
}

fn read_token(path: &Utf8Path) -> Result<String, Error> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_TOKEN).read_to_string(&mut text));
    read.map_err(|source| Error::File {
        doing: "read",
        path: path.to_string(),
        source,
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Has a plan made where a server is named.
pub(super) fn plan(
    common: &Common,
    args: &PlanArgs,
    output: &Output,
) -> Result<Option<(Plan, Configuration)>, Error> {
    let Some(server) = server(&args.server)? else {
        return Ok(None);
    };
    let file = file_path(common, args.file.path.as_ref());
    let (configuration, sent) = ops::load_to_send(&file)?;
    let plan = server.plan(&PlanRequest {
        configuration: sent,
        hosts: args.selection.hosts.clone(),
        kinds: args.selection.kind,
        as_of: args.as_of,
    })?;
    say_version(&plan, output);
    Ok(Some((plan, configuration)))
}

/// Has a configuration applied where a server is named: the plan that is shown, and no other.
pub(super) fn apply(
    common: &Common,
    args: &ApplyArgs,
    output: &Output,
) -> Result<Option<Outcome>, Error> {
    let Some(server) = server(&args.server)? else {
        return Ok(None);
    };
    if args.prune {
        return Err(Error::NotForServer { option: "--prune" });
    }
    if !args.allow.is_empty() {
        return Err(Error::NotForServer { option: "--allow" });
    }
    let path = file_path(common, args.path.as_ref());
    if ops::looks_like_a_plan(&path) {
        return Err(Error::NotForServer {
            option: "saved plan",
        });
    }
    let (_, sent) = ops::load_to_send(&path)?;
    let expect = match &args.expect {
        // Somebody has seen it, and says so.
        Some(expect) if args.yes => expect.parse()?,
        expect => {
            let plan = server.plan(&PlanRequest::of(sent.clone()))?;
            if let Some(expect) = expect {
                ops::expect_plan(&plan, &expect.parse()?)?;
            }
            show(&plan, output)?;
            confirm(args, &plan, false)?;
            plan.fingerprint
        }
    };
    let is_shown = args.expect.is_none() || !args.yes;
    let applied = server.apply(&ApplyRequest {
        configuration: sent,
        expect,
    })?;
    say_version(&applied.plan, output);
    if !is_shown {
        output.text(&plan_text(&applied.plan, &output.style));
    }
    match applied.serial {
        None => output.text("Nothing to apply.\n"),
        Some(serial) => output.text(&format!(
            "\nApplied as serial {serial}; its policies are approved.\n"
        )),
    }
    if applied.serial.is_some() {
        say_unseen(&applied.plan, output);
    }
    report(
        output,
        &applied.plan,
        applied.outcome,
        applied.serial,
        Vec::new(),
    );
    Ok(Some(applied.outcome))
}

/// Nothing is done that could not be shown.
fn show(plan: &Plan, output: &Output) -> Result<(), Error> {
    output.text(&plan_text(plan, &output.style));
    heard()
}

fn say_version(plan: &Plan, output: &Output) {
    if plan.pobsync_version != VERSION {
        output.say(&format!(
            "The server runs pobsync {}, this is {VERSION}.",
            visible(&plan.pobsync_version)
        ));
    }
}
