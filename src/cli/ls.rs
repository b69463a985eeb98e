//! `ls HOST[:SNAPSHOT] [PATH]`.

use std::cell::RefCell;
use std::ffi::OsStr;

use serde::Serialize;

use super::args::{Common, LsArgs};
use super::nodes::{NodeTold, PathTold, mode_text, modified, path_shown};
use super::output::{Output, print};
use super::restore::shelf;
use super::stream::Stream;
use crate::core::model::{HostName, SnapshotKind, SnapshotName, Timestamp};
use crate::core::plan::Outcome;
use crate::ops::{self, Error, HostShelf, ListRequest, Node, OnDisk, TreeKind, TreeName};
use crate::render::{Column, Paint, table};

/// A snapshot, for programs.
#[derive(Debug, Serialize)]
pub(super) struct SnapshotTold {
    pub(super) snapshot: SnapshotName,
    pub(super) kind: SnapshotKind,
    pub(super) started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspect: Option<String>,
}

impl SnapshotTold {
    pub(super) fn of(snapshot: &OnDisk) -> Self {
        Self {
            snapshot: snapshot.name.clone(),
            kind: snapshot.kind,
            started_at: snapshot.started_at,
            suspect: snapshot.suspect.clone(),
        }
    }
}

#[derive(Serialize)]
struct Head {
    host: HostName,
    #[serde(flatten)]
    snapshot: SnapshotTold,
}

#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    path: PathTold,
    #[serde(flatten)]
    node: NodeTold,
}

#[derive(Serialize)]
struct Tail {
    outcome: Outcome,
}

pub(super) fn run(common: &Common, args: &LsArgs, output: &Output) -> Result<Outcome, Error> {
    let shelf = shelf(common, &args.root)?;
    if args.snapshots {
        return snapshots(&shelf, args, output);
    }
    let path = args.path.as_deref().unwrap_or(OsStr::new("/"));
    let request = ListRequest {
        shelf: &shelf,
        from: &args.from,
        as_of: args.as_of,
        path,
        recursive: args.recursive,
        itself: args.directory,
    };
    let stream: RefCell<Option<Stream>> = RefCell::new(None);
    let begin = |host: &HostShelf, snapshot: &OnDisk| {
        if output.is_json() {
            let head = Head {
                host: args.from.host.clone(),
                snapshot: SnapshotTold::of(snapshot),
            };
            stream.replace(Some(Stream::begin(&head, "entries")));
        } else {
            output.say(&format!(
                "{}:{} of {}",
                args.from.host, snapshot.name, snapshot.started_at
            ));
            tell_home(host, output);
        }
    };
    ops::list(&request, begin, |names, node| {
        match stream.borrow_mut().as_mut() {
            Some(stream) => stream.item(&Entry {
                path: PathTold::of(names),
                node: NodeTold::of(node),
            }),
            None => print(&line(names, node, output)),
        }
    })?;
    if let Some(stream) = stream.into_inner() {
        stream.end(&Tail {
            outcome: Outcome::Done,
        });
    }
    Ok(Outcome::Done)
}

fn tell_home(host: &HostShelf, output: &Output) {
    if let Some(note) = host.note() {
        output.say(&format!("note: {note}"));
    }
}

fn line(names: &[TreeName], node: &Node, output: &Output) -> String {
    let path = path_shown(names);
    let path = match &node.kind {
        TreeKind::Directory => output.style.paint(Paint::Heading, &path),
        TreeKind::Link(to) => format!("{path} -> {}", ops::bytes_shown(to)),
        TreeKind::File | TreeKind::Special => path,
    };
    let size = match node.kind {
        TreeKind::File => node.bytes.to_string(),
        _ => "-".to_owned(),
    };
    format!(
        "{} {:>5} {:>5} {size:>12} {} {path}\n",
        mode_text(node),
        node.uid,
        node.gid,
        modified(node),
    )
}

fn snapshots(shelf: &ops::Shelf, args: &LsArgs, output: &Output) -> Result<Outcome, Error> {
    let host = shelf.host(&args.from.host)?;
    let told: Vec<SnapshotTold> = host.snapshots.iter().map(SnapshotTold::of).collect();
    output.data(&told, |style| {
        let rows: Vec<Vec<String>> = told
            .iter()
            .map(|s| {
                vec![
                    s.snapshot.to_string(),
                    s.kind.to_string(),
                    s.started_at.to_string(),
                    s.suspect.clone().unwrap_or_default(),
                ]
            })
            .collect();
        let columns = [
            Column("SNAPSHOT", false),
            Column("KIND", false),
            Column("STARTED", false),
            Column("SUSPECT", false),
        ];
        table(&columns, &rows, style)
    });
    tell_home(&host, output);
    Ok(Outcome::Done)
}
