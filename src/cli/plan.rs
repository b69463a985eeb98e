//! `plan` and `show-plan`.

use super::args::{Common, PlanArgs, SavedPlanArg};
use super::output::Output;
use super::{Ended, file_path, open_context};
use crate::core::plan::{Outcome, Plan, Selection};
use crate::ops::{self, Asked, Context, Error};
use crate::render::{document, plan_text};

pub(super) fn run(
    context: &Context,
    common: &Common,
    args: &PlanArgs,
    output: &Output,
) -> Result<Ended, Error> {
    let loaded = ops::load(&file_path(common, args.file.path.as_ref()))?;
    let facts = context.facts()?;
    let asked = Asked {
        selection: Selection {
            hosts: (!args.selection.hosts.is_empty())
                .then(|| args.selection.hosts.iter().cloned().collect()),
            kinds: args.selection.kind,
        },
        as_of: args.as_of,
        allow: args.allow.clone(),
        look_for_root: false,
    };
    let plan = ops::plan_desired(&facts, &loaded.desired, loaded.source, &asked)?;
    if let Some(path) = &args.json_into {
        ops::write_text(path, &document(&plan))?;
    }
    output.data(&plan, |style| plan_text(&plan, style));
    let outcome = plan.outcome;
    if let Some(path) = &args.out {
        ops::write_plan(path, &plan.saved(loaded.desired))?;
        output.say(&format!(
            "Saved as {path}. Apply it with: pobsync apply {path}"
        ));
    }
    Ok(Ended {
        outcome,
        detailed: args.detailed_exitcode,
    })
}

/// A saved plan can always be looked at; what is known of its age is said beside it.
pub(super) fn show(
    common: &Common,
    args: &SavedPlanArg,
    output: &Output,
) -> Result<Outcome, Error> {
    let plan = ops::read_plan(&args.path)?;
    output.data(&plan, |style| plan_text(&plan, style));
    match open_context(common) {
        Ok(context) => say_stale(&context, &plan, output)?,
        Err(_) => output.say("No database here: whether the plan is stale is not known."),
    }
    Ok(Outcome::Done)
}

fn say_stale(context: &Context, plan: &Plan, output: &Output) -> Result<(), Error> {
    let stale = ops::staleness(context, plan)?;
    if stale.moved.is_empty() {
        output.say("The plan is current.");
    } else {
        output.say("STALE: this plan would not be applied.");
        for line in stale.lines() {
            output.say(&format!("  {line}"));
        }
    }
    Ok(())
}
