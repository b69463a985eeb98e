//! `apply`: plan, show, ask, apply in one transaction, and prune only if that was asked for too.

use super::args::{ApplyArgs, Common};
use super::output::{Output, ask, heard};
use super::prune::Pruned;
use super::{file_path, prune};
use crate::core::desired::DesiredState;
use crate::core::model::{Label, counted};
use crate::core::plan::{Allow, Authority, Outcome, Plan, RetentionPlan};
use crate::ops::{self, Asked, Configuration, Context, Error, Facts};
use crate::render::plan_text;

pub(super) fn run(
    context: &Context,
    common: &Common,
    args: &ApplyArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let path = file_path(common, args.path.as_ref());
    if !ops::looks_like_a_plan(&path) {
        return configuration(
            context,
            ops::load_remembering(&path, &context.state_folder)?,
            args,
            output,
        );
    }
    if !args.allow.is_empty() || args.max_delete.is_some() {
        return Err(Error::PlanWithOptions);
    }
    let facts = context.facts()?;
    let (plan, desired) = ops::saved_for_apply(context, &facts, &path)?;
    carry_out(context, &facts, plan, desired, args, output)
}

/// Applies a configuration that was read.
pub(super) fn configuration(
    context: &Context,
    loaded: Configuration,
    args: &ApplyArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let facts = context.facts()?;
    let asked = Asked {
        allow: allowances(args),
        look_for_root: true,
        ..Asked::default()
    };
    let mut plan = ops::plan_desired(&facts, &loaded.desired, loaded.source, &asked)?;
    ops::note_damage(context, &mut plan)?;
    carry_out(context, &facts, plan, loaded.desired, args, output)
}

fn carry_out(
    context: &Context,
    facts: &Facts,
    plan: Plan,
    desired: DesiredState,
    args: &ApplyArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    expect(args, &plan)?;
    if args.prune {
        // Nothing is applied if what is to follow cannot be done here.
        context.server_name()?;
    }
    output.text(&plan_text(&plan, &output.style));
    // Nothing is done that could not be shown.
    heard()?;

    let deletes = args.prune && plan.summary.deletions() > 0;
    let (approved, is_nothing) = ops::to_be_applied(facts, plan, desired, args.prune)?;
    if is_nothing && !deletes {
        output.text("Nothing to apply.\n");
        report(
            output,
            approved.plan(),
            Outcome::NoChanges,
            None,
            Vec::new(),
        );
        return Ok(Outcome::NoChanges);
    }
    confirm(args, approved.plan(), deletes)?;
    let configured = ops::apply(context, facts, &approved)?;
    output.text(&format!(
        "\nApplied as serial {}; its policies are approved.\n",
        configured.serial
    ));
    say_unseen(approved.plan(), output);
    let (pruned, not_begun) = if deletes {
        prune_listed(context, approved.plan(), output)
    } else {
        (Vec::new(), 0)
    };
    let stopped = (not_begun > 0).then_some(Outcome::PartlyDone);
    let outcome = Outcome::worst(pruned.iter().map(|host| host.outcome).chain(stopped));
    let serial = Some(configured.serial);
    report(output, approved.plan(), outcome, serial, pruned);
    Ok(outcome)
}

/// What the command line lifts; `--max-delete N` replaces the guard's number for this command.
fn allowances(args: &ApplyArgs) -> Vec<Allow> {
    let by_number = args.max_delete.map(|at_most| Allow::MaxDelete { at_most });
    args.allow.iter().cloned().chain(by_number).collect()
}

fn expect(args: &ApplyArgs, plan: &Plan) -> Result<(), Error> {
    match &args.expect {
        Some(expected) => ops::expect_plan(plan, &expected.parse()?),
        None => Ok(()),
    }
}

/// Where snapshots go, the number is typed: a reflex does not answer it.
pub(super) fn confirm(args: &ApplyArgs, plan: &Plan, deletes: bool) -> Result<(), Error> {
    if args.yes {
        return Ok(());
    }
    let (question, word) = if deletes {
        let n = plan.summary.deletions();
        (
            format!("Apply this and delete {n} snapshots?"),
            n.to_string(),
        )
    } else {
        ("Apply this?".to_owned(), "yes".to_owned())
    };
    match ask(&question, &word) {
        Some(true) => Ok(()),
        Some(false) => Err(Error::NotConfirmed {
            what: "Not applied.",
        }),
        None => Err(Error::NobodyToAsk {
            what: "Not applied",
        }),
    }
}

/// What became of each host, and how many were not begun since somebody wanted it to stop.
fn prune_listed(context: &Context, plan: &Plan, output: &Output) -> (Vec<Pruned>, usize) {
    let stop = prune::stop();
    let (mut pruned, mut not_begun) = (Vec::new(), 0);
    for shown in plan
        .retention
        .iter()
        .filter(|retention| !retention.delete.is_empty())
    {
        if !plan.may_prune(shown) {
            output.say(&format!(
                "Left alone: {} is not managed by this file, and its policy is not approved.",
                shown.host
            ));
            continue;
        }
        if let Some(other) = elsewhere(context, shown) {
            output.say(&format!(
                "Left to {other}, which has them: {} of {}. There: pobsync --as {other} retention {} --apply",
                counted(shown.delete.len(), "snapshot"),
                shown.host,
                shown.host
            ));
            continue;
        }
        if stop.is_asked() {
            not_begun += 1;
            continue;
        }
        let request = ops::PruneRequest {
            directory: shown.directory.clone(),
            authority: Authority::Applied,
            kinds: None,
            allow: plan.allow.clone(),
            listed: Some(shown.clone()),
        };
        pruned.push(prune::carry_out(context, &request, &stop, output));
    }
    if not_begun > 0 {
        output.say(&format!(
            "Stopped: nothing was deleted of {}; the next `apply --prune` decides anew.",
            counted(not_begun, "more host")
        ));
    }
    (pruned, not_begun)
}

/// The server that has the snapshots of a retention plan, if it is another one.
fn elsewhere(context: &Context, shown: &RetentionPlan) -> Option<Label> {
    let server = shown.server.as_ref()?;
    let me = context.server_name().ok().flatten();
    (me.as_ref() != Some(server)).then(|| server.clone())
}

/// Says whose policy was not approved with the rest.
pub(super) fn say_unseen(plan: &Plan, output: &Output) {
    for host in plan.unseen() {
        output.say(&format!(
            "Not approved: the policy of {host}, which is paused. Apply again once it goes on, when the plan shows what goes."
        ));
    }
}

#[derive(serde::Serialize)]
struct Applied<'a> {
    outcome: Outcome,
    serial: Option<crate::core::model::Serial>,
    plan: &'a Plan,
    /// One for each host that was to be pruned.
    pruned: Vec<Pruned>,
}

pub(super) fn report(
    output: &Output,
    plan: &Plan,
    outcome: Outcome,
    serial: Option<crate::core::model::Serial>,
    pruned: Vec<Pruned>,
) {
    if output.is_json() {
        output.json(&Applied {
            outcome,
            serial,
            plan,
            pruned,
        });
    }
}
