//! Figures for Prometheus, on the site with a token, or on a listener of their own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;

use super::app::App;
use super::failure::Failure;
use crate::ops;
use crate::render::EXPOSITION_TYPE;

/// Figures this young are told again: several scrapers cost no more than one.
const YOUNG: Duration = Duration::from_secs(5);

/// The figures that were told last.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<Option<(Instant, String)>>>);

impl Told {
    fn young(&self) -> Option<String> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, text) = told.as_ref()?;
        (at.elapsed() < YOUNG).then(|| text.clone())
    }

    fn tell(&self, text: &str) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *told = Some((Instant::now(), text.to_owned()));
    }
}

/// Tells the figures.
pub(super) async fn show(State(app): State<App>) -> Result<Response, Failure> {
    let text = match app.figures().young() {
        Some(text) => text,
        None => {
            let text = app.call(ops::metrics).await?;
            app.figures().tell(&text);
            text
        }
    };
    Ok(([(header::CONTENT_TYPE, EXPOSITION_TYPE)], text).into_response())
}

/// A listener that tells the figures to whoever asks, and nothing else.
pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/metrics", get(show))
        .layer(RequestBodyLimitLayer::new(0))
        .layer(CatchPanicLayer::new())
        .with_state(app)
}
