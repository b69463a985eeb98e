//! `retention HOST`: print the plan in force, approve its policy, or carry it out.

use super::args::RetentionArgs;
use super::output::{Output, ask};
use super::prune;
use crate::core::plan::{Authority, Outcome, Plan, RefusalScope, RetentionPlan};
use crate::ops::{self, Context, Error};
use crate::render::{retention_text, visible_refusals};

pub(super) fn run(
    context: &Context,
    args: &RetentionArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    if let Some(path) = &args.out {
        ops::check_targets(&[(path, ops::FileKind::Plan)])?;
    }
    let facts = context.facts_about(|host| host.name == args.host)?;
    let plan = ops::plan_host(&facts, &args.host, args.kind, args.apply)?;
    let Some(retention) = plan.retention.first().cloned() else {
        return Ok(Outcome::NoChanges);
    };
    let listed = match &args.plan {
        Some(path) => ops::listed_by_saved(context, path, retention)?,
        None => retention,
    };
    output.data(&listed, |style| retention_text(&listed, style));

    if args.approve {
        return approve(context, &facts, args, &plan, output);
    }
    if args.apply {
        return carry_out(context, args, listed, output);
    }
    for line in visible_refusals(plan.refusals_of(RefusalScope::Prune)) {
        output.say(&line);
    }
    if let Some(path) = &args.out {
        ops::write_plan(path, &plan)?;
        output.say(&format!(
            "Saved as {path}. Carry it out with: pobsync retention {} --plan {path} --apply",
            args.host
        ));
    }
    Ok(Outcome::Done)
}

fn approve(
    context: &Context,
    facts: &ops::Facts,
    args: &RetentionArgs,
    plan: &Plan,
    output: &Output,
) -> Result<Outcome, Error> {
    if !args.yes {
        let question = format!(
            "Approve this policy, so that unattended prunes of {} follow it?",
            args.host
        );
        consent(&question, "yes", "Not approved.")?;
    }
    ops::approve(context, facts, &args.host, plan)?;
    output.say(&format!(
        "Approved: unattended prunes of {} follow this policy.",
        args.host
    ));
    Ok(Outcome::Done)
}

fn carry_out(
    context: &Context,
    args: &RetentionArgs,
    listed: RetentionPlan,
    output: &Output,
) -> Result<Outcome, Error> {
    if listed.delete.is_empty() {
        output.say("Nothing to delete.");
        return Ok(Outcome::Done);
    }
    if !args.yes {
        let n = listed.delete.len();
        consent(
            &format!("Delete {n} of the snapshots of {}?", args.host),
            &n.to_string(),
            "Nothing was deleted.",
        )?;
    }
    let request = ops::PruneRequest {
        directory: listed.directory.clone(),
        authority: Authority::ByName {
            max_delete: args.max_delete,
        },
        kinds: args.kind,
        allow: Vec::new(),
        listed: Some(listed),
    };
    Ok(prune::carry_out(context, &request, output))
}

fn consent(question: &str, word: &str, refused: &'static str) -> Result<(), Error> {
    match ask(question, word) {
        Some(true) => Ok(()),
        Some(false) => Err(Error::NotConfirmed { what: refused }),
        None => Err(Error::NobodyToAsk {
            what: refused.trim_end_matches('.'),
        }),
    }
}
