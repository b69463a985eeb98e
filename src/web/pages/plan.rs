//! One recorded plan: who carried it out, what it approved, what it listed and what has become of that.

use std::collections::BTreeMap;

use axum::extract::{Extension, Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono_tz::Tz;
use maud::{Markup, html};

use super::plans::approval_table;
use super::run::numbered;
use super::snapshots::address;
use crate::core::model::{HostId, HostName, PlanId, SnapshotStatus, visible};
use crate::core::plan::Plan;
use crate::ops::{self, Recorded, Session};
use crate::render::{Style, plan_html, plan_text, summary_lines};
use crate::store::{Approval, SnapshotRecord};
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::layout::{self, crumbs, label};
use crate::web::times::moment;

/// A plan in words that is longer is on its own page alone.
const LONGEST_TEXT: usize = 200_000;
/// Rows of one table; the rest is counted.
const SHOWN: usize = 500;
/// The page of a plan brings its one style sheet with it, and its own policy allows that alone, by its digest: both hold.
const OWN_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; \
     base-uri 'none'; form-action 'none'";

struct Facts {
    recorded: Recorded,
    approvals: Vec<Approval>,
    listed: Vec<(Option<HostName>, SnapshotRecord)>,
}

fn named(plan: &str) -> Result<PlanId, Failure> {
    let unknown = |_| Failure::not_found("There is no such plan.");
    numbered(plan).map(|id| PlanId(id.0)).map_err(unknown)
}

/// Shows the plan.
pub(super) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(plan): Path<String>,
) -> Result<Markup, Failure> {
    let id = named(&plan)?;
    let facts = app
        .call(move |context| {
            let recorded = ops::recorded_plan(context, id)?;
            let approvals = context.store.approvals_of(id)?;
            let listed = context.store.listed_by(id)?;
            let mut names = BTreeMap::new();
            if !listed.is_empty() {
                let hosts = context.store.host_names()?.into_iter();
                names.extend(hosts.map(|host| (host.id, host.name)));
            }
            let name = |id: HostId| names.get(&id).cloned();
            Ok(Facts {
                listed: listed.into_iter().map(|r| (name(r.host), r)).collect(),
                recorded,
                approvals,
            })
        })
        .await?;
    let body = page(&facts, app.zone());
    let title = format!("Plan {id}");
    Ok(layout::page(&title, &session, "/plans/", &body))
}

/// The plan as the page of its own that reviewers have seen.
pub(super) async fn whole(
    State(app): State<App>,
    Path(plan): Path<String>,
) -> Result<Response, Failure> {
    let id = named(&plan)?;
    let text = app
        .call(move |context| {
            let recorded = ops::recorded_plan(context, id)?;
            Ok(plan_html(&recorded.plan))
        })
        .await?;
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(OWN_POLICY),
        ),
    ];
    Ok((headers, text).into_response())
}

fn page(facts: &Facts, zone: Tz) -> Markup {
    let Facts {
        recorded,
        approvals,
        listed,
    } = facts;
    let summary = &recorded.summary;
    let gone = listed
        .iter()
        .filter(|(_, r)| r.plan == Some(summary.id) && r.snapshot.status == SnapshotStatus::Deleted)
        .count();
    html! {
        (crumbs(&[("/plans/", "Plans")], &summary.id.to_string()))
        h1 { "Plan " (summary.id) }
        dl.settings {
            div { dt { "for" } dd { (what_for(summary.kind.as_str())) } }
            div { dt { "recorded" } dd { (moment(summary.created_at, zone)) " by " (visible(&summary.actor)) } }
            div { dt { "serial" } dd { (summary.serial) } }
            @if let Some(revision) = &summary.revision { div { dt { "revision" } dd { code { (visible(revision)) } } } }
            div { dt { "fingerprint" } dd { code { (summary.fingerprint) } } }
            div { dt { "approved" } dd { (approvals.len()) " policies" } }
            div { dt { "listed for deletion" } dd { (listed.len()) " snapshots, of which " (gone) " were deleted by it" } }
        }
        p { a.button.quiet href={ "/plans/" (summary.id) "/page.html" } { "The plan as a page, with pictures" } }
        (deletions(facts, zone))
        @if !approvals.is_empty() {
            h2 { "Approvals" }
            (approval_table(&approvals[..approvals.len().min(SHOWN)], zone))
            @if approvals.len() > SHOWN { p { (approvals.len() - SHOWN) " more." } }
        }
        h2 { "In words" }
        (words(&recorded.plan))
    }
}

fn what_for(kind: &str) -> &'static str {
    match kind {
        "apply" => "an apply of the configuration",
        "retention" => "the retention of one host, which a person asked for",
        _ => "an unattended prune",
    }
}

fn deletions(facts: &Facts, zone: Tz) -> Markup {
    let by_it = facts.recorded.summary.id;
    html! {
        @if !facts.listed.is_empty() {
            h2 { "Listed for deletion" }
            div.scroll tabindex="0" role="region" aria-label="Listed for deletion" {
                table.cards {
                    thead { tr { th scope="col" { "Snapshot" } th scope="col" { "Host" } th scope="col" { "Kind" } th scope="col" { "Taken" } th scope="col" { "Now" } } }
                    tbody {
                        @for (host, record) in facts.listed.iter().take(SHOWN) {
                            tr {
                                @match host {
                                    Some(host) => {
                                        th scope="row" { a href=(address(host, &record.snapshot)) { code { (record.snapshot.name) } } }
                                        td { (label("Host")) a href={ "/hosts/" (host) "/" } { (host) } }
                                    }
                                    None => { th scope="row" { code { (record.snapshot.name) } } td {} }
                                }
                                td { (label("Kind")) (record.snapshot.kind) }
                                td { (label("Taken")) (moment(record.snapshot.started_at, zone)) }
                                td { (label("Now")) (become_of(record, by_it, zone)) }
                            }
                        }
                    }
                }
            }
            @if facts.listed.len() > SHOWN { p { (facts.listed.len() - SHOWN) " more." } }
        }
    }
}

fn become_of(record: &SnapshotRecord, by_it: PlanId, zone: Tz) -> Markup {
    html! {
        @match (record.snapshot.status, record.plan) {
            (SnapshotStatus::Deleted | SnapshotStatus::Deleting, Some(plan)) => {
                (record.snapshot.status)
                @if let Some(at) = record.deleted_at { " " (moment(at, zone)) }
                @if plan != by_it { " by " a href={ "/plans/" (plan) "/" } { "plan " (plan) } }
            }
            (status, _) => { "not deleted by it: " (status) }
        }
    }
}

fn words(plan: &Plan) -> Markup {
    let text = plan_text(plan, &Style::default());
    html! {
        @if text.len() <= LONGEST_TEXT { pre tabindex="0" role="region" aria-label="The plan in words" { code { (text) } } }
        @else { pre { code { (summary_lines(plan)) } } p { "The whole of it is on the page of its own." } }
    }
}
