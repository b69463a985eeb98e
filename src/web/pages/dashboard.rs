//! The first page: how the backups are.

use axum::extract::{Extension, State};
use maud::{Markup, html};

use crate::ops::{self, Session};
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::layout;
use crate::web::times::moment;

/// Shows who needs attention.
pub(super) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
) -> Result<Markup, Failure> {
    let status = app.call(ops::status).await?;
    let zone = app.zone();
    let body = html! {
        h1 { "Dashboard" }
        dl.counts {
            div { dt { "well" } dd { (status.well) } }
            div { dt { "need attention" } dd { (status.attention) } }
            div { dt { "paused" } dd { (status.paused) } }
            div { dt { "snapshots" } dd { (status.snapshots) } }
        }
        @if status.attention > 0 {
            h2 { "Need attention" }
            div.scroll {
                table {
                    thead { tr { th scope="col" { "Host" } th scope="col" { "State" } th scope="col" { "Newest snapshot" } th scope="col" { "Last run" } } }
                    tbody {
                        @for host in status.hosts.iter().filter(|host| host.needs_attention) {
                            tr {
                                th scope="row" { (host.host) }
                                td { (host.state) }
                                td { @match host.newest { Some(at) => (moment(at, zone)), None => "none" } }
                                td { (crate::core::model::visible(host.last_run.as_deref().unwrap_or(""))) }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(layout::page("Dashboard", &session, "/", &body))
}
