//! How all hosts are, at a glance: page by page, and added up.

use std::collections::BTreeMap;

use crate::core::health::{Judgement, Standing, Verified};
use crate::core::model::{HostId, HostName, ManagedBy, RootId, SqlHost, SqlState, Timestamp};

use super::{BackupFigures, StoreError};

/// How one host is, without its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostReading {
    /// Its row.
    pub host: HostId,
    /// Its name.
    pub name: HostName,
    /// How it is, now and later.
    pub judgement: Judgement,
    /// When its newest complete snapshot began.
    pub newest: Option<Timestamp>,
    /// Complete snapshots.
    pub snapshots: u64,
    /// Its last backup that has ended and was not stopped by anybody.
    pub last_backup: Option<LastBackup>,
    /// Figures of its backups.
    pub figures: BackupFigures,
    /// How it stands with its verification.
    pub verified: Verified,
}

/// The last backup of a host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LastBackup {
    /// How it ended, in words.
    pub text: String,
    /// It was complete.
    pub is_complete: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What a list of hosts is sorted by; then by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HostOrder {
    /// By name, whatever its case.
    #[default]
    Name,
    /// The worst first.
    Standing,
    /// The oldest newest snapshot first, none at all before it.
    Newest,
    /// The most snapshots first.
    Snapshots,
}

/// Which hosts are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSearch {
    /// Part of the name or of the word for the state, whatever its case; all if empty.
    pub text: String,
    /// Only those that need attention.
    pub troubled: bool,
}

/// The fleet in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetTotals {
    /// How many hosts are like that.
    pub standings: BTreeMap<Standing, usize>,
    /// Complete snapshots of all hosts.
    pub snapshots: usize,
}

impl FleetTotals {
    /// How many hosts are like that.
    #[must_use]
    pub fn count(&self, standing: Standing) -> usize {
        self.standings.get(&standing).copied().unwrap_or_default()
    }

    /// All hosts, retired ones included.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.standings.values().sum()
    }

    /// Hosts that somebody should look at.
    #[must_use]
    pub fn troubled(&self) -> usize {
        let troubled = self.standings.iter().filter(|(s, _)| s.needs_attention());
        troubled.map(|(_, count)| count).sum()
    }
}

/// What the configuration of the fleet looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationTotals {
    /// Active hosts by who manages them.
    pub managed: Vec<(ManagedBy, usize)>,
    /// How many active hosts have drifted.
    pub drifted: usize,
    /// How many active hosts have a policy that is not the approved one.
    pub unapproved: usize,
}

/// Which active hosts of the configuration are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// SQL holds something else than the last apply wrote.
    Drifted,
    /// The policy is not the approved one.
    Unapproved,
}

/// What pages and monitoring ask of the whole fleet: none of it reads settings, but of hosts that changed since it was
/// asked last, which are judged again first.
///
/// # Errors
/// Every call fails with [`StoreError`] when the database cannot be read, or cannot be written for what is judged again.
pub trait Fleet {
    /// Every host, by name.
    fn readings(&self) -> Result<Vec<HostReading>, StoreError>;

    /// One page of the hosts that are looked for, and how many there are in all.
    fn reading_page(
        &self,
        search: &HostSearch,
        order: HostOrder,
        at: Timestamp,
        skip: u32,
        limit: u32,
    ) -> Result<(Vec<HostReading>, usize), StoreError>;

    /// One host; nothing if there is none.
    fn reading(&self, host: HostId) -> Result<Option<HostReading>, StoreError>;

    /// The fleet in figures.
    fn totals(&self, at: Timestamp) -> Result<FleetTotals, StoreError>;

    /// The hosts whose schedules start next, soonest first; before them those that a clock which was ahead has settled
    /// beyond `ahead`.
    fn starting(&self, ahead: Timestamp, limit: u32) -> Result<Vec<HostId>, StoreError>;

    /// Snapshots on a root that are recorded and not on disk.
    fn missing(&self, root: Option<&RootId>) -> Result<usize, StoreError>;

    /// As [`super::Store::load_state`], without any host.
    fn without_hosts(&self) -> Result<SqlState, StoreError>;

    /// What the configuration looks like.
    fn configuration_totals(&self) -> Result<ConfigurationTotals, StoreError>;

    /// The first hosts of a kind, by name.
    fn listed(&self, listed: Listed, limit: u32) -> Result<Vec<SqlHost>, StoreError>;

    /// The hosts after this one by name, retired ones included; the first ones without. Nothing comes after a row that is
    /// none.
    fn hosts_after(&self, after: Option<HostId>, limit: u32) -> Result<Vec<SqlHost>, StoreError>;
}
