//! What verification has found of snapshots: the last look at each, and what is damaged.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use utoipa::ToSchema;

use crate::core::model::{HostId, ProblemKind, RunId, SnapshotId, SnapshotName, Timestamp};
use crate::ops::{Context, Error};
use crate::store::{DamageRecord, Verification};

/// So many damaged paths of a snapshot are listed; a count says how many there are.
const LISTED: usize = 20;
/// So many are read: a verification records a thousand of a host at most, for each snapshot that has them.
const READ: u32 = 100_000;

/// The last look at a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct VerifiedRow {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The run that looked.
    #[schema(value_type = i64)]
    pub run: RunId,
    /// The share of its files that was to be read, in percent; names and attributes are compared of all.
    pub share_percent: f64,
    /// How many names were compared.
    pub names: u64,
    /// How many files were compared with their digest.
    pub compared: u64,
    /// How many files have no digest to be compared with.
    pub unknown: u64,
    /// How much was wrong.
    pub found: u64,
}

/// Something that is damaged in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DamageRow {
    /// The path below `data`, escaped where it is no text.
    pub path: String,
    /// What is wrong: `content`, `attributes`, `missing`, `extra`, `unreadable` or `manifest`.
    #[schema(value_type = String)]
    pub problem: ProblemKind,
    /// The same in words.
    pub detail: String,
    /// When it was found first.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// A snapshot that holds the path whole.
    #[schema(value_type = Option<String>)]
    pub intact: Option<SnapshotName>,
}

/// What verification knows of one snapshot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Look {
    /// The last look; nothing if there was none.
    pub verified: Option<VerifiedRow>,
    /// How much is damaged.
    pub damaged: usize,
    /// The first of it, by path.
    pub damage: Vec<DamageRow>,
}

/// What verification knows of snapshots.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Looks(BTreeMap<SnapshotId, Look>);

impl Looks {
    /// Reads what is known of the snapshots of one host, or of all.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn read(context: &Context, host: Option<HostId>) -> Result<Self, Error> {
        let mut looks = Self::default();
        looks.add(context, host)?;
        Ok(looks)
    }

    /// Reads what is known of the snapshots of these hosts.
    pub(super) fn of_hosts(context: &Context, hosts: &BTreeSet<HostId>) -> Result<Self, Error> {
        let mut looks = Self::default();
        for host in hosts {
            looks.add(context, Some(*host))?;
        }
        Ok(looks)
    }

    /// What is known of a snapshot.
    #[must_use]
    pub fn of(&self, snapshot: SnapshotId) -> Look {
        self.0.get(&snapshot).cloned().unwrap_or_default()
    }

    fn add(&mut self, context: &Context, host: Option<HostId>) -> Result<(), Error> {
        for (snapshot, look) in context.store.verifications(host)? {
            self.0.entry(snapshot).or_default().verified = Some(look.into());
        }
        for record in context.store.damage(host, READ)? {
            let look = self.0.entry(record.snapshot_id).or_default();
            look.damaged += 1;
            if look.damage.len() < LISTED {
                look.damage.push(record.into());
            }
        }
        Ok(())
    }
}

impl From<Verification> for VerifiedRow {
    fn from(look: Verification) -> Self {
        Self {
            at: look.at,
            run: look.run,
            share_percent: f64::from(look.share) / 100.0,
            names: look.names,
            compared: look.compared,
            unknown: look.unknown,
            found: look.found,
        }
    }
}

impl From<DamageRecord> for DamageRow {
    fn from(record: DamageRecord) -> Self {
        Self {
            path: record.damage.path,
            problem: record.damage.problem,
            detail: record.damage.detail,
            since: record.found_at,
            intact: record.damage.intact,
        }
    }
}
