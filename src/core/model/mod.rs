//! The words of the program as types that cannot hold a bad value.
//!
//! What could reach a command line or a path is checked where it enters, here; everything behind may rely on it.

mod account;
mod address;
mod canonical;
mod counted;
mod damage;
pub(crate) mod digits;
mod escape;
mod event;
mod guard;
mod ids;
mod invalid;
mod keep_text;
mod limits;
mod names;
mod paths;
mod pick;
mod policy;
mod reference;
mod run;
mod schedule;
mod settings;
mod smtp;
mod snapshot;
mod state;
mod suspicion;
mod time;
mod transfer_list;
mod units;

pub use account::{Account, AccountName, ApiToken, TokenId, TokenScope, TokenScopes, UserId};
pub use address::{Address, ProxyJump, UserName};
pub use canonical::{Fingerprint, ListFingerprint, Written, canonical_json};
pub use counted::counted;
pub use damage::ProblemKind;
pub use escape::visible;
pub use event::{Event, EventKind, RunCause, Topic};
pub use guard::Guard;
pub use ids::{
    DeliveryId, EventId, Fence, HostId, Lineage, PlanId, RootId, RunId, Serial, SnapshotId,
};
pub use invalid::Invalid;
pub use limits::{Excess, Limits};
pub use names::{HostName, Label};
pub use paths::{AbsolutePath, ExcludePattern, HookName, SourcePath};
pub use pick::{SnapshotPick, Which};
pub use policy::{Count, Keep, Kinds, Policy, Rule};
pub use reference::{Lookup, Value, ValueError};
pub use run::{Run, RunKind, RunStatus};
pub use schedule::{CronText, Schedule};
pub use settings::{
    BUILT_IN_EXCLUDES, GlobalSettings, Hooks, HostSettings, Incremental, Notify, NotifyEvent,
    NotifyTarget, PruneSettings, RsyncSettings, SIZES, SecretText, ServerSettings, SshSettings,
    VerifySettings,
};
pub use smtp::{SmtpSettings, SmtpTls, is_this_machine};
pub use snapshot::{Hold, Snapshot, SnapshotKind, SnapshotName, SnapshotStatus};
pub use state::{ManagedBy, Pause, Retirement, SnapshotsOnRemoval, SqlGlobal, SqlHost, SqlState};
pub use suspicion::{Earlier, Pulled};
pub use time::{Timestamp, end_of_day};
pub use transfer_list::{
    DirIndex, OddList, TransferEntry, TransferKind, TransferList, TransferListBuilder,
};
pub use units::{ByteCount, CalendarSpan, Percent, Span};
