//! A configuration repository made as its README says, a backup server with a clone of it, and what jobs run in.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::program::Program;
use crate::forge::Forge;

pub struct Repository {
    pub server: Program,
}

pub struct Ran {
    pub code: i32,
    pub text: String,
}

impl Repository {
    /// `origin.git` with one commit on main, and the clone `work`.
    pub fn new() -> Self {
        let repository = Self {
            server: Program::new(),
        };
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let work = repository.path("work");
        copy(&examples.join("config-repository"), &work);
        copy(&examples.join("ci"), &work.join("ci"));
        let root = repository.server.root();
        for env in ["prod.kdl", "staging.kdl"] {
            repository.edit(env, "/mnt/backups/pobsync", root.to_str().unwrap());
        }
        repository.git(
            "",
            &[
                "init",
                "--quiet",
                "--bare",
                "--initial-branch=main",
                "origin.git",
            ],
        );
        repository.git("work", &["init", "--quiet", "--initial-branch=main"]);
        repository.git("work", &["remote", "add", "origin", "../origin.git"]);
        repository.commit("start");
        repository.git("work", &["push", "--quiet", "origin", "main"]);
        repository
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.server.path(name)
    }

    /// Replaces text in a file of `work`.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let path = self.path("work").join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name} has {from}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    pub fn git(&self, folder: &str, args: &[&str]) -> String {
        let done = Command::new("git")
            .args(args)
            .current_dir(self.path(folder))
            .envs(git_environment())
            .output()
            .unwrap();
        let text = said(&done);
        assert!(done.status.success(), "git {args:?}: {text}");
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    pub fn commit(&self, message: &str) {
        self.git("work", &["add", "--all"]);
        self.git(
            "work",
            &["commit", "--quiet", "--no-verify", "--message", message],
        );
    }

    /// Starts a branch from main.
    pub fn branch(&self, name: &str) {
        self.git("work", &["switch", "--quiet", "--create", name, "main"]);
    }

    /// Commits and pushes what was edited.
    pub fn push(&self, branch: &str) {
        self.commit("a change");
        self.git("work", &["push", "--quiet", "--force", "origin", branch]);
    }

    /// Merges a branch as a forge does, and says its commit.
    pub fn merge(&self, branch: &str) -> String {
        self.git("work", &["switch", "--quiet", "main"]);
        self.git(
            "work",
            &["merge", "--quiet", "--no-ff", "--no-edit", branch],
        );
        self.git("work", &["push", "--quiet", "origin", "main"]);
        self.git("work", &["rev-parse", "HEAD"])
    }

    /// A fresh clone, as a runner makes it.
    pub fn checkout(&self, folder: &str, branch: &str) {
        let path = self.path(folder);
        if path.exists() {
            std::fs::remove_dir_all(&path).unwrap();
        }
        self.git(
            "",
            &["clone", "--quiet", "--branch", branch, "origin.git", folder],
        );
    }

    /// Runs a script of `ci/` on the backup server's clone of main.
    pub fn on_server(&self, forge: &Forge, script: &str, args: &[&str]) -> Ran {
        self.checkout("server", "main");
        let mut command = self.script("server", script, args);
        command.envs(forge.environment());
        command.env("POBSYNC_DATABASE", self.path("state/pobsync.db"));
        Ran::of(&command.output().unwrap())
    }

    /// The job of a change: plan, then comment. It has no database.
    pub fn plan_job(&self, forge: &Forge, branch: &str, change: u64, env: &str) -> Ran {
        self.checkout("runner", branch);
        let mut plan = self.script("runner", "plan.sh", &[env]);
        plan.env("POBSYNC_TARGET", "main");
        let planned = Ran::of(&plan.output().unwrap());
        if planned.code != 0 {
            return planned;
        }
        let mut comment = self.script("runner", "comment.sh", &[env, &change.to_string()]);
        comment.envs(forge.environment());
        let commented = Ran::of(&comment.output().unwrap());
        Ran {
            code: commented.code,
            text: planned.text + &commented.text,
        }
    }

    fn script(&self, folder: &str, script: &str, args: &[&str]) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_pobsync")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(Path::new("ci").join(script));
        command
            .args(args)
            .current_dir(self.path(folder))
            .envs(git_environment())
            .env_remove("GITHUB_SHA")
            .env_remove("CI_COMMIT_SHA")
            .env_remove("POBSYNC_FILE")
            .env("POBSYNC_ACTOR", "the runner")
            .env("POBSYNC_DATABASE", "/nonexistent/pobsync.db")
            .env("PATH", path)
            .stdin(std::process::Stdio::null());
        command
    }
}

impl Ran {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            text: said(output),
        }
    }

    pub fn ends(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}", self.text);
        self.text
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn git_environment() -> [(&'static str, &'static str); 6] {
    [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("GIT_AUTHOR_NAME", "a"),
        ("GIT_AUTHOR_EMAIL", "a@example.net"),
        ("GIT_COMMITTER_NAME", "a"),
        ("GIT_COMMITTER_EMAIL", "a@example.net"),
    ]
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp")
        .arg("-r")
        .args([from, to])
        .status()
        .unwrap();
    assert!(done.success());
}
