//! The retention plan of one host: what stays and why, what would go. Changes nothing, whatever is asked.

use axum::extract::{Extension, Path, RawQuery, State};
use chrono_tz::Tz;
use maud::{Markup, html};

use crate::core::model::{HostName, Kinds, Policy, SqlHost, visible};
use crate::core::plan::{DeleteEntry, KeepEntry, Plan, RetentionPlan};
use crate::core::retention::Reason;
use crate::ops::{self, Error, Session};
use crate::render::{
    damage_words, freed_words, policy_words, size_words, standing_words, timeline, timeline_legend,
    timeline_marks, why_it_goes, why_it_stays,
};
use crate::store::HostKey;
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::layout::{self, label};
use crate::web::times::moment;

/// What the page may be asked for.
const CHOICES: [&str; 3] = ["scheduled", "manual", "all"];

/// Shows the plan.
pub(super) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(host): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Markup, Failure> {
    let chosen = kind(query.as_deref())?;
    let name: HostName = host.parse().map_err(|_| unknown_host())?;
    let (plan, sql, notes) = app
        .call(move |context| {
            let facts = context.facts_of(HostKey::Name(&name))?;
            let kinds = chosen.map(kinds).transpose()?;
            let mut plan = ops::plan_host(&facts, &name, kinds, false)?;
            ops::note_damage(context, &mut plan)?;
            let damaged = plan
                .retention
                .iter()
                .filter_map(|found| found.damage.as_ref());
            let notes: Vec<String> = damaged
                .map(|damage| format!("{name}: {}", damage_words(damage)))
                .collect();
            Ok((plan, facts.host(&name)?.clone(), notes))
        })
        .await?;
    let title = format!("Retention of {}", sql.name);
    let body = page(&plan, &sql, &notes, chosen, app.zone());
    Ok(layout::page(&title, &session, "/hosts/", &body))
}

fn unknown_host() -> Failure {
    Failure::not_found("There is no such host.")
}

fn kinds(word: &'static str) -> Result<Kinds, Error> {
    Ok(word.parse::<Kinds>()?)
}

/// The kind that the query names: one of three, once, and nothing beside it; the policy's own kinds without a query.
fn kind(query: Option<&str>) -> Result<Option<&'static str>, Failure> {
    let Some(query) = query else {
        return Ok(None);
    };
    let refused = |what: &str| {
        Err(
            Failure::new(axum::http::StatusCode::BAD_REQUEST, what.to_owned())
                .with_help("Ask for ?kind=scheduled, ?kind=manual or ?kind=all."),
        )
    };
    match query.split_once('=') {
        Some(("kind", word)) => match CHOICES.into_iter().find(|choice| *choice == word) {
            Some(choice) => Ok(Some(choice)),
            None if word.contains('&') => refused("The query asks for more than one thing."),
            None => refused("There is no such kind of snapshot."),
        },
        _ => refused("The query asks for something that this page does not know."),
    }
}

fn page(plan: &Plan, host: &SqlHost, notes: &[String], chosen: Option<&str>, zone: Tz) -> Markup {
    let Some(retention) = plan.retention.first() else {
        return html! { h1 { "Retention of " (host.name) } p { "There is nothing to plan." } };
    };
    let shown_zone = retention
        .policy
        .as_ref()
        .map_or(zone, |policy| policy.timezone);
    html! {
        nav.crumbs aria-label="Breadcrumb" {
            a href="/hosts/" { "Hosts" } " / " a href={ "/hosts/" (host.name) "/" } { (host.name) } " / Retention"
        }
        h1 { "Retention of " (host.name) }
        (choices(&host.name, chosen))
        dl.counts {
            div { dt { "stay" } dd { (retention.totals.keep) } }
            div { dt { "would go" } dd { (retention.totals.delete) } }
            div { dt { "of these scheduled" } dd { (retention.totals.delete_by_kind.scheduled) } }
            div { dt { "manual" } dd { (retention.totals.delete_by_kind.manual) } }
            div { dt { "incomplete" } dd { (retention.totals.delete_by_kind.incomplete) } }
        }
        @for note in notes { p.problem { (visible(note)) } }
        (settings(retention))
        @if !plan.refusals.is_empty() {
            h2 { "What stands against a prune" }
            ul { @for refusal in &plan.refusals { li { span.bad { "! " (visible(&refusal.message)) } " To lift it for once: " (visible(&refusal.lift)) } } }
        }
        h2 { "Over time" }
        (timeline_marks())
        (timeline_legend())
        (timeline(retention, plan.as_of))
        (going(retention, shown_zone))
        (staying(retention, shown_zone))
        (further(host, retention, chosen))
    }
}

fn choices(host: &HostName, chosen: Option<&str>) -> Markup {
    html! {
        nav aria-label="Kinds of snapshots" {
            ul.tabs {
                li { a href={ "/hosts/" (host) "/retention/" } aria-current=[chosen.is_none().then_some("page")] { "as the policy says" } }
                @for choice in CHOICES {
                    li {
                        a href={ "/hosts/" (host) "/retention/?kind=" (choice) }
                            aria-current=[(chosen == Some(choice)).then_some("page")] { (choice) }
                    }
                }
            }
        }
    }
}

fn settings(retention: &RetentionPlan) -> Markup {
    let kinds = retention.kinds;
    html! {
        h2 { "Policy" }
        dl.settings {
            @match &retention.policy {
                Some(policy) => {
                    div { dt { "keeps" } dd { (policy_words(policy)) } }
                    div { dt { "counts" } dd { (kinds.to_string().replace(',', ", ")) " snapshots; each rule by itself, so that one snapshot may serve several" } }
                    div { dt { "time zone" } dd { (policy.timezone.name()) } }
                    div { dt { "base protection" } dd { (bases(policy)) } }
                    div { dt { "incomplete ones stay" } dd { (policy.incomplete_after) } }
                }
                None => div { dt { "keeps" } dd { (standing_words(retention)) } }
            }
            @if let Some(fingerprint) = &retention.policy_fingerprint {
                div { dt { "approval" } dd {
                    @if retention.approved {
                        span.good { "✓ approved" } ": unattended prunes follow it"
                    } @else {
                        span.bad { "✗ not approved" } ": no unattended prune follows it"
                    }
                    " " code title=(fingerprint) { (fingerprint.short()) }
                } }
            }
        }
    }
}

fn bases(policy: &Policy) -> &'static str {
    if policy.protect_bases {
        "on: what a kept snapshot was linked against stays too. It guards the speed of the next pull, not the data: hard \
         links need no base."
    } else {
        "off: hard links need no base, so that no kept snapshot loses anything when its base goes."
    }
}

fn going(retention: &RetentionPlan, zone: Tz) -> Markup {
    html! {
        h2 { "What would go" }
        @if retention.delete.is_empty() {
            p { "Nothing." }
        } @else {
            p { (retention.totals.delete) " snapshots of " (size_words(Some(retention.totals.delete_bytes)))
                "; it would free " (freed_words(retention.totals.frees, retention.totals.delete_bytes)) "." }
            div.scroll tabindex="0" role="region" aria-label="What would go" {
                table.cards {
                    thead { tr { th scope="col" { "Snapshot" } th scope="col" { "Taken" } th scope="col" { "Kind" }
                        th scope="col" { "Reason" } th.number scope="col" { "Size" } } }
                    tbody { @for entry in &retention.delete { (gone(entry, zone)) } }
                }
            }
        }
    }
}

fn gone(entry: &DeleteEntry, zone: Tz) -> Markup {
    let kind = if entry.is_incomplete() {
        "incomplete"
    } else {
        entry.kind.as_str()
    };
    html! {
        tr {
            th scope="row" { code { (entry.snapshot) } }
            td { (label("Taken")) (moment(entry.started_at, zone)) }
            td { (label("Kind")) (kind) }
            td { (label("Reason")) span.bad { "− " (why_it_goes(entry)) } }
            td.number { (label("Size")) (size_words(entry.bytes)) }
        }
    }
}

fn staying(retention: &RetentionPlan, zone: Tz) -> Markup {
    html! {
        h2 { "What stays, and why" }
        @if retention.keep.is_empty() {
            p { "There are no snapshots." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="What stays" {
                table.cards {
                    thead { tr { th scope="col" { "Snapshot" } th scope="col" { "Taken" } th scope="col" { "Kind" }
                        th scope="col" { "Reasons" } th scope="col" { "Until" } th.number scope="col" { "Size" } } }
                    tbody { @for entry in &retention.keep { (kept(entry, zone)) } }
                }
            }
        }
    }
}

fn kept(entry: &KeepEntry, zone: Tz) -> Markup {
    let is_base_alone = entry
        .reasons
        .iter()
        .all(|reason| matches!(reason, Reason::BaseOf(_)));
    html! {
        tr {
            th scope="row" { code { (entry.snapshot) } @if entry.suspect { " " span.bad { "suspect" } } }
            td { (label("Taken")) (moment(entry.started_at, zone)) }
            td { (label("Kind")) (entry.kind) }
            td {
                (label("Reasons")) (why_it_stays(entry))
                @if is_base_alone { " " span.quiet-text { "(base protection alone)" } }
            }
            td { @if let Some(day) = entry.expires_on { (label("Until")) (day) } }
            td.number { (label("Size")) (size_words(entry.bytes)) }
        }
    }
}

/// Pages delete nothing: they say how it is done.
fn further(host: &SqlHost, retention: &RetentionPlan, chosen: Option<&str>) -> Markup {
    let kind = chosen
        .filter(|choice| *choice != "all")
        .map_or(String::new(), |choice| format!(" --kind {choice}"));
    html! {
        h2 { "How to go on" }
        p { "This page deletes nothing. On the server:" }
        pre tabindex="0" role="region" aria-label="Commands" {
            code {
                "pobsync retention " (host.name) (kind) "\n"
                @if retention.policy.is_some() && !retention.approved {
                    "pobsync retention " (host.name) " --approve\n"
                }
                @if !retention.delete.is_empty() {
                    "pobsync retention " (host.name) (kind) " --apply --max-delete " (retention.delete.len()) "\n"
                }
                @if let Some(first) = retention.delete.first() {
                    "pobsync hold " (host.name) " " (first.snapshot) " --reason \"…\"\n"
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, None)]
    #[case(Some("kind=scheduled"), Some("scheduled"))]
    #[case(Some("kind=manual"), Some("manual"))]
    #[case(Some("kind=all"), Some("all"))]
    fn each_of_the_three_kinds_may_be_asked_for(
        #[case] query: Option<&str>,
        #[case] chosen: Option<&str>,
    ) {
        assert_eq!(kind(query).ok(), Some(chosen));
    }

    #[rstest]
    #[case("")]
    #[case("kind=")]
    #[case("kind")]
    #[case("kind=weekly")]
    #[case("kind=Scheduled")]
    #[case("kind=scheduled&kind=manual")]
    #[case("kind=scheduled&kind=scheduled")]
    #[case("kind=scheduled&page=2")]
    #[case("page=2")]
    #[case("kind=scheduled%20")]
    #[case("kind=%3Cscript%3E")]
    fn anything_else_is_a_bad_request(#[case] query: &str) {
        let failure = kind(Some(query)).unwrap_err();
        assert_eq!(failure.status, axum::http::StatusCode::BAD_REQUEST);
        assert!(failure.help.unwrap().contains("?kind=all"));
    }
}
