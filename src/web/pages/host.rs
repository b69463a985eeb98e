//! One host: how it stands, its snapshots, runs, schedules and settings.

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use crate::core::model::{
    ByteCount, HostName, Run, RunStatus, Snapshot, SqlHost, Timestamp, visible,
};
use crate::ops::{self, Session};
use crate::render::policy_words;
use crate::store::RunFilter;
use crate::web::access::Asker;
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::form::Posted;
use crate::web::layout::{self, form_token};
use crate::web::times::{ago, lasted, moment};

/// Snapshots and runs on the page; the rest is on pages of their own.
const SHOWN: usize = 30;

/// What a form without fields sends.
#[derive(Deserialize)]
pub(super) struct Nothing {}

struct Facts {
    host: SqlHost,
    snapshots: Vec<Snapshot>,
    runs: Vec<Run>,
}

/// The host that a path names.
pub(super) fn named(host: &str) -> Result<HostName, Failure> {
    host.parse()
        .map_err(|_| Failure::not_found("There is no such host."))
}

/// Shows the page.
pub(super) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(host): Path<String>,
) -> Result<Markup, Failure> {
    let name = named(&host)?;
    let facts = app
        .call(move |context| {
            let found = context.facts_about(|host| host.name == name)?;
            let host = found.host(&name)?.clone();
            let mut snapshots = found.snapshots.get(&host.id).cloned().unwrap_or_default();
            snapshots.reverse();
            let filter = RunFilter {
                host: Some(host.id),
                ..RunFilter::default()
            };
            let runs = context.store.runs(&filter, 10)?;
            Ok(Facts {
                host,
                snapshots,
                runs: runs.into_iter().map(|record| record.run).collect(),
            })
        })
        .await?;
    let body = page(&facts, &session, &app, ops::now());
    Ok(layout::page(
        facts.host.name.as_str(),
        &session,
        "/hosts/",
        &body,
    ))
}

/// Records what is on disk. Deletes nothing.
pub(super) async fn discover(
    State(app): State<App>,
    Extension(asker): Extension<Asker>,
    Path(host): Path<String>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, Failure> {
    let name = named(&host)?;
    let to = format!("/hosts/{name}/");
    app.call(move |context| ops::discover(&context.acting_as(asker.0), Some(&name)))
        .await?;
    Ok(Redirect::to(&to).into_response())
}

fn page(facts: &Facts, session: &Session, app: &App, now: Timestamp) -> Markup {
    let host = &facts.host;
    html! {
        nav.crumbs aria-label="Breadcrumb" { a href="/hosts/" { "Hosts" } " / " (host.name) }
        h1 { (host.name) }
        @if host.retired.is_some() { p.problem { "This host has retired: it has no more runs, and its snapshots stay." } }
        @else if !host.settings.enabled { p.problem { "This host is paused: no runs, and nothing is pruned." } }
        dl.settings {
            div { dt { "address" } dd { (visible(&host.settings.address.to_string())) } }
            div { dt { "managed by" } dd { (host.managed_by) } }
            div { dt { "last changed" } dd { (moment(host.changed_at, app.zone())) " by " (visible(&host.changed_by)) } }
            div { dt { "schedules" } dd { (schedules(host)) } }
            div { dt { "retention" } dd { (retention(host)) } }
        }
        div.actions {
            form method="post" action={ "/hosts/" (host.name) "/discover/" } {
                (form_token(session))
                button.quiet type="submit" { "Discover snapshots" }
            }
        }
        (snapshots(&facts.snapshots, app, now))
        (runs(&facts.runs, app))
        (settings(host))
    }
}

fn schedules(host: &SqlHost) -> Markup {
    html! {
        @if host.settings.schedules.is_empty() { "none: it is backed up by hand" }
        @for (i, schedule) in host.settings.schedules.iter().enumerate() {
            @if i > 0 { br; }
            code { (schedule.cron) } " " (schedule.timezone.name())
            @if schedule.prune { ", prunes afterwards" }
        }
    }
}

fn retention(host: &SqlHost) -> Markup {
    let policy = host.settings.retention.as_ref();
    let is_approved =
        policy.is_some_and(|policy| host.approved_policy.as_ref() == Some(&policy.fingerprint()));
    html! {
        @match policy {
            Some(policy) => {
                (policy_words(policy)) " "
                @if is_approved { span.good { "✓ approved" } } @else { span.bad { "✗ not approved" } }
            }
            None => "none: everything is kept",
        }
        " " a href={ "/hosts/" (host.name) "/retention/" } { "What stays and what would go" }
    }
}

fn snapshots(all: &[Snapshot], app: &App, now: Timestamp) -> Markup {
    html! {
        h2 { "Snapshots" }
        @if all.is_empty() { p { "There are none." } }
        @else {
            p.quiet-text { (all.len()) " snapshots" @if all.len() > SHOWN { ", the newest " (SHOWN) " shown" } }
            div.scroll {
                table {
                    thead { tr { th scope="col" { "Snapshot" } th scope="col" { "Taken" } th scope="col" { "Kind" }
                        th scope="col" { "Status" } th.number scope="col" { "Files" } th.number scope="col" { "Size" } th scope="col" { "Notes" } } }
                    tbody {
                        @for snapshot in all.iter().take(SHOWN) {
                            tr {
                                th scope="row" { code { (snapshot.name) } }
                                td { (moment(snapshot.started_at, app.zone())) " " span.quiet-text { (ago(snapshot.started_at, now)) } }
                                td { (snapshot.kind) }
                                td { (snapshot.status) }
                                td.number { @match snapshot.files { Some(n) => (n), None => "?" } }
                                td.number { @match snapshot.bytes { Some(n) => (ByteCount(n)), None => "?" } }
                                td {
                                    @if snapshot.suspect { span.bad { "suspect " } }
                                    @if let Some(hold) = &snapshot.hold { "held by " (visible(&hold.by)) ": " (visible(&hold.reason)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn runs(all: &[Run], app: &App) -> Markup {
    html! {
        h2 { "Runs" }
        @if all.is_empty() { p { "There were none." } }
        @else {
            div.scroll {
                table {
                    thead { tr { th.number scope="col" { "Run" } th scope="col" { "Kind" } th scope="col" { "Status" }
                        th scope="col" { "Started" } th scope="col" { "Took" } th scope="col" { "What came of it" } } }
                    tbody {
                        @for run in all {
                            tr {
                                td.number { (run.id) }
                                td { (run.kind) }
                                td class=[(!matches!(run.status, RunStatus::Complete | RunStatus::Running)).then_some("bad")] { (run.status) }
                                td { (moment(run.started_at, app.zone())) }
                                td { @match run.finished_at { Some(end) => (lasted(run.started_at, end)), None => "…" } }
                                td { (visible(&run.message)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Every setting by its path, as diffs name them. References show their names, never what they stand for.
fn settings(host: &SqlHost) -> Markup {
    let value = serde_json::to_value(&host.settings).unwrap_or_default();
    let mut rows = Vec::new();
    flatten(String::new(), &value, &mut rows);
    html! {
        h2 { "Settings" }
        details {
            summary { (rows.len()) " settings in force" }
            dl.settings { @for (path, value) in rows { div { dt { code { (path) } } dd { (visible(&value)) } } } }
        }
    }
}

fn flatten(path: String, value: &serde_json::Value, rows: &mut Vec<(String, String)>) {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                flatten(path, inner, rows);
            }
        }
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            rows.push((path, words.join("  ")));
        }
        Value::Array(items) => {
            for (i, inner) in items.iter().enumerate() {
                flatten(format!("{path}.{i}"), inner, rows);
            }
        }
        Value::String(text) => rows.push((path, text.clone())),
        other => rows.push((path, other.to_string())),
    }
}
