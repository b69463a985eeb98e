//! From the ends of runs, and from what did not happen, to events.

use crate::core::health::{Activity, stale_at};
use crate::core::model::{
    Fingerprint, GlobalSettings, HostId, RunKind, RunStatus, SnapshotKind, Span, SqlHost, SqlState,
    Timestamp,
};
use crate::core::notify::{Ended, QUIET_ATTEMPTS, Raised, Telling, of_run, of_stale, recipients};
use crate::ops::{Context, Error, VERSION};
use crate::store::{EndedRun, NewEvent, PlanKind};

/// Ends that are looked at in one transaction.
const BATCH: u32 = 200;
/// A failure of a scheduled run is looked at after so long: its retry is planned right after its end.
const SETTLING: Span = Span::from_seconds(5);

/// Raises every event that has happened and was not raised yet; says how many.
///
/// # Errors
/// When the database cannot be worked with.
pub fn raise_events(context: &Context) -> Result<usize, Error> {
    let state = context.store.load_state()?;
    let raiser = Raiser {
        context,
        settings: state
            .global
            .as_ref()
            .map(|global| global.settings.clone())
            .unwrap_or_default(),
        state: &state,
        machine: super::machine(),
        now: crate::ops::clock::now(),
    };
    Ok(raiser.ended_runs()? + raiser.stale_hosts()?)
}

struct Raiser<'a> {
    context: &'a Context,
    settings: GlobalSettings,
    state: &'a SqlState,
    machine: String,
    now: Timestamp,
}

impl Raiser<'_> {
    fn telling(&self) -> Telling<'_> {
        Telling {
            lineage: &self.state.lineage,
            machine: &self.machine,
            version: VERSION,
        }
    }

    fn host(&self, id: HostId) -> Option<&SqlHost> {
        self.state.hosts.iter().find(|host| host.id == id)
    }

    /// Run by run of each host, so that each is seen beside the events of those before it.
    fn ended_runs(&self) -> Result<usize, Error> {
        let mut raised = 0;
        loop {
            let ended = self.context.store.ended_runs(QUIET_ATTEMPTS, BATCH)?;
            let settled: Vec<&EndedRun> =
                ended.iter().filter(|run| !self.is_settling(run)).collect();
            if settled.is_empty() {
                return Ok(raised);
            }
            let events: Vec<NewEvent> = settled
                .iter()
                .flat_map(|run| self.events_of(run))
                .map(|event| self.addressed(&event))
                .collect();
            let told: Vec<_> = settled.iter().map(|run| run.record.run.id).collect();
            raised += self.context.store.raise(&events, &told, self.now)?.events;
        }
    }

    fn is_settling(&self, run: &EndedRun) -> bool {
        let Some(schedule) = &run.record.schedule else {
            return false;
        };
        let ended = run.record.run.finished_at.unwrap_or(self.now);
        run.record.run.status != RunStatus::Complete
            && schedule.retry_at.is_none()
            && ended.plus(SETTLING) > self.now
            && ended.minus(SETTLING) < self.now
    }

    fn events_of(&self, ended: &EndedRun) -> Vec<Raised> {
        let record = &ended.record;
        let host = self.host(record.host);
        let policy: Option<Fingerprint> = host
            .and_then(|host| host.settings.retention.as_ref())
            .map(|policy| policy.fingerprint());
        let is_unattended = match record.run.kind {
            RunKind::Backup => {
                record.schedule.is_some() || ended.snapshot_kind == Some(SnapshotKind::Scheduled)
            }
            // A prune without a plan was refused before there was one, which only an unattended one records.
            RunKind::Prune => ended.plan_kind.is_none_or(|kind| kind == PlanKind::Prune),
            RunKind::Verify | RunKind::Discovery => true,
        };
        let is_retried = record.schedule.is_some_and(|schedule| {
            schedule.retry_at.is_some() && schedule.attempt <= QUIET_ATTEMPTS
        });
        let ended = Ended {
            host: record.host,
            run: &record.run,
            cause: record.cause,
            is_unattended,
            is_retried,
            suspect: ended.suspect,
            last_well: ended.last_well,
            trouble_since: ended.trouble_since,
            policy: policy.as_ref(),
        };
        of_run(self.telling(), &ended)
    }

    /// Hosts that have gone without a complete snapshot for too long; those of which that was told already cost a look.
    fn stale_hosts(&self) -> Result<usize, Error> {
        let activity = self.context.activity(self.state)?;
        let watched = self
            .state
            .hosts
            .iter()
            .filter(|host| host.retired.is_none() && !host.is_paused());
        let events: Vec<NewEvent> = watched
            .filter_map(|host| self.stale_event(host, activity.get(&host.id)?))
            .map(|event| self.addressed(&event))
            .collect();
        if events.is_empty() {
            return Ok(0);
        }
        Ok(self.context.store.raise(&events, &[], self.now)?.events)
    }

    fn stale_event(&self, host: &SqlHost, activity: &Activity) -> Option<Raised> {
        let deadline = stale_at(&host.settings, activity.newest, activity.created_at)?;
        (deadline < self.now).then(|| {
            of_stale(
                self.telling(),
                (host.id, &host.name),
                activity.newest,
                host.settings.stale_after,
                deadline,
            )
        })
    }

    fn addressed(&self, raised: &Raised) -> NewEvent {
        addressed(
            raised,
            recipients(&self.settings.notify, raised.event.event),
        )
    }
}

/// An event as it is recorded, for these recipients.
pub(super) fn addressed(
    raised: &Raised,
    recipients: Vec<(crate::core::model::Label, String)>,
) -> NewEvent {
    let event = &raised.event;
    NewEvent {
        key: raised.key.clone(),
        uid: event.id.clone(),
        kind: event.event,
        topic: event.topic,
        host: raised.host,
        at: event.at,
        summary: event.summary.clone(),
        body: serde_json::to_string(event).unwrap_or_default(),
        recipients,
        is_kept: event.event.is_problem(),
    }
}
