//! Reads SQL and disk after any event and says in words which promise is broken.
//!
//! It knows nothing of how the program decides: what was seen before, what stands in SQL, and what lies on disk. A person
//! who moves directories or puts another database in its place says so in the [`Event`].

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value;

use super::program::{Program, names_below};

/// A snapshot by its place: the directory of the host, the kind, the name.
pub type Key = (String, String, String);

/// What a person did since the last look, besides calling the program.
#[derive(Debug, Clone, Default)]
pub struct Event {
    /// Directories that were moved away, brought back or made by hand.
    pub by_hand: BTreeSet<Key>,
    /// Snapshots whose hold somebody asked to lift.
    pub unheld: BTreeSet<Key>,
    /// Another database was put in the place of this one.
    pub database_swapped: bool,
    /// Snapshots may have been made.
    pub adds: bool,
    /// A prune that had begun before the last look was still at work.
    pub goes_on: bool,
    /// A discovery has ended well: SQL says just what is on disk.
    pub discovered: bool,
}

/// A row of a snapshot.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: i64,
    pub host: i64,
    pub status: String,
    pub started_at: i64,
    pub suspect: bool,
    /// Held in SQL, for ever or until this moment.
    pub held: Option<i64>,
    pub plan: Option<i64>,
}

/// A row of a host.
#[derive(Debug, Clone)]
pub struct Host {
    pub id: i64,
    pub name: String,
    pub directory: String,
    pub policy: Option<String>,
    pub approved: Option<String>,
    pub retired: Option<String>,
}

/// A recorded plan.
#[derive(Debug, Clone)]
pub struct PlanRow {
    pub kind: String,
    pub serial: i64,
    pub body: Value,
}

/// SQL and disk at one moment.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub serial: i64,
    pub life: Option<i64>,
    pub last_plan: i64,
    pub hosts: Vec<Host>,
    pub rows: BTreeMap<Key, Row>,
    /// What is visible under its kind, by a digest of its content and attributes.
    pub visible: BTreeMap<Key, u64>,
    /// Visible snapshots with a hold beside them.
    pub held_on_disk: BTreeSet<Key>,
    outside: u64,
}

impl Facts {
    pub fn host_in(&self, directory: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.directory == directory)
    }

    /// Complete, on disk, and of the host in `directory`; by start and name.
    pub fn complete(&self, directory: &str) -> Vec<(i64, &Key)> {
        let mut found: Vec<(i64, &Key)> = self
            .rows
            .iter()
            .filter(|(key, row)| {
                key.0 == directory && row.status == "complete" && self.visible.contains_key(*key)
            })
            .map(|(key, row)| (row.started_at, key))
            .collect();
        found.sort_by_key(|(at, key)| (*at, &key.2));
        found
    }
}

/// Looks again and again, and remembers.
pub struct Checker {
    folder: PathBuf,
    root: PathBuf,
    pub last: Facts,
    /// The digest at first sight.
    first_sight: BTreeMap<Key, u64>,
    /// Where SQL and disk differ because of a person, until they agree again.
    excused: BTreeSet<Key>,
    /// The names that the host of a directory has had.
    names: BTreeMap<String, BTreeSet<String>>,
    broken: Vec<String>,
}

impl Checker {
    /// What lies in the folder `outside` beside the root must never change.
    pub fn new(program: &Program) -> Self {
        let mut checker = Self {
            folder: program.path(""),
            root: program.root(),
            last: Facts::default(),
            first_sight: BTreeMap::new(),
            excused: BTreeSet::new(),
            names: BTreeMap::new(),
            broken: Vec::new(),
        };
        checker.last.outside = digest(&checker.folder.join("outside"));
        let adds = Event {
            adds: true,
            ..Event::default()
        };
        let broken = checker.look(&adds);
        assert!(broken.is_empty(), "{broken:#?}");
        checker
    }

    /// What is broken since the last look; nothing if all is well.
    pub fn look(&mut self, event: &Event) -> Vec<String> {
        let connection = Connection::open(self.folder.join("state/pobsync.db")).unwrap();
        connection
            .busy_timeout(std::time::Duration::from_secs(60))
            .unwrap();
        self.sound(&connection);
        let now = self.read(&connection);
        for host in &now.hosts {
            let names = self.names.entry(host.directory.clone()).or_default();
            names.insert(host.name.clone());
            names.insert(host.directory.clone());
        }
        let was = std::mem::take(&mut self.last);
        if event.database_swapped {
            self.excuse_differences(&now);
        } else {
            self.nothing_forgotten(&was, &now);
        }
        self.excused.extend(event.by_hand.iter().cloned());
        self.every_visible_one_is_whole(&now);
        self.older_ones_are_unchanged(&now);
        self.rows_are_true(&connection, &now, event);
        self.what_is_new_was_made(&was, &now, event);
        self.what_is_gone_was_listed(&connection, &was, &now, event);
        self.nothing_held_is_gone(&was, &now, event);
        self.the_newest_is_there(&was, &now, event);
        if now.outside != was.outside {
            self.say("a file outside the root has changed");
        }
        self.last = now;
        std::mem::take(&mut self.broken)
    }

    fn say(&mut self, broken: impl Into<String>) {
        self.broken.push(broken.into());
    }

    fn sound(&mut self, connection: &Connection) {
        let check: String = connection
            .query_row("PRAGMA quick_check", [], |row| row.get(0))
            .unwrap();
        if check != "ok" {
            self.say(format!("the database is damaged: {check}"));
        }
        let dangling = connection
            .prepare("PRAGMA foreign_key_check")
            .unwrap()
            .exists([])
            .unwrap();
        if dangling {
            self.say("a row points at one that is not there");
        }
    }

    fn read(&self, connection: &Connection) -> Facts {
        let one =
            |sql: &str| -> Option<i64> { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
        let mut facts = Facts {
            serial: one("SELECT serial FROM meta").unwrap(),
            life: one("SELECT at FROM sign_of_life"),
            last_plan: one("SELECT coalesce(max(id), 0) FROM plans").unwrap(),
            outside: digest(&self.folder.join("outside")),
            ..Facts::default()
        };
        let mut hosts = connection
            .prepare("SELECT id, name, directory, policy, approved_policy, retired_snapshots FROM hosts ORDER BY id")
            .unwrap();
        facts.hosts = hosts
            .query_map([], |row| {
                Ok(Host {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    directory: row.get(2)?,
                    policy: row.get(3)?,
                    approved: row.get(4)?,
                    retired: row.get(5)?,
                })
            })
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let mut rows = connection
            .prepare(
                "SELECT h.directory, s.kind, s.name, s.id, s.host_id, s.status, s.started_at, s.suspect, \
                 CASE WHEN s.hold_since IS NULL THEN NULL ELSE coalesce(s.hold_until, 9223372036854775807) END, s.plan_id \
                 FROM snapshots s JOIN hosts h ON h.id = s.host_id",
            )
            .unwrap();
        facts.rows = rows
            .query_map([], |row| {
                let key = (row.get(0)?, row.get(1)?, row.get(2)?);
                let value = Row {
                    id: row.get(3)?,
                    host: row.get(4)?,
                    status: row.get(5)?,
                    started_at: row.get(6)?,
                    suspect: row.get(7)?,
                    held: row.get(8)?,
                    plan: row.get(9)?,
                };
                Ok((key, value))
            })
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for host in names_below(&self.root) {
            if host.starts_with('.') {
                continue;
            }
            for kind in ["scheduled", "manual"] {
                for name in names_below(&self.root.join(&host).join(kind)) {
                    let key = (host.clone(), kind.to_owned(), name);
                    let place = self.place(&key);
                    if place.join("hold.json").exists() {
                        facts.held_on_disk.insert(key.clone());
                    }
                    let mut hasher = DefaultHasher::new();
                    digest(&place.join("data")).hash(&mut hasher);
                    std::fs::read(place.join("meta.json"))
                        .ok()
                        .hash(&mut hasher);
                    facts.visible.insert(key, hasher.finish());
                }
            }
        }
        facts
    }

    /// The place of a snapshot.
    pub fn place(&self, key: &Key) -> PathBuf {
        self.root.join(&key.0).join(&key.1).join(&key.2)
    }

    fn every_visible_one_is_whole(&mut self, now: &Facts) {
        for key in now.visible.keys() {
            let place = self.place(key);
            let word = words(key);
            if !place
                .join("data")
                .symlink_metadata()
                .is_ok_and(|m| m.is_dir())
            {
                self.say(format!("{word} is visible and has no data"));
            }
            let text = std::fs::read(place.join("meta.json")).unwrap_or_default();
            let meta: Value = serde_json::from_slice(&text).unwrap_or_default();
            if meta["kind"] != key.1.as_str() || meta["name"] != key.2.as_str() {
                self.say(format!("{word} is visible and its meta.json says {meta}"));
            }
            let is_known = self.names.get(&key.0).is_none_or(|names| {
                meta["host"]
                    .as_str()
                    .is_some_and(|host| names.contains(host))
            });
            if !is_known {
                self.say(format!("{word} is of another host: {}", meta["host"]));
            }
        }
    }

    fn older_ones_are_unchanged(&mut self, now: &Facts) {
        for (key, digest) in &now.visible {
            let first = *self.first_sight.entry(key.clone()).or_insert(*digest);
            if first != *digest {
                self.say(format!("{} is not what it was", words(key)));
            }
        }
    }

    fn rows_are_true(&mut self, connection: &Connection, now: &Facts, event: &Event) {
        let mut listed = connection
            .prepare("SELECT 1 FROM plan_deletions WHERE plan_id = ?1 AND snapshot_id = ?2")
            .unwrap();
        for (key, row) in &now.rows {
            let is_visible = now.visible.contains_key(key);
            let status = row.status.as_str();
            let may_lie = self.excused.contains(key) && !event.discovered;
            let is_true = match status {
                "complete" => is_visible,
                "partial" | "failed" | "deleted" | "missing" => !is_visible,
                // Killed between the disk and the row: the next run decides.
                "running" | "deleting" => true,
                _ => false,
            };
            let where_ = if is_visible { "on disk" } else { "not on disk" };
            if is_true {
                self.excused.remove(key);
            } else if !may_lie {
                self.say(format!(
                    "the row of {} says {status}: it is {where_}",
                    words(key)
                ));
            }
            if matches!(status, "deleting" | "deleted") {
                let is_listed = row
                    .plan
                    .is_some_and(|plan| listed.exists([plan, row.id]).unwrap());
                if !is_listed {
                    self.say(format!(
                        "the row of {} says {status} by plan {:?}, which does not list it",
                        words(key),
                        row.plan
                    ));
                }
            }
        }
        if event.discovered {
            for key in now.visible.keys() {
                if now.host_in(&key.0).is_some() && !now.rows.contains_key(key) {
                    self.say(format!("{} has no row after a discovery", words(key)));
                }
            }
        }
    }

    fn what_is_new_was_made(&mut self, was: &Facts, now: &Facts, event: &Event) {
        for key in now.visible.keys() {
            let is_new = !was.visible.contains_key(key);
            if is_new && !event.adds && !event.by_hand.contains(key) {
                self.say(format!("{} has appeared", words(key)));
            }
        }
    }

    fn what_is_gone_was_listed(
        &mut self,
        connection: &Connection,
        was: &Facts,
        now: &Facts,
        event: &Event,
    ) {
        let mut plans: BTreeMap<i64, PlanRow> = BTreeMap::new();
        for key in was.visible.keys() {
            if now.visible.contains_key(key) || event.by_hand.contains(key) {
                continue;
            }
            let word = words(key);
            let row = now.rows.get(key);
            let by = row.filter(|row| matches!(row.status.as_str(), "deleting" | "deleted"));
            let Some((row, plan)) = by.and_then(|row| Some((row, row.plan?))) else {
                self.say(format!("{word} is gone and no plan says so: {row:?}"));
                continue;
            };
            if plan <= was.last_plan && !event.goes_on {
                self.say(format!(
                    "{word} is gone by plan {plan}, which is an old one"
                ));
            }
            let plan = plans
                .entry(plan)
                .or_insert_with(|| plan_row(connection, plan));
            if plan.serial < was.serial || plan.serial > now.serial {
                self.say(format!(
                    "{word} is gone by a plan of serial {}, and now is {}",
                    plan.serial, now.serial
                ));
            }
            let of_host = of_host(&plan.body, &key.0);
            let is_listed = of_host["delete"].as_array().is_some_and(|all| {
                all.iter().any(|entry| {
                    entry["snapshot"] == key.2.as_str() && entry["kind"] == key.1.as_str()
                })
            });
            if !is_listed {
                self.say(format!("{word} is gone and its plan does not show it"));
            }
            if plan.kind == "prune" {
                let policy = of_host["policy_fingerprint"].as_str().unwrap_or_default();
                let is_approved = connection
                    .prepare("SELECT 1 FROM approvals WHERE host_id = ?1 AND policy = ?2")
                    .unwrap()
                    .exists(rusqlite::params![row.host, policy])
                    .unwrap();
                if of_host["approved"] != true || !is_approved {
                    self.say(format!(
                        "{word} is gone at night by a policy nobody approved"
                    ));
                }
            }
        }
        for (id, plan) in plans {
            self.what_a_plan_keeps_is_there(id, &plan.body, now, event);
        }
    }

    fn what_a_plan_keeps_is_there(&mut self, id: i64, body: &Value, now: &Facts, event: &Event) {
        for host in body["retention"].as_array().into_iter().flatten() {
            let directory = host["directory"].as_str().unwrap_or_default();
            for kept in host["keep"].as_array().into_iter().flatten() {
                let text = |field: &str| kept[field].as_str().unwrap_or_default().to_owned();
                let key = (directory.to_owned(), text("kind"), text("snapshot"));
                let went_later = now
                    .rows
                    .get(&key)
                    .is_some_and(|row| row.plan.is_some_and(|plan| plan > id));
                if text("status") == "complete"
                    && !now.visible.contains_key(&key)
                    && !went_later
                    && !event.by_hand.contains(&key)
                {
                    let word = words(&key);
                    self.say(format!(
                        "{word} is kept by plan {id}, which deleted, and is gone"
                    ));
                }
            }
        }
    }

    fn nothing_held_is_gone(&mut self, was: &Facts, now: &Facts, event: &Event) {
        for key in was.visible.keys() {
            let in_sql = was
                .rows
                .get(key)
                .is_some_and(|row| row.held == Some(i64::MAX));
            let is_held = in_sql || was.held_on_disk.contains(key);
            if is_held
                && !now.visible.contains_key(key)
                && !event.by_hand.contains(key)
                && !event.unheld.contains(key)
            {
                self.say(format!("{} was held, and is gone", words(key)));
            }
        }
    }

    fn the_newest_is_there(&mut self, was: &Facts, now: &Facts, event: &Event) {
        for host in &was.hosts {
            let Some((at, newest)) = was.complete(&host.directory).pop() else {
                continue;
            };
            let is_removed = now
                .host_in(&host.directory)
                .is_some_and(|host| host.retired.as_deref() == Some("delete"));
            if now.visible.contains_key(newest) || event.by_hand.contains(newest) || is_removed {
                continue;
            }
            let later = now.complete(&host.directory).pop();
            if later.is_none_or(|(then, key)| (then, &key.2) <= (at, &newest.2)) {
                let word = words(newest);
                self.say(format!(
                    "{word} was the newest of its host, and is gone without another"
                ));
            }
        }
    }

    fn nothing_forgotten(&mut self, was: &Facts, now: &Facts) {
        if now.serial < was.serial {
            self.say(format!(
                "the serial fell from {} to {}",
                was.serial, now.serial
            ));
        }
        if now.last_plan < was.last_plan {
            self.say("a recorded plan is gone");
        }
        for host in &was.hosts {
            let same = now.hosts.iter().find(|other| other.id == host.id);
            if same.is_none_or(|other| other.directory != host.directory) {
                self.say(format!(
                    "host {} is gone or has another directory",
                    host.name
                ));
            }
        }
        for key in was.rows.keys() {
            if !now.rows.contains_key(key) {
                self.say(format!("the row of {} is gone", words(key)));
            }
        }
    }

    fn excuse_differences(&mut self, now: &Facts) {
        let differ = now
            .rows
            .iter()
            .filter(|(key, row)| (row.status == "complete") != now.visible.contains_key(*key));
        self.excused.extend(differ.map(|(key, _)| key.clone()));
    }
}

fn plan_row(connection: &Connection, id: i64) -> PlanRow {
    connection
        .query_row(
            "SELECT kind, serial, body FROM plans WHERE id = ?1",
            [id],
            |row| {
                let body: String = row.get(2)?;
                Ok(PlanRow {
                    kind: row.get(0)?,
                    serial: row.get(1)?,
                    body: serde_json::from_str(&body).unwrap_or_default(),
                })
            },
        )
        .unwrap()
}

fn of_host<'a>(body: &'a Value, directory: &str) -> &'a Value {
    let mut all = body["retention"].as_array().into_iter().flatten();
    all.find(|host| host["directory"] == directory)
        .unwrap_or(&Value::Null)
}

fn words(key: &Key) -> String {
    format!("{}/{}/{}", key.0, key.1, key.2)
}

/// Types, modes, owners, times and content of everything below.
pub fn digest(tree: &Path) -> u64 {
    fn add(path: &Path, hasher: &mut DefaultHasher) {
        let Ok(meta) = path.symlink_metadata() else {
            return;
        };
        path.file_name().hash(hasher);
        (
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.mtime(),
            meta.mtime_nsec(),
        )
            .hash(hasher);
        if meta.is_dir() {
            for name in names_below(path) {
                add(&path.join(name), hasher);
            }
        } else if meta.is_symlink() {
            std::fs::read_link(path).ok().hash(hasher);
        } else if meta.is_file() {
            std::fs::read(path).ok().hash(hasher);
        }
    }
    let mut hasher = DefaultHasher::new();
    add(tree, &mut hasher);
    hasher.finish()
}
