//! The command line.

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::core::model::{
    AbsolutePath, AccountName, Address, CalendarSpan, ExcludePattern, HostName, Kinds, Label,
    RunId, SourcePath, Span, Timestamp, TokenScope, UserName,
};
use crate::core::plan::Allow;

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
    /// The SQLite database [default: /var/lib/pobsync/pobsync.db for root, else the XDG state folder]
    #[arg(
        long,
        global = true,
        env = "POBSYNC_DATABASE",
        value_name = "PATH",
        help_heading = "Common options"
    )]
    pub(super) database: Option<Utf8PathBuf>,
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
    /// Take the suspect marks off a host's snapshots, so that unattended prunes go on
    Ack(HostArg),
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
pub(super) struct InitArgs {
    /// Where snapshots will be kept
    #[arg(long, value_name = "DIR")]
    pub(super) backup_root: Option<AbsolutePath>,
}

#[derive(Debug, Args)]
pub(super) struct FileArg {
    /// The configuration, instead of --file
    #[arg(value_name = "FILE")]
    pub(super) path: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct FmtArgs {
    /// The configuration, instead of --file; `-` lays out stdin to stdout
    #[arg(value_name = "FILE")]
    pub(super) path: Option<Utf8PathBuf>,
    /// Write nothing; print what would change, and fail if anything would
    #[arg(long)]
    pub(super) check: bool,
    /// Leave the included files alone
    #[arg(long)]
    pub(super) no_includes: bool,
}

#[derive(Debug, Args)]
pub(super) struct InventoryArgs {
    /// Write it here, readable by its owner alone, instead of to stdout
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct DriftArgs {
    #[command(flatten)]
    pub(super) file: FileArg,
    /// Only these hosts
    #[arg(long = "host", value_name = "HOST")]
    pub(super) hosts: Vec<HostName>,
    /// Write what drifted into the file, and hosts that no file manages if --host names them
    #[arg(long, conflicts_with = "detailed_exitcode")]
    pub(super) adopt: bool,
    /// End with 2 when something drifted
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Write it here instead of to stdout; a fleet too large for one file puts its hosts into `hosts/` beside it
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ImportLegacyArgs {
    /// Where the older service lives: the folder that holds config/global.yaml and config/hosts/
    #[arg(long, value_name = "DIR", default_value = "/opt/pobsync")]
    pub(super) prefix: Utf8PathBuf,
    /// Write a new KDL file instead of into the database
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ExportLegacyArgs {
    /// Below which folder config/global.yaml and config/hosts/ are written; files that are there are never replaced
    #[arg(long, value_name = "DIR")]
    pub(super) prefix: Utf8PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct AdoptRootArgs {
    /// Do not ask; needed where there is no terminal
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Vouch for the present time, so that unattended prunes go on after the machine was off or its clock was wrong
    #[arg(long)]
    pub(super) clock_is_right: bool,
}

#[derive(Debug, Args)]
pub(super) struct HostArg {
    /// The host
    pub(super) host: HostName,
}

#[derive(Debug, Args)]
pub(super) struct ShowPlanArg {
    /// The saved plan, or the number that `plans` shows
    #[arg(value_name = "PLAN|N")]
    pub(super) path: Utf8PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct SavedPlanArg {
    /// The saved plan
    #[arg(value_name = "PLAN")]
    pub(super) path: Utf8PathBuf,
}

/// What a plan is about.
#[derive(Debug, Clone, Args)]
pub(super) struct SelectionArgs {
    /// Only these hosts; the plan says that it is partial
    #[arg(long = "host", value_name = "HOST")]
    pub(super) hosts: Vec<HostName>,
    /// Only snapshots of this kind: scheduled, manual or all
    #[arg(long, value_name = "KIND")]
    pub(super) kind: Option<Kinds>,
}

/// The server that is asked.
#[derive(Debug, Default, Args)]
pub(super) struct ServerArgs {
    /// Ask the running `serve` at this URL instead of the database, with the token in POBSYNC_TOKEN
    #[arg(long, value_name = "URL")]
    pub(super) server: Option<String>,
    /// Read the token from the first line of this file
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(super) token_file: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) file: FileArg,
    #[command(flatten)]
    pub(super) server: ServerArgs,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// Save the plan, to be reviewed and applied as it is
    #[arg(long, value_name = "PLAN")]
    pub(super) out: Option<Utf8PathBuf>,
    /// Write the plan as JSON beside what is printed
    #[arg(long, value_name = "FILE")]
    pub(super) json_into: Option<Utf8PathBuf>,
    /// Write the plan as Markdown for a merge request beside what is printed, at most 60,000 bytes
    #[arg(long, value_name = "FILE")]
    pub(super) markdown_into: Option<Utf8PathBuf>,
    /// Write the plan as an HTML page beside what is printed
    #[arg(long, value_name = "FILE")]
    pub(super) html_into: Option<Utf8PathBuf>,
    /// Compare with another version of the file, or a git revision of it, instead of with what is in force
    #[arg(long, value_name = "FILE|REV", conflicts_with_all = ["out", "server"])]
    pub(super) base: Option<String>,
    /// Plan from an inventory instead of the database
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    pub(super) inventory: Option<Utf8PathBuf>,
    /// End with 2 for changes and 3 for changes that delete snapshots
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
    /// Plan for another moment, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(super) as_of: Option<Timestamp>,
    /// Lift a limit, as its refusal names it
    #[arg(long, value_name = "WHAT", conflicts_with = "server")]
    pub(super) allow: Vec<Allow>,
}

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// The configuration or a saved plan, instead of --file
    #[arg(value_name = "FILE|PLAN")]
    pub(super) path: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub(super) server: ServerArgs,
    /// Do not ask; needed where there is no terminal
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
    /// Delete the snapshots that the plan lists
    #[arg(long)]
    pub(super) prune: bool,
    /// At most this many deletions a host, instead of the guard's max-delete
    #[arg(long, value_name = "N", requires = "prune")]
    pub(super) max_delete: Option<u32>,
    /// Apply only if the plan has this fingerprint
    #[arg(long, value_name = "FINGERPRINT")]
    pub(super) expect: Option<String>,
    /// Lift a limit, as its refusal names it
    #[arg(long, value_name = "WHAT")]
    pub(super) allow: Vec<Allow>,
}

impl ApplyArgs {
    /// An apply without anybody at hand: it deletes nothing and lifts no limit.
    pub(super) const fn unattended() -> Self {
        Self {
            path: None,
            server: ServerArgs {
                server: None,
                token_file: None,
            },
            yes: true,
            prune: false,
            max_delete: None,
            expect: None,
            allow: Vec::new(),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    pub(super) file: FileArg,
    /// Apply each change, as `apply --yes` does: within the limits, and without deleting a snapshot
    #[arg(long)]
    pub(super) apply: bool,
}

#[derive(Debug, Args)]
pub(super) struct ConfigureGlobalArgs {
    /// Where snapshots are kept
    #[arg(long, value_name = "DIR")]
    pub(super) backup_root: Option<AbsolutePath>,
    /// How many transfers run at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(super) max_concurrent: Option<u32>,
    /// At most this many deletions a host and run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(super) max_delete: Option<u32>,
}

#[derive(Debug, Args)]
pub(super) struct ConfigureHostArgs {
    /// The host
    pub(super) host: HostName,
    /// Its IP address or DNS name, or `local`
    #[arg(long)]
    pub(super) address: Option<Address>,
    /// A path to back up; given once or more, these replace the host's sources [default for a new host: /]
    #[arg(long = "source", value_name = "PATH")]
    pub(super) sources: Vec<SourcePath>,
    /// A pattern to leave out; given once or more, these replace the host's own excludes
    #[arg(long = "exclude", value_name = "PATTERN")]
    pub(super) excludes: Vec<ExcludePattern>,
    /// What is kept, as the file writes it: "daily=7 weekly=4"
    #[arg(long, value_name = "RULES")]
    pub(super) keep: Option<String>,
    /// The ssh user
    #[arg(long)]
    pub(super) user: Option<UserName>,
    /// The ssh port
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Option<u16>,
    /// The ssh private key
    #[arg(long, value_name = "FILE")]
    pub(super) identity: Option<AbsolutePath>,
    /// The file of known host keys
    #[arg(long, value_name = "FILE")]
    pub(super) known_hosts: Option<AbsolutePath>,
    /// Pause or resume it
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
    pub(super) enabled: Option<bool>,
}

#[derive(Debug, Args)]
pub(super) struct ScheduleArgs {
    /// The host
    pub(super) host: HostName,
    /// When it is backed up: five crontab fields, or @daily and its kin
    #[arg(long, value_name = "LINE", required_unless_present = "none")]
    pub(super) cron: Option<String>,
    /// Prune through the gate after each backup
    #[arg(long)]
    pub(super) prune: bool,
    /// Put starts off by a stable part of this
    #[arg(long, value_name = "DURATION")]
    pub(super) jitter: Option<Span>,
    /// Take every schedule of the host away
    #[arg(long, conflicts_with_all = ["cron", "prune", "jitter"])]
    pub(super) none: bool,
}

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The hosts
    #[arg(required = true, value_name = "HOST")]
    pub(super) hosts: Vec<HostName>,
    /// Record the snapshots as scheduled instead of manual
    #[arg(long)]
    pub(super) scheduled: bool,
    /// Prune through the gate after each successful backup
    #[arg(long)]
    pub(super) prune: bool,
    /// Print the exact argument vector and do nothing
    #[arg(long, conflicts_with = "prune")]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("how").required(true).args(["once", "go_on", "list"]))]
pub(super) struct SchedulerArgs {
    /// Back up what is due now, and end
    #[arg(long)]
    pub(super) once: bool,
    /// Go on until a signal asks for an end
    #[arg(long = "loop")]
    pub(super) go_on: bool,
    /// List the next runs, the first ten unless said otherwise
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10")]
    pub(super) list: Option<usize>,
    /// How often the database is looked at, in seconds or as a duration
    #[arg(long, value_name = "DURATION", default_value = "60", value_parser = seconds, requires = "go_on")]
    pub(super) interval: Span,
    /// How long running transfers may go on when a signal asks for an end; what is cut off is linked against by the next pull
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = seconds, conflicts_with = "list")]
    pub(super) grace: Span,
}

/// Seconds, or a duration with its unit.
fn seconds(text: &str) -> Result<Span, crate::core::model::Invalid> {
    match text.parse() {
        Ok(seconds) => Ok(Span::from_seconds(seconds)),
        Err(_) => text.parse(),
    }
}

#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    /// The host
    pub(super) host: HostName,
    /// Why
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) reason: String,
}

#[derive(Debug, Args)]
pub(super) struct RunArg {
    /// The run, as `runs` lists it
    #[arg(value_parser = run_id)]
    pub(super) run: RunId,
}

fn run_id(text: &str) -> Result<RunId, std::num::ParseIntError> {
    text.parse().map(RunId)
}

#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// A host, for its last backup, or a run
    #[arg(value_name = "HOST|RUN")]
    pub(super) of: String,
    /// Go on until the run has ended
    #[arg(long)]
    pub(super) follow: bool,
}

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    override_usage = "pobsync retention [OPTIONS] HOST\n       pobsync retention simulate [OPTIONS] HOST"
)]
pub(super) struct RetentionVerb {
    #[command(subcommand)]
    pub(super) what: Option<RetentionCommand>,
    #[command(flatten)]
    pub(super) plan: Option<RetentionArgs>,
}

/// One host's plan, and what is to be done with it.
#[derive(Debug, Args)]
pub(super) struct RetentionArgs {
    /// The host; one that is called `simulate` comes after `--`
    pub(super) host: HostName,
    /// Only snapshots of this kind: scheduled, manual or all
    #[arg(long, value_name = "KIND")]
    pub(super) kind: Option<Kinds>,
    /// Delete what the plan lists
    #[arg(long, conflicts_with = "approve")]
    pub(super) apply: bool,
    /// Approve the policy in force, so that unattended prunes may follow it
    #[arg(long)]
    pub(super) approve: bool,
    /// Do not ask; needed where there is no terminal
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
    /// At most this many deletions, instead of the guard's max-delete
    #[arg(long, value_name = "N", requires = "apply")]
    pub(super) max_delete: Option<u32>,
    /// Delete only what this saved plan listed too
    #[arg(long, value_name = "PLAN", requires = "apply")]
    pub(super) plan: Option<Utf8PathBuf>,
    /// Save the plan
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["apply", "approve"])]
    pub(super) out: Option<Utf8PathBuf>,
}

/// What is asked about retention beside one host's plan.
#[derive(Debug, Subcommand)]
pub(super) enum RetentionCommand {
    /// Show which snapshots a policy would keep over the coming year; reads only
    Simulate(SimulateArgs),
}

#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// The host
    pub(super) host: HostName,
    /// Simulate this instead of the host's own: a policy that the file names, or rules such as "daily=7 weekly=4"
    #[arg(long, value_name = "NAME|RULES")]
    pub(super) policy: Option<String>,
    /// Simulate this policy too, and put both beside each other
    #[arg(long, value_name = "NAME|RULES")]
    pub(super) compare: Option<String>,
    /// How far to look ahead: years, months, days and hours, such as 1y6m
    #[arg(long, value_name = "SPAN", default_value = "1y")]
    pub(super) horizon: CalendarSpan,
    /// The host's policy and schedules as the file has them, not as they are in force
    #[arg(long)]
    pub(super) from_file: bool,
    /// A backup each time this has passed, instead of the host's schedules
    #[arg(long, value_name = "DURATION", conflicts_with = "cron")]
    pub(super) every: Option<Span>,
    /// Backups by this crontab line, instead of the host's schedules
    #[arg(long, value_name = "LINE")]
    pub(super) cron: Option<String>,
    /// Read the snapshots from an inventory instead of the database
    #[arg(long, value_name = "FILE")]
    pub(super) inventory: Option<Utf8PathBuf>,
    /// Begin at another moment, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(super) as_of: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(super) struct DiscoverArgs {
    /// Only this host
    #[arg(long)]
    pub(super) host: Option<HostName>,
}

#[derive(Debug, Args)]
pub(super) struct HoldArgs {
    /// The host
    pub(super) host: HostName,
    /// The snapshot
    pub(super) snapshot: String,
    /// Why
    #[arg(long)]
    pub(super) reason: String,
    /// When the pin ends by itself, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(super) struct UnholdArgs {
    /// The host
    pub(super) host: HostName,
    /// The snapshot
    pub(super) snapshot: String,
}

#[derive(Debug, Args)]
pub(super) struct SnapshotsArgs {
    /// Only this host
    pub(super) host: Option<HostName>,
    /// Deleted and missing ones too
    #[arg(long)]
    pub(super) all: bool,
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

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    pub(super) listen: std::net::SocketAddr,
    /// The origin that browsers use, where a reverse proxy with TLS stands in front
    #[arg(long, value_name = "URL", env = "POBSYNC_PUBLIC_URL")]
    pub(super) public_url: Option<String>,
    /// The certificate chain, PEM; SIGHUP reads it again
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_certificate: Option<Utf8PathBuf>,
    /// The private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(super) tls_key: Option<Utf8PathBuf>,
    /// A reverse proxy whose X-Forwarded-For is believed; several times for several
    #[arg(long = "proxy", value_name = "IP")]
    pub(super) proxies: Vec<std::net::IpAddr>,
    /// The time zone of the pages [default: the one that most hosts have]
    #[arg(long, value_name = "ZONE")]
    pub(super) timezone: Option<chrono_tz::Tz>,
}

#[derive(Debug, Args)]
pub(super) struct AccountArgs {
    /// The name of the account
    pub(super) name: AccountName,
    /// Read the password from the first line of this file instead of asking; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<Utf8PathBuf>,
}

/// What is done with tokens.
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token and print it, once
    Create(TokenCreateArgs),
    /// List tokens, newest first
    List,
    /// Take a token back
    Revoke {
        /// Its number, from the list
        token: i64,
    },
}

#[derive(Debug, Args)]
pub(super) struct TokenCreateArgs {
    /// What it is for
    pub(super) name: Label,
    /// What it may be used for: read, plan, apply; several by commas
    #[arg(
        long = "scope",
        value_name = "SCOPE",
        value_delimiter = ',',
        required = true
    )]
    pub(super) scopes: Vec<TokenScope>,
    /// How long it lasts, for example 52w; for ever if absent
    #[arg(long, value_name = "DURATION")]
    pub(super) expires_in: Option<Span>,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// One line and the exit codes that Nagios and its kin want: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    #[arg(long)]
    pub(super) nagios: bool,
}

#[derive(Debug, Args)]
pub(super) struct NotifyArgs {
    #[command(subcommand)]
    pub(super) command: NotifyCommand,
}

/// What is done about notifications.
#[derive(Debug, Subcommand)]
pub(super) enum NotifyCommand {
    /// Send a test to every target of a receiver, or of all, and say what came of it
    Test {
        /// The receiver, as `notify` names it
        #[arg(value_name = "NAME")]
        receiver: Option<Label>,
    },
    /// List what has not been delivered, newest first
    List {
        /// Only to this receiver
        #[arg(long, value_name = "NAME")]
        receiver: Option<Label>,
        /// What has been delivered too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        limit: LimitArg,
    },
    /// Look for news and send what is due, as every tick of the scheduler does
    Send,
    /// Send everything undelivered now, what was given up too
    Retry {
        /// Only to this receiver
        #[arg(value_name = "NAME")]
        receiver: Option<Label>,
    },
    /// Take away what was given up
    Forget {
        /// Only to this receiver
        #[arg(value_name = "NAME")]
        receiver: Option<Label>,
    },
}

#[derive(Debug, Args)]
pub(super) struct TrustArgs {
    /// The host
    pub(super) host: HostName,
    /// Do not ask; only for machines whose key was checked in another way
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
}
