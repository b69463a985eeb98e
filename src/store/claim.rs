//! What is due, as the store hands it out.

use chrono_tz::Tz;

use crate::core::model::{
    CronText, Fence, HostId, HostName, Label, RunId, RunStatus, Span, Timestamp,
};

use super::Lease;

/// A wish to back a host up, because it is due or because somebody asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The host.
    pub host: HostId,
    /// Why.
    pub cause: DueCause,
    /// Prune through the gate after a success, if a schedule of the host wants one still: the run says whether.
    pub prune: bool,
    /// Now.
    pub at: Timestamp,
    /// The process that will work on it, as `lock` files name it.
    pub process: String,
    /// No claim succeeds while so many backups run for the server.
    pub max_concurrent: u32,
    /// The server that claims; a lone one needs no name.
    pub server: Option<Label>,
    /// How long the claim lasts from each sign of life on.
    pub lease: Span,
}

impl Claim {
    /// The lease that came with a claim of this fence.
    #[must_use]
    pub fn lease_of(&self, fence: Fence) -> Lease {
        Lease {
            host: self.host,
            server: self.server.clone(),
            fence,
            length: self.lease,
        }
    }
}

/// Why a host is to be backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueCause {
    /// Cron lines have fired. One run answers them all, and all that was missed before.
    Fires {
        /// The earliest fire that nothing has answered.
        fires_at: Timestamp,
        /// What is settled by it.
        lines: Vec<SettledFire>,
    },
    /// An earlier run is tried again.
    Retry {
        /// That run, which must be the newest backup of the host.
        of: RunId,
        /// The fire it answered.
        fires_at: Timestamp,
        /// Which attempt this is.
        attempt: u32,
    },
    /// A person asks, on the pages.
    Asked {
        /// Who.
        by: String,
    },
    /// A person has asked on the pages of another server.
    Wished {
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
}

/// A cron line of a host of which all fires up to a moment are settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledFire {
    /// The line.
    pub cron: CronText,
    /// Its zone.
    pub timezone: Tz,
    /// Up to where it was settled: somebody else may have moved it meanwhile.
    pub from: Timestamp,
    /// Up to where it is now.
    pub to: Timestamp,
}

/// What came of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a claimed run must be carried out or ended"]
pub enum Claimed {
    /// It is ours, and its run says `running`; the host is leased to it.
    Run(RunId, Fence),
    /// A run is at work on the host: later.
    Busy(RunId),
    /// Somebody is at work on the host without a run, or on another server: later.
    Held,
    /// Enough backups run: later.
    Full,
    /// It is due no more: somebody else has it, or the host has changed.
    Gone,
}

/// A backup that a person asked for where the host does not belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupWish {
    /// The host.
    pub host: HostId,
    /// The host's name.
    pub host_name: HostName,
    /// The host's directory.
    pub directory: HostName,
    /// The server it belongs to, if its settings name one.
    pub server: Option<Label>,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A run that is to be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRetry {
    /// The run.
    pub run: RunId,
    /// Its host.
    pub host: HostId,
    /// The host's name.
    pub host_name: HostName,
    /// The server it belongs to, if its settings name one.
    pub server: Option<Label>,
    /// When.
    pub at: Timestamp,
    /// The fire it answered.
    pub fires_at: Timestamp,
    /// Which attempt it was.
    pub attempt: u32,
    /// A prune follows a success.
    pub prune: bool,
    /// How it ended.
    pub status: RunStatus,
}
