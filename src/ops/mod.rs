//! One use case a file: each orders the rooms above it, and none holds a policy of its own.

mod absent;
mod accounts;
mod apply;
mod aside;
mod attempt;
mod backup;
mod base;
mod ceiling;
mod check;
mod checkout;
mod clock;
mod configure;
mod context;
mod copy_database;
mod cut_off;
mod damage_notes;
mod database_copy;
mod database_server;
mod diff;
mod discover;
mod drift;
mod edit;
mod error;
mod export;
mod find;
mod fmt;
mod glance;
mod grip;
mod hold;
mod hooks;
mod init;
mod inventory;
mod legacy;
mod links;
mod load;
mod look;
mod lost_runs;
mod ls;
mod manifest;
mod metrics;
mod moved;
mod on_demand;
mod output_file;
mod password;
mod patience;
mod pick;
mod plan;
mod prune;
mod pull;
mod pulse;
mod reading_error;
mod reconcile;
mod recorded;
mod remote;
mod repair;
mod replace;
mod restore;
mod restore_damage;
mod restore_links;
mod restore_passes;
mod restore_room;
mod restored;
mod retention;
mod room;
mod root;
mod rows;
mod saved;
mod scheduler;
mod sent;
mod servers;
mod shelf;
mod simulate;
mod space;
mod stale;
mod status;
mod superseded;
mod tell;
mod transfers;
mod trash;
mod tree_paths;
mod trust;
mod upcoming;
mod usage;
mod verdict;
mod verify;
mod watch;
mod wishes;

pub use crate::disk::{Node, TreeKind, TreeName};
pub use crate::rsync::{Seen, Stop};
pub use accounts::{
    LogIn, SESSION_IDLE, SESSION_LENGTH, Session, create_account, create_token, expiry,
    is_password_of, is_token_of_staff, log_in, log_out, revoke_token, session, set_password,
    set_rights, token,
};
pub use apply::{apply, approves_nothing_new, expect_plan, records_nothing_new, to_be_applied};
pub use aside::free_aside;
pub use backup::{BackupReport, BackupRequest, backup, backup_line};
pub use base::{as_if_applied, load_base};
pub use check::{Finding, Level, check};
pub use clock::now;
pub use configure::{
    GlobalEdit, HostEdit, ScheduleEdit, configure_global, configure_host, schedule,
};
pub use context::{Context, Facts, default_database, hooks_folder, state_folder_of};
pub use copy_database::{DatabaseCopy, copy_database};
pub use cut_off::FinishedDeletion;
pub use damage_notes::note_damage;
pub use diff::{DiffRequest, DiffTotals, Difference, Differing, diff};
pub use discover::{HostDiscovery, discover};
pub use drift::{Adoption, adopt, find_drift};
pub use edit::{edit_global, edit_host, edit_schedule};
pub use error::Error;
pub use export::{Export, export, write_export};
pub use find::{FindKind, FindRequest, Finds, FoundPath, FoundVersion, find};
pub use fmt::{lay_out, lay_out_text, write_layout};
pub use glance::{Glance, glance};
pub use hold::{Held, HoldEnd, acknowledge, hold, unhold};
pub use init::init;
pub use inventory::{Inventory, inventory, read_inventory};
pub use legacy::{LegacyImport, export_legacy, import_legacy, legacy_as_kdl, load_legacy};
pub use load::{Configuration, desired_host, load, load_explained, load_remembering};
pub use look::{Taken, look_inside, taken};
pub use ls::{ListRequest, list};
pub use metrics::metrics;
pub use on_demand::{Begun, back_up_now, backup_wish};
pub use output_file::{FileKind, OutputFileError, check_targets, write_file, write_plan};
pub use plan::{Asked, VERSION, plan_desired, plan_in_force, plan_to_show};
pub use prune::{PruneReport, PruneRequest, prune};
pub use pull::dry_run;
pub use reading_error::ReadingError;
pub use recorded::{Recorded, recorded_plan};
pub use remote::Server;
pub use repair::{Disagreement, disagreements, repair};
pub use restore::{RestoreBegun, RestorePhase, RestoreReport, RestoreRequest, RestoreTo, restore};
pub use restore_damage::DamagedPath;
pub use restored::{Restored, StayReason, Staying};
pub use retention::{approve, listed_by_saved, plan_host};
pub use room::{RootRoom, root_room};
pub use root::{FoundRoot, adopt_root, root_to_adopt};
pub use rows::{
    DamageRow, HistoryRow, HoldRow, HostDetail, HostRow, Look, Looks, Page, Paging, PlanRow,
    RunRow, ScheduleRow, SnapshotRow, VerifiedRow, history_page, history_rows, host_detail,
    host_page, host_rows, plan_page, plan_rows, run_page, run_row, run_rows, snapshot_page,
    snapshot_rows,
};
pub use saved::{SavedPlanError, looks_like_a_plan, read_plan};
pub use scheduler::{Beat, Scheduler, SchedulerOptions, Waker};
pub use sent::{Applied, ApplyRequest, PlanRequest, Sent, apply_sent, load_to_send, plan_sent};
pub use servers::{ServerStatus, servers};
pub use shelf::{HostShelf, OnDisk, Shelf};
pub use simulate::{AskedSimulation, Instead, SimulationError, Subject, simulate};
pub use stale::{Staleness, saved_for_apply, staleness};
pub use status::{
    HostProblem, HostStatus, HostVerified, HostsFound, Status, find_hosts, host_status, status,
};
pub use tell::{Heard, Told, deliver_due, raise_events, tell, tell_test};
pub use tree_paths::bytes_shown;
pub use trust::{Offered, Step, offered_keys, test_host, trust};
pub use upcoming::{Upcoming, Why, next_of, upcoming};
pub use usage::{
    DiskUsage, LeftOutPlace, SnapshotUsage, UsageRequest, disk_usage, disk_usage_below,
};
pub use verify::{
    Damage, HostVerification, InSnapshot, Intact, SnapshotVerification, State, VerifyRequest,
    hosts_below, hosts_to_verify, verify, verify_below,
};
pub use watch::{Ender, News, Watch};
pub use wishes::{LogOf, LogTail, cancel, log_tail, pause, read_log, resume, run};

/// Names this process in rows.
fn process_name() -> String {
    crate::disk::ProcessName::of_this().to_string()
}

/// Six random bytes for the name of a snapshot.
fn random_bytes() -> Result<[u8; 6], Error> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes).map_err(|error| Error::Program {
        message: format!("the system gives no random bytes: {error}"),
        help: String::new(),
    })?;
    Ok(bytes)
}

/// An error and its causes as one sentence, for a row.
pub(crate) fn sentence(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}
