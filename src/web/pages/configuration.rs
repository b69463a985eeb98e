//! The configuration in force: what drifted since the last apply, which policies stand unapproved, and the guards.

use std::sync::Arc;

use axum::extract::{Extension, State};
use chrono_tz::Tz;
use maud::{Markup, html};

use crate::core::diff::{FieldChange, changed_fields};
use crate::core::model::{HostName, Lineage, Serial, SqlGlobal, SqlHost, Timestamp, visible};
use crate::ops::{Context, Error, Session};
use crate::render::{policy_words, setting_words};
use crate::store::{ConfigurationTotals, Listed};
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::layout::{self, label};
use crate::web::places::Read;
use crate::web::times::moment;

/// Rows of one table; the rest is counted.
const SHOWN: u32 = 100;

struct Facts {
    lineage: Lineage,
    serial: Serial,
    global: Option<SqlGlobal>,
    totals: ConfigurationTotals,
    drift: Vec<Drifted>,
    unapproved: Vec<SqlHost>,
}

/// An object that SQL holds otherwise than the last apply wrote it.
struct Drifted {
    /// Nothing for the global settings.
    host: Option<HostName>,
    fields: Vec<FieldChange>,
    changed_at: Timestamp,
    changed_by: String,
}

/// Shows the page.
pub(super) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
) -> Result<Markup, Failure> {
    let facts = app.call(facts).await?;
    let read = app.places().read();
    let body = page(&facts, read, app.zone());
    Ok(layout::page(
        "Configuration",
        &session,
        "/configuration/",
        &body,
    ))
}

fn facts(context: &Context) -> Result<Facts, Error> {
    let store = &context.store;
    let state = store.without_hosts()?;
    let mut drift = Vec::new();
    if let Some(global) = &state.global
        && let Some(applied) = &global.applied
        && *applied != global.settings
    {
        drift.push(Drifted {
            host: None,
            fields: changed_fields(Some(applied), Some(&global.settings)),
            changed_at: global.changed_at,
            changed_by: global.changed_by.clone(),
        });
    }
    for host in store.listed(Listed::Drifted, SHOWN)? {
        drift.push(Drifted {
            fields: changed_fields(host.applied.as_ref(), Some(&host.settings)),
            changed_at: host.changed_at,
            changed_by: host.changed_by,
            host: Some(host.name),
        });
    }
    Ok(Facts {
        lineage: state.lineage,
        serial: state.serial,
        global: state.global,
        totals: store.configuration_totals()?,
        drift,
        unapproved: store.listed(Listed::Unapproved, SHOWN)?,
    })
}

fn page(facts: &Facts, read: Option<Arc<Read>>, zone: Tz) -> Markup {
    html! {
        h1 { "Configuration" }
        dl.settings {
            div { dt { "serial" } dd { (facts.serial) " changes so far; " a href="/audit/" { "who made them" } } }
            div { dt { "lineage" } dd { code { (facts.lineage) } } }
            div { dt { "hosts" } dd { @for (i, (by, count)) in facts.totals.managed.iter().filter(|(_, n)| *n > 0).enumerate() {
                @if i > 0 { ", " } (count) " by " (by) } } }
            @if let Some(read) = read { div { dt { "file here" } dd { code { (visible(read.path.as_str())) }
                @match &read.problem { Some(problem) => span.bad { " cannot be used: " (problem) }, None => { ", " (read.hosts) " hosts" } } } } }
        }
        (drift(facts, zone))
        (unapproved(facts))
        (global(facts, zone))
    }
}

fn drift(facts: &Facts, zone: Tz) -> Markup {
    html! {
        h2 { "Drift" }
        @if facts.drift.is_empty() { p { span.good { "✓ none" } ": SQL holds what the last apply wrote." } }
        @else {
            p { "SQL holds something else than the last apply wrote, because somebody changed it past the file. The next plan shows it apart from what the file changes." }
            @for item in &facts.drift { (drifted(item, zone)) }
            (more(facts.totals.drifted))
        }
    }
}

fn drifted(item: &Drifted, zone: Tz) -> Markup {
    let name = &item.host;
    html! {
        h3 { @match name { Some(name) => a href={ "/hosts/" (name) "/" } { (name) }, None => "Global settings" } }
        p.quiet-text { "Changed " (moment(item.changed_at, zone)) " by " (visible(&item.changed_by)) }
        div.scroll tabindex="0" role="region" aria-label={ "Drift of " @match name { Some(name) => (name), None => "the global settings" } } {
            table.cards {
                thead { tr { th scope="col" { "Setting" } th scope="col" { "Applied" } th scope="col" { "Now" } } }
                tbody { @for field in &item.fields {
                    tr { th scope="row" { code { (visible(&field.path)) } } td.message { (label("Applied")) (setting_words(&field.path, &field.old)) } td.message { (label("Now")) (setting_words(&field.path, &field.new)) } }
                } }
            }
        }
    }
}

fn unapproved(facts: &Facts) -> Markup {
    html! {
        h2 { "Policies that nobody has approved" }
        @if facts.unapproved.is_empty() { p { span.good { "✓ none" } ": every policy stands approved." } }
        @else {
            p { (facts.totals.unapproved) @if facts.totals.unapproved == 1 { " host is" } @else { " hosts are" }
                " backed up and not pruned until the policy is approved: by an apply of the file, or "
                code { "pobsync retention HOST --approve" } "." }
            div.scroll tabindex="0" role="region" aria-label="Unapproved policies" {
                table.cards {
                    thead { tr { th scope="col" { "Host" } th scope="col" { "Policy" } th scope="col" { "Managed by" } } }
                    tbody { @for host in &facts.unapproved {
                        tr {
                            th scope="row" { a href={ "/hosts/" (host.name) "/retention/" } { (host.name) } }
                            td { @if let Some(policy) = &host.settings.retention { (label("Policy")) (policy_words(policy)) } }
                            td { (label("Managed by")) (host.managed_by) }
                        }
                    } }
                }
            }
            (more(facts.totals.unapproved))
        }
    }
}

/// How many are not shown.
fn more(count: usize) -> Markup {
    let more = count.saturating_sub(SHOWN as usize);
    html! { @if more > 0 { p { (more) " more." } } }
}

fn global(facts: &Facts, zone: Tz) -> Markup {
    let Some(global) = &facts.global else {
        return html! { h2 { "Global settings and guards" } p { "None were set: those built in are in force." } };
    };
    let fields = changed_fields(None, Some(&global.settings));
    html! {
        h2 { "Global settings and guards" }
        p.quiet-text { "Managed by " (global.managed_by) ", changed " (moment(global.changed_at, zone)) " by " (visible(&global.changed_by)) }
        dl.settings {
            @for field in &fields { div { dt { code { (visible(&field.path)) } } dd { (setting_words(&field.path, &field.new)) } } }
        }
    }
}
