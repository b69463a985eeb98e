//! `restore HOST[:SNAPSHOT] PATH…`.

use std::rc::Rc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::args::{Common, RestoreArgs, RootArg};
use super::output::{Output, print};
use super::{database_address, file_path, signals};
use crate::core::model::{ByteCount, HostName, SnapshotKind, SnapshotName, Timestamp, visible};
use crate::core::plan::Outcome;
use crate::ops::{
    self, Error, RestorePhase, RestoreReport, RestoreRequest, RestoreTo, Restored, Seen, Shelf,
};

#[derive(Serialize)]
struct Told {
    outcome: Outcome,
    host: HostName,
    snapshot: SnapshotName,
    kind: SnapshotKind,
    started_at: Timestamp,
    target: String,
    dry_run: bool,
    restored: Restored,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    complaints: Vec<String>,
    notes: Vec<String>,
}

pub(super) fn run(common: &Common, args: &RestoreArgs, output: &Output) -> Result<Outcome, Error> {
    let stop = signals::listen(|| {})?;
    let to = match (&args.to, &args.to_host) {
        (_, Some(to)) => RestoreTo::Host {
            host: to.host.clone(),
            folder: to.folder.clone(),
            database: database_address(common)?,
            file: file_path(common, None),
        },
        (Some(folder), None) => RestoreTo::Folder(folder.clone()),
        // The parser asks for one of both.
        (None, None) => return Ok(Outcome::Usage),
    };
    let mut progress = Progress::new(output);
    let told: Rc<dyn Fn(&Seen)> = if args.dry_run && !output.is_json() {
        Rc::new(tell_item)
    } else {
        Rc::new(|_| {})
    };
    let done = ops::restore(RestoreRequest {
        shelf: shelf(common, &args.root)?,
        from: args.from.clone(),
        as_of: args.as_of,
        paths: args.paths.clone(),
        to,
        overwrite: args.overwrite,
        flat: args.flat,
        dry_run: args.dry_run,
        stop: &stop,
        progress: &mut |phase| progress.is_at(phase),
        told,
    });
    progress.end();
    let done = done?;
    tell(&done, output);
    Ok(done.outcome())
}

/// Where snapshots are looked for.
pub(super) fn shelf(common: &Common, root: &RootArg) -> Result<Shelf, Error> {
    match &root.root {
        Some(root) => Shelf::root(root),
        None => Ok(Shelf::Database(database_address(common)?)),
    }
}

fn tell_item(seen: &Seen) {
    let (sign, item) = match seen {
        Seen::New(item) => ('+', item),
        Seen::Replaced(item) => ('~', item),
        Seen::Attributes(_) | Seen::Same | Seen::Differs(_) => return,
    };
    let size = item
        .bytes
        .map_or(String::new(), |bytes| format!("  {}", ByteCount(bytes)));
    print(&format!("{sign} /{}{size}\n", visible(&item.path)));
}

fn tell(done: &RestoreReport, output: &Output) {
    if output.is_json() {
        let plain = |lines: &[String]| lines.iter().map(|line| visible(line)).collect();
        output.json(&Told {
            outcome: done.outcome(),
            host: done.host.clone(),
            snapshot: done.snapshot.clone(),
            kind: done.kind,
            started_at: done.started_at,
            target: done.target.clone(),
            dry_run: done.dry_run,
            restored: done.restored.clone(),
            message: done.problem.as_deref().map(visible),
            complaints: plain(&done.complaints),
            notes: plain(&done.notes),
        });
        return;
    }
    for note in &done.notes {
        output.say(&format!("note: {}", visible(note)));
    }
    if let Some(why) = &done.suspect {
        output.say(&format!(
            "note: {} is suspect: {}",
            done.snapshot,
            visible(why)
        ));
    }
    output.text(&summary(done));
    for path in &done.restored.first_differing {
        output.say(&format!("  stays: /{}", visible(path)));
    }
    let more = done.restored.differs - done.restored.first_differing.len() as u64;
    if more > 0 {
        output.say(&format!("  stays: and {more} more"));
    }
    if let Some(problem) = &done.problem {
        output.say(&format!("error: {}", visible(problem)));
    }
    for line in &done.complaints {
        output.say(&format!("  {}", visible(line)));
    }
    if done.more_complaints > 0 {
        output.say(&format!("  and {} more", done.more_complaints));
    }
}

fn summary(done: &RestoreReport) -> String {
    let r = &done.restored;
    let verb = if done.dry_run {
        "Would restore"
    } else if done.problem.is_some() {
        "Restored in part"
    } else {
        "Restored"
    };
    let mut text = format!(
        "{verb} from {}:{} of {} to {}: {} new, {}",
        done.host,
        done.snapshot,
        done.started_at,
        done.target,
        r.made,
        ByteCount(r.bytes),
    );
    if r.replaced > 0 {
        text.push_str(&format!("; {} replaced", r.replaced));
    }
    if r.same > 0 {
        text.push_str(&format!("; {} there already", r.same));
    }
    text.push_str(".\n");
    if r.differs > 0 {
        text.push_str(&format!(
            "{} there and different, left as they are; --overwrite replaces them.\n",
            r.differs
        ));
    }
    text
}

/// A bar on a terminal, a line a minute elsewhere.
struct Progress<'a> {
    bar: Option<ProgressBar>,
    output: &'a Output,
    last_line: Instant,
}

/// How often it is told where there is no terminal.
const EVERY: Duration = Duration::from_secs(60);

impl<'a> Progress<'a> {
    fn new(output: &'a Output) -> Self {
        Self {
            bar: None,
            output,
            last_line: Instant::now(),
        }
    }

    fn is_at(&mut self, phase: RestorePhase) {
        if !self.output.progress {
            if let RestorePhase::Writing { done, of } = phase
                && self.last_line.elapsed() >= EVERY
            {
                self.last_line = Instant::now();
                self.output.say(&format!(
                    "restored {} of {}",
                    ByteCount(done),
                    ByteCount(of)
                ));
            }
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(0);
            let form = "{spinner} {msg} {wide_bar} {bytes} of {total_bytes} {bytes_per_sec} {eta}";
            if let Ok(style) = ProgressStyle::with_template(form) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        match phase {
            RestorePhase::Looking => bar.set_message("comparing"),
            RestorePhase::Writing { done, of } => {
                bar.set_message("restoring");
                bar.set_length(of);
                bar.set_position(done);
            }
        }
    }

    fn end(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
