//! The transfers of one pull: rsync alone, or rsync to compare and to bring, and links made here.
//!
//! The fast way, as DESIGN has it: rsync tells of every name how it differs from the base, brings exactly those that
//! do into an empty tree, and the tree is completed with links. Whatever does not add up ends it, and the pull is
//! begun anew by `--link-dest` alone. rsync is never let into a tree with links that were made here: it would change
//! attributes in place, and so in older snapshots.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::ceiling::watched;
use super::links::{Links, utf8};
use super::pulse::Pulse;
use super::{Error, sentence};
use crate::core::model::{Incremental, SourcePath, SqlHost, TransferList, visible};
use crate::disk::{DiskError, GraftError, HostLock, Incomplete, Kept, SnapshotMeta, Tree};
use crate::rsync::{self, Ceiling, Ended, Pull, Surprise, Transfer, brought};

/// A base of fewer files is linked by rsync sooner than a second transfer begins: it takes 0.07 ms a file, a connection
/// takes 300 ms and more.
const FAST_FROM: u64 = 5_000;

/// Pulls that go by `--link-dest` after a comparison that came to nothing: a host with a folder that cannot be read would
/// pay for one in vain every night. A week of nights, then the cause may have gone.
const PULLS_TO_WAIT: u64 = 7;
/// Where `meta.json` says how many such pulls are left.
const WAIT: &str = "incremental_wait";
/// Between two connections of which the first was turned away: hosts count those of the last seconds.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a wish to stop may go unheard meanwhile.
const TICK: Duration = Duration::from_millis(100);

/// How unchanged files were found and linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// By rsync.
    LinkDest,
    /// By rsync, after the fast way had come to nothing.
    Instead(Setback),
    /// By rsync, since the fast way lately came to nothing; so many more pulls go this way.
    Waiting(u64),
    /// By a comparison of rsync's and links of ours.
    Fast,
}

/// Why the fast way came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setback {
    why: String,
    /// The next comparison will most likely say the same.
    is_lasting: bool,
}

impl Setback {
    fn once(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_lasting: false,
        }
    }

    fn lasting(why: impl Into<String>) -> Self {
        Self {
            is_lasting: true,
            ..Self::once(why)
        }
    }
}

impl Way {
    /// Writes it into what `meta.json` says.
    pub(super) fn note(&self, meta: &mut SnapshotMeta) {
        let word = match self {
            Self::Fast => "fast",
            Self::LinkDest | Self::Instead(_) | Self::Waiting(_) => "link-dest",
        };
        let mut say = |field: &str, value: Value| meta.other.insert(field.to_owned(), value);
        say("incremental", word.into());
        match self {
            Self::Fast | Self::LinkDest | Self::Waiting(0) => {}
            Self::Waiting(left) => {
                say(WAIT, (*left).into());
            }
            Self::Instead(setback) => {
                say("incremental_fallback", setback.why.as_str().into());
                if setback.is_lasting {
                    say(WAIT, PULLS_TO_WAIT.into());
                }
            }
        }
    }
}

pub(super) struct Transfers<'t, 'p> {
    pub(super) host: &'t SqlHost,
    pub(super) lock: &'t mut HostLock,
    pub(super) pull: &'t Pull,
    pub(super) incomplete: &'t Incomplete,
    pub(super) progress: &'t mut (dyn FnMut(rsync::Progress) + 'p),
    pub(super) pulse: &'t Pulse,
    pub(super) begun: Instant,
    pub(super) ceiling: &'t Ceiling,
    /// What all transfers of a pull go by that begins with a comparison over ssh.
    pub(super) connection: Option<rsync::Connection>,
}

/// What the fast way came to.
enum Fast {
    /// The pull has ended, well or not.
    Ended(Ended),
    /// Another way has to be taken.
    Failed(Setback),
}

/// Where a pull begins.
enum Start {
    LinkDest,
    /// By `--link-dest`, and so do so many more.
    Waiting(u64),
    /// By comparing with this tree, which lies there.
    Fast(Tree, Utf8PathBuf),
}

impl Transfers<'_, '_> {
    /// Pulls, by the way that the host's settings and its base allow.
    ///
    /// # Errors
    /// When rsync cannot be started, or the tree of the pull not be worked with.
    pub(super) fn run(mut self, links: &Links) -> Result<(Ended, Way), Error> {
        let done = self.pull_by(links);
        let hung_up = self.hang_up();
        let done = done?;
        hung_up?;
        Ok(done)
    }

    fn pull_by(&mut self, links: &Links) -> Result<(Ended, Way), Error> {
        if let Some(first) = links.damaged.first() {
            self.say(&format!(
                "what it is linked against has {} damaged files, {} among them: every file is compared by its content, \
                 so that they are brought anew; this reads all files here and on the host",
                links.damaged.len(),
                visible(first)
            ));
        }
        let way = match self.start(links)? {
            Start::LinkDest => Way::LinkDest,
            Start::Waiting(left) => Way::Waiting(left),
            Start::Fast(base, path) => match self.fast(&base, &path)? {
                Fast::Ended(ended) => return Ok((ended, Way::Fast)),
                Fast::Failed(setback) => {
                    let why = &setback.why;
                    self.say(&format!(
                        "not by comparing first: {why}; begun anew with --link-dest"
                    ));
                    self.begin_anew()?;
                    Way::Instead(setback)
                }
            },
        };
        let mut ended = self.transfer(rsync::run)?;
        self.look_at_connection(&mut ended)?;
        Ok((ended, way))
    }

    /// The fast way begins at the tree of the base, where it is right and pays.
    fn start(&self, links: &Links) -> Result<Start, Error> {
        let files = links.earlier.and_then(|earlier| earlier.files);
        // What is linked here is compared with what lies here, and not with what stands for it.
        if self.pull.checksum || self.pull.rsync.fake_super {
            return Ok(Start::LinkDest);
        }
        let is_wanted = match self.host.settings.rsync.incremental {
            Incremental::LinkDest => false,
            Incremental::Fast => true,
            Incremental::Auto => files.is_some_and(|files| files >= FAST_FROM),
        };
        let (Some((kind, name)), [path]) = (&links.linked, &links.data[..]) else {
            return Ok(Start::LinkDest);
        };
        // rsync tells of a name once and counts it twice.
        if !is_wanted || overlap(&self.pull.sources) {
            return Ok(Start::LinkDest);
        }
        let meta = self.lock.read_meta(*kind, name)?;
        let wait = meta.and_then(|meta| meta.other.get(WAIT)?.as_u64());
        if let Some(left) = wait.and_then(|left| left.min(PULLS_TO_WAIT).checked_sub(1)) {
            return Ok(Start::Waiting(left));
        }
        let tree = self.lock.tree(*kind, name)?;
        Ok(tree.map_or(Start::LinkDest, |tree| Start::Fast(tree, path.clone())))
    }

    fn fast(&mut self, base: &Tree, path: &Utf8Path) -> Result<Fast, Error> {
        if let Some(ended) = self.connect()? {
            return Ok(Fast::Ended(ended));
        }
        let (mut compared, difference) =
            self.transfer(|pull, transfer| rsync::compare(pull, path, transfer))?;
        self.look_at_connection(&mut compared)?;
        if is_ended(&compared) || matches!(compared.exit, Some(10 | 30 | 35 | 255)) {
            return Ok(Fast::Ended(compared));
        }
        if !matches!(compared.exit, Some(0 | 24)) {
            let exit = compared.exit.unwrap_or_default();
            let why = format!("the comparison ended with {exit}");
            return Ok(Fast::Failed(match has_closed_folder(&compared) {
                true => Setback::lasting(why),
                false => Setback::once(why),
            }));
        }
        let difference = match difference {
            Ok(difference) => difference,
            Err(Surprise(why)) => return Ok(Fast::Failed(Setback::lasting(why))),
        };
        let mut list = difference.list;
        if !difference
            .leaders
            .iter()
            .all(|leader| list.bring_path(leader))
        {
            let why = "a hard link leads to a name that is not listed";
            return Ok(Fast::Failed(Setback::once(why)));
        }
        if let Err(error) = base.bring_whole_groups(&mut list) {
            return Ok(Fast::Failed(Setback::once(told(error))));
        }
        let names = names(&list);
        let mut missing = 0;
        let ended = if names.is_empty() {
            compared.without_transfer()
        } else {
            let (ended, removed) = self.bring(&names)?;
            // What has come before a connection broke is what the next pull goes on from, and a disk on which no list
            // can be removed takes no other try.
            let is_over = is_ended(&ended)
                || has_broken(&ended) && !self.incomplete.is_empty()?
                || removed.is_err() && ended.exit != Some(0);
            if is_over {
                return Ok(Fast::Ended(ended.after(&compared)));
            }
            removed?;
            if has_broken(&ended) {
                self.pause();
                let why = "the connection that brings what differs failed twice";
                return Ok(Fast::Failed(Setback::once(why)));
            }
            match brought(ended, &compared) {
                Ok(brought) => {
                    missing = brought.missing();
                    brought.with(&compared)
                }
                Err(Surprise(why)) => return Ok(Fast::Failed(Setback::once(why))),
            }
        };
        self.complete(base, &list, missing, ended)
    }

    /// Brings `names`. A connection that brought nothing is tried once more: a host that counts connections may take the
    /// second of a pull for one too many.
    ///
    /// The second answer is whether the list of them could be removed again.
    fn bring(&mut self, names: &[u8]) -> Result<(Ended, Result<(), DiskError>), Error> {
        let file = utf8(self.incomplete.write_names(names)?)?;
        let ended = self.bring_from(&file);
        let removed = self.incomplete.remove_names();
        Ok((ended?, removed))
    }

    fn bring_from(&mut self, file: &Utf8Path) -> Result<Ended, Error> {
        let mut ended = self.transfer(|pull, transfer| rsync::bring(pull, file, transfer))?;
        self.look_at_connection(&mut ended)?;
        if !has_broken(&ended) || is_ended(&ended) || !self.incomplete.is_empty()? {
            return Ok(ended);
        }
        self.say("the connection that brings what differs failed; it is tried once more");
        self.pause();
        self.transfer(|pull, transfer| rsync::bring(pull, file, transfer))
    }

    /// Makes the connection for all transfers: a host may count them, and each takes its time. Answers how ssh ended if the
    /// host is not to be reached.
    fn connect(&mut self) -> Result<Option<Ended>, Error> {
        if self.pull.address.is_local() {
            return Ok(None);
        }
        let socket = utf8(self.incomplete.connection_path())?;
        let opened =
            self.transfer(|pull, transfer| Ok(rsync::Connection::open(pull, &socket, transfer)))?;
        match opened {
            Ok(Ok(connection)) => self.connection = Some(connection),
            Ok(Err(ended)) => return Ok(Some(ended)),
            Err(error) => {
                let why = visible(&error.to_string());
                self.say(&format!(
                    "each transfer makes a connection of its own: {why}"
                ));
            }
        }
        Ok(None)
    }

    /// Ends the shared connection if a transfer has failed for one: the next makes one of its own, and why this one broke
    /// is what its ssh said.
    fn look_at_connection(&mut self, ended: &mut Ended) -> Result<(), Error> {
        if has_broken(ended) {
            let said = self.hang_up()?;
            ended.complaints.splice(0..0, said);
        }
        Ok(())
    }

    /// Ends the shared connection; says what its ssh has complained about.
    fn hang_up(&mut self) -> Result<Vec<String>, DiskError> {
        let Some(connection) = self.connection.take() else {
            return Ok(Vec::new());
        };
        let said = connection.close();
        self.incomplete.remove_connection()?;
        Ok(said)
    }

    fn pause(&self) {
        let (begun, longest) = (Instant::now(), PAUSE.min(self.deadline()));
        while begun.elapsed() < longest && !self.pulse.stop.is_asked() {
            std::thread::sleep(TICK);
        }
    }

    /// Completes the tree with all that was not brought, and counts what should have been.
    fn complete(
        &self,
        base: &Tree,
        list: &TransferList,
        missing: usize,
        mut ended: Ended,
    ) -> Result<Fast, Error> {
        let kept = Kept {
            xattrs: self.pull.rsync.xattrs,
            acls: self.pull.rsync.acls,
        };
        let (deadline, stop) = (self.deadline(), &self.pulse.stop);
        let begun = Instant::now();
        let is_stopped = || stop.is_asked() || begun.elapsed() > deadline;
        match self.incomplete.graft(base, list, kept, &is_stopped) {
            Ok(absent) if absent == missing => Ok(Fast::Ended(ended)),
            Ok(absent) => Ok(Fast::Failed(Setback::once(format!(
                "{absent} names did not come, and rsync told of {missing}"
            )))),
            Err(GraftError::Stopped) => {
                ended.cancelled = stop.is_asked();
                ended.timed_out = !ended.cancelled;
                Ok(Fast::Ended(ended))
            }
            Err(error) => Ok(Fast::Failed(Setback::once(told(error)))),
        }
    }

    fn begin_anew(&self) -> Result<(), Error> {
        // Nothing that a plan has to list: it never was a snapshot.
        let left = BTreeSet::from([self.lock.begin_anew(self.incomplete)?]);
        let (pace, stop) = (self.host.settings.prune.max_per_second, &self.pulse.stop);
        let emptied = self.lock.empty_trash(&left, pace, &|_| stop.flow())?;
        if !emptied.is_finished() {
            self.say("some of it could not be removed from the trash");
        }
        Ok(())
    }

    fn transfer<T>(
        &mut self,
        run: impl FnOnce(&Pull, Transfer<'_>) -> std::io::Result<T>,
    ) -> Result<T, Error> {
        let log = self.incomplete.open_log()?;
        let stdin = self.lock.stdin()?;
        let deadline = self.deadline();
        let (lock, pulse, progress) = (&mut *self.lock, self.pulse, &mut *self.progress);
        let mut group = None;
        let (pull, ceiling) = (self.pull, self.ceiling);
        let transfer = Transfer {
            stdin,
            log,
            deadline,
            stop: &pulse.stop,
            ceiling,
            connection: self.connection.as_ref(),
            on_start: &mut |started: rsync::Started| {
                group = Some(lock.record_children(started.pid));
            },
            on_progress: &mut |seen: rsync::Progress| {
                pulse.is_at(seen.bytes);
                progress(seen);
            },
        };
        let done = watched(self.incomplete, ceiling, || run(pull, transfer)).map_err(|source| {
            Error::File {
                doing: "run",
                path: "rsync".to_owned(),
                source,
            }
        })?;
        if let Some(Err(error)) = group {
            tracing::warn!("{}: {error}", self.host.name);
        }
        Ok(done)
    }

    /// What is left of the time that the pull may take.
    fn deadline(&self) -> Duration {
        let all: Duration = self.host.settings.rsync.deadline.into();
        all.saturating_sub(self.begun.elapsed())
    }

    fn say(&self, what: &str) {
        tracing::info!("{}: {what}", self.host.name);
        // A log that cannot be written makes no backup fail.
        if let Ok(mut log) = self.incomplete.open_log() {
            let _ = writeln!(log, "pobsync: {what}");
        }
    }
}

/// Says that another way would come to the same: somebody, a signal, the clock or the server's own disk has ended it.
fn is_ended(ended: &Ended) -> bool {
    ended.cancelled
        || ended.timed_out
        || ended.excess.is_some()
        || matches!(ended.exit, None | Some(11 | 20))
}

/// Says that the connection did not come about, or did not last.
fn has_broken(ended: &Ended) -> bool {
    matches!(ended.exit, Some(10 | 12 | 30 | 35 | 255))
}

/// Says that a folder of the host cannot be read. 23 alone says less: a folder that has become a file is that too, and
/// only tonight.
fn has_closed_folder(compared: &Ended) -> bool {
    let mut complaints = compared.complaints.iter();
    compared.exit == Some(23) && complaints.any(|line| line.contains("opendir \""))
}

/// Says that a source is another one, or inside it.
fn overlap(sources: &[SourcePath]) -> bool {
    let is_within = |inner: &str, outer: &str| {
        let outer = outer.trim_end_matches('/');
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    sources.iter().enumerate().any(|(at, outer)| {
        sources
            .iter()
            .enumerate()
            .any(|(other, inner)| at != other && is_within(inner.as_str(), outer.as_str()))
    })
}

/// The names that have to be brought, each ended by a NUL.
fn names(list: &TransferList) -> Vec<u8> {
    let mut names = Vec::new();
    if list.top() == Some(false) {
        names.extend_from_slice(b".\0");
    }
    for entry in list.changed() {
        names.extend_from_slice(&list.path_of(entry));
        names.push(0);
    }
    names
}

fn told(error: GraftError) -> String {
    match error {
        GraftError::Disk(error) => sentence(&error.into()),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Ended, has_closed_folder, overlap};

    #[test]
    fn only_a_folder_that_cannot_be_read_stays_so() {
        let ended = |line: &str| Ended {
            exit: Some(23),
            complaints: vec![line.to_owned()],
            ..Ended::default()
        };
        let closed = "rsync: [sender] opendir \"/etc/x\" failed: Permission denied (13)";
        assert!(has_closed_folder(&ended(closed)));
        let changed = "could not make way for new regular file: etc/x";
        assert!(!has_closed_folder(&ended(changed)));
    }

    #[test]
    fn sources_that_hold_each_other_are_seen() {
        let overlap = |paths: &[&str]| {
            let sources: Vec<_> = paths.iter().map(|p| p.parse().unwrap()).collect();
            overlap(&sources)
        };
        assert!(overlap(&["/etc", "/var/www", "/var"]));
        assert!(overlap(&["/", "/etc"]) && overlap(&["/etc", "/etc"]));
        assert!(!overlap(&["/var", "/var-old", "/etc"]) && !overlap(&["/"]));
    }
}
