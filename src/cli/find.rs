//! `find HOST PATTERN`.

use serde::Serialize;

use super::args::{Common, FindArgs, FindType};
use super::ls::SnapshotTold;
use super::nodes::{NodeTold, PathTold, modified, path_shown, type_word};
use super::output::Output;
use super::restore::shelf;
use super::signals;
use crate::core::model::{ByteCount, HostName, counted, visible};
use crate::core::plan::Outcome;
use crate::ops::{self, Error, FindKind, FindRequest, Finds, FoundPath, FoundVersion, TreeKind};
use crate::render::{Paint, Style};

#[derive(Serialize)]
struct Told<'a> {
    outcome: Outcome,
    host: &'a HostName,
    pattern: &'a str,
    searched: usize,
    more: usize,
    problems: Vec<String>,
    found: Vec<PathFound>,
}

#[derive(Serialize)]
struct PathFound {
    #[serde(flatten)]
    path: PathTold,
    in_newest: bool,
    versions: Vec<Version>,
}

#[derive(Serialize)]
struct Version {
    #[serde(flatten)]
    node: NodeTold,
    snapshots: usize,
    first: SnapshotTold,
    last: SnapshotTold,
}

pub(super) fn run(common: &Common, args: &FindArgs, output: &Output) -> Result<Outcome, Error> {
    let stop = signals::listen(|| {})?;
    let shelf = shelf(common, &args.root)?;
    let request = FindRequest {
        shelf: &shelf,
        host: &args.host,
        pattern: &args.pattern,
        ignore_case: args.ignore_case,
        kind: args.kind.map(|kind| match kind {
            FindType::F => FindKind::File,
            FindType::D => FindKind::Directory,
            FindType::L => FindKind::Link,
            FindType::S => FindKind::Special,
        }),
        limit: args.limit.get(),
        stop: &stop,
    };
    let bar = output.progress.then(indicatif::ProgressBar::new_spinner);
    let finds = ops::find(&request, |at, of| {
        if let Some(bar) = &bar {
            bar.set_message(format!("snapshot {} of {of}", at + 1));
            bar.tick();
        }
    });
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let finds = finds?;
    let outcome = if finds.stopped {
        Outcome::Failed
    } else if finds.problems.is_empty() {
        Outcome::Done
    } else {
        Outcome::PartlyDone
    };
    tell(args, &finds, outcome, output);
    Ok(outcome)
}

fn tell(args: &FindArgs, finds: &Finds, outcome: Outcome, output: &Output) {
    let told = Told {
        outcome,
        host: &args.host,
        pattern: &args.pattern,
        searched: finds.searched,
        more: finds.more,
        problems: finds.problems.iter().map(|line| visible(line)).collect(),
        found: finds.found.iter().map(path_found).collect(),
    };
    output.data(&told, |style| {
        finds.found.iter().map(|found| text(found, style)).collect()
    });
    let found = counted(finds.found.len(), "path");
    let searched = counted(finds.searched, "snapshot");
    output.say(&format!("{found} in {searched}."));
    if finds.more > 0 {
        output.say("There are more: name them closer, or raise --limit.");
    }
    for problem in &finds.problems {
        output.say(&format!("  not searched: {}", visible(problem)));
    }
}

fn path_found(found: &FoundPath) -> PathFound {
    PathFound {
        path: PathTold::of(&found.path),
        in_newest: found.in_newest,
        versions: found
            .versions
            .iter()
            .map(|version| Version {
                node: NodeTold::of(&version.node),
                snapshots: version.snapshots,
                first: SnapshotTold::of(&version.first),
                last: SnapshotTold::of(&version.last),
            })
            .collect(),
    }
}

fn text(found: &FoundPath, style: &Style) -> String {
    let mut text = style.paint(Paint::Heading, &path_shown(&found.path));
    if !found.in_newest
        && let Some(version) = found.versions.first()
    {
        let gone = format!("  gone: last in {}", version.last.name);
        text.push_str(&style.paint(Paint::Deleted, &gone));
    }
    text.push('\n');
    for version in &found.versions {
        text.push_str(&version_line(version));
    }
    text
}

fn version_line(version: &FoundVersion) -> String {
    let size = match version.node.kind {
        TreeKind::File => ByteCount(version.node.bytes).to_string(),
        _ => type_word(&version.node).to_owned(),
    };
    let where_ = if version.snapshots == 1 {
        format!("in {}", version.last.name)
    } else {
        format!(
            "in {} to {} ({} snapshots)",
            version.first.name, version.last.name, version.snapshots
        )
    };
    format!("  {size}, modified {}, {where_}\n", modified(&version.node))
}
