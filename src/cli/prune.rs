//! Carrying out deletions and telling what came of it, for every verb that prunes.

use std::sync::Arc;

use serde::Serialize;

use super::output::Output;
use super::{report, signals};
use crate::core::model::{ByteCount, HostName, PlanId, SnapshotName, counted, visible};
use crate::core::plan::{Outcome, Refusal};
use crate::ops::{self, Context, Error, FinishedDeletion, PruneReport, PruneRequest, Stop};

/// What came of the prune of one host, for programs.
#[derive(Debug, Serialize)]
pub(super) struct Pruned {
    pub(super) host: HostName,
    pub(super) outcome: Outcome,
    plan: Option<PlanId>,
    deleted: Vec<SnapshotName>,
    left: Vec<Left>,
    freed_bytes: u64,
    /// What an earlier prune that was cut off had committed to.
    finished: Vec<FinishedDeletion>,
    /// Why it did not begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refusals: Vec<Refusal>,
}

#[derive(Debug, Serialize)]
struct Left {
    snapshot: SnapshotName,
    why: String,
}

impl Pruned {
    pub(super) fn of(host: &HostName, done: &Result<PruneReport, Error>) -> Self {
        let mut pruned = Self {
            host: host.clone(),
            outcome: Outcome::Done,
            plan: None,
            deleted: Vec::new(),
            left: Vec::new(),
            freed_bytes: 0,
            finished: Vec::new(),
            message: None,
            refusals: Vec::new(),
        };
        match done {
            Ok(report) => {
                pruned.outcome = report.outcome();
                pruned.plan = report.plan;
                pruned.deleted.clone_from(&report.deleted);
                pruned.freed_bytes = report.freed;
                pruned.finished.clone_from(&report.finished);
                let left = report.left.iter().map(|(snapshot, why)| Left {
                    snapshot: snapshot.clone(),
                    why: visible(why),
                });
                pruned.left = left.collect();
            }
            Err(error) => {
                pruned.outcome = error.outcome();
                pruned.message = Some(visible(&report::chain(error)));
                pruned.refusals = error.refusals().to_vec();
            }
        }
        pruned
    }
}

/// Hears whoever wants a prune to stop. Without that, which fails where no thread can be begun, a signal ends the program
/// where it stands, and the next run goes on.
pub(super) fn stop() -> Arc<Stop> {
    signals::listen(|| {}).unwrap_or_default()
}

/// Prunes one host and tells people what came of it; an error of one host does not stop the next.
pub(super) fn carry_out(
    context: &Context,
    request: &PruneRequest,
    stop: &Stop,
    output: &Output,
) -> Pruned {
    let done = ops::prune(context, request, stop);
    match &done {
        Ok(report) => tell(report, output),
        Err(error) if output.is_json() => {
            tracing::debug!("{}: {error}", request.directory);
        }
        Err(error) => report::error_for_people(output, error),
    }
    let host = match &done {
        Ok(report) => &report.host,
        Err(_) => &request.directory,
    };
    Pruned::of(host, &done)
}

pub(super) fn tell(done: &PruneReport, output: &Output) {
    let host = &done.host;
    for finished in &done.finished {
        output.say(&format!("{host}: {finished}"));
    }
    if done.deleted.is_empty() && done.left.is_empty() {
        output.text(&format!("Pruned {host}: nothing to delete.\n"));
        return;
    }
    let plan = done
        .plan
        .map_or(String::new(), |plan| format!(" by plan {plan}"));
    output.text(&format!(
        "Pruned {host}{plan}: {} deleted, {} freed.\n",
        counted(done.deleted.len(), "snapshot"),
        ByteCount(done.freed)
    ));
    for (name, why) in &done.left {
        output.say(&format!("  left: {name}: {}", visible(why)));
    }
}
