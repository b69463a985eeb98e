//! `check --repair`.

use serde::Serialize;

use super::args::{CheckArgs, Common};
use super::open_context;
use super::output::{Output, ask, heard};
use crate::core::model::visible;
use crate::core::plan::Outcome;
use crate::ops::{self, Disagreement, Error};
use crate::render::{Paint, Style};

#[derive(Serialize)]
struct Told<'a> {
    outcome: Outcome,
    /// What was found.
    found: &'a [Disagreement],
    /// What is left after the repair; nothing if none was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<&'a [Disagreement]>,
}

pub(super) fn run(common: &Common, args: &CheckArgs, output: &Output) -> Result<Outcome, Error> {
    let context = open_context(common)?;
    let found = ops::disagreements(&context)?;
    if !output.is_json() {
        output.text(&lines(&found, &output.style));
    }
    let can_mend = found.iter().any(|one| one.remedy.is_some());
    if !can_mend {
        let outcome = if found.is_empty() {
            output.say("The database and the disk agree.");
            Outcome::Done
        } else {
            output.say("What is left needs a person: nothing of it is ours to change.");
            Outcome::PartlyDone
        };
        if output.is_json() {
            output.json(&Told {
                outcome,
                found: &found,
                left: None,
            });
        }
        return Ok(outcome);
    }
    if !args.yes && output.is_json() {
        output.json(&Told {
            outcome: Outcome::Changes,
            found: &found,
            left: None,
        });
        return Ok(Outcome::Changes);
    }
    if !args.yes {
        // What nobody could read is not acted upon.
        heard()?;
        match ask("Mend it?", "yes") {
            Some(true) => {}
            Some(false) => {
                return Err(Error::NotConfirmed {
                    what: "Nothing was changed.",
                });
            }
            None => {
                return Err(Error::NobodyToAsk {
                    what: "Nothing was changed",
                });
            }
        }
    }
    let left = ops::repair(&context, &found)?;
    let outcome = if left.is_empty() {
        Outcome::Done
    } else {
        Outcome::PartlyDone
    };
    if output.is_json() {
        output.json(&Told {
            outcome,
            found: &found,
            left: Some(&left),
        });
    } else if left.is_empty() {
        output.say("Mended: the database and the disk agree.");
    } else {
        output.text(&format!("Left:\n{}", lines(&left, &output.style)));
    }
    Ok(outcome)
}

fn lines(found: &[Disagreement], style: &Style) -> String {
    found.iter().map(|one| line(one, style)).collect()
}

fn line(one: &Disagreement, style: &Style) -> String {
    let (sign, paint) = match one.remedy {
        Some(_) => ("~", Paint::Changed),
        None => ("!", Paint::Refused),
    };
    let snapshot = one
        .snapshot
        .as_ref()
        .map_or(String::new(), |name| format!(" {name}"));
    let remedy = one
        .remedy
        .map_or(String::new(), |remedy| format!("\n    {remedy}"));
    format!(
        "{} {}{snapshot}: {}{remedy}\n",
        style.paint(paint, sign),
        one.host,
        visible(&one.what)
    )
}
