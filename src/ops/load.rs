//! The configuration, read and checked.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::Error;
use super::aside::free_aside;
use super::context::nearest;
use crate::config;
use crate::core::desired::{DesiredHost, DesiredState};
use crate::core::model::{HostName, Label, Policy};
use crate::core::plan::{Source, SourceFile};

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// What it asks for.
    pub desired: DesiredState,
    /// The retention policies that it names.
    pub policies: BTreeMap<Label, Policy>,
    /// The files it was read from.
    pub source: Source,
    /// What is valid and odd, a line each.
    pub warnings: Vec<String>,
}

/// Reads and checks the configuration at `path`.
///
/// # Errors
/// With the report of every mistake.
pub fn load(path: &Utf8Path) -> Result<Configuration, Error> {
    config::load(path).try_into()
}

/// The same; each host knows where each of its settings was set.
///
/// # Errors
/// With the report of every mistake.
pub fn load_explained(path: &Utf8Path) -> Result<Configuration, Error> {
    config::load_explained(path).try_into()
}

/// As [`load`]; what the parser makes of its files is kept in `folder`, that of the database, and not asked for again.
///
/// # Errors
/// With the report of every mistake.
pub fn load_remembering(path: &Utf8Path, folder: &Utf8Path) -> Result<Configuration, Error> {
    config::load_remembering(path, path, folder).try_into()
}

impl TryFrom<config::Loaded> for Configuration {
    type Error = Error;

    fn try_from(mut loaded: config::Loaded) -> Result<Self, Error> {
        let files = loaded
            .files
            .iter()
            .map(|file| SourceFile {
                path: file.path.to_string(),
                sha256: file.sha256.clone(),
            })
            .collect();
        let warnings = loaded.report.warnings();
        let Some(desired) = loaded.state.take() else {
            return Err(Error::Invalid(Box::new(loaded.report)));
        };
        let policies = std::mem::take(&mut loaded.policies);
        free_aside(loaded);
        Ok(Self {
            desired,
            policies,
            source: Source {
                files,
                revision: revision(),
                dirty: false,
            },
            warnings,
        })
    }
}

/// The host called `name` of the configuration.
///
/// # Errors
/// When there is none; the message suggests the nearest name.
pub fn desired_host<'a>(
    desired: &'a DesiredState,
    name: &HostName,
) -> Result<&'a DesiredHost, Error> {
    desired
        .hosts
        .iter()
        .find(|host| host.name == *name)
        .ok_or_else(|| Error::UnknownHost {
            name: name.clone(),
            nearest: nearest(name, desired.hosts.iter().map(|host| &host.name)),
        })
}

/// The revision that is checked out, as CI names it: reading the repository itself would leave the folder of the
/// configuration.
fn revision() -> Option<String> {
    let named = ["POBSYNC_REVISION", "CI_COMMIT_SHA", "GITHUB_SHA"];
    let found = named
        .into_iter()
        .find_map(|name| std::env::var(name).ok())?;
    Some(found).filter(|found| plain_revision(found))
}

/// Says that a revision is one that any table, page or log may show as it is.
pub(super) fn plain_revision(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/'))
}
