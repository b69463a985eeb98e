//! One host: how it stands, its snapshots, runs, schedules and settings.

use axum::extract::{Extension, Path, State};
use maud::{Markup, html};

use super::dashboard::why;
use super::runs::run_table;
use super::snapshots::snapshot_table;
use crate::core::model::{HostName, Label, Snapshot, SqlHost, Timestamp, visible};
use crate::core::plan::Elsewhere;
use crate::ops::{self, HostStatus, Looks, Session, Upcoming, Why};
use crate::render::policy_words;
use crate::store::{BackupWish, HostKey, RunFilter, RunRecord};
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::layout::{self, crumbs, form_token};
use crate::web::places::{self, Setting};
use crate::web::times::{ago, moment, told};

/// Snapshots and runs on the page; the rest is on pages of their own.
const SHOWN: usize = 20;

struct Facts {
    host: SqlHost,
    snapshots: Vec<Snapshot>,
    /// What servers have that it belonged to before.
    elsewhere: Vec<Elsewhere>,
    runs: Vec<RunRecord>,
    next: Option<Upcoming>,
    status: Option<HostStatus>,
    looks: Looks,
    /// A backup that its own server is to begin, and that server.
    wish: Option<(BackupWish, Label)>,
}

/// The host that a path names.
pub(super) fn named(host: &str) -> Result<HostName, Failure> {
    host.parse()
        .map_err(|_| Failure::not_found("There is no such host."))
}

/// Shows the page.
pub(super) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(host): Path<String>,
) -> Result<Markup, Failure> {
    let name = named(&host)?;
    let facts = app
        .call(move |context| {
            let found = context.facts_of(HostKey::Name(&name))?;
            let host = found.host(&name)?.clone();
            let mut snapshots = found.snapshots.get(&host.id).cloned().unwrap_or_default();
            snapshots.reverse();
            let mut elsewhere = found.elsewhere;
            for other in &mut elsewhere {
                other.snapshots.reverse();
            }
            let filter = RunFilter {
                host: Some(host.id),
                ..RunFilter::default()
            };
            let runs = context.store.runs(&filter, 10)?;
            let next = ops::next_of(context, &host)?;
            let id = host.id;
            Ok(Facts {
                snapshots,
                elsewhere,
                runs,
                next,
                status: ops::host_status(context, id)?,
                looks: Looks::read(context, Some(id))?,
                wish: ops::backup_wish(context, &host)?,
                host,
            })
        })
        .await?;
    let body = page(&facts, &session, &app, ops::now());
    Ok(layout::page(
        facts.host.name.as_str(),
        &session,
        "/hosts/",
        &body,
    ))
}

fn page(facts: &Facts, session: &Session, app: &App, now: Timestamp) -> Markup {
    let host = &facts.host;
    html! {
        (crumbs(&[("/hosts/", "Hosts")], host.name.as_str()))
        h1 { (host.name) }
        @if host.retired.is_some() { p.problem { "This host has retired: it has no more runs, and its snapshots stay." } }
        @else if !host.settings.enabled { p.problem { "Its configuration pauses this host: no runs, and nothing is pruned." } }
        @else if let Some(pause) = &host.pause {
            p.problem { "Paused since " (moment(pause.at, app.zone())) " by " (visible(&pause.by))
                @if !pause.reason.is_empty() { ": " (visible(&pause.reason)) } ". No runs, and nothing is pruned." }
        }
        @if let Some((wish, server)) = &facts.wish {
            p { (visible(&wish.by)) " asked for a backup " (moment(wish.at, app.zone())) ": the scheduler of " (server) " begins it." }
        }
        dl.settings {
            @if let Some(status) = &facts.status { div { dt { "state" } dd { (state(status, now, app)) } } }
            @if let Some(status) = &facts.status { div { dt { "verification" } dd { (verification(status, app)) } } }
            div { dt { "address" } dd { (visible(&host.settings.address.to_string())) } }
            div { dt { "managed by" } dd { (host.managed_by) } }
            div { dt { "last changed" } dd { (moment(host.changed_at, app.zone())) " by " (visible(&host.changed_by)) } }
            div { dt { "schedules" } dd { (schedules(host, facts.next.as_ref(), app)) } }
            div { dt { "retention" } dd { (retention(host)) } }
        }
        (actions(facts, session))
        h2 { "Snapshots" }
        @if facts.snapshots.is_empty() { p { "There are none." } }
        @else {
            (snapshot_table(&host.name, facts.snapshots.iter().take(SHOWN), &facts.looks, app.zone(), now))
            p { a href={ "/hosts/" (host.name) "/snapshots/" } { @if facts.snapshots.len() == 1 { "The one snapshot" } @else { "All " (facts.snapshots.len()) " snapshots" } } }
        }
        @for other in &facts.elsewhere {
            h3 { "On " (other.server) ", where it was before" }
            (snapshot_table(&host.name, other.snapshots.iter().filter(|s| s.status.is_on_disk()).take(SHOWN), &facts.looks, app.zone(), now))
        }
        h2 { "Runs" }
        @if facts.runs.is_empty() { p { "There were none." } }
        @else {
            (run_table(&facts.runs, app.zone(), now, false))
            p { a href={ "/runs/?host=" (host.name) } { "All runs of " (host.name) } }
        }
        (settings(&places::settings(host, app.places().read().as_deref())))
    }
}

/// How the host is, and all that is wrong with it.
fn state(status: &HostStatus, now: Timestamp, app: &App) -> Markup {
    html! {
        (super::hosts::state(status))
        @match status.newest {
            Some(at) => { ", newest complete snapshot " (moment(at, app.zone())) " " span.quiet-text { (ago(at, now)) } }
            None => ", no complete snapshot",
        }
        @if !status.problems.is_empty() {
            ul.plain { @for problem in &status.problems { li { (told(&problem.text, app.zone())) } } }
        }
    }
}

/// When the host was verified last, whether that is overdue, and how much is damaged.
fn verification(status: &HostStatus, app: &App) -> Markup {
    let found = &status.verification;
    html! {
        @match found.last { Some(at) => { "last " (moment(at, app.zone())) } None => "never" }
        @if found.is_overdue { ", " span.bad { "overdue" } }
        @if let Some(since) = found.damaged_since {
            ", " span.bad { (found.damaged_files) " damaged paths" } " in " (found.damaged_snapshots) " snapshots since " (moment(since, app.zone()))
        }
    }
}

fn actions(facts: &Facts, session: &Session) -> Markup {
    let host = &facts.host;
    let button = |verb: &str, name: &str, is_quiet: bool| {
        html! {
            form method="post" action={ "/hosts/" (host.name) "/" (verb) "/" } {
                (form_token(session))
                button type="submit" class=[is_quiet.then_some("quiet")] { (name) }
            }
        }
    };
    let suspects = facts.snapshots.iter().filter(|s| s.suspect).count();
    html! {
        div.actions {
            @if host.retired.is_none() && !host.is_paused() { (button("backup", "Back up now", false)) }
            @if host.retired.is_none() { (button("discover", "Discover snapshots", true)) }
            @if host.pause.is_some() { (button("resume", "Resume", true)) }
            a.button.quiet href={ "/hosts/" (host.name) "/retention/" } { "Retention plan" }
        }
        @if suspects > 0 {
            div.problem {
                p { (suspects) " of its snapshots shrank or changed more than they should, or are damaged, and nobody has said that this is right. No unattended prune happens until then." }
                (button("ack", "It is right: acknowledge", true))
            }
        }
        @if host.retired.is_none() && host.pause.is_none() {
            details {
                summary { "Pause this host" }
                p { "No unattended runs, and nothing pruned, until it is resumed." }
                form.stacked method="post" action={ "/hosts/" (host.name) "/pause/" } {
                    (form_token(session))
                    label for="reason" { "Why (others will read it)" }
                    input id="reason" name="reason" maxlength="500";
                    button type="submit" { "Pause" }
                }
            }
        }
    }
}

fn schedules(host: &SqlHost, next: Option<&Upcoming>, app: &App) -> Markup {
    html! {
        @if host.settings.schedules.is_empty() { "none: it is backed up by hand" }
        @for (i, schedule) in host.settings.schedules.iter().enumerate() {
            @if i > 0 { br; }
            code { (schedule.cron) } " " (schedule.timezone.name())
            @if schedule.prune { ", prunes afterwards" }
        }
        @if let Some(next) = next { br; "next: " (moment(next.starts_at, app.zone())) @if next.why != Why::Scheduled { ", " (why(next)) } }
    }
}

fn retention(host: &SqlHost) -> Markup {
    let policy = host.settings.retention.as_ref();
    let is_approved = host.is_approved();
    html! {
        @match policy {
            Some(policy) => {
                (policy_words(policy)) " "
                @if is_approved { span.good { "✓ approved" } } @else { span.bad { "✗ not approved" } }
            }
            None => "none: everything is kept",
        }
        " " a href={ "/hosts/" (host.name) "/retention/" } { "What stays and what would go" }
    }
}

/// Every setting that is in force, with the place that set it where that is known.
fn settings(all: &[Setting]) -> Markup {
    html! {
        h2 { "Settings" }
        details {
            summary { (all.len()) " settings in force" }
            dl.settings {
                @for setting in all {
                    div {
                        dt { code { (setting.path) } }
                        dd { (visible(&setting.value)) @if let Some(place) = &setting.place { " " span.quiet-text { (visible(place)) } } }
                    }
                }
            }
        }
    }
}
