//! `retention HOST`: print the plan in force, approve its policy, or carry it out.

use serde::Serialize;

use super::args::{Format, RetentionArgs};
use super::output::{Output, ask, heard};
use super::prune::{self, Pruned};
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
    // What is deleted is deleted on the root of this server; what is shown and approved is the host's on each.
    let facts = if args.apply {
        context.own_facts_about(|host| host.name == args.host)?
    } else {
        context.facts_about(|host| host.name == args.host)?
    };
    let mut plan = ops::plan_host(&facts, &args.host, args.kind, args.apply)?;
    ops::note_damage(context, &mut plan)?;
    let Some(retention) = plan.retention.first().cloned() else {
        return Ok(Outcome::NoChanges);
    };
    let listed = match &args.plan {
        Some(path) => ops::listed_by_saved(context, path, retention)?,
        None => retention,
    };
    if args.approve {
        return approve(context, &facts, args, (&plan, &listed), output);
    }
    if args.apply {
        return carry_out(context, args, listed, output);
    }
    if let Some(path) = &args.out {
        ops::write_plan(path, &plan)?;
    }
    match output.format {
        Format::Markdown | Format::Html => output.plan(&plan),
        Format::Text | Format::Json => output.data(&listed, |style| {
            let others = plan.retention.iter().skip(1);
            let others = others.map(|other| format!("\n{}", retention_text(other, style)));
            retention_text(&listed, style) + &others.collect::<String>()
        }),
    }
    for line in visible_refusals(plan.refusals_of(RefusalScope::Prune)) {
        output.say(&line);
    }
    if let Some(path) = &args.out {
        output.say(&format!(
            "Saved as {path}. Carry it out with: pobsync retention {} --plan {path} --apply",
            args.host
        ));
    }
    Ok(Outcome::Done)
}

/// What a program is told of a plan that was acted upon, in one document.
#[derive(Serialize)]
struct Acted<'a> {
    outcome: Outcome,
    retention: &'a RetentionPlan,
    /// What came of the deletions, where there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned: Option<Pruned>,
}

fn approve(
    context: &Context,
    facts: &ops::Facts,
    args: &RetentionArgs,
    (plan, listed): (&Plan, &RetentionPlan),
    output: &Output,
) -> Result<Outcome, Error> {
    output.text(&retention_text(listed, &output.style));
    for other in plan.retention.iter().skip(1) {
        output.text(&format!("\n{}", retention_text(other, &output.style)));
    }
    heard()?;
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
    Ok(tell(output, Outcome::Done, listed, None))
}

fn carry_out(
    context: &Context,
    args: &RetentionArgs,
    listed: RetentionPlan,
    output: &Output,
) -> Result<Outcome, Error> {
    output.text(&retention_text(&listed, &output.style));
    // Nothing is deleted that could not be shown.
    heard()?;
    if listed.delete.is_empty() {
        output.say("Nothing to delete.");
        return Ok(tell(output, Outcome::Done, &listed, None));
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
        listed: Some(listed.clone()),
    };
    let pruned = prune::carry_out(context, &request, &prune::stop(), output);
    Ok(tell(output, pruned.outcome, &listed, Some(pruned)))
}

fn tell(
    output: &Output,
    outcome: Outcome,
    retention: &RetentionPlan,
    pruned: Option<Pruned>,
) -> Outcome {
    if output.is_json() {
        output.json(&Acted {
            outcome,
            retention,
            pruned,
        });
    }
    outcome
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
