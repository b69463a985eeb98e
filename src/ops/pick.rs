//! Which of several snapshots is meant: the same everywhere that takes one by its name, or by how one name begins.

use super::Error;
use super::reading_error::ReadingError;
use crate::core::model::{HostName, SnapshotKind, SnapshotName, Which};

/// So many names are listed where one was meant.
const LISTED: usize = 8;

/// The snapshot that is named, of `all` of a host, newest first; the newest that `is_latest` for `latest`.
///
/// # Errors
/// When there is none, or several.
pub(super) fn pick<'a, T>(
    host: &HostName,
    which: &Which,
    all: &'a [T],
    key: impl Fn(&T) -> (SnapshotKind, &SnapshotName),
    is_latest: impl Fn(&T) -> bool,
) -> Result<&'a T, Error> {
    let Which::Named { kind, begins } = which else {
        let newest = all.iter().find(|one| is_latest(one));
        return newest.ok_or_else(|| ReadingError::NoSnapshot { host: host.clone() }.into());
    };
    let of_kind = |one: &&T| kind.is_none_or(|kind| key(one).0 == kind);
    let mut found: Vec<&T> = all.iter().filter(of_kind).collect();
    let is_whole_name = |one: &&&T| key(one).1.as_str() == begins;
    if let [one] = found.iter().filter(is_whole_name).collect::<Vec<_>>()[..] {
        return Ok(one);
    }
    found.retain(|one| key(one).1.as_str().starts_with(begins.as_str()));
    let names = |found: &[&T]| -> Vec<String> {
        let newest = found.iter().take(LISTED).map(|one| key(one));
        newest
            .map(|(kind, name)| format!("{kind}/{name}"))
            .collect()
    };
    match found[..] {
        [one] => Ok(one),
        [] => Err(ReadingError::NoSuchSnapshot {
            host: host.clone(),
            asked: which.to_string(),
            instead: names(&like(begins, all, &key)),
        }
        .into()),
        _ => Err(ReadingError::Ambiguous {
            host: host.clone(),
            asked: which.to_string(),
            count: found.len(),
            candidates: names(&found),
        }
        .into()),
    }
}

/// The snapshots whose names are most like it, best first.
fn like<'a, T>(
    begins: &str,
    all: &'a [T],
    key: &impl Fn(&T) -> (SnapshotKind, &SnapshotName),
) -> Vec<&'a T> {
    let mut all: Vec<(f64, &T)> = all
        .iter()
        .map(|one| (strsim::jaro_winkler(begins, key(one).1.as_str()), one))
        .filter(|(like, _)| *like > 0.7)
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.into_iter().take(3).map(|(_, one)| one).collect()
}
