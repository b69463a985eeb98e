//! Recorded plans, newest first, page by page.

use axum::extract::{Extension, Query, State};
use chrono_tz::Tz;
use maud::{Markup, html};
use serde::Deserialize;

use crate::core::model::visible;
use crate::ops::Session;
use crate::store::{Approval, PlanSummary};
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::layout::{self, label, pager};
use crate::web::times::moment;

/// Rows on one page.
const PAGE: u32 = 50;
/// The newest approvals beside the first page.
const APPROVALS: u32 = 20;
/// Nobody turns more pages than this.
const MOST_PAGES: u32 = 100_000;

/// Which page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Wanted {
    #[serde(default)]
    page: u32,
}

impl Wanted {
    /// The page, counted from one.
    pub(super) fn number(&self) -> u32 {
        self.page.clamp(1, MOST_PAGES)
    }

    /// How many rows come before it, with so many on one.
    pub(super) fn skip(&self, rows: u32) -> u32 {
        (self.number() - 1).saturating_mul(rows)
    }

    /// The ways to the pages before and after.
    pub(super) fn pager(&self, at: &str, has_more: bool) -> Markup {
        let number = self.number();
        let newer = (number > 1).then(|| format!("{at}?page={}", number - 1));
        let older = has_more.then(|| format!("{at}?page={}", number + 1));
        pager(
            newer.as_deref().map(|to| (to, "Newer")),
            older.as_deref().map(|to| (to, "Older")),
        )
    }
}

/// Shows one page of the list.
pub(super) async fn list(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Query(wanted): Query<Wanted>,
) -> Result<Markup, Failure> {
    let (skip, is_first) = (wanted.skip(PAGE), wanted.number() == 1);
    let (mut plans, approvals) = app
        .call(move |context| {
            let plans = context.store.plans_page(skip, PAGE + 1)?;
            let approvals = if is_first {
                context.store.approvals(None, APPROVALS)?
            } else {
                Vec::new()
            };
            Ok((plans, approvals))
        })
        .await?;
    let has_more = plans.len() > PAGE as usize;
    plans.truncate(PAGE as usize);
    let body = html! {
        h1 { "Plans" }
        p.quiet-text { "Every plan that was applied, approved or carried out, as it was recorded. Each deletion points at one of these." }
        @if plans.is_empty() { p { "There are none yet." } } @else { (plan_table(&plans, app.zone())) }
        (wanted.pager("/plans/", has_more))
        @if !approvals.is_empty() {
            h2 { "Newest approvals" }
            (approval_table(&approvals, app.zone()))
        }
    };
    Ok(layout::page("Plans", &session, "/plans/", &body))
}

fn plan_table(plans: &[PlanSummary], zone: Tz) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Plans" {
            table.cards {
                thead { tr { th scope="col" { "Plan" } th scope="col" { "For" } th scope="col" { "When" } th scope="col" { "By" }
                    th.number scope="col" { "Deletions listed" } th scope="col" { "Revision" } th scope="col" { "Fingerprint" } } }
                tbody {
                    @for plan in plans {
                        tr {
                            th scope="row" { a href={ "/plans/" (plan.id) "/" } { (plan.id) } }
                            td { (label("For")) (plan.kind) }
                            td { (label("When")) (moment(plan.created_at, zone)) }
                            td { (label("By")) (visible(&plan.actor)) }
                            td.number { (label("Deletions")) (plan.deletions) }
                            td { @if let Some(revision) = &plan.revision { (label("Revision")) code { (visible(revision)) } } }
                            td { (label("Fingerprint")) code title=(plan.fingerprint) { (plan.fingerprint.short()) } }
                        }
                    }
                }
            }
        }
    }
}

/// Approvals as a table.
pub(super) fn approval_table(approvals: &[Approval], zone: Tz) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Approvals" {
            table.cards {
                thead { tr { th scope="col" { "Host" } th scope="col" { "Policy" } th scope="col" { "Approved" } th scope="col" { "By" } th scope="col" { "Plan" } } }
                tbody {
                    @for approval in approvals {
                        tr {
                            th scope="row" { a href={ "/hosts/" (approval.host_name) "/" } { (approval.host_name) } }
                            td { (label("Policy")) code title=(approval.policy) { (approval.policy.short()) } }
                            td { (label("Approved")) (moment(approval.at, zone)) }
                            td { (label("By")) (visible(&approval.actor)) }
                            td { (label("Plan")) a href={ "/plans/" (approval.plan) "/" } { (approval.plan) } }
                        }
                    }
                }
            }
        }
    }
}
