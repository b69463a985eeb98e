//! `plan`, `show-plan`, `check-plan` and `inventory`.

use camino::Utf8Path;

use super::args::{Common, InventoryArgs, PlanArgs, SavedPlanArg, ShowPlanArg};
use super::output::{Output, print_document};
use super::{Ended, file_path, load, open_context, remote};
use crate::core::model::{PlanId, visible};
use crate::core::plan::{Outcome, Plan, Selection};
use crate::ops::{self, Asked, Configuration, Context, Error, Facts, FileKind, Staleness};
use crate::render::{BUDGET, document, plan_html, plan_markdown};

pub(super) fn run(common: &Common, args: &PlanArgs, output: &Output) -> Result<Ended, Error> {
    ops::check_targets(&targets(args))?;
    let (plan, loaded) = match remote::plan(common, args, output)? {
        Some(planned) => planned,
        None => made_here(common, args, output)?,
    };
    if let Some(path) = &args.json_into {
        ops::write_file(path, FileKind::Plan, &document(&plan))?;
    }
    if let Some(path) = &args.markdown_into {
        ops::write_file(path, FileKind::Markdown, &plan_markdown(&plan, BUDGET))?;
    }
    if let Some(path) = &args.html_into {
        ops::write_file(path, FileKind::Page, &plan_html(&plan))?;
    }
    if let Some(path) = &args.out {
        ops::write_plan(path, &plan.clone().saved(loaded.desired))?;
    } else {
        ops::free_aside(loaded);
    }
    // Printed once nothing more can fail: a program reads one document.
    output.plan(&plan);
    if let Some(path) = &args.out {
        output.say(&format!(
            "Saved as {path}. Apply it with: pobsync apply {path}"
        ));
    }
    let outcome = plan.outcome;
    ops::free_aside(plan);
    Ok(Ended {
        outcome,
        detailed: args.detailed_exitcode,
        is_text: false,
        code: None,
    })
}

/// The plan by the database or an inventory of it.
fn made_here(
    common: &Common,
    args: &PlanArgs,
    output: &Output,
) -> Result<(Plan, Configuration), Error> {
    let file = file_path(common, args.file.path.as_ref());
    // Side by side: in a large fleet each takes a second. The database on this thread: what planning lets go of can be used
    // again by the thread that had it alone.
    let (loaded, facts) = std::thread::scope(|scope| {
        let loaded = std::thread::Builder::new().spawn_scoped(scope, || load(common, &file));
        let facts = facts(common, args);
        let loaded = match loaded {
            Ok(thread) => thread.join(),
            // No thread can be had.
            Err(_) => Ok(load(common, &file)),
        };
        (loaded, facts)
    });
    // A mistake in the file is told before one of the database.
    let loaded = loaded.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let (mut facts, context) = facts?;
    if let Some(base) = &args.base {
        facts = ops::as_if_applied(facts, &ops::load_base(&file, base)?);
        output.say(&format!("Compared with {base}, not with what is in force."));
    }
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
    let mut plan = ops::plan_to_show(&mut facts, &loaded.desired, loaded.source.clone(), &asked)?;
    if let Some(context) = &context {
        ops::note_damage(context, &mut plan)?;
    }
    ops::free_aside(facts);
    Ok((plan, loaded))
}

/// What the plan is made against: the database, or an inventory of it.
fn facts(common: &Common, args: &PlanArgs) -> Result<(Facts, Option<Context>), Error> {
    if let Some(path) = &args.inventory {
        return Ok((ops::read_inventory(path)?, None));
    }
    let context = open_context(common)?;
    Ok((context.facts()?, Some(context)))
}

fn targets(args: &PlanArgs) -> Vec<(&Utf8Path, FileKind)> {
    let all = [
        (&args.out, FileKind::Plan),
        (&args.json_into, FileKind::Plan),
        (&args.markdown_into, FileKind::Markdown),
        (&args.html_into, FileKind::Page),
    ];
    all.into_iter()
        .filter_map(|(path, kind)| Some((path.as_deref()?, kind)))
        .collect()
}

pub(super) fn inventory(context: &Context, args: &InventoryArgs) -> Result<Outcome, Error> {
    if let Some(path) = &args.out {
        ops::check_targets(&[(path, FileKind::Inventory)])?;
    }
    let text = document(&ops::inventory(context)?);
    match &args.out {
        Some(path) => ops::write_file(path, FileKind::Inventory, &text)?,
        None => print_document(&text),
    }
    Ok(Outcome::Done)
}

/// A saved plan can always be looked at; what is known of its age is said beside it.
pub(super) fn show(common: &Common, args: &ShowPlanArg, output: &Output) -> Result<Outcome, Error> {
    // A number is a recorded plan; a file of that name is `./7`.
    if let Ok(number) = args.path.as_str().parse() {
        let recorded = ops::recorded_plan(&open_context(common)?, PlanId(number))?;
        let row = &recorded.summary;
        output.plan(&recorded.plan);
        output.say(&format!(
            "Recorded as plan {} by {} at {}, for {}.",
            row.id,
            visible(&row.actor),
            row.created_at,
            row.kind
        ));
        return Ok(Outcome::Done);
    }
    let plan = ops::read_plan(&args.path)?;
    let standing = open_context(common)
        .ok()
        .map(|context| ops::staleness(&context, &plan))
        .transpose()?;
    output.plan(&plan);
    match standing {
        Some(stale) => say_stale(&stale, output),
        None => output.say("No database here: whether the plan is stale is not known."),
    }
    Ok(Outcome::Done)
}

#[derive(serde::Serialize)]
struct Checked {
    outcome: Outcome,
    moved: Vec<String>,
}

/// For merge queues: is the reviewed plan still what an apply would do?
pub(super) fn check(
    context: &Context,
    args: &SavedPlanArg,
    output: &Output,
) -> Result<Outcome, Error> {
    let plan = ops::read_plan(&args.path)?;
    let moved = ops::staleness(context, &plan)?.lines();
    let outcome = if moved.is_empty() {
        Outcome::Done
    } else {
        Outcome::Stale
    };
    output.data(
        &Checked {
            outcome,
            moved: moved.clone(),
        },
        |_| {
            if moved.is_empty() {
                return "The plan is current.\n".to_owned();
            }
            format!(
                "STALE: this plan would not be applied.\n  {}\n",
                visible_lines(&moved).join("\n  ")
            )
        },
    );
    Ok(outcome)
}

fn say_stale(stale: &Staleness, output: &Output) {
    if stale.moved.is_empty() {
        output.say("The plan is current.");
    } else {
        output.say("STALE: this plan would not be applied.");
        for line in stale.lines() {
            output.say(&format!("  {}", visible(&line)));
        }
    }
}

fn visible_lines(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| visible(line)).collect()
}
