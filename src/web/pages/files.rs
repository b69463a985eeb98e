//! Inside a snapshot: directories page by page, and files to download.
//!
//! What is in a snapshot came from a host: names are shown escaped, and content only ever leaves as an attachment that no
//! browser opens as a page of ours.

use axum::extract::{Extension, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono_tz::Tz;
use maud::{Markup, html};
use serde::Deserialize;

use crate::core::model::ByteCount;
use crate::disk::{Listing, Looked, TreeEntry, TreeKind};
use crate::ops::{self, Session};
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::flow;
use crate::web::layout::{self, crumbs, pager};
use crate::web::times::moment;
use crate::web::tree_path::{TreePath, attachment, encoded, nothing_there, shown};

/// Names on one page.
const PAGE: usize = 200;
/// A browser that shows a download nevertheless gives it no origin, no script and no network.
const SANDBOX: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

/// Which names are looked at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    page: usize,
}

/// Shows a directory, or sends a file.
pub(super) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    path: TreePath,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Failure> {
    let asked = path.clone();
    let number = wanted.page.max(1);
    let looked = app
        .call(move |context| {
            let tree = ops::look_inside(context, &asked.host, asked.kind, &asked.name)?;
            Ok(tree.look(&asked.inside, (number - 1).saturating_mul(PAGE), PAGE)?)
        })
        .await?;
    match looked {
        Some(Looked::Directory(_)) if !path.is_directory => {
            Ok(Redirect::permanent(&path.to(&path.inside, true)).into_response())
        }
        Some(Looked::Directory(listing)) => {
            let body = page(&path, &listing, number, app.zone());
            let title = format!("Inside {} of {}", path.name, path.host);
            Ok(layout::page(&title, &session, "/hosts/", &body).into_response())
        }
        Some(Looked::File(file, length)) if !path.is_directory => {
            let name = path.inside.last().map_or(&b"file"[..], |n| n.as_bytes());
            Ok(download(name, flow::of_file(file, length), length))
        }
        _ => Err(nothing_there()),
    }
}

fn download(name: &[u8], body: axum::body::Body, length: u64) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(SANDBOX),
    );
    let disposition =
        HeaderValue::from_str(&attachment(name)).unwrap_or(HeaderValue::from_static("attachment"));
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    response
}

fn page(path: &TreePath, listing: &Listing, number: usize, zone: Tz) -> Markup {
    let pages = listing.total.div_ceil(PAGE).max(1);
    let here = path.to(&path.inside, true);
    let previous = (number > 1).then(|| format!("{here}?page={}", (number - 1).min(pages)));
    let next = (number < pages).then(|| format!("{here}?page={}", number + 1));
    let above = format!("/hosts/{}/", path.host);
    let snapshots = format!("{above}snapshots/");
    let snapshot = format!(
        "{snapshots}{}/{}/",
        path.kind,
        encoded(path.name.as_str().as_bytes())
    );
    html! {
        (crumbs(&[("/hosts/", "Hosts"), (&above, path.host.as_str()), (&snapshots, "Snapshots"), (&snapshot, path.name.as_str())], "Files"))
        h1 { "Inside " code { (path.name) } }
        (place(path))
        p.quiet-text {
            (listing.total) " names" @if pages > 1 { ", page " (number) " of " (pages) }
            @if listing.is_cut { "; there are more, which are not listed here: use a shell on the server" }
        }
        @if listing.entries.is_empty() { p { "Nothing is here." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Files" {
                table {
                    thead { tr { th scope="col" { "Name" } th.number scope="col" { "Size" } th scope="col" { "Modified" } th scope="col" { "Mode" } } }
                    tbody { @for entry in &listing.entries { (row(path, entry, zone)) } }
                }
            }
        }
        (pager(previous.as_deref().map(|to| (to, "Previous")), next.as_deref().map(|to| (to, "Next"))))
    }
}

/// Every directory on the way, each a link.
fn place(path: &TreePath) -> Markup {
    let depth = path.inside.len();
    html! {
        nav aria-label="Directory" {
            p.mono.place {
                @if depth == 0 { span aria-current="page" { "/" } } @else { a href=(path.to(&[], true)) { "/" } }
                @for (i, name) in path.inside.iter().enumerate() {
                    " "
                    @if i + 1 == depth { span aria-current="page" { (shown(name.as_bytes())) "/" } }
                    @else { a href=(path.to(&path.inside[..=i], true)) { (shown(name.as_bytes())) "/" } }
                }
            }
        }
    }
}

fn row(path: &TreePath, entry: &TreeEntry, zone: Tz) -> Markup {
    let mut inside = path.inside.clone();
    inside.push(entry.name.clone());
    let name = shown(entry.name.as_bytes());
    html! {
        tr {
            th.file scope="row" {
                @match &entry.kind {
                    TreeKind::Directory => a href=(path.to(&inside, true)) { (name) "/" },
                    TreeKind::File => a href=(path.to(&inside, false)) { (name) },
                    TreeKind::Link(target) => { (name) span.quiet-text { " → " (shown(target)) } }
                    TreeKind::Special => { (name) span.quiet-text { " (device, socket or fifo)" } }
                }
            }
            td.number { @if entry.kind == TreeKind::File { (ByteCount(entry.bytes)) } }
            td { (moment(entry.modified, zone)) }
            td { code { (format!("{:04o}", entry.mode)) } }
        }
    }
}
