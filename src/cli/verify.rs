//! `verify HOST…`.

use std::fmt::Write as _;
use std::num::NonZeroU64;

use serde::Serialize;

use super::args::VerifyArgs;
use super::output::Output;
use super::restore::shelf;
use super::{Common, open_context, report, signals};
use crate::core::model::{ByteCount, HostName, Which, visible};
use crate::core::plan::Outcome;
use crate::ops::{self, Error, HostVerification, Intact, Shelf, State, Stop, VerifyRequest};
use crate::render::Style;

/// More paths of one host are counted on a terminal; JSON has them.
const SHOWN: usize = 50;

/// What programs are told: of each host what was found, or why it could not be looked at.
#[derive(Serialize)]
#[serde(untagged)]
enum Told {
    Verified(Box<HostVerification>),
    Failed {
        host: HostName,
        outcome: Outcome,
        message: String,
    },
}

pub(super) fn run(common: &Common, args: &VerifyArgs, output: &Output) -> Result<Outcome, Error> {
    let stop = signals::listen(|| {})?;
    let shelf = shelf(common, &args.root)?;
    // Nothing is recorded of a root that is named on the command line.
    let context = match shelf {
        Shelf::Root(_) => None,
        Shelf::Database(..) => Some(open_context(common)?),
    };
    let subjects: Vec<(HostName, Option<Which>)> = match (args.all, &shelf, &context) {
        (true, Shelf::Root(root), _) => all(ops::hosts_below(root)?),
        (true, _, Some(context)) => all(ops::hosts_to_verify(context)?),
        _ => args
            .subjects
            .iter()
            .map(|subject| (subject.host.clone(), subject.snapshot.clone()))
            .collect(),
    };
    let mut told = Vec::new();
    for (host, which) in subjects {
        if stop.is_asked() {
            break;
        }
        let bar = output.spinner(&host);
        let picked = which.map(|which| {
            let found = shelf.host(&host)?;
            let one = found.pick(&which, None)?;
            Ok((one.kind, one.name.clone()))
        });
        let snapshot = match picked.transpose() {
            Ok(picked) => picked,
            Err(error) => {
                bar.finish_and_clear();
                told.push(tell(host, Err(error), output));
                continue;
            }
        };
        let request = VerifyRequest {
            host: host.clone(),
            snapshot,
            sample: args.sample,
            bytes_per_second: args.bwlimit.and_then(|limit| NonZeroU64::new(limit.0)),
            stop: &stop,
            progress: &|name, at, of, bytes| {
                bar.set_message(format!("{host} {at}/{of} {name} {}", ByteCount(bytes)));
            },
        };
        let done = match &context {
            Some(context) => ops::verify(context, &request),
            None => ops::verify_below(&shelf, &request),
        };
        bar.finish_and_clear();
        told.push(tell(host, done, output));
    }
    let outcome = outcome_of(&told, &stop);
    if output.is_json() {
        output.json(&told);
    }
    Ok(outcome)
}

fn all(hosts: Vec<HostName>) -> Vec<(HostName, Option<Which>)> {
    hosts.into_iter().map(|host| (host, None)).collect()
}

/// Damage comes before everything else.
fn outcome_of(told: &[Told], stop: &Stop) -> Outcome {
    let outcomes: Vec<Outcome> = told
        .iter()
        .map(|told| match told {
            Told::Verified(report) => report.outcome,
            Told::Failed { outcome, .. } => *outcome,
        })
        .collect();
    let has_damage = told
        .iter()
        .any(|told| matches!(told, Told::Verified(report) if !report.damage.is_empty()));
    if has_damage {
        return Outcome::Failed;
    }
    let worst = Outcome::worst(outcomes.iter().copied());
    if worst == Outcome::Done && stop.is_asked() {
        return Outcome::PartlyDone;
    }
    let stands = outcomes.contains(&Outcome::Done);
    if stands && worst != Outcome::Done {
        Outcome::PartlyDone
    } else {
        worst
    }
}

fn tell(host: HostName, done: Result<HostVerification, Error>, output: &Output) -> Told {
    match done {
        Ok(report) => {
            output.text(&text(&report, &output.style));
            Told::Verified(Box::new(report))
        }
        Err(error) => {
            if !output.is_json() {
                report::error_for_people(output, &error);
            }
            Told::Failed {
                host,
                outcome: error.outcome(),
                message: visible(&report::chain(&error)),
            }
        }
    }
}

/// Where a damaged file is whole.
fn intact_words(intact: &Intact) -> Option<String> {
    Some(match intact {
        Intact::Same(whole) => format!("whole in {} ({})", whole.snapshot, whole.kind),
        Intact::OtherVersion(whole) => format!(
            "what it held is in no snapshot any more; another version, whole, is in {} ({})",
            whole.snapshot, whole.kind
        ),
        Intact::Nowhere => "no whole copy is left in any snapshot".to_owned(),
        Intact::Unknown => {
            "no whole copy was found; not every snapshot could be read and compared".to_owned()
        }
        Intact::NotLookedFor => {
            "a whole copy was not looked for: that is done for the first hundred files".to_owned()
        }
        Intact::NotNeeded => return None,
    })
}

/// What damage means for the host, and what to do next.
fn next_steps(report: &HostVerification) -> String {
    let host = &report.host;
    match report.prunes_stop {
        None => format!(
            "  Nothing was recorded. pobsync verify {host} with the database, so that no prune takes the last whole copies.\n"
        ),
        Some(stops) => {
            let prunes = if stops {
                format!(
                    "Unattended prunes of {host} stop until somebody has looked: pobsync ack {host}"
                )
            } else {
                format!(
                    "This was acknowledged before, so unattended prunes of {host} go on: pobsync hold {host} SNAPSHOT keeps whole copies"
                )
            };
            format!(
                "  {prunes}\n  The next backup brings anew what the host still has; pobsync restore {host}:SNAPSHOT PATH brings back what is whole.\n"
            )
        }
    }
}

/// One host for people.
fn text(report: &HostVerification, style: &Style) -> String {
    let mut out = format!("{}: {}\n", report.host, report.sentence());
    for damage in report.damage.iter().take(SHOWN) {
        let _ = writeln!(
            out,
            "  ! {}  {}: {}",
            damage.problem.place(&damage.path),
            damage.problem,
            visible(&damage.detail)
        );
        let names: Vec<&str> = damage
            .snapshots
            .iter()
            .map(|of| of.snapshot.as_str())
            .collect();
        let _ = writeln!(out, "      in {}", names.join(", "));
        if let Some(words) = intact_words(&damage.intact) {
            let _ = writeln!(out, "      {words}");
        }
    }
    let more = report.damage.len().saturating_sub(SHOWN);
    if more > 0 || report.damage_is_cut {
        let _ = writeln!(out, "  … and more: --format json lists up to a thousand");
    }
    if !report.damage.is_empty() {
        out.push_str(&next_steps(report));
    }
    for seen in &report.snapshots {
        match (seen.state, &seen.problem) {
            (_, Some(problem)) => {
                let _ = writeln!(out, "  ? {}: {}", seen.snapshot, visible(problem));
            }
            (State::NoManifest, None) => {
                let _ = writeln!(
                    out,
                    "  ? {}: it has no manifest to be compared with",
                    seen.snapshot
                );
            }
            _ => {}
        }
    }
    let new = report
        .snapshots
        .iter()
        .filter(|s| s.manifest_is_new)
        .count();
    if new > 0 {
        let _ = writeln!(
            out,
            "  {new} manifests were made: of those snapshots, damage is found that comes from now on"
        );
    }
    let unknown: u64 = report.snapshots.iter().map(|s| s.unknown).sum();
    if unknown > 0 && style.verbose {
        let _ = writeln!(out, "  {unknown} files have no digest to be compared with");
    }
    out
}
