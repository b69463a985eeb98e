//! The only SQL of the program: what is configured, what was planned and approved, what snapshots and runs there are.
//!
//! [`Store`] is what the rest of the program sees; domain types go in and come out. The operations in `sql` are written
//! once, over `session::Session`; a database brings a session, a way to begin transactions, and its migrations.
//!
//! The store decides nothing: it does not know retention, KDL, disks or rsync. What it does hold are the invariants that
//! must survive any caller: one transaction a change, a serial that grows only with a change and refuses what is stale,
//! names and directories that never meet, approvals only of the policy in force, deletions only of what a recorded plan
//! listed.

mod accounts;
mod address;
mod change;
mod claim;
mod copy;
mod error;
mod fleet;
mod inspections;
mod interface;
mod lease;
mod mariadb;
mod migrating;
mod opened;
mod outbox;
mod pages;
mod plans;
mod records;
mod session;
mod sql;
mod sqlite;

#[cfg(test)]
mod tests;

pub use accounts::{
    AccountRights, Accounts, Credentials, LoginFailures, NewAccount, NewToken, SessionRecord,
};
pub use address::DatabaseAddress;
pub use change::{ConfigChange, Configured, GlobalWrite, HostContent, HostWrite};
pub use claim::{BackupWish, Claim, Claimed, DueCause, PendingRetry, SettledFire};
pub use copy::CopiedTable;
pub use error::{StaleSerial, StoreError};
pub use fleet::{
    ConfigurationTotals, Fleet, FleetTotals, HostOrder, HostReading, HostSearch, LastBackup, Listed,
};
pub use inspections::{DamageRecord, Inspected, Inspections, NewDamage, UsageRecord, Verification};
pub use interface::Store;
pub use lease::{HeldLease, Lease, LeaseWish, Leased};
pub use mariadb::{AddressError, MariaDb, ServerAddress, ServerLook, Way};
pub use opened::Opened;
pub use outbox::{
    Backlog, BackupFigures, DeliveryClaim, DeliveryFilter, DeliveryRecord, DeliveryStatus,
    EndedRun, NewEvent, Outbox, Raising, Settlement, SnapshotCounts,
};
pub use pages::{NamedHost, Pages};
pub use plans::{Approval, NewPlan, PlanKind, PlanSummary, RecordedPlan};
pub use records::{
    Discovered, Discovery, HistoryEntry, HostKey, HostSchedule, LostRun, Marking, NewRun,
    NewSnapshot, RootRecord, RunEnd, RunFilter, RunRecord, RunSchedule, ServerRecord, Settled,
    SnapshotEnd, SnapshotFilter, SnapshotRecord,
};
pub use sqlite::Sqlite;
