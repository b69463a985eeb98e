//! What a policy comes to over the years, for one host. Reads, and never writes.

use std::collections::BTreeMap;

use super::Error;
use super::context::Facts;
use crate::core::desired::DesiredHost;
use crate::core::model::{
    CalendarSpan, CronText, HostName, HostSettings, Keep, Label, Policy, Schedule, Snapshot, Span,
    Timestamp,
};
use crate::core::retention::simulation::{
    Backup, MOST_BACKUPS, PolicySource, Pruning, Scenario, Simulation, end_of, every, scheduled,
    simulate as live_through,
};

/// Beyond that no schedule and no policy stays as it is, and dates come to their end.
const MOST_YEARS: CalendarSpan = CalendarSpan {
    years: 50,
    months: 0,
    days: 0,
    hours: 0,
};

/// How a simulation is asked for.
#[derive(Debug, Clone)]
pub struct AskedSimulation {
    /// The policies to simulate, each by its name in the file or by its rules; nothing stands for the host's own.
    pub policies: Vec<Option<String>>,
    /// The first moment; now if absent.
    pub as_of: Option<Timestamp>,
    /// How far to look.
    pub horizon: CalendarSpan,
    /// What to do instead of the host's schedules.
    pub instead: Option<Instead>,
}

/// Backups that are not the host's own.
#[derive(Debug, Clone)]
pub enum Instead {
    /// One each time this has passed.
    Every(Span),
    /// By a crontab line.
    Cron(CronText),
}

/// The host as it is to be simulated.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its name.
    pub host: &'a HostName,
    /// Its settings: in force, or of the file.
    pub settings: &'a HostSettings,
    /// Where its own policy comes from.
    pub source: &'a PolicySource,
    /// Its snapshots.
    pub snapshots: &'a [Snapshot],
}

/// Why there is nothing to simulate.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// Nothing ever backs the host up.
    #[error("{host} has no schedule, so nothing would ever be backed up")]
    NoSchedule {
        /// The host.
        host: HostName,
    },
    /// The file names no such policy.
    #[error("the configuration names no retention policy {name}")]
    UnknownPolicy {
        /// What was asked for.
        name: String,
        /// Those it names.
        known: Vec<String>,
    },
    /// Too many backups.
    #[error("{horizon} of these schedules is more than {MOST_BACKUPS} backups")]
    TooMany {
        /// What was asked for.
        horizon: CalendarSpan,
    },
    /// Too many years.
    #[error("{horizon} is too far ahead: at most {MOST_YEARS}")]
    TooFar {
        /// What was asked for.
        horizon: CalendarSpan,
    },
}

impl SimulationError {
    /// What the operator can do.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NoSchedule { .. } => {
                "say how often it would be: --every 1d, or --cron \"15 2 * * *\"".to_owned()
            }
            Self::UnknownPolicy { known, .. } if known.is_empty() => {
                "it names none; write rules instead: --policy \"daily=7 weekly=4\"".to_owned()
            }
            Self::UnknownPolicy { known, .. } => format!(
                "it names {}; rules are written as --policy \"daily=7 weekly=4\"",
                known.join(", ")
            ),
            Self::TooMany { .. } | Self::TooFar { .. } => "shorten --horizon".to_owned(),
        }
    }
}

impl<'a> Subject<'a> {
    /// The host as SQL has it.
    ///
    /// # Errors
    /// When it is unknown, or has left.
    pub fn in_force(facts: &'a Facts, name: &HostName) -> Result<Self, Error> {
        let host = facts.host(name)?;
        if host.retired.is_some() {
            return Err(Error::Retired { host: name.clone() });
        }
        Ok(Self {
            host: &host.name,
            settings: &host.settings,
            source: &PolicySource::InForce,
            snapshots: facts.snapshots.get(&host.id).map_or(&[][..], Vec::as_slice),
        })
    }

    /// The host as the file has it, with the snapshots that SQL has of it, under its old name too.
    #[must_use]
    pub fn of_file(host: &'a DesiredHost, facts: Option<&'a Facts>) -> Self {
        let row = facts.and_then(|facts| {
            let active = |name: &HostName| {
                let mut hosts = facts.state.hosts.iter();
                hosts.find(|row| row.name == *name && row.retired.is_none())
            };
            let row = active(&host.name).or_else(|| host.was.as_ref().and_then(active))?;
            facts.snapshots.get(&row.id)
        });
        Self {
            host: &host.name,
            settings: &host.settings,
            source: &PolicySource::File,
            snapshots: row.map_or(&[][..], Vec::as_slice),
        }
    }
}

/// Simulates `subject`; `named` are the policies that the file names.
///
/// # Errors
/// When the host has neither a policy nor a schedule and none is given, a policy is unknown, or it is too much.
pub fn simulate(
    subject: &Subject<'_>,
    named: &BTreeMap<Label, Policy>,
    asked: &AskedSimulation,
) -> Result<Simulation, Error> {
    let settings = subject.settings;
    let policies = policies(subject, named, &asked.policies)?;
    let zone = settings.timezone;
    let from = asked.as_of.unwrap_or_else(super::clock::now);
    let horizon = asked.horizon;
    let until = end_of(from, horizon, zone)
        .filter(|end| end_of(from, MOST_YEARS, zone).is_some_and(|most| *end <= most))
        .ok_or(SimulationError::TooFar { horizon })?;
    let (schedules, (backups, pruning)) = backups(subject, asked, from, until)?;
    let run = |(source, policy): &(PolicySource, Policy)| {
        let scenario = Scenario {
            snapshots: subject.snapshots,
            policy,
            backups: &backups,
            from,
            until,
        };
        live_through(&scenario, source.clone())
    };
    Ok(Simulation {
        format_version: 1,
        host: subject.host.clone(),
        from,
        until,
        horizon,
        timezone: zone,
        schedules,
        every: match &asked.instead {
            Some(Instead::Every(span)) => Some(*span),
            Some(Instead::Cron(_)) | None => None,
        },
        backups: backups.len(),
        pruning,
        paused: !settings.enabled,
        policies: policies.iter().map(run).collect::<Result<_, _>>()?,
    })
}

type Backups = (Vec<Schedule>, (Vec<Backup>, Pruning));

fn backups(
    subject: &Subject<'_>,
    asked: &AskedSimulation,
    from: Timestamp,
    until: Timestamp,
) -> Result<Backups, SimulationError> {
    let zone = subject.settings.timezone;
    let too_many = |_| SimulationError::TooMany {
        horizon: asked.horizon,
    };
    let schedules = match &asked.instead {
        Some(Instead::Every(span)) => {
            return Ok((Vec::new(), every(*span, from, until).map_err(too_many)?));
        }
        Some(Instead::Cron(cron)) => vec![Schedule {
            name: None,
            cron: cron.clone(),
            timezone: zone,
            jitter: Span::from_seconds(0),
            prune: true,
        }],
        None => subject.settings.schedules.clone(),
    };
    if schedules.is_empty() {
        return Err(SimulationError::NoSchedule {
            host: subject.host.clone(),
        });
    }
    let found = scheduled(&schedules, from, until, zone).map_err(too_many)?;
    Ok((schedules, found))
}

/// Each policy that is asked for.
fn policies(
    subject: &Subject<'_>,
    named: &BTreeMap<Label, Policy>,
    asked: &[Option<String>],
) -> Result<Vec<(PolicySource, Policy)>, Error> {
    let own = subject.settings.retention.as_ref();
    let timezone = subject.settings.timezone;
    let one = |words: &Option<String>| {
        let Some(words) = words else {
            let own = own.ok_or_else(|| Error::NoPolicy {
                host: subject.host.clone(),
            })?;
            return Ok((subject.source.clone(), own.clone()));
        };
        if words.contains('=') {
            let keep: Keep = words.parse()?;
            // What the rules do not say is as the host has it.
            let otherwise = own.cloned().unwrap_or_else(|| Policy {
                timezone,
                ..Policy::of(Keep::default())
            });
            return Ok((PolicySource::Rules, Policy { keep, ..otherwise }));
        }
        let policy = words.parse::<Label>().ok();
        let policy = policy.and_then(|name| named.get(&name)).ok_or_else(|| {
            SimulationError::UnknownPolicy {
                name: words.clone(),
                known: named.keys().map(ToString::to_string).collect(),
            }
        })?;
        let policy = Policy {
            timezone,
            ..policy.clone()
        };
        Ok((PolicySource::Named(words.clone()), policy))
    };
    asked.iter().map(one).collect()
}
