//! The log of a run as text, and as server-sent events while it is written.
//!
//! The pages run no script, so that the events are for programs: `curl -N`, or an `EventSource` elsewhere.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::run::numbered;
use crate::core::model::visible;
use crate::ops::{self, LogOf, Stop};
use crate::web::app::App;
use crate::web::failure::Failure;
use crate::web::flow;

/// The whole log so far, as text.
pub(super) async fn whole(
    State(app): State<App>,
    Path(run): Path<String>,
) -> Result<Response, Failure> {
    send(app, &run, false).await
}

/// The log from its beginning until the run ends: an event a line, then one called `end` with the run's status.
pub(super) async fn follow(
    State(app): State<App>,
    Path(run): Path<String>,
) -> Result<Response, Failure> {
    send(app, &run, true).await
}

async fn send(app: App, run: &str, follows: bool) -> Result<Response, Failure> {
    let id = numbered(run)?;
    let record = app.call(move |context| ops::run(context, id)).await?;
    let Some(place) = app.follower() else {
        let message = "Too many logs are being read at once.";
        return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, message).with_help("Try again."));
    };
    let context = app.context_of(String::new());
    let (lines, body) = flow::lines();
    let stop = Arc::new(Stop::new());
    let asked = Arc::clone(&stop);
    lines.watch(move || app.transfers().is_stopping(), move || asked.ask());
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let read = ops::read_log(
            &context,
            &LogOf::Run(record.run.id),
            follows.then_some(&*stop),
            &mut |line| {
                if stop.is_asked() {
                    return;
                }
                // What a host says is one line, whatever it says.
                let line = visible(line);
                let text = if follows {
                    format!("data: {line}\n\n")
                } else {
                    format!("{line}\n")
                };
                if !lines.say(text) {
                    stop.ask();
                }
            },
        );
        let end = match read {
            Ok(record) if follows => {
                let run = record.run;
                format!(
                    "event: end\ndata: {} {}\n\n",
                    run.status,
                    visible(&run.message)
                )
            }
            Ok(_) => return,
            Err(error) if follows => {
                format!("event: end\ndata: {}\n\n", visible(&error.to_string()))
            }
            Err(error) => format!("{}\n", visible(&error.to_string())),
        };
        lines.say(end);
    });
    Ok(response(body, follows))
}

fn response(body: Body, follows: bool) -> Response {
    let kind = if follows {
        "text/event-stream"
    } else {
        "text/plain; charset=utf-8"
    };
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    (headers, body).into_response()
}
