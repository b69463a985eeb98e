//! Runs that nobody works on any more, and their end.

use super::grip::is_gone;
use super::{Context, Error};
use crate::core::model::{Label, RunCause, RunId, RunStatus, Span, SqlHost, Timestamp};
use crate::disk::{Liveness, ProcessName};
use crate::store::{LostRun, RunEnd, RunRecord};

/// A run of an older version, which had no lease, has lost its process once it was silent for so long.
const LONGEST_SILENCE: Span = Span::from_seconds(120);

/// Ends every run of the host that nobody works on any more: its process is gone, or its lease has run out or is
/// another's by now. The one at work on the host is left alone.
///
/// # Errors
/// When the database cannot be worked with.
pub(super) fn settle_lost_runs(context: &Context, host: &SqlHost) -> Result<(), Error> {
    let filter = crate::store::RunFilter {
        host: Some(host.id),
        status: Some(RunStatus::Running),
        ..crate::store::RunFilter::default()
    };
    let server = context.server_name()?;
    let now = super::clock::now();
    let unleased = unleased_runs(context, server.as_ref())?;
    for record in context.store.runs(&filter, u32::MAX)? {
        // What was begun before the server had a name is that of whoever has the root now.
        let is_ours = record.server == server || record.server.is_none();
        if is_ours && is_lost(&record, &unleased, now) {
            settle_lost_run(context, &record, "its process went away without a word")?;
        }
    }
    Ok(())
}

/// The runs of a server, and of a nameless one before it, whose lease has expired or was taken over.
///
/// # Errors
/// When the database cannot be read.
pub(super) fn unleased_runs(
    context: &Context,
    server: Option<&Label>,
) -> Result<Vec<RunId>, Error> {
    let mut runs = context.store.unleased_runs(server)?;
    if server.is_some() {
        runs.extend(context.store.unleased_runs(None)?);
    }
    Ok(runs)
}

/// Ends a run that has lost its process or its lease, and has its host tried again; nothing if it has found back.
///
/// # Errors
/// When the database cannot be worked with.
pub(super) fn settle_lost_run(
    context: &Context,
    record: &RunRecord,
    message: &str,
) -> Result<(), Error> {
    let at = super::clock::now();
    let is_settled = context.store.settle_lost_run(&LostRun {
        end: RunEnd {
            run: record.run.id,
            status: RunStatus::Interrupted,
            at,
            message: message.to_owned(),
            cause: Some(RunCause::Lost),
        },
        is_gone: record.run.process == super::process_name() || is_gone(&record.run.process),
    })?;
    if let Some(schedule) = record.schedule.filter(|_| is_settled) {
        let retry = crate::core::schedule::retry_of_interrupted(schedule.attempt, at);
        context.store.plan_retry(record.run.id, retry)?;
    }
    Ok(())
}

/// Says that nobody works on a running run any more. `unleased` are those whose lease has expired or is another's.
pub(super) fn is_lost(record: &RunRecord, unleased: &[RunId], now: Timestamp) -> bool {
    let liveness = ProcessName::parse(&record.run.process).map(|process| process.liveness());
    match liveness {
        Some(Liveness::Gone) => true,
        _ if record.has_lease => unleased.contains(&record.run.id),
        Some(Liveness::Alive) => false,
        // A clock that was set back says nothing of silence, so a beat from the future counts as none.
        Some(Liveness::Elsewhere) | None => {
            record.heartbeat_at.plus(LONGEST_SILENCE) < now
                || record.heartbeat_at > now.plus(LONGEST_SILENCE)
        }
    }
}
