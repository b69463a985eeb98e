//! Calls of the program: what an act is on the command line, under whose clock and with what end.

use std::process::{Command, Stdio};

use crate::common::checker::Key;
use crate::common::program::Said;
use crate::ops::{Act, Lift};
use crate::world::{Done, Saved, World};

impl World {
    pub(crate) fn args(&mut self, act: &Act) -> Option<Vec<String>> {
        let words = |text: &str| -> Option<Vec<String>> {
            Some(text.split(' ').map(str::to_owned).collect())
        };
        let pruned = |text: String, prune: &bool| {
            words(&format!("{text}{}", if *prune { " --prune" } else { "" }))
        };
        match act {
            Act::Apply { prune, lift } => {
                let lift = match lift {
                    // Limits are lifted for a prune, not for an apply alone.
                    _ if !prune => String::new(),
                    Lift::Nothing => String::new(),
                    Lift::MaxDelete(n) => format!(" --max-delete {n}"),
                    Lift::Delete { host, n } => format!(" --allow delete:{}:{n}", self.name(*host)),
                };
                pruned(format!("apply --yes{lift}"), prune)
            }
            Act::Expect { prune, old } => {
                let fingerprint = match old {
                    Some(which) => self.one_saved(*which)?.fingerprint.clone(),
                    None => {
                        let said = self.run(&["plan", "--format", "json"], 0);
                        let plan: serde_json::Value = serde_json::from_str(&said.out).ok()?;
                        plan["fingerprint"].as_str()?.to_owned()
                    }
                };
                pruned(format!("apply --yes --expect {fingerprint}"), prune)
            }
            Act::ApplySaved { which, prune } => {
                let file = self.one_saved(*which)?.file.clone();
                pruned(format!("apply {file} --yes"), prune)
            }
            Act::Backup {
                host,
                scheduled,
                prune,
            } => {
                let kind = if *scheduled { " --scheduled" } else { "" };
                pruned(format!("backup {}{kind}", self.name(*host)), prune)
            }
            Act::Scheduler => words("scheduler --once"),
            Act::Retention { host, max_delete } => {
                let limit = max_delete.map_or(String::new(), |n| format!(" --max-delete {n}"));
                words(&format!(
                    "retention {} --apply --yes{limit}",
                    self.name(*host)
                ))
            }
            Act::RetentionSaved { host, which } => {
                let file = self.one_saved(*which)?.file.clone();
                words(&format!(
                    "retention {} --plan {file} --apply --yes",
                    self.name(*host)
                ))
            }
            Act::Approve(host) => words(&format!("retention {} --approve --yes", self.name(*host))),
            Act::Hold(which) => {
                let (host, key) = self.one_visible(*which)?;
                words(&format!("hold {host} {} --reason test", key.2))
            }
            Act::Unhold(which) => {
                let held: Vec<Key> = self.held.iter().cloned().collect();
                let key = held.get(usize::from(*which) % held.len().max(1))?;
                let host = self.belief.hosts.iter().find(|h| h.directory == key.0)?;
                words(&format!("unhold {} {}", host.name, key.2))
            }
            Act::Ack(host) => words(&format!("ack {}", self.name(*host))),
            Act::Pause(host) => words(&format!("pause {}", self.name(*host))),
            Act::Resume(host) => words(&format!("resume {}", self.name(*host))),
            Act::Discover => words("discover-snapshots"),
            Act::ClockIsRight => words("check --clock-is-right"),
            Act::Drift { host, last } => words(&format!(
                "configure-host {} --keep last={last}",
                self.name(*host)
            )),
            Act::Staging(which) => {
                let what = [
                    "apply --yes --prune",
                    "backup alpha --scheduled --prune",
                    "retention alpha --apply --yes",
                    "scheduler --once",
                    "discover-snapshots",
                ];
                let database = self.program.path("staging/pobsync.db");
                let what = what[usize::from(*which) % what.len()];
                words(&format!("{what} --database {}", database.display()))
            }
            Act::Look(which) => {
                let what = ["plan", "status", "drift", "check", "validate", "snapshots"];
                words(what[usize::from(*which) % what.len()])
            }
        }
    }

    pub(crate) fn one_saved(&self, which: u8) -> Option<&Saved> {
        // Mostly the latest.
        let n = self.saved.len();
        let at = if which.is_multiple_of(3) {
            usize::from(which) % n.max(1)
        } else {
            n.checked_sub(1)?
        };
        self.saved.get(at)
    }

    /// A visible snapshot of a host that is known, the newest ones last.
    pub(crate) fn one_visible(&self, which: u8) -> Option<(String, Key)> {
        let all: Vec<&Key> = self.checker.last.visible.keys().collect();
        let key = all.get(usize::from(which) % all.len().max(1))?;
        let host = self.belief.hosts.iter().find(|h| h.directory == key.0)?;
        Some((host.name.clone(), (*key).clone()))
    }

    pub(crate) fn command(&self, args: &[String], offset: i64, under: &[&str]) -> Command {
        let offset = format!("FAKETIME=+{}s", self.offset + offset).replace("+-", "-");
        let preload = format!("LD_PRELOAD={}", self.preload);
        let fake = ["DONT_FAKE_MONOTONIC=1", &offset, &preload];
        let mut words: Vec<&str> = under.to_vec();
        if under.is_empty() {
            words.push("env");
            words.extend(fake);
        } else {
            // Not strace itself.
            words.extend(fake.iter().flat_map(|pair| ["-E", pair]));
            words.push("--");
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = self.program.command_under(&words, &args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str], offset: i64) -> Said {
        let args: Vec<String> = args.iter().map(|word| (*word).to_owned()).collect();
        Said::of(self.command(&args, offset, &[]).output().unwrap())
    }

    pub(crate) fn call(
        &mut self,
        act: &Act,
        args: Option<Vec<String>>,
        offset: i64,
        under: &[&str],
    ) -> Option<Done> {
        let args = args?;
        if matches!(act, Act::Staging(_)) {
            self.staging();
        }
        let output = self.command(&args, offset, under).output().unwrap();
        let mut line = format!("pobsync {}", args.join(" "));
        if offset != 0 {
            line.push_str(&format!("   [clock off by {} days]", offset / 86_400));
        }
        if !under.is_empty() {
            line.push_str(&format!("   [{}]", under.join(" ")));
        }
        Some(self.done(act, line, &output))
    }

    pub(crate) fn done(&mut self, act: &Act, line: String, output: &std::process::Output) -> Done {
        use std::os::unix::process::ExitStatusExt as _;
        let code = output.status.code().filter(|code| *code != 137);
        let is_killed = output.status.signal().is_some() || code.is_none();
        let err = String::from_utf8_lossy(&output.stderr).replace('\n', " | ");
        let end = code.map_or("killed".to_owned(), |code| code.to_string());
        self.note(format!("{line}\n      ends {end}: {err}"));
        self.count(if is_killed { "calls killed" } else { "calls" }, 1);
        if let Some(code) = code {
            self.count(&format!("exit {code:02}"), 1);
        }
        Done {
            act: act.clone(),
            code,
            has_applied: false,
        }
    }

    pub(crate) fn together(&mut self, one: &Act, other: &Act) -> Vec<Done> {
        let pairs: Vec<(Act, Vec<String>)> = [one, other]
            .into_iter()
            .filter_map(|act| Some((act.clone(), self.args(act)?)))
            .collect();
        let children: Vec<_> = pairs
            .iter()
            .map(|(_, args)| self.command(args, 0, &[]).spawn().unwrap())
            .collect();
        let outputs: Vec<_> = children
            .into_iter()
            .map(|child| child.wait_with_output().unwrap())
            .collect();
        pairs
            .iter()
            .zip(&outputs)
            .map(|((act, args), output)| {
                self.done(
                    act,
                    format!("pobsync {}   [together]", args.join(" ")),
                    output,
                )
            })
            .collect()
    }

    /// A copy of the file with a database of its own, as a staging server would have.
    pub(crate) fn staging(&mut self) {
        let database = self.program.path("staging/pobsync.db");
        if database.exists() {
            return;
        }
        std::fs::create_dir_all(database.parent().unwrap()).unwrap();
        let database = database.display().to_string();
        for args in [
            ["init", "--database", &database, "-q"],
            ["apply", "--yes", "--database", &database],
        ] {
            let said = self.run(&args, 0);
            self.note(format!("pobsync {}   ends {}", args.join(" "), said.code));
        }
    }
}
