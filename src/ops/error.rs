//! What can go wrong with a use case, in words.

mod help;
mod outcome;

use crate::config;
use crate::core::model::{
    AbsolutePath, AccountName, ByteCount, Fingerprint, HostName, Invalid, Kinds, Label, Pause,
    SnapshotKind, SnapshotName, ValueError,
};
use crate::core::plan::{GateError, Outcome, Refusal};
use crate::core::retention::EmptyPolicy;
use crate::disk::DiskError;
use crate::store::{AddressError, StoreError};

use super::output_file::OutputFileError;
use super::reading_error::ReadingError;
use super::saved::SavedPlanError;
use super::simulate::SimulationError;

/// Everything a use case can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is not valid; the report has every mistake.
    #[error("the configuration is not valid")]
    Invalid(Box<config::Report>),
    /// A word of the command line is not a valid value.
    #[error(transparent)]
    Value(#[from] Invalid),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address of the database cannot be used.
    #[error("{0}")]
    DatabaseAddress(#[from] AddressError),
    /// The backup root.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A saved plan.
    #[error(transparent)]
    SavedPlan(#[from] SavedPlanError),
    /// What was printed did not get out.
    #[error("cannot write to stdout")]
    Stdout {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A form that only plans have.
    #[error("only a plan has the form {form}")]
    NotAPlanCommand {
        /// `markdown` or `html`.
        form: &'static str,
    },
    /// A file that a result was to go to.
    #[error(transparent)]
    OutputFile(#[from] OutputFileError),
    /// Looking into snapshots, and restoring from them.
    #[error(transparent)]
    Reading(#[from] ReadingError),
    /// A simulation that says nothing.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    /// A policy that keeps nothing has reached the planner.
    #[error(transparent)]
    EmptyPolicy(#[from] EmptyPolicy),
    /// A reference of the configuration.
    #[error("a setting of {host} cannot be used")]
    Reference {
        /// The host.
        host: HostName,
        /// Why.
        #[source]
        source: ValueError,
    },
    /// The gate stays shut.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Guards stand against an apply.
    #[error("{} refusals stand against it", refusals.len())]
    Refused {
        /// Each of them.
        refusals: Vec<Refusal>,
    },
    /// A saved plan no longer fits.
    #[error("the plan is stale, and nothing was done")]
    Stale {
        /// What moved, a line each.
        moved: Vec<String>,
    },
    /// The plan was applied already.
    #[error("this plan was applied already, as plan {plan} at {at}")]
    AppliedAlready {
        /// Its row.
        plan: crate::core::model::PlanId,
        /// When.
        at: crate::core::model::Timestamp,
    },
    /// The plan has another fingerprint than was said.
    #[error("the plan has fingerprint {actual}, not {expected}")]
    NotTheExpectedPlan {
        /// What was said.
        expected: Fingerprint,
        /// What it is.
        actual: Fingerprint,
    },
    /// A saved plan and options that would make another one.
    #[error("a saved plan is applied as it is: it takes no --allow and no --max-delete")]
    PlanWithOptions,
    /// A saved plan without the state that an apply needs.
    #[error("this plan is about retention alone; it changes no configuration")]
    PlanWithoutState,
    /// A saved plan that shows a part of what an apply would approve.
    #[error(
        "this plan shows {kinds} snapshots alone, and an apply approves policies for all their kinds"
    )]
    PlanOfKinds {
        /// Those kinds.
        kinds: Kinds,
    },
    /// A saved plan that does not speak of the host.
    #[error("the saved plan does not speak of {host}")]
    NotInPlan {
        /// The host.
        host: HostName,
    },
    /// Another run holds the host.
    #[error("{host} is held by {holder}")]
    Locked {
        /// The host.
        host: HostName,
        /// Who holds it.
        holder: String,
    },
    /// Another run is at work on the host.
    #[error("run {run} is at work on {host}")]
    AtWork {
        /// The host.
        host: HostName,
        /// The run.
        run: crate::core::model::RunId,
    },
    /// As many backups run as may at once.
    #[error("{limit} backups run, which is as many as may at once")]
    EnoughAtWork {
        /// `max-concurrent`.
        limit: u32,
    },
    /// There is no such run.
    #[error("there is no run {run}")]
    UnknownRun {
        /// What was asked for.
        run: crate::core::model::RunId,
    },
    /// There is no such host.
    #[error("there is no host called {name}")]
    UnknownHost {
        /// What was asked for.
        name: HostName,
        /// The name most like it.
        nearest: Option<HostName>,
    },
    /// There is no such recorded plan.
    #[error("there is no recorded plan {plan}")]
    UnknownPlan {
        /// What was asked for.
        plan: crate::core::model::PlanId,
    },
    /// There is nobody to tell.
    #[error("{}", no_receiver(name.as_ref()))]
    NoReceiver {
        /// Who was asked for.
        name: Option<Label>,
    },
    /// There is no such snapshot.
    #[error("{host} has no snapshot {name}")]
    UnknownSnapshot {
        /// The host.
        host: HostName,
        /// What was asked for.
        name: SnapshotName,
    },
    /// The host has left.
    #[error("{host} has retired: it has no more runs")]
    Retired {
        /// The host.
        host: HostName,
    },
    /// A run whose log is gone.
    #[error("the log of run {run} is gone with its snapshot")]
    NoLog {
        /// The run.
        run: crate::core::model::RunId,
    },
    /// A host that was never backed up.
    #[error("{host} was never backed up")]
    NoRuns {
        /// The host.
        host: HostName,
    },
    /// The host is paused.
    #[error("{host} is paused{}", pause.as_ref().map(pause_text).unwrap_or_default())]
    Paused {
        /// The host.
        host: HostName,
        /// Who paused it, unless its configuration does.
        pause: Option<Pause>,
    },
    /// A new host without an address.
    #[error("{host} is new and needs an address")]
    NeedsAddress {
        /// The host.
        host: HostName,
    },
    /// There is nothing to approve.
    #[error("{host} has no retention policy: it keeps everything")]
    NoPolicy {
        /// The host.
        host: HostName,
    },
    /// A selection that is wider than the policy.
    #[error(
        "the policy of {host} is about {allowed} snapshots; --kind {asked} can only narrow that when something is deleted"
    )]
    KindsOutsidePolicy {
        /// The host.
        host: HostName,
        /// What was asked for.
        asked: Kinds,
        /// What the policy is about.
        allowed: Kinds,
    },
    /// No root was set.
    #[error("no backup root is set")]
    NoBackupRoot,
    /// `/` as root.
    #[error("`/` cannot be the backup root")]
    RootIsSlash,
    /// The root has snapshots and would move.
    #[error("the backup root {old}{} is in use, and {} is not the same root", of_server(.server.as_ref()), .new.as_ref().map_or("nothing", AbsolutePath::as_str))]
    RootInUse {
        /// The server that it belongs to; a lone one needs no name.
        server: Option<Label>,
        /// The root in use.
        old: AbsolutePath,
        /// What was asked for.
        new: Option<AbsolutePath>,
    },
    /// Too little is free on the root.
    #[error(
        "only {free}% of the {what} of {root} are free, and a run starts with at least {limit}"
    )]
    TooFull {
        /// `bytes` or `inodes`.
        what: &'static str,
        /// The root.
        root: AbsolutePath,
        /// What is free.
        free: u8,
        /// The limit.
        limit: crate::core::model::Percent,
    },
    /// The snapshots of a host take more than they may.
    #[error(
        "over `quota`: the snapshots of {host} take {held} on disk, and a run starts with at most {quota}"
    )]
    OverQuota {
        /// The host.
        host: HostName,
        /// What they take.
        held: ByteCount,
        /// What they may take.
        quota: ByteCount,
    },
    /// A snapshot that a plan keeps is not on disk as it should be.
    #[error("the {kind} snapshot {name} of {host} should stay, but {problem}; nothing was deleted")]
    KeptIsNotWhole {
        /// The host.
        host: HostName,
        /// Its kind.
        kind: SnapshotKind,
        /// Its name.
        name: SnapshotName,
        /// What is wrong with it.
        problem: String,
    },
    /// The person said no.
    #[error("{what}")]
    NotConfirmed {
        /// What was not done.
        what: &'static str,
    },
    /// There is no terminal to ask on.
    #[error("{what}: there is no terminal to ask on")]
    NobodyToAsk {
        /// What was not done.
        what: &'static str,
    },
    /// A file could not be written.
    #[error("cannot {doing} {path}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is no longer what was read.
    #[error("{path} was changed meanwhile; it stays as it is")]
    ChangedMeanwhile {
        /// The file.
        path: String,
    },
    /// A file is there already.
    #[error("{path} is there already")]
    Exists {
        /// The file.
        path: String,
    },
    /// A program that is needed could not be run, or failed.
    #[error("{message}")]
    Program {
        /// What happened.
        message: String,
        /// What to do.
        help: String,
    },
    /// There is no such version to compare with.
    #[error("{base} is no version of the configuration to compare with: {why}")]
    NoBase {
        /// What was named.
        base: String,
        /// Why it is none.
        why: String,
    },
    /// A password that is none.
    #[error("the password cannot be taken: {problem}")]
    Password {
        /// What is wrong with it.
        problem: String,
    },
    /// There is no such account.
    #[error("there is no account called {name}")]
    UnknownAccount {
        /// What was asked for.
        name: AccountName,
    },
    /// The files of the older service.
    #[error(transparent)]
    LegacyFolder(#[from] config::LegacyFolderError),
    /// The files of the older service hold mistakes.
    #[error("the files of the older service hold mistakes, and nothing was imported")]
    LegacyMistakes {
        /// Each of them, a line each.
        mistakes: Vec<String>,
    },
    /// SQL holds what no file can say.
    #[error("the database holds settings that no file can ask for, and nothing was written")]
    NotExportable {
        /// Each of them, a line each.
        settings: Vec<String>,
    },
    /// A file cannot be made to say what was asked for.
    #[error("the file was not edited")]
    NotEditable {
        /// What stands in the way, a line each.
        settings: Vec<String>,
    },
    /// The export does not fit into one file.
    #[error("the export is larger than one file may be (4 MiB)")]
    ExportTooLarge,
    /// Files that cannot be sent, or were sent and are no configuration.
    #[error("this is no configuration that can be sent: {problem}")]
    NotSendable {
        /// Why.
        problem: String,
    },
    /// A configuration that was sent points at what nobody has chosen on the server.
    #[error(
        "a configuration that is sent holds references that are not in force at the same setting"
    )]
    NewReferences {
        /// Each setting and its reference, a line each.
        places: Vec<String>,
    },
    /// The server that was asked is not reached.
    #[error("{server}: {problem}")]
    ServerUnreachable {
        /// Its address.
        server: String,
        /// Why.
        problem: String,
    },
    /// The server that was asked says no.
    #[error("{message}")]
    ServerSays {
        /// What it says.
        message: String,
        /// How the command ends.
        outcome: Outcome,
        /// Further lines.
        details: Vec<String>,
        /// What to do.
        help: Option<String>,
    },
    /// The address of a server cannot be used.
    #[error("{server} is no server that can be asked: {problem}")]
    ServerAddress {
        /// The address.
        server: String,
        /// Why.
        problem: &'static str,
    },
    /// There is no token to ask a server with.
    #[error("a server is asked with a token, and there is none")]
    NoToken,
    /// An option that a server does not take.
    #[error("a server takes no {option}")]
    NotForServer {
        /// The option.
        option: &'static str,
    },
    /// There are several servers, and nobody said which this is.
    #[error("there are several servers, and which one this is has not been said: {}", listed(.servers))]
    WhichServer {
        /// Their names.
        servers: Vec<Label>,
    },
    /// No server has this name.
    #[error("there is no server called {name}: {}", listed(.servers))]
    UnknownServer {
        /// The name.
        name: Label,
        /// Those there are.
        servers: Vec<Label>,
    },
    /// The server has a root of its own.
    #[error("the backup root of server {server} is {own}, as its `server` node says")]
    RootOfServer {
        /// The server.
        server: Label,
        /// Its root.
        own: AbsolutePath,
    },
    /// What lies at the path of this server's root is the root of another one.
    #[error("the backup root at {path} is that of server {owner}{}", .server.as_ref().map_or_else(String::new, |name| format!(", and this is {name}")))]
    RootOfOther {
        /// Where it is.
        path: AbsolutePath,
        /// Whose it is.
        owner: Label,
        /// The server that this is said to be.
        server: Option<Label>,
    },
    /// The host belongs to another server.
    #[error("host {host} belongs to server {server}")]
    OtherServer {
        /// The host.
        host: HostName,
        /// Its server.
        server: Label,
    },
    /// The snapshot is on the root of another server.
    #[error("snapshot {name} of {host} is on server {server}")]
    SnapshotElsewhere {
        /// The host.
        host: HostName,
        /// The snapshot.
        name: SnapshotName,
        /// The server that has it.
        server: Label,
    },
    /// A value could not be written as JSON.
    #[error("cannot write JSON")]
    Json(#[source] serde_json::Error),
}

fn of_server(server: Option<&Label>) -> String {
    server.map_or_else(String::new, |name| format!(" of server {name}"))
}

fn listed(servers: &[Label]) -> String {
    if servers.is_empty() {
        return "the configuration in force has none".to_owned();
    }
    let names: Vec<&str> = servers.iter().map(Label::as_str).collect();
    format!("there are {}", names.join(", "))
}

fn no_receiver(name: Option<&Label>) -> String {
    match name {
        Some(name) => format!("there is no `notify {name}` in force"),
        None => "nobody is told of anything: no `notify` is in force".to_owned(),
    }
}

impl Error {
    /// The refusals it carries.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        match self {
            Self::Refused { refusals } | Self::Gate(GateError::Refused { refusals }) => refusals,
            _ => &[],
        }
    }

    /// Further lines that belong to the message.
    #[must_use]
    pub fn details(&self) -> &[String] {
        match self {
            Self::Stale { moved } => moved,
            Self::Reading(error) => error.details(),
            Self::NewReferences { places } => places,
            Self::ServerSays { details, .. } => details,
            Self::NotExportable { settings } | Self::NotEditable { settings } => settings,
            Self::LegacyMistakes { mistakes } => mistakes,
            _ => &[],
        }
    }
}

fn pause_text(pause: &Pause) -> String {
    let reason = if pause.reason.is_empty() {
        String::new()
    } else {
        format!(": {}", pause.reason)
    };
    format!(" since {} by {}{reason}", pause.at, pause.by)
}
