//! The first page: who needs attention, what runs now, what comes next, and the room that is left.

use axum::extract::{Extension, State};
use chrono_tz::Tz;
use maud::{Markup, html};

use super::hosts::state;
use super::runs::run_table;
use crate::core::health::Standing;
use crate::core::model::{ByteCount, RunStatus, visible};
use crate::ops::{self, Finding, Glance, Level, RootRoom, ServerStatus, Session, Upcoming, Why};
use crate::store::{RunFilter, RunRecord};
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::layout::{self, label};
use crate::web::times::{ago, moment, told};

/// Hosts that need attention on the page; the list of hosts has all.
const SHOWN: u32 = 20;
/// Runs that are to come.
const NEXT: usize = 8;
/// Runs that are at work.
const RUNNING: u32 = 50;

struct Facts {
    glance: Glance,
    next: Vec<Upcoming>,
    running: Vec<RunRecord>,
    /// The room on the root, or why it is not known.
    room: Result<Option<RootRoom>, String>,
}

/// Shows the page.
pub(super) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
) -> Result<Markup, Failure> {
    let facts = app
        .call(|context| {
            let running = RunFilter {
                status: Some(RunStatus::Running),
                ..RunFilter::default()
            };
            Ok(Facts {
                glance: ops::glance(context, SHOWN)?,
                next: ops::upcoming(context, NEXT)?,
                running: context.store.runs(&running, RUNNING)?,
                room: ops::root_room(context).map_err(|error| visible(&error.to_string())),
            })
        })
        .await?;
    let body = page(&facts, app.zone());
    Ok(layout::page("Dashboard", &session, "/", &body))
}

fn page(facts: &Facts, zone: Tz) -> Markup {
    let glance = &facts.glance;
    let (totals, now) = (&glance.totals, glance.at);
    html! {
        h1 { "Dashboard" }
        dl.counts {
            div { dt { "well" } dd { (totals.count(Standing::Well)) } }
            div class=[(totals.troubled() > 0).then_some("alarm")] { dt { "need attention" } dd { (totals.troubled()) } }
            div { dt { "paused" } dd { (totals.count(Standing::Paused)) } }
            div { dt { "at work now" } dd { (facts.running.len()) } }
            div { dt { "snapshots" } dd { (totals.snapshots) } }
        }
        (findings(&glance.findings, zone))
        (servers(&glance.servers, zone))
        (backlog(glance, zone))
        (configuration(glance))
        (attention(glance, zone))
        h2 { "At work now" }
        @if facts.running.is_empty() { p { "Nothing." } } @else { (run_table(&facts.running, zone, now, true)) }
        (coming(&facts.next, zone))
        (room(&facts.room))
    }
}

fn backlog(glance: &Glance, zone: Tz) -> Markup {
    let backlog = &glance.notifications;
    html! {
        @if backlog.waiting > 0 && !glance.notifications_overdue {
            p.quiet-text {
                "News on its way to its receivers: " (backlog.waiting)
                @if let Some(since) = backlog.waiting_since { " since " (moment(since, zone)) }
                "."
            }
        }
    }
}

/// Those that share the database, where they have names.
fn servers(all: &[ServerStatus], zone: Tz) -> Markup {
    html! {
        @if !all.is_empty() {
            h2 { "Servers" }
            table {
                thead { tr { th scope="col" { "Server" } th scope="col" { "State" } th scope="col" { "Last seen" } th scope="col" { "Hosts" } th scope="col" { "At work" } th scope="col" { "Root" } } }
                tbody {
                    @for one in all {
                        tr {
                            th scope="row" { (one.server) }
                            td { @if one.is_at_work { "at work" } @else { "silent" } }
                            td { @match one.last_seen { Some(at) => (moment(at, zone)), None => "never" } }
                            td { (one.hosts) }
                            td { (one.running) }
                            td { @if let Some(root) = &one.backup_root { (visible(root.as_str())) } }
                        }
                    }
                }
            }
        }
    }
}

/// What is wrong with this installation; advice is folded away.
fn findings(all: &[Finding], zone: Tz) -> Markup {
    let problems = || all.iter().filter(|f| f.level == Level::Problem);
    let advice: Vec<&Finding> = all.iter().filter(|f| f.level != Level::Problem).collect();
    html! {
        @if problems().next().is_some() {
            h2 { "Wrong with this installation" }
            @for finding in problems() {
                div.problem {
                    strong { (finding.what) } ": " (told(&finding.message, zone))
                    @if !finding.help.is_empty() { br; span.help { (visible(&finding.help)) } }
                }
            }
        }
        @if !advice.is_empty() {
            details {
                summary { "Advice: " (advice.len()) }
                ul {
                    @for finding in advice {
                        li { strong { (finding.what) } ": " (visible(&finding.message)) @if !finding.help.is_empty() { " – " (visible(&finding.help)) } }
                    }
                }
            }
        }
    }
}

/// What somebody should decide about the configuration.
fn configuration(glance: &Glance) -> Markup {
    let totals = &glance.configuration;
    let hosts = |n: usize| if n == 1 { " host has " } else { " hosts have " };
    html! {
        @if totals.unapproved > 0 {
            p { a href="/configuration/" { (totals.unapproved) (hosts(totals.unapproved)) "a policy that nobody has approved" } ": nothing of theirs is pruned unattended." }
        }
        @if totals.drifted > 0 {
            p { a href="/configuration/" { (totals.drifted) (hosts(totals.drifted)) "drifted" } " from what was last applied." }
        }
    }
}

fn attention(glance: &Glance, zone: Tz) -> Markup {
    let shown = &glance.troubled;
    let more = glance.totals.troubled().saturating_sub(shown.len());
    html! {
        h2 { "Need attention" }
        @if glance.totals.hosts() == 0 {
            p { "There are no hosts yet. Write them into the KDL file, and apply it." }
        } @else if shown.is_empty() {
            p { span.good { "✓ Nobody." } " Every host has a fresh backup." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Hosts that need attention" {
                table.cards {
                    thead { tr { th scope="col" { "Host" } th scope="col" { "State" } th scope="col" { "Newest snapshot" } th scope="col" { "Why" } } }
                    tbody {
                        @for host in shown {
                            tr {
                                th scope="row" { a href={ "/hosts/" (host.host) "/" } { (host.host) } }
                                td { (label("State")) (state(host)) }
                                td { (label("Newest")) @match host.newest { Some(at) => { (moment(at, zone)) " " span.quiet-text { (ago(at, glance.at)) } } None => "none" } }
                                td.message { (label("Why")) @for (i, problem) in host.problems.iter().enumerate() { @if i > 0 { br; } (told(&problem.text, zone)) } }
                            }
                        }
                    }
                }
            }
            @if more > 0 { p { a href="/hosts/?sort=state" { (more) " more" } } }
        }
    }
}

fn coming(next: &[Upcoming], zone: Tz) -> Markup {
    html! {
        h2 { "Next" }
        @if next.is_empty() { p { "Nothing is scheduled." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Next runs" {
                table.cards {
                    thead { tr { th scope="col" { "Host" } th scope="col" { "Starts" } th scope="col" { "Why" } th scope="col" { "Then" } } }
                    tbody {
                        @for run in next {
                            tr {
                                th scope="row" { a href={ "/hosts/" (run.host) "/" } { (run.host) } }
                                td { (label("Starts")) (moment(run.starts_at, zone)) }
                                td { (label("Why")) (why(run)) }
                                td { @if run.prune { (label("Then")) "prune" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Why a run is to come.
pub(super) fn why(run: &Upcoming) -> Markup {
    html! {
        @match run.why {
            Why::Scheduled => "scheduled",
            Why::Overdue => span.warn { "overdue: starts when a scheduler looks" },
            Why::Retry => { "tried again" @if let Some(of) = run.retry_of { " after " a href={ "/runs/" (of) "/" } { "run " (of) } } }
        }
        @if let Some(cron) = &run.cron { " " code { (cron) } }
    }
}

fn room(room: &Result<Option<RootRoom>, String>) -> Markup {
    html! {
        h2 { "Backup root" }
        @match room {
            Err(why) => p { "It cannot be looked at: " (why) },
            Ok(None) => p { "None is set." },
            Ok(Some(room)) => {
                @let space = &room.space;
                @let used = space.bytes_total.saturating_sub(space.bytes_available);
                @let is_short = space.is_short_of_bytes(room.min_free) || space.is_short_of_inodes(room.min_free);
                p {
                    code { (visible(room.path.as_str())) } ": "
                    (ByteCount(space.bytes_available)) " of " (ByteCount(space.bytes_total)) " are free"
                    @if let (Some(free), Some(total)) = (space.inodes_available, space.inodes_total) { ", " (free) " of " (total) " inodes" }
                    "."
                }
                meter min="0" max=(space.bytes_total) value=(used) aria-label="Bytes used" {}
                @if is_short { p.problem { "Less than " (room.min_free) " is free: no run starts until there is room." } }
            }
        }
    }
}
