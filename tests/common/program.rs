//! The program as a user runs it: its own folder, database, configuration and root.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder with a configuration, a database and a root, and the program that works on them.
pub struct Program {
    folder: tempfile::TempDir,
    /// What every call begins with: `nsenter` into a network namespace, say.
    within: Vec<String>,
    /// The database, where it is none in the folder.
    database: Option<String>,
}

/// What a call of the program printed, and how it ended.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Program {
    pub fn new() -> Self {
        Self::within(Vec::new())
    }

    /// The program, called through other ones.
    pub fn within(within: Vec<String>) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            within,
            database: None,
        }
    }

    /// The program with a database somewhere else.
    pub fn with_database(database: String) -> Self {
        Self {
            database: Some(database),
            ..Self::new()
        }
    }

    /// Where its database is, as the program takes it.
    pub fn database(&self) -> String {
        let in_folder = || self.path("state/pobsync.db").to_str().unwrap().to_owned();
        self.database.clone().unwrap_or_else(in_folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// Writes the configuration. `ROOT`, `KEY` and `HOSTS` in it stand for the folder's own.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text.replace("ROOT", self.root().to_str().unwrap())).unwrap();
        path
    }

    pub fn command(&self, args: &[&str]) -> Command {
        self.command_under(&[], args)
    }

    /// The program under another one, which is given its path and arguments: `strace`, `prlimit`, `faketime`.
    pub fn command_under(&self, under: &[&str], args: &[&str]) -> Command {
        // A long run is of one program, whatever is built meanwhile.
        let built = env!("CARGO_BIN_EXE_pobsync");
        let program = std::env::var("POBSYNC_UNDER_TEST").unwrap_or_else(|_| built.to_owned());
        let within = self.within.iter().map(String::as_str);
        let mut words = within
            .chain(under.iter().copied())
            .chain([program.as_str()]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_remove("SUDO_USER")
            .env_remove("CI_COMMIT_SHA")
            .env_remove("GITHUB_SHA")
            .env("POBSYNC_ACTOR", "alice")
            .env("POBSYNC_DATABASE", self.database())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("POBSYNC_FILE", self.path("pobsync.kdl"))
            .env("NO_COLOR", "1")
            .stdin(std::process::Stdio::null())
            .args(args);
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().unwrap())
    }

    /// Runs it under another program.
    pub fn run_under(&self, under: &[&str], args: &[&str]) -> Said {
        Said::of(self.command_under(under, args).output().unwrap())
    }

    /// Runs and demands that it ends with `code`.
    pub fn ends(&self, code: i32, args: &[&str]) -> Said {
        let said = self.run(args);
        assert_eq!(
            said.code, code,
            "pobsync {args:?}\n--- stdout\n{}\n--- stderr\n{}",
            said.out, said.err
        );
        said
    }

    pub fn json(&self, code: i32, args: &[&str]) -> serde_json::Value {
        let all: Vec<&str> = args.iter().copied().chain(["--format", "json"]).collect();
        let said = self.ends(code, &all);
        serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}", said.out))
    }

    /// The names of the visible snapshots of a host, oldest first: several may have begun in one second.
    pub fn visible(&self, host: &str, kind: &str) -> Vec<String> {
        let folder = self.root().join(host).join(kind);
        let mut found: Vec<(String, String)> = names_below(&folder)
            .into_iter()
            .map(|name| {
                let meta = std::fs::read_to_string(folder.join(&name).join("meta.json"))
                    .unwrap_or_default();
                let meta: serde_json::Value = serde_json::from_str(&meta).unwrap_or_default();
                (
                    meta["started_at"]
                        .as_str()
                        .unwrap_or_default()
                        .replace('Z', ""),
                    name,
                )
            })
            .collect();
        found.sort();
        found.into_iter().map(|(_, name)| name).collect()
    }

    /// Where the tree of a snapshot lies.
    pub fn data(&self, host: &str, kind: &str, name: &str) -> PathBuf {
        self.root().join(host).join(kind).join(name).join("data")
    }

    /// Makes a visible snapshot as an earlier backup would have left it, and records it.
    pub fn plant(&self, host: &str, kind: &str, name: &str) {
        Self::plant_below(&self.root(), host, kind, name);
    }

    /// The same on any root.
    pub fn plant_below(root: &Path, host: &str, kind: &str, name: &str) {
        let folder = root.join(host).join(kind).join(name);
        std::fs::create_dir_all(folder.join("data/etc")).unwrap();
        std::fs::write(folder.join("data/etc/hostname"), name).unwrap();
        let stamp = format!(
            "{}-{}-{}T{}:{}:{}Z",
            &name[0..4],
            &name[4..6],
            &name[6..8],
            &name[9..11],
            &name[11..13],
            &name[13..15]
        );
        let meta = serde_json::json!({
            "format_version": 1, "name": name, "host": host, "kind": kind, "status": "complete", "started_at": stamp,
            "finished_at": stamp, "base": null, "files": 1, "bytes": 28, "rsync_exit": 0,
        });
        std::fs::write(folder.join("meta.json"), meta.to_string()).unwrap();
    }
}

impl Said {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The files below `dir`, for a look at what is left.
pub fn names_below(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .map(|entries| {
            entries
                .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}
