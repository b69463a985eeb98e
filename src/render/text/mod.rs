//! A plan as text: refusals, deletions, changes, creations, and the counts last. The sign stands in column 0, never
//! colour alone.

mod changes;
mod fold;
mod retention;
mod simulation;

use std::fmt::Write as _;

pub use changes::{change_lines, value_of};
pub(super) use changes::{lines, object_words, telling_fields};
pub(super) use retention::{
    approval_words, deletion_lines, keep_lines, moved_words, wall_clock, zone_of,
};
pub use retention::{
    policy_words, retention_text, size, standing_words, why_it_goes, why_it_stays,
};
pub use simulation::simulation_text;

use super::words::{capitalised, damage_words, frees};
use super::{Paint, Style};
use crate::core::model::visible;
use crate::core::plan::{Plan, Refusal, RetentionPlan};

/// The whole plan.
#[must_use]
pub fn plan_text(plan: &Plan, style: &Style) -> String {
    let mut out = String::new();
    plan_pieces(plan, style, &mut |piece| out.push_str(piece));
    out
}

/// The whole plan, handed to `write` in pieces of some lines each: that of a large fleet is larger than what it was made
/// from.
pub fn plan_pieces(plan: &Plan, style: &Style, write: &mut dyn FnMut(&str)) {
    let mut out = String::new();
    refusals(&mut out, &plan.refusals, style);
    write(&fold::fold(&out, style.width));
    let (touched, quiet): (Vec<&RetentionPlan>, Vec<&RetentionPlan>) = plan
        .retention
        .iter()
        .partition(|r| !r.delete.is_empty() || r.totals.rescued > 0);
    of_hosts(&touched, style, write);
    if style.verbose {
        let listed: Vec<_> = quiet
            .iter()
            .filter(|r| !r.keep.is_empty())
            .copied()
            .collect();
        of_hosts(&listed, style, write);
    }
    out.clear();
    changes::drift(&mut out, &plan.drift, style);
    for change in &plan.changes {
        out.push_str(&change_lines(change, style));
    }
    if !plan.changes.is_empty() {
        out.push('\n');
    }
    notes(&mut out, plan, &quiet, style);
    out.push_str(&summary_lines(plan));
    write(&fold::fold(&out, style.width));
}

/// How many hosts a thread writes before it hands over: enough to be worth a thread, few enough to stand in memory.
const HOSTS_AT_A_TIME: usize = 64;

/// The retention plans of `hosts`, one after the other. Two halves of each piece are made at the same time.
fn of_hosts(hosts: &[&RetentionPlan], style: &Style, write: &mut dyn FnMut(&str)) {
    let text = |hosts: &[&RetentionPlan]| {
        let mut text = String::new();
        for host in hosts {
            text.push_str(&retention_text(host, style));
            text.push('\n');
        }
        text
    };
    for piece in hosts.chunks(2 * HOSTS_AT_A_TIME) {
        let (here, there) = piece.split_at(piece.len().min(HOSTS_AT_A_TIME));
        std::thread::scope(|scope| {
            let beside = std::thread::Builder::new().spawn_scoped(scope, || text(there));
            write(&text(here));
            let made = match beside {
                Ok(thread) => thread.join(),
                // No thread can be had.
                Err(_) => Ok(text(there)),
            };
            write(&made.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        });
    }
}

fn refusals(out: &mut String, refusals: &[Refusal], style: &Style) {
    for refusal in refusals {
        let sign = style.paint(Paint::Refused, &format!("! {}", refusal.guard));
        let _ = writeln!(out, "{sign}: {}", visible(&refusal.message));
        let _ = writeln!(out, "    set: {}", visible(&refusal.set_at));
        let _ = writeln!(out, "    to lift: {}", visible(&refusal.lift));
    }
    if !refusals.is_empty() {
        out.push('\n');
    }
}

fn notes(out: &mut String, plan: &Plan, quiet: &[&RetentionPlan], style: &Style) {
    let before = out.len();
    if plan.partial {
        let names: Vec<&str> = plan.hosts.iter().map(|h| h.as_str()).collect();
        let hosts = if names.is_empty() {
            String::new()
        } else {
            format!(" of {}", names.join(", "))
        };
        let _ = writeln!(
            out,
            "This plan is partial: it speaks only{hosts} as selected."
        );
    }
    if !plan.unmanaged.is_empty() {
        let names: Vec<&str> = plan.unmanaged.iter().map(|h| h.as_str()).collect();
        let _ = writeln!(
            out,
            "Not managed by this file, left alone: {}.",
            names.join(", ")
        );
    }
    for server in &plan.leaving {
        let _ = writeln!(out, "{}.", capitalised(&visible(&server.to_string())));
    }
    for host in &plan.moves {
        let _ = writeln!(out, "{host}.");
    }
    // Of hosts that are shown it is said there.
    for retention in quiet.iter().filter(|_| !style.verbose) {
        if let Some(damage) = &retention.damage {
            let _ = writeln!(out, "{}: {}.", retention.host, damage_words(damage));
        }
    }
    let retired: Vec<&&RetentionPlan> = quiet
        .iter()
        .filter(|r| r.retired && !r.keep.is_empty())
        .collect();
    if !retired.is_empty() && !style.verbose {
        let names: Vec<String> = retired
            .iter()
            .map(|r| format!("{} ({})", r.host, r.keep.len()))
            .collect();
        let _ = writeln!(out, "Retired, snapshots stay: {}.", names.join(", "));
    }
    let quiet_hosts = quiet
        .iter()
        .filter(|r| !r.keep.is_empty() && !r.retired)
        .count();
    if quiet_hosts > 0 && !style.verbose {
        let hosts = if quiet_hosts == 1 {
            "1 host keeps".to_owned()
        } else {
            format!("{quiet_hosts} hosts keep")
        };
        let _ = writeln!(out, "{hosts} every snapshot (-v lists them).");
    }
    if out.len() > before {
        out.push('\n');
    }
}

/// The last lines of every plan: the counts.
#[must_use]
pub fn summary_lines(plan: &Plan) -> String {
    let s = &plan.summary;
    let mut out = format!(
        "Fingerprint: {}  serial {}  as of {}\n",
        plan.fingerprint.short(),
        plan.serial,
        plan.as_of.utc().format("%Y-%m-%dT%H:%M:%SZ")
    );
    let _ = write!(
        out,
        "Plan: {} to create, {} to change, {} to retire.",
        s.create, s.update, s.retire
    );
    if s.rename > 0 {
        out.truncate(out.len() - 1);
        let _ = write!(out, ", {} to rename.", s.rename);
    }
    let _ = writeln!(out, " Drift: {}.", s.drift);
    let deletions = s.deletions();
    let hosts = if s.hosts_with_deletions == 1 {
        "host"
    } else {
        "hosts"
    };
    let snapshots = if s.snapshots == 1 {
        "snapshot"
    } else {
        "snapshots"
    };
    let _ = write!(
        out,
        "Retention: delete {deletions} of {} {snapshots}",
        s.snapshots
    );
    if deletions > 0 {
        let _ = write!(
            out,
            " on {} {hosts} ({} expired, {} by this change; {} scheduled, {} manual, {} incomplete)",
            s.hosts_with_deletions,
            deletions - s.delete_by_change,
            s.delete_by_change,
            s.delete_by_kind.scheduled,
            s.delete_by_kind.manual,
            s.delete_by_kind.incomplete
        );
    }
    let _ = write!(out, ", {} rescued.", s.rescued);
    if deletions > 0 {
        let _ = write!(out, " Frees {}.", frees(s.frees, s.delete_bytes));
    }
    out.push('\n');
    out
}

/// Refusals as lines for people.
pub fn visible_refusals<'a>(refusals: impl Iterator<Item = &'a Refusal>) -> Vec<String> {
    refusals
        .flat_map(|r| {
            [
                format!("! {}: {}", r.guard, visible(&r.message)),
                format!("    set: {}", visible(&r.set_at)),
                format!("    to lift: {}", visible(&r.lift)),
            ]
        })
        .collect()
}
