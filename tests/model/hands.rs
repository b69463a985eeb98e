//! What people do besides calling the program: the file, directories, databases, and the host that is backed up.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};

use crate::belief::Host;
use crate::common::checker::{Facts, Key};
use crate::desired::{Desired, HostPart, NAMES, ZONES};
use crate::ops::{Edit, Source};
use crate::world::{Copied, Saved, World};

impl World {
    pub(crate) fn edit(&mut self, edit: &Edit) {
        let names: Vec<String> = self.desired.hosts.keys().cloned().collect();
        let of = |host: u8| names.get(usize::from(host) % names.len().max(1)).cloned();
        let desired = &mut self.desired;
        let mut change = |host: u8, change: &dyn Fn(&mut HostPart)| {
            if let Some(part) = of(host).and_then(|name| desired.hosts.get_mut(&name)) {
                change(part);
            }
        };
        match *edit {
            Edit::Keep {
                host,
                last,
                daily,
                monthly,
            } => change(host, &|part| {
                part.policy.last = last.into();
                part.policy.daily = daily.into();
                part.policy.monthly = monthly.into();
            }),
            Edit::Kinds { host, kinds } => change(host, &|part| {
                part.policy.scheduled = kinds != 1;
                part.policy.manual = kinds != 0;
            }),
            Edit::Zone { host, zone } => change(host, &|part| {
                part.policy.zone = ZONES[usize::from(zone) % ZONES.len()];
            }),
            Edit::Protect { host, on } => change(host, &|part| part.protect = on),
            Edit::Enabled { host, on } => change(host, &|part| part.enabled = on),
            Edit::Prune { host, on } => change(host, &|part| part.prune = on),
            Edit::Add(host) => {
                let name = NAMES[usize::from(host) % NAMES.len()].to_owned();
                desired.removed.remove(&name);
                let part = Desired::new().hosts["alpha"].clone();
                desired.hosts.entry(name).or_insert(part);
            }
            Edit::Drop(host) => {
                if let Some(name) = of(host) {
                    desired.hosts.remove(&name);
                }
            }
            Edit::Remove { host, goes } => {
                let name = if host % 3 == 0 {
                    Some(NAMES[usize::from(host) % NAMES.len()].to_owned())
                } else {
                    of(host)
                };
                if let Some(name) = name {
                    desired.hosts.remove(&name);
                    desired.removed.insert(name, goes);
                }
            }
            Edit::Rename { host, to } => {
                let to = NAMES[usize::from(to) % NAMES.len()].to_owned();
                if let Some(name) = of(host)
                    && !desired.hosts.contains_key(&to)
                    && let Some(mut part) = desired.hosts.remove(&name)
                {
                    part.was = Some(name);
                    desired.removed.remove(&to);
                    desired.hosts.insert(to, part);
                }
            }
            Edit::Guard {
                max_delete,
                percent,
            } => {
                desired.max_delete = max_delete.into();
                desired.percent = percent.into();
            }
            Edit::Elsewhere => desired.elsewhere = true,
            Edit::Revert => *desired = self.applied.clone(),
            Edit::Wipe => {
                if let Some(name) = names.first() {
                    desired.hosts.retain(|other, _| other == name);
                }
            }
        }
        self.note(format!("edit: {edit:?}"));
        self.write_file();
    }

    /// What can never be applied is taken out of the file again, as after a review.
    pub(crate) fn mend_file(&mut self, code: Option<i32>) {
        let said = self.log.last().cloned().unwrap_or_default();
        let is_stuck = ["rename-onto-existing", "not-managed", "empty-desired-state"];
        self.desired.elsewhere = false;
        if code == Some(65) || is_stuck.iter().any(|word| said.contains(word)) {
            self.desired = self.applied.clone();
            self.desired.elsewhere = false;
        }
        self.write_file();
    }

    pub(crate) fn write_file(&self) {
        let source = self.program.path("source");
        let text = self
            .desired
            .text()
            .replace("SOURCE", source.to_str().unwrap());
        self.program.write("pobsync.kdl", &text);
    }

    pub(crate) fn put_away(&mut self, was: &Facts, which: u8) -> Option<Key> {
        let all: Vec<&Key> = was.visible.keys().collect();
        let key = (*all.get(usize::from(which) % all.len().max(1))?).clone();
        self.move_away(&key);
        Some(key)
    }

    pub(crate) fn move_away(&mut self, key: &Key) {
        self.made += 1;
        let to = self.program.path(&format!("aside-{}", self.made));
        std::fs::rename(self.checker.place(key), &to).unwrap();
        self.aside.push((key.clone(), to));
        self.note(format!("by hand: {key:?} is moved away"));
    }

    pub(crate) fn bring_back(&mut self, which: u8) -> Option<Key> {
        if self.aside.is_empty() {
            return None;
        }
        let (key, from) = self.aside.remove(usize::from(which) % self.aside.len());
        let to = self.checker.place(&key);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::rename(from, to).unwrap();
        self.note(format!("by hand: {key:?} is brought back"));
        Some(key)
    }

    pub(crate) fn put_away_future(&mut self, was: &Facts) -> BTreeSet<Key> {
        let now = self.now();
        let future: BTreeSet<Key> = was
            .rows
            .iter()
            .filter(|(key, row)| row.started_at > now && was.visible.contains_key(*key))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &future {
            self.move_away(key);
        }
        // They would only come back to stop everything again.
        self.aside.retain(|(key, _)| !future.contains(key));
        future
    }

    pub(crate) fn plant(&mut self, host: u8, n: u8, hours: u16) -> BTreeSet<Key> {
        let mut made = BTreeSet::new();
        let hosts: Vec<Host> = self
            .belief
            .hosts
            .iter()
            .filter(|h| h.retired.is_none())
            .cloned()
            .collect();
        let Some(host) = hosts.get(usize::from(host) % hosts.len().max(1)) else {
            return made;
        };
        let now = DateTime::<Utc>::from_timestamp_millis(self.now()).unwrap();
        for i in 1..=n {
            self.made += 1;
            let at = now - TimeDelta::minutes(i64::from(i) * i64::from(hours) * 60 + 7);
            let name = format!("{}__{:06}", at.format("%Y%m%d-%H%M%SZ"), self.made);
            let kind = if self.made.is_multiple_of(4) {
                "manual"
            } else {
                "scheduled"
            };
            self.program.plant(&host.directory, kind, &name);
            made.insert((host.directory.clone(), kind.to_owned(), name));
        }
        self.note(format!("by hand: {made:?} are made"));
        made
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.program.path("state/pobsync.db")
    }

    pub(crate) fn copy_database(&mut self) {
        self.made += 1;
        let file = self.program.path(&format!("copy-{}.db", self.made));
        let connection = rusqlite::Connection::open(self.database()).unwrap();
        connection
            .execute("VACUUM INTO ?1", [file.to_str().unwrap()])
            .unwrap();
        self.note(format!("the database is copied, {}", self.made));
        self.copies.push(Copied {
            file,
            belief: self.belief.clone(),
        });
    }

    pub(crate) fn bring_database_back(&mut self, which: u8) -> bool {
        if self.copies.is_empty() {
            return false;
        }
        let copied = &self.copies[usize::from(which) % self.copies.len()];
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", self.database().display()));
        }
        std::fs::copy(&copied.file, self.database()).unwrap();
        self.belief = copied.belief.clone();
        self.note(format!(
            "{} is put in the place of the database",
            copied.file.display()
        ));
        self.count("databases brought back", 1);
        true
    }

    pub(crate) fn save_plan(&mut self) -> Vec<String> {
        self.made += 1;
        let file = format!("plan-{}.json", self.made);
        let said = self.run(&["plan", "--out", &file], 0);
        self.note(format!(
            "pobsync plan --out {file}\n      ends {}",
            said.code
        ));
        if said.code != 0 {
            return Vec::new();
        }
        let text = std::fs::read_to_string(self.program.path(&file)).unwrap();
        let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut listed = BTreeSet::new();
        for host in plan["retention"].as_array().unwrap() {
            for entry in host["delete"].as_array().unwrap() {
                let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
                listed.insert((
                    text(&host["directory"]),
                    text(&entry["kind"]),
                    text(&entry["snapshot"]),
                ));
            }
        }
        self.saved.push(Saved {
            file,
            serial: plan["serial"].as_i64().unwrap(),
            desired: self.desired.clone(),
            listed,
            fingerprint: plan["fingerprint"].as_str().unwrap().to_owned(),
        });
        Vec::new()
    }

    pub(crate) fn change_source(&mut self, change: Source) {
        let source = self.program.path("source");
        self.made += 1;
        let file = source.join(["one", "two", "three"][self.made as usize % 3]);
        let clear = |path: &std::path::Path| {
            let _ = std::fs::remove_dir_all(path);
            let _ = std::fs::remove_file(path);
        };
        match change {
            Source::Change => {
                clear(&file);
                std::fs::write(&file, format!("change {}", self.made)).unwrap();
            }
            Source::Empty => {
                for name in ["one", "two", "three"] {
                    clear(&source.join(name));
                }
            }
            Source::Mode => {
                use std::os::unix::fs::PermissionsExt as _;
                let mode = std::fs::Permissions::from_mode(0o600 + self.made % 64);
                let _ = std::fs::set_permissions(&file, mode);
            }
            Source::FileToFolder => {
                clear(&file);
                std::fs::create_dir(&file).unwrap();
                std::fs::write(file.join("inner"), "x").unwrap();
            }
        }
        self.note(format!("source: {change:?} {}", file.display()));
    }
}
