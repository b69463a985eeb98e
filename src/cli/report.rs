//! Errors and `check`.

use std::error::Error as _;
use std::io::Write as _;

use serde::Serialize;

use super::args::{CheckArgs, Common};
use super::database_address;
use super::output::Output;
use crate::core::model::visible;
use crate::core::plan::{Outcome, Refusal};
use crate::ops::{self, Error, Finding};
use crate::render::{Paint, visible_refusals};

#[derive(Serialize)]
struct Failure<'a> {
    outcome: Outcome,
    message: String,
    /// Further lines: what makes a plan stale, say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
    help: Option<String>,
    refusals: &'a [Refusal],
}

/// Says what went wrong, why, and what to do.
pub(super) fn error(output: &Output, error: &Error) {
    if let Error::Invalid(findings) = error {
        invalid(output, findings);
        return;
    }
    let refusals = error.refusals();
    if output.is_json() {
        let failure = Failure {
            outcome: error.outcome(),
            message: visible(&chain(error)),
            details: error.details().iter().map(|line| visible(line)).collect(),
            help: error.help(),
            refusals,
        };
        output.json(&failure);
        return;
    }
    error_for_people(output, error);
}

/// Says on stderr what went wrong, whatever the format.
pub(super) fn error_for_people(output: &Output, error: &Error) {
    let refusals = error.refusals();
    let mut err = std::io::stderr().lock();
    let word = output.style.paint(Paint::Refused, "error");
    if refusals.is_empty() {
        let _ = writeln!(err, "{word}: {}", visible(&chain(error)));
    } else {
        let _ = writeln!(err, "{word}: refused, nothing was changed");
        for line in visible_refusals(refusals.iter()) {
            let _ = writeln!(err, "{line}");
        }
    }
    for line in error.details() {
        let _ = writeln!(err, "  {}", visible(line));
    }
    if let Some(help) = error.help() {
        let _ = writeln!(err, "  help: {}", visible(&help));
    }
}

/// The message and its causes, each said once.
pub(super) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
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

fn invalid(output: &Output, findings: &crate::config::Report) {
    if output.is_json() {
        output.json(&findings.document());
    } else {
        let _ = std::io::stderr().lock().write_all(
            findings
                .text(output.style.color, output.style.width)
                .as_bytes(),
        );
    }
}

pub(super) fn check(common: &Common, args: &CheckArgs, output: &Output) -> Result<Outcome, Error> {
    let findings = ops::check(
        &database_address(common)?,
        common.server.as_ref(),
        args.clock_is_right,
    );
    output.data(&findings, |style| {
        findings
            .iter()
            .map(|finding: &Finding| {
                let (sign, paint) = match finding.level {
                    ops::Level::Good => ("ok     ", Paint::Created),
                    ops::Level::Advice => ("advice ", Paint::Changed),
                    ops::Level::Problem => ("PROBLEM", Paint::Refused),
                };
                let help = if finding.help.is_empty() {
                    String::new()
                } else {
                    format!("\n          {}", visible(&finding.help))
                };
                format!(
                    "{} {}: {}{help}\n",
                    style.paint(paint, sign),
                    finding.what,
                    visible(&finding.message)
                )
            })
            .collect()
    });
    let is_wrong = findings
        .iter()
        .any(|finding| finding.level == ops::Level::Problem);
    Ok(if is_wrong {
        Outcome::Failed
    } else {
        Outcome::Done
    })
}
