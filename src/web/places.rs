//! The configuration file beside the database, where this server has one: which line set a value that is in force.
//!
//! SQL decides and holds no places. The file is read in the background, at most so often, and again only when a file or
//! a folder of it has changed; no page waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};

use crate::core::desired::{DesiredHost, explain};
use crate::core::model::{HostName, SqlHost, visible};
use crate::ops;

/// How often the files are looked at, at most: when somebody looks at a page that shows places.
const EVERY: Duration = Duration::from_secs(15);

/// What is known of the file.
#[derive(Clone)]
pub(super) struct Places(Arc<Inner>);

struct Inner {
    path: Option<Utf8PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    read: Option<Arc<Read>>,
    looked_at: Option<Instant>,
    is_reading: bool,
}

/// The file as it was read last.
pub(super) struct Read {
    /// Its path.
    pub(super) path: Utf8PathBuf,
    /// Why it cannot be used.
    pub(super) problem: Option<String>,
    /// How many hosts it has.
    pub(super) hosts: usize,
    by_name: BTreeMap<HostName, DesiredHost>,
    stamp: Stamp,
}

/// What a change of the files changes: size and time of each, and time of each folder they lie in.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Stamp(BTreeMap<Utf8PathBuf, Option<(u64, SystemTime)>>);

/// A setting that is in force, as the page shows it.
pub(super) struct Setting {
    pub(super) path: String,
    pub(super) value: String,
    /// The place that set it: nothing if the file is not known, or says something else.
    pub(super) place: Option<String>,
}

impl Places {
    pub(super) fn new(path: Option<Utf8PathBuf>) -> Self {
        Self(Arc::new(Inner {
            path,
            state: Mutex::default(),
        }))
    }

    /// The file as it was read last. Has it looked at again if that is some time ago.
    pub(super) fn read(&self) -> Option<Arc<Read>> {
        let path = self.0.path.as_ref()?;
        let mut state = self.lock();
        let is_due = state.looked_at.is_none_or(|at| at.elapsed() >= EVERY);
        if is_due && !state.is_reading {
            state.is_reading = true;
            state.looked_at = Some(Instant::now());
            let (places, path) = (self.clone(), path.clone());
            tokio::task::spawn_blocking(move || places.refresh(path));
        }
        state.read.clone()
    }

    fn refresh(&self, path: Utf8PathBuf) {
        let before = self.lock().read.clone();
        let is_same = before
            .as_ref()
            .is_some_and(|read| read.stamp == Stamp::of(read.stamp.0.keys()));
        let read = (!is_same).then(|| Arc::new(Read::of(path)));
        let mut state = self.lock();
        state.is_reading = false;
        if read.is_some() {
            state.read = read;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read {
    fn of(path: Utf8PathBuf) -> Self {
        let folder = path.parent().unwrap_or(Utf8Path::new(""));
        match ops::load_explained(&path) {
            Ok(loaded) => {
                // Looked at after the reading: what changes in between is read again at the next look.
                let files = loaded.source.files.iter().map(|f| folder.join(&f.path));
                let stamp = Stamp::with_folders(files);
                let hosts = loaded.desired.hosts;
                Self {
                    problem: None,
                    hosts: hosts.len(),
                    by_name: hosts.into_iter().map(|h| (h.name.clone(), h)).collect(),
                    stamp,
                    path,
                }
            }
            Err(error) => Self {
                problem: Some(visible(&error.to_string())),
                hosts: 0,
                by_name: BTreeMap::new(),
                stamp: Stamp::default(),
                path,
            },
        }
    }

    /// The place of every setting of `host` that is in force as the file has it.
    fn places(&self, host: &HostName) -> BTreeMap<String, (String, String)> {
        let explained = self.by_name.get(host).map(explain).unwrap_or_default();
        explained
            .into_iter()
            .map(|(path, value, place)| (path, (value, place)))
            .collect()
    }
}

impl Stamp {
    fn of<'a>(paths: impl Iterator<Item = &'a Utf8PathBuf>) -> Self {
        let look = |path: &Utf8PathBuf| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.len(), meta.modified().ok()?))
        };
        // A file that failed has no stamp, and is read again each time.
        Self(paths.map(|path| (path.clone(), look(path))).collect())
    }

    fn with_folders(files: impl Iterator<Item = Utf8PathBuf>) -> Self {
        let mut paths = Vec::new();
        for file in files {
            let folder = file.parent().filter(|p| !p.as_str().is_empty());
            paths.push(folder.unwrap_or(Utf8Path::new(".")).to_owned());
            paths.push(file);
        }
        Self::of(paths.iter())
    }
}

/// Every setting of a host that is in force, with its place where `read` knows it. References show their names, never
/// what they stand for.
pub(super) fn settings(host: &SqlHost, read: Option<&Read>) -> Vec<Setting> {
    let in_force = DesiredHost {
        name: host.name.clone(),
        was: None,
        at: String::new(),
        settings: host.settings.clone(),
        origins: BTreeMap::new(),
    };
    let mut places = read.map(|read| read.places(&host.name)).unwrap_or_default();
    explain(&in_force)
        .into_iter()
        .map(|(path, value, _)| {
            let place = places.remove(&path);
            let place = place.and_then(|(asked, at)| (asked == value).then_some(at));
            Setting { path, value, place }
        })
        .collect()
}
