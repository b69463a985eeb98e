//! The real program in a folder of its own, driven step by step, with the model and the checker beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::belief::{Belief, When};
use crate::common::checker::{Checker, Event, Key};
use crate::common::program::Program;
use crate::desired::{Desired, NAMES};
use crate::ops::{Act, Op};

/// A saved plan, and what its reader saw.
pub(crate) struct Saved {
    pub(crate) file: String,
    pub(crate) serial: i64,
    pub(crate) desired: Desired,
    /// What it listed.
    pub(crate) listed: BTreeSet<Key>,
    pub(crate) fingerprint: String,
}

/// A database that was copied away, and what was in force then.
pub(crate) struct Copied {
    pub(crate) file: PathBuf,
    pub(crate) belief: Belief,
}

/// What came of one call.
pub(crate) struct Done {
    pub(crate) act: Act,
    /// Nothing if it was killed.
    pub(crate) code: Option<i32>,
    pub(crate) has_applied: bool,
}

pub(crate) struct World {
    pub(crate) program: Program,
    pub(crate) checker: Checker,
    pub(crate) preload: String,
    pub(crate) desired: Desired,
    pub(crate) applied: Desired,
    pub(crate) belief: Belief,
    pub(crate) held: BTreeSet<Key>,
    pub(crate) saved: Vec<Saved>,
    pub(crate) copies: Vec<Copied>,
    pub(crate) aside: Vec<(Key, PathBuf)>,
    /// How far the clock is ahead, in seconds.
    pub(crate) offset: i64,
    pub(crate) made: u32,
    pub(crate) known: Vec<String>,
    /// What was done, to be read by people.
    pub(crate) log: Vec<String>,
    pub(crate) figures: BTreeMap<String, u64>,
}

#[allow(
    clippy::disallowed_methods,
    reason = "the program is given a clock of its own, which is set from this one"
)]
fn real_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

impl World {
    pub(crate) fn new(preload: &str) -> Self {
        let program = Program::new();
        let desired = Desired::new();
        for folder in ["source", "outside"] {
            std::fs::create_dir(program.path(folder)).unwrap();
        }
        std::fs::write(program.path("outside/canary"), "sings").unwrap();
        let source = program.path("source");
        for name in ["one", "two", "three"] {
            std::fs::write(source.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("../../../../../outside", source.join("link")).unwrap();
        std::os::unix::fs::symlink(program.path("outside"), source.join("away")).unwrap();
        let text = desired.text().replace("SOURCE", source.to_str().unwrap());
        program.write("pobsync.kdl", &text);
        program.ends(0, &["init"]);
        program.ends(0, &["apply", "--yes"]);
        program.ends(0, &["discover-snapshots"]);
        let checker = Checker::new(&program);
        let mut world = Self {
            program,
            checker,
            preload: preload.to_owned(),
            applied: desired.clone(),
            desired,
            belief: Belief::default(),
            held: BTreeSet::new(),
            saved: Vec::new(),
            copies: Vec::new(),
            aside: Vec::new(),
            offset: 0,
            made: 0,
            known: Vec::new(),
            log: Vec::new(),
            figures: BTreeMap::new(),
        };
        let first = world.checker.last.clone();
        world.belief.apply(&world.desired, &first);
        world
    }

    /// Does it, and says what is broken then.
    pub(crate) fn step(&mut self, op: &Op) -> Vec<String> {
        let of = |is_retired: bool| {
            let hosts = self.belief.hosts.iter();
            hosts.filter(move |host| host.retired.is_some() == is_retired)
        };
        let known = of(false).chain(of(false)).chain(of(false)).chain(of(true));
        self.known = known.map(|host| host.name.clone()).collect();
        // So that a day is not full of snapshots.
        self.offset += 3600;
        let was = self.checker.last.clone();
        let from = self.now();
        let mut event = Event::default();
        let mut broken = Vec::new();
        let mut done = Vec::new();
        let mut jump = 0;
        match op {
            Op::Edit(edit) => self.edit(edit),
            Op::Act(act) => {
                let args = self.args(act);
                done.extend(self.call(act, args, 0, &[]));
            }
            Op::Killed { act, call, n, deep } => {
                let args = self.args(act);
                let inject = format!("inject={call}:signal=KILL:when={n}");
                let trace = format!("trace={call}");
                let mut strace = vec![
                    "strace",
                    "-qq",
                    "-o",
                    "/dev/null",
                    "-e",
                    &trace,
                    "-e",
                    &inject,
                ];
                if *deep {
                    strace.push("-f");
                }
                done.extend(self.call(act, args, 0, &strace));
            }
            Op::Jumped { act, days } => {
                jump = i64::from(*days) * 86_400_000;
                let args = self.args(act);
                done.extend(self.call(act, args, i64::from(*days) * 86_400, &[]));
            }
            Op::Together(one, other) => done = self.together(one, other),
            Op::Pass(hours) => {
                self.offset += i64::from(*hours) * 3600;
                self.note(format!("{hours} hours pass"));
            }
            Op::PutAway(which) => event.by_hand.extend(self.put_away(&was, *which)),
            Op::BringBack(which) => event.by_hand.extend(self.bring_back(*which)),
            Op::PutAwayFuture => {
                event.by_hand = self.put_away_future(&was);
                let args = self.args(&Act::Discover);
                done.extend(self.call(&Act::Discover, args, 0, &[]));
            }
            Op::Plant { host, n, hours } => {
                event.by_hand = self.plant(*host, *n, *hours);
                let args = self.args(&Act::Discover);
                done.extend(self.call(&Act::Discover, args, 0, &[]));
            }
            Op::CopyDatabase => self.copy_database(),
            Op::BringDatabaseBack(which) => {
                event.database_swapped = self.bring_database_back(*which)
            }
            Op::SavePlan => broken.extend(self.save_plan()),
            Op::Source(change) => self.change_source(*change),
        }
        for key in &event.by_hand {
            self.held.remove(key);
        }
        let when = When {
            from: from + jump,
            until: self.now() + jump,
        };
        self.tell_checker(&done, &mut event);
        broken.extend(self.checker.look(&event));
        let now = self.checker.last.clone();
        if !event.database_swapped {
            broken.extend(self.judge(&done, &was, &now, when, &event));
            if jump.abs() > 8 * 86_400_000 && was.life.is_some() && now.life != was.life {
                broken.push("a clock that jumped has vouched for itself".to_owned());
            }
        }
        broken.extend(self.belief.differences(&now));
        broken
    }

    pub(crate) fn now(&self) -> i64 {
        real_now() + self.offset * 1000
    }

    pub(crate) fn note(&mut self, text: String) {
        self.log.push(text);
    }

    pub(crate) fn count(&mut self, what: &str, n: usize) {
        *self.figures.entry(what.to_owned()).or_default() += n as u64;
    }

    /// Mostly a host that is or was there when the step began.
    pub(crate) fn name(&self, host: u8) -> String {
        let known = &self.known;
        match usize::from(host) {
            n if n % 8 == 0 || known.is_empty() => NAMES[n / 8 % NAMES.len()].to_owned(),
            n => known[n % known.len()].clone(),
        }
    }
}
