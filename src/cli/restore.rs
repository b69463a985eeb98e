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
    self, DamagedPath, Error, RestoreBegun, RestorePhase, RestoreReport, RestoreRequest, RestoreTo,
    Restored, Seen, Shelf,
};

/// What programs are told, `schema/restore.schema.json`.
#[derive(Serialize)]
struct Told {
    outcome: Outcome,
    host: HostName,
    snapshot: SnapshotName,
    kind: SnapshotKind,
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspect: Option<String>,
    target: String,
    dry_run: bool,
    restored: Restored,
    damage: Vec<DamagedPath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    complaints: Vec<String>,
    more_complaints: u64,
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
    // What is told before it begins is not told again.
    let mut notes_told = 0;
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
        begin: &mut |begun| {
            notes_told = begun.notes.len();
            if !output.is_json() {
                tell_before(begun, output);
            }
        },
        progress: &mut |phase| progress.is_at(phase),
        told,
    });
    progress.end();
    let done = done?;
    if output.is_json() {
        tell_programs(&done, output);
    } else {
        tell(&done, notes_told, output);
    }
    Ok(done.outcome())
}

/// Where snapshots are looked for.
pub(super) fn shelf(common: &Common, root: &RootArg) -> Result<Shelf, Error> {
    match &root.root {
        Some(root) => Shelf::root(root),
        None => Ok(Shelf::Database(
            database_address(common)?,
            common.server.clone(),
        )),
    }
}

fn tell_item(seen: &Seen) {
    if let Seen::Joined(path) = seen {
        let path = ops::bytes_shown(path);
        print(&format!("~ /{path}  a hard link again\n"));
        return;
    }
    let (sign, item, more) = match seen {
        Seen::New(item) => ('+', item, ""),
        Seen::Replaced(item) => ('~', item, ""),
        Seen::Converted(item) => ('~', item, "  in the place of something of another kind"),
        Seen::Attributes(item) => ('~', item, "  attributes alone"),
        _ => return,
    };
    let size = item
        .bytes
        .map_or(String::new(), |bytes| format!("  {}", ByteCount(bytes)));
    let path = ops::bytes_shown(&item.path);
    print(&format!("{sign} /{path}{size}{more}\n"));
}

/// More damage or complaints than this are counted on a terminal; JSON has them.
const SHOWN: usize = 20;

/// What has to be known before hours are spent on it.
fn tell_before(begun: &RestoreBegun, output: &Output) {
    for note in &begun.notes {
        output.say(&format!("note: {}", visible(note)));
    }
    if let Some(why) = &begun.suspect {
        output.say(&format!(
            "note: {} is suspect: {}",
            begun.snapshot,
            visible(why)
        ));
    }
    tell_damage(begun);
}

fn tell_damage(begun: &RestoreBegun) {
    for damage in begun.damage.iter().take(SHOWN) {
        let whole = match &damage.intact {
            Some(intact) => format!(
                "; a whole copy, maybe of another version, is in {} ({})",
                intact.snapshot, intact.kind
            ),
            None if damage.problem.loses_content() => "; no whole copy of it is known".to_owned(),
            None => String::new(),
        };
        Output::warn(&format!(
            "warning: {} is damaged in {}: {}{whole}",
            visible(&damage.path),
            begun.snapshot,
            visible(&damage.detail),
        ));
    }
    let more = begun.damage.len().saturating_sub(SHOWN);
    if more > 0 {
        Output::warn(&format!("warning: and {more} more are damaged"));
    }
}

fn tell_programs(done: &RestoreReport, output: &Output) {
    let plain = |lines: &[String]| lines.iter().map(|line| visible(line)).collect();
    let begun = &done.begun;
    output.json(&Told {
        outcome: done.outcome(),
        host: begun.host.clone(),
        snapshot: begun.snapshot.clone(),
        kind: begun.kind,
        started_at: begun.started_at,
        suspect: begun.suspect.as_deref().map(visible),
        target: begun.target.clone(),
        dry_run: begun.dry_run,
        restored: done.restored.clone(),
        damage: begun.damage.clone(),
        message: done.problem.as_deref().map(visible),
        complaints: plain(&done.complaints),
        more_complaints: done.more_complaints,
        notes: plain(&begun.notes),
    });
}

fn tell(done: &RestoreReport, notes_told: usize, output: &Output) {
    for note in done.begun.notes.iter().skip(notes_told) {
        output.say(&format!("note: {}", visible(note)));
    }
    output.text(&summary(done));
    for staying in &done.restored.first_differing {
        let why = staying.reason.words();
        let why = why.map_or(String::new(), |why| format!(": {why}"));
        output.say(&format!("  stays: {}{why}", visible(&staying.path)));
    }
    let more = done.restored.differs - done.restored.first_differing.len() as u64;
    if more > 0 {
        output.say(&format!("  stays: and {more} more"));
    }
    if let Some(problem) = &done.problem {
        Output::warn(&format!("error: {}", visible(problem)));
    }
    for line in done.complaints.iter().take(SHOWN) {
        Output::warn(&format!("  {}", visible(line)));
    }
    let more = done.complaints.len().saturating_sub(SHOWN) as u64 + done.more_complaints;
    if more > 0 {
        Output::warn(&format!("  and {more} more"));
    }
}

fn summary(done: &RestoreReport) -> String {
    let (r, begun) = (&done.restored, &done.begun);
    let verb = if begun.dry_run {
        "Would restore"
    } else if done.is_nothing() {
        "Restored nothing"
    } else if done.problem.is_some() {
        "Restored in part"
    } else {
        "Restored"
    };
    let mut text = format!(
        "{verb} from {}:{} of {} to {}: {} new, {}",
        begun.host,
        begun.snapshot,
        begun.started_at,
        begun.target,
        r.made,
        ByteCount(r.bytes),
    );
    if r.replaced > 0 {
        text.push_str(&format!("; {} replaced", r.replaced));
    }
    if r.other_kind > 0 {
        text.push_str(&format!(" ({} of another kind)", r.other_kind));
    }
    if r.attributes > 0 {
        text.push_str(&format!("; attributes alone of {}", r.attributes));
    }
    if r.joined > 0 {
        let s = if r.joined == 1 { "" } else { "s" };
        text.push_str(&format!("; {} hard link{s} joined again", r.joined));
    }
    if r.same > 0 {
        text.push_str(&format!("; {} there already", r.same));
    }
    text.push_str(".\n");
    let replaceable = r.differs - r.not_empty;
    if replaceable > 0 {
        let below = match r.below {
            0 => String::new(),
            below => format!(", and {below} that belong below them left out"),
        };
        text.push_str(&format!(
            "{replaceable} there and different, left as they are{below}; --overwrite replaces them.\n"
        ));
    }
    if r.not_empty > 0 {
        text.push_str(&format!(
            "{} left as they are: directories that hold something.\n",
            r.not_empty
        ));
    }
    if let [first, others @ ..] = &begun.damage[..] {
        let more = match others.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        text.push_str(&format!(
            "Damaged in that snapshot, as verification has found: {}{more}.\n",
            visible(&first.path)
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
