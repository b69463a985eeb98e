//! The list of runs: filtered, newest first, page by page.

use axum::extract::{Extension, Query, State};
use chrono_tz::Tz;
use maud::{Markup, html};
use serde::Deserialize;

use crate::core::model::{RunId, RunKind, RunStatus, Timestamp, visible};
use crate::ops::{self, Session};
use crate::store::{HostKey, RunFilter, RunRecord};
use crate::web::access::form_urlencoded;
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::layout::{self, label, pager};
use crate::web::times::{ago, lasted, moment};

/// Rows on one page.
const PAGE: usize = 50;

/// What is looked for; what is empty is not looked at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    host: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    status: String,
    before: Option<i64>,
}

/// Shows one page of the list.
pub(super) async fn list(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Query(wanted): Query<Wanted>,
) -> Result<Markup, Failure> {
    let kind: Option<RunKind> = word(&wanted.kind, "kind of run")?;
    let status: Option<RunStatus> = word(&wanted.status, "status of a run")?;
    let host = match wanted.host.trim() {
        "" => None,
        name => Some(super::host::named(name)?),
    };
    let before = wanted.before.map(RunId);
    let mut runs = app
        .call(move |context| {
            let host = match host {
                Some(name) => Some(context.facts_of(HostKey::Name(&name))?.host(&name)?.id),
                None => None,
            };
            let filter = RunFilter {
                run: None,
                host,
                kind,
                status,
                before,
            };
            Ok(context.store.runs(&filter, PAGE as u32 + 1)?)
        })
        .await?;
    let has_more = runs.len() > PAGE;
    runs.truncate(PAGE);
    let body = page(&runs, &wanted, has_more, app.zone(), ops::now());
    Ok(layout::page("Runs", &session, "/runs/", &body))
}

fn word<T: std::str::FromStr>(text: &str, what: &str) -> Result<Option<T>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let message = format!("There is no such {what}.");
        Failure::new(axum::http::StatusCode::BAD_REQUEST, message)
            .with_help("Choose one of those that the page lists.")
    })
}

fn page(runs: &[RunRecord], wanted: &Wanted, has_more: bool, zone: Tz, now: Timestamp) -> Markup {
    let older = runs
        .last()
        .filter(|_| has_more)
        .map(|last| link(wanted, Some(last.run.id)));
    let newest = wanted.before.map(|_| link(wanted, None));
    html! {
        h1 { "Runs" }
        form.row method="get" action="/runs/" role="search" {
            label for="host" { "Host" }
            input id="host" name="host" maxlength="128" value=(wanted.host);
            label for="kind" { "Kind" }
            select id="kind" name="kind" { (options(RunKind::ALL.iter().map(|k| k.as_str()), &wanted.kind)) }
            label for="status" { "Status" }
            select id="status" name="status" { (options(RunStatus::ALL.iter().map(|s| s.as_str()), &wanted.status)) }
            button type="submit" { "Show" }
        }
        @if runs.is_empty() { p { "There are no such runs." } }
        @else { (run_table(runs, zone, now, true)) }
        (pager(newest.as_deref().map(|to| (to, "Newest")), older.as_deref().map(|to| (to, "Older"))))
    }
}

fn options<'a>(words: impl Iterator<Item = &'a str>, chosen: &str) -> Markup {
    html! {
        option value="" { "any" }
        @for word in words { option value=(word) selected[word == chosen] { (word) } }
    }
}

fn link(wanted: &Wanted, before: Option<RunId>) -> String {
    let mut out = format!(
        "/runs/?host={}&kind={}&status={}",
        form_urlencoded(&wanted.host),
        wanted.kind,
        wanted.status
    );
    if let Some(before) = before {
        out.push_str(&format!("&before={before}"));
    }
    out
}

/// Runs as a table, with their hosts where those are not known from the page.
pub(super) fn run_table(runs: &[RunRecord], zone: Tz, now: Timestamp, with_host: bool) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Runs" {
            table.cards {
                thead { tr {
                    th scope="col" { "Run" }
                    @if with_host { th scope="col" { "Host" } }
                    th scope="col" { "Kind" } th scope="col" { "Status" } th scope="col" { "Started" }
                    th.number scope="col" { "Took" } th scope="col" { "What came of it" }
                } }
                tbody { @for record in runs { (row(record, zone, now, with_host)) } }
            }
        }
    }
}

fn row(record: &RunRecord, zone: Tz, now: Timestamp, with_host: bool) -> Markup {
    let run = &record.run;
    html! {
        tr {
            th scope="row" { a href={ "/runs/" (run.id) "/" } { (run.id) } }
            @if with_host { td { (label("Host")) a href={ "/hosts/" (run.host) "/" } { (run.host) } } }
            td { (label("Kind")) (run.kind) }
            td { (label("Status")) (status_mark(run.status)) }
            td { (label("Started")) (moment(run.started_at, zone)) " " span.quiet-text { (ago(run.started_at, now)) } }
            td.number { (label("Took")) @match run.finished_at { Some(end) => (lasted(run.started_at, end)), None => (lasted(run.started_at, now)) } }
            td.message { @if !run.message.is_empty() { (label("Outcome")) (visible(&run.message)) } }
        }
    }
}

/// The status in a word, marked by sign and colour.
pub(super) fn status_mark(status: RunStatus) -> Markup {
    html! {
        @match status {
            RunStatus::Complete => span.good { "✓ " (status) },
            RunStatus::Running => span.warn { "… " (status) },
            _ => span.bad { "✗ " (status) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{HostId, Run};

    fn record(id: i64) -> RunRecord {
        RunRecord {
            host: HostId(1),
            snapshot_id: None,
            heartbeat_at: Timestamp::from_millis(0),
            bytes: None,
            cancel_by: None,
            schedule: None,
            log_path: None,
            cause: None,
            asked_by: None,
            server: None,
            has_lease: false,
            run: Run {
                id: RunId(id),
                host: "web-01".parse().unwrap(),
                kind: RunKind::Backup,
                status: RunStatus::Failed,
                started_at: Timestamp::from_millis(0),
                finished_at: None,
                snapshot: None,
                plan: None,
                message: "rsync: <script>\u{202e}\u{1b}[31m".to_owned(),
                process: String::new(),
            },
        }
    }

    #[test]
    fn what_hosts_say_is_shown_and_not_obeyed() {
        let wanted = Wanted {
            host: "\"><b>".to_owned(),
            ..Wanted::default()
        };
        let now = Timestamp::from_millis(0);
        let text = page(&[record(1)], &wanted, false, Tz::UTC, now).into_string();
        assert!(text.contains("&lt;script&gt;") && !text.contains("<script>"));
        assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}') && !text.contains("><b>"));
    }

    #[test]
    fn older_runs_are_a_page_further_and_the_filter_stays() {
        let wanted = Wanted {
            host: "web-01".to_owned(),
            status: "failed".to_owned(),
            before: Some(9),
            ..Wanted::default()
        };
        let now = Timestamp::from_millis(0);
        let text = page(&[record(8), record(7)], &wanted, true, Tz::UTC, now).into_string();
        assert!(text.contains("/runs/?host=web-01&amp;kind=&amp;status=failed&amp;before=7"));
        assert!(text.contains("\"/runs/?host=web-01&amp;kind=&amp;status=failed\""));
    }

    #[test]
    fn a_word_that_is_none_is_a_bad_request() {
        assert_eq!(word::<RunKind>("", "kind of run").unwrap(), None);
        let failure = word::<RunStatus>("done", "status of a run").unwrap_err();
        assert_eq!(failure.status, axum::http::StatusCode::BAD_REQUEST);
    }
}
