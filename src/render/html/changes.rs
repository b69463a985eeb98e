//! The configuration on the page: what stands against it, what drifted, what changes and what is new.

use maud::{Markup, html};
use serde_json::Value;

use super::Section;
use super::budget::Budget;
use crate::core::diff::{Action, Change, Drift, FieldChange};
use crate::core::model::{counted, visible};
use crate::core::plan::{Plan, Refusal};
use crate::render::text::{lines, object_words, telling_fields, value_of};

/// Every refusal with its numbers and what lifts it.
pub(super) fn refusals(plan: &Plan, budget: &mut Budget) -> Option<Section> {
    if plan.refusals.is_empty() {
        return None;
    }
    let shown = budget.refusals.take(plan.refusals.len());
    let title = counted(plan.refusals.len(), "refusal");
    let body = html! {
        ul class="refusals" { @for refusal in plan.refusals.iter().take(shown) { (refused(refusal)) } }
    };
    Some(Section {
        short: title.clone(),
        title,
        body,
    })
}

fn refused(refusal: &Refusal) -> Markup {
    html! {
        li {
            p { span class="sign" { "!" } " " strong { (visible(&refusal.guard)) } ": " (marked(&refusal.message)) }
            dl {
                dt { "Set" } dd { (marked(&refusal.set_at)) }
                dt { "To lift" } dd { (marked(&refusal.lift)) }
            }
        }
    }
}

/// Text in which backquotes set off what stands in a file or on a command line.
fn marked(text: &str) -> Markup {
    let text = visible(text);
    html! {
        @for (i, piece) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

/// What somebody changed past the file.
pub(super) fn drift(plan: &Plan, budget: &mut Budget) -> Option<Section> {
    if plan.drift.is_empty() {
        return None;
    }
    let shown = budget.drift.take(plan.drift.len());
    let body = html! { @for item in plan.drift.iter().take(shown) { (drifted(item)) } };
    Some(Section {
        short: format!("{} drifted", plan.drift.len()),
        title: "Drift since the last apply".to_owned(),
        body,
    })
}

fn drifted(item: &Drift) -> Markup {
    let name = object_words(item.object, &item.name);
    html! {
        article class="item" {
            h3 { span class="sign change" { "≠" } " " (name) }
            p class="facts" { "Changed " (item.changed_at.utc().format("%a %Y-%m-%d %H:%M UTC")) " by " (visible(&item.changed_by)) ", not through the file" }
            table {
                caption class="hidden" { "Drift of " (name) }
                thead { tr { th scope="col" { "Setting" } th scope="col" { "Applied" } th scope="col" { "Now" } th scope="col" { "The file says" } } }
                tbody {
                    @for field in &item.fields {
                        tr {
                            th scope="row" { (visible(&field.path)) }
                            td { (value_of(&field.path, &field.applied)) } td { (value_of(&field.path, &field.actual)) } td { (value_of(&field.path, &field.desired)) }
                        }
                    }
                }
            }
        }
    }
}

/// What leaves, gets another name or other settings.
pub(super) fn changed(plan: &Plan, budget: &mut Budget) -> Option<Section> {
    let of = |change: &&Change| change.action != Action::Create;
    section(
        plan.changes.iter().filter(of).collect(),
        budget,
        "Changes",
        "change",
    )
}

/// What is new.
pub(super) fn created(plan: &Plan, budget: &mut Budget) -> Option<Section> {
    let of = |change: &&Change| change.action == Action::Create;
    section(
        plan.changes.iter().filter(of).collect(),
        budget,
        "New",
        "creation",
    )
}

fn section(changes: Vec<&Change>, budget: &mut Budget, title: &str, one: &str) -> Option<Section> {
    if changes.is_empty() {
        return None;
    }
    let shown = budget.changes.take(changes.len());
    Some(Section {
        short: counted(changes.len(), one),
        title: title.to_owned(),
        body: html! { @for change in changes.iter().take(shown) { (article(change)) } },
    })
}

fn article(change: &Change) -> Markup {
    let (sign, class, words) = match change.action {
        Action::Create => ("+", "stay", "new".to_owned()),
        Action::Update => ("~", "change", String::new()),
        Action::Retire => (".", "expired", "leaves: no more runs".to_owned()),
        Action::Rename => {
            let was = change.was.as_ref().map_or("", |was| was.as_str());
            (">", "change", format!("was {was}; keeps its snapshots"))
        }
    };
    let name = object_words(change.object, &change.name);
    let fields = telling_fields(change);
    html! {
        article class="item" {
            h3 {
                span class={ "sign " (class) } { (sign) } " " (name)
                @if !words.is_empty() { span class="muted" { " " (words) } }
            }
            @if let Some(at) = &change.at { p class="facts" { (visible(at)) } }
            @if !fields.is_empty() {
                table {
                    caption class="hidden" { "Settings of " (name) }
                    thead { tr {
                        th scope="col" { "Setting" }
                        @if change.action != Action::Create { th scope="col" { "Before" } }
                        th scope="col" { "After" }
                    } }
                    tbody { @for field in fields { (row(field, change.action)) } }
                }
            }
        }
    }
}

fn row(field: &FieldChange, action: Action) -> Markup {
    let is_list = matches!(field.old, Value::Array(_)) || matches!(field.new, Value::Array(_));
    html! {
        tr {
            th scope="row" {
                (visible(&field.path))
                @if field.drifted { " " span class="badge plain" { "drifted" } }
            }
            @if action == Action::Create {
                td { (value_of(&field.path, &field.new)) }
            } @else if is_list {
                td colspan="2" { (list_diff(&field.old, &field.new)) }
            } @else {
                td { (value_of(&field.path, &field.old)) }
                td { strong { (value_of(&field.path, &field.new)) } }
            }
        }
    }
}

/// A list as what left it, what came and what stays, each with its sign.
fn list_diff(old: &Value, new: &Value) -> Markup {
    let (old, new) = (lines(old), lines(new));
    let slices: (Vec<&str>, Vec<&str>) = (
        old.iter().map(String::as_str).collect(),
        new.iter().map(String::as_str).collect(),
    );
    let diff = similar::TextDiff::from_slices(&slices.0, &slices.1);
    html! {
        ul class="list" {
            @for piece in diff.iter_all_changes() {
                @match piece.tag() {
                    similar::ChangeTag::Delete => { li { del { "− " (visible(piece.value())) } } }
                    similar::ChangeTag::Insert => { li { ins { "+ " (visible(piece.value())) } } }
                    similar::ChangeTag::Equal => { li class="muted" { (visible(piece.value())) } }
                }
            }
        }
    }
}
