//! `watch`: the plan, or the apply, of each version of the configuration.

use std::time::Duration;

use super::args::{ApplyArgs, Common, WatchArgs};
use super::output::Output;
use super::{apply, file_path, open_context, report, signals};
use crate::core::model::{counted, visible};
use crate::core::plan::Outcome;
use crate::ops::{self, Asked, Configuration, Error, News, Watch};

/// What may pass by itself is tried again this soon, and then each time after twice as long.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(60);
/// Names of changed files that are said.
const SAID: usize = 3;

pub(super) fn run(common: &Common, args: &WatchArgs, output: &Output) -> Result<Outcome, Error> {
    // A wrong database is told at once, and not only with the first change.
    let folder = open_context(common)?.state_folder;
    let path = file_path(common, args.file.path.as_ref());
    let mut watch = Watch::new(&path, &folder)?;
    let ender = watch.ender();
    signals::listen(move || ender.end())?;
    let output = &output.by_line();
    let mut due: Option<Due> = None;
    loop {
        match watch.next(due.as_ref().map(|due| due.after)) {
            News::End => return Ok(Outcome::Done),
            News::Broken(findings) => {
                due = None;
                report::error(output, &Error::Invalid(findings));
                output.say("What was there before stays in force; waiting for this to be mended.");
            }
            News::Configuration {
                configuration,
                changed,
                is_mended,
            } => {
                say_news(output, &changed, is_mended);
                for warning in &configuration.warnings {
                    output.say(warning);
                }
                due = Due::first(configuration).act(common, args, output);
            }
            News::Nothing => due = due.and_then(|due| due.act(common, args, output)),
        }
        if let Some(problem) = watch.problem() {
            output.say(&format!(
                "Changes may be seen up to a minute late: {}.",
                visible(problem.trim_end_matches('.'))
            ));
        }
        if due.is_none() {
            output.say(&format!(
                "Waiting for {} to change.",
                visible(path.as_str())
            ));
        }
    }
}

/// A configuration that was not acted on yet.
struct Due {
    configuration: Box<Configuration>,
    after: Duration,
    /// Why not, said once.
    said: Option<String>,
}

impl Due {
    fn first(configuration: Box<Configuration>) -> Self {
        Self {
            configuration,
            after: SOONEST,
            said: None,
        }
    }

    /// Plans or applies it. Gives it back when that is to be tried again.
    fn act(self, common: &Common, args: &WatchArgs, output: &Output) -> Option<Self> {
        let configuration = Configuration::clone(&self.configuration);
        let Err(error) = act(configuration, common, args, output) else {
            return None;
        };
        let message = error.to_string();
        if self.said.as_ref() != Some(&message) {
            report::error(output, &error);
        }
        if !may_pass(&error) {
            return None;
        }
        if self.said.is_none() {
            output.say("This will be tried again.");
        }
        Some(Self {
            after: if self.said.is_some() {
                (self.after * 2).min(LATEST)
            } else {
                self.after
            },
            said: Some(message),
            ..self
        })
    }
}

fn act(
    configuration: Configuration,
    common: &Common,
    args: &WatchArgs,
    output: &Output,
) -> Result<(), Error> {
    // Opened anew each time: the database may have been put back from a copy meanwhile.
    let context = open_context(common)?;
    if args.apply {
        apply::configuration(&context, configuration, &ApplyArgs::unattended(), output)?;
    } else {
        let facts = context.facts()?;
        let asked = Asked::default();
        let plan = ops::plan_desired(&facts, &configuration.desired, configuration.source, &asked)?;
        output.plan(&plan);
    }
    Ok(())
}

/// Says that the same may succeed later without a change of the configuration: a database that is busy or away, and
/// one that somebody else has just changed.
fn may_pass(error: &Error) -> bool {
    matches!(
        error.outcome(),
        Outcome::Unreachable | Outcome::Stale | Outcome::Locked
    )
}

fn say_news(output: &Output, changed: &[String], is_mended: bool) {
    if is_mended {
        output.say("The configuration is valid again.");
    }
    let names: Vec<String> = changed
        .iter()
        .take(SAID)
        .map(|name| visible(name))
        .collect();
    let more = changed.len().saturating_sub(SAID);
    let names = names.join(", ");
    match (names.as_str(), more) {
        ("", _) => {}
        (names, 0) => output.say(&format!("Changed: {names}.")),
        (names, more) => output.say(&format!(
            "Changed: {names} and {}.",
            counted(more, "more file")
        )),
    }
}
