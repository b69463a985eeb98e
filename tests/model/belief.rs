//! What the model believes to be in force, and what may be deleted under it. It never says what must go, only what may.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeZone as _};

use crate::common::checker::{Facts, Key};
use crate::desired::{Desired, HostPart, Policy};

const DAY: i64 = 86_400_000;

#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) directory: String,
    pub(crate) part: HostPart,
    pub(crate) approved: Option<Policy>,
    pub(crate) paused: bool,
    /// It has left; whether its snapshots go.
    pub(crate) retired: Option<bool>,
}

impl Host {
    fn is_quiet(&self) -> bool {
        self.paused || !self.part.enabled
    }
}

/// What has been applied.
#[derive(Debug, Clone, Default)]
pub(crate) struct Belief {
    pub(crate) hosts: Vec<Host>,
    pub(crate) max_delete: usize,
    pub(crate) percent: usize,
}

/// On whose word something is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Unattended,
    Applied,
    ByName,
}

/// What may go in one step.
#[derive(Debug, Default)]
pub(crate) struct May {
    pub(crate) go: BTreeSet<Key>,
    /// How many of one directory.
    pub(crate) at_most: BTreeMap<String, usize>,
}

/// When a step ran, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct When {
    pub(crate) from: i64,
    pub(crate) until: i64,
}

impl Belief {
    pub(crate) fn active(&self, name: &str) -> Option<&Host> {
        let mut hosts = self.hosts.iter();
        hosts.find(|host| host.name == name && host.retired.is_none())
    }

    pub(crate) fn active_mut(&mut self, name: &str) -> Option<&mut Host> {
        let mut hosts = self.hosts.iter_mut();
        hosts.find(|host| host.name == name && host.retired.is_none())
    }

    /// Takes over an apply that was carried out; `after` tells which directories new hosts were given.
    pub(crate) fn apply(&mut self, desired: &Desired, after: &Facts) -> Vec<String> {
        let mut broken = Vec::new();
        for (name, part) in &desired.hosts {
            if let Some(was) = &part.was
                && self.active(name).is_none()
                && let Some(host) = self.active_mut(was)
            {
                host.name.clone_from(name);
            }
        }
        let in_use: BTreeSet<String> = self
            .hosts
            .iter()
            .filter(|host| host.retired.is_none())
            .map(|host| host.name.clone())
            .collect();
        for host in &mut self.hosts {
            let is_wanted = desired.hosts.contains_key(&host.name);
            if host.retired.is_none() && !is_wanted {
                if host.part.protect {
                    broken.push(format!("protected {} has left in one apply", host.name));
                }
                host.retired = Some(desired.removed.get(&host.name) == Some(&true));
            } else if host.retired.is_some()
                && !in_use.contains(&host.name)
                && let Some(goes) = desired.removed.get(&host.name)
            {
                host.retired = Some(*goes);
            }
        }
        for (name, part) in &desired.hosts {
            if self.active(name).is_none() {
                let made = after
                    .hosts
                    .iter()
                    .find(|host| host.name == *name && host.retired.is_none());
                let Some(made) = made else {
                    broken.push(format!("{name} was applied and is no host"));
                    continue;
                };
                if self.hosts.iter().any(|h| h.directory == made.directory) {
                    broken.push(format!("{name} was given the directory of another"));
                }
                self.hosts.push(Host {
                    name: name.clone(),
                    directory: made.directory.clone(),
                    part: part.clone(),
                    approved: None,
                    paused: false,
                    retired: None,
                });
            }
            if let Some(host) = self.active_mut(name) {
                host.part = part.clone();
                if !host.is_quiet() {
                    host.approved = Some(part.policy);
                }
            }
        }
        self.max_delete = desired.max_delete;
        self.percent = desired.percent;
        broken
    }

    /// Where SQL says otherwise: then model and program do not speak of the same thing.
    pub(crate) fn differences(&self, facts: &Facts) -> Vec<String> {
        let mut found = Vec::new();
        for host in &self.hosts {
            let Some(sql) = facts.host_in(&host.directory) else {
                found.push(format!("{} has no row", host.name));
                continue;
            };
            let retired = host
                .retired
                .map(|goes| if goes { "delete" } else { "keep" });
            if sql.name != host.name || sql.retired.as_deref() != retired {
                found.push(format!("SQL says {sql:?}, and it should be {host:?}"));
            }
            let is_approved = host.approved == Some(host.part.policy);
            let says_approved = sql.approved.is_some() && sql.approved == sql.policy;
            if host.retired.is_none() && is_approved != says_approved {
                found.push(format!(
                    "the policy of {} is approved in SQL: {says_approved}; it should be: {is_approved}",
                    host.name
                ));
            }
        }
        if facts.hosts.len() != self.hosts.len() {
            found.push(format!("SQL has {} hosts", facts.hosts.len()));
        }
        found
    }

    /// What may go of one host, on somebody's word.
    #[allow(
        clippy::too_many_arguments,
        reason = "it is all that the rule speaks of"
    )]
    pub(crate) fn may_go(
        &self,
        host: &Host,
        word: Word,
        limit: Option<usize>,
        lifted: usize,
        was: &Facts,
        now: &Facts,
        when: When,
        held: &BTreeSet<Key>,
        may: &mut May,
    ) {
        let rows = || {
            let both = was.rows.iter().chain(&now.rows);
            both.filter(|(key, _)| key.0 == host.directory)
        };
        let visible = |key: &Key| was.visible.contains_key(key) || now.visible.contains_key(key);
        let is_future = was.rows.iter().any(|(key, row)| {
            key.0 == host.directory
                && row.status == "complete"
                && row.started_at > when.until
                && now
                    .rows
                    .get(key)
                    .is_some_and(|row| row.status == "complete")
        });
        let is_approved = host.approved == Some(host.part.policy);
        match host.retired {
            Some(false) => return,
            None if host.is_quiet() || is_future => return,
            // Nothing backs it up any more, so nothing prunes it unattended.
            Some(true) if word == Word::Unattended || is_future => return,
            Some(true) => {}
            None if word == Word::ByName || is_approved => {}
            None => return,
        }
        if word == Word::Unattended {
            let is_suspect = rows().any(|(key, row)| {
                row.suspect
                    && visible(key)
                    && now.rows.get(key).is_none_or(|row| row.suspect)
                    && was.rows.get(key).is_none_or(|row| row.suspect)
            });
            let is_doubtful = was
                .life
                .is_some_and(|life| when.until < life || when.from > life + 7 * DAY + 60_000);
            if is_suspect || is_doubtful {
                return;
            }
        }
        let mut filling: BTreeMap<&Key, i64> = BTreeMap::new();
        filling.extend(
            rows()
                .filter(|(key, _)| visible(key))
                .map(|(key, row)| (key, row.started_at)),
        );
        let mut newest_first: Vec<(i64, &Key)> =
            filling.into_iter().map(|(key, at)| (at, key)).collect();
        newest_first.sort_by(|a, b| (b.0, &b.1.2).cmp(&(a.0, &a.1.2)));
        let stays = if host.retired.is_some() {
            BTreeSet::new()
        } else {
            kept(&host.part.policy, &newest_first)
        };
        may.go.extend(
            newest_first
                .iter()
                .map(|(_, key)| (*key).clone())
                .filter(|key| !stays.contains(key) && !held.contains(key)),
        );
        let mut limit = limit.unwrap_or(self.max_delete);
        let complete = was.complete(&host.directory).len();
        if complete >= 10 && word != Word::ByName && host.retired.is_none() {
            // Incomplete ones count as well, so there may be more than that.
            let all = rows().filter(|(_, row)| row.status != "deleted" && row.status != "missing");
            limit = limit
                .min(all.map(|(key, _)| key).collect::<BTreeSet<_>>().len() * self.percent / 100);
        }
        // A limit that was lifted for a number holds for more than that.
        limit = limit.max(lifted);
        *may.at_most.entry(host.directory.clone()).or_default() += limit;
    }
}

/// What the rules keep of `newest_first`.
fn kept(policy: &Policy, newest_first: &[(i64, &Key)]) -> BTreeSet<Key> {
    let mut stays: BTreeSet<Key> = newest_first
        .first()
        .map(|(_, key)| (*key).clone())
        .into_iter()
        .collect();
    let filling: Vec<&(i64, &Key)> = newest_first
        .iter()
        .filter(|(_, key)| policy.takes(&key.1))
        .collect();
    let outside = newest_first.iter().filter(|(_, key)| !policy.takes(&key.1));
    stays.extend(outside.map(|(_, key)| (*key).clone()));
    stays.extend(
        filling
            .iter()
            .take(policy.last)
            .map(|(_, key)| (*key).clone()),
    );
    let zone: chrono_tz::Tz = policy.zone.parse().unwrap();
    for (n, format) in [(policy.daily, "%Y-%m-%d"), (policy.monthly, "%Y-%m")] {
        let mut buckets: Vec<String> = Vec::new();
        for (at, key) in &filling {
            let time: DateTime<chrono_tz::Tz> = zone.timestamp_millis_opt(*at).unwrap();
            let bucket = time.format(format).to_string();
            if buckets.last() == Some(&bucket) || buckets.len() == n {
                continue;
            }
            buckets.push(bucket);
            stays.insert((*key).clone());
        }
        if n > 0 && buckets.len() < n {
            stays.extend(filling.last().map(|(_, key)| (*key).clone()));
        }
    }
    stays
}
