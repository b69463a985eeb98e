//! One verb a file: arguments in, a use case called, its outcome printed. One table from outcome to exit code.

mod accounts;
mod apply;
mod args;
mod backup;
mod configure;
mod copy_database;
mod diff;
mod document;
mod drift;
mod du;
mod export;
mod find;
mod fmt;
mod hold;
mod init;
mod legacy;
mod lists;
mod ls;
mod nodes;
mod notify;
mod output;
mod plan;
mod prune;
mod remote;
mod repair;
mod report;
mod restore;
mod retention;
mod scheduler;
mod serve;
mod show;
mod signals;
mod simulate;
mod status;
mod stream;
mod trust;
mod validate;
mod verify;
mod watch;
mod wishes;

use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _};

use args::{Cli, Command, Common, RetentionCommand};
use output::Output;

use crate::core::model::{Invalid, Span, visible};
use crate::core::plan::Outcome;
use crate::ops::{Configuration, Context, Error};
use crate::store::DatabaseAddress;

/// How a verb ended: its outcome, and whether the exit code tells changes apart.
struct Ended {
    outcome: Outcome,
    detailed: bool,
    /// What it prints is text whatever the format: a script, a page of a manual.
    is_text: bool,
    /// The exit code, where others than ours are asked for.
    code: Option<u8>,
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            detailed: false,
            is_text: false,
            code: None,
        }
    }
}

impl Ended {
    /// What monitoring is told when nothing can be said.
    const UNKNOWN: u8 = 3;

    /// For monitoring, whose codes are its own; what is printed is its line whatever the format.
    fn with_code(outcome: Outcome, code: u8) -> Self {
        Self {
            code: Some(code),
            is_text: true,
            ..outcome.into()
        }
    }
}

/// Reads the command line, does what it says, and ends with the exit code of what came of it.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => return usage(error),
    };
    start_log(&cli);
    let output = Output::new(&cli.common);
    let ended = run(cli, &output).unwrap_or_else(|error| {
        report::error(&output, &error);
        error.outcome().into()
    });
    finish(&ended, &output)
}

/// The last word: programs are told how it ended if nothing else was, and a result that did not get out is a failure
/// whatever came of the command.
fn finish(ended: &Ended, output: &Output) -> ExitCode {
    if output.is_json() && !output::has_document() && !ended.is_text {
        let outcome = ended.outcome;
        output.json(&Told { outcome });
    }
    let ours = ended.outcome.exit_code(ended.detailed);
    let code = ended.code.unwrap_or(ours);
    match output::heard() {
        Ok(()) => ExitCode::from(code),
        Err(error) => {
            report::error_for_people(output, &error);
            if ended.code.is_some() {
                return ExitCode::from(Ended::UNKNOWN);
            }
            let is_failure = ended.outcome.exit_code(false) != 0;
            ExitCode::from(if is_failure {
                code
            } else {
                error.outcome().exit_code(false)
            })
        }
    }
}

#[derive(serde::Serialize)]
struct Told {
    outcome: Outcome,
}

fn parse() -> Result<Cli, clap::Error> {
    let matches = Cli::command().try_get_matches()?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    cli.common.names_file = names_file(&matches);
    Ok(cli)
}

/// A file in the environment says where the configuration is, not that it is to be edited.
fn names_file(matches: &clap::ArgMatches) -> bool {
    let is_here = matches.try_contains_id("file").is_ok()
        && matches.value_source("file") == Some(ValueSource::CommandLine);
    is_here
        || matches
            .subcommand()
            .is_some_and(|(_, matches)| names_file(matches))
}

/// clap ends with 2 for a wrong command line, which here would say that there are changes.
fn usage(mut error: clap::Error) -> ExitCode {
    let help = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<Invalid>())
        .map(|invalid| visible(&invalid.help))
        .filter(|help| !help.is_empty());
    if let Some(help) = help {
        let tips = ContextValue::StyledStrs(vec![help.into()]);
        error.insert(ContextKind::Suggested, tips);
    }
    let is_lost = error
        .print()
        .is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe);
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion if is_lost => {
            ExitCode::from(Outcome::Failed.exit_code(false))
        }
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(Outcome::Usage.exit_code(false)),
    }
}

fn start_log(cli: &Cli) {
    let common = &cli.common;
    // Whoever runs unattended tells what it does.
    let is_unattended = matches!(&cli.command, Command::Scheduler(args) if args.list.is_none());
    let level = match (common.quiet, common.verbose) {
        (true, _) => "error",
        (false, 0) if !is_unattended => "warn",
        (false, 0 | 1) => "pobsync=info,warn",
        (false, 2) => "pobsync=debug,info",
        (false, _) => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("POBSYNC_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(wants_colour(common))
        .with_target(false)
        .without_time()
        .try_init();
}

/// A journal or a file has no use for colours.
fn wants_colour(common: &Common) -> bool {
    use std::io::IsTerminal as _;
    match common.color {
        args::Color::Always => true,
        args::Color::Never => false,
        args::Color::Auto => {
            std::io::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}

fn run(cli: Cli, output: &Output) -> Result<Ended, Error> {
    let common = &cli.common;
    check_form(&cli)?;
    let open = || open_context(common);
    Ok(match cli.command {
        Command::Init(args) => init::run(common, &args, output)?.into(),
        Command::Validate(args) => validate::run(common, &args, output)?.into(),
        Command::Fmt(args) => fmt::run(common, &args, output)?.into(),
        Command::Show(args) => show::run(common, &args, output)?.into(),
        Command::Plan(args) => plan::run(common, &args, output)?,
        Command::ShowPlan(args) => plan::show(common, &args, output)?.into(),
        Command::CheckPlan(args) => plan::check(&open()?, &args, output)?.into(),
        Command::Apply(args) => match remote::apply(common, &args, output)? {
            Some(outcome) => outcome.into(),
            None => apply::run(&open()?, common, &args, output)?.into(),
        },
        Command::Watch(args) => watch::run(common, &args, output)?.into(),
        Command::Drift(args) => drift::run(&open()?, common, &args, output)?,
        Command::ConfigureGlobal(args) => configure::global(common, &args, output)?.into(),
        Command::ConfigureHost(args) => configure::host(common, args, output)?.into(),
        Command::Schedule(args) => configure::schedule(common, &args, output)?.into(),
        Command::Backup(args) => backup::run(&open()?, &args, output)?.into(),
        Command::Scheduler(args) => scheduler::run(&open()?, &args, output)?.into(),
        Command::Pause(args) => wishes::pause(&open()?, &args, output)?.into(),
        Command::Resume(args) => wishes::resume(&open()?, &args.host, output)?.into(),
        Command::Cancel(args) => wishes::cancel(&open()?, &args, output)?.into(),
        Command::Logs(args) => wishes::logs(&open()?, &args, output)?.into(),
        Command::Retention(args) => match (args.what, args.plan) {
            (Some(RetentionCommand::Simulate(args)), _) => {
                simulate::run(common, &args, output)?.into()
            }
            (None, Some(args)) => retention::run(&open()?, &args, output)?.into(),
            // The parser asks for one of both.
            (None, None) => Outcome::Usage.into(),
        },
        Command::Inventory(args) => plan::inventory(&open()?, &args)?.into(),
        Command::Export(args) => export::run(&open()?, &args, output)?.into(),
        Command::ImportLegacy(args) => legacy::import(common, &args, output)?.into(),
        Command::ExportLegacy(args) => legacy::export(&open()?, &args, output)?.into(),
        Command::DiscoverSnapshots(args) => lists::discover(&open()?, &args, output)?.into(),
        Command::Hold(args) => hold::hold(&open()?, &args, output)?.into(),
        Command::Unhold(args) => hold::unhold(&open()?, &args, output)?.into(),
        Command::Ls(args) => ls::run(common, &args, output)?.into(),
        Command::Find(args) => find::run(common, &args, output)?.into(),
        Command::Diff(args) => diff::run(common, &args, output)?,
        Command::Restore(args) => restore::run(common, &args, output)?.into(),
        Command::Ack(args) => hold::ack(&open()?, &args, output)?.into(),
        Command::CopyDatabase(args) => copy_database::run(&args, output)?.into(),
        Command::AdoptRoot(args) => init::adopt_root(&open()?, &args, output)?.into(),
        Command::Hosts => lists::hosts(&open()?, output)?.into(),
        Command::Snapshots(args) => lists::snapshots(&open()?, &args, output)?.into(),
        Command::Runs(args) => lists::runs(&open()?, &args, output)?.into(),
        Command::Plans(args) => lists::plans(&open()?, &args, output)?.into(),
        Command::History(args) => lists::history(&open()?, &args, output)?.into(),
        Command::Status(args) => status::run(common, &args, output)?,
        Command::Notify(args) => notify::run(&open()?, &args, output)?.into(),
        Command::Check(args) if args.repair => repair::run(common, &args, output)?.into(),
        Command::Check(args) => report::check(common, &args, output)?.into(),
        Command::Trust(args) => trust::run(&open()?, &args, output)?.into(),
        Command::Test(args) => trust::test(&open()?, &args, output)?.into(),
        Command::Du(args) => du::run(common, &args, output)?.into(),
        Command::Verify(args) => verify::run(common, &args, output)?.into(),
        Command::Serve(args) => serve::run(open()?, common, args, output)?.into(),
        Command::CreateSuperuser(args) => {
            accounts::create(&create_context(common)?, &args, true, output)?.into()
        }
        Command::CreateStaff(args) => {
            accounts::create(&create_context(common)?, &args, false, output)?.into()
        }
        Command::SetPassword(args) => accounts::set_password(&open()?, &args, output)?.into(),
        Command::Token(command) => accounts::token(&open()?, &command, output)?.into(),
        Command::Completions { shell } => document::completions(shell),
        Command::Man => document::man(),
    })
}

/// Only plans are written for merge requests and as pages.
fn check_form(cli: &Cli) -> Result<(), Error> {
    let is_plan = match &cli.command {
        Command::Plan(_) | Command::ShowPlan(_) => true,
        Command::Retention(verb) => {
            (verb.plan.as_ref()).is_some_and(|args| !args.apply && !args.approve)
        }
        _ => false,
    };
    match cli.common.format {
        args::Format::Markdown if !is_plan => Err(Error::NotAPlanCommand { form: "markdown" }),
        args::Format::Html if !is_plan => Err(Error::NotAPlanCommand { form: "html" }),
        _ => Ok(()),
    }
}

/// The database that the command line, the environment or the house rules name.
fn database_address(common: &Common) -> Result<DatabaseAddress, Error> {
    match &common.database {
        Some(given) => Ok(given.0.parse()?),
        None => Ok(crate::ops::default_database()),
    }
}

fn open_context(common: &Common) -> Result<Context, Error> {
    Ok(placed(common, Context::open(&database_address(common)?)?))
}

/// The same context for the server that is named, and with the lease that is asked for.
fn placed(common: &Common, mut context: Context) -> Context {
    context.server.clone_from(&common.server);
    if let Some(seconds) = common.lease {
        context.lease = Span::from_seconds(seconds);
    }
    context
}

/// The first imperative command makes the database: a first backup needs no file and no `init`.
fn create_context(common: &Common) -> Result<Context, Error> {
    Ok(placed(common, Context::create(&database_address(common)?)?))
}

/// Reads and checks the configuration at `path`.
fn load(common: &Common, path: &Utf8Path) -> Result<Configuration, Error> {
    match database_address(common) {
        Ok(address) => crate::ops::load_remembering(path, &crate::ops::state_folder_of(&address)),
        // Whoever needs the database says what is wrong with its address.
        Err(_) => crate::ops::load(path),
    }
}

/// The configuration that the command line, the environment or the house rules name.
fn file_path(common: &Common, given: Option<&Utf8PathBuf>) -> Utf8PathBuf {
    given.or(common.file.as_ref()).cloned().unwrap_or_else(|| {
        let here = Utf8PathBuf::from("pobsync.kdl");
        if here.exists() {
            here
        } else {
            Utf8PathBuf::from("/etc/pobsync/pobsync.kdl")
        }
    })
}
