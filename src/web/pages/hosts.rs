//! The list of hosts: searched, sorted, page by page.

use axum::extract::{Extension, Query, State};
use chrono_tz::Tz;
use maud::{Markup, html};
use serde::Deserialize;

use crate::core::model::{Timestamp, visible};
use crate::ops::{self, HostStatus, HostsFound, Session};
use crate::store::{HostOrder, HostSearch};
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::layout::{self, label};
use crate::web::times::{ago, moment};

/// Rows on one page: what a person scrolls through.
const PAGE: u32 = 50;

/// What is looked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    q: String,
    #[serde(default)]
    sort: Sort,
    #[serde(default)]
    page: usize,
}

/// What the list is sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    /// By name.
    #[default]
    Host,
    /// What needs attention first.
    State,
    /// The oldest newest snapshot first.
    Newest,
    /// The most snapshots first.
    Snapshots,
}

impl Sort {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Host, "host", "Host"),
        (Self::State, "state", "State"),
        (Self::Newest, "newest", "Newest snapshot"),
        (Self::Snapshots, "snapshots", "Snapshots"),
    ];

    fn order(self) -> HostOrder {
        match self {
            Self::Host => HostOrder::Name,
            Self::State => HostOrder::Standing,
            Self::Newest => HostOrder::Newest,
            Self::Snapshots => HostOrder::Snapshots,
        }
    }

    fn word(self) -> &'static str {
        Self::ALL
            .into_iter()
            .find(|(sort, ..)| *sort == self)
            .map_or("host", |(_, word, _)| word)
    }
}

/// Shows one page of the list.
pub(super) async fn list(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Query(wanted): Query<Wanted>,
) -> Result<Markup, Failure> {
    let search = HostSearch {
        text: wanted.q.trim().to_owned(),
        troubled: false,
    };
    let (order, number) = (wanted.sort.order(), wanted.page);
    let found = app
        .call(move |context| ops::find_hosts(context, &search, order, number, PAGE))
        .await?;
    let body = page(&found, &wanted, app.zone());
    Ok(layout::page("Hosts", &session, "/hosts/", &body))
}

fn page(found: &HostsFound, wanted: &Wanted, zone: Tz) -> Markup {
    let HostsFound {
        page: number,
        pages,
        count,
        ..
    } = *found;
    html! {
        h1 { "Hosts" }
        form.row method="get" action="/hosts/" role="search" {
            label for="q" { "Name or state" }
            input id="q" name="q" type="search" maxlength="128" value=(wanted.q);
            input type="hidden" name="sort" value=(wanted.sort.word());
            button type="submit" { "Search" }
        }
        @if found.hosts.is_empty() {
            p { @if wanted.q.is_empty() { "There are no hosts yet. Write them into the KDL file, and apply it." } @else { "No host is like that." } }
        } @else {
            p.quiet-text { (count) @if count == 1 { " host" } @else { " hosts" } @if pages > 1 { ", page " (number) " of " (pages) } }
            div.scroll tabindex="0" role="region" aria-label="Hosts" {
                table.cards {
                    thead { tr {
                        @for (sort, word, title) in Sort::ALL {
                            th scope="col" aria-sort=[(sort == wanted.sort).then_some("ascending")]
                                class=[(sort == Sort::Snapshots).then_some("number")] {
                                a href=(link(&wanted.q, word, 1)) { (title) }
                            }
                        }
                        th scope="col" { "Last run" }
                    } }
                    tbody { @for host in &found.hosts { (row(host, zone, found.at)) } }
                }
            }
            (pager(wanted, number, pages))
        }
    }
}

fn row(host: &HostStatus, zone: Tz, now: Timestamp) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "/hosts/" (host.host) "/" } { (host.host) } }
            td { (label("State")) (state(host)) }
            td {
                (label("Newest"))
                @match host.newest {
                    Some(at) => { (moment(at, zone)) " " span.quiet-text { (ago(at, now)) } }
                    None => "none",
                }
            }
            td.number { (label("Snapshots")) (host.snapshots) }
            td.message { @if let Some(last) = &host.last_run { (label("Last run")) (visible(last)) } }
        }
    }
}

/// The state in a word, marked by sign and colour.
pub(super) fn state(host: &HostStatus) -> Markup {
    html! {
        @if host.needs_attention { span.bad { "✗ " (host.state) } }
        @else if host.state == "well" { span.good { "✓ well" } }
        @else { span.quiet-text { (host.state) } }
    }
}

fn pager(wanted: &Wanted, number: usize, pages: usize) -> Markup {
    html! {
        @if pages > 1 {
            nav.pager aria-label="Pages" {
                @if number > 1 { a rel="prev" href=(link(&wanted.q, wanted.sort.word(), number - 1)) { "Previous" } }
                @if number < pages { a rel="next" href=(link(&wanted.q, wanted.sort.word(), number + 1)) { "Next" } }
            }
        }
    }
}

fn link(q: &str, sort: &str, page: usize) -> String {
    format!(
        "/hosts/?q={}&sort={sort}&page={page}",
        crate::web::access::form_urlencoded(q)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, state: &'static str) -> HostStatus {
        HostStatus {
            host: name.parse().unwrap(),
            state,
            needs_attention: state == "failed",
            severity: crate::core::health::Severity::Good,
            problems: Vec::new(),
            newest: None,
            snapshots: 1,
            last_run: Some("failed: <script>\u{202e}".to_owned()),
            verification: ops::HostVerified::default(),
        }
    }

    #[test]
    fn a_page_leads_to_those_beside_it() {
        let found = HostsFound {
            at: Timestamp::from_millis(0),
            hosts: vec![host("web-1", "failed"), host("web-2", "well")],
            page: 200,
            pages: 200,
            count: 9_952,
        };
        let wanted = Wanted {
            q: "web & co".to_owned(),
            page: 200,
            ..Wanted::default()
        };
        let text = page(&found, &wanted, Tz::UTC).into_string();
        assert_eq!(text.matches("<th scope=\"row\">").count(), 2);
        assert!(text.contains("9952 hosts, page 200 of 200") && !text.contains("rel=\"next\""));
        assert!(text.contains("/hosts/?q=web%20%26%20co&amp;sort=host&amp;page=199"));
        assert!(!text.contains("<script>") && !text.contains('\u{202e}'));
    }
}
