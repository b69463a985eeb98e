//! Judgement: what was done, what it may have deleted, and what is gone.

use std::collections::BTreeMap;

use crate::belief::{Belief, May, When, Word};
use crate::common::checker::{Event, Facts, Key};
use crate::ops::{Act, Lift};
use crate::world::{Done, World};

impl World {
    pub(crate) fn tell_checker(&mut self, done: &[Done], event: &mut Event) {
        for done in done {
            match &done.act {
                Act::Backup { .. } | Act::Scheduler => event.adds = true,
                Act::Unhold(_) => event.unheld.extend(self.held.iter().cloned()),
                Act::Discover if done.code == Some(0) => event.discovered = true,
                _ => {}
            }
        }
        // Others at work may change the disk after it was looked at.
        event.discovered &= done.len() == 1;
    }

    pub(crate) fn judge(
        &mut self,
        done: &[Done],
        was: &Facts,
        now: &Facts,
        when: When,
        event: &Event,
    ) -> Vec<String> {
        let mut broken = Vec::new();
        for done in done {
            if let Some(code) = done.code
                && !matches!(code, 0 | 1 | 10..=14 | 64 | 65 | 69)
            {
                broken.push(format!("{:?} ends with {code}", done.act));
            }
        }
        if self
            .log
            .iter()
            .rev()
            .take(done.len())
            .any(|line| line.contains("panicked"))
        {
            broken.push("the program panicked".to_owned());
        }
        let before = self.belief.clone();
        let mut done: Vec<Done> = done
            .iter()
            .map(|d| Done {
                act: d.act.clone(),
                ..*d
            })
            .collect();
        for one in &mut done {
            broken.extend(self.take_over(one, was, now));
        }
        let mut may = May::default();
        for one in &done {
            self.permit(one, &before, was, now, when, &mut may);
        }
        let mut gone: BTreeMap<&str, usize> = BTreeMap::new();
        for key in was.visible.keys() {
            if now.visible.contains_key(key) || event.by_hand.contains(key) {
                continue;
            }
            *gone.entry(&key.0).or_default() += 1;
            self.held.remove(key);
            if !may.go.contains(key) {
                broken.push(format!(
                    "{key:?} is gone, and nothing that was done may delete it"
                ));
            }
        }
        for (directory, n) in gone {
            self.count("snapshots deleted", n);
            let at_most = may.at_most.get(directory).copied().unwrap_or(0);
            if n > at_most {
                broken.push(format!(
                    "{n} of {directory} are gone, and the limit was {at_most}"
                ));
            }
        }
        let made = now
            .visible
            .keys()
            .filter(|key| !was.visible.contains_key(*key) && !event.by_hand.contains(*key));
        let made = made.count();
        self.count("snapshots made", made);
        broken
    }

    /// What a call that went well has changed in what the model believes.
    pub(crate) fn take_over(&mut self, done: &mut Done, was: &Facts, now: &Facts) -> Vec<String> {
        let is_well = done.code == Some(0);
        let mut broken = Vec::new();
        let desired = match &done.act {
            Act::Apply { .. } | Act::Expect { .. } => Some((self.desired.clone(), None)),
            Act::ApplySaved { which, .. } => self
                .one_saved(*which)
                .map(|saved| (saved.desired.clone(), Some(saved.serial))),
            _ => None,
        };
        if let Some((desired, serial)) = desired {
            let recorded = self.last_apply() > was.last_plan;
            done.has_applied = is_well || recorded;
            if !done.has_applied {
                self.mend_file(done.code);
                if now.serial != was.serial {
                    broken.push("an apply that was not carried out moved the serial".to_owned());
                }
                return broken;
            }
            self.count("applies", 1);
            if desired.elsewhere {
                broken.push("an apply took an empty root while another is in use".to_owned());
            }
            if serial.is_some_and(|serial| serial != was.serial) {
                broken.push("a plan of another serial was applied".to_owned());
            }
            broken.extend(self.belief.apply(&desired, now));
            self.applied = desired;
            // A rename that is done is taken out of the file.
            for part in self
                .applied
                .hosts
                .values_mut()
                .chain(self.desired.hosts.values_mut())
            {
                part.was = None;
            }
            self.write_file();
            return broken;
        }
        match &done.act {
            Act::Approve(host) if is_well => {
                let name = self.name(*host);
                if let Some(host) = self.belief.active_mut(&name) {
                    host.approved = Some(host.part.policy);
                }
            }
            Act::Pause(host) | Act::Resume(host) if is_well => {
                let is_pause = matches!(done.act, Act::Pause(_));
                let name = self.name(*host);
                if let Some(host) = self.belief.active_mut(&name) {
                    host.paused = is_pause;
                }
            }
            Act::Drift { host, last } if is_well => {
                match self.belief.active_mut(&self.name(*host)) {
                    Some(host) => {
                        host.part.policy.last = usize::from(*last);
                        host.part.policy.daily = 0;
                        host.part.policy.monthly = 0;
                    }
                    None => broken.push("a host that is none was configured".to_owned()),
                }
            }
            Act::Hold(which) if is_well => {
                // By the name that the call was given, as things were before it.
                let all: Vec<&Key> = was.visible.keys().collect();
                let key = all.get(usize::from(*which) % all.len().max(1));
                self.held.extend(key.map(|key| (*key).clone()));
                self.count("holds", 1);
            }
            Act::Unhold(_) => {
                let line = self
                    .log
                    .iter()
                    .rev()
                    .find(|line| line.starts_with("pobsync unhold"));
                let name = line
                    .and_then(|line| line.split(' ').nth(3))
                    .unwrap_or_default()
                    .trim()
                    .to_owned();
                self.held
                    .retain(|key| name != key.2.as_str() && !name.starts_with(&key.2));
            }
            _ => {}
        }
        broken
    }

    /// The newest plan that an apply recorded.
    pub(crate) fn last_apply(&self) -> i64 {
        let connection = rusqlite::Connection::open(self.database()).unwrap();
        let sql = "SELECT coalesce(max(id), 0) FROM plans WHERE kind = 'apply'";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    pub(crate) fn permit(
        &self,
        done: &Done,
        before: &Belief,
        was: &Facts,
        now: &Facts,
        when: When,
        may: &mut May,
    ) {
        let after = &self.belief;
        let (word, limit, listed) = match &done.act {
            Act::Apply { prune: true, lift } if done.has_applied => {
                let limit = match lift {
                    Lift::MaxDelete(n) => Some(usize::from(*n)),
                    _ => Some(before.max_delete.min(after.max_delete)),
                };
                (Word::Applied, limit, None)
            }
            Act::Expect { prune: true, .. } if done.has_applied => (
                Word::Applied,
                Some(before.max_delete.min(after.max_delete)),
                None,
            ),
            Act::ApplySaved { which, prune: true } if done.has_applied => (
                Word::Applied,
                Some(before.max_delete.min(after.max_delete)),
                self.one_saved(*which),
            ),
            Act::Retention { max_delete, .. } => (Word::ByName, max_delete.map(usize::from), None),
            Act::RetentionSaved { which, .. } => {
                let saved = self.one_saved(*which);
                if saved.is_none_or(|saved| saved.serial != was.serial) {
                    return;
                }
                (Word::ByName, None, saved)
            }
            Act::Backup { prune: true, .. } | Act::Scheduler => (Word::Unattended, None, None),
            _ => return,
        };
        // The one before counts where something else was done at the same time.
        let beliefs = if word == Word::Applied {
            vec![after]
        } else {
            vec![before, after]
        };
        let mut allowed = May::default();
        for belief in beliefs {
            for host in &belief.hosts {
                let is_meant = match &done.act {
                    Act::Backup { host: n, .. }
                    | Act::Retention { host: n, .. }
                    | Act::RetentionSaved { host: n, .. } => host.name == self.name(*n),
                    Act::Scheduler => host.part.prune,
                    _ => true,
                };
                let lifted = match &done.act {
                    Act::Apply {
                        lift: Lift::Delete { host: n, n: count },
                        ..
                    } if host.name == self.name(*n) => usize::from(*count),
                    _ => 0,
                };
                if is_meant {
                    let mut one = May::default();
                    belief.may_go(
                        host, word, limit, lifted, was, now, when, &self.held, &mut one,
                    );
                    allowed.go.extend(one.go);
                    for (directory, n) in one.at_most {
                        let most = allowed.at_most.entry(directory).or_default();
                        *most = n.max(*most);
                    }
                }
            }
        }
        if let Some(saved) = listed {
            allowed.go.retain(|key| saved.listed.contains(key));
        }
        may.go.extend(allowed.go);
        for (directory, n) in allowed.at_most {
            *may.at_most.entry(directory).or_default() += n;
        }
    }
}
