//! One machine behind a real sshd, or this one as it is, backed up as two hosts: the fast way, and by `--link-dest`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::common::Sshd;
use crate::common::program::Program;
use crate::common::{Entry, read_tree};

pub(crate) struct Rig {
    pub(crate) program: Program,
    pub(crate) source: PathBuf,
    pub(crate) sshd: Sshd,
    address: &'static str,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::at("127.0.0.1", "")
    }

    /// With further settings for both hosts.
    pub(crate) fn with(both: &str) -> Self {
        Self::at("127.0.0.1", both)
    }

    pub(crate) fn at(address: &'static str, both: &str) -> Self {
        Self::made(address, both, Sshd::start())
    }

    /// Behind an sshd of its own kind.
    pub(crate) fn behind(sshd: Sshd, both: &str) -> Self {
        Self::made("127.0.0.1", both, sshd)
    }

    fn made(address: &'static str, both: &str, sshd: Sshd) -> Self {
        let program = Program::new();
        let source = program.path("source");
        std::fs::create_dir(&source).unwrap();
        let rig = Self {
            program,
            source,
            sshd,
            address,
        };
        // The host's rsync, which is told of when it begins, and does first what a test has it do.
        let wrapper = rig.program.path("rsync-of-the-host");
        let folder = rig.program.path("");
        let folder = folder.display();
        let text = format!(
            "#!/bin/sh\nif [ -e {folder}/watched ]; then\n    n=$(($(cat {folder}/watched) + 1)); echo $n >{folder}/watched\n    \
             if [ $n = 2 ]; then echo now >{folder}/asks; cat {folder}/answers >/dev/null; fi\nfi\necho >>{folder}/calls\n\
             if [ -e {folder}/first ]; then n=$(wc -l <{folder}/calls); . {folder}/first; fi\nexec rsync \"$@\"\n"
        );
        std::fs::write(&wrapper, text).unwrap();
        std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
        for fifo in ["asks", "answers"] {
            let made = std::process::Command::new("mkfifo")
                .arg(rig.program.path(fifo))
                .status();
            assert!(made.unwrap().success());
        }
        rig.write(both, both);
        rig.program.ends(0, &["init"]);
        rig.program.ends(0, &["apply", "--yes"]);
        rig
    }

    fn write(&self, fast: &str, plain: &str) {
        let text = format!(
            "global {{ backup-root \"ROOT\"; suspect-percent 0; \
             ssh {{ port {}; identity \"{}\"; known-hosts \"{}\" }}; rsync {{ rsync-path \"{}\" }} }}\n\
             host \"fast\" {{ address \"{address}\"; source \"{source}\"; rsync {{ incremental \"fast\" }}; {fast} }}\n\
             host \"plain\" {{ address \"{address}\"; source \"{source}\"; rsync {{ incremental \"link-dest\" }}; {plain} }}\n",
            self.sshd.port,
            self.sshd.identity.display(),
            self.sshd.known_hosts.display(),
            self.program.path("rsync-of-the-host").display(),
            address = self.address,
            source = self.source.display(),
        );
        self.program.write("pobsync.kdl", &text);
    }

    /// Gives the host of the fast way further settings.
    pub(crate) fn configure(&self, host: &str, settings: &str) {
        assert_eq!(host, "fast");
        self.write(settings, "");
        self.program.ends(0, &["apply", "--yes"]);
    }

    pub(crate) fn configure_both(&self, settings: &str) {
        self.write(settings, settings);
        self.program.ends(0, &["apply", "--yes"]);
    }

    /// What the host does, in shell, before its rsync begins; `n` counts its beginnings from now.
    pub(crate) fn host_does(&self, script: &str) {
        std::fs::write(self.program.path("first"), script).unwrap();
        let _ = std::fs::remove_file(self.program.path("calls"));
    }

    /// How often the host's rsync has begun since it was last asked.
    pub(crate) fn calls(&self) -> usize {
        let calls = self.program.path("calls");
        let text = std::fs::read_to_string(&calls).unwrap_or_default();
        let _ = std::fs::remove_file(calls);
        text.len()
    }

    pub(crate) fn log(&self, data: &Path) -> String {
        std::fs::read_to_string(data.parent().unwrap().join("rsync.log")).unwrap()
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.source.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The data of all snapshots of a host, oldest first.
    pub(crate) fn snapshots(&self, host: &str) -> Vec<PathBuf> {
        let names = self.program.visible(host, "manual");
        names
            .iter()
            .map(|name| self.program.data(host, "manual", name))
            .collect()
    }

    /// Backs up a host; the data of the new snapshot.
    pub(crate) fn backup(&self, host: &str) -> PathBuf {
        self.program.ends(0, &["backup", host]);
        self.snapshots(host).pop().unwrap()
    }

    /// Backs up both; the data of the new snapshots.
    pub(crate) fn both(&self) -> (PathBuf, PathBuf) {
        (self.backup("fast"), self.backup("plain"))
    }

    /// Backs up the fast way and does `between` when the host is asked for what has to be brought. Says whether it was
    /// the fast way to the end.
    pub(crate) fn backup_with(&self, between: impl FnOnce()) -> (PathBuf, bool) {
        let watched = self.program.path("watched");
        std::fs::write(&watched, "0").unwrap();
        let mut running = self
            .program
            .command(&["backup", "fast"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        self.waits_to_be_asked(&mut running);
        between();
        std::fs::write(self.program.path("answers"), "go\n").unwrap();
        assert!(running.wait().unwrap().success());
        std::fs::remove_file(watched).unwrap();
        let now = self.snapshots("fast").pop().unwrap();
        let is_fast = self.meta("fast", &now)["incremental"] == "fast";
        (now, is_fast)
    }

    /// Waits until the host is asked for what has to be brought. A backup that ends without asking is no reason to wait
    /// for ever.
    pub(crate) fn waits_to_be_asked(&self, backup: &mut std::process::Child) {
        let mut asks = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(self.program.path("asks"))
            .unwrap();
        let mut asked = Vec::new();
        while asked != b"now\n" {
            let ended = backup.try_wait().unwrap();
            // Nobody has opened it yet, or has written nothing yet.
            let _ = asks.read_to_end(&mut asked);
            assert!(
                asked == b"now\n" || ended.is_none(),
                "it ended without asking: {ended:?}"
            );
            std::thread::yield_now();
        }
    }

    /// The source as a snapshot holds it.
    pub(crate) fn pulled(&self, data: &Path) -> PathBuf {
        data.join(self.source.strip_prefix("/").unwrap())
    }

    pub(crate) fn meta(&self, host: &str, data: &Path) -> serde_json::Value {
        assert!(data.starts_with(self.program.root().join(host)));
        let text = std::fs::read_to_string(data.parent().unwrap().join("meta.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The data of the snapshot that one was linked against.
    pub(crate) fn base_of(&self, host: &str, data: &Path) -> PathBuf {
        let base = self.meta(host, data)["base"].as_str().unwrap().to_owned();
        self.program.data(host, "manual", &base)
    }

    /// By which way each snapshot with a base came.
    pub(crate) fn ways(&self) -> Vec<String> {
        let all = self.snapshots("fast");
        let meta = all
            .iter()
            .map(|data| self.meta("fast", data))
            .filter(|meta| meta["base"].is_string());
        meta.map(|meta| match meta["incremental_fallback"].as_str() {
            Some(why) => why.to_owned(),
            None => meta["incremental"].as_str().unwrap().to_owned(),
        })
        .collect()
    }
}

/// The names that two trees share the inode of.
pub(crate) fn shared(base: &Path, now: &Path) -> BTreeSet<PathBuf> {
    let inode = |path: PathBuf| path.symlink_metadata().ok().map(|m| m.ino());
    let names = read_tree(now).into_keys();
    names
        .filter(|name| inode(now.join(name)) == inode(base.join(name)))
        .collect()
}

type Tree = BTreeMap<PathBuf, Entry>;

/// Demands that everything pulled was on the host like that before or after it changed, and nothing that was there all
/// the time is missing.
pub(crate) fn assert_each_is_of_some_moment(
    before: &Tree,
    after: &Tree,
    pulled: &Tree,
    is_fast: bool,
) {
    let alone = |entry: Option<&Entry>| {
        entry.cloned().map(|mut entry| {
            entry.linked_with = None;
            entry
        })
    };
    let is_special = |entry: &Entry| entry.mode & 0o170_000 == 0o010_000;
    let all: BTreeSet<&PathBuf> = before
        .keys()
        .chain(after.keys())
        .chain(pulled.keys())
        .collect();
    for path in all {
        let moments = [before, after].map(|tree| alone(tree.get(path).filter(|e| !is_special(e))));
        let now = alone(pulled.get(path));
        let is_of_a_moment = moments.contains(&now);
        // Without the fast way all is of the later moment.
        let is_right = if is_fast {
            is_of_a_moment
        } else {
            now == moments[1]
        };
        assert!(is_right, "{}: {now:#?}\nwas {moments:#?}", path.display());
    }
    assert_links_stay(before, after, pulled);
}

/// Demands that names which were hard links of each other at both moments are so in what was pulled.
pub(crate) fn assert_links_stay(before: &Tree, after: &Tree, pulled: &Tree) {
    let group = |tree: &Tree, path: &PathBuf| tree.get(path)?.linked_with.clone();
    let mut groups: BTreeMap<(PathBuf, PathBuf), Vec<&PathBuf>> = BTreeMap::new();
    for path in pulled.keys() {
        if let (Some(first), Some(then)) = (group(before, path), group(after, path)) {
            groups.entry((first, then)).or_default().push(path);
        }
    }
    for names in groups.values().filter(|names| names.len() > 1) {
        let groups: BTreeSet<_> = names.iter().map(|path| group(pulled, path)).collect();
        assert!(
            groups.len() == 1 && !groups.contains(&None),
            "{names:?} were linked: {groups:?}"
        );
    }
}
