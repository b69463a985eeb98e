//! From findings in many snapshots to damage: each file once, with every snapshot that has it and one that has it whole.

use std::collections::BTreeMap;

use serde::Serialize;

use super::engine::Subject;
use super::manifests::Manifests;
use crate::core::manifest::{Attribute, Digest, Sample, shown};
use crate::core::model::{ProblemKind, SnapshotKind, SnapshotName};
use crate::disk::{Finding, HostDir, InodesRead, Problem};

/// So much is listed and recorded of a host.
const LISTED: usize = 1000;
/// For so many files a whole copy is looked for: each costs reads in other snapshots.
const SEARCHED: usize = 100;
/// What stands for the path of damage that a manifest has.
const MANIFEST: &str = "manifest";

/// A snapshot by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct InSnapshot {
    /// Its kind.
    pub kind: SnapshotKind,
    /// Its name.
    pub snapshot: SnapshotName,
}

/// Whether another snapshot of the host holds a damaged path whole: the nearest one, before or after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Intact {
    /// This one holds the very content that was lost.
    Same(InSnapshot),
    /// This one holds another version of the file, which is as it was made; none holds what was lost.
    OtherVersion(InSnapshot),
    /// None does, and all were looked at.
    Nowhere,
    /// None was found. Some could not be read, or have nothing that says what they should hold.
    Unknown,
    /// None was looked for: so much is damaged that the search ended before.
    NotLookedFor,
    /// None is needed: what the file holds is as it was, or it was no file.
    NotNeeded,
}

impl Intact {
    /// The snapshot that holds it.
    #[must_use]
    pub fn snapshot(&self) -> Option<&InSnapshot> {
        match self {
            Self::Same(whole) | Self::OtherVersion(whole) => Some(whole),
            Self::Nowhere | Self::Unknown | Self::NotLookedFor | Self::NotNeeded => None,
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The path below `data`; bytes that are no text are escaped.
    pub path: String,
    /// What is wrong.
    pub problem: ProblemKind,
    /// The same in words.
    pub detail: String,
    /// What differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
    /// The BLAKE3 digest of what was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Every snapshot that has it, oldest first: they share the inode, or all lack the file.
    pub snapshots: Vec<InSnapshot>,
    /// Where the path is whole.
    pub intact: Intact,
    #[serde(skip)]
    pub(super) slot: u32,
    #[serde(skip)]
    pub(super) inode: Option<u64>,
}

/// What makes two findings the same damage: of what was read, the inode; else what is wrong.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    path: Vec<u8>,
    problem: ProblemKind,
    inode: Option<u64>,
}

/// Findings of all snapshots as damage, and whether there is more of it.
pub(super) struct Gathering<'a> {
    pub(super) dir: &'a HostDir,
    /// All snapshots of the host, oldest first.
    pub(super) subjects: &'a [Subject],
    pub(super) known: &'a mut InodesRead,
}

impl Gathering<'_> {
    /// Gathers. `found` has the place of each snapshot among the subjects.
    pub(super) fn gather(mut self, found: Vec<(usize, Vec<Finding>)>) -> (Vec<Damage>, bool) {
        let mut groups: BTreeMap<Key, (Vec<usize>, Finding)> = BTreeMap::new();
        let mut is_cut = false;
        for (at, findings) in found {
            for finding in findings {
                let problem = kind_of(&finding.problem);
                let key = Key {
                    path: finding.path.clone(),
                    problem,
                    inode: finding.inode.filter(|_| problem.needs_reading()),
                };
                if groups.len() >= LISTED && !groups.contains_key(&key) {
                    is_cut = true;
                    continue;
                }
                let (places, _) = groups
                    .entry(key)
                    .or_insert_with(|| (Vec::new(), finding.clone()));
                if !places.contains(&at) {
                    places.push(at);
                }
            }
        }
        let lost = groups.values().map(|(_, finding)| finding);
        let wanted = lost.filter(|finding| is_lost(finding));
        let wanted = wanted.map(|finding| finding.path.clone()).collect();
        let mut manifests = Manifests::new(self.dir, self.subjects, wanted);
        let mut damage = Vec::new();
        let mut of_manifests = Vec::new();
        let mut searched = 0;
        for (_, (mut places, mut finding)) in groups {
            of_manifests.extend(self.wrong_manifests(&finding, &mut places, &mut manifests));
            let Some(first) = places.first() else {
                continue;
            };
            if let Some(said) = manifests.content(*first, &finding.path) {
                finding.expected = Some(said);
            }
            self.add_sharing(&finding, &mut places);
            let intact = if searched < SEARCHED {
                self.intact(&finding, &places, &mut manifests)
            } else {
                Intact::NotLookedFor
            };
            searched += 1;
            damage.push(self.damage(&finding, &places, intact));
        }
        damage.extend(of_manifests);
        (damage, is_cut)
    }

    /// Takes those of `places` out whose manifest, and not the file, is what is wrong: an older one has the file as it is.
    fn wrong_manifests(
        &self,
        finding: &Finding,
        places: &mut Vec<usize>,
        manifests: &mut Manifests<'_>,
    ) -> Option<Damage> {
        let inode = finding
            .inode
            .filter(|_| finding.problem == Problem::Content)?;
        let content = self.known.content_of(inode)?;
        let mut first = None;
        let mut wrong = Vec::new();
        places.retain(|at| {
            let witness = manifests.witness(*at, &finding.path, content);
            if let Some(witness) = witness {
                first.get_or_insert(witness);
                wrong.push(*at);
            }
            witness.is_none()
        });
        let witness = self.subjects.get(first?)?;
        let finding = Finding {
            expected: None,
            ..finding.clone()
        };
        Some(Damage {
            path: MANIFEST.to_owned(),
            problem: ProblemKind::Manifest,
            detail: format!(
                "of /{} it says something else than the file holds and the manifest of {} says, which was made before it",
                shown(&finding.path),
                witness.name
            ),
            ..self.damage(&finding, &wrong, Intact::NotNeeded)
        })
    }

    /// Snapshots that were not looked at, or not so far, and have the damaged inode under the same path.
    fn add_sharing(&self, finding: &Finding, places: &mut Vec<usize>) {
        let Some(inode) = finding
            .inode
            .filter(|_| kind_of(&finding.problem).needs_reading())
        else {
            return;
        };
        for (at, subject) in self.subjects.iter().enumerate() {
            if places.contains(&at) {
                continue;
            }
            let there = self
                .dir
                .inode_of(subject.kind, &subject.name, &finding.path);
            if matches!(there, Ok(Some(found)) if found == inode) {
                places.push(at);
            }
        }
        places.sort_unstable();
    }

    /// The nearest snapshot, before or after, whose file of that path is what was lost; else what its own manifest says.
    fn intact(
        &mut self,
        finding: &Finding,
        places: &[usize],
        manifests: &mut Manifests<'_>,
    ) -> Intact {
        if !is_lost(finding) {
            return Intact::NotNeeded;
        }
        let expected = finding.expected;
        let newest = places.last().copied().unwrap_or_default();
        let mut others: Vec<usize> = (0..self.subjects.len())
            .filter(|at| !places.contains(at))
            .collect();
        others.sort_by_key(|at| (at.abs_diff(newest), *at > newest));
        let mut other_version = None;
        let mut is_unsure = false;
        for at in others {
            let Some(subject) = self.subjects.get(at) else {
                continue;
            };
            let copy = self
                .dir
                .read_copy(subject.kind, &subject.name, &finding.path, self.known);
            let copy = match copy {
                Ok(Some(copy)) => copy,
                Ok(None) => continue,
                Err(_) => {
                    is_unsure = true;
                    continue;
                }
            };
            let whole = InSnapshot {
                kind: subject.kind,
                snapshot: subject.name.clone(),
            };
            if expected == Some(copy.content) {
                return Intact::Same(whole);
            }
            let said = manifests.content(at, &finding.path);
            is_unsure |= said.is_none();
            if said == Some(copy.content) {
                other_version.get_or_insert(whole);
                if expected.is_none() {
                    break;
                }
            }
        }
        match other_version {
            Some(whole) => Intact::OtherVersion(whole),
            None if is_unsure => Intact::Unknown,
            None => Intact::Nowhere,
        }
    }

    fn damage(&self, finding: &Finding, places: &[usize], intact: Intact) -> Damage {
        let attributes = match &finding.problem {
            Problem::Attributes(list) => list.clone(),
            _ => Vec::new(),
        };
        let expected = finding.expected.as_ref().map(Digest::to_string);
        let in_snapshot = |at: &usize| {
            let subject = self.subjects.get(*at)?;
            Some(InSnapshot {
                kind: subject.kind,
                snapshot: subject.name.clone(),
            })
        };
        Damage {
            path: shown(&finding.path),
            problem: kind_of(&finding.problem),
            detail: detail_of(&finding.problem),
            attributes,
            expected,
            snapshots: places.iter().filter_map(in_snapshot).collect(),
            intact,
            slot: Sample::slot(&finding.path),
            inode: finding
                .inode
                .filter(|_| kind_of(&finding.problem).needs_reading()),
        }
    }
}

/// What a file held is not in it any more.
fn is_lost(finding: &Finding) -> bool {
    let is_lost = match &finding.problem {
        Problem::Content | Problem::Missing | Problem::Unreadable(_) => true,
        Problem::Attributes(list) => list
            .iter()
            .any(|a| matches!(a, Attribute::Size | Attribute::Type)),
        Problem::Extra => false,
    };
    is_lost && finding.was_file
}

/// The damage that a manifest itself has.
pub(super) fn of_manifest(subject: &Subject, detail: String) -> Damage {
    Damage {
        path: MANIFEST.to_owned(),
        problem: ProblemKind::Manifest,
        detail,
        attributes: Vec::new(),
        expected: None,
        snapshots: vec![InSnapshot {
            kind: subject.kind,
            snapshot: subject.name.clone(),
        }],
        intact: Intact::NotNeeded,
        slot: 0,
        inode: None,
    }
}

fn kind_of(problem: &Problem) -> ProblemKind {
    match problem {
        Problem::Content => ProblemKind::Content,
        Problem::Attributes(_) => ProblemKind::Attributes,
        Problem::Missing => ProblemKind::Missing,
        Problem::Extra => ProblemKind::Extra,
        Problem::Unreadable(_) => ProblemKind::Unreadable,
    }
}

fn detail_of(problem: &Problem) -> String {
    match problem {
        Problem::Content => {
            "it holds something else, though its size and time are the same".to_owned()
        }
        Problem::Attributes(list) => {
            let words: Vec<&str> = list.iter().map(|a| a.as_str()).collect();
            format!("other than it was: {}", words.join(", "))
        }
        Problem::Missing => "it is not there".to_owned(),
        Problem::Extra => "it was not there when the snapshot was made".to_owned(),
        Problem::Unreadable(why) => why.clone(),
    }
}
