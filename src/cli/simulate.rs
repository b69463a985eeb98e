//! `retention simulate HOST`: what a policy keeps over the coming year. It reads, and never writes.

use std::collections::BTreeMap;

use super::args::{Common, SimulateArgs};
use super::output::Output;
use super::{file_path, open_context};
use crate::core::model::HostName;
use crate::core::plan::Outcome;
use crate::ops::{self, AskedSimulation, Error, Facts, Instead, Subject};
use crate::render::{Marks, simulation_text};

pub(super) fn run(common: &Common, args: &SimulateArgs, output: &Output) -> Result<Outcome, Error> {
    let asked = AskedSimulation {
        policies: [args.policy.clone()]
            .into_iter()
            .chain(args.compare.clone().map(Some))
            .collect(),
        as_of: args.as_of,
        horizon: args.horizon,
        instead: match (args.every, &args.cron) {
            (Some(span), _) => Some(Instead::Every(span)),
            (None, Some(line)) => Some(Instead::Cron(line.parse()?)),
            (None, None) => None,
        },
    };
    let simulation = if args.from_file {
        let configuration = ops::load(&file_path(common, None))?;
        let host = ops::desired_host(&configuration.desired, &args.host)?;
        let facts = match facts(common, args, host.was.as_ref()) {
            Err(Error::Store(error)) => {
                output.say(&format!(
                    "Simulated from no snapshots at all, since there is no database to read: {error}."
                ));
                None
            }
            facts => Some(facts?),
        };
        let subject = Subject::of_file(host, facts.as_ref());
        ops::simulate(&subject, &configuration.policies, &asked)?
    } else {
        let facts = facts(common, args, None)?;
        let subject = Subject::in_force(&facts, &args.host)?;
        // A name stands for a policy of the file: SQL holds what each host has, not how the file called it.
        let is_name = |words: &Option<String>| words.as_ref().is_some_and(|w| !w.contains('='));
        let named = if asked.policies.iter().any(is_name) {
            ops::load(&file_path(common, None))?.policies
        } else {
            BTreeMap::new()
        };
        ops::simulate(&subject, &named, &asked)?
    };
    output.data(&simulation, |style| {
        simulation_text(&simulation, style, marks())
    });
    Ok(Outcome::Done)
}

/// What is known of the host, under its old name too.
fn facts(common: &Common, args: &SimulateArgs, was: Option<&HostName>) -> Result<Facts, Error> {
    match &args.inventory {
        Some(path) => ops::read_inventory(path),
        None => open_context(common)?
            .facts_about(|host| host.name == args.host || Some(&host.name) == was),
    }
}

/// What the locale can show: the first of the three variables that is set says it (POSIX, "Environment Variables").
fn marks() -> Marks {
    let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
    let charset = locale.unwrap_or_default().to_ascii_lowercase();
    if charset.contains("utf-8") || charset.contains("utf8") {
        Marks::Blocks
    } else {
        Marks::Ascii
    }
}
