//! One run: what came of it, its snapshot and its plan, and the end of its log.

use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::host_actions::Nothing;
use super::runs::status_mark;
use crate::core::model::{
    ByteCount, RunId, RunKind, RunStatus, SnapshotKind, SnapshotStatus, Timestamp, visible,
};
use crate::ops::{self, LogTail, Session};
use crate::store::{RunRecord, SnapshotFilter};
use crate::web::access::Asker;
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::form::Posted;
use crate::web::layout::{self, crumbs, form_token};
use crate::web::times::{ago, lasted, moment};
use crate::web::tree_path::encoded;

/// The end of a log on its page; the rest is one link away.
const TAIL: u64 = 32 * 1024;
/// How soon the page of a run at work is looked at again, in seconds.
const REFRESH: &str = "5";
const REFRESH_HEADER: HeaderName = HeaderName::from_static("refresh");

struct Facts {
    record: RunRecord,
    /// The kind and status of its snapshot.
    snapshot: Option<(SnapshotKind, SnapshotStatus)>,
    /// The end of its log, or why there is none to show.
    log: Result<Option<LogTail>, String>,
}

/// The run that a path names.
pub(super) fn numbered(run: &str) -> Result<RunId, Failure> {
    let is_number = !run.is_empty() && run.bytes().all(|b| b.is_ascii_digit());
    let id = run.parse().ok().filter(|_| is_number).map(RunId);
    id.ok_or_else(|| Failure::not_found("There is no such run."))
}

/// Shows the page. While the run is at work it asks the browser to look again, unless `?refresh=off`.
pub(super) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(run): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let id = numbered(&run)?;
    let facts = app
        .call(move |context| {
            let record = ops::run(context, id)?;
            let log = ops::log_tail(context, &record, TAIL);
            let log = log.map_err(|error| visible(&error.to_string()));
            let filter = SnapshotFilter {
                host: Some(record.host),
                with_deleted: true,
                ..SnapshotFilter::default()
            };
            let snapshot = match record.snapshot_id {
                Some(id) => context
                    .store
                    .snapshots(&filter)?
                    .into_iter()
                    .find(|s| s.snapshot.id == id)
                    .map(|s| (s.snapshot.kind, s.snapshot.status)),
                None => None,
            };
            Ok(Facts {
                record,
                snapshot,
                log,
            })
        })
        .await?;
    let is_live = facts.record.run.status == RunStatus::Running;
    let refreshes = is_live && query.as_deref() != Some("refresh=off");
    let body = page(&facts, &session, &app, refreshes, ops::now());
    let title = format!("Run {id}");
    let mut response = layout::page(&title, &session, "/runs/", &body).into_response();
    if refreshes {
        response
            .headers_mut()
            .insert(REFRESH_HEADER, HeaderValue::from_static(REFRESH));
    }
    Ok(response)
}

/// Asks the run to stop, and leads back to it.
pub(super) async fn cancel(
    State(app): State<App>,
    Extension(asker): Extension<Asker>,
    Path(run): Path<String>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, Failure> {
    let id = numbered(&run)?;
    app.call(move |context| ops::cancel(&context.acting_as(asker.0), id))
        .await?;
    Ok(Redirect::to(&format!("/runs/{id}/")).into_response())
}

fn page(facts: &Facts, session: &Session, app: &App, refreshes: bool, now: Timestamp) -> Markup {
    let record = &facts.record;
    let run = &record.run;
    let is_live = run.status == RunStatus::Running;
    html! {
        (crumbs(&[("/runs/", "Runs")], &run.id.to_string()))
        h1 { "Run " (run.id) ": " (run.kind) " of " (run.host) }
        @if !run.message.is_empty() { p.message role=[is_live.then_some("status")] { (visible(&run.message)) } }
        dl.settings {
            div { dt { "host" } dd { a href={ "/hosts/" (run.host) "/" } { (run.host) } } }
            div { dt { "status" } dd { (status_mark(run.status))
                @if let Some(by) = &record.cancel_by { ", asked to stop by " (visible(by)) } } }
            div { dt { "started" } dd { (moment(run.started_at, app.zone())) " " span.quiet-text { (ago(run.started_at, now)) } } }
            @match run.finished_at {
                Some(end) => div { dt { "ended" } dd { (moment(end, app.zone())) ", after " (lasted(run.started_at, end)) } },
                None => {
                    div { dt { "at work for" } dd { (lasted(run.started_at, now)) ", last heard of " (ago(record.heartbeat_at, now)) } }
                }
            }
            @if let Some(bytes) = record.bytes { div { dt { "files handled" } dd { (ByteCount(bytes)) } } }
            div { dt { "asked for by" } dd { (asked_for(record)) } }
            @if let Some(schedule) = &record.schedule {
                div { dt { "due" } dd { (moment(schedule.fires_at, app.zone())) ", attempt " (schedule.attempt)
                    @if let Some(at) = schedule.retry_at { "; tried again " (moment(at, app.zone())) } } }
            }
            @if let Some(name) = &run.snapshot {
                div { dt { "snapshot" } dd {
                    @match facts.snapshot {
                        Some((kind, status)) => {
                            a href={ "/hosts/" (run.host) "/snapshots/" (kind) "/" (encoded(name.as_str().as_bytes())) "/" } { code { (name) } }
                            " " (kind) ", " (status)
                        }
                        None => code { (name) },
                    }
                } }
            }
            @if let Some(plan) = run.plan { div { dt { "plan" } dd { a href={ "/plans/" (plan) "/" } { "plan " (plan) } } } }
            div { dt { "process" } dd { code { (visible(&run.process)) } } }
        }
        @if is_live {
            div.actions {
                @if record.cancel_by.is_none() {
                    form method="post" action={ "/runs/" (run.id) "/cancel/" } {
                        (form_token(session))
                        button.quiet type="submit" { "Stop this run" }
                    }
                }
                @if refreshes {
                    span { "This page looks again every " (REFRESH) " seconds. " a href="?refresh=off" { "Stop that" } }
                } @else {
                    a href={ "/runs/" (run.id) "/" } { "Look again by itself" }
                }
            }
        }
        @if run.kind == RunKind::Backup { (log(facts)) }
    }
}

fn asked_for(record: &RunRecord) -> Markup {
    html! {
        @match (&record.asked_by, &record.schedule) {
            (Some(by), _) => (visible(by)),
            (None, Some(_)) => "its schedule",
            (None, None) => "the command line",
        }
    }
}

fn log(facts: &Facts) -> Markup {
    let id = facts.record.run.id;
    html! {
        h2 { "Log" }
        @match &facts.log {
            Err(why) => p { "It cannot be shown: " (why) },
            Ok(None) => p { "There is none: the pull did not begin, or its snapshot is gone." },
            Ok(Some(tail)) if tail.lines.is_empty() => p { "It is empty so far." },
            Ok(Some(tail)) => {
                @if tail.is_cut { p.quiet-text { "The end of it:" } }
                pre tabindex="0" role="region" aria-label="Log" { code { @for line in &tail.lines { (visible(line)) "\n" } } }
            }
        }
        p {
            a href={ "/runs/" (id) "/log.txt" } { "The whole log as text" }
            ". For programs it is a stream of events while the run is at work: "
            code { "/runs/" (id) "/log/" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_a_number_and_nothing_else() {
        assert_eq!(numbered("12").unwrap(), RunId(12));
        for odd in ["", "-1", "+1", "1 ", "x", "99999999999999999999"] {
            assert!(numbered(odd).is_err(), "{odd}");
        }
    }
}
