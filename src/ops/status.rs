//! How the backups are, in one screen: from the newest of what happened to each host, not from years of rows.

use serde::Serialize;
use utoipa::ToSchema;

use super::check::Finding;
use super::glance;
use super::servers::ServerStatus;
use super::tell::is_overdue;
use super::{Context, Error};
use crate::core::health::{Problem, Severity, Verified};
use crate::core::model::{HostId, HostName, Timestamp};
use crate::store::{Backlog, HostOrder, HostReading, HostSearch};

/// The whole service.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Status {
    /// When it was looked at.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// How much the worst of it matters.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// Every host.
    pub hosts: Vec<HostStatus>,
    /// Hosts whose newest backup is whole and not too old.
    pub well: usize,
    /// Hosts that somebody should look at.
    pub attention: usize,
    /// Paused hosts.
    pub paused: usize,
    /// Retired hosts.
    pub retired: usize,
    /// Complete snapshots.
    pub snapshots: usize,
    /// What has not reached its receivers.
    #[schema(value_type = Object)]
    pub notifications: Backlog,
    /// It was given up, or has waited for so long that somebody should look.
    pub notifications_overdue: bool,
    /// Hosts whose verification is overdue.
    pub unverified: usize,
    /// The servers that share the database, by name; absent where none has a name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerStatus>,
    /// What is wrong with the installation, worst first: clock, scheduler, root, space, news.
    pub findings: Vec<Finding>,
}

/// One host.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HostStatus {
    /// Its name.
    #[schema(value_type = String)]
    pub host: HostName,
    /// `well`, its worst problem, `paused` or `retired`.
    pub state: &'static str,
    /// Somebody should look at it.
    pub needs_attention: bool,
    /// How much the worst of it matters.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// All that is wrong, worst first.
    pub problems: Vec<HostProblem>,
    /// When its newest complete snapshot began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub newest: Option<Timestamp>,
    /// How many complete snapshots it has.
    pub snapshots: usize,
    /// What came of its last backup that has ended.
    pub last_run: Option<String>,
    /// How it stands with its verification.
    pub verification: HostVerified,
}

/// How a host stands with its verification.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct HostVerified {
    /// When all its snapshots were looked at last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last: Option<Timestamp>,
    /// `verify every=` asks for a look that should be over by now.
    pub is_overdue: bool,
    /// Damaged paths, each counted once.
    pub damaged_files: u64,
    /// Snapshots with some.
    pub damaged_snapshots: u64,
    /// When the first of it was found.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub damaged_since: Option<Timestamp>,
}

impl HostVerified {
    pub(super) fn of(verified: &Verified, now: Timestamp) -> Self {
        let damage = verified.damage.as_ref();
        Self {
            last: verified.last,
            is_overdue: verified.is_overdue(now),
            damaged_files: damage.map_or(0, |damage| damage.files),
            damaged_snapshots: damage.map_or(0, |damage| damage.snapshots),
            damaged_since: damage.map(|damage| damage.since),
        }
    }

    /// When it was verified last, in words.
    #[must_use]
    pub fn words(&self) -> String {
        let last = match self.last {
            Some(last) => format!("verified {last}"),
            None => "never verified".to_owned(),
        };
        if self.is_overdue {
            format!("{last}, and overdue")
        } else {
            last
        }
    }
}

/// One thing that is wrong with a host.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HostProblem {
    /// What.
    #[schema(value_type = String)]
    pub problem: Problem,
    /// How so.
    pub text: String,
}

impl Status {
    /// Says that nothing needs anybody.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.severity == Severity::Good
    }
}

impl HostStatus {
    pub(super) fn of(reading: HostReading, now: Timestamp) -> Self {
        let found = reading.judgement.at(now);
        Self {
            verification: HostVerified::of(&reading.verified, now),
            state: found.standing.as_str(),
            needs_attention: found.standing.needs_attention(),
            severity: found.severity(),
            problems: found
                .problems
                .iter()
                .map(|(problem, text)| HostProblem {
                    problem: *problem,
                    text: text.clone(),
                })
                .collect(),
            host: reading.name,
            newest: reading.newest,
            snapshots: usize::try_from(reading.snapshots).unwrap_or(usize::MAX),
            last_run: reading.last_backup.map(|last| last.text),
        }
    }
}

/// Reads how every host is.
///
/// # Errors
/// When the database cannot be read.
pub fn status(context: &Context) -> Result<Status, Error> {
    let now = super::clock::now();
    let readings = context.store.readings()?;
    let hosts: Vec<HostStatus> = readings
        .into_iter()
        .map(|reading| HostStatus::of(reading, now))
        .collect();
    let count = |state: &str| hosts.iter().filter(|host| host.state == state).count();
    let notifications = context.store.backlog()?;
    let notifications_overdue = are_overdue(&notifications, now);
    let of_hosts = hosts.iter().map(|host| host.severity).max();
    let of_telling = if notifications_overdue {
        Severity::Warning
    } else {
        Severity::Good
    };
    let unverified = hosts
        .iter()
        .filter(|host| host.verification.is_overdue)
        .count();
    let of_verification = if unverified > 0 {
        Severity::Warning
    } else {
        Severity::Good
    };
    let servers = super::servers(context)?;
    let findings = glance::findings(context, &servers)?;
    let has_work = hosts
        .iter()
        .any(|host| !matches!(host.state, "paused" | "retired"));
    // A host stays well until its next backup has failed; a disk that is away is to be told before.
    let of_root = if has_work && findings.iter().any(Finding::is_of_lost_root) {
        Severity::Critical
    } else {
        Severity::Good
    };
    Ok(Status {
        at: now,
        severity: of_hosts
            .unwrap_or(Severity::Good)
            .max(of_telling)
            .max(of_verification)
            .max(of_root),
        unverified,
        well: count("well"),
        paused: count("paused"),
        retired: count("retired"),
        attention: hosts.iter().filter(|host| host.needs_attention).count(),
        snapshots: hosts.iter().map(|host| host.snapshots).sum(),
        notifications,
        notifications_overdue,
        servers,
        findings,
        hosts,
    })
}

pub(super) fn are_overdue(backlog: &Backlog, now: Timestamp) -> bool {
    backlog.given_up > 0 || is_overdue(backlog.waiting_since, now)
}

/// One page of the hosts that are looked for.
#[derive(Debug, Clone)]
pub struct HostsFound {
    /// When it was looked at.
    pub at: Timestamp,
    /// The hosts of the page.
    pub hosts: Vec<HostStatus>,
    /// The page's number, from 1: the last one if there are not so many.
    pub page: usize,
    /// How many there are.
    pub pages: usize,
    /// Hosts on all of them.
    pub count: usize,
}

/// Looks for hosts, `size` a page.
///
/// # Errors
/// When the database cannot be read.
pub fn find_hosts(
    context: &Context,
    search: &HostSearch,
    order: HostOrder,
    page: usize,
    size: u32,
) -> Result<HostsFound, Error> {
    let at = super::clock::now();
    let read = |page: usize| {
        let skip = page.saturating_sub(1).saturating_mul(size as usize);
        let skip = u32::try_from(skip).unwrap_or(u32::MAX);
        context.store.reading_page(search, order, at, skip, size)
    };
    let page = page.max(1);
    let (mut found, mut count) = read(page)?;
    let pages = count.div_ceil(size.max(1) as usize).max(1);
    if page > pages {
        (found, count) = read(pages)?;
    }
    Ok(HostsFound {
        at,
        hosts: found.into_iter().map(|r| HostStatus::of(r, at)).collect(),
        page: page.min(pages),
        pages,
        count,
    })
}

/// How one host is; nothing if there is none.
///
/// # Errors
/// When the database cannot be read.
pub fn host_status(context: &Context, host: HostId) -> Result<Option<HostStatus>, Error> {
    let now = super::clock::now();
    let found = context.store.reading(host)?;
    Ok(found.map(|reading| HostStatus::of(reading, now)))
}
