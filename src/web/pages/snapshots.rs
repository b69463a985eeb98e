//! The snapshots of a host, newest first, page by page.

use axum::extract::{Extension, Path, Query, State};
use chrono_tz::Tz;
use maud::{Markup, html};
use serde::Deserialize;

use super::host::named;
use crate::core::model::{ByteCount, HostName, Snapshot, SnapshotStatus, Timestamp, visible};
use crate::ops::{self, Looks, Session};
use crate::store::{HostKey, SnapshotFilter};
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::layout::{self, crumbs, label, pager};
use crate::web::times::{ago, moment};
use crate::web::tree_path::encoded;

/// Rows on one page.
const PAGE: usize = 100;

/// What is looked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    page: usize,
    /// Deleted ones too.
    #[serde(default)]
    deleted: Option<Shown>,
}

/// The one thing that `deleted` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Shown {
    Shown,
}

/// Shows one page of the list.
pub(super) async fn list(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(host): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Markup, Failure> {
    let name = named(&host)?;
    let with_deleted = wanted.deleted.is_some();
    let (name, all, looks) = app
        .call(move |context| {
            let facts = context.facts_of(HostKey::Name(&name))?;
            let host = facts.host(&name)?;
            let filter = SnapshotFilter {
                host: Some(host.id),
                // Whichever server has them.
                root: if facts.state.settings().servers.len() > 1 {
                    None
                } else {
                    facts.root_id().cloned()
                },
                kind: None,
                with_deleted,
            };
            let mut all = context.store.snapshots(&filter)?;
            all.reverse();
            let all: Vec<Snapshot> = all.into_iter().map(|record| record.snapshot).collect();
            Ok((host.name.clone(), all, Looks::read(context, Some(host.id))?))
        })
        .await?;
    let body = page(&name, &all, &looks, &wanted, app.zone(), ops::now());
    let title = format!("Snapshots of {name}");
    Ok(layout::page(&title, &session, "/hosts/", &body))
}

fn page(
    host: &HostName,
    all: &[Snapshot],
    looks: &Looks,
    wanted: &Wanted,
    zone: Tz,
    now: Timestamp,
) -> Markup {
    let pages = all.len().div_ceil(PAGE).max(1);
    let number = wanted.page.clamp(1, pages);
    let shown = all.iter().skip((number - 1) * PAGE).take(PAGE);
    let at = format!("/hosts/{host}/");
    let suffix = wanted.deleted.map_or("", |_| "&deleted=shown");
    let link = |page: usize| format!("{at}snapshots/?page={page}{suffix}");
    let newer = (number > 1).then(|| link(number - 1));
    let older = (number < pages).then(|| link(number + 1));
    html! {
        (crumbs(&[("/hosts/", "Hosts"), (&at, host.as_str())], "Snapshots"))
        h1 { "Snapshots of " (host) }
        p.quiet-text {
            (all.len()) " snapshots" @if pages > 1 { ", page " (number) " of " (pages) } ". "
            @if wanted.deleted.is_some() { a href={ (at) "snapshots/" } { "Hide deleted ones" } }
            @else { a href={ (at) "snapshots/?deleted=shown" } { "Show deleted ones too" } }
        }
        @if all.is_empty() { p { "There are none." } }
        @else { (snapshot_table(host, shown, looks, zone, now)) }
        (pager(newer.as_deref().map(|to| (to, "Newer")), older.as_deref().map(|to| (to, "Older"))))
    }
}

/// Snapshots as a table.
pub(super) fn snapshot_table<'a>(
    host: &HostName,
    snapshots: impl Iterator<Item = &'a Snapshot>,
    looks: &Looks,
    zone: Tz,
    now: Timestamp,
) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Snapshots" {
            table.cards {
                thead { tr { th scope="col" { "Snapshot" } th scope="col" { "Taken" } th scope="col" { "Kind" }
                    th scope="col" { "Status" } th.number scope="col" { "Files" } th.number scope="col" { "Size" } th scope="col" { "Verified" } th scope="col" { "Notes" } } }
                tbody { @for snapshot in snapshots { (row(host, snapshot, looks, zone, now)) } }
            }
        }
    }
}

fn row(host: &HostName, snapshot: &Snapshot, looks: &Looks, zone: Tz, now: Timestamp) -> Markup {
    let look = looks.of(snapshot.id);
    html! {
        tr {
            th scope="row" { a href=(address(host, snapshot)) { code { (snapshot.name) } } }
            td { (label("Taken")) (moment(snapshot.started_at, zone)) " " span.quiet-text { (ago(snapshot.started_at, now)) } }
            td { (label("Kind")) (snapshot.kind) }
            td { (label("Status")) span class=[is_bad(snapshot.status).then_some("bad")] { (snapshot.status) } }
            td.number { (label("Files")) @match snapshot.files { Some(n) => (n), None => "?" } }
            td.number { (label("Size")) @match snapshot.bytes { Some(n) => (ByteCount(n)), None => "?" } }
            td { (label("Verified")) @match &look.verified { Some(look) => (moment(look.at, zone)), None => span.quiet-text { "never" } } }
            td.message {
                @if look.damaged > 0 { span.bad { (look.damaged) " damaged " } }
                @if snapshot.suspect { span.bad { "suspect " } }
                @if let Some(hold) = snapshot.hold.as_ref().filter(|hold| hold.is_in_force(now)) {
                    "held by " (visible(&hold.by))
                    @if let Some(until) = hold.until { " until " (moment(until, zone)) }
                    ": " (visible(&hold.reason))
                }
            }
        }
    }
}

fn is_bad(status: SnapshotStatus) -> bool {
    matches!(
        status,
        SnapshotStatus::Failed | SnapshotStatus::Missing | SnapshotStatus::Partial
    )
}

/// The page of a snapshot.
pub(super) fn address(host: &HostName, snapshot: &Snapshot) -> String {
    let name = encoded(snapshot.name.as_str().as_bytes());
    format!("/hosts/{host}/snapshots/{}/{name}/", snapshot.kind)
}
