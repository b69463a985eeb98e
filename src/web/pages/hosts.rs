//! The list of hosts: searched, sorted, page by page.

use axum::extract::{Extension, Query, State};
use chrono_tz::Tz;
use maud::{Markup, html};
use serde::Deserialize;

use crate::core::model::{Timestamp, visible};
use crate::ops::{self, HostStatus, Session};
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::layout;
use crate::web::overview::overview;
use crate::web::times::{ago, moment};

/// Rows on one page: what a person scrolls through.
const PAGE: usize = 50;

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
    let overview = overview(&app).await?;
    let mut hosts = overview.status.hosts.iter().collect();
    select(&mut hosts, &wanted);
    let body = page(&hosts, &wanted, app.zone(), ops::now());
    Ok(layout::page("Hosts", &session, "/hosts/", &body))
}

fn select(hosts: &mut Vec<&HostStatus>, wanted: &Wanted) {
    let looked_for = wanted.q.trim().to_lowercase();
    if !looked_for.is_empty() {
        hosts.retain(|host| {
            host.host.folded().contains(&looked_for) || host.state.contains(&looked_for)
        });
    }
    match wanted.sort {
        Sort::Host => hosts.sort_by_cached_key(|host| host.host.folded()),
        Sort::State => hosts.sort_by_key(|host| (!host.needs_attention, host.state)),
        Sort::Newest => hosts.sort_by_key(|host| host.newest),
        Sort::Snapshots => hosts.sort_by_key(|host| std::cmp::Reverse(host.snapshots)),
    }
}

fn page(hosts: &[&HostStatus], wanted: &Wanted, zone: Tz, now: Timestamp) -> Markup {
    let pages = hosts.len().div_ceil(PAGE).max(1);
    let number = wanted.page.clamp(1, pages);
    let shown = hosts.iter().skip((number - 1) * PAGE).take(PAGE);
    html! {
        h1 { "Hosts" }
        form.row method="get" action="/hosts/" role="search" {
            label for="q" { "Name or state" }
            input id="q" name="q" type="search" maxlength="128" value=(wanted.q);
            input type="hidden" name="sort" value=(wanted.sort.word());
            button type="submit" { "Search" }
        }
        @if hosts.is_empty() {
            p { @if wanted.q.is_empty() { "There are no hosts yet. Write them into the KDL file, and apply it." } @else { "No host is like that." } }
        } @else {
            p.quiet-text { (hosts.len()) " hosts" @if pages > 1 { ", page " (number) " of " (pages) } }
            div.scroll tabindex="0" role="region" aria-label="Hosts" {
                table {
                    thead { tr {
                        @for (sort, word, title) in Sort::ALL {
                            th scope="col" aria-sort=[(sort == wanted.sort).then_some("ascending")]
                                class=[(sort == Sort::Snapshots).then_some("number")] {
                                a href=(link(&wanted.q, word, 1)) { (title) }
                            }
                        }
                        th scope="col" { "Last run" }
                    } }
                    tbody { @for host in shown { (row(host, zone, now)) } }
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
            td { (state(host)) }
            td {
                @match host.newest {
                    Some(at) => { (moment(at, zone)) " " span.quiet-text { (ago(at, now)) } }
                    None => "none",
                }
            }
            td.number { (host.snapshots) }
            td { (visible(host.last_run.as_deref().unwrap_or_default())) }
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

    fn host(name: &str, state: &'static str, snapshots: usize) -> HostStatus {
        HostStatus {
            host: name.parse().unwrap(),
            state,
            needs_attention: state == "failed",
            severity: crate::core::health::Severity::Good,
            problems: Vec::new(),
            newest: None,
            snapshots,
            last_run: Some("failed: <script>\u{202e}".to_owned()),
        }
    }

    fn names<'h>(hosts: &[&'h HostStatus]) -> Vec<&'h str> {
        hosts.iter().map(|host| host.host.as_str()).collect()
    }

    #[test]
    fn the_list_is_searched_by_name_and_state_and_sorted() {
        let all = [
            host("web-2", "well", 5),
            host("Web-1", "failed", 9),
            host("db", "well", 1),
        ];
        let mut found: Vec<&HostStatus> = all.iter().collect();
        let wanted = |q: &str, sort| Wanted {
            q: q.to_owned(),
            sort,
            page: 0,
        };
        select(&mut found, &wanted("WEB", Sort::Host));
        assert_eq!(names(&found), ["Web-1", "web-2"]);
        let mut found: Vec<&HostStatus> = all.iter().collect();
        select(&mut found, &wanted("failed", Sort::Host));
        assert_eq!(names(&found), ["Web-1"]);
        let mut found: Vec<&HostStatus> = all.iter().collect();
        select(&mut found, &wanted("", Sort::Snapshots));
        assert_eq!(names(&found), ["Web-1", "web-2", "db"]);
    }

    #[test]
    fn ten_thousand_hosts_are_fifty_rows_a_page() {
        let hosts: Vec<_> = (0..10_000)
            .map(|i| host(&format!("h{i}"), "well", 1))
            .collect();
        let hosts: Vec<&HostStatus> = hosts.iter().collect();
        let wanted = Wanted {
            page: 200,
            ..Wanted::default()
        };
        let text = page(&hosts, &wanted, Tz::UTC, Timestamp::from_millis(0)).into_string();
        assert_eq!(text.matches("<th scope=\"row\">").count(), 50);
        assert!(text.contains("page 200 of 200") && !text.contains("rel=\"next\""));
        let beyond = Wanted {
            page: usize::MAX,
            ..Wanted::default()
        };
        assert!(
            page(&hosts, &beyond, Tz::UTC, Timestamp::from_millis(0))
                .into_string()
                .contains("page 200 of 200")
        );
    }

    #[test]
    fn what_hosts_say_is_shown_and_not_obeyed() {
        let host = host("h", "failed", 1);
        let hosts = [&host];
        let text = page(
            &hosts,
            &Wanted::default(),
            Tz::UTC,
            Timestamp::from_millis(0),
        )
        .into_string();
        assert!(
            text.contains("&lt;script&gt;") && !text.contains('\u{202e}'),
            "{text}"
        );
        let wanted = Wanted {
            q: "\"><script>".to_owned(),
            ..Wanted::default()
        };
        let text = page(&hosts, &wanted, Tz::UTC, Timestamp::from_millis(0)).into_string();
        assert!(!text.contains("\"><script>"), "{text}");
    }
}
