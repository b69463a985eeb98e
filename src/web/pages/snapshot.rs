//! One snapshot: what is recorded of it, its hold, and the way inside.

use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::NaiveDate;
use chrono_tz::Tz;
use maud::{Markup, html};
use serde::Deserialize;

use super::host::named;
use super::host_actions::Nothing;
use super::snapshots::address;
use crate::core::model::{
    ByteCount, HostName, SnapshotKind, SnapshotName, SnapshotStatus, Timestamp, Which, end_of_day,
    visible,
};
use crate::ops::{self, HoldEnd, Session, Taken};
use crate::web::access::Asker;
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::form::Posted;
use crate::web::layout::{self, crumbs, form_token};
use crate::web::times::{ago, lasted, moment};
use crate::web::tree_path::encoded;

/// The three parts of a path that name a snapshot.
type Named = Path<(String, String, String)>;

/// A hold, as the form sends it.
#[derive(Deserialize)]
pub(super) struct Wish {
    reason: String,
    /// The last day of it; empty for no end.
    until: String,
}

/// The snapshot that a path names.
fn snapshot_named(
    (host, kind, name): &(String, String, String),
) -> Result<(HostName, SnapshotKind, SnapshotName), Failure> {
    let unknown = || Failure::not_found("There is no such snapshot.");
    let kind = kind.parse().map_err(|_| unknown())?;
    let name = name.parse().map_err(|_| unknown())?;
    Ok((named(host)?, kind, name))
}

/// Shows the page.
pub(super) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(path): Named,
) -> Result<Markup, Failure> {
    let (host, kind, name) = snapshot_named(&path)?;
    let taken = app
        .call(move |context| ops::taken(context, &host, kind, &name))
        .await?;
    let title = format!("{} of {}", taken.record.snapshot.name, taken.host.name);
    let body = page(&taken, &session, app.zone(), ops::now());
    Ok(layout::page(&title, &session, "/hosts/", &body))
}

/// Pins the snapshot.
pub(super) async fn hold(
    State(app): State<App>,
    Extension(asker): Extension<Asker>,
    Path(path): Named,
    Posted(wish): Posted<Wish>,
) -> Result<Response, Failure> {
    let (host, kind, name) = snapshot_named(&path)?;
    let reason = wish.reason.trim().to_owned();
    if reason.is_empty() {
        return Err(refused("A hold says why: others will read it."));
    }
    let until = match wish.until.trim() {
        "" => None,
        day => Some(end_of(day, app.zone(), ops::now())?),
    };
    let to = back(&host, kind, &name);
    let which = Which::exactly(kind, &name);
    app.call(move |context| {
        ops::hold(
            &context.acting_as(asker.0),
            &host,
            &which,
            &reason,
            until.map(HoldEnd::At),
        )
    })
    .await?;
    Ok(Redirect::to(&to).into_response())
}

/// Takes the pin off.
pub(super) async fn unhold(
    State(app): State<App>,
    Extension(asker): Extension<Asker>,
    Path(path): Named,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, Failure> {
    let (host, kind, name) = snapshot_named(&path)?;
    let to = back(&host, kind, &name);
    let which = Which::exactly(kind, &name);
    app.call(move |context| ops::unhold(&context.acting_as(asker.0), &host, &which).map(drop))
        .await?;
    Ok(Redirect::to(&to).into_response())
}

fn back(host: &HostName, kind: SnapshotKind, name: &SnapshotName) -> String {
    let name = encoded(name.as_str().as_bytes());
    format!("/hosts/{host}/snapshots/{kind}/{name}/")
}

fn refused(message: &str) -> Failure {
    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message).with_help("Go back and try again.")
}

/// The end of a day by the wall clock of the site.
fn end_of(day: &str, zone: Tz, now: Timestamp) -> Result<Timestamp, Failure> {
    let unread = || refused("The day is not one like 2026-12-31.");
    let day: NaiveDate = day.parse().map_err(|_| unread())?;
    let end = end_of_day(day, zone).ok_or_else(unread)?;
    if end <= now {
        return Err(refused("That day is over: such a hold would pin nothing."));
    }
    Ok(end)
}

fn page(taken: &Taken, session: &Session, zone: Tz, now: Timestamp) -> Markup {
    let host = &taken.host.name;
    let record = &taken.record;
    let snapshot = &record.snapshot;
    let above = format!("/hosts/{host}/");
    let list = format!("{above}snapshots/");
    html! {
        (crumbs(&[("/hosts/", "Hosts"), (&above, host.as_str()), (&list, "Snapshots")], snapshot.name.as_str()))
        h1 { "Snapshot " code { (snapshot.name) } }
        @if snapshot.suspect {
            p.problem { "Suspect: it shrank or changed more than it should, or is damaged. Look at it, then say on " a href=(above) { "the page of " (host) } " that it is right." }
        }
        dl.settings {
            div { dt { "host" } dd { a href=(above) { (host) } } }
            div { dt { "kind" } dd { (snapshot.kind) } }
            div { dt { "status" } dd { (snapshot.status)
                @if let Some(at) = record.deleted_at { " " (moment(at, zone)) } } }
            div { dt { "pull began" } dd { (moment(snapshot.started_at, zone)) " " span.quiet-text { (ago(snapshot.started_at, now)) } } }
            @if let Some(end) = snapshot.finished_at {
                div { dt { "ended" } dd { (moment(end, zone)) ", after " (lasted(snapshot.started_at, end)) } }
            }
            div { dt { "files" } dd { @match snapshot.files { Some(n) => (n), None => "unknown" } } }
            div { dt { "size" } dd { (size(snapshot.bytes)) ", files that others share counted" } }
            div { dt { "transferred" } dd { (size(record.bytes_transferred)) } }
            div { dt { "linked against" } dd {
                @match &snapshot.base {
                    Some(base) => { code { (base) } " " span.quiet-text { "(hard links need no base: it may go without harm)" } }
                    None => "nothing: a full pull",
                }
            } }
            div { dt { "verified" } dd { (verified(taken, zone)) } }
            @if let Some(exit) = record.rsync_exit { div { dt { "rsync ended with" } dd { (exit) } } }
            @if let Some(plan) = record.plan { div { dt { "deleted by" } dd { a href={ "/plans/" (plan) "/" } { "plan " (plan) } } } }
        }
        @if snapshot.status.is_on_disk() { (damage(taken, zone)) }
        @if snapshot.status == SnapshotStatus::Complete {
            div.actions { a.button href={ (address(host, snapshot)) "files/" } { "Look inside" } }
        }
        @if snapshot.status.is_on_disk() { (pin(taken, session, zone, now)) }
    }
}

/// The last look at it, and how much of it that was.
fn verified(taken: &Taken, zone: Tz) -> Markup {
    html! {
        @match &taken.look.verified {
            Some(look) => {
                (moment(look.at, zone)) ": " (look.names) " names compared, " (look.compared) " files by their digest; "
                a href={ "/runs/" (look.run) "/" } { "run " (look.run) }
            }
            None => "never",
        }
    }
}

/// What is damaged, since when, and where it is whole. The names are the host's own.
fn damage(taken: &Taken, zone: Tz) -> Markup {
    let look = &taken.look;
    let more = look.damaged.saturating_sub(look.damage.len());
    let kind = taken.record.snapshot.kind;
    html! {
        @if look.damaged > 0 {
            h2 { "Damaged" }
            p.problem { "These are not what they were when the snapshot was made. The next backup brings anew what the host still has; older snapshots stay as they are." }
            div.scroll tabindex="0" role="region" aria-label="Damaged" {
                table {
                    thead { tr { th scope="col" { "Path" } th scope="col" { "What" } th scope="col" { "Found" } th scope="col" { "Whole copy in (maybe of another version)" } } }
                    tbody { @for damage in &look.damage {
                        tr {
                            th scope="row" { code { (visible(&damage.problem.place(&damage.path))) } }
                            td.message { (damage.problem) ": " (visible(&damage.detail)) }
                            td { (moment(damage.since, zone)) }
                            td { @match &damage.intact {
                                Some(intact) => code { (intact) },
                                None => "no other snapshot that is known",
                            } }
                        }
                    } }
                }
            }
            @if more > 0 { p { "And " (more) " more: " code { "pobsync verify " (taken.host.name) ":" (kind) "/" (taken.record.snapshot.name) } " lists them." } }
        }
    }
}

fn size(bytes: Option<u64>) -> String {
    bytes.map_or("unknown".to_owned(), |n| ByteCount(n).to_string())
}

fn pin(taken: &Taken, session: &Session, zone: Tz, now: Timestamp) -> Markup {
    let snapshot = &taken.record.snapshot;
    let at = address(&taken.host.name, snapshot);
    html! {
        h2 { "Hold" }
        @match &snapshot.hold {
            Some(hold) => {
                p {
                    @if hold.is_in_force(now) { "Held" } @else { span.quiet-text { "Was held" } }
                    " by " (visible(&hold.by)) " since " (moment(hold.since, zone))
                    @if let Some(until) = hold.until { " until " (moment(until, zone)) }
                    ": " (visible(&hold.reason))
                }
                form method="post" action={ (at) "unhold/" } {
                    (form_token(session))
                    button.quiet type="submit" { "Take the hold off" }
                }
            }
            None => {
                p { "While it is held no prune deletes it, whatever the policy says." }
                form.stacked method="post" action={ (at) "hold/" } {
                    (form_token(session))
                    label for="reason" { "Why" }
                    input id="reason" name="reason" required maxlength="500";
                    label for="until" { "Last day (" (zone.name()) "); empty for no end" }
                    input id="until" name="until" type="date";
                    button type="submit" { "Hold" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_of_the_zone_and_lies_ahead() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let end = |day| end_of(day, Tz::Europe__Amsterdam, now);
        assert_eq!(
            end("2026-03-01").unwrap(),
            "2026-03-01T23:00:00Z".parse().unwrap()
        );
        assert!(end("2026-02-28").is_err() && end("tomorrow").is_err() && end("").is_err());
        // In 2026 Beirut's clocks skip the midnight at the end of 28 March.
        assert!(end_of("2026-03-28", Tz::Asia__Beirut, now).is_ok());
    }
}
