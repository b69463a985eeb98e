//! Who did what and when.

use axum::extract::{Extension, Query, State};
use maud::{Markup, html};

use super::plans::Wanted;
use crate::core::model::visible;
use crate::ops::Session;
use crate::store::HistoryEntry;
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::layout::{self, label};
use crate::web::times::moment;

/// Rows on one page.
const PAGE: u32 = 50;
/// More of what exactly is not shown: one apply may change a whole fleet.
const LONGEST_DETAIL: usize = 4_000;

/// Shows one page of the history.
pub(super) async fn list(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Query(wanted): Query<Wanted>,
) -> Result<Markup, Failure> {
    let skip = wanted.skip(PAGE);
    let mut entries = app
        .call(move |context| Ok(context.store.history_page(skip, PAGE + 1)?))
        .await?;
    let has_more = entries.len() > PAGE as usize;
    entries.truncate(PAGE as usize);
    let body = html! {
        h1 { "Audit" }
        p.quiet-text { "Changes of the configuration, approvals, holds, accounts, and what was asked for on these pages." }
        @if entries.is_empty() { p { "Nothing has happened yet." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="History" {
                table.cards {
                    thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" } th.number scope="col" { "Serial" } } }
                    tbody { @for entry in &entries {
                        tr {
                            th scope="row" { (moment(entry.at, app.zone())) }
                            td { (label("Who")) (visible(&entry.actor)) }
                            td.message { (label("What")) (visible(&entry.summary)) (detail(entry)) }
                            td.number {
                                (label("Serial"))
                                @if entry.serial_before == entry.serial_after { (entry.serial_after) }
                                @else { (entry.serial_before) " → " (entry.serial_after) }
                            }
                        }
                    } }
                }
            }
        }
        (wanted.pager("/audit/", has_more))
    };
    Ok(layout::page("Audit", &session, "/audit/", &body))
}

fn detail(entry: &HistoryEntry) -> Markup {
    let text: String = entry.detail.chars().take(LONGEST_DETAIL).collect();
    let is_cut = text.len() < entry.detail.len();
    html! {
        @if !matches!(text.as_str(), "" | "null" | "{}" | "[]") {
            details {
                summary { "What exactly" }
                pre tabindex="0" role="region" aria-label="Detail" { code { (visible(&text)) @if is_cut { "…" } } }
                @if is_cut { p.quiet-text { "Cut; the whole of it: " code { "pobsync history --format json" } } }
            }
        }
    }
}
