//! The command line: what all verbs share, and each verb by its name.

mod backups;
mod configuration;
mod plans;
mod reading;
mod retention;
mod service;
mod snapshots;
mod subject;
mod usage;
mod verify;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::core::model::{HostName, Label};

pub(super) use backups::{BackupArgs, LogsArgs, PauseArgs, RunArg, SchedulerArgs};
pub(super) use configuration::{
    ConfigureGlobalArgs, ConfigureHostArgs, DriftArgs, ExportArgs, ExportLegacyArgs, FmtArgs,
    ImportLegacyArgs, InitArgs, ScheduleArgs,
};
pub(super) use plans::{
    ApplyArgs, InventoryArgs, PlanArgs, SavedPlanArg, ServerArgs, ShowPlanArg, WatchArgs,
};
pub(super) use reading::{DiffArgs, FindArgs, FindType, LsArgs, RestoreArgs, RootArg};
pub(super) use retention::{RetentionArgs, RetentionCommand, RetentionVerb, SimulateArgs};
pub(super) use service::{
    AccountArgs, AdoptRootArgs, CheckArgs, CopyDatabaseArgs, NotifyArgs, NotifyCommand, ServeArgs,
    StatusArgs, TokenCommand, TokenCreateArgs, TrustArgs,
};
pub(super) use snapshots::{DiscoverArgs, HoldArgs, SnapshotsArgs, UnholdArgs};
pub(super) use usage::DuArgs;
pub(super) use verify::VerifyArgs;

/// Pull-based backups over rsync and SSH, whose retention is planned, reviewed and approved before anything is pruned.
///
/// A KDL file says what is backed up, when, and how long it is kept. `plan` shows what would change and which
/// snapshots would go; `apply` makes it so; nothing is deleted that no plan has listed.
#[derive(Debug, Parser)]
#[command(
    name = "pobsync",
    version,
    propagate_version = true,
    max_term_width = 110
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub(super) struct Common {
    /// The configuration [default: pobsync.kdl here, else /etc/pobsync/pobsync.kdl]
    #[arg(
        short,
        long,
        global = true,
        env = "POBSYNC_FILE",
        value_name = "FILE",
        help_heading = "Common options"
    )]
    pub(super) file: Option<Utf8PathBuf>,
    /// The configuration is named on the command line itself, and not by the environment.
    #[arg(skip)]
    pub(super) names_file: bool,
    /// A SQLite file, or mysql://USER@HOST/NAME of a MariaDB server [default: /var/lib/pobsync/pobsync.db for root, else the
    /// XDG state folder]
    #[arg(
        long,
        global = true,
        env = "POBSYNC_DATABASE",
        hide_env_values = true,
        value_name = "PATH|URL",
        help_heading = "Common options"
    )]
    pub(super) database: Option<DatabaseArg>,
    /// The server that this process works for, where several share the database
    // Its own id: `plan` and `apply` have a `server`, too, and clap takes two of one id for one.
    #[arg(
        id = "as",
        long = "as",
        global = true,
        env = "POBSYNC_SERVER",
        value_name = "SERVER",
        help_heading = "Common options"
    )]
    pub(super) server: Option<Label>,
    /// Seconds after its last sign of life for which a host stays with the process that works on it. Too short a time ends
    /// work that only stood still; it deletes nothing.
    #[arg(long, global = true, env = "POBSYNC_LEASE", value_name = "SECONDS", hide = true, value_parser = clap::value_parser!(u64).range(2..=3600))]
    pub(super) lease: Option<u64>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, help_heading = "Common options")]
    pub(super) format: Format,
    /// Whether colours are used; NO_COLOR turns `auto` off
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN", help_heading = "Common options")]
    pub(super) color: Color,
    /// Say only what is asked for and what goes wrong
    #[arg(short, long, global = true, help_heading = "Common options")]
    pub(super) quiet: bool,
    /// Say more; twice for what is of use in a bug report
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Common options")]
    pub(super) verbose: u8,
}

/// Where the database is, as it was written: a password may stand in it, so it is never shown.
#[derive(Clone)]
pub(super) struct DatabaseArg(pub(super) String);

impl From<String> for DatabaseArg {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for DatabaseArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the database")
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For merge requests; plans alone
    Markdown,
    /// A page that stands by itself; plans alone
    Html,
}

/// Whether colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a commented starter file, and take a database and a backup root into use
    Init(InitArgs),
    /// Check the configuration, without a database
    Validate(FileArg),
    /// Lay out the configuration and what it includes; says which files changed
    Fmt(FmtArgs),
    /// Print every effective setting of a host and the line that set it, without a database
    Show(HostArg),
    /// Print what applying the file would change, and which snapshots stay and go
    Plan(PlanArgs),
    /// Print a saved plan, stale or not, or a recorded one by its number
    ShowPlan(ShowPlanArg),
    /// Say whether a saved plan is still current; fails with 11 when it is stale
    CheckPlan(SavedPlanArg),
    /// Make the database match the file or a saved plan, and approve its retention policies
    Apply(ApplyArgs),
    /// Plan again, or apply, whenever the file or an include changes, until a signal ends it
    Watch(WatchArgs),
    /// What changed in the database by another way than an apply: who, when, and what the file says
    Drift(DriftArgs),
    /// Set the settings of the whole service without a file; with --file, in the file
    ConfigureGlobal(ConfigureGlobalArgs),
    /// Add or change one host without a file; with --file, in the file
    ConfigureHost(ConfigureHostArgs),
    /// Set when a host is backed up, without a file; with --file, in the file
    Schedule(ScheduleArgs),
    /// Back up hosts now
    Backup(BackupArgs),
    /// Back up every host when its schedule says so
    Scheduler(SchedulerArgs),
    /// Keep a host from running and from being pruned for the time being; its configuration stays as it is
    Pause(PauseArgs),
    /// End the pause of a host
    Resume(HostArg),
    /// Ask a run to stop, whatever process works on it
    Cancel(RunArg),
    /// Print what rsync said
    Logs(LogsArgs),
    /// Print, approve or carry out the retention plan of one host
    Retention(RetentionVerb),
    /// Write everything a plan is made from, so that CI can plan without the database
    Inventory(InventoryArgs),
    /// Write what the database holds as the KDL file that asks for it
    Export(ExportArgs),
    /// Read the YAML of the older service into the database, or with --out into KDL; changes nothing it reads
    ImportLegacy(ImportLegacyArgs),
    /// Write what the database holds as YAML of the older service
    ExportLegacy(ExportLegacyArgs),
    /// Record the snapshots that are on disk; deletes nothing
    DiscoverSnapshots(DiscoverArgs),
    /// Pin a snapshot, so that no prune deletes it
    Hold(HoldArgs),
    /// Take the pin off a snapshot
    Unhold(UnholdArgs),
    /// List what is in a snapshot
    Ls(LsArgs),
    /// Look for a file in every snapshot of a host: in which it is, in which versions, and when it was last there
    Find(FindArgs),
    /// Compare two snapshots: what was added, removed and changed
    Diff(DiffArgs),
    /// Bring files and directories back, with everything they had; never over what is there unless told to
    Restore(RestoreArgs),
    /// Take the suspect marks off a host's snapshots, so that unattended prunes go on
    Ack(HostArg),
    /// Copy everything in one database into another, empty one, SQLite or MariaDB, and compare the two
    CopyDatabase(CopyDatabaseArgs),
    /// Give the backup root to this database, after its own was lost or the disk moved
    AdoptRoot(AdoptRootArgs),
    /// List hosts
    Hosts,
    /// List snapshots
    Snapshots(SnapshotsArgs),
    /// List runs, newest first
    Runs(ListArgs),
    /// List recorded plans, newest first
    Plans(LimitArg),
    /// List configuration changes: who, when, what
    History(LimitArg),
    /// Tell in one screen how the backups are; fails when something needs attention
    Status(StatusArgs),
    /// Try, list and send what people are told
    Notify(NotifyArgs),
    /// Look for what is wrong with this installation
    Check(CheckArgs),
    /// Fetch a host's ssh key, show its fingerprint, and trust it once confirmed
    Trust(TrustArgs),
    /// Try a host: ssh, its key, rsync there, and its sources
    Test(HostArg),
    /// What the snapshots of a host take on disk: each alone, and what deleting some of them frees
    Du(DuArgs),
    /// Look whether snapshots still hold what they held when they were made; fails when one does not
    Verify(VerifyArgs),
    /// Serve the staff-only web pages and the JSON API
    Serve(ServeArgs),
    /// Make an account that may see the web pages and manage accounts and tokens
    CreateSuperuser(AccountArgs),
    /// Make an account that may see the web pages
    CreateStaff(AccountArgs),
    /// Set the password of an account, and log it out everywhere
    SetPassword(AccountArgs),
    /// Make, list and take back the tokens that programs use with the JSON API
    #[command(subcommand)]
    Token(TokenCommand),
    /// Write a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the manual page
    Man,
}

#[derive(Debug, Args)]
pub(super) struct FileArg {
    /// The configuration, instead of --file
    #[arg(value_name = "FILE")]
    pub(super) path: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct HostArg {
    /// The host
    pub(super) host: HostName,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only this host
    #[arg(long)]
    pub(super) host: Option<HostName>,
    #[command(flatten)]
    pub(super) limit: LimitArg,
}

#[derive(Debug, Args)]
pub(super) struct LimitArg {
    /// At most this many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    pub(super) limit: usize,
}
