//! The hosts of the page: those that lose or regain snapshots each with a picture and tables, the others counted.

use maud::{Markup, html};

use super::Section;
use super::budget::Budget;
use crate::core::model::{Timestamp, counted, visible};
use crate::core::plan::{DeleteEntry, KeepEntry, Plan, RetentionPlan};
use crate::core::retention::Cause;
use crate::render::text::{
    approval_words, moved_words, size, standing_words, wall_clock, why_it_goes, why_it_stays,
    zone_of,
};
use crate::render::timeline::{timeline, timeline_legend};

/// Every host with deletions or rescues.
pub(super) fn hosts(
    touched: &[&RetentionPlan],
    as_of: Timestamp,
    budget: &mut Budget,
) -> Option<Section> {
    if touched.is_empty() {
        return None;
    }
    let deletions: usize = touched.iter().map(|plan| plan.delete.len()).sum();
    let body = html! {
        (timeline_legend())
        @for plan in touched { (host(plan, as_of, budget)) }
    };
    let title = if deletions == 0 {
        "Snapshots that are rescued".to_owned()
    } else {
        "Snapshots that go".to_owned()
    };
    Some(Section {
        short: counted(deletions, "deletion"),
        title,
        body,
    })
}

fn host(plan: &RetentionPlan, as_of: Timestamp, budget: &mut Budget) -> Markup {
    let totals = &plan.totals;
    let zone = zone_of(plan);
    let shown = budget.deletions.take(plan.delete.len());
    let kept = budget.kept.take(plan.keep.len());
    let has_picture = budget.pictures.take(1) == 1;
    html! {
        article class="host" aria-label={ "Host " (plan.host) } {
            h3 {
                (plan.host)
                @if plan.directory != plan.host { span class="muted" { " (in " (plan.directory) ")" } }
                @if let Some(server) = &plan.server { span class="muted" { " on " (server) (moved_words(plan)) } }
            }
            p class="badges" {
                @if totals.delete > 0 { span class="badge go" { "− " (totals.delete) " go" } " " }
                @if totals.rescued > 0 { span class="badge rescue" { "= " (totals.rescued) " rescued" } " " }
                span class="badge stay" { (totals.keep) " stay" } " "
                @if let Some(words) = approval_words(plan) { span class="badge plain" { (words) } }
            }
            p class="policy" { (standing_words(plan)) }
            @if has_picture { (timeline(plan, as_of)) }
            @if !plan.delete.is_empty() {
                @let title = counted(plan.delete.len(), "snapshot");
                table class="snapshots" {
                    caption { (title) " of " (plan.host) " that go" @if shown < plan.delete.len() { ", of which " (shown) " are shown" } }
                    (columns())
                    tbody { @for entry in plan.delete.iter().take(shown) { (deletion(entry, zone)) } }
                }
            }
            @if kept > 0 {
                details open[plan.delete.is_empty()] {
                    summary { "What stays of " (plan.host) " (" (plan.keep.len()) ")" }
                    table class="snapshots" {
                        caption class="hidden" { "Snapshots of " (plan.host) " that stay" }
                        (columns())
                        tbody { @for entry in plan.keep.iter().take(kept) { (staying(entry, zone)) } }
                    }
                }
            }
        }
    }
}

fn columns() -> Markup {
    html! {
        thead { tr { th scope="col" { "Snapshot" } th scope="col" class="n" { "Size" } th scope="col" { "Why" } } }
    }
}

fn deletion(entry: &DeleteEntry, zone: chrono_tz::Tz) -> Markup {
    let class = match entry.reason {
        Cause::PolicyChange | Cause::HostRemoved => "go",
        Cause::Expired | Cause::Incomplete => "expired",
    };
    html! {
        tr class=(class) {
            th scope="row" { span class="sign" { "−" } " " (wall_clock(entry.started_at, zone)) " " small { (entry.kind) "/" (entry.snapshot) } }
            td class="n" { (size(entry.bytes)) }
            td { (why_it_goes(entry)) }
        }
    }
}

fn staying(entry: &KeepEntry, zone: chrono_tz::Tz) -> Markup {
    html! {
        tr class=[entry.rescued.then_some("rescue")] {
            th scope="row" {
                @if entry.rescued { span class="sign" { "=" } " " }
                (wall_clock(entry.started_at, zone)) " " small { (entry.kind) "/" (entry.snapshot) }
            }
            td class="n" { (size(entry.bytes)) }
            td {
                @if entry.rescued { "rescued: " }
                (why_it_stays(entry))
                @if let Some(day) = entry.expires_on { span class="muted" { "; until " (day) } }
            }
        }
    }
}

/// Hosts that lose nothing, and those that the file says nothing of.
pub(super) fn quiet(plan: &Plan, quiet: &[&RetentionPlan], budget: &mut Budget) -> Option<Section> {
    let (retired, keeping): (Vec<&RetentionPlan>, Vec<&RetentionPlan>) = quiet
        .iter()
        .copied()
        .filter(|plan| !plan.keep.is_empty())
        .partition(|plan| plan.retired);
    if retired.is_empty() && keeping.is_empty() && plan.unmanaged.is_empty() {
        return None;
    }
    let unmanaged: Vec<&str> = plan.unmanaged.iter().map(|host| host.as_str()).collect();
    let list = |title: String, hosts: &[&RetentionPlan], budget: &mut Budget| {
        let shown = budget.quiet.take(hosts.len());
        html! {
            @if !hosts.is_empty() {
                details {
                    summary { (title) }
                    table {
                        caption class="hidden" { (title) }
                        thead { tr { th scope="col" { "Host" } th scope="col" class="n" { "Snapshots" } th scope="col" { "Policy" } } }
                        tbody {
                            @for plan in hosts.iter().take(shown) {
                                tr { th scope="row" { (plan.host) } td class="n" { (plan.keep.len()) } td { (standing_words(plan)) } }
                            }
                        }
                    }
                }
            }
        }
    };
    let body = html! {
        (list(format!("{} every snapshot", keep(keeping.len())), &keeping, budget))
        (list(format!("{} retired, snapshots stay", counted(retired.len(), "host")), &retired, budget))
        @if !unmanaged.is_empty() {
            @let shown = budget.quiet.take(unmanaged.len());
            details {
                summary { (counted(unmanaged.len(), "host")) " not managed by this file, left alone" }
                p { (visible(&unmanaged.iter().take(shown).copied().collect::<Vec<_>>().join(", "))) }
            }
        }
    };
    Some(Section {
        short: format!("{} unchanged", quiet.len()),
        title: "Unchanged".to_owned(),
        body,
    })
}

fn keep(hosts: usize) -> String {
    if hosts == 1 {
        "1 host keeps".to_owned()
    } else {
        format!("{hosts} hosts keep")
    }
}
