//! Waiting for a configuration to say something else.
//!
//! Waits at folders, not at files: editors rename, git swaps whole folders, and a link is no part of what it leads to.
//! Every look makes the watches anew before it reads, so that nothing falls between the two.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::load::Configuration;
use super::{Error, checkout};
use crate::config::{self, Loaded, Watched};
use crate::core::plan::SourceFile;

/// Nothing may have happened for so long before it is read.
const QUIET: Duration = Duration::from_millis(500);
/// It is read after so long even if things go on to happen.
const LONGEST: Duration = Duration::from_secs(10);
/// It is looked at so often whatever was told: network file systems tell nothing.
const POLL: Duration = Duration::from_secs(60);
/// Includes may lead to folders whose includes lead on: each round waits at what the last one found.
const ROUNDS: usize = 16;

/// What a wait ended with.
#[derive(Debug)]
pub enum News {
    /// The configuration is valid and says something else than before.
    Configuration {
        /// What it says.
        configuration: Box<Configuration>,
        /// The files that came, went or changed since it was last valid.
        changed: Vec<String>,
        /// It was not valid in between.
        is_mended: bool,
    },
    /// It is not valid, in a way that was not told yet.
    Broken(Box<config::Report>),
    /// Nothing has changed for as long as the wait was to be.
    Nothing,
    /// Somebody has asked for the end.
    End,
}

/// Something that a wait waits for.
enum Wake {
    Changed,
    /// The kernel gives no more watches.
    NoWatches(String),
    End,
}

/// Ends the wait, from another thread.
#[derive(Clone)]
pub struct Ender(Sender<Wake>);

impl Ender {
    /// Ends the wait.
    pub fn end(&self) {
        // Nobody waits any more: then it has ended.
        let _ = self.0.send(Wake::End);
    }
}

/// Waits for the configuration to change.
pub struct Watch {
    path: Utf8PathBuf,
    shown: Utf8PathBuf,
    /// Where what was parsed is kept.
    folder: Utf8PathBuf,
    wake: Sender<Wake>,
    woken: Receiver<Wake>,
    watcher: Option<RecommendedWatcher>,
    watched: Watched,
    /// What was told last; nothing before the first look.
    told: Option<Told>,
    /// The files of the configuration when it was last valid.
    valid: Vec<SourceFile>,
    /// Why some folders are looked at only now and then.
    problem: Option<String>,
    has_told_problem: bool,
}

#[derive(PartialEq, Eq)]
struct Told {
    files: Vec<(Utf8PathBuf, String)>,
    findings: Vec<String>,
    is_valid: bool,
}

impl Watch {
    /// Prepares to wait for the configuration at `path`. Its first news is what it says now. What the parser makes of its
    /// files is kept in `folder`.
    ///
    /// # Errors
    /// When `path` cannot be made absolute: this folder is gone.
    pub fn new(path: &Utf8Path, folder: &Utf8Path) -> Result<Self, Error> {
        let absolute = camino::absolute_utf8(path).map_err(|source| Error::File {
            doing: "find",
            path: path.to_string(),
            source,
        })?;
        let (wake, woken) = channel();
        Ok(Self {
            // This folder may go and come again.
            path: absolute,
            shown: path.to_owned(),
            folder: folder.to_owned(),
            wake,
            woken,
            watcher: None,
            watched: Watched::default(),
            told: None,
            valid: Vec::new(),
            problem: None,
            has_told_problem: false,
        })
    }

    /// What ends the wait.
    #[must_use]
    pub fn ender(&self) -> Ender {
        Ender(self.wake.clone())
    }

    /// Why changes may be seen late, if they may and it was not said yet.
    pub fn problem(&mut self) -> Option<String> {
        let problem = self.problem.take().filter(|_| !self.has_told_problem);
        self.has_told_problem |= problem.is_some();
        problem
    }

    /// Waits until there is news, `at_most` so long.
    pub fn next(&mut self, at_most: Option<Duration>) -> News {
        let until = at_most.map(|most| Instant::now() + most);
        loop {
            if self.told.is_some() {
                match self.wait(until) {
                    Waited::End => return News::End,
                    Waited::Nothing => return News::Nothing,
                    Waited::Look => {}
                }
            }
            let Some(loaded) = self.settled() else {
                return News::End;
            };
            if let Some(news) = self.news(loaded) {
                return news;
            }
        }
    }

    /// Waits for a change and for quiet after it, or for the next look that nobody asked for.
    fn wait(&mut self, until: Option<Instant>) -> Waited {
        let poll = Instant::now() + POLL;
        let deadline = until.map_or(poll, |until| until.min(poll));
        match self.receive(deadline) {
            Ok(Wake::Changed) if self.quiet() => Waited::Look,
            Ok(_) => Waited::End,
            _ if until.is_some_and(|until| until <= poll) => Waited::Nothing,
            _ => Waited::Look,
        }
    }

    /// The next event, if it comes in time.
    fn receive(&mut self, deadline: Instant) -> Result<Wake, RecvTimeoutError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.woken.recv_timeout(left)? {
                Wake::NoWatches(problem) => {
                    self.problem.get_or_insert(problem);
                }
                wake => return Ok(wake),
            }
        }
    }

    /// Waits until nothing has happened for a while, and no checkout is under way; says no at the end.
    fn quiet(&mut self) -> bool {
        let start = Instant::now();
        loop {
            match self.receive(Instant::now() + QUIET) {
                Ok(Wake::End) => return false,
                Ok(_) if start.elapsed() < LONGEST => {}
                _ if self.is_checkout() => tracing::debug!("a checkout is under way"),
                _ => return true,
            }
        }
    }

    fn is_checkout(&self) -> bool {
        let real = self.path.canonicalize_utf8();
        let folder = real.as_deref().unwrap_or(&self.path).parent();
        folder.is_some_and(checkout::is_under_way)
    }

    /// Reads the configuration at a time when it is not being written; nothing at the end.
    fn settled(&mut self) -> Option<Loaded> {
        let start = Instant::now();
        loop {
            let was_checkout = self.is_checkout();
            let loaded = self.look();
            let is_quiet = match self.receive(Instant::now()) {
                Ok(Wake::End) => return None,
                received => received.is_err(),
            };
            let is_checkout = was_checkout || self.is_checkout();
            if is_settled(is_quiet, is_checkout, start.elapsed()) {
                return Some(loaded);
            }
            if !self.quiet() {
                return None;
            }
        }
    }

    /// Reads the configuration while every place is watched that it was read from.
    fn look(&mut self) -> Loaded {
        let mut rounds = 0;
        loop {
            let watcher = self.watcher();
            // Now that the new one is there, the old one can go.
            self.watcher = watcher;
            let loaded = config::load_remembering(&self.path, &self.shown, &self.folder);
            rounds += 1;
            if loaded.watched == self.watched || rounds == ROUNDS {
                return loaded;
            }
            self.watched = loaded.watched.clone();
        }
    }

    fn watcher(&mut self) -> Option<RecommendedWatcher> {
        let (watched, wake) = (self.watched.clone(), self.wake.clone());
        let made = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Some(event) = wake_of(&event, &watched) {
                // Nobody waits any more: the program is about to end.
                let _ = wake.send(event);
            }
        });
        let mut watcher = match made {
            Ok(watcher) => watcher,
            Err(error) => {
                self.problem.get_or_insert(error.to_string());
                return None;
            }
        };
        // The innermost first: there changes are likely, should the watches not do for all.
        for folder in self.watched.folders().into_iter().rev() {
            let added = watcher.watch(folder.as_std_path(), RecursiveMode::NonRecursive);
            // A folder that is not there yet is waited for in its parent; one that may not be read holds no include.
            if let Err(error) = added
                && matches!(error.kind, notify::ErrorKind::MaxFilesWatch)
            {
                self.problem.get_or_insert(error.to_string());
                break;
            }
        }
        Some(watcher)
    }

    fn news(&mut self, loaded: Loaded) -> Option<News> {
        let told = Told {
            files: loaded
                .files
                .iter()
                .map(|file| (file.path.clone(), file.sha256.clone()))
                .collect(),
            findings: loaded
                .report
                .findings()
                .iter()
                .map(|finding| format!("{finding:?}"))
                .collect(),
            is_valid: loaded.state.is_some(),
        };
        if self.told.as_ref() == Some(&told) {
            tracing::debug!("read again, and nothing is new");
            return None;
        }
        let before = self.told.replace(told);
        match Configuration::try_from(loaded) {
            Ok(configuration) => {
                let files = configuration.source.files.clone();
                let valid = std::mem::replace(&mut self.valid, files);
                let changed = match before {
                    Some(_) => changed(&valid, &self.valid),
                    None => Vec::new(),
                };
                Some(News::Configuration {
                    configuration: Box::new(configuration),
                    changed,
                    is_mended: before.is_some_and(|told| !told.is_valid),
                })
            }
            Err(Error::Invalid(report)) => Some(News::Broken(report)),
            Err(_) => None,
        }
    }
}

/// Says that what was read may be acted upon. However long things go on, the middle of a checkout never is: it may lack half of
/// the hosts.
fn is_settled(is_quiet: bool, is_checkout: bool, since: Duration) -> bool {
    !is_checkout && (is_quiet || since > LONGEST)
}

enum Waited {
    Look,
    Nothing,
    End,
}

/// What an event of the system means here; nothing if it is about something else.
fn wake_of(event: &notify::Result<notify::Event>, watched: &Watched) -> Option<Wake> {
    let event = match event {
        Ok(event) => event,
        Err(error) => return Some(Wake::NoWatches(error.to_string())),
    };
    // Reading is no change, and our own would wake us again and again.
    let is_change = !matches!(event.kind, EventKind::Access(_))
        || matches!(
            event.kind,
            EventKind::Access(AccessKind::Close(AccessMode::Write))
        );
    let concerns = event.need_rescan()
        || event
            .paths
            .iter()
            .any(|path| Utf8Path::from_path(path).is_none_or(|path| watched.concerns(path)));
    (is_change && concerns).then_some(Wake::Changed)
}

/// The files that are not in both.
fn changed(before: &[SourceFile], after: &[SourceFile]) -> Vec<String> {
    let missing = |a: &[SourceFile], b: &[SourceFile]| -> Vec<String> {
        let others: std::collections::HashSet<(&str, &str)> = b
            .iter()
            .map(|f| (f.path.as_str(), f.sha256.as_str()))
            .collect();
        a.iter()
            .filter(|f| !others.contains(&(f.path.as_str(), f.sha256.as_str())))
            .map(|f| f.path.clone())
            .collect()
    };
    let mut names = missing(before, after);
    names.extend(missing(after, before));
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, is_settled};

    #[test]
    fn what_a_checkout_has_half_written_is_never_taken() {
        let late = LONGEST * 2;
        assert!(is_settled(true, false, LONGEST / 2));
        assert!(!is_settled(false, false, LONGEST / 2));
        assert!(is_settled(false, false, late), "it may go on for ever");
        assert!(!is_settled(true, true, late));
    }
}
