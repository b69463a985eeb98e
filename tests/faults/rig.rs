//! One host with a good snapshot, and what must hold of it whatever goes wrong afterwards.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::program::{Program, Said, names_below};
use crate::common::{Sshd, assert_same_tree};

/// A host called `web` that has one good snapshot; its fault is yet to come.
pub(crate) struct Rig {
    pub(crate) program: Program,
    pub(crate) source: PathBuf,
    /// What the earlier snapshots look like.
    earlier: String,
    /// The settings under which all is well.
    good: String,
    global: String,
}

impl Rig {
    /// Pulled over ssh from `sshd`.
    pub(crate) fn over_ssh(sshd: &Sshd) -> Self {
        Self::prepared(Program::new(), &ssh(sshd, "127.0.0.1"), "")
    }

    /// Pulled from this machine.
    pub(crate) fn local() -> Self {
        Self::prepared(Program::new(), "address \"local\"", "")
    }

    /// With these settings of the host and of `global`.
    pub(crate) fn prepared(program: Program, host: &str, global: &str) -> Self {
        let source = program.path("source");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("stays"), "the same").unwrap();
        std::fs::write(source.join("changes"), "one").unwrap();
        let good = document(&source, host, global);
        let mut rig = Self {
            program,
            source,
            earlier: String::new(),
            good,
            global: global.to_owned(),
        };
        rig.program.write("pobsync.kdl", &rig.good);
        rig.program.ends(0, &["init"]);
        rig.program.ends(0, &["apply", "--yes"]);
        rig.program.ends(0, &["backup", "web"]);
        rig.earlier = rig.look();
        // What the fault must not reach: a file that has to come anew.
        std::fs::write(rig.source.join("changes"), "two!").unwrap();
        rig
    }

    /// Puts the host under other settings, until it recovers.
    pub(crate) fn configure(&self, host: &str) {
        self.write_and_apply(&document(&self.source, host, &self.global));
    }

    /// Puts the host under other settings, with another source.
    pub(crate) fn configure_with(&self, host: &str, source: &Path) {
        self.write_and_apply(&document(source, host, &self.global));
    }

    /// Adds to the retention policy, until it recovers.
    pub(crate) fn retention(&self, more: &str) {
        let text = self
            .good
            .replace("keep last=2;", &format!("keep last=2; {more};"));
        self.write_and_apply(&text);
    }

    fn write_and_apply(&self, text: &str) {
        self.program.write("pobsync.kdl", text);
        self.program.ends(0, &["apply", "--yes"]);
    }

    /// The next backup fails, says each of `words`, and leaves everything else as it was.
    pub(crate) fn fails(&self, words: &[&str]) -> Said {
        self.ends(1, "failed", words)
    }

    /// The next backup ends with `code`, its run and snapshot with `status`, and everything else is as it was.
    pub(crate) fn ends(&self, code: i32, status: &str, words: &[&str]) -> Said {
        let said = self.program.ends(code, &["backup", "web"]);
        self.check(&said, status, words);
        said
    }

    /// Holds what must be true after any backup that did not become visible.
    pub(crate) fn check(&self, said: &Said, status: &str, words: &[&str]) {
        let run = self.last_run();
        eprintln!("seen: exit {} | {}", said.code, said.err.trim_end());
        for word in words {
            assert!(said.err.contains(word), "{word}: {}", said.err);
            let message = run["message"].as_str().unwrap();
            assert!(message.contains(word), "{word}: {run}");
        }
        assert_eq!(run["status"], status, "{run}");
        let made = run["snapshot"].as_str().unwrap();
        let rows = self.program.json(0, &["snapshots", "--all"]);
        let row = rows.as_array().unwrap().iter().find(|r| r["name"] == made);
        let settled = if status == "partial" {
            "partial"
        } else {
            "failed"
        };
        assert_eq!(row.unwrap()["status"], settled, "{rows}");
        self.check_untouched();
    }

    /// Earlier snapshots are as they were, nothing new is visible, the host is free, and no process is left.
    pub(crate) fn check_untouched(&self) {
        assert_eq!(self.look(), self.earlier, "earlier snapshots");
        self.check_let_go();
    }

    /// The host is free and no process is left.
    pub(crate) fn check_let_go(&self) {
        let lock = std::fs::File::open(self.program.root().join("web/.lock")).unwrap();
        lock.try_lock().expect("the host is locked");
        assert_eq!(self.processes(), Vec::<String>::new());
    }

    /// With the fault gone the next backup is complete, whole and linked against the last good one; nothing of the
    /// failed ones is left.
    pub(crate) fn recovers(&self) {
        self.write_and_apply(&self.good);
        let said = self.program.ends(0, &["backup", "web"]);
        assert!(said.out.contains("linked against"), "{}", said.out);
        let all = self.program.visible("web", "manual");
        let [.., base, newest] = all.as_slice() else {
            panic!("{all:?}");
        };
        let (base, newest) = (self.tree(base), self.tree(newest));
        assert_same_tree(&self.source, &newest);
        assert_eq!(inode(&base.join("stays")), inode(&newest.join("stays")));
        let web = self.program.root().join("web");
        for place in [".incomplete/manual", ".trash"] {
            assert_eq!(names_below(&web.join(place)), Vec::<String>::new());
        }
        self.program.ends(0, &["status"]);
    }

    /// Recovers, and is ready for the next fault.
    pub(crate) fn settle(&mut self) {
        self.recovers();
        self.earlier = self.look();
    }

    /// The place of the source in a visible snapshot.
    pub(crate) fn tree(&self, snapshot: &str) -> PathBuf {
        self.program
            .data("web", "manual", snapshot)
            .join(self.source.strip_prefix("/").unwrap())
    }

    /// The trees of pulls that did not become visible.
    pub(crate) fn left(&self) -> Vec<PathBuf> {
        let folder = self.program.root().join("web/.incomplete/manual");
        let inner = self.source.strip_prefix("/").unwrap();
        let names = names_below(&folder).into_iter();
        names
            .map(|n| folder.join(n).join("data").join(inner))
            .collect()
    }

    /// Begins a backup under these settings, slow enough to be caught, and waits until a file of `mib` MiB is on its way.
    pub(crate) fn half_way(&self, settings: &str, mib: usize) -> Child {
        std::fs::write(self.source.join("large"), vec![7; mib << 20]).unwrap();
        self.configure(&format!("{settings}; rsync {{ bwlimit \"1MiB\" }}"));
        let mut child = self
            .program
            .command(&["backup", "web"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let is_on_its_way = || {
            let mut names = self.left().into_iter().flat_map(|tree| names_below(&tree));
            names.any(|n| n.starts_with(".large."))
        };
        while !is_on_its_way() {
            assert!(child.try_wait().unwrap().is_none(), "it ended too early");
            std::thread::yield_now();
        }
        child
    }

    pub(crate) fn last_run(&self) -> serde_json::Value {
        self.program.json(0, &["runs", "-n", "1"])[0].clone()
    }

    /// Every file of every visible snapshot: inode, mode, size, time and content.
    fn look(&self) -> String {
        look(&self.program.root())
    }

    /// The command lines of processes that work in our folder.
    pub(crate) fn processes(&self) -> Vec<String> {
        let folder = self.program.path("").display().to_string();
        let folder = folder.trim_end_matches('/');
        let lines = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ")
        });
        lines.filter(|line| line.contains(folder)).collect()
    }
}

/// Every file of every visible snapshot below a root: inode, mode, size, time and content.
pub(crate) fn look(root: &Path) -> String {
    let script = "cd \"$0\" && find . -path '*/.*/*' -prune -o -path './*/*/*' ! -name .lock -printf '%p %i %m %s %T@ %l\\n' | sort \
                  && find . -path '*/.incomplete' -prune -o -path '*/.trash' -prune -o -path './*/*/*/data/*' -type f -exec sha256sum {} + | sort";
    let output = Command::new("sh").args(["-c", script]).arg(root).output();
    let output = output.unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The settings of a host that is reached through `sshd`.
pub(crate) fn ssh(sshd: &Sshd, address: &str) -> String {
    format!(
        "address \"{address}\"; ssh {{ port {}; user \"root\"; identity \"{}\"; known-hosts \"{}\" }}",
        sshd.port,
        sshd.identity.display(),
        sshd.known_hosts.display()
    )
}

fn document(source: &Path, host: &str, global: &str) -> String {
    format!(
        "global {{ backup-root \"ROOT\"; {global} }}\nhost \"web\" {{ {host}; source \"{}\"; retention {{ keep last=2; kinds \"manual\" }} }}\n",
        source.display()
    )
}

fn inode(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    path.symlink_metadata().unwrap().ino()
}
