//! What a restore asks of rsync, one call after the other: looks at the target, and the transfer between them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::rc::Rc;
use std::time::Duration;

use super::reading_error::ReadingError;
use super::restore::{RestoreBegun, RestorePhase, RestoreReport, Wanted};
use super::restored::{Missing, Restored, converted, without_slash};
use super::{Error, tree_paths};
use crate::disk::{Landing, Reached, SnapshotInUse, TreeKind};
use crate::rsync::{
    Class, Ended, Held, Pass, Progress, Restore, Seen, Stop, is_full, restore_complaints, restored,
};

/// Somebody who has stopped a restore waits for its end.
const LONGEST_LAST_LOOK: Duration = Duration::from_secs(10);
/// So many lines of rsync are told with an error.
const TOLD: usize = 20;

/// The passes of one restore.
pub(super) struct Work<'a> {
    pub(super) restore: &'a Restore,
    pub(super) in_use: &'a SnapshotInUse,
    pub(super) stop: &'a Stop,
    pub(super) wanted: &'a Wanted,
    pub(super) to_host: bool,
    /// The target, once it is there, if it is a directory of this machine.
    pub(super) landing: Option<Landing>,
}

impl Work<'_> {
    /// What one call of rsync holds.
    pub(super) fn held(&self) -> Result<Held, Error> {
        let (lock, data) = self.in_use.to_pass_on()?;
        let target = self.landing.as_ref().map(Landing::to_pass_on).transpose()?;
        Ok(Held { lock, data, target })
    }

    /// Which directories that lead to what is restored are not at the target.
    pub(super) fn missing_parents(&self) -> Result<Vec<OsString>, Error> {
        if self.restore.parents.is_empty() {
            return Ok(Vec::new());
        }
        let held = self.held()?;
        let ((missing, in_the_way), ended) = self.hear(
            |pass| self.restore.look_at_parents(held, pass),
            |(missing, in_the_way): &mut (BTreeSet<Vec<u8>>, Vec<String>), seen| match seen {
                Seen::New(item) => {
                    missing.insert(without_slash(&item.path).to_owned());
                }
                Seen::Differs(path) | Seen::OtherKind(path) => {
                    in_the_way.push(format!("/{}", tree_paths::bytes_shown(&path)));
                }
                // It stays as it is.
                _ => {}
            },
        )?;
        self.looked(&ended)?;
        if !in_the_way.is_empty() {
            return Err(ReadingError::ParentInTheWay { paths: in_the_way }.into());
        }
        let parents = self.restore.parents.iter();
        Ok(parents
            .filter(|parent| missing.contains(parent.as_encoded_bytes()))
            .cloned()
            .collect())
    }

    /// What would be done, and what is something of another kind at the target.
    pub(super) fn look(
        &self,
        begun: RestoreBegun,
        told: Rc<dyn Fn(&Seen)>,
    ) -> Result<(RestoreReport, BTreeSet<Vec<u8>>), Error> {
        let other_kinds = Rc::new(self.other_kinds()?);
        let kinds = Rc::clone(&other_kinds);
        let held = self.held()?;
        let (mut restored, ended) = self.hear(
            |pass| self.restore.look(held, pass),
            move |restored: &mut Restored, seen| {
                let seen = converted(seen, &kinds);
                told(&seen);
                restored.take(&seen);
            },
        )?;
        let is_partial = self.looked(&ended)?;
        restored.tell_directories(|path| self.is_directory(path));
        let mut report = RestoreReport {
            begun,
            restored,
            problem: is_partial.then(|| "some of it could not be looked at".to_owned()),
            complaints: Vec::new(),
            more_complaints: 0,
            is_cut_off: false,
        };
        if is_partial {
            (report.complaints, report.more_complaints) = restore_complaints(&ended);
        }
        Ok((report, Rc::unwrap_or_clone(other_kinds)))
    }

    /// What is something of another kind at the target, where it would be replaced: rsync tells of that as of a new thing.
    fn other_kinds(&self) -> Result<BTreeSet<Vec<u8>>, Error> {
        if !self.restore.overwrite {
            return Ok(BTreeSet::new());
        }
        let held = self.held()?;
        self.gather(
            |pass| self.restore.look_at_kinds(held, pass),
            |seen| match seen {
                Seen::OtherKind(path) => Some(path),
                _ => None,
            },
        )
    }

    /// Whether the snapshot holds a directory where this path of the target is.
    fn is_directory(&self, path: &[u8]) -> bool {
        let source = self.wanted.source_of(path, self.restore.flat);
        let reached = source.and_then(|names| self.in_use.tree().reach(&names).ok());
        matches!(reached, Some(Reached::Node(node)) if node.kind == TreeKind::Directory)
    }

    /// The paths that a look tells of, as far as they are meant.
    pub(super) fn gather(
        &self,
        call: impl FnOnce(Pass<'_>) -> std::io::Result<Ended>,
        meant: fn(Seen) -> Option<Vec<u8>>,
    ) -> Result<BTreeSet<Vec<u8>>, Error> {
        let (paths, ended) = self.hear(call, move |paths: &mut BTreeSet<_>, seen| {
            paths.extend(meant(seen));
        })?;
        self.looked(&ended)?;
        Ok(paths)
    }

    /// Hears a pass through, and takes in what it tells.
    pub(super) fn hear<T: Default + 'static>(
        &self,
        call: impl FnOnce(Pass<'_>) -> std::io::Result<Ended>,
        mut take: impl FnMut(&mut T, Seen) + 'static,
    ) -> Result<(T, Ended), Error> {
        let found = Rc::new(RefCell::new(T::default()));
        let heard = Rc::clone(&found);
        let pass = Pass {
            mark: mark()?,
            stop: self.stop,
            deadline: Duration::MAX,
            told: Box::new(move |seen| take(&mut heard.borrow_mut(), seen)),
        };
        let ended = call(pass).map_err(no_rsync)?;
        Ok((found.take(), ended))
    }

    /// Whether a part could not be looked at: it is met again when it is restored.
    pub(super) fn looked(&self, ended: &Ended) -> Result<bool, Error> {
        match restored(ended, self.to_host) {
            None => Ok(false),
            Some((Class::Partial, _)) => Ok(true),
            Some((Class::Cancelled, _)) => Err(ReadingError::StoppedBefore.into()),
            Some((_, message)) => Err(failed(message, ended)),
        }
    }

    pub(super) fn make_parents(&self, missing: &[OsString], stop: &Stop) -> Result<(), Error> {
        if missing.is_empty() {
            return Ok(());
        }
        let ended = self
            .restore
            .make_parents(missing, self.held()?, stop)
            .map_err(no_rsync)?;
        self.looked(&ended).map(|_| ())
    }

    /// Restores, and reports what came of what a look had found.
    pub(super) fn transfer(
        &self,
        report: &mut RestoreReport,
        other_kinds: BTreeSet<Vec<u8>>,
        progress: &mut dyn FnMut(RestorePhase),
    ) -> Result<(), Error> {
        let total = report.restored.bytes;
        let held = self.held()?;
        let mut on_progress = |seen: Progress| {
            progress(RestorePhase::Writing {
                done: seen.bytes,
                of: total,
            });
        };
        let (sent, ended) = self.hear(
            |pass| self.restore.transfer(held, pass, &mut on_progress),
            move |sent: &mut Restored, seen| sent.take(&converted(seen, &other_kinds)),
        )?;
        let Some((class, message)) = restored(&ended, self.to_host) else {
            return Ok(());
        };
        // A target that nobody reaches any more is asked nothing more.
        let still = match class {
            Class::Failed if self.to_host && !is_full(&ended) => None,
            _ => self.still_missing(class == Class::Cancelled)?,
        };
        let found = std::mem::take(&mut report.restored);
        report.restored = found.in_part(&sent, still.as_ref());
        if class == Class::Failed && report.restored.is_nothing() {
            return Err(failed(message, &ended));
        }
        // What the look has told is told again by now, if it still is so.
        report.problem = None;
        report.complaints.clear();
        report.more_complaints = 0;
        report.tell_end(class, message, &ended);
        Ok(())
    }

    /// What is not at the target after all; nothing if it takes too long to say while somebody waits for the end.
    fn still_missing(&self, is_stopped: bool) -> Result<Option<Missing>, Error> {
        if is_stopped && self.stop.is_hurried() {
            return Ok(None);
        }
        let unasked = Stop::new();
        let (stop, deadline) = match is_stopped {
            true => (&unasked, LONGEST_LAST_LOOK),
            false => (self.stop, Duration::MAX),
        };
        let held = self.held()?;
        let (missing, ended) = self.hear(
            |pass| {
                let pass = Pass {
                    stop,
                    deadline,
                    ..pass
                };
                self.restore.look_at_kinds(held, pass)
            },
            |missing: &mut Missing, seen| missing.take(&seen),
        )?;
        let is_whole = !ended.timed_out
            && matches!(
                restored(&ended, self.to_host),
                None | Some((Class::Partial, _))
            );
        Ok(is_whole.then_some(missing))
    }
}

impl RestoreReport {
    /// Tells how a pass that writes did not end well, after all that is told already.
    pub(super) fn tell_end(&mut self, class: Class, message: String, ended: &Ended) {
        self.is_cut_off = class != Class::Partial;
        self.problem.get_or_insert(message);
        let (complaints, more) = restore_complaints(ended);
        self.complaints.extend(complaints);
        self.more_complaints += more;
    }
}

/// What stands before each line of a look: no host can have guessed it.
fn mark() -> Result<String, Error> {
    let bytes = super::random_bytes()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(super) fn no_rsync(source: std::io::Error) -> Error {
    Error::File {
        doing: "run",
        path: "rsync".to_owned(),
        source,
    }
}

fn failed(message: String, ended: &Ended) -> Error {
    let (mut lines, _) = restore_complaints(ended);
    lines.truncate(TOLD);
    lines.retain(|line| !message.contains(line.as_str()));
    ReadingError::Transfer { message, lines }.into()
}
