//! `diff HOST A B [PATH]`.

use std::cell::RefCell;
use std::ffi::OsStr;

use serde::Serialize;

use super::args::{Common, DiffArgs};
use super::ls::SnapshotTold;
use super::nodes::{NodeTold, PathTold, path_shown, type_word};
use super::output::{Output, print};
use super::restore::shelf;
use super::stream::Stream;
use super::{Ended, signals};
use crate::core::model::{ByteCount, HostName, visible};
use crate::core::plan::Outcome;
use crate::ops::{
    self, DiffRequest, DiffTotals, Difference, Differing, Error, Node, OnDisk, TreeKind,
};
use crate::render::{Paint, Style};

#[derive(Serialize)]
struct Head {
    format_version: u32,
    host: HostName,
    old: SnapshotTold,
    new: SnapshotTold,
}

#[derive(Serialize)]
struct Entry {
    change: &'static str,
    #[serde(flatten)]
    path: PathTold,
    differs: Vec<Differing>,
    old: Option<NodeTold>,
    new: Option<NodeTold>,
}

#[derive(Serialize)]
struct Tail<'a> {
    outcome: Outcome,
    totals: &'a DiffTotals,
}

pub(super) fn run(common: &Common, args: &DiffArgs, output: &Output) -> Result<Ended, Error> {
    let stop = signals::listen(|| {})?;
    let shelf = shelf(common, &args.root)?;
    let request = DiffRequest {
        shelf: &shelf,
        host: &args.host,
        old: &args.old,
        new: &args.new,
        path: args.path.as_deref().unwrap_or(OsStr::new("/")),
        quick: args.quick,
        stop: &stop,
    };
    let stream: RefCell<Option<Stream>> = RefCell::new(None);
    let begin = |old: &OnDisk, new: &OnDisk| {
        if output.is_json() {
            let head = Head {
                format_version: 1,
                host: args.host.clone(),
                old: SnapshotTold::of(old),
                new: SnapshotTold::of(new),
            };
            stream.replace(Some(Stream::begin(&head, "differences")));
        } else {
            output.say(&format!(
                "{}: from {} of {} to {} of {}",
                args.host, old.name, old.started_at, new.name, new.started_at
            ));
        }
    };
    let totals = ops::diff(&request, begin, |difference| {
        if args.stat {
            return;
        }
        match stream.borrow_mut().as_mut() {
            Some(stream) => stream.item(&entry(&difference)),
            None => print(&line(&difference, &output.style)),
        }
    })?;
    let outcome = outcome(&totals);
    match stream.into_inner() {
        Some(stream) => stream.end(&Tail {
            outcome,
            totals: &totals,
        }),
        None => print(&summary(&totals)),
    }
    for problem in &totals.problems {
        output.say(&format!("  not compared: {}", visible(problem)));
    }
    Ok(Ended {
        detailed: args.detailed_exitcode,
        ..outcome.into()
    })
}

fn outcome(totals: &DiffTotals) -> Outcome {
    if totals.stopped {
        Outcome::Failed
    } else if !totals.problems.is_empty() {
        Outcome::PartlyDone
    } else if totals.is_empty() {
        Outcome::NoChanges
    } else {
        Outcome::Changes
    }
}

fn entry(difference: &Difference) -> Entry {
    let told = |node: &Option<Node>| node.as_ref().map(NodeTold::of);
    Entry {
        change: match (&difference.old, &difference.new) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        },
        path: PathTold::of(&difference.path),
        differs: difference.what.clone(),
        old: told(&difference.old),
        new: told(&difference.new),
    }
}

fn line(difference: &Difference, style: &Style) -> String {
    let path = path_shown(&difference.path);
    let size = |node: &Node| match node.kind {
        TreeKind::File => ByteCount(node.bytes).to_string(),
        _ => type_word(node).to_owned(),
    };
    let (paint, text) = match (&difference.old, &difference.new) {
        (Some(old), Some(new)) => {
            let what: Vec<String> = difference
                .what
                .iter()
                .map(|what| words(*what, old, new))
                .collect();
            (Paint::Changed, format!("~ {path}  {}", what.join(", ")))
        }
        (None, Some(new)) => (Paint::Created, format!("+ {path}  {}", size(new))),
        (old, None) => {
            let size = old.as_ref().map_or(String::new(), size);
            (Paint::Deleted, format!("- {path}  {size}"))
        }
    };
    format!("{}\n", style.paint(paint, &text))
}

fn words(what: Differing, old: &Node, new: &Node) -> String {
    match what {
        Differing::Type => format!("{} -> {}", type_word(old), type_word(new)),
        Differing::Content => match (&old.kind, &new.kind) {
            (TreeKind::Link(from), TreeKind::Link(to)) => {
                format!("{} -> {}", ops::bytes_shown(from), ops::bytes_shown(to))
            }
            (TreeKind::Special, _) => "device".to_owned(),
            _ if old.bytes == new.bytes => format!("content, {}", ByteCount(new.bytes)),
            _ => format!("{} -> {}", ByteCount(old.bytes), ByteCount(new.bytes)),
        },
        Differing::Mode => format!("mode {:04o} -> {:04o}", old.mode, new.mode),
        Differing::Owner => format!("owner {}:{} -> {}:{}", old.uid, old.gid, new.uid, new.gid),
        Differing::Modified => "time".to_owned(),
        Differing::Acl => "ACL".to_owned(),
        Differing::Xattrs => "attributes".to_owned(),
    }
}

fn summary(totals: &DiffTotals) -> String {
    format!(
        "{} added ({}), {} removed ({}), {} changed ({}), {} with other attributes alone.\n",
        totals.added,
        ByteCount(totals.added_bytes),
        totals.removed,
        ByteCount(totals.removed_bytes),
        totals.changed,
        ByteCount(totals.changed_bytes),
        totals.attributes,
    )
}
