//! From what happened to events: which, with which key, in which words.
//!
//! The key is what "never twice" rests on. A failure is one event for each cause within a streak, and the streak is
//! named by the last run that was well; a stale host is one event for each newest snapshot that became too old; a recovery
//! and a success are one for each run.

use crate::core::model::{
    Event, EventKind, Fingerprint, HostId, HostName, Lineage, Run, RunCause, RunId, RunKind,
    RunStatus, SnapshotId, Span, Timestamp, Topic, visible,
};

/// A failure that will be tried again is not told before it has been tried more often than this: after twenty minutes
/// it is no passing cloud any more, and retries may go on for a day.
pub const QUIET_ATTEMPTS: u32 = 2;

/// Characters of a run's message: a receiver's screen holds a few lines, and some refuse larger documents.
const SHOWN: usize = 1000;

/// A run that has ended, and what has to be known beside it.
#[derive(Debug, Clone)]
pub struct Ended<'a> {
    /// The host.
    pub host: HostId,
    /// The run.
    pub run: &'a Run,
    /// Why it did not end well.
    pub cause: Option<RunCause>,
    /// Nobody was watching: it was scheduled, or it followed something scheduled.
    pub is_unattended: bool,
    /// It was or will be tried again before anybody is told.
    pub is_retried: bool,
    /// The snapshot it made, if that is suspect.
    pub suspect: Option<SnapshotId>,
    /// The last run of the same kind and host before it that was well.
    pub last_well: Option<RunId>,
    /// When the first trouble was told of that no recovery has ended yet, of the run's own topic.
    pub trouble_since: Option<Timestamp>,
    /// The policy in force, which an approval is about.
    pub policy: Option<&'a Fingerprint>,
}

/// An event and what makes it one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// What makes it one: raised again with the same key, it is the same event.
    pub key: String,
    /// The host it is about.
    pub host: Option<HostId>,
    /// What receivers get.
    pub event: Event,
}

/// Who tells.
#[derive(Debug, Clone, Copy)]
pub struct Telling<'a> {
    /// The database, so that ids of two never meet.
    pub lineage: &'a Lineage,
    /// The machine.
    pub machine: &'a str,
    /// The program.
    pub version: &'a str,
}

impl Telling<'_> {
    fn event(&self, key: &str, event: EventKind, topic: Topic, at: Timestamp) -> Event {
        let digest = Fingerprint::of(&(self.lineage, key));
        let hex = digest.as_str().trim_start_matches("sha256:");
        Event {
            format_version: 1,
            pobsync_version: self.version.to_owned(),
            id: hex.chars().take(32).collect(),
            event,
            topic,
            at,
            machine: self.machine.to_owned(),
            host: None,
            summary: String::new(),
            message: String::new(),
            cause: None,
            run: None,
            snapshot: None,
            newest_complete: None,
            stale_after: None,
            since: None,
        }
    }
}

/// The events that the end of a run is.
#[must_use]
pub fn of_run(telling: Telling<'_>, ended: &Ended<'_>) -> Vec<Raised> {
    let Some(topic) = topic_of(ended.run.kind) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    match ended.run.status {
        RunStatus::Complete => {
            found.extend(recovery(telling, ended, topic));
            if topic == Topic::Backup && ended.is_unattended {
                found.push(success(telling, ended));
            }
            found.extend(suspect(telling, ended));
        }
        // Whoever stopped it knows; and whoever sat before it has seen it fail.
        RunStatus::Cancelled | RunStatus::Running => {}
        RunStatus::Partial | RunStatus::Failed | RunStatus::Refused | RunStatus::Interrupted => {
            if ended.is_unattended && !ended.is_retried {
                found.push(failure(telling, ended, topic));
            }
        }
    }
    found
}

fn topic_of(kind: RunKind) -> Option<Topic> {
    match kind {
        RunKind::Backup => Some(Topic::Backup),
        RunKind::Prune => Some(Topic::Prune),
        RunKind::Verify => Some(Topic::Verify),
        RunKind::Discovery => None,
    }
}

fn failure(telling: Telling<'_>, ended: &Ended<'_>, topic: Topic) -> Raised {
    let cause = ended.cause.unwrap_or(match ended.run.status {
        RunStatus::Interrupted => RunCause::Lost,
        RunStatus::Partial => RunCause::Unreadable,
        RunStatus::Refused => RunCause::Guard,
        _ => RunCause::Lasting,
    });
    let mut key = format!(
        "failure:{topic}:host={}:after={}:{cause}",
        ended.host,
        ended.last_well.map_or(0, |run| run.0)
    );
    if cause == RunCause::Approval {
        // Another policy that nobody approved is other news.
        key.push_str(&format!(
            ":{}",
            ended.policy.map_or("none", Fingerprint::as_str)
        ));
    }
    let what = match (topic, cause) {
        (_, RunCause::Alarm) => "the host key has changed".to_owned(),
        (_, RunCause::Approval) => "prune needs an approval".to_owned(),
        (topic, RunCause::Guard) => format!("{topic} refused"),
        (topic, RunCause::Unreadable) => format!("{topic} incomplete"),
        (topic, RunCause::Lost) => format!("{topic} cut off"),
        (topic, _) => format!("{topic} failed"),
    };
    about_run(
        telling,
        ended,
        key,
        EventKind::Failure,
        topic,
        &what,
        |event| {
            event.cause = Some(cause);
        },
    )
}

fn recovery(telling: Telling<'_>, ended: &Ended<'_>, topic: Topic) -> Option<Raised> {
    let since = ended.trouble_since?;
    let key = format!("recovery:{topic}:run={}", ended.run.id);
    let what = format!("{topic} is well again");
    Some(about_run(
        telling,
        ended,
        key,
        EventKind::Recovery,
        topic,
        &what,
        |event| {
            event.since = Some(since);
        },
    ))
}

fn success(telling: Telling<'_>, ended: &Ended<'_>) -> Raised {
    let key = format!("success:run={}", ended.run.id);
    about_run(
        telling,
        ended,
        key,
        EventKind::Success,
        Topic::Backup,
        "backup done",
        |_| {},
    )
}

fn suspect(telling: Telling<'_>, ended: &Ended<'_>) -> Option<Raised> {
    let key = format!("failure:suspect:snapshot={}", ended.suspect?);
    let what = "a snapshot is suspect, and prunes have stopped";
    Some(about_run(
        telling,
        ended,
        key,
        EventKind::Failure,
        Topic::Suspect,
        what,
        |event| {
            event.message = format!(
                "{}; look at it, then `pobsync ack {}` lets unattended prunes go on",
                event.message, ended.run.host
            );
        },
    ))
}

fn about_run(
    telling: Telling<'_>,
    ended: &Ended<'_>,
    key: String,
    kind: EventKind,
    topic: Topic,
    what: &str,
    more: impl FnOnce(&mut Event),
) -> Raised {
    let run = ended.run;
    let at = run.finished_at.unwrap_or(run.started_at);
    let mut event = telling.event(&key, kind, topic, at);
    event.host = Some(run.host.clone());
    event.summary = format!("{}: {what}", run.host);
    event.message = shortened(&run.message);
    event.run = Some(run.id);
    event.snapshot.clone_from(&run.snapshot);
    more(&mut event);
    Raised {
        key,
        host: Some(ended.host),
        event,
    }
}

/// The event that a host has had no complete snapshot for too long. `newest` is the last one it had.
#[must_use]
pub fn of_stale(
    telling: Telling<'_>,
    (host, name): (HostId, &HostName),
    newest: Option<Timestamp>,
    stale_after: Option<Span>,
    at: Timestamp,
) -> Raised {
    let key = format!(
        "stale:host={host}:newest={}",
        newest.map_or(0, Timestamp::millis)
    );
    let mut event = telling.event(&key, EventKind::Stale, Topic::Backup, at);
    event.summary = match newest {
        Some(newest) => format!("{name}: no complete snapshot since {}", minutes(newest)),
        None => format!("{name}: no complete snapshot yet"),
    };
    event.message = format!(
        "{}; `pobsync runs --host {name}` tells what was tried",
        match stale_after {
            Some(span) => format!("its `stale-after` is {span}"),
            None => "its schedule has come due twice since; it sets no `stale-after`".to_owned(),
        }
    );
    event.host = Some(name.clone());
    event.newest_complete = newest;
    event.stale_after = stale_after;
    Raised {
        key,
        host: Some(host),
        event,
    }
}

/// An event that says nothing but that a receiver hears. `random` makes it one of its own.
#[must_use]
pub fn test(telling: Telling<'_>, random: &str, actor: &str, at: Timestamp) -> Raised {
    let key = format!("test:{random}");
    let mut event = telling.event(&key, EventKind::Test, Topic::Test, at);
    event.summary = "a test: this receiver hears pobsync".to_owned();
    event.message = format!("sent by {} on {}", visible(actor), telling.machine);
    Raised {
        key,
        host: None,
        event,
    }
}

/// What hosts sent is shown in part: the log has all.
fn shortened(message: &str) -> String {
    let mut shown: String = visible(message).chars().take(SHOWN).collect();
    if message.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn minutes(time: Timestamp) -> String {
    time.utc().format("%Y-%m-%d %H:%M UTC").to_string()
}
